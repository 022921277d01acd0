//! The one table of exported metric families.

/// What kind of numbers a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows.
    Counter,
    /// A number of now.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

/// One exported family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Name of its samples, or what their names begin with.
    pub name: &'static str,
    /// Kind.
    pub kind: Kind,
    /// Meaning in one sentence.
    pub help: &'static str,
    /// Names of its labels, `le` of histograms left out.
    pub labels: &'static [&'static str],
}

impl Family {
    /// The unit of OpenMetrics, which must be the end of the name (before `_total`).
    pub fn unit(&self) -> Option<&'static str> {
        let stem = self.name.strip_suffix("_total").unwrap_or(self.name);
        ["seconds", "bytes"]
            .into_iter()
            .find(|unit| stem.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
    }
}

/// Upper bounds of latencies, seconds.
pub const LATENCY_BOUNDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// Upper bounds of handshake times, seconds.
pub const HANDSHAKE_BOUNDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Upper bounds of round-trip times of TCP, seconds.
pub const RTT_BOUNDS: &[f64] =
    &[0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 3.0];

/// Upper bounds of lifetimes, seconds.
pub const DURATION_BOUNDS: &[f64] = &[1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0];

/// Upper bounds of times between a close and the reconnect, seconds; none is longer than a minute.
pub const RECONNECT_BOUNDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0];

/// Bounds around the idle timeouts that are known defaults (30, 60, 100, 120, 180, 240, 300, 350, 600, 3600 s):
/// half a second below and one and a half above each.
pub const CLOSE_IDLE_BOUNDS: &[f64] = &[
    29.5, 31.5, 59.5, 61.5, 99.5, 101.5, 119.5, 121.5, 179.5, 181.5, 239.5, 241.5, 299.5, 301.5, 349.5,
    351.5, 599.5, 601.5, 3599.5, 3601.5,
];

