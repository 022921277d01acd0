//! Event streams (WHATWG HTML, section 9.2.6), of one response body.
//!
//! A line ends with LF, CR or CRLF. Nobody can tell whether an LF follows a CR before it is there, so a line
//! that ends with CR ends at the CR: an event is told at once, and its `end` and `bytes` do not depend on how
//! the stream was cut. The LF of a CRLF that ends a block counts for the block behind it.
//!
//! A block without `data` line is no event, a line without colon is a field without value, and what the body
//! ends in the middle of is dropped. A `retry` line whose value is not digits alone, or is empty, is ignored.

use model::event::SseEvent;

/// Lines longer than this, in bytes without the line end, are reported once; they still count for their block.
pub const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// May stand in front of the first line, and is no part of it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Longest beginning of a line that matters: a byte order mark and `retry` or `event`.
const NAME_BYTES_MAX: usize = 8;

/// Scans one event stream. Keeps no line.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    /// Bytes looked at so far.
    offset: u64,
    /// Offset of the current block's first byte.
    block_start: u64,
    /// Offset of the current line's first byte.
    line_start: u64,
    /// The current line was reported as long.
    is_long: bool,
    /// The last byte was a CR, so an LF belongs to the same line end.
    is_after_cr: bool,
    /// Where in the current line.
    part: Part,
    /// What is there of the current line's field name.
    name: [u8; NAME_BYTES_MAX],
    name_length: u8,
    /// Of the current block.
    data_lines: u32,
    has_id: bool,
    has_name: bool,
    /// The number that the block's id is.
    id: Option<u64>,
    ids: Ids,
}

/// The ids of the events so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Events with an `id`.
    pub count: u64,
    /// The first and the last of them, as long as each is a number greater than the one before.
    range: Option<(u64, u64)>,
    is_broken: bool,
}

impl Ids {
    fn take(&mut self, id: Option<u64>) {
        self.count += 1;
        self.range = match (id, self.range) {
            (Some(id), None) if !self.is_broken => Some((id, id)),
            (Some(id), Some((first, last))) if id > last => Some((first, id)),
            _ => None,
        };
        self.is_broken |= self.range.is_none();
    }

    /// Events between the one with this number and the first that came, by the mean step of the ids; less than 0 when it
    /// began before that. None of fewer than three events, and where ids are not numbers that go up.
    pub fn skipped_behind(&self, number: u64) -> Option<f64> {
        let (first, last) = self.range.filter(|_| self.count >= 3)?;
        let step = (last - first) as f64 / (self.count - 1) as f64;
        Some((first as f64 - number as f64) / step - 1.0)
    }
}

/// Where in a line the scanner is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// In the field's name, or in front of the line's first byte.
    #[default]
    Name,
    /// In a comment.
    Comment,
    /// Behind the colon of `retry`.
    RetryStart,
    /// In the value of `retry`, with the number so far.
    Retry(Option<u64>),
    /// Behind the colon of `id`.
    IdStart,
    /// In the value of `id`, which is this number so far.
    Id(Option<u64>),
    /// In what needs no look.
    Rest,
}

impl Scanner {
    /// A scanner for a body from its first byte, after content decoding.
    pub fn new() -> Scanner {
        Scanner::default()
    }

    /// Looks at the next bytes of the body.
    pub fn scan(&mut self, mut bytes: &[u8], on: &mut impl FnMut(SseEvent)) {
        while !bytes.is_empty() {
            bytes = self.skip_second_half_of_crlf(bytes);
            let (line, rest) = bytes.split_at(bytes_to_line_end(bytes));
            self.take_of_line(line, on);
            bytes = match rest {
                [] => rest,
                [line_end, rest @ ..] => {
                    self.offset += 1;
                    self.is_after_cr = *line_end == b'\r';
                    self.end_line(on);
                    rest
                }
            };
        }
    }

    /// Bytes looked at so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether an event has begun, by its first line of data, and not ended.
    pub fn is_inside_event(&self) -> bool {
        self.data_lines > 0
    }

    /// Whether a block has begun, by its first byte, and not ended.
    pub fn is_inside_block(&self) -> bool {
        self.offset > self.block_start + u64::from(self.is_after_cr)
    }

