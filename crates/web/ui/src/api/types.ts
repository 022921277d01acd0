// Generated from the Rust types of the API. Do not edit; instead: UPDATE=1 cargo test -p web --test types

/** Connections that listening sockets could not take. */
export type AcceptFacts = {
  /** Times that a full accept queue turned a connection away (`ListenOverflows`), since boot. */
  overflows: number | null,
  /** Of these, within the last minute. */
  overflows_last_minute: number | null,
  /** Connections that a listening socket dropped, for whatever reason (`ListenDrops`), since boot. */
  drops: number | null,
  /** Of these, within the last minute. */
  drops_last_minute: number | null,
  /** Longest accept queue that a listening socket may ask for (`net.core.somaxconn`). */
  somaxconn: number | null,
};

/** Connections that wait at a listener to be accepted. */
export type AcceptQueue = {
  /** Address of the listener. */
  listener: string,
  /** How many wait. */
  waiting: number,
  /** How many may wait. */
  limit: number,
};

/** Sampled times from a message's last byte accepted by our kernel socket to its acknowledgement by the
 * receiver's kernel. Each is an upper bound for the path: a receiver may hold an acknowledgement back, to send
 * it along with data of its own (RFC 9293, section 3.8.6.3; Linux by up to 40 ms). */
export type AckFacts = {
  /** How many. */
  samples: number,
  /** The least. */
  min_seconds: number,
  /** The greatest. */
  max_seconds: number,
  /** The newest. */
  last_seconds: number,
};

/** Whether the API asks for a token, and whether this request gave one. */
export type Auth = {
  /** A token is configured. */
  required: boolean,
  /** The request has the token or a session, or none is needed. */
  authenticated: boolean,
};

