//! What one look at a running gateway tells: the body of `GET /api/v1/overview` and of the `overview` frames of
//! the live stream. Counts are exact over the window, rates are counts divided by its length.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::country::Country;
use crate::live::Backlog;
use crate::time::WallTime;
use crate::words::{ErrorType, HandshakeResult, Initiator, PerDirection, Protocol, Reason};

/// One look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Overview {
    /// When it was taken.
    pub as_of: WallTime,
    /// When the gateway started.
    pub started_at: WallTime,
    /// Length of the window that counts and rates are taken over: what was asked for, or the time since the
    /// start when that is shorter.
    pub window_seconds: f64,
    /// The numbers of now.
    pub now: Now,
    /// How they came to be, oldest first.
    pub trend: Trend,
    /// Connections that ended in the window; most frequent first, zeros left out.
    pub ended: Vec<EndedCount>,
    /// Attempts to open in the window; most frequent first, zeros left out.
    pub handshakes: Vec<HandshakeCount>,
    /// Errors in the window; most frequent first, zeros left out.
    pub errors: Vec<ErrorCount>,
    /// Open connections by route, in the order of the configuration.
    pub routes: Vec<RouteNow>,
    /// Open connections by the client's country, most frequent first; none without a database of countries
    /// (`GET /api/v1/geo` tells how to have one).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub countries: Option<Vec<CountryNow>>,
    /// What this process can hold.
    pub ceiling: Ceiling,
}

/// The numbers of now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Now {
    /// Open connections.
    pub connections: PerProtocol<u64>,
    /// Complete messages per second, over the last 10 s.
    pub messages_per_second: PerDirection<f64>,
    /// Bytes per second, over the last 10 s.
    pub bytes_per_second: PerDirection<f64>,
    /// Connections established per second, over the last 10 s.
    pub opened_per_second: f64,
    /// Connections ended per second, over the last 10 s.
    pub closed_per_second: f64,
    /// Share of the connections ended in the window whose reason is none of normal, going_away, no_status, app,
    /// complete, client_closed, shutdown; none when none ended.
    pub abnormal_ratio: Option<f64>,
    /// Share of attempts that succeeded in the window, without faults of clients and our own refusals; none
    /// when there was no attempt.
    pub handshake_success_ratio: Option<f64>,
    /// Residence of messages in this gateway over the window.
    pub latency_seconds: LatencySeconds,
    /// What waits in this gateway.
    pub backlog: Backlog,
    /// Connections whose receiver has left a backlog for 5 s or longer.
    pub slow_consumers: u64,
}

/// One value for each protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct PerProtocol<T> {
    /// WebSocket.
    pub websocket: T,
    /// Server-sent events.
    pub sse: T,
    /// gRPC streams.
    pub grpc: T,
}

impl<T> PerProtocol<T> {
    /// The value of each protocol.
    pub fn from_fn(mut value: impl FnMut(Protocol) -> T) -> PerProtocol<T> {
        PerProtocol {
            websocket: value(Protocol::WebSocket),
            sse: value(Protocol::Sse),
            grpc: value(Protocol::Grpc),
        }
    }
}

impl<T> std::ops::Index<Protocol> for PerProtocol<T> {
    type Output = T;

    fn index(&self, protocol: Protocol) -> &T {
        match protocol {
            Protocol::WebSocket => &self.websocket,
            Protocol::Sse => &self.sse,
            Protocol::Grpc => &self.grpc,
        }
    }
}

impl<T> std::ops::IndexMut<Protocol> for PerProtocol<T> {
    fn index_mut(&mut self, protocol: Protocol) -> &mut T {
        match protocol {
            Protocol::WebSocket => &mut self.websocket,
            Protocol::Sse => &mut self.sse,
            Protocol::Grpc => &mut self.grpc,
        }
    }
}

/// Quantiles of a latency, interpolated within histogram buckets as PromQL's `histogram_quantile` does; none
/// when nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct LatencySeconds {
    /// Median.
    pub p50: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Mean.
    pub mean: Option<f64>,
}

/// Columns of equal length, one entry a step, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Trend {
    /// End of each step, Unix seconds.
    pub t: Vec<f64>,
    /// Length of a step, seconds.
    pub step_seconds: f64,
    /// Open connections at the end of the step.
    pub connections: PerProtocol<Vec<u64>>,
    /// Complete messages per second.
    pub messages_per_second: PerDirection<Vec<f64>>,
    /// Bytes per second.
    pub bytes_per_second: PerDirection<Vec<f64>>,
    /// Connections established per second.
    pub opened_per_second: Vec<f64>,
    /// Connections ended per second.
    pub closed_per_second: Vec<f64>,
    /// Errors per second.
    pub errors_per_second: Vec<f64>,
    /// Median residence of the step's messages, seconds.
    pub latency_p50: Vec<Option<f64>>,
    /// Its 99th percentile.
    pub latency_p99: Vec<Option<f64>>,
    /// Upper bounds of the latency buckets, seconds; the last, +Inf, is left out.
    pub latency_bounds: Vec<f64>,
    /// Messages by step and bucket (one more than there are bounds).
    pub latency_cells: Vec<Vec<u64>>,
}

/// Connections that ended alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EndedCount {
    /// Protocol.
    pub protocol: Protocol,
    /// Who ended them.
    pub initiator: Initiator,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub count: u64,
}

/// Attempts with the same outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct HandshakeCount {
    /// Protocol.
    pub protocol: Protocol,
    /// Outcome.
    pub result: HandshakeResult,
    /// How many.
    pub count: u64,
}

/// Errors of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ErrorCount {
    /// Protocol.
    pub protocol: Protocol,
    /// Type.
    #[serde(rename = "type")]
    pub error: ErrorType,
    /// How many.
    pub count: u64,
}

/// Open connections of one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RouteNow {
    /// Configured name.
    pub name: Arc<str>,
    /// Open connections.
    pub connections: PerProtocol<u64>,
}

/// Open connections of clients in one country.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CountryNow {
    /// Its code; none where the database does not know.
    pub country: Option<Country>,
    /// Open connections.
    pub connections: PerProtocol<u64>,
    /// Share of all open connections.
    pub share: f64,
}

impl CountryNow {
    /// All countries, most frequent first.
    pub fn list(counts: impl IntoIterator<Item = (Option<Country>, PerProtocol<u64>)>) -> Vec<CountryNow> {
        let sum = |count: PerProtocol<u64>| count.websocket + count.sse + count.grpc;
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(sum(*count)));
        let all = counts.iter().map(|(_, count)| sum(*count)).sum::<u64>().max(1) as f64;
        let now = |(country, connections)| CountryNow {
            country,
            connections,
            share: sum(connections) as f64 / all,
        };
        counts.into_iter().map(now).collect()
    }
}

/// What this process can hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Ceiling {
    /// Open files allowed (RLIMIT_NOFILE, getrlimit(2)).
    pub open_files: u64,
    /// Proxied connections that fit: two sockets each.
    pub connections: u64,
}
