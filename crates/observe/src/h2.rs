//! Frames of one direction of an HTTP/2 connection (RFC 9113).
//!
//! A scanner follows frame headers and reads the payload of small control frames. Header blocks stay closed, so
//! it knows of streams and not of requests. Events come at the last byte of their frame. Violations come at the
//! end of the frame's header, at most one for a frame: the first of those in [`Http2Violation`]'s order.

use model::Direction;
use model::event::{Http2Event, Http2Settings, Http2Violation};

use crate::text;

/// What a client sends first (RFC 9113, section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest text of a GOAWAY frame that is kept, in bytes.
pub const DEBUG_BYTES_MAX: usize = 128;

/// Length of a frame header (RFC 9113, section 4.1).
const HEADER_BYTES: usize = 9;

/// Longest payload as long as the receiver has announced no other (RFC 9113, section 6.5.2).
const FRAME_BYTES_INITIAL: u32 = 16_384;

/// Length of one setting: identifier and value (RFC 9113, section 6.5.1).
const SETTING_BYTES: usize = 6;

/// What stands in front of a GOAWAY frame's debug data: last stream and error code.
const GOAWAY_BYTES: usize = 8;

/// END_STREAM of a DATA or HEADERS frame, ACK of a SETTINGS or PING frame.
const FLAG: u8 = 0x1;

/// Scans one direction of a connection. Costs per frame, not per byte, except for SETTINGS.
#[derive(Clone, Debug)]
pub struct Scanner {
    /// Bytes looked at so far.
    offset: u64,
    /// How much of the client's preface is still to come.
    preface_left: usize,
    /// Header of the current frame, as on the wire.
    header: [u8; HEADER_BYTES],
    /// How much of it is there; 0 between frames.
    header_length: usize,
    /// What the header says, once it is complete.
    frame: Frame,
    /// How much of the frame's payload is still to come.
    payload_left: u32,
    /// The beginning of its payload as far as it is needed; of SETTINGS, the current setting.
    kept: [u8; GOAWAY_BYTES + DEBUG_BYTES_MAX],
    kept_length: usize,
    /// Settings of the current SETTINGS frame.
    settings: Http2Settings,
    /// Longest payload that the receiver takes.
    frame_bytes_max: u32,
    has_seen_settings: bool,
    is_blind: bool,
}

/// What a frame header says.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: Kind,
    length: u32,
    flag: bool,
    stream: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Headers,
    Reset,
    Settings,
    Ping,
    GoAway,
    WindowUpdate,
    /// Of no interest, or not as it must be.
    Skipped,
}

impl Scanner {
    /// A scanner for a connection's bytes from the first one, behind TLS.
    pub fn new(direction: Direction) -> Scanner {
        Scanner {
            offset: 0,
            preface_left: match direction {
                Direction::ClientToServer => PREFACE.len(),
                Direction::ServerToClient => 0,
            },
            header: [0; HEADER_BYTES],
            header_length: 0,
            frame: Frame { kind: Kind::Skipped, length: 0, flag: false, stream: 0 },
            payload_left: 0,
            kept: [0; GOAWAY_BYTES + DEBUG_BYTES_MAX],
            kept_length: 0,
            settings: Http2Settings::default(),
            frame_bytes_max: FRAME_BYTES_INITIAL,
            has_seen_settings: false,
            is_blind: false,
        }
    }

    /// Looks at the next bytes of the direction.
    pub fn scan(&mut self, mut bytes: &[u8], on: &mut impl FnMut(Http2Event)) {
        while !bytes.is_empty() && !self.is_blind {
            let taken = if self.preface_left > 0 {
                self.take_preface(bytes, on)
            } else if self.header_length < HEADER_BYTES {
                self.take_header(bytes, on)
            } else {
                self.take_payload(bytes, on)
            };
            bytes = &bytes[taken..];
        }
        self.offset += bytes.len() as u64;
    }

    /// The receiver takes frames with this much payload: its SETTINGS_MAX_FRAME_SIZE, seen in the other
    /// direction. Never takes back what was allowed, as frames that were sent before may still be on their way.
    pub fn allow_frame_size(&mut self, bytes: u32) {
        self.frame_bytes_max = self.frame_bytes_max.max(bytes);
    }

