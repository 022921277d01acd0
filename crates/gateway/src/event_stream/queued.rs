//! An event stream on its way to a client of HTTP/2 when the route has a queue.
//!
//! The upstream is read on while the client's windows, or its socket, take nothing. What goes next is handed to the client's
//! connection by itself, as one message at a time: the next one follows when the kernel socket has accepted it. So nothing
//! of it comes out as a frame of this body; that tells of the end alone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use guard::queue::Verdict;
use h2::Reason;
use http_body::{Body, Frame};
use model::record::What;
use model::recording::Happening;
use model::{Leg, Moment, Shed};

use super::{DIRECTION, Intake};
use crate::acks::Sampling;
use crate::body::BodyError;
use crate::bypass::Link;
use crate::clock;
use crate::delivery::WAIT_NOTED;
use crate::entry::Command;
use crate::outbox::{Going, Next, Outbox};
use crate::worker;

/// Reads in one turn, so that a busy stream lets others run.
const READS_PER_TURN: usize = 8;

/// See the module.
pub struct QueuedStream {
    intake: Intake,
    outbox: Box<Outbox>,
    /// The client's connection, and the stream there.
    link: Arc<Link>,
    stream: u32,
    underway: Option<Underway>,
    /// The acknowledgement of the next message is to be timed.
    is_ack_due: bool,
    /// How the upstream's body broke off, for the client to hear of behind what waits.
    broken: Option<BodyError>,
    /// The client was told of the end.
    is_over: bool,
    dropped_bytes: u64,
}

/// What was handed to the client's connection and is not accepted by its kernel socket.
struct Underway {
    going: Going,
    handed: Moment,
    /// Messages that end with it.
    ends: u32,
    /// It did not go at once.
    is_noted: bool,
    sampling: Option<Sampling>,
}

impl QueuedStream {
    /// Lets what comes in wait in `outbox`, for a stream of the client's connection.
    pub fn new(intake: Intake, outbox: Box<Outbox>, (link, stream): (&Arc<Link>, u32)) -> QueuedStream {
        intake.entry.has_queue(outbox.queued());
        QueuedStream {
            intake,
            outbox,
            link: Arc::clone(link),
            stream,
            underway: None,
            is_ack_due: false,
            broken: None,
            is_over: false,
            dropped_bytes: 0,
        }
    }

    /// Ready when all was passed on, or when the rest will not be.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        if let Some(command) = self.intake.attend(cx) {
            self.obey(command)?;
        }
        for _ in 0..READS_PER_TURN {
            let sent = self.poll_send(cx);
            if sent.is_ready()
                && let Some(verdict) = self.outbox.resume(clock::now())
            {
                self.obey_queue(verdict)?;
                continue;
            }
            if self.intake.has_ended {
                ready!(sent);
                return Poll::Ready(self.broken.take().map_or(Ok(()), Err));
            }
            if !self.outbox.takes_more() {
                return Poll::Pending;
            }
            ready!(self.poll_read(cx))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let is_ack_due = &mut self.is_ack_due;
        let mut read_at = None;
        let frame = ready!(self.intake.poll_frame(cx, |piece, is_due| {
            *is_ack_due |= is_due;
            read_at = Some(piece.at);
        }));
        match frame {
            Some(Ok(frame)) => {
                let content = frame.into_data().unwrap_or_default();
                let verdict = read_at.map_or(Verdict::GoesOn, |at| self.outbox.take(&content, at));
                self.obey_queue(verdict)?;
            }
            Some(Err(error)) => {
                self.outbox.end(false);
                self.broken = Some(error);
            }
            None => self.outbox.end(true),
        }
        Poll::Ready(Ok(()))
    }

    /// Hands over one message after another; ready when nothing waits.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.underway.is_some() {
                ready!(self.link.poll_accepted(self.stream, cx));
            }
            self.note_accepted();
            let Some(next) = self.outbox.next(clock::now()) else { return Poll::Ready(()) };
            self.hand_over(next);
        }
    }

    fn hand_over(&mut self, next: Next) {
        let Next { bytes, at, messages, .. } = next;
        let entry = &self.intake.entry;
        let is_sampled = messages > 0 && std::mem::take(&mut self.is_ack_due);
        let socket = self.intake.client.socket().filter(|_| is_sampled);
        let sampling = socket.and_then(|socket| entry.sample_ack(DIRECTION, socket));
        // When the stream is over, who serves it hears of that.
        let _ = self.link.send(self.stream, &bytes);
        let (waits, handed) = (self.link.waiting(self.stream), clock::now());
        if waits > 0 {
            let what = Happening::WaitBegan { direction: DIRECTION, bytes: waits as u64 };
            entry.note(handed, &what);
        }
        let going = Going { since: at, bytes: bytes.len(), messages: 1 };
        self.underway = Some(Underway { going, handed, ends: messages, is_noted: waits > 0, sampling });
    }

    fn note_accepted(&mut self) {
        let Some(Underway { going, handed, ends, is_noted, sampling }) = self.underway.take() else { return };
        let now = clock::now();
        let waited = now.since(handed);
        if is_noted || waited >= WAIT_NOTED {
            let what = Happening::WaitEnded { direction: DIRECTION, seconds: waited.as_secs_f64() };
            self.intake.entry.note(now, &what);
        }
        if let Some(sampling) = sampling {
            sampling.complete();
        }
        if ends > 0 {
            let cells = &self.intake.entry.route.meter.shard(worker::index()).sse;
            cells.delay_seconds.observe_n(now.since(going.since).as_secs_f64(), ends.into());
        }
        self.outbox.arrived();
    }

    /// Reads no more. What waits still goes, unless there is no time for it.
    fn obey(&mut self, command: Command) -> Result<(), BodyError> {
        if command == Command::Drain && self.intake.has_ended {
            return Ok(());
        }
        let given_up = self.intake.entry.given_up().filter(|_| command == Command::HeartbeatTimeout);
        let may_rest_go = match command {
            Command::Drain | Command::IdleTimeout | Command::RateLimit => true,
            Command::Cut | Command::HalfCloseTimeout | Command::HeartbeatTimeout => {
                self.underway.is_none() && self.outbox.is_empty()
            }
        };
        self.intake.end(given_up, command.what());
        if may_rest_go { Ok(()) } else { Err(reset(Reason::CANCEL)) }
    }

    fn obey_queue(&mut self, verdict: Verdict) -> Result<(), BodyError> {
        if verdict == Verdict::GoesOn {
            return Ok(());
        }
        self.dropped_bytes += self.outbox.give_up(Some(Shed::Disconnect), clock::now());
        self.intake.end(Some(Leg::Client), What::SlowConsumer);
        Err(reset(Reason::ENHANCE_YOUR_CALM))
    }

    fn going(&self) -> Option<Going> {
        self.underway.as_ref().map(|underway| underway.going)
    }
}

impl Body for QueuedStream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let stream = &mut *self;
        let over = stream.poll_over(cx);
        let going = stream.going();
        stream.outbox.show(&stream.intake.entry, going);
        let over = ready!(over);
        stream.is_over = true;
        Poll::Ready(over.err().map(Err))
    }
}

impl Drop for QueuedStream {
    fn drop(&mut self) {
        if !self.is_over {
            self.intake.end_by_client();
        }
        self.outbox.tell(&self.intake.entry, clock::now(), true);
        let underway = self.going().map_or(0, |going| going.bytes as u64);
        let unsent = self.dropped_bytes + underway + self.outbox.bytes();
        self.intake.session.lock().unsent(DIRECTION, unsent);
    }
}

fn reset(reason: Reason) -> BodyError {
    h2::Error::from(reason).into()
}
