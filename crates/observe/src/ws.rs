//! WebSocket frames and messages of one direction (RFC 6455, section 5).
//!
//! The events of a frame come in this order: its header ([`WebSocketEvent::Frame`]), what is wrong with the
//! header, and at its last byte what is wrong with its body and what it completes. A violation changes nothing
//! of what follows, with three exceptions: a frame with a reserved opcode completes nothing; a continuation
//! without a message to continue is no message; and a new data frame inside a message takes the place of that
//! message, which is never complete.

use model::event::{CloseCode, FrameViolation, WebSocketEvent};
use model::{Direction, Opcode};

/// Longest frame header: two bytes, eight of length, four of mask.
pub(crate) const HEADER_BYTES_MAX: usize = 14;

/// Longest payload of a control frame (RFC 6455, section 5.5).
const CONTROL_BYTES_MAX: u64 = 125;

/// Hash of Fowler, Noll and Vo, FNV-1a with 64 bits.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const RSV1: u8 = 0x40;
const MASK: u8 = 0x80;

/// Scans one direction of a connection. Costs per frame, not per byte, and keeps no payload.
#[derive(Clone, Debug)]
pub struct Scanner {
    /// Bytes looked at so far.
    offset: u64,
    /// How much of the current frame's payload is still to come.
    payload_left: u64,
    /// Payload bytes of the current message, of all frames whose header is complete.
    message_bytes: u64,
    /// Number of these frames.
    message_frames: u32,
    /// `Text` or `Binary`; none between messages.
    message: Option<Opcode>,
    /// RSV1 of the message's first frame.
    is_compressed: bool,
    /// Header of the current frame.
    header: [u8; HEADER_BYTES_MAX],
    /// How much of it is there; 0 between frames.
    header_length: u8,
    /// First two bytes of a Close frame's payload, as on the wire.
    close_body: [u8; 2],
    /// Hash of the payload of a Ping or Pong frame so far.
    tag: u64,
    opcode: Opcode,
    direction: Direction,
    is_rsv1_allowed: bool,
    has_seen_close: bool,
    is_blind: bool,
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
            message: None,
            is_compressed: false,
            header: [0; HEADER_BYTES_MAX],
            header_length: 0,
            close_body: [0; 2],
            tag: FNV_OFFSET,
            opcode: Opcode::Continuation,
            direction,
            is_rsv1_allowed: rsv1_allowed,
            has_seen_close: false,
            is_blind: false,
        }
    }

    /// Looks at the next bytes of the direction.
    pub fn scan(&mut self, mut bytes: &[u8], on: &mut impl FnMut(WebSocketEvent)) {
        while !bytes.is_empty() && !self.is_blind {
            let taken = match self.payload_left {
                0 => self.take_header(bytes, on),
                _ => self.skip_payload(bytes, on),
            };
            bytes = &bytes[taken..];
        }
        self.offset += bytes.len() as u64;
    }

    /// Bytes looked at so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the next byte begins a frame, so that another frame may be put in front of it: a control frame
    /// in any case, a data frame only outside a message (see [`Scanner::is_inside_message`]).
    pub fn is_at_frame_boundary(&self) -> bool {
        self.header_length == 0 && !self.is_blind
    }

    /// Whether a data message has begun and not ended.
    pub fn is_inside_message(&self) -> bool {
        self.message.is_some()
    }

    /// Whether a Close frame has been complete.
    pub fn close_seen(&self) -> bool {
        self.has_seen_close
    }

    /// Whether scanning has stopped because no frame boundary can be trusted any more. Bytes are still counted.
    pub fn is_blind(&self) -> bool {
        self.is_blind
    }

    fn skip_payload(&mut self, bytes: &[u8], on: &mut impl FnMut(WebSocketEvent)) -> usize {
        let taken = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
        match self.opcode {
            Opcode::Close => self.keep_close_body(&bytes[..taken]),
            Opcode::Ping | Opcode::Pong => self.add_to_tag(&bytes[..taken]),
            Opcode::Continuation | Opcode::Text | Opcode::Binary | Opcode::Reserved => {}
        }
        self.payload_left -= taken as u64;
        self.offset += taken as u64;
        if self.payload_left == 0 {
            self.end_frame(on);
        }
        taken
    }

    fn keep_close_body(&mut self, bytes: &[u8]) {
        let skipped = usize::try_from(self.payload() - self.payload_left).unwrap_or(usize::MAX);
        for (place, &byte) in self.close_body.iter_mut().skip(skipped).zip(bytes) {
            *place = byte;
        }
    }

    fn add_to_tag(&mut self, bytes: &[u8]) {
        let skipped = self.payload() - self.payload_left;
        let hashed = usize::try_from(CONTROL_BYTES_MAX.saturating_sub(skipped)).unwrap_or(usize::MAX);
        let mask = self.mask().into_iter().cycle().skip((skipped % 4) as usize);
        for (&byte, key) in bytes.iter().take(hashed).zip(mask) {
            self.tag = (self.tag ^ u64::from(byte ^ key)).wrapping_mul(FNV_PRIME);
        }
    }

    fn take_header(&mut self, bytes: &[u8], on: &mut impl FnMut(WebSocketEvent)) -> usize {
        let taken = self.take_whole_header(bytes).unwrap_or_else(|| self.take_header_bytewise(bytes));
        self.offset += taken as u64;
        if self.is_header_complete() {
            self.begin_frame(on);
        }
        taken
    }

    /// Takes a header that `bytes` begins with and has all of.
    fn take_whole_header(&mut self, bytes: &[u8]) -> Option<usize> {
        let length = header_bytes(*bytes.get(1)?);
        let header = bytes.get(..usize::from(length)).filter(|_| self.header_length == 0)?;
        self.header[..header.len()].copy_from_slice(header);
        self.header_length = length;
        Some(header.len())
    }

    fn take_header_bytewise(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && !self.is_header_complete() {
            self.header[usize::from(self.header_length)] = bytes[taken];
            self.header_length += 1;
            taken += 1;
        }
        taken
    }

    fn is_header_complete(&self) -> bool {
        self.header_length >= 2 && self.header_length == header_bytes(self.header[1])
    }

    fn begin_frame(&mut self, on: &mut impl FnMut(WebSocketEvent)) {
        self.opcode = opcode(self.header[0]);
        let payload = self.payload();
        self.tag = FNV_OFFSET;
        on(WebSocketEvent::Frame { opcode: self.opcode });
        let at = self.offset - u64::from(self.header_length);
        let mut report = |violation| on(WebSocketEvent::Violation { violation, at });
        self.check_bits(&mut report);
        self.check_length(&mut report);
        if self.has_seen_close {
            report(FrameViolation::AfterClose);
        }
        if payload >> 63 != 0 {
            report(FrameViolation::LengthOverflow);
            self.is_blind = true;
            return;
        }
        self.join_message(&mut report);
        self.payload_left = payload;
        if payload == 0 {
            self.end_frame(on);
        }
    }

    fn check_bits(&self, report: &mut impl FnMut(FrameViolation)) {
        match (self.direction, self.is_masked()) {
            (Direction::ClientToServer, false) => report(FrameViolation::Unmasked),
            (Direction::ServerToClient, true) => report(FrameViolation::Masked),
            _ => {}
        }
        let begins_message = matches!(self.opcode, Opcode::Text | Opcode::Binary);
        let defined = if self.is_rsv1_allowed && begins_message { RSV1 } else { 0 };
        if self.header[0] & RSV & !defined != 0 {
            report(FrameViolation::ReservedBit);
        }
        if self.opcode == Opcode::Reserved {
            report(FrameViolation::ReservedOpcode);
        }
        if is_control(self.opcode) && !self.is_final() {
            report(FrameViolation::FragmentedControl);
        }
    }

    fn check_length(&self, report: &mut impl FnMut(FrameViolation)) {
        let shortest = match self.header[1] & !MASK {
            126 => 126,
            127 => 0x1_0000,
            _ => 0,
        };
        if self.payload() < shortest {
            report(FrameViolation::NonMinimalLength);
        }
        if is_control(self.opcode) && self.payload() > CONTROL_BYTES_MAX {
            report(FrameViolation::LongControl);
        }
    }

    fn join_message(&mut self, report: &mut impl FnMut(FrameViolation)) {
        match self.opcode {
            Opcode::Text | Opcode::Binary => {
                if self.is_inside_message() {
                    report(FrameViolation::InterruptedMessage);
                }
                self.message = Some(self.opcode);
                self.message_bytes = self.payload();
                self.message_frames = 1;
                self.is_compressed = self.header[0] & RSV1 != 0;
            }
            Opcode::Continuation if self.is_inside_message() => {
                self.message_bytes = self.message_bytes.saturating_add(self.payload());
                self.message_frames = self.message_frames.saturating_add(1);
            }
            Opcode::Continuation => report(FrameViolation::UnexpectedContinuation),
            Opcode::Close | Opcode::Ping | Opcode::Pong | Opcode::Reserved => {}
        }
    }

    fn end_frame(&mut self, on: &mut impl FnMut(WebSocketEvent)) {
        let end = self.offset;
        match self.opcode {
            Opcode::Close => {
                self.has_seen_close = true;
                let code = self.close_code(on);
                on(WebSocketEvent::Close { code, end });
            }
            Opcode::Ping | Opcode::Pong => {
                on(WebSocketEvent::Control {
                    opcode: self.opcode,
                    bytes: self.payload(),
                    tag: self.tag,
                    begin: self.frame_begin(),
                    end,
                });
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary if self.is_final() => {
                self.end_message(on);
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary | Opcode::Reserved => {}
        }
        self.header_length = 0;
    }

    fn end_message(&mut self, on: &mut impl FnMut(WebSocketEvent)) {
        if let Some(opcode) = self.message.take() {
            on(WebSocketEvent::Message {
                opcode,
                frames: self.message_frames,
                bytes: self.message_bytes,
                compressed: self.is_compressed,
                end: self.offset,
            });
        }
    }

    fn close_code(&self, on: &mut impl FnMut(WebSocketEvent)) -> Option<CloseCode> {
        let at = self.frame_begin();
        let mut report = |violation| on(WebSocketEvent::Violation { violation, at });
        if self.payload() < 2 {
            if self.payload() == 1 {
                report(FrameViolation::CloseBodyLength);
            }
            return None;
        }
        let mask = self.mask();
        let [high, low] = self.close_body;
        let code = CloseCode(u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]));
        if !code.is_sendable() {
            report(FrameViolation::CloseCode);
        }
        Some(code)
    }

    /// Bytes so far of a frame that is not complete and can be a Pong with a payload of so many bytes; 0 when there is
    /// none.
    pub fn unfinished_pong(&self, payload_bytes: u8) -> u64 {
        let header = &self.header[..usize::from(self.header_length)];
        let may_be = match *header {
            [] => false,
            [first] => opcode(first) == Opcode::Pong,
            [first, second, ..] => opcode(first) == Opcode::Pong && second & !MASK == payload_bytes,
        };
        let payload_seen = if self.is_header_complete() { self.payload() - self.payload_left } else { 0 };
        if may_be { u64::from(self.header_length) + payload_seen } else { 0 }
    }

    /// Offset of the first byte of a frame that ends here.
    fn frame_begin(&self) -> u64 {
        self.offset - self.payload() - u64::from(self.header_length)
    }

    /// Length of the current frame's payload.
    fn payload(&self) -> u64 {
        payload_bytes(&self.header)
    }

    fn is_final(&self) -> bool {
        self.header[0] & FIN != 0
    }

    fn is_masked(&self) -> bool {
        self.header[1] & MASK != 0
    }

    /// The masking key, which ends the header; zeros without one.
    fn mask(&self) -> [u8; 4] {
        let header = &self.header[..usize::from(self.header_length)];
        header.last_chunk().copied().filter(|_| self.is_masked()).unwrap_or_default()
    }
}

/// The tag of a Ping or Pong with this payload, of at most 125 bytes (see [`WebSocketEvent::Control`]).
pub fn tag(payload: &[u8]) -> u64 {
    payload.iter().fold(FNV_OFFSET, |tag, &byte| (tag ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// Length of a header with this second byte.
pub(crate) fn header_bytes(second: u8) -> u8 {
    let extended = match second & !MASK {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & MASK != 0 { 4 } else { 0 };
    2 + extended + mask
}

/// Length of the payload that a complete header announces.
pub(crate) fn payload_bytes(header: &[u8; HEADER_BYTES_MAX]) -> u64 {
    let [_, second, extended @ ..] = *header;
    let [a, b, c, d, e, f, g, h, ..] = extended;
    match second & !MASK {
        126 => u64::from(u16::from_be_bytes([a, b])),
        127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        short => u64::from(short),
    }
}

pub(crate) fn opcode(first: u8) -> Opcode {
    match first & 0x0f {
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

#[cfg(test)]
mod tests;
