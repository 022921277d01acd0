//! The relay's way to a client when the route has a queue: the upstream is read on, and the client is offered what goes
//! next whenever its socket takes more.

use std::task::{Context, Poll};

use guard::queue::Verdict;
use model::event::CloseCode;
use model::record::What;
use model::{Direction, Leg, Moment, Shed};
use tokio::io::ReadBuf;

use super::{AsyncRead as _, Farewell, Goodbye, MessageEnd, READS_PER_TURN, Relay, Scratch, Wire, end_of};
use crate::clock;
use crate::outbox::{Going, Next};

const DIRECTION: Direction = Direction::ServerToClient;

impl<W: Wire> Relay<W> {
    /// What goes that way waits in a queue.
    pub(super) fn has_queue(&self, direction: Direction) -> bool {
        direction == Direction::ServerToClient && self.outbox.is_some()
    }

    /// Something waits in the queue of that direction.
    pub(super) fn has_queued(&self, direction: Direction) -> bool {
        self.has_queue(direction) && self.outbox.as_ref().is_some_and(|outbox| !outbox.is_empty())
    }

    /// A message that is too long to wait has begun to go that way: nothing of ours may stand in it.
    pub(super) fn is_inside_passed(&self, direction: Direction) -> bool {
        self.has_queue(direction) && self.outbox.as_ref().is_some_and(|outbox| outbox.is_passing())
    }

    /// What to say to `leg` when the gateway ends the connection. To a client that was given up whole messages alone have
    /// gone, whatever was read for it.
    pub(super) fn farewell(&self, leg: Leg, code: CloseCode) -> Farewell {
        match self.outbox.as_ref().filter(|_| leg == Leg::Client) {
            Some(outbox) if outbox.is_given_up() && !outbox.is_passing() => {
                self.wire.farewell_to_given_up(leg, code)
            }
            _ => self.wire.farewell(leg, code),
        }
    }

    /// As [`Relay::pump`], towards a client with a queue.
    pub(super) fn pump_queued(&mut self, scratch: &mut Scratch, cx: &mut Context<'_>) -> Poll<()> {
        let turn = self.turn_queued(scratch, cx);
        self.show_queue();
        turn
    }

    fn turn_queued(&mut self, scratch: &mut Scratch, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..READS_PER_TURN {
            let sent = self.send_queued(cx);
            let Some(outbox) = &mut self.outbox else { return Poll::Pending };
            if sent.is_ready()
                && let Some(verdict) = outbox.resume(clock::now())
            {
                self.obey_queue(verdict);
                continue;
            }
            let takes_more = outbox.takes_more();
            if self.pipes[DIRECTION].has_ended {
                if sent.is_ready() {
                    self.shut(DIRECTION, cx);
                }
                return Poll::Pending;
            }
            if !takes_more {
                return Poll::Pending;
            }
            if self.goodbye.is_none() {
                std::task::ready!(self.wire.poll_read_allowed(&self.session.entry, DIRECTION, cx));
            }
            if self.upstream.is_drained() {
                return Poll::Pending;
            }
            let mut buffer = ReadBuf::new(&mut scratch.bytes);
            match std::pin::Pin::new(&mut self.upstream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.end_read(DIRECTION, What::Fin),
                Poll::Ready(Err(error)) => self.end_read(DIRECTION, end_of(&error)),
                Poll::Ready(Ok(())) => {
                    let length = buffer.filled().len();
                    scratch.ends.clear();
                    let at = clock::now();
                    let seen = self.observe(DIRECTION, &scratch.bytes[..length], at, &mut scratch.ends);
                    let bytes = seen.instead.as_deref().unwrap_or(&scratch.bytes[..seen.carried]);
                    self.queue(bytes, at);
                    if let Some(what) = seen.end {
                        self.end_input(DIRECTION, what);
                    }
                }
            }
        }
        Poll::Ready(())
    }

    /// Puts what was read from the upstream into the queue.
    pub(super) fn queue(&mut self, bytes: &[u8], at: Moment) {
        let pipe = &mut self.pipes[DIRECTION];
        let Some(outbox) = self.outbox.as_mut().filter(|outbox| !pipe.is_muted && !outbox.is_given_up())
        else {
            pipe.dropped_bytes += bytes.len() as u64;
            return;
        };
        let verdict = outbox.take(bytes, at);
        self.obey_queue(verdict);
    }

    fn obey_queue(&mut self, verdict: Verdict) {
        let Some(outbox) = self.outbox.as_mut().filter(|_| verdict == Verdict::Disconnect) else { return };
        let now = clock::now();
        self.pipes[DIRECTION].dropped_bytes += outbox.give_up(Some(Shed::Disconnect), now);
        self.note_last_sheds(now);
        self.session.cause(Some(Leg::Client), What::SlowConsumer, now);
        self.goodbye.get_or_insert(Goodbye::new(CloseCode::POLICY_VIOLATION));
    }

    /// Offers the client what goes next until it takes no more; ready when nothing waits.
    fn send_queued(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            std::task::ready!(self.flush(DIRECTION, cx));
            if let Some(outbox) = &mut self.outbox {
                outbox.arrived();
            }
            self.beat(cx);
            if self.pipes[DIRECTION].waiting.is_some() {
                continue;
            }
            let Some(outbox) = &mut self.outbox else { return Poll::Ready(()) };
            let Some(Next { bytes, at, end, messages }) = outbox.next(clock::now()) else {
                return Poll::Ready(());
            };
            let offset = end.unwrap_or(self.pipes[DIRECTION].offset);
            let end = [MessageEnd { at: offset, messages }];
            let ends = if messages > 0 { &end[..] } else { &[] };
            self.forward(DIRECTION, &bytes, ends, at, offset, cx);
        }
    }

    /// Tells the flight recorder all that was dropped and it was not told of.
    pub(super) fn note_last_sheds(&mut self, now: Moment) {
        if let Some(outbox) = &mut self.outbox {
            outbox.tell(&self.session.entry, now, true);
        }
    }

    fn show_queue(&mut self) {
        let waiting = self.pipes[DIRECTION].waiting.as_deref();
        let going = waiting.map(|waiting| Going {
            since: waiting.since,
            bytes: waiting.bytes.len(),
            messages: waiting.messages(),
        });
        if let Some(outbox) = &mut self.outbox {
            outbox.show(&self.session.entry, going);
        }
    }
}
