// Words of the API that also stand in addresses, which anybody may write.
import type { HandshakeResult, Initiator, Reason } from '../api/types';

/** A closed enumeration, so that a word that is missing here does not compile. */
type Words<W extends string> = Readonly<Record<W, true>>;

export const INITIATORS: Words<Initiator> = { client: true, upstream: true, proxy: true };

export const RESULTS: Words<HandshakeResult> = {
  success: true, client_error: true, server_error: true, unreachable: true, timeout: true, invalid_upgrade: true,
  not_upgraded: true, not_event_stream: true, denied_origin: true, denied: true, malformed: true, client_aborted: true,
};

export const REASONS: Words<Reason> = {
  normal: true, going_away: true, protocol_error: true, unsupported_data: true, no_status: true, abnormal: true,
  invalid_payload: true, policy_violation: true, too_big: true, mandatory_extension: true, internal_error: true,
  service_restart: true, try_again_later: true, bad_gateway: true, app: true, complete: true, truncated: true,
  client_closed: true, reset: true, timeout: true, slow_consumer: true, heartbeat_timeout: true, limit: true,
  shutdown: true, other: true,
};

/** The text, when it is one of the words. */
export const wordOf = <W extends string>(words: Words<W>, text: string | null): W | null =>
  (text !== null && Object.hasOwn(words, text) ? (text as W) : null);
