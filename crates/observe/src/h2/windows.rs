//! Flow-control windows of one HTTP/2 connection (RFC 9113, sections 5.2 and 6.9), from the events of both
//! directions.
//!
//! Not windows are kept but what was spent of them: what DATA frames took less what WINDOW_UPDATE frames gave. The
//! window of a stream is the receiver's initial window less what is spent, so that a new
//! SETTINGS_INITIAL_WINDOW_SIZE holds for all open streams at once, as it must (6.9.2). The connection's initial
//! window never changes.
//!
//! Windows are as the wire says: a SETTINGS or WINDOW_UPDATE frame counts when it is seen, which is a moment before
//! the sender of DATA knows of it when the observer stands at the receiver.

use std::collections::BTreeMap;

use model::event::Http2Event;
use model::{Direction, PerDirection};

/// Open streams that are followed at a time.
pub const STREAMS_MAX: usize = 10_000;

/// Initial window of a connection, and of streams as long as the receiver has announced no other (RFC 9113,
/// section 6.9.2).
const WINDOW_INITIAL: u32 = 65_535;

/// How much each side may send. A direction is always that of the DATA.
///
/// Streams are followed from the client's HEADERS to their end; pushed streams are not. DATA of streams that are
/// not followed takes of the connection's window alone.
#[derive(Clone, Debug)]
pub struct Windows {
    /// Spent of the connection's window.
    connection: PerDirection<i64>,
    /// Initial window of streams.
    initial: PerDirection<u32>,
    /// The open streams that are followed.
    streams: BTreeMap<u32, Stream>,
    /// Highest stream that the client has opened: a stream up to here that is not followed has ended, and frames
    /// of it that are still on their way do not open it again.
    last_opened: u32,
    /// Streams that were opened while there was no room.
    not_followed: u64,
}

/// An open stream.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// Spent of its window.
    spent: PerDirection<i64>,
    /// The sender of this direction has ended its half.
    has_ended: PerDirection<bool>,
}

impl Default for Windows {
    fn default() -> Windows {
        Windows::new()
    }
}

impl Windows {
    /// The windows of a connection that begins.
    pub fn new() -> Windows {
        Windows {
            connection: PerDirection::default(),
            initial: PerDirection::from_fn(|_| WINDOW_INITIAL),
            streams: BTreeMap::new(),
            last_opened: 0,
            not_followed: 0,
        }
    }

    /// Notes what was seen in one direction of the connection.
    pub fn note(&mut self, direction: Direction, event: &Http2Event) {
        match *event {
            Http2Event::Data { stream, length, end_stream, .. } => {
                spend(&mut self.connection[direction], i64::from(length));
                if let Some(stream) = self.streams.get_mut(&stream) {
                    spend(&mut stream.spent[direction], i64::from(length));
                }
                self.end_half(stream, direction, end_stream);
            }
            Http2Event::Headers { stream, end_stream, .. } => {
                if direction == Direction::ClientToServer {
                    self.open(stream);
                }
                self.end_half(stream, direction, end_stream);
            }
            Http2Event::Reset { stream, .. } => drop(self.streams.remove(&stream)),
            Http2Event::WindowUpdate { stream, increment, .. } => {
                self.give(stream, direction.other(), i64::from(increment));
            }
            Http2Event::Settings { settings, .. } => {
                if let Some(size) = settings.initial_window_size {
                    self.initial[direction.other()] = size;
                }
            }
            Http2Event::Ping { .. } | Http2Event::GoAway { .. } | Http2Event::Violation { .. } => {}
        }
    }

    /// Bytes that may be sent on the connection; below 0 when a sender broke the rules.
    pub fn connection_window(&self, direction: Direction) -> i64 {
        i64::from(WINDOW_INITIAL).saturating_sub(self.connection[direction])
    }

    /// Bytes that may be sent on a stream, as far as the connection's window lets them; below 0 when the receiver
    /// has made its initial window smaller. None when the stream is not followed.
    pub fn stream_window(&self, stream: u32, direction: Direction) -> Option<i64> {
        self.streams.get(&stream).map(|stream| self.window(stream, direction))
    }

    /// Whether DATA of this stream would have to wait: the sender has not ended its half, and the window of the
    /// stream or of the connection is used up. Whether there is any DATA, the wire does not say. For a stream that
    /// is not followed, the connection's window alone decides.
    pub fn is_stalled(&self, stream: u32, direction: Direction) -> bool {
        let is_used_up = self.connection_window(direction) <= 0;
        match self.streams.get(&stream) {
            Some(stream) if stream.has_ended[direction] => false,
            Some(stream) => is_used_up || self.window(stream, direction) <= 0,
            None => is_used_up,
        }
    }

    /// Number of open streams that are followed, at most [`STREAMS_MAX`].
    pub fn followed(&self) -> usize {
        self.streams.len()
    }

    /// Number of streams that were opened while [`STREAMS_MAX`] were, and so are not followed.
    pub fn not_followed(&self) -> u64 {
        self.not_followed
    }

    fn window(&self, stream: &Stream, direction: Direction) -> i64 {
        i64::from(self.initial[direction]).saturating_sub(stream.spent[direction])
    }

    fn open(&mut self, stream: u32) {
        let is_of_client = stream % 2 == 1;
        if !is_of_client || stream <= self.last_opened {
            return;
        }
        self.last_opened = stream;
        if self.streams.len() < STREAMS_MAX {
            self.streams.insert(stream, Stream::default());
        } else {
            self.not_followed += 1;
        }
    }

    fn end_half(&mut self, id: u32, direction: Direction, is_end: bool) {
        if !is_end {
            return;
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.has_ended[direction] = true;
            if stream.has_ended[direction.other()] {
                self.streams.remove(&id);
            }
        }
    }

    fn give(&mut self, stream: u32, direction: Direction, bytes: i64) {
        if stream == 0 {
            spend(&mut self.connection[direction], -bytes);
        } else if let Some(stream) = self.streams.get_mut(&stream) {
            spend(&mut stream.spent[direction], -bytes);
        }
    }
}

fn spend(spent: &mut i64, bytes: i64) {
    *spent = spent.saturating_add(bytes);
}

#[cfg(test)]
mod tests;
