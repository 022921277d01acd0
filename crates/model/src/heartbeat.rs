//! What the Pings and Pongs of a WebSocket connection tell (RFC 6455, sections 5.5.2 and 5.5.3).

use serde::{Deserialize, Serialize};

/// The Pings towards one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Heartbeat {
    /// Median of the last gaps between them; none before there were three.
    pub interval_seconds: Option<f64>,
    /// How many the peer did not answer before it answered a later one, or before the connection ended.
    pub missed: u32,
    /// The greatest round trip from a Ping accepted by our kernel to the peer's Pong read; none before the first.
    #[serde(default)]
    pub slowest_rtt_seconds: Option<f64>,
}
