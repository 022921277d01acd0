//! Whole WebSocket messages (RFC 6455, section 5).

use std::borrow::Cow;

use model::Opcode;

use super::{Kind, Piece};
use crate::ws::{HEADER_BYTES_MAX, header_bytes, opcode, payload_bytes};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const MASK: u8 = 0x80;
const CONTROL: u8 = 0x08;

/// What a header makes room for at once, so that a length that is only announced takes no memory.
const RESERVED_BYTES_MAX: usize = 64 * 1024;

/// Cuts WebSocket frames.
#[derive(Debug)]
pub struct Frames {
    longest: usize,
    /// Bytes that were read.
    offset: u64,
    header: [u8; HEADER_BYTES_MAX],
    header_length: usize,
    payload_left: u64,
    /// Frames of the message at hand, so far.
    message: Vec<u8>,
    /// The control frame at hand.
    control: Vec<u8>,
    /// Opcode and RSV1 of the message at hand.
    kind: Option<Kind>,
    is_passing: bool,
    has_ended: bool,
    /// No frame boundary can be trusted any more.
    is_blind: bool,
}

impl Frames {
    /// From the first byte behind the handshake; messages longer than `longest` bytes are passed in parts.
    pub fn new(longest: usize) -> Frames {
        Frames {
            longest,
            offset: 0,
            header: [0; HEADER_BYTES_MAX],
            header_length: 0,
            payload_left: 0,
            message: Vec::new(),
            control: Vec::new(),
            kind: None,
            is_passing: false,
            has_ended: false,
            is_blind: false,
        }
    }

    pub(super) fn cut(&mut self, bytes: &[u8], on: &mut impl FnMut(Piece, Vec<u8>)) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.has_ended {
            if self.is_blind {
                self.message.extend_from_slice(&bytes[at..]);
                break;
            }
            let was_passing = self.is_passing;
            let taken = self.take(&bytes[at..]);
            at += taken;
            self.offset += taken as u64;
            if self.is_header_complete() && self.payload_left == 0 {
                self.end_frame(on);
                if was_passing && !self.is_passing {
                    return at;
                }
            }
        }
        if (self.is_passing || self.is_blind) && !self.message.is_empty() {
            on(Piece::Part { is_last: false }, std::mem::take(&mut self.message));
        }
        bytes.len()
    }

    pub(super) fn is_passing(&self) -> bool {
        self.is_passing || self.is_blind
    }

    pub(super) fn held(&self) -> usize {
        let header = if self.is_header_complete() { 0 } else { self.header_length };
        self.message.len() + self.control.len() + header
    }

    pub(super) fn take_held(&mut self) -> Vec<u8> {
        let mut held = std::mem::take(&mut self.message);
        held.append(&mut self.control);
        if !self.is_header_complete() {
            held.extend_from_slice(&self.header[..self.header_length]);
        }
        self.header_length = 0;
        held
    }

    /// Takes a part of the header, or of the payload.
    fn take(&mut self, bytes: &[u8]) -> usize {
        if !self.is_header_complete() {
            self.header[self.header_length] = bytes[0];
            self.header_length += 1;
            if self.is_header_complete() {
                self.begin_frame();
            }
            return 1;
        }
        let taken = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
        self.payload_left -= taken as u64;
        self.frame().extend_from_slice(&bytes[..taken]);
        self.is_passing |= self.message.len() > self.longest;
        taken
    }

    fn is_header_complete(&self) -> bool {
        self.header_length >= 2 && self.header_length == usize::from(header_bytes(self.header[1]))
    }

    fn is_control(&self) -> bool {
        self.header[0] & CONTROL != 0
    }

    /// Where the frame at hand is kept. Inside a message that is passed, control frames keep their place.
    fn frame(&mut self) -> &mut Vec<u8> {
        if self.is_control() && !self.is_passing { &mut self.control } else { &mut self.message }
    }

    fn begin_frame(&mut self) {
        let (header, length) = (self.header, self.header_length);
        self.payload_left = payload_bytes(&header);
        if self.payload_left >> 63 != 0 {
            self.is_blind = true;
            self.message.append(&mut self.control);
            self.message.extend_from_slice(&header[..length]);
            return;
        }
        if !self.is_control() && self.kind.is_none() {
            let is_compressed = header[0] & RSV1 != 0;
            self.kind = Some(Kind::WebSocket { opcode: opcode(header[0]), is_compressed });
        }
        let room = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(RESERVED_BYTES_MAX);
        let frame = self.frame();
        frame.reserve(length + room);
        frame.extend_from_slice(&header[..length]);
    }

    fn end_frame(&mut self, on: &mut impl FnMut(Piece, Vec<u8>)) {
        self.header_length = 0;
        let is_final = self.header[0] & FIN != 0;
        match (self.is_control(), self.is_passing) {
            (true, true) if opcode(self.header[0]) == Opcode::Close => {
                self.has_ended = true;
                self.is_passing = false;
                on(Piece::Part { is_last: true }, std::mem::take(&mut self.message));
            }
            (true, true) => {}
            (true, false) => {
                let is_close = opcode(self.header[0]) == Opcode::Close;
                self.has_ended = is_close;
                let piece = if is_close { Piece::End } else { Piece::Control { end: self.offset } };
                on(piece, std::mem::take(&mut self.control));
            }
            (false, _) if !is_final => {}
            (false, is_passing) => {
                let kind = self.kind.take();
                let kind = kind.unwrap_or(Kind::WebSocket { opcode: Opcode::Reserved, is_compressed: false });
                self.is_passing = false;
                let piece = if is_passing { Piece::Part { is_last: true } } else { Piece::Message(kind) };
                on(piece, std::mem::take(&mut self.message));
            }
        }
    }
}

/// The payload of a whole message without its frames; none where it is masked, which a server's is not.
pub(super) fn payload(mut message: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut joined: Option<Cow<'_, [u8]>> = None;
    while !message.is_empty() {
        let second = *message.get(1)?;
        let length = usize::from(header_bytes(second));
        let mut header = [0; HEADER_BYTES_MAX];
        header[..length].copy_from_slice(message.get(..length)?);
        let end = length.checked_add(usize::try_from(payload_bytes(&header)).ok()?)?;
        let part = message.get(length..end).filter(|_| second & MASK == 0)?;
        match &mut joined {
            None => joined = Some(part.into()),
            Some(joined) => joined.to_mut().extend_from_slice(part),
        }
        message = &message[end..];
    }
    joined
}
