//! When the events of an event stream were made, as they say themselves: in their `id`, or in their data.
//!
//! The one scanner that looks into payload, and only where it is asked for. It reads beside [`crate::sse`] and tells
//! one time, or why there is none, for each event that the other one tells. What it keeps is bounded: the line and
//! the data of the event at hand, up to [`DATA_BYTES_MAX`], and nothing between events but a small buffer.

use std::sync::Arc;

use model::{EventTimeError, WallTime};

mod id;
mod value;

pub use id::{IdForm, TWITTER_EPOCH_MS};

/// Data longer than this, in bytes, is not looked at.
pub const DATA_BYTES_MAX: usize = 64 * 1024;

/// Ids longer than this, in bytes, are no times.
const ID_BYTES_MAX: usize = 128;

/// What of a buffer is kept for the next event.
const KEPT_BYTES: usize = 1024;

/// Longest name of a field that matters, with colon and space.
const NAME_BYTES_MAX: usize = "data: ".len();

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Where an event says when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In its `id`.
    Id(IdForm),
    /// In its data, which is JSON, where this JSON pointer (RFC 6901) leads: a number of seconds, milliseconds,
    /// microseconds or nanoseconds since the Unix epoch, as its size tells, or a text with such a number or an
    /// RFC 3339 time.
    Data(String),
}

/// Reads one event stream. See the module.
#[derive(Clone, Debug)]
pub struct Reader {
    source: Arc<Source>,
    /// Beginning of the current line, of earlier pieces.
    line: Vec<u8>,
    /// The line is longer than what is kept of it.
    is_cut: bool,
    is_first_line: bool,
    /// The last byte was a CR, so an LF belongs to the same line end.
    is_after_cr: bool,
    block: Block,
}

/// What is known of the event at hand.
#[derive(Clone, Debug)]
struct Block {
    has_data: bool,
    /// Of its last id.
    id: Result<WallTime, EventTimeError>,
    /// Its data lines so far, joined by LF.
    data: Vec<u8>,
    is_too_large: bool,
}

impl Block {
    fn new(data: Vec<u8>) -> Block {
        Block { has_data: false, id: Err(EventTimeError::Missing), data, is_too_large: false }
    }
}

impl Reader {
    /// A reader for a body from its first byte, after content decoding.
    pub fn new(source: Arc<Source>) -> Reader {
        Reader {
            source,
            line: Vec::new(),
            is_cut: false,
            is_first_line: true,
            is_after_cr: false,
            block: Block::new(Vec::new()),
        }
    }

    /// Looks at the next bytes of the body, which were read at `now`, and tells when each event that is complete
    /// with them was made.
    pub fn read(
        &mut self,
        mut bytes: &[u8],
        now: WallTime,
        on: &mut impl FnMut(Result<WallTime, EventTimeError>),
    ) {
        while let [first, behind @ ..] = bytes {
            if std::mem::take(&mut self.is_after_cr) && *first == b'\n' {
                bytes = behind;
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let Some(end) = end else {
                self.keep(bytes);
                return;
            };
            self.is_after_cr = bytes[end] == b'\r';
            if let Some(time) = self.end_line(&bytes[..end]) {
                on(time.and_then(|time| of_late(time, now)));
            }
            bytes = &bytes[end + 1..];
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let value_max = match *self.source {
            Source::Id(_) => ID_BYTES_MAX,
            Source::Data(_) => DATA_BYTES_MAX,
        };
        let room = BYTE_ORDER_MARK.len() + NAME_BYTES_MAX + value_max - self.line.len();
        self.is_cut |= part.len() > room;
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    /// Takes the rest of a line; tells the time of the event that it ends.
    fn end_line(&mut self, rest: &[u8]) -> Option<Result<WallTime, EventTimeError>> {
        let kept = if self.line.is_empty() {
            None
        } else {
            self.keep(rest);
            Some(std::mem::take(&mut self.line))
        };
        let is_cut = std::mem::take(&mut self.is_cut);
        let mut line = kept.as_deref().unwrap_or(rest);
        if std::mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            return self.end_block();
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => self.take_data(value, is_cut),
            b"id" => self.take_id(value, is_cut),
            _ => {}
        }
        None
    }

    fn take_data(&mut self, value: &[u8], is_cut: bool) {
        let Block { has_data, data, is_too_large, .. } = &mut self.block;
        let is_first = !std::mem::replace(has_data, true);
        if matches!(*self.source, Source::Id(_)) || *is_too_large {
            return;
        }
        if is_cut || data.len() + usize::from(!is_first) + value.len() > DATA_BYTES_MAX {
            *is_too_large = true;
            *data = Vec::new();
            return;
        }
        if !is_first {
            data.push(b'\n');
        }
        data.extend_from_slice(value);
    }

    /// An id with a NUL is ignored, as clients do.
    fn take_id(&mut self, value: &[u8], is_cut: bool) {
        let Source::Id(form) = *self.source else { return };
        if value.contains(&0) {
            return;
        }
        self.block.id = match std::str::from_utf8(value) {
            Ok("") => Err(EventTimeError::Missing),
            Ok(text) if !is_cut && text.len() <= ID_BYTES_MAX => {
                form.time(text).ok_or(EventTimeError::Invalid)
            }
            _ => Err(EventTimeError::Invalid),
        };
    }

    fn end_block(&mut self) -> Option<Result<WallTime, EventTimeError>> {
        let block = std::mem::replace(&mut self.block, Block::new(Vec::new()));
        let time = block.has_data.then(|| match &*self.source {
            Source::Id(_) => block.id,
            Source::Data(_) if block.is_too_large => Err(EventTimeError::TooLarge),
            Source::Data(pointer) => value::time_in(&block.data, pointer),
        });
        if block.data.capacity() <= KEPT_BYTES {
            self.block.data = block.data;
            self.block.data.clear();
        }
        time
    }
}

/// Whether `time` can be that of an event that is new at `now`. What is more than ten years old, or of tomorrow, is no
/// time at all: the number means something else.
fn of_late(time: WallTime, now: WallTime) -> Result<WallTime, EventTimeError> {
    const DAY_NANOS: u64 = 86_400 * 1_000_000_000;
    let days_ago = |days: u64| WallTime(now.0.saturating_sub(days * DAY_NANOS));
    if time < days_ago(3_650) || time > WallTime(now.0.saturating_add(DAY_NANOS)) {
        Err(EventTimeError::Invalid)
    } else if time < days_ago(1) {
        Err(EventTimeError::Old)
    } else {
        Ok(time)
    }
}

#[cfg(test)]
mod tests;
