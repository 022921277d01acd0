//! What is seen of an event stream in the content of its body, however that came.

use model::event::SseEvent;
use model::record::{EventStreamFacts, EventsPerRead};
use model::recording::Happening;
use model::{ErrorType, Moment};
use observe::event_time::Reader;
use observe::sse::Scanner;

use crate::clock;
use crate::entry::Entry;
use crate::generation::Generated;
use crate::guarded::Guarded;
use crate::table::Route;
use crate::worker;

/// See the module.
#[derive(Debug)]
pub struct Events {
    /// None when the content is encoded and cannot be read.
    scanner: Option<Guarded<Scanner>>,
    times: Option<Box<Guarded<Reader>>>,
    /// Pieces of content that completed events.
    reads: u64,
    per_read_max: u64,
    seen: u64,
    beside: Beside,
}

/// What is seen of a body whether or not its content can be read.
#[derive(Debug, Default)]
struct Beside {
    coding: Option<Box<str>>,
    /// When the last piece was read.
    last: Option<Moment>,
    reads: u64,
    flushed_reads: u64,
    longest_silence_seconds: f64,
    comments: u64,
    /// The last four bytes of this read; ones stand for those that it has not.
    tail: u32,
}

/// What an empty block of deflate ends with (RFC 1951, section 3.2.4).
const FLUSHED: u32 = 0x0000_ffff;

/// Bytes of `Content-Encoding` that are kept.
const CODING_MAX: usize = 32;

impl Beside {
    fn look(&mut self, content: &[u8], established: Moment, at: Moment) {
        if self.last != Some(at) {
            self.end_read();
            self.reads += 1;
            let silence = at.since(self.last.unwrap_or(established)).as_secs_f64();
            self.longest_silence_seconds = self.longest_silence_seconds.max(silence);
            self.last = Some(at);
        }
        if self.coding.is_some() {
            let from = content.len().saturating_sub(4);
            self.tail = content[from..].iter().fold(self.tail, |tail, byte| tail << 8 | u32::from(*byte));
        }
    }

    /// The read before, if there was one, is complete.
    fn end_read(&mut self) {
        self.flushed_reads += u64::from(self.tail == FLUSHED);
        self.tail = u32::MAX;
    }
}

impl Events {
    /// The events of a body on `route` from its first byte; one with a `coding` cannot be read. Their generation is only
    /// timed where they are delivered in their order.
    pub fn new(route: &Route, coding: Option<&[u8]>, is_in_order: bool) -> Events {
        let is_readable = coding.is_none();
        let coding =
            coding.map(|coding| String::from_utf8_lossy(&coding[..coding.len().min(CODING_MAX)]).into());
        let times = route.event_time.clone().filter(|_| is_readable && is_in_order);
        Events {
            scanner: is_readable.then(|| Guarded::new(Scanner::new())),
            times: times.map(|time| Box::new(Guarded::new(Reader::new(time)))),
            reads: 0,
            per_read_max: 0,
            seen: 0,
            beside: Beside { coding, ..Beside::default() },
        }
    }

    /// Looks at the next piece of content, read at a moment, and tells how many events it completes. `note` is told what to write into
    /// the flight recorder, and `generated` when the events were made.
    pub fn look(
        &mut self,
        content: &[u8],
        at: Moment,
        entry: &Entry,
        generated: &mut Generated,
        mut note: impl FnMut(&Happening),
    ) -> u64 {
        let cells = &entry.route.meter.shard(worker::index()).sse;
        let mut events = 0;
        let beside = &mut self.beside;
        beside.look(content, entry.established, at);
        if let Some(scanner) = &mut self.scanner {
            let is_well = scanner.look(content, |scanner, content| {
                scanner.scan(content, &mut |event| match event {
                    SseEvent::Event { bytes, .. } => {
                        cells.events.inc();
                        cells.event_bytes.add(bytes);
                        note(&Happening::Event { bytes });
                        events += 1;
                    }
                    SseEvent::Comment { .. } => {
                        cells.comments.inc();
                        beside.comments += 1;
                        note(&Happening::Comment);
                    }
                    SseEvent::LongLine { .. } => cells.errors.inc(ErrorType::TooBig),
                    SseEvent::Retry { .. } => {}
                });
            });
            if !is_well {
                cells.errors.inc(ErrorType::Internal);
            }
        }
        self.reads += u64::from(events > 0);
        self.per_read_max = self.per_read_max.max(events);
        self.seen += events;
        if let Some(reader) = &mut self.times {
            reader.look(content, |reader, content| {
                reader.read(content, clock::wall(), &mut |time| {
                    generated.push(time.ok());
                    if let Err(error) = time {
                        cells.event_time_errors.inc(error);
                    }
                });
            });
        }
        events
    }

    /// Whether an event has begun and not ended.
    pub fn is_inside_event(&self) -> bool {
        self.scanner.as_ref().and_then(Guarded::get).is_some_and(Scanner::is_inside_event)
    }

    /// Whether something of ours may stand here: the content can be read, and no event and no line has begun.
    pub fn is_between_events(&self) -> bool {
        self.scanner.as_ref().and_then(Guarded::get).is_some_and(Scanner::is_between_blocks)
    }

    /// What is known of the body, once it is over; `resumes_after`: the number that the client's `Last-Event-ID` is.
    pub fn facts(&mut self, resumes_after: Option<u64>) -> EventStreamFacts {
        self.beside.end_read();
        let ids = self.scanner.as_ref().and_then(Guarded::get).map(Scanner::ids).unwrap_or_default();
        let beside = &mut self.beside;
        EventStreamFacts {
            coding: beside.coding.take(),
            reads: beside.reads,
            flushed_reads: beside.flushed_reads,
            longest_silence_seconds: beside.longest_silence_seconds,
            comments: beside.comments,
            ids: ids.count,
            skipped_events: resumes_after.and_then(|number| ids.skipped_behind(number)),
        }
    }

    /// How the events came; none when none came.
    pub fn per_read(&self) -> Option<EventsPerRead> {
        let mean = self.seen as f64 / self.reads as f64;
        (self.reads > 0).then_some(EventsPerRead { mean, max: self.per_read_max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(coding: Option<&str>, pieces: &[(u64, &[u8])]) -> Beside {
        let mut beside = Beside { coding: coding.map(Into::into), ..Beside::default() };
        for (second, content) in pieces {
            beside.look(content, Moment(0), Moment(second * 1_000_000_000));
        }
        beside.end_read();
        beside
    }

    #[test]
    fn reads_that_end_as_a_flushed_compressor_ends_them() {
        let flushed: &[u8] = b"abc\0\0\xff\xff";
        let split: [(u64, &[u8]); 3] = [(1, b"abc\0\0"), (1, b"\xff\xff"), (2, b"\0\0\xff\xffmore")];
        assert_eq!(seen(Some("gzip"), &[(1, flushed), (2, flushed)]).flushed_reads, 2);
        assert_eq!(seen(Some("gzip"), &split).flushed_reads, 1);
        assert_eq!(seen(Some("gzip"), &[(1, b"\0\0"), (2, b"\xff\xff")]).flushed_reads, 0);
        assert_eq!(seen(None, &[(1, flushed)]).flushed_reads, 0);
    }

    #[test]
    fn the_longest_silence_is_between_reads() {
        let beside = seen(None, &[(2, b"a"), (2, b"b"), (7, b"c"), (8, b"d")]);
        assert_eq!((beside.reads, beside.longest_silence_seconds), (3, 5.0));
        assert_eq!(seen(None, &[(9, b"a")]).longest_silence_seconds, 9.0);
    }
}