    /// Bytes looked at so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the next byte begins a frame. Inside a header block, only its CONTINUATION may come there.
    pub fn is_at_frame_boundary(&self) -> bool {
        self.preface_left == 0 && self.header_length == 0 && !self.is_blind
    }

    /// Whether scanning has stopped because no frame boundary can be trusted any more. Bytes are still counted.
    pub fn is_blind(&self) -> bool {
        self.is_blind
    }

    fn take_preface(&mut self, bytes: &[u8], on: &mut impl FnMut(Http2Event)) -> usize {
        let expected = &PREFACE[PREFACE.len() - self.preface_left..];
        let taken = expected.len().min(bytes.len());
        if bytes[..taken] != expected[..taken] {
            self.is_blind = true;
            on(Http2Event::Violation { violation: Http2Violation::Preface, at: 0 });
        }
        self.preface_left -= taken;
        self.offset += taken as u64;
        taken
    }

    fn take_header(&mut self, bytes: &[u8], on: &mut impl FnMut(Http2Event)) -> usize {
        let room = &mut self.header[self.header_length..];
        let taken = room.len().min(bytes.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        self.header_length += taken;
        self.offset += taken as u64;
        if self.header_length == HEADER_BYTES {
            self.begin_frame(on);
        }
        taken
    }

    fn begin_frame(&mut self, on: &mut impl FnMut(Http2Event)) {
        self.frame = Frame::of_header(self.header);
        self.payload_left = self.frame.length;
        self.kept_length = 0;
        if let Some(violation) = self.violation() {
            use Http2Violation::{FrameTooLong, Preface};
            self.is_blind = matches!(violation, Preface | FrameTooLong);
            self.frame.kind = Kind::Skipped;
            on(Http2Event::Violation { violation, at: self.offset - HEADER_BYTES as u64 });
        }
        self.has_seen_settings = true;
        if self.payload_left == 0 && !self.is_blind {
            self.end_frame(on);
        }
    }

    fn violation(&self) -> Option<Http2Violation> {
        let Frame { kind, length, flag, .. } = self.frame;
        if !self.has_seen_settings && (kind != Kind::Settings || flag) {
            Some(Http2Violation::Preface)
        } else if length > self.frame_bytes_max {
            Some(Http2Violation::FrameTooLong)
        } else if !self.frame.has_right_length() {
            Some(Http2Violation::FrameLength)
        } else if !self.frame.has_right_stream() {
            Some(Http2Violation::StreamId)
        } else {
            None
        }
    }

    fn take_payload(&mut self, bytes: &[u8], on: &mut impl FnMut(Http2Event)) -> usize {
        let taken = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(self.payload_left);
        let part = &bytes[..taken as usize];
        match self.frame.kind {
            Kind::Settings => self.take_settings(part),
            kind => self.keep(part, kind.kept_bytes()),
        }
        self.payload_left -= taken;
        self.offset += u64::from(taken);
        if self.payload_left == 0 {
            self.end_frame(on);
        }
        part.len()
    }

    /// Keeps the first `bytes_max` bytes of the payload.
    fn keep(&mut self, bytes: &[u8], bytes_max: usize) {
        let room = &mut self.kept[self.kept_length..bytes_max];
        let taken = room.len().min(bytes.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        self.kept_length += taken;
    }

    fn take_settings(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.kept[self.kept_length] = byte;
            self.kept_length += 1;
            if self.kept_length == SETTING_BYTES {
                self.take_setting();
                self.kept_length = 0;
            }
        }
    }

    fn take_setting(&mut self) {
        let [identifier_high, identifier_low, a, b, c, d, ..] = self.kept;
        let settings = &mut self.settings;
        let place = match u16::from_be_bytes([identifier_high, identifier_low]) {
            1 => &mut settings.header_table_size,
            2 => &mut settings.enable_push,
            3 => &mut settings.max_concurrent_streams,
            4 => &mut settings.initial_window_size,
            5 => &mut settings.max_frame_size,
            6 => &mut settings.max_header_list_size,
            8 => &mut settings.enable_connect_protocol,
            _ => return,
        };
        *place = Some(u32::from_be_bytes([a, b, c, d]));
    }

    fn end_frame(&mut self, on: &mut impl FnMut(Http2Event)) {
        self.header_length = 0;
        if let Some(event) = self.event() {
            on(event);
        }
    }

    fn event(&mut self) -> Option<Http2Event> {
        let Frame { kind, length, flag, stream } = self.frame;
        let end = self.offset;
        let [a, b, c, d, e, f, g, h, ..] = self.kept;
        let first = u32::from_be_bytes([a, b, c, d]);
        let second = u32::from_be_bytes([e, f, g, h]);
        Some(match kind {
            Kind::Data => Http2Event::Data { stream, length, end_stream: flag, end },
            Kind::Headers => Http2Event::Headers { stream, end_stream: flag, end },
            Kind::Reset => Http2Event::Reset { stream, error: first.into(), end },
            Kind::Settings => {
                let settings = std::mem::take(&mut self.settings);
                Http2Event::Settings { ack: flag, settings, end }
            }
            Kind::Ping => {
                let opaque = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                Http2Event::Ping { ack: flag, opaque, end }
            }
            Kind::GoAway => {
                let debug = text::printable(&self.kept[GOAWAY_BYTES..self.kept_length], DEBUG_BYTES_MAX);
                let last_stream = without_reserved_bit(first);
                Http2Event::GoAway { last_stream, error: second.into(), debug: debug.into(), end }
            }
            Kind::WindowUpdate => {
                Http2Event::WindowUpdate { stream, increment: without_reserved_bit(first), end }
            }
            Kind::Skipped => return None,
        })
    }
}

impl Frame {
    fn of_header(header: [u8; HEADER_BYTES]) -> Frame {
        let [high, middle, low, kind, flags, a, b, c, d] = header;
        Frame {
            kind: Kind::of_type(kind),
            length: u32::from_be_bytes([0, high, middle, low]),
            flag: flags & FLAG != 0,
            stream: without_reserved_bit(u32::from_be_bytes([a, b, c, d])),
        }
    }

