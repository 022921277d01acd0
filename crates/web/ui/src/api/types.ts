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

/** Which limit decided. */
export type AdmissionReason = "within_limits" | "exempt" | "connections" | "new_connections" | "client_connections" | "client_new_connections" | "gateway_connections" | "gateway_new_connections" | "handshakes" | "gateway_handshakes" | "unknown" | "messages" | "bytes";

/** How much a finding explains. */
export type Affected = {
  /** Connections that it concerns. */
  connections: number,
  /** Their share of all that ended in the same time and not as they should, 0 to 1; none where it is not about
   * ends. */
  share_of_closes: number | null,
};

/** State of an alert. */
export type AlertState = "inactive" | "pending" | "firing";

/** Whether an alert is told of. */
export type AlertStatus = {
  /** Fingerprints of alerts because of which it is not. */
  inhibitedBy: Array<string>,
  /** Ids of silences because of which it is not. */
  silencedBy: Array<string>,
  /** `active` or `suppressed`. */
  state: string,
};

/** An alert. */
export type AlertView = {
  /** Its labels. */
  labels: { [key in string]: string },
  /** Its texts. */
  annotations: { [key in string]: string },
  /** `pending` or `firing`. */
  state: AlertState,
  /** Since when its expression holds, RFC 3339. */
  activeAt: string,
  /** Since when it fires only because of `keep_firing_for`, RFC 3339. */
  keepFiringSince?: string,
  /** Value of its expression, with an exponent as Go writes it. */
  value: string,
};

