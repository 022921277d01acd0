//! What a flight recorder keeps: the things that happened on one connection, in order of time, with kinds, codes
//! and sizes, never payload.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{CloseCode, FrameViolation};
use crate::id::ConnectionId;
use crate::queue::Shed;
use crate::record::What;
use crate::time::WallTime;
use crate::words;
use crate::words::{Direction, HandshakeResult, Initiator, Leg, Opcode, Protocol, Reason};

/// The recording of one connection, open or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Name of the connection.
    pub id: ConnectionId,
    /// Its protocol.
    pub protocol: Protocol,
    /// URL of the upstream; none when none was reached.
    pub upstream: Option<Arc<str>>,
    /// It was established, or the attempt had failed.
    pub established_at: WallTime,
    /// What is kept, in order.
    pub events: Vec<Recorded>,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Recorded {
    /// Counts all that happened on the connection, from 0; numbers that are left out are no longer kept.
    pub number: u64,
    /// When.
    pub at: WallTime,
    /// From established to then; 0 for what came before.
    pub after_seconds: f64,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

words! {
    /// Kinds of what a flight recorder keeps; see [`Happening`].
    HappeningKind {
        /// The handshake was over.
        Handshake = "handshake",
        /// A WebSocket data message was complete.
        Message = "message",
        /// A gRPC message was complete.
        GrpcMessage = "grpc_message",
        /// An event of an event stream was complete.
        Event = "event",
        /// A comment line of an event stream.
        Comment = "comment",
        /// A Ping frame was complete.
        Ping = "ping",
        /// A Pong frame was complete.
        Pong = "pong",
        /// A Close frame was complete.
        Close = "close",
        /// The receiver has not taken all that was read for it.
        WaitBegan = "wait_began",
        /// The receiver has taken all that was read for it.
        WaitEnded = "wait_ended",
        /// The queue towards the client has dropped messages.
        Shed = "shed",
        /// The bytes break their protocol.
        Violation = "violation",
        /// A cause of the end was seen.
        Cause = "cause",
        /// The connection has ended.
        End = "end",
    }
}

/// What can happen on a connection. Its kinds are [`HappeningKind`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    /// The handshake was over.
    Handshake {
        /// Its outcome.
        result: HandshakeResult,
        /// Status that the client was sent; none when it was sent none.
        status: Option<u16>,
        /// From the request's head complete to the outcome.
        seconds: f64,
    },
    /// A WebSocket data message was complete.
    Message {
        /// Which way it goes.
        direction: Direction,
        /// `Text` or `Binary`.
        opcode: Opcode,
        /// Payload bytes on the wire.
        bytes: u64,
        /// Number of frames, 65,535 for more.
        frames: u16,
        /// Compressed by permessage-deflate.
        compressed: bool,
    },
    /// A gRPC message was complete.
    GrpcMessage {
        /// Which way it goes.
        direction: Direction,
        /// Payload bytes on the wire.
        bytes: u64,
        /// Compressed, by its own flag.
        compressed: bool,
    },
    /// An event of an event stream was complete.
    Event {
        /// Bytes of its block.
        bytes: u64,
    },
    /// A comment line of an event stream.
    Comment,
    /// A Ping frame was complete.
    Ping {
        /// Which way it goes.
        direction: Direction,
        /// Payload bytes, 65,535 for more.
        bytes: u16,
        /// The gateway itself sent it, by the route's heartbeat.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "ts", ts(optional, as = "Option<bool>"))]
        by_gateway: bool,
    },
    /// A Pong frame was complete.
    Pong {
        /// Which way it goes.
        direction: Direction,
        /// Payload bytes, 65,535 for more.
        bytes: u16,
        /// From the Ping accepted by our kernel; none when it answers no open Ping.
        rtt_seconds: Option<f64>,
        /// It answers a Ping of the gateway itself and goes no further.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "ts", ts(optional, as = "Option<bool>"))]
        to_gateway: bool,
    },
    /// A Close frame was complete.
    Close {
        /// Which way it goes.
        direction: Direction,
        /// Its code.
        code: Option<CloseCode>,
    },
    /// The receiver has not taken all that was read for it.
    WaitBegan {
        /// Which way the bytes go.
        direction: Direction,
        /// Bytes that wait.
        bytes: u64,
    },
    /// The receiver has taken all that was read for it.
    WaitEnded {
        /// Which way the bytes go.
        direction: Direction,
        /// Since the oldest of them was read.
        seconds: f64,
    },
    /// The queue towards the client has dropped messages since this was told last, at most once a second of one policy.
    Shed {
        /// Why.
        policy: Shed,
        /// How many, 65,535 for more.
        messages: u16,
        /// Their bytes.
        bytes: u64,
    },
    /// The bytes break RFC 6455. They are forwarded all the same.
    Violation {
        /// Which way they go.
        direction: Direction,
        /// What is broken.
        violation: FrameViolation,
        /// Offset of the frame in its direction.
        offset: u64,
    },
    /// A cause of the end was seen.
    Cause {
        /// Where; none for a decision of this gateway.
        leg: Option<Leg>,
        /// What.
        what: What,
    },
    /// The connection has ended.
    End {
        /// Who ended it.
        initiator: Initiator,
        /// Why.
        reason: Reason,
    },
}

impl Happening {
    /// Its kind.
    pub fn kind(&self) -> HappeningKind {
        match self {
            Happening::Handshake { .. } => HappeningKind::Handshake,
            Happening::Message { .. } => HappeningKind::Message,
            Happening::GrpcMessage { .. } => HappeningKind::GrpcMessage,
            Happening::Event { .. } => HappeningKind::Event,
            Happening::Comment => HappeningKind::Comment,
            Happening::Ping { .. } => HappeningKind::Ping,
            Happening::Pong { .. } => HappeningKind::Pong,
            Happening::Close { .. } => HappeningKind::Close,
            Happening::WaitBegan { .. } => HappeningKind::WaitBegan,
            Happening::WaitEnded { .. } => HappeningKind::WaitEnded,
            Happening::Shed { .. } => HappeningKind::Shed,
            Happening::Violation { .. } => HappeningKind::Violation,
            Happening::Cause { .. } => HappeningKind::Cause,
            Happening::End { .. } => HappeningKind::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object() {
        let what = Happening::Pong {
            direction: Direction::ClientToServer,
            bytes: 4,
            rtt_seconds: Some(0.25),
            to_gateway: false,
        };
        let event = Recorded { number: 7, at: WallTime(1_000_000_000), after_seconds: 0.5, what };
        let text = serde_json::to_string(&event).expect("serializes");
        assert_eq!(
            text,
            r#"{"number":7,"at":"1970-01-01T00:00:01.000000000Z","after_seconds":0.5,"kind":"pong","direction":"client_to_server","bytes":4,"rtt_seconds":0.25}"#
        );
        assert_eq!(serde_json::from_str::<Recorded>(&text).expect("parses"), event);
        assert!(text.contains(&format!(r#""kind":"{}""#, what.kind())));
    }
}
