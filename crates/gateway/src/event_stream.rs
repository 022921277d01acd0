//! The body of an event stream on its way to the client: passed on frame by frame as it arrives, looked at on
//! the way.
//!
//! A body ends by being dropped: when hyper has sent its end, when the client is gone, or when the gateway stops.
//! Which of them it was is read from what was seen before, or else from the client's leg.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use model::event::SseEvent;
use model::record::{EventsPerRead, What};
use model::{Direction, ErrorType, Leg, Moment};
use observe::event_time::Reader;
use observe::sse::Scanner;
use parking_lot::Mutex;

use crate::body::BodyError;
use crate::clock;
use crate::entry::Entry;
use crate::exchange::{Exchange, TaskGuard};
use crate::generation::Generated;
use crate::leg::{OnFlush, Watch};
use crate::session::Session;
use crate::upstream::OpenGuard;
use crate::worker;

const DIRECTION: Direction = Direction::ServerToClient;

/// Moments of reading that are remembered while their events wait; of more, the last stands for all.
const WAITING_MAX: usize = 1024;

/// See the module.
pub struct EventStream {
    body: Incoming,
    scanner: Option<Scanner>,
    times: Option<Reader>,
    /// Pieces of the body that completed events.
    reads: u64,
    events_per_read_max: u64,
    client: Arc<Watch>,
    upstream: Arc<Watch>,
    delivery: Arc<Delivery>,
    has_ended: bool,
    _open: OpenGuard,
    _guard: TaskGuard,
}

impl EventStream {
    /// Observes `body` unless it is encoded and so cannot be read.
    pub fn new(
        body: Incoming,
        session: Session,
        exchange: &Exchange,
        upstream: Arc<Watch>,
        open: OpenGuard,
        is_readable: bool,
    ) -> EventStream {
        let entry = Arc::clone(&session.entry);
        let delivery = Arc::new(Delivery { entry, session: Mutex::new(session), waiting: Mutex::default() });
        exchange.watch.on_flush(Arc::clone(&delivery) as Arc<dyn OnFlush>);
        EventStream {
            body,
            scanner: is_readable.then(Scanner::new),
            times: exchange.route.event_time.clone().filter(|_| is_readable).map(Reader::new),
            reads: 0,
            events_per_read_max: 0,
            client: Arc::clone(&exchange.watch),
            upstream,
            delivery,
            has_ended: false,
            _open: open,
            _guard: exchange.guard.clone(),
        }
    }

    fn observe(&mut self, bytes: &[u8]) {
        let at = clock::now();
        let entry = &self.delivery.entry;
        let cells = &entry.route.meter.shard(worker::index()).sse;
        let mut events = 0;
        if let Some(scanner) = &mut self.scanner {
            scanner.scan(bytes, &mut |event| match event {
                SseEvent::Event { bytes, .. } => {
                    cells.events.inc();
                    cells.event_bytes.add(bytes);
                    events += 1;
                }
                SseEvent::Comment { .. } => cells.comments.inc(),
                SseEvent::LongLine { .. } => cells.errors.inc(ErrorType::TooBig),
                SseEvent::Retry { .. } => {}
            });
        }
        entry.flow(DIRECTION).note(bytes.len() as u64, events, at);
        self.reads += u64::from(events > 0);
        self.events_per_read_max = self.events_per_read_max.max(events);
        let timed = self.read_times(bytes);
        self.delivery.note_read(Piece { at, bytes: bytes.len() as u64, events, timed });
    }

    /// Notes when the events were made, and tells how many say so.
    fn read_times(&mut self, bytes: &[u8]) -> u64 {
        let Some(reader) = &mut self.times else { return 0 };
        let cells = &self.delivery.entry.route.meter.shard(worker::index()).sse;
        let generated = &mut self.delivery.waiting.lock().generated;
        let mut timed = 0;
        reader.read(bytes, clock::wall(), &mut |time| match time {
            Ok(time) => {
                generated.push(time);
                timed += 1;
            }
            Err(error) => cells.event_time_errors.inc(error),
        });
        timed
    }

    fn events_per_read(&self) -> Option<EventsPerRead> {
        let events = self.delivery.entry.flow(DIRECTION).messages();
        let mean = events as f64 / self.reads as f64;
        (self.reads > 0).then_some(EventsPerRead { mean, max: self.events_per_read_max })
    }