/** `data` of `/api/v1/alerts`. */
export type AlertsView = {
  /** All pending and firing alerts. */
  alerts: Array<AlertView>,
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

/** Between the smallest and the largest of several measurements. */
export type Bracket = {
  /** The smallest. */
  from: number,
  /** The largest. */
  to: number,
  /** How many there were. */
  count: number,
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
  /** Share of the last minute for which it was held back; none before a minute is over. */
  cpu_throttled_last_minute_ratio?: number,
  /** Time in which its tasks waited for a resource. */
  pressure: { [key in Resource]?: Stalls },
};

/** What waits for a channel. */
export type ChannelState = {
  /** Its name. */
  channel: string,
  /** Its kind. */
  kind: string,
  /** Groups of alerts that wait or are being told of. */
  waiting: number,
  /** Messages that went through since the start. */
  delivered: number,
  /** Messages that did not and will not. */
  failed: number,
};

/** What can be checked, each by its name in `--checks`. */
export type Check = "handshake" | "origin" | "host" | "credentials" | "path" | "http" | "deflate" | "concurrency" | "idle" | "size" | "fragments" | "latency" | "flush" | "keepalive" | "deadline";

/** Where a client is. */
export type ClientAddress = {
  /** From the socket, or from the PROXY protocol or `Forwarded` header of a trusted peer. */
  ip: string,
  /** 0 when only a header told of the client. */
  port: number,
  /** Where the address is, as the configured database says; none without one, and where it does not know. */
  country?: Country,
  /** It is a browser at the dashboard, by which an operator tries the route; the connection came by the admin address. */
  is_tryout?: boolean,
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
  /** What an event stream has beside. */
  event_stream?: EventStreamFacts,
  /** The last round trip from a relayed Ping accepted by our kernel to the peer's Pong read. */
  ping_rtt_seconds: PerLeg<number | null>,
  /** The Pings towards each peer; none where there was no Ping. */
  heartbeat: PerLeg<Heartbeat | null>,
  /** What the queue towards the client has done; none without one. */
  queue?: QueueFacts,
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
/** The findings that explain its end, surest first. */
findings: Array<Explanation>,
};

/** Connections that the firewall follows (`nf_conntrack`). */
export type ConntrackFacts = {
  /** Followed now. */
  entries: number | null,
  /** Most that are followed; packets of further connections are dropped. */
  limit: number | null,
};

/** Connections of a window against those of the time before. */
export type Contrast = {
  /** Connections of the window that were counted. */
  count: number,
  /** Connections of the time before that were counted. */
  count_before: number,
  /** False when reading ended at its limit or its time: the newest of the window were counted. */
  is_complete: boolean,
  /** The same of the time before. */
  baseline_is_complete: boolean,
  /** Values that were left out because there were too many of one kind, once for each connection that has one. */
  unlisted: number,
  /** What became frequent or rare, the greatest difference first. */
  differences: Array<Difference>,
};

/** A country or territory by its code of two letters (ISO 3166-1 alpha-2), such as `DE`. */
export type Country = string;

/** Open connections of clients in one country. */
export type CountryNow = {
  /** Its code; none where the database does not know. */
  country: Country | null,
  /** Open connections. */
  connections: PerProtocol<number>,
  /** Share of all open connections. */
  share: number,
};

/** How much of what ended not as it should has a cause, lately. */
export type Coverage = {
  /** Length of the time that is looked at. */
  window_seconds: number,
  /** Ends of established connections in it, without those that a client made as one should. */
  ends: number,
  /** Those of them that at least one finding is about. */
  explained: number,
};

/** CPUs of a machine. */
export type CpuFacts = {
  /** How many are online. */
  count: number | null,
  /** Time of all CPUs since boot. */
  seconds: { [key in CpuMode]?: number },
  /** Share of the time between the last two readings that was neither idle nor waiting for I/O. */
  busy_ratio: number | null,
  /** What a whole minute was like; none before one is over. */
  last_minute?: CpuMinute,
};

/** CPUs of a machine over the last minute, as shares of its time. */
export type CpuMinute = {
  /** Neither idle nor waiting for I/O, what the hypervisor took included. */
  busy_ratio: number,
  /** The hypervisor ran others in it (proc(5), steal). */
  steal_ratio: number,
  /** At least one task waited for a CPU (pressure stall information); none where the kernel does not say. */
  waiting_ratio: number | null,
};

/** What a CPU spends its time on (proc(5), `/proc/stat`); time of guests counts as user time. */
export type CpuMode = "user" | "nice" | "system" | "idle" | "iowait" | "irq" | "softirq" | "steal";

/** One attempt to hand a message to a channel. */
export type Delivery = {
  /** Names it among the attempts since the start, from 1. */
  number: number,
  /** When it began, milliseconds since the Unix epoch. */
  at_ms: number,
  /** The channel's name. */
  channel: string,
  /** Its kind, such as `slack`. */
  kind: string,
  /** Name of the receiver. */
  receiver: string,
  /** Names of its alerts, each once, at most eight. */
  alerts: Array<string>,
  /** Alerts in it that fire. */
  firing: number,
  /** Alerts in it that have ended. */
  resolved: number,
  /** What came of it. */
  outcome: DeliveryOutcome,
  /** Why it did not go through, in a word; empty when it did. */
  reason: string,
  /** What the vendor said, without what is secret. */
  detail: string,
  /** Which attempt of this message it was, from 1. */
  tries: number,
  /** How long it took, seconds. */
  seconds: number,
  /** When it is tried again, milliseconds since the Unix epoch. */
  next_at_ms: number | null,
  /** Whether somebody may ask to send it again: it failed, and nobody else goes on with it. */
  is_repeatable: boolean,
};

/** Attempts and channels. */
export type DeliveryList = {
  /** The newest attempts, newest first. */
  items: Array<Delivery>,
  /** How many they are. */
  total: number,
  /** All channels, by name. */
  channels: Array<ChannelState>,
};

/** What came of an attempt. */
export type DeliveryOutcome = "delivered" | "retried" | "failed";

/** A value that more, or fewer, connections of the window have. */
export type Difference = {
  /** Of what. */
  dimension: Dimension,
  /** The value. */
  value: string,
  /** Connections of the window that have it. */
  count: number,
  /** Connections of the time before that have it. */
  count_before: number,
  /** Share of the window's connections that have it, from 0 to 1. */
  share: number,
  /** Share of those before. */
  share_before: number,
  /** How many times greater the share is than before: below 1 it is smaller; none when there was none before. */
  lift: number | null,
  /** Log-likelihood ratio of its two by two table; the greater, the less it is chance. */
  g2: number,
};

/** What connections are compared by. */
export type Dimension = "reason" | "initiator" | "code" | "result" | "upstream" | "route" | "protocol" | "country" | "user_agent";

/** Which way bytes go through the gateway. */
export type Direction = "client_to_server" | "server_to_client";

/** Somebody looked and says that a finding is wrong. It holds for as long as the finding says the same as then and
 * is no surer, also when it comes back within a week or the process was started anew. */
export type Doubt = {
  /** When that was said. */
  at: WallTime,
  /** Why, at most [`NOTE_MAX`] characters; may be empty. */
  note: string,
};

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
  /** The mistake in a filter, to be told in another language. */
  filter: FilterError | null,
};

/** Kind of an error on an established connection. */
export type ErrorType = "frame" | "utf8" | "too_big" | "deflate" | "io_client" | "io_upstream" | "tls" | "timeout" | "backlog" | "internal";

