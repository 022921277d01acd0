//! An event stream on the upstream's side: its body as it is read and looked at, and how the connection ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use model::record::What;
use model::recording::Happening;
use model::{ErrorType, Leg};
use parking_lot::Mutex;

use super::DIRECTION;
use crate::body::BodyError;
use crate::clock;
use crate::delivery::Piece;
use crate::entry::{Command, Entry};
use crate::events::Events;
use crate::exchange::{Exchange, TaskGuard};
use crate::generation::Generated;
use crate::leg::{LegEnd, Watch};
use crate::pacing::Pacing;
use crate::session::Session;
use crate::upstream::OpenGuard;
use crate::worker;

/// See the module.
pub struct Intake {
    body: Incoming,
    events: Events,
    /// When the events that wait were made.
    pub generated: Arc<Mutex<Generated>>,
    /// The client's leg.
    pub client: Arc<Watch>,
    upstream: Arc<Watch>,
    /// What others see of the connection.
    pub entry: Arc<Entry>,
    /// The connection.
    pub session: Arc<Mutex<Session>>,
    /// How much may come in a time; none without such a limit.
    pacing: Option<Box<Pacing>>,
    /// Nothing more is read.
    pub has_ended: bool,
    _open: OpenGuard,
    _guard: TaskGuard,
}

impl Intake {
    /// Observes `body`, by `events`.
    pub fn new(
        body: Incoming,
        events: Events,
        session: Session,
        exchange: &Exchange,
        upstream: Arc<Watch>,
        open: OpenGuard,
    ) -> Intake {
        Intake {
            body,
            events,
            generated: Arc::default(),
            client: Arc::clone(&exchange.watch),
            upstream,
            entry: Arc::clone(&session.entry),
            session: Arc::new(Mutex::new(session)),
            pacing: Pacing::of(exchange.route.limits_config()).map(Box::new),
            has_ended: false,
            _open: open,
            _guard: exchange.guard.clone(),
        }
    }

    /// Sends the PING that is due, where HTTP/2 is spoken, and takes the command that waits; the task is woken for both.
    pub fn attend(&self, cx: &Context<'_>) -> Option<Command> {
        self.entry.listen(cx.waker());
        let due = self.entry.beats.as_ref().filter(|beats| beats.is_due(Leg::Client));
        if let Some((beats, link)) = due.zip(self.client.link()) {
            link.ping();
            self.entry.route.meter.shard(worker::index()).sse.heartbeats_sent.inc();
            beats.sent(Leg::Client, self.entry.flow(Leg::Client.inbound()), clock::now());
        }
        self.entry.take_command()
    }

    /// Reads the next frame of the body; `on` is told of its content, and whether the acknowledgement of a message in it is
    /// to be timed.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        on: impl FnOnce(Piece, bool),
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(pacing) = &mut self.pacing {
            ready!(pacing.poll_allowed(&self.entry, DIRECTION, cx));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(content) = frame.data_ref() {
                    self.observe(content, on);
                }
            }
            Some(Err(error)) => self.end_broken(error),
            None => self.end(Some(Leg::Upstream), What::BodyEnd),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
    }

    fn observe(&mut self, content: &[u8], on: impl FnOnce(Piece, bool)) {
        let at = clock::now();
        let (entry, session) = (&self.entry, &self.session);
        let note = |what: &Happening| session.lock().happened(at, what);
        let messages = self.events.look(content, at, entry, &mut self.generated.lock(), note);
        let bytes = content.len() as u64;
        on(Piece { at, bytes, messages }, entry.is_ack_due(DIRECTION, messages));
        entry.count(DIRECTION, bytes, messages, at);
        if let Some(pacing) = &mut self.pacing {
            pacing.take(entry, messages, bytes, at);
        }
    }

    /// Nothing more is read; `leg` is none for a decision of this gateway.
    pub fn end(&mut self, leg: Option<Leg>, what: What) {
        self.has_ended = true;
        self.session.lock().cause(leg, what, clock::now());
    }

    /// The client takes no more.
    pub fn end_by_client(&mut self) {
        let end = self.client.end().unwrap_or_else(|| LegEnd::now(What::Fin, None));
        self.end_by(Leg::Client, end);
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

impl Drop for Intake {
    fn drop(&mut self) {
        if !self.has_ended && self.body.is_end_stream() {
            self.end(Some(Leg::Upstream), What::BodyEnd);
        } else if !self.has_ended {
            self.end_by_client();
        }
        self.session.lock().event_stream_over(&mut self.events);
    }
}
