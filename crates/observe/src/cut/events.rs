//! Whole blocks of an event stream (WHATWG HTML, section 9.2.6).
//!
//! A block ends with its empty line. A comment in front of a block's first field is a piece of its own, so that a
//! keep-alive goes on at once. The LF of a CRLF that ends a block and was not yet there stands in front of the next
//! one, where it is part of the line end before, or an empty block.

use std::borrow::Cow;

use super::{Kind, Piece};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Where the current line begins when its beginning has been passed.
const CUT: usize = usize::MAX;

/// Cuts an event stream.
#[derive(Debug)]
pub struct Events {
    longest: usize,
    /// The block at hand.
    block: Vec<u8>,
    /// Where in it the current line begins.
    line: usize,
    is_after_cr: bool,
    has_field: bool,
    has_data: bool,
    has_id: bool,
    is_passing: bool,
    /// The next line is the stream's first.
    is_first_line: bool,
}

impl Events {
    /// From the first byte of the content; events longer than `longest` bytes are passed in parts.
    pub fn new(longest: usize) -> Events {
        Events {
            longest,
            block: Vec::new(),
            line: 0,
            is_after_cr: false,
            has_field: false,
            has_data: false,
            has_id: false,
            is_passing: false,
            is_first_line: true,
        }
    }

    pub(super) fn cut(&mut self, bytes: &[u8], on: &mut impl FnMut(Piece, Vec<u8>)) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if std::mem::take(&mut self.is_after_cr) && rest[0] == b'\n' {
                self.block.push(b'\n');
                self.line = self.block.len();
                at += 1;
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.block.extend_from_slice(rest);
                self.is_passing |= self.block.len() > self.longest;
                break;
            };
            let is_pair = rest[end..].starts_with(b"\r\n");
            self.is_after_cr = rest[end] == b'\r' && !is_pair;
            let taken = end + 1 + usize::from(is_pair);
            self.block.extend_from_slice(&rest[..taken]);
            at += taken;
            let was_passing = self.is_passing;
            self.end_line(taken - end, on);
            if was_passing && !self.is_passing {
                return at;
            }
        }
        if self.is_passing && !self.block.is_empty() {
            self.pass(false, on);
        }
        bytes.len()
    }

    pub(super) fn is_passing(&self) -> bool {
        self.is_passing
    }

    pub(super) fn held(&self) -> usize {
        self.block.len()
    }

    pub(super) fn take_held(&mut self) -> Vec<u8> {
        self.line = 0;
        std::mem::take(&mut self.block)
    }

    /// A part of the block goes; what is kept of the current line's beginning is lost, so it no longer counts as a
    /// field, and only an empty line ends the block.
    fn pass(&mut self, is_last: bool, on: &mut impl FnMut(Piece, Vec<u8>)) {
        let is_inside_line = self.line == CUT || self.line < self.block.len();
        on(Piece::Part { is_last }, std::mem::take(&mut self.block));
        self.line = 0;
        self.has_field |= is_inside_line;
        if is_inside_line && !is_last {
            self.line = CUT;
        }
    }

    /// The line at hand ends with `ending` bytes.
    fn end_line(&mut self, ending: usize, on: &mut impl FnMut(Piece, Vec<u8>)) {
        let mut line = self.block.get(self.line..self.block.len() - ending).unwrap_or(b"-");
        if std::mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        let is_comment = line.first() == Some(&b':') && !self.has_field;
        let is_empty = line.is_empty();
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        self.has_data |= name == b"data";
        self.has_id |= name == b"id";
        self.has_field |= !is_empty && !is_comment;
        self.line = self.block.len();
        self.is_passing |= self.block.len() > self.longest;
        if self.is_passing {
            self.is_passing = !is_empty;
            self.pass(is_empty, on);
        } else if is_empty || is_comment {
            let is_event = self.has_data || self.has_id;
            let piece = if is_event {
                Piece::Message(Kind::Event { has_id: self.has_id })
            } else {
                Piece::Control { end: 0 }
            };
            on(piece, std::mem::take(&mut self.block));
            self.line = 0;
        }
        if is_empty {
            (self.has_field, self.has_data, self.has_id) = (false, false, false);
        }
    }
}

/// Lines of a whole block: field names and values.
fn fields(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let block = block.strip_prefix(BYTE_ORDER_MARK).unwrap_or(block);
    let lines = block.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty());
    lines.map(|line| {
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
    })
}

pub(super) fn name(block: &[u8]) -> &[u8] {
    fields(block).filter(|(name, _)| *name == b"event").last().map_or(b"", |(_, value)| value)
}

pub(super) fn data(block: &[u8]) -> Cow<'_, [u8]> {
    let mut joined: Option<Cow<'_, [u8]>> = None;
    for (_, value) in fields(block).filter(|(name, _)| *name == b"data") {
        match &mut joined {
            None => joined = Some(value.into()),
            Some(joined) => {
                joined.to_mut().push(b'\n');
                joined.to_mut().extend_from_slice(value);
            }
        }
    }
    joined.unwrap_or_default()
}
