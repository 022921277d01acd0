//! WebSocket frames and messages of one direction (RFC 6455, section 5).

use model::event::{CloseCode, FrameViolation, WebSocketEvent};
use model::{Direction, Opcode};

/// Longest frame header: two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

/// Scans one direction of a connection. Costs per frame, not per byte; keeps no payload.
#[derive(Clone, Debug)]
pub struct Scanner {
    offset: u64,
    payload_left: u64,
    message_bytes: u64,
    message_frames: u32,
    header: [u8; HEADER_BYTES_MAX],
    header_length: u8,
    close_body: [u8; 2],
    close_body_length: u8,
    direction: Direction,
    opcode: Opcode,
    message: Opcode,
    flags: Flags,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    rsv1_allowed: bool,
    is_final: bool,
    is_compressed: bool,
    close_seen: bool,
    is_blind: bool,
}

/// What a complete header says.
struct Header {
    length: u64,
    key: Option<[u8; 4]>,
}

impl Scanner {
    /// A scanner for the bytes after the handshake; `rsv1_allowed` tells whether permessage-deflate (RFC 7692)
    /// was agreed.
    pub fn new(direction: Direction, rsv1_allowed: bool) -> Scanner {
        Scanner {
            offset: 0,
            payload_left: 0,
            message_bytes: 0,
            message_frames: 0,
            header: [0; HEADER_BYTES_MAX],
            header_length: 0,
            close_body: [0; 2],
            close_body_length: 0,
            direction,
            opcode: Opcode::Continuation,
            message: Opcode::Continuation,
            flags: Flags { rsv1_allowed, ..Flags::default() },
        }
    }

    /// Looks at the next bytes of the direction.
    pub fn scan(&mut self, mut bytes: &[u8], on: &mut impl FnMut(WebSocketEvent)) {
        while !bytes.is_empty() {
            if self.flags.is_blind {
                self.offset += bytes.len() as u64;
                return;
            }
            bytes = if self.payload_left > 0 {
                self.skip_payload(bytes, on)
            } else {
                self.take_header(bytes, on)
            };
        }
    }

    /// Bytes looked at so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the next byte begins a frame, so that another frame may be put in front of it.
    pub fn is_at_frame_boundary(&self) -> bool {
        self.payload_left == 0 && self.header_length == 0 && !self.flags.is_blind
    }

    /// Whether a data message has begun and not ended.
    pub fn is_inside_message(&self) -> bool {
        self.message_frames > 0
    }

    /// Whether a Close frame has been complete.
    pub fn close_seen(&self) -> bool {
        self.flags.close_seen
    }

    /// Whether scanning has stopped because no frame boundary can be trusted any more.
    pub fn is_blind(&self) -> bool {
        self.flags.is_blind
    }

