// Words of the API that also stand in addresses, which anybody may write.
import type { Reason } from '../api/types';

const REASONS: Record<Reason, true> = {
  normal: true, going_away: true, protocol_error: true, unsupported_data: true, no_status: true, abnormal: true,
  invalid_payload: true, policy_violation: true, too_big: true, mandatory_extension: true, internal_error: true,
  service_restart: true, try_again_later: true, bad_gateway: true, app: true, complete: true, truncated: true,
  client_closed: true, reset: true, timeout: true, slow_consumer: true, heartbeat_timeout: true, limit: true,
  shutdown: true, other: true,
};

export const isReason = (text: string | null): text is Reason => text !== null && Object.hasOwn(REASONS, text);
