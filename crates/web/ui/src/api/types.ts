// Generated from the Rust types of the API. Do not edit; instead: UPDATE=1 cargo test -p web --test types

/** Whether the API asks for a token, and whether this request gave one. */
export type Auth = {
  /** A token is configured. */
  required: boolean,
  /** The request has the token or a session, or none is needed. */
  authenticated: boolean,
};

/** Messages read from one side and not yet accepted by the other side's kernel socket. */
export type Backlog = {
  /** Complete messages that wait. */
  messages: number,
  /** Bytes that wait. */
  bytes: number,
  /** Age of the oldest byte that waits; 0 when none does. */
  oldest_age_seconds: number,
};

/** One thing that was seen of the end of a connection. */
export type Cause = {
  /** Where; none for a decision of this gateway. */
  leg: Leg | null,
  /** Which layer. */
  layer: Layer,
  /** What. */
  what: What,
  /** Code of a Close frame, where it has one. */
  code?: CloseCode,
  /** When. */
  at: WallTime,
};

/** What this process can hold. */
export type Ceiling = {
  /** Open files allowed (RLIMIT_NOFILE, getrlimit(2)). */
  open_files: number,
  /** Proxied connections that fit: two sockets each. */
  connections: number,
};

/** Where a client is. */
export type ClientAddress = {
  /** From the socket, or from the PROXY protocol or `Forwarded` header of a trusted peer. */
  ip: string,
  /** 0 when only a header told of the client. */
  port: number,
};

/** Status code of a WebSocket Close frame (RFC 6455, section 7.4). */
export type CloseCode = number;

/** Codes of the Close frames that were read from each side. */
export type CloseCodes = {
  /** The client's; 1005 when its Close frame had none. */
  from_client: CloseCode | null,
  /** The upstream's; 1005 when its Close frame had none. */
  from_upstream: CloseCode | null,
};

/** All that is kept of a connection after its end. Serialized as in the admin API and the access log; seconds
 * are floats, times RFC 3339 with nanoseconds. */
export type CloseRecord = {
  /** Name of the connection. */
  id: ConnectionId,
  /** Its protocol. */
  protocol: Protocol,
  /** Configured name of the route. */
  route: string,
  /** Where the client is, as far as trusted peers tell. */
  client: ClientAddress,
  /** URL of the upstream that was reached; none when none was. */
  upstream: string | null,
  /** The request's head was complete. */
  opened_at: WallTime,
  /** Both sides were closed, or the attempt had failed. */
  closed_at: WallTime,
  /** From established to closed; 0 when it never was established. */
  duration_seconds: number,
  /** How the opening went. */
  handshake: Handshake,
  /** Who ended it; none when it never was established. */
  initiator: Initiator | null,
  /** Layer of the first cause. */
  layer: Layer | null,
  /** Why it ended; none when it never was established. */
  reason: Reason | null,
  /** All that was seen of the end, in order of time; the first decides. */
  causes: Array<Cause>,
  /** Codes of the Close frames. */
  codes: CloseCodes,
  /** Silence before the end. */
  idle_seconds: IdleSeconds,
  /** Complete messages (WebSocket data messages, SSE events). */
  messages: PerDirection<number>,
  /** Bytes after the head, frame headers included. */
  bytes: PerDirection<number>,
  /** Bytes that were read from the sender and never accepted by the receiver's kernel socket. */
  unsent_bytes: PerDirection<number>,
  /** The last round trip from a relayed Ping accepted by our kernel to the peer's Pong read. */
  ping_rtt_seconds: PerLeg<number | null>,
  /** The Pings towards each peer; none where there was no Ping. */
  heartbeat: PerLeg<Heartbeat | null>,
};

/** Opaque random name of one connection. Written as 13 characters of Crockford's base 32 in lower case, which
 * survive being read out, typed and put in a URL. Carries no meaning: not an address, a user or an order. */
export type ConnectionId = string;

/** One connection, open or ended. */
export type ConnectionView = { "state": "live",
/** Its snapshot. */
live: LiveConnection, } | { "state": "closed",
/** Its close record. */
closed: CloseRecord,
};

/** Which way bytes go through the gateway. */
export type Direction = "client_to_server" | "server_to_client";

