//! The body of an event stream on its way to the client through hyper or h2: passed on frame by frame as it arrives, looked at on
//! the way.
//!
//! A body ends by being dropped: when hyper has sent its end, when the client is gone, or when the gateway stops.
//! Which of them it was is read from what was seen before, or else from the client's leg.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderName;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use model::record::What;
use model::recording::Happening;
use model::{Direction, ErrorType, Leg, Moment};
use observe::fields::Fields;
use parking_lot::Mutex;

use crate::body::BodyError;
use crate::clock;
use crate::delivery::{Delivery, Piece};
use crate::entry::Entry;
use crate::events::Events;
use crate::exchange::{Exchange, TaskGuard};
use crate::generation::Generated;
use crate::leg::{LegEnd, Watch};
use crate::pacing::Pacing;
use crate::session::Session;
use crate::upstream::OpenGuard;
use crate::worker;

/// The media type.
pub const EVENT_STREAM: &str = "text/event-stream";

const DIRECTION: Direction = Direction::ServerToClient;

/// See the module.
pub struct EventStream {
    body: Incoming,
    events: Events,
    generated: Arc<Mutex<Generated>>,
    client: Arc<Watch>,
    upstream: Arc<Watch>,
    entry: Arc<Entry>,
    session: Arc<Mutex<Session>>,
    delivery: Arc<Delivery>,
    /// How much may come in a time; none without such a limit.
    pacing: Option<Box<Pacing>>,
    has_ended: bool,
    _open: OpenGuard,
    _guard: TaskGuard,
}

impl EventStream {
    /// Observes `body`, whose content can be read unless it has a `coding`.
    pub fn new(
        body: Incoming,
        session: Session,
        exchange: &Exchange,
        upstream: Arc<Watch>,
        open: OpenGuard,
        coding: Option<&[u8]>,
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
                delivered.lock().accepted(piece.messages, clock::wall, cells);
            });
        EventStream {
            body,
            events: Events::new(&exchange.route, coding, true),
            generated,
            client: Arc::clone(&exchange.watch),
            upstream,
            entry,
            session,
            delivery,
            pacing: Pacing::of(exchange.route.limits_config()).map(Box::new),
            has_ended: false,
            _open: open,
            _guard: exchange.guard.clone(),
        }
    }

    /// Sends the PING that is due, where HTTP/2 is spoken.
    fn beat(&self) {
        let due = self.entry.beats.as_ref().filter(|beats| beats.is_due(Leg::Client));
        if let Some((beats, link)) = due.zip(self.client.link()) {
            link.ping();
            self.entry.route.meter.shard(worker::index()).sse.heartbeats_sent.inc();
            beats.sent(Leg::Client, self.entry.flow(Leg::Client.inbound()), clock::now());
        }
    }

    fn observe(&mut self, bytes: &[u8]) {
        let at = clock::now();
        let (entry, session) = (&self.entry, &self.session);
        let note = |what: &Happening| session.lock().happened(at, what);
        let events = self.events.look(bytes, at, entry, &mut self.generated.lock(), note);
        if entry.is_ack_due(DIRECTION, events)
            && let Some(socket) = self.client.socket()
        {
            self.delivery.sample(entry.sample_ack(DIRECTION, socket));
        }
        entry.flow(DIRECTION).note(bytes.len() as u64, events, at);
        if let Some(pacing) = &mut self.pacing {
            pacing.take(entry, events, bytes.len() as u64, at);
        }
        self.delivery.note_read(Piece { at, bytes: bytes.len() as u64, messages: events });
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
        stream.beat();
        if let Some(command) = stream.entry.take_command() {
            stream.end(None, command.what(), clock::now());
        }
        if stream.has_ended {
            return Poll::Ready(None);
        }
        if let Some(pacing) = &mut stream.pacing {
            ready!(pacing.poll_allowed(&stream.entry, DIRECTION, cx));
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
        self.session.lock().event_stream_over(&mut self.events);
        self.delivery.note_given();
    }
}

/// Whether a field (`Accept`, `Content-Type`) names the media type of event streams.
pub fn is_named(fields: &impl Fields, field: &HeaderName) -> bool {
    fields.texts(field).any(|text| {
        let mut media_types = text.split(',').filter_map(|part| part.split(';').next());
        media_types.any(|media_type| media_type.trim().eq_ignore_ascii_case(EVENT_STREAM))
    })
}