/** What is known of the body of an event stream, as it was read from the upstream. */
export type EventStreamFacts = {
  /** How it is coded (`Content-Encoding`: RFC 9110, section 8.4), cut to 32 bytes; none when it is not, and so was
   * looked into. */
  coding?: string,
  /** Reads that brought something of it. */
  reads: number,
  /** Of a body that is coded, reads that ended with the mark of a compressor that was flushed: an empty block of
   * deflate, `00 00 ff ff` (RFC 1951, section 3.2.4; as zlib's Z_SYNC_FLUSH writes it). */
  flushed_reads: number,
  /** Longest time between two reads, or from established to the first; not the time behind the last. */
  longest_silence_seconds: number,
  /** Comments. */
  comments: number,
  /** Events with an `id`. */
  ids: number,
  /** Events between the one that the client's `Last-Event-ID` named and the first that came, by the numbers that ids
   * are and their mean step: 0 when it goes on where it was cut off, less when events came again. None without
   * `Last-Event-ID`, of fewer than three events, and where ids are not numbers that go up. */
  skipped_events?: number,
};

/** Events that were complete with one piece of the body as it was read (at most one chunk of HTTP/1.1), over the
 * pieces that completed any: more than one means that the upstream, or something before it, sends them in batches. */
export type EventsPerRead = {
  /** Mean. */
  mean: number,
  /** Maximum. */
  max: number,
};

/** Body of `POST /api/v1/diagnose`. */
export type Examine = {
  /** URL of the service: `ws:`, `wss:`, `http:`, `https:`, `grpc:` or `grpcs:`. */
  target: string,
  /** `HOST:PORT` or URL of the service behind it, to compare with. */
  upstream?: string,
  /** Leave out what could find limits the hard way: large messages, many connections, frequent PINGs. */
  safe: boolean,
  /** Language of the report that the answer leads to, such as `zh-CN`; else that of the request. */
  lang?: string,
};

/** What sets the connections of a window apart from those of the time before. */
export type Explained = {
  /** Beginning of the window, and end of the time before. */
  from: WallTime,
  /** End of the window. */
  to: WallTime,
  /** Beginning of the time before. */
  baseline_from: WallTime,
  /** False when no journal is kept: then only the newest ends are known, those in memory. */
  is_kept: boolean,
  /** Connections that ended. */
  ends: Contrast,
  /** Connections that opened and attempts that failed, by when they began. */
  openings: Contrast,
  /** Findings that went on in the window. */
  findings: Array<Told>,
};

