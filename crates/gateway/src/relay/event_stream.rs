//! The body of an event stream on a relay, framed as the upstream frames it (RFC 9112, section 6). An event ends with
//! the content that completes it, and with the framing behind that.

use bytes::Bytes;
use model::event::CloseCode;
use model::record::What;
use model::recording::Happening;
use model::{Direction, ErrorType, Leg, Moment};
use observe::body::Body;

use super::MessageEnd;
use super::wire::{Farewell, Read, Seen, Wire, push_end};
use crate::clock;
use crate::entry::Entry;
use crate::events::Events;
use crate::generation::Generated;
use crate::session::Session;
use crate::worker;

/// See the module.
#[derive(Debug)]
pub struct EventBody {
    body: Body,
    events: Events,
    generated: Generated,
}

impl EventBody {
    /// From the first byte behind the answer's head.
    pub fn new(body: Body, events: Events) -> EventBody {
        EventBody { body, events, generated: Generated::default() }
    }
}

impl Wire for EventBody {
    const IS_ONE_WAY: bool = true;

    fn observe(&mut self, session: &mut Session, read: &Read<'_>, ends: &mut Vec<MessageEnd>) -> Seen {
        let &Read { direction, bytes, offset, at } = read;
        if direction == Direction::ClientToServer {
            return Seen { bytes: 0, messages: 0, carried: 0, instead: None, end: None };
        }
        let (entry, events, generated) = (&session.entry, &mut self.events, &mut self.generated);
        let (mut content_bytes, mut messages, mut is_last_complete) = (0, 0, false);
        let taken = self.body.read(bytes, &mut |content, end| {
            let complete =
                events.look(content, at, entry, generated, |what: &Happening| entry.note(at, what));
            (0..complete).for_each(|_| push_end(ends, offset + end as u64));
            content_bytes += content.len() as u64;
            messages += complete;
            is_last_complete = complete > 0;
        });
        if let (Ok(taken), true, Some(last)) = (taken, is_last_complete, ends.last_mut()) {
            last.at = offset + taken as u64;
        }
        let end = match taken {
            Err(_) => Some(What::BodyTruncated),
            Ok(_) if self.body.is_over() => Some(What::BodyEnd),
            Ok(_) => None,
        };
        Seen { bytes: content_bytes, messages, carried: taken.unwrap_or(bytes.len()), instead: None, end }
    }

    fn accepted(&mut self, entry: &Entry, _: Direction, messages: u64, seconds: f64) {
        let cells = &entry.route.meter.shard(worker::index()).sse;
        cells.delay_seconds.observe_n(seconds, messages);
        self.generated.accepted(messages, clock::wall, cells);
    }

    fn reached(&mut self, _: &Entry, _: Direction, _: u64) {}

    fn is_inside_message(&self, direction: Direction) -> bool {
        direction == Direction::ServerToClient && self.events.is_inside_event()
    }

    fn end_of_input(&self, leg: Leg, what: What) -> What {
        match (leg, what) {
            (Leg::Upstream, What::Fin) if self.body.may_end() => What::BodyEnd,
            (Leg::Upstream, What::Fin) => What::BodyTruncated,
            _ => what,
        }
    }

    fn count_broken(&self, entry: &Entry, leg: Leg, what: What) {
        if leg == Leg::Upstream && what != What::BodyEnd {
            entry.route.meter.shard(worker::index()).sse.errors.inc(ErrorType::IoUpstream);
        }
    }

    fn beat(&mut self, entry: &Entry, leg: Leg, _: u64, at: Moment) -> Option<Bytes> {
        if leg == Leg::Upstream || !self.events.is_between_events() {
            return None;
        }
        let comment = self.body.comment()?;
        entry.note(at, &Happening::Comment);
        entry.route.meter.shard(worker::index()).sse.heartbeats_sent.inc();
        Some(Bytes::from_static(comment))
    }

    fn farewell(&self, leg: Leg, _: CloseCode) -> Farewell {
        match (leg, self.body.last_words()) {
            (Leg::Upstream, _) => Farewell::Nothing,
            (Leg::Client, Some(words)) => Farewell::Say(Bytes::from_static(words)),
            (Leg::Client, None) => Farewell::Later,
        }
    }

    fn has_said_farewell(&self, _: Leg) -> bool {
        true
    }

    fn end(&mut self, session: &mut Session) {
        session.event_stream_over(&mut self.events);
    }
}
