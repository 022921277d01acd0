//! A wire whose client may send so much in a time: it is not read while it is ahead of that, or its connection ends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use guard::admission::Pace;
use model::event::CloseCode;
use model::record::What;
use model::{AdmissionReason, Decision, Direction, Leg, Moment};
use tokio::time::Sleep;

use super::MessageEnd;
use super::wire::{Farewell, Read, Seen, Wire};
use crate::clock;
use crate::config::{LimitsConfig, WhenExceeded};
use crate::entry::{Command, Entry};
use crate::session::Session;

/// Longest time for which nobody hears of a client that is not read.
const ASLEEP_MAX: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Paced<W> {
    wire: W,
    messages: Option<Pace>,
    bytes: Option<Pace>,
    /// What comes of a client that is ahead.
    decision: Decision,
    /// While it is not read.
    asleep: Option<Pin<Box<Sleep>>>,
    is_held: bool,
    /// It was told, or counted, once: nothing more comes of it.
    is_over: bool,
}

impl<W: Wire> Paced<W> {
    /// Paces a wire as a route says; gives it back where the route says nothing.
    pub fn of(wire: W, limits: &LimitsConfig) -> Result<Paced<W>, W> {
        if !limits.is_pacing() {
            return Err(wire);
        }
        let pace = |rate| Pace::new(rate, clock::now());
        let decision = match limits.when_exceeded {
            _ if limits.dry_run => Decision::WouldRefuse,
            WhenExceeded::Delay => Decision::Delayed,
            WhenExceeded::Close => Decision::Closed,
        };
        let (messages, bytes) = (limits.messages.map(pace), limits.bytes.map(pace));
        Ok(Paced { wire, messages, bytes, decision, asleep: None, is_held: false, is_over: false })
    }

    /// How far the client is ahead, and of what.
    fn ahead(&self, now: Moment) -> Option<(Duration, AdmissionReason)> {
        let wait = |pace: Option<Pace>, reason| Some((pace?.wait(now)?, reason));
        let messages = wait(self.messages, AdmissionReason::Messages);
        messages.max(wait(self.bytes, AdmissionReason::Bytes))
    }

    fn count(&self, entry: &Entry, reason: AdmissionReason) {
        entry.route.meter.admissions.inc(self.decision, reason);
    }
}

impl<W: Wire> Wire for Paced<W> {
    const IS_ONE_WAY: bool = W::IS_ONE_WAY;

    fn observe(&mut self, session: &mut Session, read: &Read<'_>, ends: &mut Vec<MessageEnd>) -> Seen {
        let seen = self.wire.observe(session, read, ends);
        if read.direction == Direction::ClientToServer && !self.is_over {
            self.messages.iter_mut().for_each(|pace| pace.take(seen.messages, read.at));
            self.bytes.iter_mut().for_each(|pace| pace.take(seen.bytes, read.at));
            if self.decision != Decision::Delayed
                && let Some((_, reason)) = self.ahead(read.at)
            {
                self.is_over = true;
                self.count(&session.entry, reason);
                if self.decision == Decision::Closed {
                    session.entry.tell(Command::RateLimit);
                }
            }
        }
        seen
    }

    fn poll_read_allowed(&mut self, entry: &Entry, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        if direction == Direction::ServerToClient || self.decision != Decision::Delayed {
            return Poll::Ready(());
        }
        loop {
            if let Some(asleep) = &mut self.asleep {
                ready!(asleep.as_mut().poll(cx));
                self.asleep = None;
            }
            let now = clock::now();
            let Some((wait, reason)) = self.ahead(now) else {
                self.is_held = false;
                return Poll::Ready(());
            };
            if !self.is_held {
                self.is_held = true;
                self.count(entry, reason);
            }
            // One who is not read is not silent.
            entry.flow(direction).note(0, 0, now);
            self.asleep = Some(Box::pin(tokio::time::sleep(wait.min(ASLEEP_MAX))));
        }
    }

    fn accepted(&mut self, entry: &Entry, direction: Direction, messages: u64, seconds: f64) {
        self.wire.accepted(entry, direction, messages, seconds);
    }

    fn reached(&mut self, entry: &Entry, direction: Direction, reached: u64) {
        self.wire.reached(entry, direction, reached);
    }

    fn is_inside_message(&self, direction: Direction) -> bool {
        self.wire.is_inside_message(direction)
    }

    fn end_of_input(&self, leg: Leg, what: What) -> What {
        self.wire.end_of_input(leg, what)
    }

    fn count_broken(&self, entry: &Entry, leg: Leg, what: What) {
        self.wire.count_broken(entry, leg, what);
    }

    fn beat(&mut self, entry: &Entry, leg: Leg, offset: u64, at: Moment) -> Option<Bytes> {
        self.wire.beat(entry, leg, offset, at)
    }

    fn held(&self, direction: Direction) -> usize {
        self.wire.held(direction)
    }

    fn farewell(&self, leg: Leg, code: CloseCode) -> Farewell {
        self.wire.farewell(leg, code)
    }

    fn farewell_to_given_up(&self, leg: Leg, code: CloseCode) -> Farewell {
        self.wire.farewell_to_given_up(leg, code)
    }

    fn has_said_farewell(&self, leg: Leg) -> bool {
        self.wire.has_said_farewell(leg)
    }

    fn end(&mut self, session: &mut Session) {
        self.wire.end(session);
    }
}