    fn end(&mut self, leg: Option<Leg>, what: What, at: Moment) {
        self.has_ended = true;
        let mut session = self.delivery.session.lock();
        session.cause(leg, what, at);
        session.events_per_read = self.events_per_read();
    }

    fn end_broken(&mut self, error: &hyper::Error) {
        let (what, at) = match self.upstream.end() {
            Some((What::Fin, at)) => (What::BodyTruncated, at),
            Some(end) => end,
            None => (What::BodyTruncated, clock::now()),
        };
        tracing::debug!(%error, "an event stream broke on the upstream leg");
        self.end(Some(Leg::Upstream), what, at);
        self.delivery.entry.route.meter.shard(worker::index()).sse.errors.inc(ErrorType::IoUpstream);
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let stream = &mut *self;
        stream.delivery.entry.listen(cx.waker());
        stream.delivery.note_given();
        if let Some(command) = stream.delivery.entry.take_command() {
            stream.end(None, command.what(), clock::now());
        }
        if stream.has_ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut stream.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    stream.observe(&bytes.clone());
                }
            }
            Some(Err(error)) => stream.end_broken(error),
            None => stream.end(Some(Leg::Upstream), What::BodyEnd, clock::now()),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if !self.has_ended && self.body.is_end_stream() {
            self.end(Some(Leg::Upstream), What::BodyEnd, clock::now());
        } else if !self.has_ended {
            let (what, at) = self.client.end().unwrap_or((What::Fin, clock::now()));
            self.end(Some(Leg::Client), what, at);
        }
        self.delivery.note_given();
    }
}

/// What is on its way through HTTP's buffers to the client's kernel socket. It outlives the body up to the flush
/// that delivers the last of it, or to the end of the connection; then the stream is over.
#[derive(Debug)]
struct Delivery {
    entry: Arc<Entry>,
    session: Mutex<Session>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    pieces: Vec<Piece>,
    /// The first so many pieces are with HTTP's writer: its next complete flush delivers them.
    given: usize,
    bytes: u64,
    events: u64,
    generated: Generated,
}

/// What was read at one moment.
#[derive(Clone, Copy, Debug)]
struct Piece {
    at: Moment,
    bytes: u64,
    events: u64,
    /// Events that say when they were made.
    timed: u64,
}

impl Delivery {
    fn note_read(&self, piece: Piece) {
        let mut waiting = self.waiting.lock();
        waiting.bytes += piece.bytes;
        waiting.events += piece.events;
        if waiting.pieces.len() < WAITING_MAX {
            waiting.pieces.push(piece);
        } else {
            waiting.given = waiting.given.min(WAITING_MAX - 1);
            let last = waiting.pieces.last_mut().expect("it is full");
            last.bytes += piece.bytes;
            last.events += piece.events;
            last.timed += piece.timed;
        }
        self.show(&waiting);
    }

    /// HTTP's writer asks for more: it has all that was read so far.
    fn note_given(&self) {
        let mut waiting = self.waiting.lock();
        waiting.given = waiting.pieces.len();
    }

    fn show(&self, waiting: &Waiting) {
        let flow = self.entry.flow(DIRECTION);
        match waiting.pieces.first() {
            Some(oldest) => flow.note_waiting(count(waiting.bytes), count(waiting.events), oldest.at),
            None => flow.note_drained(),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.session.get_mut().unsent(DIRECTION, self.waiting.get_mut().bytes);
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl OnFlush for Delivery {
    fn flushed(&self) {
        let mut waiting = self.waiting.lock();
        let waiting = &mut *waiting;
        if waiting.given == 0 {
            return;
        }
        let now = clock::now();
        let cells = &self.entry.route.meter.shard(worker::index()).sse;
        let mut timed = 0;
        for piece in waiting.pieces.drain(..std::mem::take(&mut waiting.given)) {
            waiting.bytes -= piece.bytes;
            waiting.events -= piece.events;
            if piece.events > 0 {
                cells.delay_seconds.observe_n(now.since(piece.at).as_secs_f64(), piece.events);
            }
            timed += piece.timed;
        }
        if timed > 0 {
            waiting.generated.accepted(timed, clock::wall(), cells);
        }
        self.show(waiting);
    }
}