/** Connections that ended alike. */
export type EndedCount = {
  /** Protocol. */
  protocol: Protocol,
  /** Who ended them. */
  initiator: Initiator,
  /** Why. */
  reason: Reason,
  /** How many. */
  count: number,
};

/** Body of every answer of the API that is no success. */
export type ErrorBody = {
  /** What went wrong. */
  error: ErrorDetail,
};

/** Errors of one type. */
export type ErrorCount = {
  /** Protocol. */
  protocol: Protocol,
  /** Type. */
  type: ErrorType,
  /** How many. */
  count: number,
};

/** What went wrong, for a program, for a person, and what to do. */
export type ErrorDetail = {
  /** One word for programs, such as `bad_query`. */
  code: string,
  /** What is wrong. */
  message: string,
  /** What to do about it. */
  hint: string | null,
};

/** Kind of an error on an established connection. */
export type ErrorType = "frame" | "utf8" | "too_big" | "deflate" | "io_client" | "io_upstream" | "tls" | "timeout" | "backlog" | "internal";

/** How a frame breaks RFC 6455 (sections 5.1 to 5.5). */
export type FrameViolation = "unmasked" | "masked" | "reserved_bit" | "reserved_opcode" | "long_control" | "fragmented_control" | "unexpected_continuation" | "interrupted_message" | "non_minimal_length" | "length_overflow" | "close_body_length" | "close_code" | "after_close";

/** How an opening went. */
export type Handshake = {
  /** Its outcome. */
  result: HandshakeResult,
  /** Status that the client was sent; none when it was sent none. */
  status: number | null,
  /** From the request's head complete to the outcome. */
  seconds: number,
  /** What went wrong, in words for an operator; none on success. */
  detail?: string,
};

/** Attempts with the same outcome. */
export type HandshakeCount = {
  /** Protocol. */
  protocol: Protocol,
  /** Outcome. */
  result: HandshakeResult,
  /** How many. */
  count: number,
};

/** Outcome of one attempt to open a WebSocket or an SSE subscription, from the last header byte of the
 * request read to the outcome decided. */
export type HandshakeResult = "success" | "client_error" | "server_error" | "unreachable" | "timeout" | "invalid_upgrade" | "not_upgraded" | "not_event_stream" | "denied_origin" | "denied" | "malformed" | "client_aborted";

/** The Pings towards one peer. */
export type Heartbeat = {
  /** Median of the last gaps between them; none before there were three. */
  interval_seconds: number | null,
  /** How many the peer did not answer before it answered a later one, or before the connection ended. */
  missed: number,
};

/** Silence before the end, in seconds; from established when nothing of the kind was ever seen. */
export type IdleSeconds = {
  /** Since the last byte in either direction. */
  any: number,
  /** Since the last complete message in either direction. */
  data: number,
  /** Since the last byte from the client. */
  client_to_server: number,
  /** Since the last byte from the upstream. */
  server_to_client: number,
};

/** Who ended a connection: the sender of the first Close frame, FIN, RST or equivalent. */
export type Initiator = "client" | "upstream" | "proxy";

/** Quantiles of a latency, interpolated within histogram buckets as PromQL's `histogram_quantile` does; none
 * when nothing was measured. */
export type LatencySeconds = {
  /** Median. */
  p50: number | null,
  /** 99th percentile. */
  p99: number | null,
  /** Mean. */
  mean: number | null,
};

/** Protocol layer at which a cause was seen. */
export type Layer = "websocket" | "http" | "tls" | "tcp" | "policy";

/** One of the two TCP connections that the gateway joins. */
export type Leg = "client" | "upstream";

/** A list, cut to what was asked for. */
export type List<T> = {
  /** When it was taken. */
  as_of: WallTime,
  /** The items asked for, in the order asked for. */
  items: Array<T>,
  /** How many there are in all. */
  total: number,
};

