//! What observers see in the bytes of one direction of a connection. Events carry kinds, codes, sizes and
//! offsets, never payload. `end` is always the number of bytes of that direction's stream up to and including
//! the last byte of the thing described, counted from the first byte after the head; for HTTP/2, from the first
//! byte of the connection.

use serde::{Deserialize, Serialize};

use crate::words::{Http2Error, Opcode, Reason};

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
        /// Hash of the payload before masking, of its first 125 bytes when it is longer: by it a Pong finds its
        /// Ping. Equal payloads have equal tags, whoever masked them.
        tag: u64,
        /// Offset of the first byte of the frame.
        begin: u64,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
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

/// Something seen in one direction of a gRPC stream (grpc/grpc, doc/PROTOCOL-HTTP2.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcEvent {
    /// A length-prefixed message is complete.
    Message {
        /// Its length on the wire (compressed size when compressed), without the prefix.
        bytes: u64,
        /// Its compressed flag is 1.
        compressed: bool,
        /// See the module.
        end: u64,
    },
    /// A compressed flag is neither 0 nor 1. Scanning stops: no boundary can be trusted.
    Violation {
        /// The byte that stands for the flag.
        flag: u8,
        /// Its offset, where the message would begin.
        at: u64,
    },
}

/// Something seen in one direction of an HTTP/2 connection (RFC 9113, section 6). Frames of other types are no
/// events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Http2Event {
    /// A DATA frame is complete.
    Data {
        /// Its stream, never 0.
        stream: u32,
        /// Length of its payload with padding: what it takes of the windows (6.9.1).
        length: u32,
        /// The sender ends its half of the stream.
        end_stream: bool,
        /// See the module.
        end: u64,
    },
    /// A HEADERS frame is complete; CONTINUATION frames may follow it.
    Headers {
        /// Its stream, never 0.
        stream: u32,
        /// The sender ends its half of the stream.
        end_stream: bool,
        /// See the module.
        end: u64,
    },
    /// An RST_STREAM frame is complete.
    Reset {
        /// Its stream, never 0.
        stream: u32,
        /// Why.
        error: Http2Error,
        /// See the module.
        end: u64,
    },
    /// A SETTINGS frame is complete.
    Settings {
        /// It acknowledges the peer's, and has no settings of its own.
        ack: bool,
        /// What it sets.
        settings: Http2Settings,
        /// See the module.
        end: u64,
    },
    /// A PING frame is complete.
    Ping {
        /// It answers the peer's.
        ack: bool,
        /// Its payload, by which question and answer find each other.
        opaque: u64,
        /// See the module.
        end: u64,
    },
    /// A GOAWAY frame is complete.
    GoAway {
        /// The highest stream of the peer that the sender has taken or may yet take.
        last_stream: u32,
        /// Why.
        error: Http2Error,
        /// The beginning of the debug data, such as `too_many_pings`: at most 128 bytes of printable text.
        debug: Box<str>,
        /// See the module.
        end: u64,
    },
    /// A WINDOW_UPDATE frame is complete.
    WindowUpdate {
        /// Its stream; 0 for the connection.
        stream: u32,
        /// By how much the peer may send more.
        increment: u32,
        /// See the module.
        end: u64,
    },
    /// The bytes break RFC 9113. They are forwarded all the same.
    Violation {
        /// What is broken.
        violation: Http2Violation,
        /// Offset of the first byte of the frame, or 0 for a preface.
        at: u64,
    },
}

/// What a SETTINGS frame sets (RFC 9113, section 6.5.2), as on the wire; none for what it does not name. Of a
/// setting that it names twice, the last value. Unknown settings are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http2Settings {
    /// SETTINGS_HEADER_TABLE_SIZE, in bytes.
    pub header_table_size: Option<u32>,
    /// SETTINGS_ENABLE_PUSH: 0 or 1.
    pub enable_push: Option<u32>,
    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    pub max_concurrent_streams: Option<u32>,
    /// SETTINGS_INITIAL_WINDOW_SIZE, in bytes.
    pub initial_window_size: Option<u32>,
    /// SETTINGS_MAX_FRAME_SIZE, in bytes.
    pub max_frame_size: Option<u32>,
    /// SETTINGS_MAX_HEADER_LIST_SIZE, in bytes.
    pub max_header_list_size: Option<u32>,
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441, section 3): 0 or 1.
    pub enable_connect_protocol: Option<u32>,
}

/// How bytes break RFC 9113.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Http2Violation {
    /// The connection does not begin as it must (3.4): a client with the 24 bytes of the preface, then both sides
    /// with a SETTINGS frame. Scanning stops: this is no HTTP/2.
    Preface,
    /// A frame is longer than its receiver takes (4.2). Scanning stops: no boundary can be trusted.
    FrameTooLong,
    /// A frame does not have the length that its type demands (6.4 to 6.9). It is no event.
    FrameLength,
    /// A frame of a connection names a stream, or a frame of a stream names none (6.1 to 6.8). It is no event.
    StreamId,
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
