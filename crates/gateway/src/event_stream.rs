//! The body of an event stream on its way to the client: passed on frame by frame as it arrives, looked at on
//! the way.
//!
//! A body ends by being dropped: when hyper has sent its end, when the client is gone, or when the gateway stops.
//! Which of them it was is read from what was seen before, or else from the client's leg.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use model::event::SseEvent;
use model::record::What;
use model::recording::Happening;
use model::{Direction, ErrorType, Leg, Moment};
use observe::sse::Scanner;
use parking_lot::Mutex;

use crate::body::BodyError;
use crate::clock;
use crate::entry::Entry;
use crate::exchange::{Exchange, TaskGuard};
use crate::leg::{OnFlush, Watch};
use crate::session::Session;
use crate::upstream::OpenGuard;
use crate::worker;

const DIRECTION: Direction = Direction::ServerToClient;

/// What waits for so long is noted: everything waits for HTTP's writer a little.
const LONG: Duration = Duration::from_millis(100);

/// Moments of reading that are remembered while their events wait; of more, the last stands for all.
const WAITING_MAX: usize = 1024;

/// See the module.
pub struct EventStream {
    body: Incoming,
    scanner: Option<Scanner>,
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
        // Held while things are noted: another task may note that what waited was flushed.
        let mut waiting = self.delivery.waiting.lock();
        if let Some(scanner) = &mut self.scanner {
            scanner.scan(bytes, &mut |event| match event {
                SseEvent::Event { bytes, .. } => {
                    cells.events.inc();
                    cells.event_bytes.add(bytes);
                    entry.note(at, &Happening::Event { bytes });
                    events += 1;
                }
                SseEvent::Comment { .. } => {
                    cells.comments.inc();
                    entry.note(at, &Happening::Comment);
                }
                SseEvent::LongLine { .. } => cells.errors.inc(ErrorType::TooBig),
                SseEvent::Retry { .. } => {}
            });
        }
        entry.flow(DIRECTION).note(bytes.len() as u64, events, at);
        self.delivery.note_read(&mut waiting, Piece { at, bytes: bytes.len() as u64, events });
    }

    fn end(&mut self, leg: Option<Leg>, what: What, at: Moment) {
        self.has_ended = true;
        let _turn = self.delivery.waiting.lock();
        self.delivery.session.lock().cause(leg, what, at);
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
    /// That it waits long was noted.
    is_long: bool,
}

/// What was read at one moment.
#[derive(Clone, Copy, Debug)]
struct Piece {
    at: Moment,
    bytes: u64,
    events: u64,
}

impl Delivery {
    fn note_read(&self, waiting: &mut Waiting, piece: Piece) {
        waiting.bytes += piece.bytes;
        waiting.events += piece.events;
        if waiting.pieces.len() < WAITING_MAX {
            waiting.pieces.push(piece);
        } else {
            waiting.given = waiting.given.min(WAITING_MAX - 1);
            let last = waiting.pieces.last_mut().expect("it is full");
            last.bytes += piece.bytes;
            last.events += piece.events;
        }
        let is_late = waiting.pieces.first().is_some_and(|oldest| piece.at.since(oldest.at) >= LONG);
        if is_late && !std::mem::replace(&mut waiting.is_long, true) {
            let what = Happening::WaitBegan { direction: DIRECTION, bytes: waiting.bytes };
            self.entry.note(piece.at, &what);
        }
        self.show(waiting);
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
        let since = waiting.pieces.first().map_or(now, |oldest| oldest.at);
        for piece in waiting.pieces.drain(..std::mem::take(&mut waiting.given)) {
            waiting.bytes -= piece.bytes;
            waiting.events -= piece.events;
            if piece.events > 0 {
                cells.delay_seconds.observe_n(now.since(piece.at).as_secs_f64(), piece.events);
            }
        }
        if waiting.pieces.is_empty() && std::mem::take(&mut waiting.is_long) {
            let seconds = now.since(since).as_secs_f64();
            self.entry.note(now, &Happening::WaitEnded { direction: DIRECTION, seconds });
        }
        self.show(waiting);
    }
}
