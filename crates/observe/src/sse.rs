//! Event streams (WHATWG HTML, section 9.2.6).
//!
//! A line ends with LF, CR or CRLF. An empty line that ends with CR ends its event at once; the LF that may
//! follow is a byte of the next block, so that events do not depend on whether it had arrived.

use model::event::SseEvent;

/// Lines longer than this are reported once; they still count for their block.
pub const LINE_BYTES_MAX: u64 = 1024 * 1024;

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Longest field name that means something: `event`, `retry`.
const NAME_BYTES_MAX: usize = 5;

/// Scans one event stream. Keeps no line.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    offset: u64,
    block_start: u64,
    line_start: u64,
    retry: Option<u64>,
    data_lines: u32,
    name: [u8; NAME_BYTES_MAX],
    name_length: u8,
    part: Part,
    has_id: bool,
    has_name: bool,
    after_cr: bool,
    is_long: bool,
}

/// Where in a line the scanner is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// In front of its first byte.
    #[default]
    Start,
    /// In the field's name.
    Name,
    /// In the value of a field that needs no look.
    Value,
    /// Behind the colon of `retry`.
    RetryStart,
    /// In the digits of `retry`.
    Retry,
    /// In a comment.
    Comment,
}

impl Scanner {
    /// A scanner for a body from its first byte.
    pub fn new() -> Scanner {
        Scanner::default()
    }

    /// Looks at the next bytes of the body.
    pub fn scan(&mut self, bytes: &[u8], on: &mut impl FnMut(SseEvent)) {
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            if matches!(self.part, Part::Value | Part::Comment) {
                rest = self.skip_to_line_end(rest, on);
            } else {
                self.take(byte, on);
                rest = &rest[1..];
            }
        }
    }

    /// Bytes looked at so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Skips what needs no look; at the end of the line, takes it.
    fn skip_to_line_end<'a>(&mut self, bytes: &'a [u8], on: &mut impl FnMut(SseEvent)) -> &'a [u8] {
        let length = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(bytes.len());
        self.offset += length as u64;
        self.check_length(on);
        if let Some(&byte) = bytes.get(length) {
            self.take(byte, on);
            return &bytes[length + 1..];
        }
        &[]
    }

    fn check_length(&mut self, on: &mut impl FnMut(SseEvent)) {
        if !self.is_long && self.offset - self.line_start > LINE_BYTES_MAX {
            self.is_long = true;
            on(SseEvent::LongLine { at: self.line_start });
        }
    }

    fn take(&mut self, byte: u8, on: &mut impl FnMut(SseEvent)) {
        self.offset += 1;
        let ends_crlf = byte == b'\n' && std::mem::take(&mut self.after_cr);
        if ends_crlf {
            self.line_start = self.offset;
            return;
        }
        self.after_cr = byte == b'\r';
        match byte {
            b'\n' | b'\r' => self.end_line(on),
            _ => self.take_in_line(byte),
        }
    }

    fn take_in_line(&mut self, byte: u8) {
        let in_mark = self.offset <= BYTE_ORDER_MARK.len() as u64
            && self.part == Part::Start
            && BYTE_ORDER_MARK[(self.offset - 1) as usize] == byte;
        match (self.part, byte) {
            (Part::Start, _) if in_mark => {}
            (Part::Start, b':') => self.part = Part::Comment,
            (Part::Name, b':') => self.part = self.part_of_value(),
            (Part::Start | Part::Name, _) => self.take_of_name(byte),
            (Part::RetryStart, b' ') => self.part = Part::Retry,
            (Part::RetryStart | Part::Retry, b'0'..=b'9') => {
                self.part = Part::Retry;
                let digit = u64::from(byte - b'0');
                self.retry = Some(self.retry.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            }
            (Part::RetryStart | Part::Retry, _) => {
                self.retry = None;
                self.part = Part::Value;
            }
            (Part::Value | Part::Comment, _) => {}
        }
    }

    fn take_of_name(&mut self, byte: u8) {
        self.part = Part::Name;
        match self.name.get_mut(usize::from(self.name_length)) {
            Some(place) => {
                *place = byte;
                self.name_length += 1;
            }
            None => {
                self.name_length = 0;
                self.part = Part::Value;
            }
        }
    }

    /// The name is complete: notes the field and tells how its value is read.
    fn part_of_value(&mut self) -> Part {
        match &self.name[..usize::from(self.name_length)] {
            b"data" => self.data_lines = self.data_lines.saturating_add(1),
            b"id" => self.has_id = true,
            b"event" => self.has_name = true,
            b"retry" => return Part::RetryStart,
            _ => {}
        }
        Part::Value
    }

    fn end_line(&mut self, on: &mut impl FnMut(SseEvent)) {
        let end = self.offset;
        match self.part {
            Part::Start => self.end_block(on),
            Part::Name => {
                self.part_of_value();
            }
            Part::Comment => on(SseEvent::Comment { end }),
            Part::Retry => {
                if let Some(milliseconds) = self.retry {
                    on(SseEvent::Retry { milliseconds, end });
                }
            }
            Part::RetryStart | Part::Value => {}
        }
        self.part = Part::Start;
        self.name_length = 0;
        self.retry = None;
        self.line_start = end;
        self.is_long = false;
    }

    fn end_block(&mut self, on: &mut impl FnMut(SseEvent)) {
        if self.data_lines > 0 {
            on(SseEvent::Event {
                bytes: self.offset - self.block_start,
                data_lines: self.data_lines,
                has_id: self.has_id,
                has_name: self.has_name,
                end: self.offset,
            });
        }
        self.block_start = self.offset;
        self.data_lines = 0;
        self.has_id = false;
        self.has_name = false;
    }
}

#[cfg(test)]
mod tests;