macro_rules! families {
    ($($(#[$doc:meta])* $constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $constant: Family =
                Family { name: $name, kind: Kind::$kind, help: $help, labels: &[$($label),*] };
        )+

        /// All families, in the order in which they are exposed.
        pub const ALL: &[Family] = &[$($constant),+];
    };
}

families! {
    WEBSOCKET_ACTIVE: Gauge "websocket_active_connections" ["route"]
        "Open WebSocket connections: 101 relayed and not both directions closed.";
    WEBSOCKET_HANDSHAKES: Counter "websocket_handshakes_total" ["route", "result"]
        "WebSocket handshakes by outcome, from the last header byte of the request read to the 101 relayed or the failure decided.";
    WEBSOCKET_HANDSHAKE_SECONDS: Histogram "websocket_handshake_duration_seconds" ["route"]
        "Duration of successful WebSocket handshakes at this gateway.";
    WEBSOCKET_CLOSED: Counter "websocket_connections_closed_total" ["route", "initiator", "reason"]
        "Closed WebSocket connections by who sent the first Close frame, FIN or RST, and why.";
    WEBSOCKET_DURATION_SECONDS: Histogram "websocket_connection_duration_seconds" ["route"]
        "Lifetime of WebSocket connections, from 101 relayed to both sides closed, recorded at close.";
    WEBSOCKET_OLDEST_START: Gauge "websocket_oldest_connection_start_timestamp_seconds" ["route"]
        "Unix time at which the oldest open WebSocket connection was established; absent when none is open.";
    WEBSOCKET_MESSAGES: Counter "websocket_messages_total" ["route", "direction"]
        "Complete WebSocket data messages read.";
    WEBSOCKET_MESSAGE_BYTES: Counter "websocket_message_bytes_total" ["route", "direction"]
        "Payload bytes on the wire of complete WebSocket data messages.";
    WEBSOCKET_FRAMES: Counter "websocket_frames_total" ["route", "direction", "opcode"]
        "WebSocket frames read.";
    WEBSOCKET_LATENCY: Histogram "websocket_message_latency_seconds" ["route", "direction"]
        "Residence of WebSocket messages in this gateway: last byte read from the sender to last byte accepted by the receiver's kernel socket.";
    WEBSOCKET_LATENCY_MEAN: Gauge "websocket_message_latency_seconds_mean" ["route", "direction"]
        "Mean of websocket_message_latency_seconds over the last minute (metrics.mean_window), messages that wait now included with their age; absent without messages.";
    WEBSOCKET_ACK: Histogram "websocket_message_ack_seconds" ["route", "direction"]
        "Sampled acknowledgement of WebSocket messages: last byte accepted by our kernel socket to acknowledged by the receiver's kernel (its TCP acknowledgement, not its application). Of each connection and direction the first message and then 1 in 64 (tcp_samples.acks_one_in), one at a time; read at the next sample, so up to 10 s late. A receiver may hold an acknowledgement back, Linux by up to 40 ms.";
    WEBSOCKET_BACKLOG_MESSAGES: Gauge "websocket_backlog_messages" ["route", "direction"]
        "WebSocket messages read, whole or in part, and not yet accepted by the receiver's kernel socket.";
    WEBSOCKET_BACKLOG_BYTES: Gauge "websocket_backlog_bytes" ["route", "direction"]
        "Bytes of WebSocket connections read and not yet accepted by the receiver's kernel socket.";
    WEBSOCKET_BACKLOG_AGE: Gauge "websocket_backlog_oldest_age_seconds" ["route", "direction"]
        "Age of the oldest byte of the backlog; 0 without one.";
    WEBSOCKET_SLOW_CONSUMERS: Gauge "websocket_slow_consumers" ["route"]
        "Open WebSocket connections whose receiver has left a backlog for 5 s or longer.";
    WEBSOCKET_SOCKET_UNSENT: Gauge "websocket_socket_unsent_bytes" ["route", "direction"]
        "Bytes of open WebSocket connections that the receiver's kernel socket has accepted and not sent even once (TCP_INFO), by the newest sample of each connection (tcp_samples: about every 10 s, 1,000 connections a second at most).";
    WEBSOCKET_SOCKET_UNREAD: Gauge "websocket_socket_unread_bytes" ["route", "direction"]
        "Bytes of open WebSocket connections that have arrived on the sender's kernel socket and are not read yet (SIOCINQ), by the newest sample of each connection (tcp_samples: about every 10 s, 1,000 connections a second at most).";
    WEBSOCKET_CLIENT_RTT: Histogram "websocket_client_rtt_seconds" ["route"]
        "Smoothed round-trip time to the next hop on the client leg of WebSocket connections (TCP_INFO), sampled: at open, at close, and of open ones on which something has passed about every 10 s, 1,000 connections a second at most (tcp_samples).";
    WEBSOCKET_UPSTREAM_RTT: Histogram "websocket_upstream_rtt_seconds" ["route"]
        "Smoothed round-trip time to the next hop on the upstream leg of WebSocket connections (TCP_INFO), sampled: at open, at close, and of open ones on which something has passed about every 10 s, 1,000 connections a second at most (tcp_samples).";
    WEBSOCKET_RETRANSMITS: Counter "websocket_tcp_retransmits_total" ["route", "peer"]
        "Segments that TCP has sent again to the peer of WebSocket connections, counted when a connection is sampled (tcp_samples) and at its end.";
    WEBSOCKET_ERRORS: Counter "websocket_errors_total" ["route", "type"]
        "Errors on established WebSocket connections.";
    WEBSOCKET_CLOSE_IDLE: Histogram "websocket_close_idle_seconds" ["route"]
        "Silence in both directions before the end of WebSocket connections that ended without Close handshake.";
    WEBSOCKET_RECONNECTS: Counter "websocket_reconnects_total" ["route"]
        "WebSocket handshakes that succeeded within 60 s after the first sign of the end of a connection of the same client key (client_key of the route); each end counts for one.";
    WEBSOCKET_RECONNECT_INTERVAL: Histogram "websocket_reconnect_interval_seconds" ["route"]
        "From the first sign of the end of a WebSocket connection to the reconnect of the same client key.";
    WEBSOCKET_HEARTBEAT_RTT: Histogram "websocket_heartbeat_rtt_seconds" ["route", "peer"]
        "Round trip of WebSocket Pings, relayed or of this gateway, on the leg of the peer that answered: last byte of the Ping accepted by our kernel for it to its Pong with the same payload read.";
    WEBSOCKET_HEARTBEATS_MISSED: Counter "websocket_heartbeats_missed_total" ["route", "peer"]
        "WebSocket Pings accepted by our kernel for the peer that it did not answer before it answered a later one, or before the connection ended.";
    WEBSOCKET_HEARTBEATS_SENT: Counter "websocket_heartbeats_sent_total" ["route", "peer"]
        "WebSocket Pings that this gateway itself sent to the peer (heartbeat of the route); their Pongs go no further.";
    WEBSOCKET_HEARTBEAT_INTERVAL: Gauge "websocket_heartbeat_interval_seconds" ["route", "peer"]
        "Interval at which the peer is sent WebSocket Pings: median over the open connections of each one's median of its last gaps (of five, once there were three); absent when none is known.";
    SSE_ACTIVE: Gauge "sse_active_subscriptions" ["route"]
        "Open event streams: 200 with text/event-stream relayed and the body not ended.";
    SSE_CONNECTIONS: Counter "sse_connections_total" ["route", "result"]
        "Requests for event streams by outcome.";
    SSE_EVENTS: Counter "sse_events_total" ["route"]
        "Events: blocks ended by an empty line that have at least one data line.";
    SSE_EVENT_BYTES: Counter "sse_event_bytes_total" ["route"]
        "Bytes of events, field names and line ends included.";
    SSE_COMMENTS: Counter "sse_comments_total" ["route"]
        "Comment lines of event streams, often keep-alives.";
    SSE_HEARTBEATS_SENT: Counter "sse_heartbeats_sent_total" ["route"]
        "Comments that this gateway itself put into event streams (heartbeat of the route).";
    SSE_DISCONNECTS: Counter "sse_disconnects_total" ["route", "initiator", "reason"]
        "Ended event streams by who ended them and why.";
    SSE_DELAY: Histogram "sse_event_delay_seconds" ["route"]
        "From the empty line that ends an event read from the upstream to accepted by the client's kernel socket.";
    SSE_ACK: Histogram "sse_event_ack_seconds" ["route"]
        "Sampled acknowledgement of events: accepted by the client's kernel socket to acknowledged by the client's kernel (its TCP acknowledgement, not its application). Of each event stream the first event and then 1 in 64 (tcp_samples.acks_one_in), one at a time on a connection; read at the next sample, so up to 10 s late. A client may hold an acknowledgement back, Linux by up to 40 ms.";
    SSE_GENERATION_DELAY: Histogram "sse_event_generation_delay_seconds" ["route"]
        "From the generation of an event, as it says itself (event_time of the route), to accepted by the client's kernel socket. Includes the offset of this gateway's clock from the producer's; what is below 0 counts as 0.";
    SSE_GENERATION_DELAY_MIN: Gauge "sse_event_generation_delay_min_seconds" ["route"]
        "Smallest delay from generation of the last 5 minutes, with its sign: the offset of this gateway's clock from the producer's is at most this, and what a delay is above it is no offset. Absent without events.";
    SSE_CLOCK_AHEAD: Gauge "sse_event_clock_ahead_seconds" ["route"]
        "By how much at least a producer's clock is ahead of this gateway's: how far the smallest delay from generation of the last 5 minutes is below 0. Absent without events.";
    SSE_EVENTS_AHEAD: Counter "sse_events_ahead_total" ["route"]
        "Events accepted by the client's kernel socket before the time at which they say they were made: the producer's clock is ahead.";
    SSE_EVENT_TIME_ERRORS: Counter "sse_event_time_errors_total" ["route", "type"]
        "Events without delay from generation on routes with event_time: their time is missing, invalid, more than a day old (sent again), or in data too large to look at.";
    SSE_DURATION_SECONDS: Histogram "sse_stream_duration_seconds" ["route"]
        "Lifetime of event streams, recorded at their end.";
    SSE_BACKLOG_BYTES: Gauge "sse_backlog_bytes" ["route"]
        "Bytes of event streams read and not yet accepted by the client's kernel socket.";
    SSE_UNACKNOWLEDGED: Gauge "sse_unacknowledged_clients" ["route"]
        "Open event streams whose client has answered none of 5 or more retransmissions or window probes in a row (6 s or longer), by the newest TCP_INFO sample (tcp_samples): most likely gone without a FIN.";
    SSE_ERRORS: Counter "sse_errors_total" ["route", "type"]
        "Errors on event streams.";
    SSE_RECONNECTS: Counter "sse_reconnects_total" ["route", "resumed"]
        "Event streams established within 60 s after the first sign of the end of one of the same client key (client_key of the route), each end counting for one; resumed is true when the request had Last-Event-ID.";
    GRPC_ACTIVE: Gauge "grpc_active_streams" ["route"]
        "Open gRPC streams: the request relayed to an upstream and the stream not ended.";
    GRPC_OPENED: Counter "grpc_streams_opened_total" ["route"]
        "gRPC streams, those included that reached no upstream; less those closed it is the number of open ones.";
    GRPC_CLOSED: Counter "grpc_streams_closed_total" ["route", "grpc_service", "grpc_method", "grpc_code"]
        "Ended gRPC streams by the status that the client was given, or that it makes of the end that it saw; names beyond 100 methods a route go to `other`.";
    GRPC_MESSAGES: Counter "grpc_stream_messages_total" ["route", "grpc_service", "direction"]
        "Complete gRPC messages read.";
    GRPC_MESSAGE_BYTES: Counter "grpc_stream_message_bytes_total" ["route", "grpc_service", "direction"]
        "Bytes on the wire of complete gRPC messages, compressed as they are, without prefixes.";
    GRPC_DURATION_SECONDS: Histogram "grpc_stream_duration_seconds" ["route", "grpc_service"]
        "Lifetime of gRPC streams, recorded at their end.";
    GRPC_FIRST_MESSAGE: Histogram "grpc_stream_time_to_first_message_seconds" ["route", "grpc_service"]
        "From the last byte of the request's head read to the last byte of the service's first message read.";
    GRPC_LATENCY: Histogram "grpc_stream_message_latency_seconds" ["route", "grpc_service", "direction"]
        "Residence of gRPC messages in this gateway: last byte read from the sender to last byte accepted by the receiver's kernel socket.";
    GRPC_RESETS: Counter "grpc_stream_resets_total" ["route", "http2_error", "initiator"]
        "RST_STREAM frames that ended gRPC streams, by who sent them first.";
    GRPC_STALLED: Counter "grpc_stream_flow_control_stalled_seconds_total" ["route", "direction"]
        "Time during which data of gRPC streams waited for the windows of its receiver.";
    GRPC_HEARTBEATS_SENT: Counter "grpc_heartbeats_sent_total" ["route", "peer"]
        "HTTP/2 PINGs that this gateway itself sent to the peer for gRPC streams (heartbeat of the route).";
    GRPC_GOAWAYS: Counter "grpc_connections_goaway_total" ["route", "http2_error", "initiator"]
        "GOAWAY frames on connections that carried gRPC streams of the route.";
    QUEUE_DELIVERED: Counter "heartline_queue_delivered_messages_total" ["route", "priority"]
        "Messages of connections with a queue that the client's kernel socket has accepted.";
    QUEUE_DROPPED: Counter "heartline_queue_dropped_messages_total" ["route", "priority", "policy"]
        "Messages that a queue towards a slow client has dropped, by class and policy.";
    QUEUE_DELIVERY_RATIO: Gauge "heartline_queue_delivery_ratio" ["route"]
        "Delivered over delivered and dropped messages of connections with a queue, since the start; absent before the first.";
    QUEUE_WAITING_MESSAGES: Gauge "heartline_queue_waiting_messages" ["route"]
        "Messages that wait in queues towards slow clients, those left out that are on their way to the client's socket.";
    QUEUE_WAITING_BYTES: Gauge "heartline_queue_waiting_bytes" ["route"]
        "Bytes that queues towards slow clients keep.";
    QUEUE_UNQUEUED: Counter "heartline_queue_unqueued_connections_total" ["route", "reason"]
        "Connections of routes with a queue that have none: nothing may be dropped or reordered in them.";
    CONNECTIONS_BY_COUNTRY: Gauge "heartline_connections_by_country" ["protocol", "country"]
        "Open connections by the client's country (ISO 3166-1 alpha-2), as the database of geo.database says: unknown where it does not know, other beyond 250 countries; absent without a database.";
    REJECTED_UPGRADES: Counter "heartline_rejected_upgrades_total" ["route", "check"]
        "Broken rules of the upgrade discipline in requests and answers.";
    ADMISSIONS: Counter "heartline_admissions_total" ["route", "decision", "reason"]
        "Attempts to open a WebSocket, an event stream or a gRPC stream by what the limits of the route and of the gateway decided, and by which of them; of what clients send, how often one was held back (delayed) or closed. Absent without limits.";
    CONNECTION_LIMIT: Gauge "heartline_connection_limit" ["route"]
        "Connections that the route may have open at once (limits.connections); absent without.";
    HANDSHAKES_WAITING: Gauge "heartline_handshakes_waiting" ["route"]
        "Openings that wait for their turn to try an upstream of the route (limits.handshakes); absent without.";
    CLIENTS_LEFT_OUT: Counter "heartline_admission_clients_left_out_total" ["route"]
        "Attempts that no limit for each client held for, since too many clients are kept in mind; absent without such limits.";
    CUT_UNTOLD: Counter "heartline_connections_cut_total" ["route"]
        "Connections that a stop cut at the end of its window before both peers could be told (Close frame, end of the body): they were inside a frame or a chunk, or took no more.";
    REFUSED: Counter "heartline_refused_total" ["reason"]
        "Client connections and requests that were ended before a route took them.";
    PATH_IDLE_TIMEOUT: Gauge "heartline_path_idle_timeout_seconds" ["route", "hop"]
        "Configured idle timeouts of open connections.";
    CERTIFICATE_NOT_AFTER: Gauge "heartline_tls_certificate_not_after_timestamp_seconds" ["role", "name"]
        "Unix time at which a certificate expires.";
    SERIES_DROPPED: Counter "heartline_series_dropped_total" ["metric"]
        "Label values that were counted under `other` or left out because a limit was reached.";
    RECORDER_MEMORY: Gauge "heartline_recorder_memory_bytes" []
        "Memory that flight recorders of open and closed connections take, bounded by recorder.total_memory.";
    OBSERVERS_FAILED: Counter "heartline_observers_failed_total" []
        "Observers that have failed by a fault of this program: the bytes of their connections went on, uncounted.";
    RECORDER_REFUSED: Counter "heartline_recorder_refused_total" []
        "How often an open connection was not, or no longer, recorded because recorder.total_memory was taken.";
    ACCESS_LOG_DROPPED: Counter "heartline_access_log_dropped_total" []
        "Close records that the access log could not keep up with.";
    RECONNECT_CLOSES_DROPPED: Counter "heartline_reconnect_closes_dropped_total" []
        "Ends of connections that were forgotten before 60 s were over because closed.keep_for_reconnects was reached; reconnects after them are not counted.";
    STORE_SERIES: Gauge "heartline_store_series" []
        "Series that are kept, those that only the disk has samples of included.";
    STORE_SAMPLES: Counter "heartline_store_samples_total" []
        "Samples that were taken to be kept: own metrics and those received by remote write.";
    STORE_SAMPLES_DROPPED: Counter "heartline_store_samples_dropped_total" ["reason"]
        "Samples that were not taken.";
    STORE_SAMPLES_LOST: Counter "heartline_store_samples_lost_total" []
        "Samples that had to leave memory before they could be written.";
    STORE_HEAD_BYTES: Gauge "heartline_store_head_memory_bytes" []
        "Memory of the newest samples.";
    STORE_KEPT: Gauge "heartline_store_kept" ["part"]
        "1 while the part of the data directory is written, 0 while it cannot be (see /readyz for why); absent without data.dir.";
    STORE_DISK_BYTES: Gauge "heartline_store_disk_bytes" ["part"]
        "Bytes in use in the files of the part of the data directory.";
    STORE_WAITING: Gauge "heartline_store_waiting" ["part"]
        "What waits to be written: batches of samples, entries of the journal.";
    STORE_WRITE_ERRORS: Counter "heartline_store_write_errors_total" ["part"]
        "Attempts to write to the part of the data directory that failed.";
    STORE_DAMAGED: Counter "heartline_store_damaged_total" ["part"]
        "Batches, chunks and entries that were found damaged and left out.";
    STORE_WRITTEN: Gauge "heartline_store_last_write_timestamp_seconds" ["part"]
        "Unix time at which the part of the data directory was last written; 0 before the first time.";
    JOURNAL_WRITTEN: Counter "heartline_journal_entries_total" []
        "Close records that were written to the journal.";
    JOURNAL_DROPPED: Counter "heartline_journal_entries_dropped_total" []
        "Close records that the journal could not keep up with, or had no room for.";
    JOURNAL_LOST: Counter "heartline_journal_lost_connections_total" []
        "Connections that a process before this one had open when it was killed.";
    REMOTE_SAMPLES: Counter "heartline_remote_write_samples_total" ["remote", "outcome"]
        "Samples for an engine elsewhere (remote_write): sent, rejected by it (another answer 4xx than 401, 403 and 429), or dropped since the queue was full (overflow) or could not be written as fast as they came (busy).";
    REMOTE_FAILURES: Counter "heartline_remote_write_failures_total" ["remote", "reason"]
        "Requests to an engine elsewhere that are repeated: no connection or answer (network), 429 (throttled), 5xx and other answers (server), or credentials that cannot be read or do not let in, 401 and 403 (credentials).";
    REMOTE_WAITING_SAMPLES: Gauge "heartline_remote_write_waiting_samples" ["remote"]
        "Samples that wait to be sent to an engine elsewhere.";
    REMOTE_WAITING: Gauge "heartline_remote_write_waiting_bytes" ["remote"]
        "Bytes that wait to be sent to an engine elsewhere, compressed.";
    REMOTE_LAG: Gauge "heartline_remote_write_lag_seconds" ["remote"]
        "Age of the oldest sample that waits to be sent to an engine elsewhere; 0 when none waits.";
    SHARED_LIMITS_UP: Gauge "heartline_shared_limits_up" []
        "Whether the Redis that counts limits for several gateways (shared_limits) answers; absent without one.";
    SHARED_LIMIT_ASKS: Counter "heartline_shared_limit_asks_total" ["result"]
        "Openings that limits of several gateways were asked for: granted, refused, or unknown since no answer came in time, with which shared_limits.on_failure decides; absent without shared_limits.";
    NOTIFICATIONS: Counter "heartline_notifications_total" ["channel", "type", "result", "reason"]
        "Messages to people: delivered as the vendor counts it, attempts that are repeated (retried), given up (failed), left out since too many waited (dropped), or told together with others (merged); reason is empty where there is none.";
    NOTIFICATION_SECONDS: Histogram "heartline_notification_duration_seconds" ["type"]
        "Duration of attempts to deliver a message, by kind of channel.";
    NOTIFICATIONS_WAITING: Gauge "heartline_notification_queue_messages" ["channel"]
        "Groups of alerts that a channel has to tell of: waiting, or being told.";
    FINDING_ACTIVE: Gauge "heartline_finding_active" ["finding", "route", "level"]
        "1 for each finding that goes on: a cause, by its name in the catalogue, of what happens to the connections of a route; level is how sure that is.";
    FINDING_LOOKS: Counter "heartline_finding_looks_total" []
        "How often causes were looked for in what has ended and is open.";
    FINDING_RECORDS_DROPPED: Counter "heartline_finding_records_dropped_total" ["reason"]
        "Close records that findings were not made of: overload, since too many came at once, or routes, since there are more routes than are told apart.";
    ALERTMANAGER_ALERTS: Counter "heartline_alertmanager_alerts_total" ["alertmanager", "result"]
        "Alerts of rules for an Alertmanager elsewhere (alerting.alertmanagers): sent, failed (not taken; they are reported again), or dropped since too many waited.";
    ALERTMANAGER_WAITING: Gauge "heartline_alertmanager_queue_alerts" ["alertmanager"]
        "Alerts of rules that wait for an Alertmanager elsewhere.";
    QUERY_ENGINE_UP: Gauge "heartline_query_engine_up" ["engine"]
        "1 while the engine elsewhere that answers queries (query_url) answered the last one, 0 when it did not; absent without one.";
    QUERY_ENGINE_REQUESTS: Counter "heartline_query_engine_requests_total" ["engine", "outcome"]
        "Questions to the engine elsewhere, those of rules included: answered, be it with an error of the query; no connection (network); none in time (timeout); credentials that cannot be read or do not let in (credentials); an answer that is none of Prometheus' API or too long (unusable).";
    QUERIES: Counter "heartline_queries_total" ["result"]
        "PromQL queries of the HTTP API by outcome.";
    QUERIES_RUNNING: Gauge "heartline_queries_running" []
        "PromQL queries of the HTTP API that are evaluated now or wait for their turn.";
    QUERY_SECONDS: Histogram "heartline_query_duration_seconds" []
        "Duration of PromQL queries of the HTTP API, waiting for their turn included.";
    RULE_EVALUATIONS: Counter "heartline_rule_evaluations_total" ["rule_group"]
        "Evaluations of single rules; rule_group is the group's file and name.";
    RULE_FAILURES: Counter "heartline_rule_evaluation_failures_total" ["rule_group"]
        "Evaluations of single rules that failed; /api/v1/rules has the last error of each rule.";
    RULE_ITERATIONS: Counter "heartline_rule_group_iterations_total" ["rule_group"]
        "Evaluations of the group that were due, those that were left out included.";
    RULE_MISSED: Counter "heartline_rule_group_iterations_missed_total" ["rule_group"]
        "Evaluations of the group that were left out: those before them took longer than the interval.";
    RULE_INTERVAL: Gauge "heartline_rule_group_interval_seconds" ["rule_group"]
        "Time between evaluations of the group.";
    RULE_LAST_DURATION: Gauge "heartline_rule_group_last_duration_seconds" ["rule_group"]
        "Duration of the last evaluation of the group.";
    RULE_LAST_EVALUATION: Gauge "heartline_rule_group_last_evaluation_timestamp_seconds" ["rule_group"]
        "Unix time of the last evaluation of the group; 0 before the first one.";
    CONFIG_RELOADED: Gauge "heartline_config_last_reload_successful" []
        "1 when the configuration and the rules were taken over at the start or the last reload, 0 when the last reload was refused and those before stay in force; absent where nothing can be reloaded (heartline demo).";
    PROBE_SUCCESS: Gauge "probe_success" ["probe", "target"]
        "1 when the newest run of a scheduled probe opened its stream, which stayed open, or its call did not fail; 0 when not.";
    PROBE_DURATION: Gauge "probe_duration_seconds" ["probe", "target"]
        "How long the plain opening of the newest run took, from the name to the open stream or the stage that failed.";
    PROBE_DNS: Gauge "probe_dns_lookup_time_seconds" ["probe", "target"]
        "How long the name's resolution took; 0 for an address.";
    PROBE_HTTP_DURATION: Gauge "probe_http_duration_seconds" ["probe", "target", "phase"]
        "How long each phase took: resolve, connect (TCP), tls, processing (until the answer's head), transfer (until the stream is open and a first message has come, where one is expected); 0 when it was not reached.";
    PROBE_HTTP_STATUS: Gauge "probe_http_status_code" ["probe", "target"]
        "Status of the answer of HTTP; 0 without an answer.";
    PROBE_CERT_EXPIRY: Gauge "probe_ssl_earliest_cert_expiry" ["probe", "target"]
        "Unix time at which the first certificate of the chain that was shown expires; absent without TLS.";
    PROBE_TLS_VERSION: Gauge "probe_tls_version_info" ["probe", "target", "version"]
        "1, with the version of TLS that was agreed on; absent without TLS.";
    PROBE_IP_PROTOCOL: Gauge "probe_ip_protocol" ["probe", "target"]
        "Version of IP that was connected over, 4 or 6; absent without a connection.";
    PROBE_PING_RTT: Gauge "heartline_probe_ping_rtt_seconds" ["probe", "target"]
        "Smallest round trip of the Pings (PING of HTTP/2) of the newest run of a scheduled probe; absent where none was answered.";
    PROBE_LAST_RUN: Gauge "heartline_probe_last_run_timestamp_seconds" ["probe", "target"]
        "Unix time at which the newest run of a scheduled probe began.";
    PROBE_LAST_DURATION: Gauge "heartline_probe_last_run_duration_seconds" ["probe", "target"]
        "How long all experiments of the newest run of a scheduled probe took.";
    PROBE_RUNS: Counter "heartline_probe_runs_total" ["probe", "target", "outcome"]
        "Runs of a scheduled probe by what they came to.";
    PROBE_SKIPPED: Counter "heartline_probe_runs_skipped_total" ["probe", "target"]
        "Runs of a scheduled probe that were left out: one was under way, or too many of other probes were.";
    PROBE_FINDINGS: Gauge "heartline_probe_findings" ["probe", "target"]
        "Findings of a scheduled probe that go on.";
    DIAGNOSE_REFUSED: Counter "heartline_diagnose_refused_total" []
        "Checks that somebody asked for and that did not begin, since as many waited as may.";
    TRYOUTS_REFUSED: Counter "heartline_tryouts_refused_total" ["reason"]
        "Connections of the dashboard's test page that did not begin, by why.";
    BUILD_INFO: Gauge "heartline_build_info" ["version"]
        "1, with the version of this build.";
    PROCESS_CPU: Counter "process_cpu_seconds_total" []
        "User and system CPU time of this process.";
    PROCESS_RESIDENT: Gauge "process_resident_memory_bytes" []
        "Resident memory of this process.";
    PROCESS_VIRTUAL: Gauge "process_virtual_memory_bytes" []
        "Virtual memory of this process.";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" []
        "Open files of this process.";
    PROCESS_MAX_FDS: Gauge "process_max_fds" []
        "Open files that this process may have.";
    PROCESS_START: Gauge "process_start_time_seconds" []
        "Unix time at which this process started.";
    HOST_CPU: Counter "heartline_host_cpu_seconds_total" ["mode"]
        "Time of all CPUs of this machine by what it was spent on.";
    HOST_CPUS: Gauge "heartline_host_cpus" []
        "CPUs of this machine that are online.";
    HOST_PRESSURE: Counter "heartline_host_pressure_seconds_total" ["resource", "stalled"]
        "Time in which some or all tasks of this machine waited for a resource (pressure stall information).";
    HOST_MEMORY: Gauge "heartline_host_memory_bytes" []
        "Memory of this machine.";
    HOST_MEMORY_AVAILABLE: Gauge "heartline_host_memory_available_bytes" []
        "Memory of this machine that programs can have without swapping, as the kernel guesses (MemAvailable).";
    HOST_OPEN_FILES: Gauge "heartline_host_open_files" []
        "Open files of all processes of this machine.";
    HOST_MAX_FILES: Gauge "heartline_host_max_files" []
        "Open files that all processes of this machine may have (fs.file-max).";
    HOST_LISTEN_OVERFLOWS: Counter "heartline_host_listen_overflows_total" []
        "Connections to this network namespace that a full accept queue turned away (TcpExt ListenOverflows).";
    HOST_LISTEN_DROPS: Counter "heartline_host_listen_drops_total" []
        "Connections to this network namespace that a listening socket dropped for whatever reason (TcpExt ListenDrops).";
    HOST_CONNTRACK_ENTRIES: Gauge "heartline_host_conntrack_entries" []
        "Connections that the firewall of this network namespace follows (nf_conntrack).";
    HOST_CONNTRACK_LIMIT: Gauge "heartline_host_conntrack_limit" []
        "Connections that the firewall of this network namespace can follow; packets of further ones are dropped.";
    HOST_TCP_SOCKETS: Gauge "heartline_host_tcp_sockets" ["state"]
        "TCP sockets of this network namespace, IPv4 and IPv6.";
    HOST_TCP_MEMORY: Gauge "heartline_host_tcp_memory_bytes" []
        "Memory of the buffers of all TCP sockets of this machine.";
    HOST_TCP_MEMORY_PRESSURE: Gauge "heartline_host_tcp_memory_pressure_bytes" []
        "Buffers of all TCP sockets from which on the kernel takes memory away from them (net.ipv4.tcp_mem, the second).";
    HOST_TCP_MEMORY_LIMIT: Gauge "heartline_host_tcp_memory_limit_bytes" []
        "Buffers of all TCP sockets beyond which sockets are closed (net.ipv4.tcp_mem, the third).";
    HOST_EPHEMERAL_PORTS: Gauge "heartline_host_ephemeral_ports" []
        "Ports that connections may leave from (net.ipv4.ip_local_port_range): so many fit to one address and port.";
    HOST_SOMAXCONN: Gauge "heartline_host_somaxconn" []
        "Longest accept queue that a listening socket may have (net.core.somaxconn).";
    HOST_READ: Gauge "heartline_host_read_timestamp_seconds" []
        "Unix time at which the heartline_host families were last read.";
    ACCEPT_QUEUE: Gauge "heartline_accept_queue_connections" ["listener"]
        "Connections that wait at a listener to be accepted.";
    ACCEPT_QUEUE_LIMIT: Gauge "heartline_accept_queue_limit" ["listener"]
        "Connections that may wait at a listener to be accepted.";
    CGROUP_MEMORY: Gauge "heartline_cgroup_memory_bytes" []
        "Memory of the control group whose limit is nearest: that of this process or one around it (cgroup v2).";
    CGROUP_MEMORY_LIMIT: Gauge "heartline_cgroup_memory_limit_bytes" []
        "Memory that this control group may have (memory.max); absent without a limit.";
    CGROUP_CPU_LIMIT: Gauge "heartline_cgroup_cpu_limit" []
        "CPUs whose time the control group of this process may use (cpu.max); absent without a limit.";
    CGROUP_CPU_THROTTLED: Counter "heartline_cgroup_cpu_throttled_seconds_total" []
        "Time for which the limit of CPU time held the control group of this process back.";
    CGROUP_PRESSURE: Counter "heartline_cgroup_pressure_seconds_total" ["resource", "stalled"]
        "Time in which some or all tasks of the control group of this process waited for a resource.";
    UPSTREAM_PROCESSES: Gauge "heartline_upstream_processes" ["route", "upstream"]
        "Processes on this machine that hold the socket on which the upstream listens.";
    UPSTREAM_CPU: Counter "heartline_upstream_process_cpu_seconds_total" ["route", "upstream"]
        "CPU time of these processes since they were found.";
    UPSTREAM_RESIDENT: Gauge "heartline_upstream_process_resident_memory_bytes" ["route", "upstream"]
        "Resident memory of these processes; shared pages count in each.";
    UPSTREAM_OPEN_FDS: Gauge "heartline_upstream_process_open_fds" ["route", "upstream"]
        "Open files of the one of these processes that is nearest to its limit.";
    UPSTREAM_MAX_FDS: Gauge "heartline_upstream_process_max_fds" ["route", "upstream"]
        "Open files that this process may have.";
    UPSTREAM_HOST_UP: Gauge "heartline_upstream_host_up" ["route", "upstream"]
        "1 when the node_exporter of the upstream's machine answered, 0 when it did not.";
    UPSTREAM_HOST_CPU: Counter "heartline_upstream_host_cpu_seconds_total" ["route", "upstream", "mode"]
        "Time of all CPUs of the upstream's machine by what it was spent on.";
    UPSTREAM_HOST_CPUS: Gauge "heartline_upstream_host_cpus" ["route", "upstream"]
        "CPUs of the upstream's machine that are online.";
    UPSTREAM_HOST_PRESSURE: Counter "heartline_upstream_host_pressure_seconds_total" ["route", "upstream", "resource", "stalled"]
        "Time in which some or all tasks of the upstream's machine waited for a resource (pressure stall information).";
    UPSTREAM_HOST_MEMORY: Gauge "heartline_upstream_host_memory_bytes" ["route", "upstream"]
        "Memory of the upstream's machine.";
    UPSTREAM_HOST_MEMORY_AVAILABLE: Gauge "heartline_upstream_host_memory_available_bytes" ["route", "upstream"]
        "Memory of the upstream's machine that programs can have without swapping, as the kernel guesses (MemAvailable).";
    UPSTREAM_HOST_OPEN_FILES: Gauge "heartline_upstream_host_open_files" ["route", "upstream"]
        "Open files of all processes of the upstream's machine.";
    UPSTREAM_HOST_MAX_FILES: Gauge "heartline_upstream_host_max_files" ["route", "upstream"]
        "Open files that all processes of the upstream's machine may have (fs.file-max).";
    UPSTREAM_HOST_LISTEN_OVERFLOWS: Counter "heartline_upstream_host_listen_overflows_total" ["route", "upstream"]
        "Connections to the upstream's machine that a full accept queue turned away (TcpExt ListenOverflows).";
    UPSTREAM_HOST_LISTEN_DROPS: Counter "heartline_upstream_host_listen_drops_total" ["route", "upstream"]
        "Connections to the upstream's machine that a listening socket dropped for whatever reason (TcpExt ListenDrops).";
    UPSTREAM_HOST_CONNTRACK_ENTRIES: Gauge "heartline_upstream_host_conntrack_entries" ["route", "upstream"]
        "Connections that the firewall of the upstream's machine follows (nf_conntrack).";
    UPSTREAM_HOST_CONNTRACK_LIMIT: Gauge "heartline_upstream_host_conntrack_limit" ["route", "upstream"]
        "Connections that the firewall of the upstream's machine can follow; packets of further ones are dropped.";
    UPSTREAM_HOST_TCP_SOCKETS: Gauge "heartline_upstream_host_tcp_sockets" ["route", "upstream", "state"]
        "TCP sockets of the upstream's machine, IPv4 and IPv6.";
    UPSTREAM_HOST_TCP_MEMORY: Gauge "heartline_upstream_host_tcp_memory_bytes" ["route", "upstream"]
        "Memory of the buffers of all TCP sockets of the upstream's machine.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_follows_the_conventions() {
        for family in ALL {
            let is_counter = family.kind == Kind::Counter;
            assert_eq!(family.name.ends_with("_total"), is_counter, "{}", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
            assert_eq!(ALL.iter().filter(|other| other.name == family.name).count(), 1, "{}", family.name);
        }
        assert_eq!(WEBSOCKET_LATENCY_MEAN.unit(), None, "OpenMetrics wants the unit at the end of the name");
        assert_eq!(WEBSOCKET_MESSAGE_BYTES.unit(), Some("bytes"));
        for seed in [0.1, 0.5, 1.0, 2.0, 5.0] {
            assert!(LATENCY_BOUNDS.contains(&seed));
        }
    }
}
