//! What the kernel tells of the two TCP connections below a connection: numbers from `TCP_INFO`, `SIOCINQ` and
//! `SIOCOUTQ` (tcp(7)), read when it opens, from time to time, and when it ends.
//!
//! They tell of the path to the next hop, which may be a balancer, and in TLS of records, not of what is in
//! them. A number that the kernel is too old to know is 0; Linux 5.4 knows all.

use serde::{Deserialize, Serialize};

use crate::words::Leg;

/// Both legs; one is absent where nothing is known of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TcpLegs {
    /// Towards the client.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub client: Option<TcpFacts>,
    /// Towards the upstream.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub upstream: Option<TcpFacts>,
}

impl TcpLegs {
    /// One leg.
    pub fn leg(&self, leg: Leg) -> Option<&TcpFacts> {
        match leg {
            Leg::Client => self.client.as_ref(),
            Leg::Upstream => self.upstream.as_ref(),
        }
    }
}

/// One leg over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TcpFacts {
    /// The TCP connection carries other requests at the same time (HTTP/2): all numbers are theirs too.
    pub shared: bool,
    /// When the connection was established.
    pub open: TcpSample,
    /// The newest of the samples that are taken from time to time; none before the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub last: Option<TcpSample>,
    /// At the end, before the socket was closed; none while it is open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub close: Option<TcpSample>,
    /// How soon messages were acknowledged, where that was sampled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub acks: Option<AckFacts>,
}

/// Sampled times from a message's last byte accepted by our kernel socket to its acknowledgement by the
/// receiver's kernel. Each is an upper bound for the path: a receiver may hold an acknowledgement back, to send
/// it along with data of its own (RFC 9293, section 3.8.6.3; Linux by up to 40 ms).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct AckFacts {
    /// How many.
    pub samples: u32,
    /// The least.
    pub min_seconds: f32,
    /// The greatest.
    pub max_seconds: f32,
    /// The newest.
    pub last_seconds: f32,
}

impl AckFacts {
    /// No sample yet.
    pub const EMPTY: AckFacts =
        AckFacts { samples: 0, min_seconds: f32::INFINITY, max_seconds: 0.0, last_seconds: 0.0 };

    /// With one more sample.
    #[must_use]
    pub fn with(self, seconds: f32) -> AckFacts {
        AckFacts {
            samples: self.samples.saturating_add(1),
            min_seconds: self.min_seconds.min(seconds),
            max_seconds: self.max_seconds.max(seconds),
            last_seconds: seconds,
        }
    }
}

/// What the kernel told at one moment. Counters and times run from the opening of the TCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TcpSample {
    /// When: seconds after the connection was established.
    pub at_seconds: f32,
    /// Smoothed round-trip time; none before the first measurement.
    pub rtt_seconds: Option<f32>,
    /// Least round-trip time of the last minutes; none before the first measurement.
    pub min_rtt_seconds: Option<f32>,
    /// Segments that were sent again.
    pub retransmits: u32,
    /// Retransmissions after a timeout, or probes of a closed window, in a row that nothing has answered; each
    /// waits twice as long as the one before.
    pub unanswered: u8,
    /// Bytes received that the gateway has not read.
    pub unread_bytes: u32,
    /// Bytes accepted from the gateway that were not sent even once.
    pub notsent_bytes: u32,
    /// Bytes sent that the peer's kernel has not acknowledged.
    pub unacked_bytes: u32,
    /// Some of `notsent_bytes` wait because the peer's window has room for less than they are and less than
    /// one segment: its application does not read.
    pub zero_window: bool,
    /// Bytes that the peer's kernel has acknowledged.
    pub bytes_acked: u64,
    /// Time with something to send or in flight.
    pub busy_seconds: f32,
    /// Of it, time in which the peer's window held sending back.
    pub rwnd_limited_seconds: f32,
    /// Of it, time in which our send buffer was too small for the path.
    pub sndbuf_limited_seconds: f32,
    /// Since an acknowledgement last came.
    pub last_ack_seconds: f32,
}

/// Where bytes of one direction wait in the kernel, by the newest sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SocketBacklog {
    /// On the sender's socket, not yet read by the gateway; it stops reading while its own backlog waits.
    pub unread_bytes: u32,
    /// On the receiver's socket, not sent even once.
    pub notsent_bytes: u32,
    /// Sent to the receiver and not acknowledged by its kernel.
    pub unacked_bytes: u32,
    /// The receiver does not read: see [`TcpSample::zero_window`].
    pub zero_window: bool,
    /// Age of the older one of the two samples.
    pub age_seconds: f32,
}
