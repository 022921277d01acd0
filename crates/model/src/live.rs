//! What can be told of a connection while it is open.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::heartbeat::Heartbeat;
use crate::id::ConnectionId;
use crate::queue::QueueFacts;
use crate::record::{ClientAddress, Reconnect};
use crate::tcp::{SocketBacklog, TcpLegs};
use crate::time::WallTime;
use crate::words::{PerDirection, PerLeg, Protocol};

/// Snapshot of an open connection, as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct LiveConnection {
    /// Name of the connection.
    pub id: ConnectionId,
    /// Its protocol.
    pub protocol: Protocol,
    /// Configured name of the route.
    pub route: Arc<str>,
    /// Where the client is.
    pub client: ClientAddress,
    /// What the client's program calls itself, as in the close record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub user_agent: Option<Arc<str>>,
    /// URL of the upstream.
    pub upstream: Arc<str>,
    /// It was established (101, or the event stream's head, relayed).
    pub opened_at: WallTime,
    /// Age since then.
    pub age_seconds: f64,
    /// Since the last byte in either direction.
    pub idle_seconds: f64,
    /// Complete messages so far.
    pub messages: PerDirection<u64>,
    /// Bytes after the head so far.
    pub bytes: PerDirection<u64>,
    /// What waits in this gateway.
    pub backlog: PerDirection<Backlog>,
    /// State in one word.
    pub state: LiveState,
    /// What the kernel tells of the two TCP connections.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub tcp: Option<Box<TcpLegs>>,
    /// It was opened as a reconnect; none when it was not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub reconnect: Option<Reconnect>,
    /// The last round trip from a relayed Ping accepted by our kernel to the peer's Pong read.
    #[serde(default)]
    pub ping_rtt_seconds: PerLeg<Option<f64>>,
    /// The Pings towards each peer; none where there was no Ping.
    #[serde(default)]
    pub heartbeat: PerLeg<Option<Heartbeat>>,
    /// What the queue towards the client has done; none without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub queue: Option<Box<QueueFacts>>,
}

/// Messages read from one side and not yet accepted by the other side's kernel socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Backlog {
    /// Messages that wait, whole or in part.
    pub messages: u64,
    /// Bytes that wait.
    pub bytes: u64,
    /// Age of the oldest byte that waits; 0 when none does.
    pub oldest_age_seconds: f64,
    /// What waits in the kernel beside it, before the gateway and behind it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub socket: Option<SocketBacklog>,
}

/// State of an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum LiveState {
    /// Both directions flow.
    Open,
    /// A receiver has left a backlog for 5 s or longer.
    Slow,
    /// A Close frame was seen, or one direction has ended.
    Closing,
}

impl LiveState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            LiveState::Open => "open",
            LiveState::Slow => "slow",
            LiveState::Closing => "closing",
        }
    }
}