    fn skip_payload<'a>(&mut self, bytes: &'a [u8], on: &mut impl FnMut(WebSocketEvent)) -> &'a [u8] {
        let take = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
        if self.opcode == Opcode::Close {
            self.keep_close_body(&bytes[..take]);
        }
        self.payload_left -= take as u64;
        self.offset += take as u64;
        if self.payload_left == 0 {
            self.end_frame(on);
        }
        &bytes[take..]
    }

    fn keep_close_body(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().take(2 - usize::from(self.close_body_length)) {
            self.close_body[usize::from(self.close_body_length)] = byte;
            self.close_body_length += 1;
        }
    }

    /// Takes bytes of a header until it is complete.
    fn take_header<'a>(&mut self, bytes: &'a [u8], on: &mut impl FnMut(WebSocketEvent)) -> &'a [u8] {
        let mut taken = 0;
        while taken < bytes.len() && usize::from(self.header_length) < self.header_needed() {
            self.header[usize::from(self.header_length)] = bytes[taken];
            self.header_length += 1;
            taken += 1;
        }
        self.offset += taken as u64;
        if usize::from(self.header_length) == self.header_needed() {
            self.begin_frame(on);
        }
        &bytes[taken..]
    }

    /// Length of the header, as far as its first bytes tell.
    fn header_needed(&self) -> usize {
        if self.header_length < 2 {
            return 2;
        }
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 != 0 { 4 } else { 0 };
        2 + length + mask
    }

    fn parse_header(&self) -> Header {
        let header = &self.header[..usize::from(self.header_length)];
        let (length, rest) = match header[1] & 0x7f {
            126 => (u64::from(u16::from_be_bytes([header[2], header[3]])), &header[4..]),
            127 => {
                let (length, rest) = header[2..].split_at(8);
                (u64::from_be_bytes(length.try_into().expect("split at eight")), rest)
            }
            short => (u64::from(short), &header[2..]),
        };
        Header { length, key: rest.first_chunk().copied() }
    }

    fn begin_frame(&mut self, on: &mut impl FnMut(WebSocketEvent)) {
        let Header { length, key } = self.parse_header();
        let first = self.header[0];
        let at = self.offset - u64::from(self.header_length);
        self.opcode = opcode(first & 0x0f);
        self.flags.is_final = first & 0x80 != 0;
        on(WebSocketEvent::Frame { opcode: self.opcode });
        let mut report = |violation| on(WebSocketEvent::Violation { violation, at });
        self.check_header(length, key.is_some(), &mut report);
        if length >> 63 != 0 {
            report(FrameViolation::LengthOverflow);
            self.flags.is_blind = true;
            return;
        }
        if is_data(self.opcode) {
            self.begin_data_frame(first, length, &mut report);
        }
        self.close_body_length = 0;
        self.payload_left = length;
        if length == 0 {
            self.end_frame(on);
        }
    }

    fn check_header(&self, length: u64, is_masked: bool, report: &mut impl FnMut(FrameViolation)) {
        let first = self.header[0];
        match (self.direction, is_masked) {
            (Direction::ClientToServer, false) => report(FrameViolation::Unmasked),
            (Direction::ServerToClient, true) => report(FrameViolation::Masked),
            _ => {}
        }
        let rsv1_fits = self.flags.rsv1_allowed && matches!(self.opcode, Opcode::Text | Opcode::Binary);
        let defined = if rsv1_fits { 0x40 } else { 0 };
        if first & 0x70 & !defined != 0 {
            report(FrameViolation::ReservedBit);
        }
        if self.opcode == Opcode::Reserved {
            report(FrameViolation::ReservedOpcode);
        }
        let is_minimal = match self.header[1] & 0x7f {
            126 => length > 125,
            127 => length > 0xffff,
            _ => true,
        };
        if !is_minimal {
            report(FrameViolation::NonMinimalLength);
        }
        if is_control(self.opcode) && length > 125 {
            report(FrameViolation::LongControl);
        }
        if is_control(self.opcode) && !self.flags.is_final {
            report(FrameViolation::FragmentedControl);
        }
        if self.flags.close_seen {
            report(FrameViolation::AfterClose);
        }
    }

    fn begin_data_frame(&mut self, first: u8, length: u64, report: &mut impl FnMut(FrameViolation)) {
        if self.opcode == Opcode::Continuation {
            if !self.is_inside_message() {
                report(FrameViolation::UnexpectedContinuation);
                self.message = Opcode::Binary;
            }
        } else {
            if self.is_inside_message() {
                report(FrameViolation::InterruptedMessage);
            }
            self.message = self.opcode;
            self.message_bytes = 0;
            self.message_frames = 0;
            self.flags.is_compressed = first & 0x40 != 0;
        }
        self.message_bytes = self.message_bytes.saturating_add(length);
        self.message_frames = self.message_frames.saturating_add(1);
    }

    fn end_frame(&mut self, on: &mut impl FnMut(WebSocketEvent)) {
        let end = self.offset;
        let Header { length, key } = self.parse_header();
        let at = end - length - u64::from(self.header_length);
        self.header_length = 0;
        match self.opcode {
            Opcode::Close => {
                self.flags.close_seen = true;
                let code = self.close_code(length, key, at, on);
                on(WebSocketEvent::Close { code, end });
            }
            Opcode::Ping | Opcode::Pong => {
                on(WebSocketEvent::Control { opcode: self.opcode, bytes: length, end });
            }
            Opcode::Reserved => {}
            Opcode::Continuation | Opcode::Text | Opcode::Binary if self.flags.is_final => {
                on(WebSocketEvent::Message {
                    opcode: self.message,
                    frames: self.message_frames,
                    bytes: self.message_bytes,
                    compressed: self.flags.is_compressed,
                    end,
                });
                self.message_bytes = 0;
                self.message_frames = 0;
                self.flags.is_compressed = false;
            }
            _ => {}
        }
    }

    fn close_code(
        &self,
        length: u64,
        key: Option<[u8; 4]>,
        at: u64,
        on: &mut impl FnMut(WebSocketEvent),
    ) -> Option<CloseCode> {
        let mut report = |violation| on(WebSocketEvent::Violation { violation, at });
        match length {
            0 => None,
            1 => {
                report(FrameViolation::CloseBodyLength);
                None
            }
            _ => {
                let mask = key.unwrap_or_default();
                let code = CloseCode(u16::from_be_bytes([
                    self.close_body[0] ^ mask[0],
                    self.close_body[1] ^ mask[1],
                ]));
                if !code.is_sendable() {
                    report(FrameViolation::CloseCode);
                }
                Some(code)
            }
        }
    }
}

fn opcode(bits: u8) -> Opcode {
    match bits {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Text,
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        _ => Opcode::Reserved,
    }
}

fn is_control(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong)
}

fn is_data(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Continuation | Opcode::Text | Opcode::Binary)
}

#[cfg(test)]
mod tests;