/** A finding that explains the end of one connection, in the language of the reader. */
export type Explanation = {
  /** Name of its cause, as in `/api/v1/findings/{id}`. */
  id: string,
  /** Its cause's number, such as `HL-101`. */
  code: string,
  /** One line. */
  title: string,
  /** How sure it is. */
  level: Level,
  /** The same from 0 to 1. */
  confidence: number,
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

/** The values of one key. */
export type Facet = {
  /** Key of a filter. */
  key: string,
  /** The most frequent values, most frequent first. */
  values: Array<FacetValue>,
  /** How many connections have other values. */
  others: number,
};

/** Connections with one value. */
export type FacetValue = {
  /** The value. */
  value: string,
  /** How many have it. */
  count: number,
};

/** What the connections that a filter takes have in common. */
export type Facets = {
  /** When they were counted. */
  as_of: WallTime,
  /** How many the filter takes. */
  total: number,
  /** How many of them opened (of closed ones: closed) after the instant asked for. */
  newer: number,
  /** What was counted. */
  facets: Array<Facet>,
};

/** Why a stage failed, in kinds. */
export type Fault = "no_name" | "resolver" | "refused" | "timeout" | "unreachable" | "reset" | "ended" | "alert" | "certificate" | "other_protocol" | "alpn" | "answer" | "protocol" | "local";

/** Body of `POST /api/v1/findings/{id}/feedback`. */
export type Feedback = {
  /** Whether the finding is wrong; false takes that back. */
  wrong: boolean,
  /** Why. */
  note: string,
  /** Route of the finding; all of the cause when left out. */
  route?: string,
  /** Its place; all when left out. */
  where?: Place,
};

/** Open files of a machine (`/proc/sys/fs/file-nr`). */
export type FileFacts = {
  /** Open. */
  open: number | null,
  /** Most that may be open. */
  limit: number | null,
};

/** Why a text is no filter. */
export type FilterError = {
  /** Where, in characters from 1. */
  at: number,
  /** What is wrong. */
  mistake: Mistake,
};

/** Findings, and how much they explain. */
export type FindingList = {
  /** Those asked for: what goes on, surest first, then what is over, newest first. */
  items: Array<Told>,
  /** How many they are. */
  total: number,
  /** How much of what ended lately has a cause. */
  coverage: Coverage,
};

/** How a frame breaks RFC 6455 (sections 5.1 to 5.5). */
export type FrameViolation = "unmasked" | "masked" | "reserved_bit" | "reserved_opcode" | "long_control" | "fragmented_control" | "unexpected_continuation" | "interrupted_message" | "non_minimal_length" | "length_overflow" | "close_body_length" | "close_code" | "after_close";

/** An alert, of `GET /api/v2/alerts`. */
export type GettableAlert = {
  /** Its texts. */
  annotations: { [key in string]: string },
  /** When it ends unless it is reported again, RFC 3339. */
  endsAt: string,
  /** 16 hexadecimal digits. */
  fingerprint: string,
  /** Who is told of it. */
  receivers: Array<ReceiverName>,
  /** Since when it fires, RFC 3339. */
  startsAt: string,
  /** Whether it is told of. */
  status: AlertStatus,
  /** When it was last reported, RFC 3339. */
  updatedAt: string,
  /** Where its expression is shown. */
  generatorURL: string,
  /** Its labels. */
  labels: { [key in string]: string },
};

/** A silence, of `GET /api/v2/silences`. */
export type GettableSilence = {
  /** Its id. */
  id: string,
  /** Whether it is at work. */
  status: SilenceStatus,
  /** When it was last changed, RFC 3339. */
  updatedAt: string,
  /** Why. */
  comment: string,
  /** Who asked for it. */
  createdBy: string,
  /** Until when, RFC 3339. */
  endsAt: string,
  /** Which alerts are not told of. */
  matchers: Array<{ name: string, value: string, isRegex: boolean, isEqual: boolean }>,
  /** From when, RFC 3339. */
  startsAt: string,
};

/** A GOAWAY frame (RFC 9113, section 6.8). */
export type GoAway = {
  /** The gateway's own, or the peer's. */
  initiator: Initiator,
  /** Why. */
  error: Http2Error,
  /** The beginning of its debug data, such as `too_many_pings`. */
  debug: string,
};

/** A group. */
export type GroupView = {
  /** Its name. */
  name: string,
  /** Its file. */
  file: string,
  /** Its rules, in order. */
  rules: Array<RuleView>,
  /** Time between evaluations, seconds. */
  interval: number,
  /** Most alerts or series of a rule; 0 is no limit. */
  limit: number,
  /** How long the last evaluation took, seconds. */
  evaluationTime: number,
  /** When it was, RFC 3339. */
  lastEvaluation: string,
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
  /** Of these, until a connection with the upstream stood, TLS included, and whatever waited or failed before that; none
   * where none was reached, or it is not known (HTTP/2 from the client, gRPC). */
  connect_seconds?: number,
  /** An event stream: the client accepts a body that is coded (`Accept-Encoding`: RFC 9110, section 12.5.3). */
  accepts_coding?: boolean,
  /** What went wrong, in words for an operator; none on success. */
  detail?: string,
  /** The limit of this gateway that refused it; none where none did. */
  refused_by?: AdmissionReason,
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

/** How far an examination is. */
export type JobState = "waiting" | "running" | "over" | "failed";

/** An examination that somebody asked for. */
export type JobView = {
  /** What explains what it saw, surest first; empty until it is over. */
  findings: Array<Told>,
  /** Its name. */
  id: string,
  /** What is examined, without query. */
  target: string,
  /** The service behind it, `HOST:PORT`. */
  upstream: string | null,
  /** Without what could find limits the hard way. */
  is_safe: boolean,
  /** When it was asked for. */
  asked_at: WallTime,
  /** How far it is. */
  state: JobState,
  /** Examinations that come before it. */
  ahead: number,
  /** How long it has been under way, seconds. */
  seconds: number,
  /** After how long it is judged by what was seen until then, seconds. */
  limit_seconds: number,
  /** Checks that were begun, in that order. */
  steps: Array<Step>,
  /** Stages of the plain opening, in their order; the last one may have failed. */
  stages: Array<ProbeStage>,
  /** What it came to. */
  outcome: Outcome | null,
  /** The time was over before all was measured. */
  is_cut: boolean,
};

/** What is kept. */
export type KeptFacts = {
  /** Where; none when nothing is kept on a disk. */
  directory: string | null,
  /** How long samples are kept, seconds. */
  retention_seconds: number,
  /** How long the records of closed connections are kept, seconds. */
  journal_retention_seconds: number,
  /** Series now. */
  series: number,
  /** Samples taken since the start. */
  samples: number,
  /** Samples that were dropped or lost, since the start. */
  samples_lost: number,
  /** Entries of the journal that were dropped, since the start. */
  journal_dropped: number,
  /** Bytes of samples in memory. */
  head_bytes: number,
  /** Parts of the directory. */
  parts: Array<KeptPart>,
};

/** A part of the data directory. */
export type KeptPart = {
  /** Its name: `series`, `journal` or `state`. */
  name: string,
  /** Whether it can be written just now. */
  is_kept: boolean,
  /** Bytes in use. */
  disk_bytes: number,
  /** What waits to be written: batches of samples, entries of the journal. */
  waiting: number,
  /** Attempts to write that failed, since the start. */
  write_errors: number,
  /** Unix time at which something was last written, seconds; 0 for never. */
  written_at: number,
};

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

/** How sure a finding is. */
export type Level = "high" | "medium" | "low" | "inconclusive";

/** How much there is of something, and how much of it is in use. */
export type Limit = {
  /** What. */
  resource: LimitedResource,
  /** Of which listener, upstream or channel; empty where there is one alone. */
  subject: string,
  /** In use: a number of things, or bytes of memory. */
  used: number,
  /** All there is. */
  limit: number,
};

/** Something of which there is only so much. */
export type LimitedResource = "connections" | "route_connections" | "route_new_connections" | "client_connections" | "route_handshakes" | "gateway_connections" | "gateway_new_connections" | "gateway_handshakes" | "open_files" | "machine_files" | "accept_queue" | "upstream_ports" | "conntrack" | "socket_memory" | "memory" | "recorder_memory" | "series" | "notifications" | "viewers";

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
  /** What the queue towards the client has done; none without one. */
  queue?: QueueFacts,
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

/** What is wrong with a filter. A `value` is what was written, cut when it is long; `example` is a term that is right,
 * `meant` the nearest word that is. */
export type Mistake = { "kind": "too_long", bytes: number, most: number, } | { "kind": "control_character" } | { "kind": "too_many_terms", most: number, } | { "kind": "no_end" } | { "kind": "no_text" } | { "kind": "no_key", value: string, known: string, } | { "kind": "no_term", value: string, example: string, } | { "kind": "no_value", value: string, example: string, } | { "kind": "unknown_key", value: string, meant: string, known: string, } | { "kind": "unknown_word", key: string, value: string, meant: string, known: string, } | { "kind": "not_of_numbers", key: string, example: string, } | { "kind": "no_number", key: string, value: string, example: string, } | { "kind": "no_network", value: string, example: string, } | { "kind": "star_in_network", example: string, } | { "kind": "no_country", value: string, example: string,
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

/** What an examination comes to. */
export type Outcome = "healthy" | "problem" | "inconclusive" | "could_not_test";

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
  /** Open connections by the client's country, most frequent first; none without a database of countries
   * (`GET /api/v1/geo` tells how to have one). */
  countries?: Array<CountryNow>,
  /** What this process can hold. */
  ceiling: Ceiling,
};

/** What a path bears, as deep experiments have found it. */
export type PathLimits = {
  /** The longest silence after which a connection was still there. */
  silence_survived_seconds: number | null,
  /** The silence after which connections were cut. */
  silence_cut_seconds: Bracket | null,
  /** The largest message that passed. */
  message_passed_bytes: number | null,
  /** The smallest message that did not. */
  message_failed_bytes: number | null,
  /** Connections that were opened at once. */
  connections_opened: number | null,
  /** Connections of the same moment that were refused. */
  connections_refused: number | null,
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

/** Where a cause sits, along the way from the client to the service. */
export type Place = "client" | "client_leg" | "gateway" | "upstream_leg" | "upstream" | "host" | "unknown";

/** What is kept of a run that is not the newest. */
export type ProbeCell = {
  /** When it began. */
  at: WallTime,
  /** See [`ProbeRun::is_success`]. */
  is_success: boolean,
  /** See [`ProbeRun::is_deep`]. */
  is_deep: boolean,
  /** See [`ProbeRun::outcome`]. */
  outcome: Outcome,
  /** See [`ProbeRun::opening_seconds`]. */
  opening_seconds: number,
};

/** What came of one run. */
export type ProbeRun = {
  /** When it began. */
  at: WallTime,
  /** How long all its experiments took. */
  seconds: number,
  /** Long and hard experiments were among them. */
  is_deep: boolean,
  /** The stream opened and stayed open, and a call did not fail. */
  is_success: boolean,
  /** What it all came to. */
  outcome: Outcome,
  /** Why nothing could be tested, when it is this machine's fault. */
  error: string | null,
  /** Stages of the plain opening, in their order; the last one may have failed. */
  stages: Array<ProbeStage>,
  /** Status of its answer. */
  status: number | null,
  /** 4 or 6; none when nothing was connected to. */
  ip_version: number | null,
  /** Version of TLS, such as `1.3`. */
  tls_version: string | null,
  /** Unix time in seconds at which the first certificate of the chain ends. */
  certificate_ends_at: number | null,
  /** Round trip of a Ping, or of PING of HTTP/2. */
  ping_rtt_seconds: number | null,
};

/** A stage of an opening. */
export type ProbeStage = {
  /** Which. */
  name: StageName,
  /** How long it took, or until it failed. */
  seconds: number,
  /** Why it failed; none when it did not. */
  fault: Fault | null,
};

/** One probe: what it is told to do, and what came of it. */
export type ProbeView = {
  /** Its name. */
  name: string,
  /** What it examines, without query. */
  url: string,
  /** What is spoken there. */
  protocol: Protocol,
  /** The route whose clients it stands for. */
  route: string | null,
  /** Time between two runs, seconds. */
  every_seconds: number,
  /** Time between two deep runs, seconds; none when there are none but those that are asked for. */
  deep_every_seconds: number | null,
  /** A run is under way. */
  is_running: boolean,
  /** The newest run. */
  last: ProbeRun | null,
  /** The newest runs, oldest first; at most 96. */
  runs: Array<ProbeCell>,
  /** Runs so far by what each came to, in the order of [`Outcome::ALL`](crate::Word::ALL). */
  outcomes: [number, number, number, number],
  /** Runs that were left out, since one was under way or too many of other probes were. */
  skipped: number,
  /** Limits of the path that the newest deep run has found. */
  limits: PathLimits | null,
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

/** What the queue towards the client has done over the life of a connection. */
export type QueueFacts = {
  /** Messages that the client's kernel socket has accepted, over these and those that were dropped; none before the
   * first. */
  delivery_ratio: number | null,
  /** Most bytes that waited at once, those of the message at hand left out. */
  waiting_bytes_max: number,
  /** When a policy has dropped a message last, for which no later one of the same key has come; none before the first. */
  lost_last_at: WallTime | null,
  /** Its classes, highest priority first. */
  classes: Array<QueuedClass>,
};

/** What a queue has done with the messages of one class. */
export type QueuedClass = {
  /** Its configured name. */
  class: string,
  /** Messages that the client's kernel socket has accepted. */
  delivered: number,
  /** Messages that a policy has dropped. */
  dropped: number,
  /** Those of them whose place a later one of the same key has taken: its client gets the latest all the same. */
  coalesced: number,
};

/** Why an established connection ended. */
export type Reason = "normal" | "going_away" | "protocol_error" | "unsupported_data" | "no_status" | "abnormal" | "invalid_payload" | "policy_violation" | "too_big" | "mandatory_extension" | "internal_error" | "service_restart" | "try_again_later" | "bad_gateway" | "app" | "complete" | "truncated" | "client_closed" | "reset" | "timeout" | "slow_consumer" | "heartbeat_timeout" | "limit" | "shutdown" | "other";

/** A receiver, of `GET /api/v2/receivers`. */
export type ReceiverName = {
  /** Its name. */
  name: string,
};

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
  bytes: number,
  /** The gateway itself sent it, by the route's heartbeat. */
  by_gateway?: boolean, } | { "kind": "pong",
  /** Which way it goes. */
  direction: Direction,
  /** Payload bytes, 65,535 for more. */
  bytes: number,
  /** From the Ping accepted by our kernel; none when it answers no open Ping. */
  rtt_seconds: number | null,
  /** It answers a Ping of the gateway itself and goes no further. */
  to_gateway?: boolean, } | { "kind": "close",
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
  seconds: number, } | { "kind": "shed",
  /** Why. */
  policy: Shed,
  /** How many, 65,535 for more. */
  messages: number,
  /** Their bytes. */
  bytes: number, } | { "kind": "violation",
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
  
/** Something that helps. */
export type Remedy = {
  /** Lines to paste. */
  config: string | null,
  /** The sentence. */
  text: string,
  /** Its code in the catalogue. */
  code: string,
  /** What stands in its gaps: seconds, bytes and shares as plain numbers. */
  params: Record<string, string | number>,
};

/** What tasks wait for (pressure stall information). */
export type Resource = "cpu" | "io" | "memory";

/** Open connections of one route. */
export type RouteNow = {
  /** Configured name. */
  name: string,
  /** Open connections. */
  connections: PerProtocol<number>,
};

/** A rule. */
export type RuleView = { "type": "alerting",
/** The state of its alert that is nearest to people; `unknown` before the first evaluation. */
state: string,
/** Its name. */
name: string,
/** Its expression. */
query: string,
/** Its `for`, seconds. */
duration: number,
/** Its `keep_firing_for`, seconds. */
keepFiringFor: number,
/** Its labels, as templates. */
labels: { [key in string]: string },
/** Its annotations, as templates. */
annotations: { [key in string]: string },
/** Its pending and firing alerts. */
alerts: Array<AlertView>,
/** `ok`, `err` or `unknown`. */
health: string,
/** Why the last evaluation failed. */
lastError?: string,
/** How long the last evaluation took, seconds. */
evaluationTime: number,
/** When it was, RFC 3339. */
lastEvaluation: string, } | { "type": "recording",
/** Name of the series. */
name: string,
/** Its expression. */
query: string,
/** Labels that it sets. */
labels?: { [key in string]: string },
/** `ok`, `err` or `unknown`. */
health: string,
/** Why the last evaluation failed. */
lastError?: string,
/** How long the last evaluation took, seconds. */
evaluationTime: number,
/** When it was, RFC 3339. */
lastEvaluation: string,
};

/** `data` of `/api/v1/rules`. */
export type RulesView = {
  /** All groups, in the order of their files. */
  groups: Array<GroupView>,
};

/** Which connections that have ended are meant: those that a filter takes, from a finding's `since` on. */
export type Selection = {
  /** The filter, as people write it. */
  filter: string,
  /** When the last of them ended. */
  latest: WallTime,
};

/** A sentence, with what it was made of. */
export type Sentence = {
  /** The sentence. */
  text: string,
  /** Its code in the catalogue. */
  code: string,
  /** What stands in its gaps: seconds, bytes and shares as plain numbers. */
  params: Record<string, string | number>,
};

/** One setting that is in force. */
export type Setting = {
  /** Its keys, such as `data.retention` or `routes[0].name`. */
  path: string,
  /** Its value as YAML on one line; `***` for what is secret. */
  value: string,
  /** Where it comes from. */
  source: SettingSource,
  /** Line of the file, from 1. */
  line: number | null,
};

/** Where the value of a setting comes from. */
export type SettingSource = "default" | "file" | "command_line";

/** How much a cause hurts. */
export type Severity = "critical" | "warning" | "info";

/** Limits that several gateways hold together. */
export type SharedLimits = {
  /** What becomes of openings without an answer: `open` lets them in, `closed` refuses them. */
  on_failure: string,
  /** Whether who counts them answers. */
  is_up: boolean,
  /** Openings that were let in, since the start. */
  granted: number,
  /** Openings that were refused, since the start. */
  refused: number,
  /** Openings without an answer in time, since the start. */
  unknown: number,
  /** While it does not answer. */
  outage: SharedLimitsOutage | null,
};

/** Who counts shared limits cannot be asked. */
export type SharedLimitsOutage = {
  /** Since when. */
  since: WallTime,
  /** Openings that were decided without an answer meanwhile. */
  unknown: number,
  /** Why, as the last attempt said. */
  why: string,
};

/** Why a queue has dropped a message. */
export type Shed = "drop_oldest" | "drop_lowest" | "coalesce" | "expire" | "disconnect";

/** Whether a silence is at work. */
export type SilenceState = "active" | "pending" | "expired";

/** State of a silence. */
export type SilenceStatus = {
  /** The state. */
  state: SilenceState,
};

/** Something elsewhere, and how it does. */
export type Sink = {
  /** What it is. */
  kind: SinkKind,
  /** Its name, or host and port. */
  name: string,
  /** What waits for it: samples, alerts, groups of alerts. */
  waiting: number,
  /** What it took, since the start. */
  taken: number,
  /** What it did not take and will not, since the start. */
  lost: number,
  /** Age of the oldest that waits, seconds; none where that is not known. */
  lag_seconds: number | null,
};

/** Where samples, alerts and questions go to. */
export type SinkKind = "remote_write" | "alertmanager" | "query_engine" | "channel";

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

/** Stages of an opening, in their order. */
export type StageName = "dns" | "tcp" | "tls" | "http2" | "http" | "upgrade" | "first_message";

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

/** One check of an examination. */
export type Step = {
  /** Which. */
  check: Check,
  /** When it began, seconds after the examination did. */
  began_seconds: number,
  /** When it was last under way, the same; while [`Step::is_running`] it is not over. */
  until_seconds: number,
  /** It is under way. */
  is_running: boolean,
};

/** What the process keeps and serves. */
export type SystemFacts = {
  /** What is kept. */
  kept: KeptFacts,
  /** What it sends to. */
  sinks: Array<Sink>,
  /** Limits that several gateways hold together; none without. */
  shared_limits: SharedLimits | null,
  /** Whether the last reload of the configuration was taken over; none without a file. */
  reloaded: boolean | null,
  /** Looks for causes, since the start. */
  finding_looks: number,
  /** Observers that have panicked, since the start; their connections go on unobserved. */
  observers_failed: number,
  /** Lines of the access log that were dropped, since the start. */
  access_log_dropped: number,
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

/** A finding as people and programs read it. */
export type Told = {
  /** Name of its cause. */
  id: string,
  /** Its cause's number, such as `HL-101`. */
  code: string,
  /** How much it hurts. */
  severity: Severity,
  /** How sure it is. */
  level: Level,
  /** The same from 0 to 1. */
  confidence: number,
  /** Where the cause sits. */
  where: Place,
  /** One line. */
  title: string,
  /** What stands in the title's gaps. */
  params: Record<string, string | number>,
  /** What speaks for it. */
  evidence: Array<Sentence>,
  /** What speaks against it. */
  against: Array<Sentence>,
  /** Look-alikes that are left. */
  not_excluded: Array<Sentence>,
  /** The measurement that would decide. */
  next_measurement: Sentence | null,
  /** What helps. */
  fixes: Array<Remedy>,
  /** Route of a gateway. */
  route: string | null,
  /** First sign of it. */
  since: WallTime | null,
  /** End of it. */
  until: WallTime | null,
  /** How much it explains. */
  affected: Affected | null,
  /** What it explains. */
  topic: Topic | null,
  /** Which ends it explains. */
  selection: Selection | null,
  /** Who sees it, in a running gateway. */
  vantages?: Array<Vantage>,
  /** Somebody says that it is wrong. */
  doubt?: Doubt,
};

/** What of connections a finding explains. */
export type Topic = "openings" | "ends" | "delivery";

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

/** A route is to be tried from a browser. */
export type TryRoute = {
  /** What is to be opened: a WebSocket or an event stream. */
  protocol: Protocol,
  /** `Host` of the request, with or without port. */
  host: string,
  /** Path of the request, with its query. */
  path: string,
  /** `Origin` of the request; without one none is sent. */
  origin?: string,
};

/** One connection of a route that is tried: what the browser got from the gateway, which scripts are not told. */
export type TryoutConnection = {
  /** Its name: that of its record. */
  id: ConnectionId,
  /** When it was asked for. */
  at: WallTime,
  /** From then to the head of the gateway's answer, seconds; none without one. */
  seconds: number | null,
  /** Status of the answer. */
  status: number | null,
  /** `Content-Type` of the answer. */
  content_type: string | null,
  /** `Sec-WebSocket-Protocol` of the answer. */
  subprotocol: string | null,
  /** `Sec-WebSocket-Extensions` of the answer. */
  extensions: string | null,
  /** The beginning of an answer that is not what was asked for. */
  body: string | null,
  /** Why there is no answer, in words. */
  error: string | null,
  /** It is open. */
  is_open: boolean,
  /** It was cut: its time was over, or the gateway stopped. */
  is_cut: boolean,
};

/** What can be tried, and what was. */
export type TryoutList = {
  /** The routes, in the order in which they are asked. */
  routes: Array<TryoutRoute>,
  /** Connections that are open by the dashboard. */
  open: number,
  /** How many there may be. */
  limit: number,
  /** How many were refused for want of room, since the start. */
  refused: number,
  /** When each is cut, seconds after its opening. */
  seconds: number,
};

/** A route that can be tried from the dashboard. */
export type TryoutRoute = {
  /** Its name. */
  name: string,
  /** The host that it takes, such as `*.example.com`; any without one. */
  host: string | null,
  /** The prefix of the paths that it takes; any without one. */
  path: string | null,
};

/** A route that is tried from a browser. */
export type TryoutView = {
  /** Its name: who knows it may connect. */
  id: string,
  /** What was asked for. */
  asked: TryRoute,
  /** The route that takes it. */
  route: string,
  /** When it was asked for; connections may be opened for as long as each may last. */
  at: WallTime,
  /** Its connections, oldest first: an `EventSource` opens one after the other. */
  connections: Array<TryoutConnection>,
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

/** From where a cause is seen. */
export type Vantage = "inside" | { "probe": string };

/** A part of a list that stays as it is. */
export type ViewPage = {
  /** Name of the view, to ask for other parts of it; another one than was asked for when that is kept no more. */
  view: string,
  /** When the view was made. */
  as_of: WallTime,
  /** How many rows it has. */
  total: number,
  /** False when it was made of the newest connections of the times asked for, and there are more. */
  is_complete: boolean,
  /** What is known now of the rows asked for; none of a connection whose record is no longer kept. */
  items: Array<ConnectionView | null>,
};

/** Wall-clock time in nanoseconds since the Unix epoch. Shown and serialized as RFC 3339 in UTC with nine
 * digits of fraction, so that text order is time order. */
export type WallTime = string;

/** What can be seen of the end of a connection. */
export type What = "close_frame" | "body_end" | "body_truncated" | "fin" | "rst" | "rst_stream" | "go_away" | "tcp_timeout" | "tls_alert" | "idle_timeout" | "half_close_timeout" | "heartbeat_timeout" | "slow_consumer" | "rate_limit" | "drain" | "operator" | "internal";