    /// Whether a line begins here and none before it in its block means anything, so that a block of comments may stand
    /// in front of it.
    pub fn is_between_blocks(&self) -> bool {
        self.offset == self.line_start && self.data_lines == 0 && !self.has_id && !self.has_name
    }

    /// The ids of the events so far.
    pub fn ids(&self) -> Ids {
        self.ids
    }

    fn skip_second_half_of_crlf<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let was_after_cr = std::mem::take(&mut self.is_after_cr);
        match bytes {
            [b'\n', rest @ ..] if was_after_cr => {
                self.offset += 1;
                self.line_start = self.offset;
                rest
            }
            _ => bytes,
        }
    }

    /// Takes bytes that are no line end.
    fn take_of_line(&mut self, bytes: &[u8], on: &mut impl FnMut(SseEvent)) {
        for &byte in bytes {
            if matches!(self.part, Part::Rest | Part::Comment) {
                break;
            }
            self.part = self.part_behind(byte);
        }
        self.offset += bytes.len() as u64;
        if !self.is_long && self.offset - self.line_start > LINE_BYTES_MAX {
            self.is_long = true;
            on(SseEvent::LongLine { at: self.line_start });
        }
    }

    fn part_behind(&mut self, byte: u8) -> Part {
        match (self.part, byte) {
            (Part::Name, b':') if self.name().is_empty() => Part::Comment,
            (Part::Name, b':') => self.note_field(),
            (Part::Name, _) => self.take_of_name(byte),
            (Part::RetryStart, b' ') => Part::Retry(None),
            (Part::RetryStart, b'0'..=b'9') => Part::Retry(Some(u64::from(byte - b'0'))),
            (Part::Retry(number), b'0'..=b'9') => {
                let digit = u64::from(byte - b'0');
                Part::Retry(Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit)))
            }
            (Part::IdStart, b' ') => Part::Id(None),
            (Part::IdStart, b'0'..=b'9') => Part::Id(Some(u64::from(byte - b'0'))),
            (Part::Id(number), b'0'..=b'9') => {
                let number = number.unwrap_or(0).checked_mul(10);
                let number = number.and_then(|number| number.checked_add(u64::from(byte - b'0')));
                number.map_or(Part::Rest, |number| Part::Id(Some(number)))
            }
            _ => Part::Rest,
        }
    }

    fn take_of_name(&mut self, byte: u8) -> Part {
        let Some(place) = self.name.get_mut(usize::from(self.name_length)) else { return Part::Rest };
        *place = byte;
        self.name_length += 1;
        Part::Name
    }

    fn name(&self) -> &[u8] {
        let name = &self.name[..usize::from(self.name_length)];
        let after_mark = if self.line_start == 0 { name.strip_prefix(BYTE_ORDER_MARK) } else { None };
        after_mark.unwrap_or(name)
    }

    /// The name is complete: notes the field, and tells how its value is read.
    fn note_field(&mut self) -> Part {
        match self.name() {
            b"data" => self.data_lines = self.data_lines.saturating_add(1),
            b"id" => {
                (self.has_id, self.id) = (true, None);
                return Part::IdStart;
            }
            b"event" => self.has_name = true,
            b"retry" => return Part::RetryStart,
            _ => {}
        }
        Part::Rest
    }

    fn end_line(&mut self, on: &mut impl FnMut(SseEvent)) {
        let end = self.offset;
        match self.part {
            Part::Name if self.name().is_empty() => self.end_block(on),
            Part::Name => {
                self.note_field();
            }
            Part::Comment => on(SseEvent::Comment { end }),
            Part::Retry(Some(milliseconds)) => on(SseEvent::Retry { milliseconds, end }),
            Part::Id(number) => self.id = number,
            Part::RetryStart | Part::Retry(None) | Part::IdStart | Part::Rest => {}
        }
        self.part = Part::Name;
        self.name_length = 0;
        self.line_start = end;
        self.is_long = false;
    }

    fn end_block(&mut self, on: &mut impl FnMut(SseEvent)) {
        if self.data_lines > 0 {
            if self.has_id {
                self.ids.take(self.id);
            }
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
        self.id = None;
    }
}

/// Number of bytes in front of the first CR or LF; all when there is none.
fn bytes_to_line_end(bytes: &[u8]) -> usize {
    memchr::memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests;
