//! What observers see in the bytes of one direction of a connection. Events carry kinds, codes, sizes and
//! offsets, never payload. `end` is always the number of bytes of that direction's stream up to and including
//! the last byte of the thing described, counted from the first byte after the head.

use serde::{Deserialize, Serialize};

use crate::words::{Opcode, Reason};

/// Status code of a WebSocket Close frame (RFC 6455, section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The shutting-down code, 1001.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// What an application sees of a Close frame without a code, 1005; never on the wire.
    pub const NO_STATUS: CloseCode = CloseCode(1005);
    /// The policy code, 1008.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);

    /// Whether an endpoint may put this code on the wire (RFC 6455, section 7.4, and the IANA registry).
    pub fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<CloseCode> for Reason {
    fn from(code: CloseCode) -> Self {
        match code.0 {
            1000 => Reason::Normal,
            1001 => Reason::GoingAway,
            1002 => Reason::ProtocolError,
            1003 => Reason::UnsupportedData,
            1005 => Reason::NoStatus,
            1006 => Reason::Abnormal,
            1007 => Reason::InvalidPayload,
            1008 => Reason::PolicyViolation,
            1009 => Reason::TooBig,
            1010 => Reason::MandatoryExtension,
            1011 => Reason::InternalError,
            1012 => Reason::ServiceRestart,
            1013 => Reason::TryAgainLater,
            1014 => Reason::BadGateway,
            3000..=4999 => Reason::App,
            _ => Reason::Other,
        }
    }
}

/// Something seen in one direction of a WebSocket connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSocketEvent {
    /// A frame header is complete.
    Frame {
        /// Its opcode.
        opcode: Opcode,
    },
    /// A data message is complete: all frames up to the one with FIN.
    Message {
        /// `Text` or `Binary`.
        opcode: Opcode,
        /// Number of frames.
        frames: u32,
        /// Payload bytes on the wire (compressed size when compressed), without frame headers.
        bytes: u64,
        /// RSV1 was set on the first frame: compressed by permessage-deflate (RFC 7692) when negotiated.
        compressed: bool,
        /// See the module.
        end: u64,
    },
    /// A Ping or Pong frame is complete.
    Control {
        /// `Ping` or `Pong`.
        opcode: Opcode,
        /// Payload bytes, at most 125 unless a violation says otherwise.
        bytes: u64,
        /// See the module.
        end: u64,
    },
    /// A Close frame is complete.
    Close {
        /// Its code; none when the frame has no body.
        code: Option<CloseCode>,
        /// See the module.
        end: u64,
    },
    /// The bytes break RFC 6455. They are forwarded all the same.
    Violation {
        /// What is broken.
        violation: FrameViolation,
        /// Offset of the first byte of the frame.
        at: u64,
    },
}

/// How a frame breaks RFC 6455 (sections 5.1 to 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameViolation {
    /// A client's frame without mask (5.1).
    Unmasked,
    /// A server's frame with mask (5.1).
    Masked,
    /// A reserved bit that no negotiated extension defines (5.2).
    ReservedBit,
    /// A reserved opcode (5.2).
    ReservedOpcode,
    /// A control frame longer than 125 bytes (5.5).
    LongControl,
    /// A control frame without FIN (5.5).
    FragmentedControl,
    /// A continuation frame without a message to continue (5.4).
    UnexpectedContinuation,
    /// A new data frame inside a fragmented message (5.4).
    InterruptedMessage,
    /// A length not in the fewest bytes (5.2).
    NonMinimalLength,
    /// The most significant bit of a 64-bit length is set (5.2). Scanning stops: no boundary can be trusted.
    LengthOverflow,
    /// A Close body of one byte (5.5.1).
    CloseBodyLength,
    /// A close code that may not be sent (7.4).
    CloseCode,
    /// A data or control frame after a Close frame (5.5.1).
    AfterClose,
}

/// Something seen in an event stream (WHATWG HTML, section 9.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SseEvent {
    /// An empty line ended a block that has at least one `data` line.
    Event {
        /// Bytes of the block, line ends and the empty line included.
        bytes: u64,
        /// Number of `data` lines.
        data_lines: u32,
        /// The block has an `id` line.
        has_id: bool,
        /// The block has an `event` line.
        has_name: bool,
        /// See the module.
        end: u64,
    },
    /// A line that begins with a colon; often a keep-alive.
    Comment {
        /// See the module.
        end: u64,
    },
    /// A valid `retry` line.
    Retry {
        /// Reconnection time in milliseconds that the server asks for.
        milliseconds: u64,
        /// See the module.
        end: u64,
    },
    /// A line is longer than what is inspected; it still counts for its block.
    LongLine {
        /// Offset of its first byte.
        at: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_codes_are_not_sendable() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
            assert!(!CloseCode(code).is_sendable(), "{code}");
        }
        for code in [1000, 1011, 1014, 3000, 4999] {
            assert!(CloseCode(code).is_sendable(), "{code}");
        }
        assert_eq!(Reason::from(CloseCode(4001)), Reason::App);
        assert_eq!(Reason::from(CloseCode(2000)), Reason::Other);
    }
}
