//! Recordings of connections, open or closed, as the admin API shows them: what their recorders have kept, between
//! the handshake and the end, which are known without one.

use std::sync::Arc;
use std::time::Duration;

use model::ports::{Connections as _, Recordings};
use model::record::{CloseRecord, Handshake, What};
use model::recording::{Happening, Recorded, Recording};
use model::{ConnectionId, WallTime};
use observe::recorder::Tape;

use crate::entry::Entry;
use crate::registry::Registry;

impl Recordings for Registry {
    fn recording(&self, id: ConnectionId) -> Option<Recording> {
        // In this order: a connection that closes in between is found among the closed ones.
        self.entry(id).map(|entry| of_open(&entry)).or_else(|| {
            let record = self.closed_one(id)?;
            Some(of_closed(&record, &self.flights.tape(id).unwrap_or_default()))
        })
    }
}

fn of_open(entry: &Entry) -> Recording {
    let mut events = Events::new(entry.established_at, entry.flight.handshake);
    events.play(&entry.flight.tape());
    Recording {
        id: entry.id,
        protocol: entry.protocol,
        upstream: Some(Arc::clone(&entry.upstream)),
        established_at: entry.established_at,
        events: events.list,
    }
}

fn of_closed(record: &CloseRecord, tape: &Tape) -> Recording {
    let Handshake { result, status, seconds, .. } = record.handshake;
    let established_at = record.opened_at + Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let mut events = Events::new(established_at, Happening::Handshake { result, status, seconds });
    events.play(tape);
    let has_cause = |event: &Recorded| matches!(event.what, Happening::Cause { .. });
    if !events.list.iter().any(has_cause) {
        for cause in record.causes.iter().filter(|cause| cause.what != What::CloseFrame) {
            events.add(cause.at, Happening::Cause { leg: cause.leg, what: cause.what });
        }
    }
    if let (Some(initiator), Some(reason)) = (record.initiator, record.reason) {
        events.add(record.closed_at, Happening::End { initiator, reason });
    }
    Recording {
        id: record.id,
        protocol: record.protocol,
        upstream: record.upstream.clone(),
        established_at,
        events: events.list,
    }
}

/// Events in the making.
struct Events {
    established_at: WallTime,
    next: u64,
    list: Vec<Recorded>,
}

impl Events {
    fn new(established_at: WallTime, handshake: Happening) -> Events {
        let mut events = Events { established_at, next: 0, list: Vec::new() };
        events.add(established_at, handshake);
        events
    }

    /// What the recorder has noted stands behind the handshake.
    fn play(&mut self, tape: &Tape) {
        for (number, after, what) in tape.iter() {
            let (number, at) = (number + 1, self.established_at + after);
            self.list.push(Recorded { number, at, after_seconds: after.as_secs_f64(), what });
        }
        self.next += tape.noted();
    }

    fn add(&mut self, at: WallTime, what: Happening) {
        let after = Duration::from_nanos(at.0.saturating_sub(self.established_at.0));
        self.list.push(Recorded { number: self.next, at, after_seconds: after.as_secs_f64(), what });
        self.next += 1;
    }
}
