//! Whole frames of HTTP/2 out of bytes in any pieces (RFC 9113, section 4.1).

use observe::h2::PREFACE;

/// Length of a frame's header.
pub const HEADER_BYTES: usize = 9;

/// Longest payload that is taken, and that is sent: every receiver takes so much (RFC 9113, section 6.5.2).
pub const PAYLOAD_BYTES_MAX: usize = 16_384;

/// Types of frames that matter here.
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0x0;
    /// HEADERS.
    pub const HEADERS: u8 = 0x1;
    /// RST_STREAM.
    pub const RST_STREAM: u8 = 0x3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 0x4;
    /// PING.
    pub const PING: u8 = 0x6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 0x7;
    /// WINDOW_UPDATE.
    pub const WINDOW_UPDATE: u8 = 0x8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 0x9;
}

/// Flags of frames that matter here.
pub mod flag {
    /// The last frame of this half of the stream.
    pub const END_STREAM: u8 = 0x1;
    /// Of SETTINGS: the peer's are acknowledged.
    pub const ACK: u8 = 0x1;
    /// The last frame of a header block.
    pub const END_HEADERS: u8 = 0x4;
    /// The payload is padded.
    pub const PADDED: u8 = 0x8;
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Length of the payload, in bytes.
    pub length: usize,
    /// Its type; see [`kind`].
    pub kind: u8,
    /// See [`flag`].
    pub flags: u8,
    /// The stream, or 0 for the connection.
    pub stream: u32,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Head> {
        let &[high, middle, low, kind, flags, a, b, c, d] = bytes.first_chunk()?;
        Some(Head {
            length: usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low),
            kind,
            flags,
            stream: u32::from_be_bytes([a, b, c, d]) & STREAM_MASK,
        })
    }

    /// As it goes over the wire.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [.., high, middle, low] = self.length.to_be_bytes();
        let [a, b, c, d] = self.stream.to_be_bytes();
        [high, middle, low, self.kind, self.flags, a, b, c, d]
    }

    /// Whether it bears this flag.
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether the next frame belongs to the same header block (RFC 9113, section 6.10).
    pub fn is_followed(self) -> bool {
        matches!(self.kind, kind::HEADERS | kind::CONTINUATION) && !self.has(flag::END_HEADERS)
    }
}

/// Without the bit that is reserved.
const STREAM_MASK: u32 = u32::MAX >> 1;

/// What the bytes of a connection consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole frame, with its header.
    Frame(Head, &'a [u8]),
    /// Some of the client's preface, or of what no frame can be seen in any more.
    Other(&'a [u8]),
}

impl Piece<'_> {
    /// All bytes of it.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Piece::Frame(_, bytes) | Piece::Other(bytes) => bytes,
        }
    }
}

/// Cuts one direction of a connection. Holds a part of one frame, and nothing between frames.
#[derive(Debug, Default)]
pub struct Cutter {
    preface_left: usize,
    part: Vec<u8>,
    /// A frame was too long: what follows is for the one who ends the connection for it.
    is_blind: bool,
}

impl Cutter {
    /// For what begins with a frame.
    pub fn new() -> Cutter {
        Cutter::default()
    }

    /// For what begins with the client's preface.
    pub fn behind_preface() -> Cutter {
        Cutter { preface_left: PREFACE.len(), ..Cutter::default() }
    }

    /// Takes the next bytes and gives what is complete with them.
    pub fn cut(&mut self, mut bytes: &[u8], on: &mut impl FnMut(Piece<'_>)) {
        if self.preface_left > 0 {
            let (preface, rest) = bytes.split_at(self.preface_left.min(bytes.len()));
            self.preface_left -= preface.len();
            on(Piece::Other(preface));
            bytes = rest;
        }
        if !self.part.is_empty() {
            bytes = self.complete(bytes, on);
        }
        while !self.is_blind
            && let Some(head) = Head::read(bytes)
        {
            self.is_blind = head.length > PAYLOAD_BYTES_MAX;
            let Some((frame, rest)) = bytes.split_at_checked(HEADER_BYTES + head.length) else { break };
            if !self.is_blind {
                on(Piece::Frame(head, frame));
                bytes = rest;
            }
        }
        if bytes.is_empty() {
            return;
        }
        if self.is_blind {
            on(Piece::Other(bytes));
        } else {
            self.part.extend_from_slice(bytes);
        }
    }

    /// Completes the frame that has begun, as far as the bytes go; gives those behind it.
    fn complete<'a>(&mut self, bytes: &'a [u8], on: &mut impl FnMut(Piece<'_>)) -> &'a [u8] {
        let bytes = self.fill(HEADER_BYTES, bytes);
        let Some(head) = Head::read(&self.part) else { return bytes };
        if head.length > PAYLOAD_BYTES_MAX {
            self.is_blind = true;
            on(Piece::Other(&std::mem::take(&mut self.part)));
            return bytes;
        }
        let bytes = self.fill(HEADER_BYTES + head.length, bytes);
        if self.part.len() == HEADER_BYTES + head.length {
            on(Piece::Frame(head, &std::mem::take(&mut self.part)));
        }
        bytes
    }

    fn fill<'a>(&mut self, length: usize, bytes: &'a [u8]) -> &'a [u8] {
        let missing = length.saturating_sub(self.part.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at(missing);
        self.part.extend_from_slice(taken);
        rest
    }
}

/// The data of a DATA frame, without its padding; none when that is longer than the frame (RFC 9113, section 6.1).
pub fn unpadded(head: Head, frame: &[u8]) -> Option<&[u8]> {
    let payload = &frame[HEADER_BYTES..];
    if !head.has(flag::PADDED) {
        return Some(payload);
    }
    let (&padding, padded) = payload.split_first()?;
    Some(&padded[..padded.len().checked_sub(padding.into())?])
}

/// The number that makes up a frame's payload (RST_STREAM, WINDOW_UPDATE) or begins it (GOAWAY), without its first bit.
pub fn number(frame: &[u8]) -> Option<u32> {
    let bytes = frame.get(HEADER_BYTES..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes) & STREAM_MASK)
}

/// A frame whose payload is a number.
pub fn of_number(kind: u8, stream: u32, number: u32) -> [u8; HEADER_BYTES + 4] {
    let mut frame = [0; HEADER_BYTES + 4];
    let (head, payload) = frame.split_at_mut(HEADER_BYTES);
    head.copy_from_slice(&Head { length: payload.len(), kind, flags: 0, stream }.to_bytes());
    payload.copy_from_slice(&number.to_be_bytes());
    frame
}