/** Snapshot of an open connection, as the admin API shows it. */
export type LiveConnection = {
  /** Name of the connection. */
  id: ConnectionId,
  /** Its protocol. */
  protocol: Protocol,
  /** Configured name of the route. */
  route: string,
  /** Where the client is. */
  client: ClientAddress,
  /** URL of the upstream. */
  upstream: string,
  /** It was established (101, or the event stream's head, relayed). */
  opened_at: WallTime,
  /** Age since then. */
  age_seconds: number,
  /** Since the last byte in either direction. */
  idle_seconds: number,
  /** Complete messages so far. */
  messages: PerDirection<number>,
  /** Bytes after the head so far. */
  bytes: PerDirection<number>,
  /** What waits in this gateway. */
  backlog: PerDirection<Backlog>,
  /** State in one word. */
  state: LiveState,
  /** The last round trip from a relayed Ping accepted by our kernel to the peer's Pong read. */
  ping_rtt_seconds: PerLeg<number | null>,
  /** The Pings towards each peer; none where there was no Ping. */
  heartbeat: PerLeg<Heartbeat | null>,
};

/** State of an open connection. */
export type LiveState = "open" | "slow" | "closing";

/** Body of `POST /api/v1/login`. */
export type Login = {
  /** The admin token. */
  token: string,
};

/** The numbers of now. */
export type Now = {
  /** Open connections. */
  connections: PerProtocol<number>,
  /** Complete messages per second, over the last 10 s. */
  messages_per_second: PerDirection<number>,
  /** Bytes per second, over the last 10 s. */
  bytes_per_second: PerDirection<number>,
  /** Connections established per second, over the last 10 s. */
  opened_per_second: number,
  /** Connections ended per second, over the last 10 s. */
  closed_per_second: number,
  /** Share of the connections ended in the window whose reason is none of normal, going_away, no_status, app,
   * complete, client_closed, shutdown; none when none ended. */
  abnormal_ratio: number | null,
  /** Share of attempts that succeeded in the window, without faults of clients and our own refusals; none
   * when there was no attempt. */
  handshake_success_ratio: number | null,
  /** Residence of messages in this gateway over the window. */
  latency_seconds: LatencySeconds,
  /** What waits in this gateway. */
  backlog: Backlog,
  /** Connections whose receiver has left a backlog for 5 s or longer. */
  slow_consumers: number,
};

/** Opcode of a WebSocket frame (RFC 6455, section 11.8). */
export type Opcode = "continuation" | "text" | "binary" | "close" | "ping" | "pong" | "reserved";

/** One look. */
export type Overview = {
  /** When it was taken. */
  as_of: WallTime,
  /** When the gateway started. */
  started_at: WallTime,
  /** Length of the window that counts and rates are taken over: what was asked for, or the time since the
   * start when that is shorter. */
  window_seconds: number,
  /** The numbers of now. */
  now: Now,
  /** How they came to be, oldest first. */
  trend: Trend,
  /** Connections that ended in the window; most frequent first, zeros left out. */
  ended: Array<EndedCount>,
  /** Attempts to open in the window; most frequent first, zeros left out. */
  handshakes: Array<HandshakeCount>,
  /** Errors in the window; most frequent first, zeros left out. */
  errors: Array<ErrorCount>,
  /** Open connections by route, in the order of the configuration. */
  routes: Array<RouteNow>,
  /** What this process can hold. */
  ceiling: Ceiling,
};

/** One value for each direction. */
export type PerDirection<T> = {
  /** From the client towards the upstream. */
  client_to_server: T,
  /** From the upstream towards the client. */
  server_to_client: T,
};

/** One value for each leg. */
export type PerLeg<T> = {
  /** Towards the client. */
  client: T,
  /** Towards the upstream. */
  upstream: T,
};

/** One value for each protocol. */
export type PerProtocol<T> = {
  /** WebSocket. */
  websocket: T,
  /** Server-sent events. */
  sse: T,
};

/** Protocol of a connection that is observed message by message. */
export type Protocol = "websocket" | "sse";

/** Why an established connection ended. */
export type Reason = "normal" | "going_away" | "protocol_error" | "unsupported_data" | "no_status" | "abnormal" | "invalid_payload" | "policy_violation" | "too_big" | "mandatory_extension" | "internal_error" | "service_restart" | "try_again_later" | "bad_gateway" | "app" | "complete" | "truncated" | "client_closed" | "reset" | "timeout" | "slow_consumer" | "heartbeat_timeout" | "limit" | "shutdown" | "other";

