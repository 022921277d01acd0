//! What is seen of an event stream in the content of its body, however that came.

use model::ErrorType;
use model::event::SseEvent;
use model::record::EventsPerRead;
use model::recording::Happening;
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
}

impl Events {
    /// The events of a body on `route` from its first byte. Their generation is only timed where they are delivered in
    /// their order.
    pub fn new(route: &Route, is_readable: bool, is_in_order: bool) -> Events {
        let times = route.event_time.clone().filter(|_| is_readable && is_in_order);
        Events {
            scanner: is_readable.then(|| Guarded::new(Scanner::new())),
            times: times.map(|time| Box::new(Guarded::new(Reader::new(time)))),
            reads: 0,
            per_read_max: 0,
            seen: 0,
        }
    }

    /// Looks at the next piece of content and tells how many events it completes. `note` is told what to write into
    /// the flight recorder, and `generated` when the events were made.
    pub fn look(
        &mut self,
        content: &[u8],
        entry: &Entry,
        generated: &mut Generated,
        mut note: impl FnMut(&Happening),
    ) -> u64 {
        let cells = &entry.route.meter.shard(worker::index()).sse;
        let mut events = 0;
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

    /// How the events came; none when none came.
    pub fn per_read(&self) -> Option<EventsPerRead> {
        let mean = self.seen as f64 / self.reads as f64;
        (self.reads > 0).then_some(EventsPerRead { mean, max: self.per_read_max })
    }
}
