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
use model::recording::Happening;
use model::{Direction, ErrorType, Leg, Moment};
use observe::event_time::Reader;
use observe::sse::Scanner;
use parking_lot::Mutex;

use crate::body::BodyError;
use crate::clock;
use crate::delivery::{Delivery, Piece};
use crate::entry::Entry;
use crate::exchange::{Exchange, TaskGuard};
use crate::generation::Generated;
use crate::guarded::Guarded;
use crate::leg::{LegEnd, Watch};
use crate::session::Session;
use crate::upstream::OpenGuard;
use crate::worker;

const DIRECTION: Direction = Direction::ServerToClient;

/// See the module.
pub struct EventStream {
    body: Incoming,
    scanner: Option<Guarded<Scanner>>,
    times: Option<Guarded<Reader>>,
    generated: Arc<Mutex<Generated>>,
    /// Pieces of the body that completed events.
    reads: u64,
    events_per_read_max: u64,
    client: Arc<Watch>,
    upstream: Arc<Watch>,
    entry: Arc<Entry>,
    session: Arc<Mutex<Session>>,
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
        let session = Arc::new(Mutex::new(session));
        let route = Arc::clone(&entry.route);
        let generated = Arc::new(Mutex::new(Generated::default()));
        let delivered = Arc::clone(&generated);
        let delivery =
            Delivery::start(&exchange.watch, DIRECTION, Arc::clone(&session), move |seconds, piece| {
                let cells = &route.meter.shard(worker::index()).sse;
                cells.delay_seconds.observe_n(seconds, piece.messages);
                if piece.timed > 0 {
                    delivered.lock().accepted(piece.timed, clock::wall(), cells);
                }
            });
        EventStream {
            body,
            scanner: is_readable.then(|| Guarded::new(Scanner::new())),
            times: exchange
                .route
                .event_time
                .clone()
                .filter(|_| is_readable)
                .map(|time| Guarded::new(Reader::new(time))),
            generated,
            reads: 0,
            events_per_read_max: 0,
            client: Arc::clone(&exchange.watch),
            upstream,
            entry,
            session,
            delivery,
            has_ended: false,
            _open: open,
            _guard: exchange.guard.clone(),
        }
    }

    fn observe(&mut self, bytes: &[u8]) {
        let at = clock::now();
        let (entry, session) = (&self.entry, &self.session);
        let cells = &entry.route.meter.shard(worker::index()).sse;
        let mut events = 0;
        if let Some(scanner) = &mut self.scanner {
            let is_well = scanner.look(bytes, |scanner, bytes| {
                scanner.scan(bytes, &mut |event| match event {
                    SseEvent::Event { bytes, .. } => {
                        cells.events.inc();
                        cells.event_bytes.add(bytes);
                        session.lock().happened(at, &Happening::Event { bytes });
                        events += 1;
                    }
                    SseEvent::Comment { .. } => {
                        cells.comments.inc();
                        session.lock().happened(at, &Happening::Comment);
                    }
                    SseEvent::LongLine { .. } => cells.errors.inc(ErrorType::TooBig),
                    SseEvent::Retry { .. } => {}
                });
            });
            if !is_well {
                cells.errors.inc(ErrorType::Internal);
            }
        }
        if entry.is_ack_due(DIRECTION, events)
            && let Some(socket) = self.client.socket()
        {
            self.delivery.sample(entry.sample_ack(DIRECTION, socket));
        }
        entry.flow(DIRECTION).note(bytes.len() as u64, events, at);
        self.reads += u64::from(events > 0);
        self.events_per_read_max = self.events_per_read_max.max(events);
        let timed = self.read_times(bytes);
        self.delivery.note_read(Piece { at, bytes: bytes.len() as u64, messages: events, timed });
    }

    /// Notes when the events were made, and tells how many say so.
    fn read_times(&mut self, bytes: &[u8]) -> u64 {
        let Some(reader) = &mut self.times else { return 0 };
        let cells = &self.entry.route.meter.shard(worker::index()).sse;
        let mut generated = self.generated.lock();
        let mut timed = 0;
        reader.look(bytes, |reader, bytes| {
            reader.read(bytes, clock::wall(), &mut |time| match time {
                Ok(time) => {
                    generated.push(time);
                    timed += 1;
                }
                Err(error) => cells.event_time_errors.inc(error),
            });
        });
        timed
    }

    fn events_per_read(&self) -> Option<EventsPerRead> {
        let events = self.entry.flow(DIRECTION).messages();
        let mean = events as f64 / self.reads as f64;
        (self.reads > 0).then_some(EventsPerRead { mean, max: self.events_per_read_max })
    }

    fn end(&mut self, leg: Option<Leg>, what: What, at: Moment) {
        self.has_ended = true;
        self.session.lock().cause(leg, what, at);
    }

    fn end_by(&mut self, leg: Leg, end: LegEnd) {
        self.has_ended = true;
        self.session.lock().leg_end(leg, end);
    }

    fn end_broken(&mut self, error: &hyper::Error) {
        let mut end = self.upstream.end().unwrap_or_else(|| LegEnd::now(What::BodyTruncated, None));
        if end.what == What::Fin {
            end.what = What::BodyTruncated;
        }
        tracing::debug!(%error, "an event stream broke on the upstream leg");
        self.end_by(Leg::Upstream, end);
        self.entry.route.meter.shard(worker::index()).sse.errors.inc(ErrorType::IoUpstream);
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
        stream.entry.listen(cx.waker());
        stream.delivery.note_given();
        if let Some(command) = stream.entry.take_command() {
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
            let end = self.client.end().unwrap_or_else(|| LegEnd::now(What::Fin, None));
            self.end_by(Leg::Client, end);
        }
        self.session.lock().events_per_read = self.events_per_read();
        self.delivery.note_given();
    }
}