/** One thing that happened. */
export type Recorded = {
  /** Counts all that happened on the connection, from 0; numbers that are left out are no longer kept. */
  number: number,
  /** When. */
  at: WallTime,
  /** From established to then; 0 for what came before. */
  after_seconds: number, } & ({ "kind": "handshake",
  /** Its outcome. */
  result: HandshakeResult,
  /** Status that the client was sent; none when it was sent none. */
  status: number | null,
  /** From the request's head complete to the outcome. */
  seconds: number, } | { "kind": "message",
  /** Which way it goes. */
  direction: Direction,
  /** `Text` or `Binary`. */
  opcode: Opcode,
  /** Payload bytes on the wire. */
  bytes: number,
  /** Number of frames, 65,535 for more. */
  frames: number,
  /** Compressed by permessage-deflate. */
  compressed: boolean, } | { "kind": "event",
  /** Bytes of its block. */
  bytes: number, } | { "kind": "comment" } | { "kind": "ping",
  /** Which way it goes. */
  direction: Direction,
  /** Payload bytes, 65,535 for more. */
  bytes: number, } | { "kind": "pong",
  /** Which way it goes. */
  direction: Direction,
  /** Payload bytes, 65,535 for more. */
  bytes: number,
  /** From the Ping accepted by our kernel; none when it answers no open Ping. */
  rtt_seconds: number | null, } | { "kind": "close",
  /** Which way it goes. */
  direction: Direction,
  /** Its code. */
  code: CloseCode | null, } | { "kind": "wait_began",
  /** Which way the bytes go. */
  direction: Direction,
  /** Bytes that wait. */
  bytes: number, } | { "kind": "wait_ended",
  /** Which way the bytes go. */
  direction: Direction,
  /** Since the oldest of them was read. */
  seconds: number, } | { "kind": "violation",
  /** Which way they go. */
  direction: Direction,
  /** What is broken. */
  violation: FrameViolation,
  /** Offset of the frame in its direction. */
  offset: number, } | { "kind": "cause",
  /** Where; none for a decision of this gateway. */
  leg: Leg | null,
  /** What. */
  what: What, } | { "kind": "end",
  /** Who ended it. */
  initiator: Initiator,
  /** Why. */
  reason: Reason, });
  
/** Open connections of one route. */
export type RouteNow = {
  /** Configured name. */
  name: string,
  /** Open connections. */
  connections: PerProtocol<number>,
};

/** What the gateway says of itself before anything else. */
export type Status = {
  /** Version of the program. */
  version: string,
  /** When the process started. */
  started_at: WallTime,
  /** Whether a token is needed. */
  auth: Auth,
};

/** Columns of equal length, one entry a step, oldest first. */
export type Trend = {
  /** End of each step, Unix seconds. */
  t: Array<number>,
  /** Length of a step, seconds. */
  step_seconds: number,
  /** Open connections at the end of the step. */
  connections: PerProtocol<Array<number>>,
  /** Complete messages per second. */
  messages_per_second: PerDirection<Array<number>>,
  /** Bytes per second. */
  bytes_per_second: PerDirection<Array<number>>,
  /** Connections established per second. */
  opened_per_second: Array<number>,
  /** Connections ended per second. */
  closed_per_second: Array<number>,
  /** Errors per second. */
  errors_per_second: Array<number>,
  /** Median residence of the step's messages, seconds. */
  latency_p50: Array<number | null>,
  /** Its 99th percentile. */
  latency_p99: Array<number | null>,
  /** Upper bounds of the latency buckets, seconds; the last, +Inf, is left out. */
  latency_bounds: Array<number>,
  /** Messages by step and bucket (one more than there are bounds). */
  latency_cells: Array<Array<number>>,
};

/** Wall-clock time in nanoseconds since the Unix epoch. Shown and serialized as RFC 3339 in UTC with nine
 * digits of fraction, so that text order is time order. */
export type WallTime = string;

/** What can be seen of the end of a connection. */
export type What = "close_frame" | "body_end" | "body_truncated" | "fin" | "rst" | "rst_stream" | "tcp_timeout" | "tls_alert" | "idle_timeout" | "half_close_timeout" | "slow_consumer" | "drain" | "operator" | "internal";
