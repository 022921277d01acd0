//! A wire of which one direction may carry so much in a time: what the client of a WebSocket sends, and what is sent to the
//! client of an event stream. It is not read while it is ahead of that, or its connection ends.

use std::task::{Context, Poll};

use bytes::Bytes;
use model::event::CloseCode;
use model::record::What;
use model::{Direction, Leg, Moment};

use super::MessageEnd;
use super::wire::{Farewell, Read, Seen, Wire};
use crate::config::LimitsConfig;
use crate::entry::Entry;
use crate::pacing::Pacing;
use crate::session::Session;

/// See the module.
#[derive(Debug)]
pub struct Paced<W> {
    wire: W,
    pacing: Pacing,
}

impl<W: Wire> Paced<W> {
    const DIRECTION: Direction =
        if W::IS_ONE_WAY { Direction::ServerToClient } else { Direction::ClientToServer };

    /// Paces a wire as a route says; gives it back where the route says nothing.
    pub fn of(wire: W, limits: &LimitsConfig) -> Result<Paced<W>, W> {
        match Pacing::of(limits) {
            Some(pacing) => Ok(Paced { wire, pacing }),
            None => Err(wire),
        }
    }
}

impl<W: Wire> Wire for Paced<W> {
    const IS_ONE_WAY: bool = W::IS_ONE_WAY;

    fn observe(&mut self, session: &mut Session, read: &Read<'_>, ends: &mut Vec<MessageEnd>) -> Seen {
        let seen = self.wire.observe(session, read, ends);
        if read.direction == Self::DIRECTION {
            self.pacing.take(&session.entry, seen.messages, seen.bytes, read.at);
        }
        seen
    }

    fn poll_read_allowed(&mut self, entry: &Entry, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        if direction == Self::DIRECTION {
            self.pacing.poll_allowed(entry, direction, cx)
        } else {
            Poll::Ready(())
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