/** Messages read from one side and not yet accepted by the other side's kernel socket. */
export type Backlog = {
  /** Messages that wait, whole or in part. */
  messages: number,
  /** Bytes that wait. */
  bytes: number,
  /** Age of the oldest byte that waits; 0 when none does. */
  oldest_age_seconds: number,
  /** What waits in the kernel beside it, before the gateway and behind it. */
  socket?: SocketBacklog,
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
  /** Code of an RST_STREAM frame. */
  error?: Http2Error,
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

/** What a control group uses and may use (cgroup v2). Limits are those that bind: of the group or of one around
 * it. */
export type CgroupFacts = {
  /** Memory of the group whose limit is nearest; of the process's own group when there is no limit. */
  memory_bytes: number | null,
  /** Its limit (`memory.max`). */
  memory_limit_bytes: number | null,
  /** How many CPUs' time it may use (`cpu.max`). */
  cpu_limit: number | null,
  /** Time for which it was held back by that limit (`throttled_usec`), since the group was made. */
  cpu_throttled_seconds: number | null,
  /** Time in which its tasks waited for a resource. */
  pressure: { [key in Resource]?: Stalls },
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
  /** What the client's program calls itself (`User-Agent`: RFC 9110, section 10.1.5), cut to 200 bytes. */
  user_agent?: string,
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
  /** The first breach of RFC 6455 in what was read from each side. */
  violations: PerDirection<FrameViolation | null>,
  /** Silence before the end. */
  idle_seconds: IdleSeconds,
  /** Complete messages (WebSocket data messages, SSE events). */
  messages: PerDirection<number>,
  /** Bytes after the head, frame headers included. */
  bytes: PerDirection<number>,
  /** Bytes that were read from the sender and never accepted by the receiver's kernel socket. When the
   * receiver's TCP connection had ended before the gateway closed it (reset, given up) or the gateway reset
   * it, also those that were accepted and never sent (in TLS, of records); else the kernel goes on sending
   * them. What a shared TCP connection (HTTP/2) had not sent is left out. */
  unsent_bytes: PerDirection<number>,
  /** Bytes that were sent to the receiver and not acknowledged by its kernel when the record was made; after
   * an orderly end the last ones often are still on their way. None where it is not known: not on Linux,
   * never established, or the TCP connection is shared (HTTP/2). */
  unacked_bytes: PerDirection<number | null>,
  /** What the kernel told of the two TCP connections. */
  tcp?: TcpLegs,
  /** It was opened as a reconnect; none when it was not. */
  reconnect?: Reconnect,
  /** SSE: how its events came; none without events. */
  events_per_read?: EventsPerRead,
  /** The last round trip from a relayed Ping accepted by our kernel to the peer's Pong read. */
  ping_rtt_seconds: PerLeg<number | null>,
  /** The Pings towards each peer; none where there was no Ping. */
  heartbeat: PerLeg<Heartbeat | null>,
  /** What a gRPC stream has beside. */
  grpc?: GrpcFacts,
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

/** Connections that the firewall follows (`nf_conntrack`). */
export type ConntrackFacts = {
  /** Followed now. */
  entries: number | null,
  /** Most that are followed; packets of further connections are dropped. */
  limit: number | null,
};

/** CPUs of a machine. */
export type CpuFacts = {
  /** How many are online. */
  count: number | null,
  /** Time of all CPUs since boot. */
  seconds: { [key in CpuMode]?: number },
  /** Share of the time between the last two readings that was neither idle nor waiting for I/O. */
  busy_ratio: number | null,
};

/** What a CPU spends its time on (proc(5), `/proc/stat`); time of guests counts as user time. */
export type CpuMode = "user" | "nice" | "system" | "idle" | "iowait" | "irq" | "softirq" | "steal";

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

/** Events that were complete with one piece of the body as it was read (at most one chunk of HTTP/1.1), over the
 * pieces that completed any: more than one means that the upstream, or something before it, sends them in batches. */
export type EventsPerRead = {
  /** Mean. */
  mean: number,
  /** Maximum. */
  max: number,
};

/** A machine as its exporter tells. */
export type ExporterFacts = {
  /** URL of the exporter. */
  url: string,
  /** When it was last asked. */
  as_of: WallTime,
  /** Why it gave no answer. */
  error: string | null,
  /** Its answer. */
  machine: MachineFacts | null,
};

/** Open files of a machine (`/proc/sys/fs/file-nr`). */
export type FileFacts = {
  /** Open. */
  open: number | null,
  /** Most that may be open. */
  limit: number | null,
};

/** How a frame breaks RFC 6455 (sections 5.1 to 5.5). */
export type FrameViolation = "unmasked" | "masked" | "reserved_bit" | "reserved_opcode" | "long_control" | "fragmented_control" | "unexpected_continuation" | "interrupted_message" | "non_minimal_length" | "length_overflow" | "close_body_length" | "close_code" | "after_close";

/** A GOAWAY frame (RFC 9113, section 6.8). */
export type GoAway = {
  /** The gateway's own, or the peer's. */
  initiator: Initiator,
  /** Why. */
  error: Http2Error,
  /** The beginning of its debug data, such as `too_many_pings`. */
  debug: string,
};

/** Outcome of a gRPC call (grpc/grpc, doc/statuscodes.md), in the order of the codes' numbers. */
export type GrpcCode = "OK" | "CANCELLED" | "UNKNOWN" | "INVALID_ARGUMENT" | "DEADLINE_EXCEEDED" | "NOT_FOUND" | "ALREADY_EXISTS" | "PERMISSION_DENIED" | "RESOURCE_EXHAUSTED" | "FAILED_PRECONDITION" | "ABORTED" | "OUT_OF_RANGE" | "UNIMPLEMENTED" | "INTERNAL" | "UNAVAILABLE" | "DATA_LOSS" | "UNAUTHENTICATED";

/** What is known of a gRPC call. */
export type GrpcFacts = {
  /** Full name of the service, as in the path. */
  service: string,
  /** Name of the method. */
  method: string,
  /** Status that the client was given, or that it makes of the end that it saw. */
  code: GrpcCode,
  /** The service's message beside it, cut to 256 bytes. */
  message?: string,
  /** HTTP status of an answer that is no gRPC: without `grpc-status`, and another status than 200 or another type
   * than `application/grpc`. */
  not_grpc?: number,
  /** How long the client said that it waits (`grpc-timeout`). */
  deadline_seconds?: number,
  /** From the request's head complete to the last byte of the service's first message read. */
  first_message_seconds?: number,
  /** Time during which data waited for the receiver's windows (RFC 9113, section 5.2). */
  stalled_seconds: PerDirection<number>,
  /** The client's connection. */
  client: Http2Facts,
  /** The connection to the upstream. */
  upstream: Http2Facts,
};

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

/** Outcome of one attempt to open a connection, from the last header byte of the request read to the outcome
 * decided. */
export type HandshakeResult = "success" | "client_error" | "server_error" | "unreachable" | "timeout" | "invalid_upgrade" | "not_upgraded" | "not_event_stream" | "denied_origin" | "denied" | "malformed" | "client_aborted";

/** The Pings towards one peer. */
export type Heartbeat = {
  /** Median of the last gaps between them; none before there were three. */
  interval_seconds: number | null,
  /** How many the peer did not answer before it answered a later one, or before the connection ended. */
  missed: number,
  /** The greatest round trip from a Ping accepted by our kernel to the peer's Pong read; none before the first. */
  slowest_rtt_seconds: number | null,
};

/** One look at all that is known. */
export type HostFacts = {
  /** When this machine was read; upstreams have times of their own. */
  as_of: WallTime,
  /** This process. */
  process: ProcessFacts,
  /** This machine, as far as this process may see it: sockets are those of its network namespace. */
  machine: MachineFacts,
  /** The control group of this process, when it is in one (cgroup v2). */
  cgroup: CgroupFacts | null,
  /** The listeners, in the order of the configuration. */
  listeners: Array<AcceptQueue>,
  /** The upstreams, in the order of the configuration. */
  upstreams: Array<UpstreamFacts>,
  /** Upstreams that are not watched, since there are too many. */
  upstreams_left_out: number,
};

/** Error code of an HTTP/2 RST_STREAM or GOAWAY frame (RFC 9113, section 7), in the order of the codes'
 * numbers. */
export type Http2Error = "NO_ERROR" | "PROTOCOL_ERROR" | "INTERNAL_ERROR" | "FLOW_CONTROL_ERROR" | "SETTINGS_TIMEOUT" | "STREAM_CLOSED" | "FRAME_SIZE_ERROR" | "REFUSED_STREAM" | "CANCEL" | "COMPRESSION_ERROR" | "CONNECT_ERROR" | "ENHANCE_YOUR_CALM" | "INADEQUATE_SECURITY" | "HTTP_1_1_REQUIRED" | "other";

/** What is known of the HTTP/2 connection that carried a stream, at the stream's end. */
export type Http2Facts = {
  /** Identifier of the stream (RFC 9113, section 5.1.1). */
  stream: number,
  /** The peer's SETTINGS_MAX_CONCURRENT_STREAMS; none as long as it has set no limit. */
  max_concurrent_streams: number | null,
  /** The peer's SETTINGS_INITIAL_WINDOW_SIZE, bytes. */
  initial_window_size: number | null,
  /** The peer's SETTINGS_MAX_FRAME_SIZE, bytes. */
  max_frame_size: number | null,
  /** Bytes that the peer's window still let the gateway send on the whole connection; below 1 it was shut. */
  connection_window: number,
  /** The last GOAWAY frame that was seen on the connection. */
  goaway: GoAway | null,
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

/** What is being done about an incident. */
export type IncidentState = "open" | "acked" | "closed";

/** An incident as it stands. Times are in milliseconds since the Unix epoch. */
export type IncidentView = {
  /** Its number. */
  number: number,
  /** Key of its group as Alertmanager writes it. */
  group_key: string,
  /** Name of its policy. */
  policy: string,
  /** What is being done about it. */
  state: IncidentState,
  /** When it opened. */
  opened_at_ms: number,
  /** When it ended. */
  closed_at_ms: number | null,
  /** Whether timers stand: all that fires is silenced, inhibited or mute. */
  is_paused: boolean,
  /** Whether a product that escalates by itself has it. */
  is_delegated: boolean,
  /** Who cares. */
  acked_by: string | null,
  /** Receivers that have been told that it is open. */
  told: Array<string>,
  /** The step that is run next, from 1, and when; or when the acknowledgement lapses. */
  next_step: number | null,
  /** See `next_step`. */
  next_at_ms: number | null,
  /** Number of its alerts when it was last looked at. */
  alerts: number,
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

/** The processes that hold the socket on which an upstream listens: one, or a service's workers. */
export type ListeningProcess = {
  /** Name of the first one. */
  name: string,
  /** Their ids, lowest first. */
  pids: Array<number>,
  /** Memory and virtual memory are sums (shared pages count in each); open files and their limit are those of
   * the process nearest to its limit; the start is the first one's; CPU time counts from when the processes
   * were found. */
  usage: ProcessFacts,
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
  /** What the client's program calls itself, as in the close record. */
  user_agent?: string,
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
  /** What the kernel tells of the two TCP connections. */
  tcp?: TcpLegs,
  /** It was opened as a reconnect; none when it was not. */
  reconnect?: Reconnect,
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

/** What a machine is busy with and short of. */
export type MachineFacts = {
  /** Its CPUs. */
  cpu: CpuFacts,
  /** Time in which tasks waited for a resource. */
  pressure: { [key in Resource]?: Stalls },
  /** Its memory. */
  memory: MemoryFacts,
  /** Open files of all processes. */
  files: FileFacts,
  /** Connections that were not accepted in time. */
  accept: AcceptFacts,
  /** Connections that the firewall follows. */
  conntrack: ConntrackFacts,
  /** Its TCP sockets. */
  tcp: TcpSockets,
};

/** Memory of a machine. */
export type MemoryFacts = {
  /** All of it. */
  total_bytes: number | null,
  /** What programs can have without swapping, as the kernel guesses (`MemAvailable`). */
  available_bytes: number | null,
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
  /** gRPC streams. */
  grpc: T,
};

/** What a process uses and may use (proc(5)). */
export type ProcessFacts = {
  /** User and system CPU time. */
  cpu_seconds: number | null,
  /** CPU time by time between the last two readings: 1 is one CPU, fully used. */
  cpu_ratio: number | null,
  /** Resident memory. */
  resident_bytes: number | null,
  /** Virtual memory. */
  virtual_bytes: number | null,
  /** Open files. */
  open_fds: number | null,
  /** Limit of open files. */
  max_fds: number | null,
  /** Start, Unix seconds. */
  start_time_seconds: number | null,
};

/** Protocol of a connection that is observed message by message. */
export type Protocol = "websocket" | "sse" | "grpc";

/** Why an established connection ended. */
export type Reason = "normal" | "going_away" | "protocol_error" | "unsupported_data" | "no_status" | "abnormal" | "invalid_payload" | "policy_violation" | "too_big" | "mandatory_extension" | "internal_error" | "service_restart" | "try_again_later" | "bad_gateway" | "app" | "complete" | "truncated" | "client_closed" | "reset" | "timeout" | "slow_consumer" | "heartbeat_timeout" | "limit" | "shutdown" | "other";

/** The opening of a connection within 60 s after the end of one of the same protocol, route and client key. */
export type Reconnect = {
  /** From the first sign of the end (Close frame, FIN, RST, a decision of this gateway) to established. */
  interval_seconds: number,
  /** The request had `Last-Event-ID` (WHATWG HTML, section 9.2.4): the client goes on where it was cut off. */
  resumed: boolean,
};

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
  compressed: boolean, } | { "kind": "grpc_message",
  /** Which way it goes. */
  direction: Direction,
  /** Payload bytes on the wire. */
  bytes: number,
  /** Compressed, by its own flag. */
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
  
/** What tasks wait for (pressure stall information). */
export type Resource = "cpu" | "io" | "memory";

/** Open connections of one route. */
export type RouteNow = {
  /** Configured name. */
  name: string,
  /** Open connections. */
  connections: PerProtocol<number>,
};

/** Where bytes of one direction wait in the kernel, by the newest sample. */
export type SocketBacklog = {
  /** On the sender's socket, not yet read by the gateway; it stops reading while its own backlog waits. */
  unread_bytes: number,
  /** On the receiver's socket, not sent even once. */
  notsent_bytes: number,
  /** Sent to the receiver and not acknowledged by its kernel. */
  unacked_bytes: number,
  /** The receiver does not read: see [`TcpSample::zero_window`]. */
  zero_window: boolean,
  /** Age of the older one of the two samples. */
  age_seconds: number,
};

/** Time in which tasks waited. */
export type Stall = {
  /** Since boot, or since the control group was made. */
  seconds: number,
  /** Share of the last 10 s. */
  last_10s_ratio: number | null,
};

/** Time in which tasks waited for a resource. */
export type Stalls = {
  /** At least one task waited. */
  some: Stall | null,
  /** No task ran, and at least one waited. */
  full: Stall | null,
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

/** One leg over time. */
export type TcpFacts = {
  /** The TCP connection carries other requests at the same time (HTTP/2): all numbers are theirs too. */
  shared: boolean,
  /** When the connection was established. */
  open: TcpSample,
  /** The newest of the samples that are taken from time to time; none before the first. */
  last?: TcpSample,
  /** At the end, before the socket was closed; none while it is open. */
  close?: TcpSample,
  /** How soon messages were acknowledged, where that was sampled. */
  acks?: AckFacts,
};

/** Both legs; one is absent where nothing is known of it. */
export type TcpLegs = {
  /** Towards the client. */
  client?: TcpFacts,
  /** Towards the upstream. */
  upstream?: TcpFacts,
};

/** What the kernel told at one moment. Counters and times run from the opening of the TCP connection. */
export type TcpSample = {
  /** When: seconds after the connection was established. */
  at_seconds: number,
  /** Smoothed round-trip time; none before the first measurement. */
  rtt_seconds: number | null,
  /** Least round-trip time of the last minutes; none before the first measurement. */
  min_rtt_seconds: number | null,
  /** Segments that were sent again. */
  retransmits: number,
  /** Retransmissions after a timeout, or probes of a closed window, in a row that nothing has answered; each
   * waits twice as long as the one before. */
  unanswered: number,
  /** Bytes received that the gateway has not read. */
  unread_bytes: number,
  /** Bytes accepted from the gateway that were not sent even once. */
  notsent_bytes: number,
  /** Bytes sent that the peer's kernel has not acknowledged. */
  unacked_bytes: number,
  /** Some of `notsent_bytes` wait because the peer's window has room for less than they are and less than
   * one segment: its application does not read. */
  zero_window: boolean,
  /** Bytes that the peer's kernel has acknowledged. */
  bytes_acked: number,
  /** Time with something to send or in flight. */
  busy_seconds: number,
  /** Of it, time in which the peer's window held sending back. */
  rwnd_limited_seconds: number,
  /** Of it, time in which our send buffer was too small for the path. */
  sndbuf_limited_seconds: number,
  /** Since an acknowledgement last came. */
  last_ack_seconds: number,
};

/** TCP sockets of a machine. */
export type TcpSockets = {
  /** Sockets in a state other than TIME_WAIT, IPv4 and IPv6. */
  in_use: number | null,
  /** Sockets in TIME_WAIT. */
  time_wait: number | null,
  /** Ports that a connection may leave from when it does not say which (`ip_local_port_range`): so many
   * connections fit to one address and port of an upstream. */
  ephemeral_ports: number | null,
  /** Memory of the buffers of all sockets. */
  memory_bytes: number | null,
  /** From here on the kernel takes buffers away (`tcp_mem`, the second). */
  memory_pressure_bytes: number | null,
  /** Beyond it sockets are closed (`tcp_mem`, the third). */
  memory_limit_bytes: number | null,
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

/** What is known beneath an upstream. */
export type UpstreamFacts = {
  /** Configured name of the route. */
  route: string,
  /** URL of the upstream. */
  upstream: string,
  /** Whether it is on this machine; none when its name was not resolved. */
  is_local: boolean | null,
  /** The process that listens there, when it is on this machine and this process may see it. */
  process: ListeningProcess | null,
  /** Its machine, by the exporter that is configured for it. */
  exporter: ExporterFacts | null,
};

/** Wall-clock time in nanoseconds since the Unix epoch. Shown and serialized as RFC 3339 in UTC with nine
 * digits of fraction, so that text order is time order. */
export type WallTime = string;

/** What can be seen of the end of a connection. */
export type What = "close_frame" | "body_end" | "body_truncated" | "fin" | "rst" | "rst_stream" | "go_away" | "tcp_timeout" | "tls_alert" | "idle_timeout" | "half_close_timeout" | "slow_consumer" | "drain" | "operator" | "internal";