    fn has_right_length(self) -> bool {
        match self.kind {
            Kind::Reset | Kind::WindowUpdate => self.length == 4,
            Kind::Ping => self.length == 8,
            Kind::GoAway => self.length as usize >= GOAWAY_BYTES,
            Kind::Settings if self.flag => self.length == 0,
            Kind::Settings => (self.length as usize).is_multiple_of(SETTING_BYTES),
            Kind::Data | Kind::Headers | Kind::Skipped => true,
        }
    }

    fn has_right_stream(self) -> bool {
        match self.kind {
            Kind::Data | Kind::Headers | Kind::Reset => self.stream != 0,
            Kind::Settings | Kind::Ping | Kind::GoAway => self.stream == 0,
            Kind::WindowUpdate | Kind::Skipped => true,
        }
    }
}

impl Kind {
    fn of_type(number: u8) -> Kind {
        match number {
            0x0 => Kind::Data,
            0x1 => Kind::Headers,
            0x3 => Kind::Reset,
            0x4 => Kind::Settings,
            0x6 => Kind::Ping,
            0x7 => Kind::GoAway,
            0x8 => Kind::WindowUpdate,
            _ => Kind::Skipped,
        }
    }

    /// How much of the payload's beginning is needed; SETTINGS are read as they come.
    fn kept_bytes(self) -> usize {
        match self {
            Kind::Reset | Kind::WindowUpdate => 4,
            Kind::Ping => 8,
            Kind::GoAway => GOAWAY_BYTES + DEBUG_BYTES_MAX,
            Kind::Data | Kind::Headers | Kind::Settings | Kind::Skipped => 0,
        }
    }
}

/// The first bit of stream identifiers and window increments is reserved (RFC 9113, sections 4.1, 6.8, 6.9).
fn without_reserved_bit(number: u32) -> u32 {
    number & (u32::MAX >> 1)
}

#[cfg(test)]
mod tests;
