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

/// Upper bounds of lifetimes, seconds.
pub const DURATION_BOUNDS: &[f64] = &[1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0];

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
    WEBSOCKET_BACKLOG_MESSAGES: Gauge "websocket_backlog_messages" ["route", "direction"]
        "WebSocket messages read and not yet accepted by the receiver's kernel socket.";
    WEBSOCKET_BACKLOG_BYTES: Gauge "websocket_backlog_bytes" ["route", "direction"]
        "Bytes of WebSocket connections read and not yet accepted by the receiver's kernel socket.";
    WEBSOCKET_BACKLOG_AGE: Gauge "websocket_backlog_oldest_age_seconds" ["route", "direction"]
        "Age of the oldest byte of the backlog; 0 without one.";
    WEBSOCKET_SLOW_CONSUMERS: Gauge "websocket_slow_consumers" ["route"]
        "Open WebSocket connections whose receiver has left a backlog for 5 s or longer.";
    WEBSOCKET_ERRORS: Counter "websocket_errors_total" ["route", "type"]
        "Errors on established WebSocket connections.";
    WEBSOCKET_CLOSE_IDLE: Histogram "websocket_close_idle_seconds" ["route"]
        "Silence in both directions before the end of WebSocket connections that ended without Close handshake.";
    WEBSOCKET_HEARTBEAT_RTT: Histogram "websocket_heartbeat_rtt_seconds" ["route", "peer"]
        "Round trip of relayed WebSocket Pings on the leg of the peer that answered: last byte of the Ping accepted by our kernel for it to its Pong with the same payload read.";
    WEBSOCKET_HEARTBEATS_MISSED: Counter "websocket_heartbeats_missed_total" ["route", "peer"]
        "Relayed WebSocket Pings accepted by our kernel for the peer that it did not answer before it answered a later one, or before the connection ended.";
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
    SSE_DISCONNECTS: Counter "sse_disconnects_total" ["route", "initiator", "reason"]
        "Ended event streams by who ended them and why.";
    SSE_DELAY: Histogram "sse_event_delay_seconds" ["route"]
        "From the empty line that ends an event read from the upstream to accepted by the client's kernel socket.";
    SSE_DURATION_SECONDS: Histogram "sse_stream_duration_seconds" ["route"]
        "Lifetime of event streams, recorded at their end.";
    SSE_BACKLOG_BYTES: Gauge "sse_backlog_bytes" ["route"]
        "Bytes of event streams read and not yet accepted by the client's kernel socket.";
    SSE_ERRORS: Counter "sse_errors_total" ["route", "type"]
        "Errors on event streams.";
    REJECTED_UPGRADES: Counter "heartline_rejected_upgrades_total" ["route", "check"]
        "Broken rules of the upgrade discipline in requests and answers.";
    PATH_IDLE_TIMEOUT: Gauge "heartline_path_idle_timeout_seconds" ["route", "hop"]
        "Configured idle timeouts of open connections.";
    CERTIFICATE_NOT_AFTER: Gauge "heartline_tls_certificate_not_after_timestamp_seconds" ["role", "name"]
        "Unix time at which a certificate expires.";
    SERIES_DROPPED: Counter "heartline_series_dropped_total" ["metric"]
        "Label values that were counted under `other` because a limit was reached.";
    RECORDER_MEMORY: Gauge "heartline_recorder_memory_bytes" []
        "Memory that flight recorders of open and closed connections take, bounded by recorder.total_memory.";
    RECORDER_REFUSED: Counter "heartline_recorder_refused_total" []
        "How often an open connection was not, or no longer, recorded because recorder.total_memory was taken.";
    ACCESS_LOG_DROPPED: Counter "heartline_access_log_dropped_total" []
        "Close records that the access log could not keep up with.";
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
