//! The signs of life that the gateway gives on one connection: what its judge knows of each leg, and what its task is
//! asked to send.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use guard::heartbeat::{Beat, Heartbeat, HeartbeatConfig, Signs};
use model::{Leg, Moment, PerLeg, Protocol};

use crate::entry::Flow;

const NEVER: u64 = u64::MAX;

/// See the module. Written by the connection's task, but for what is due.
#[derive(Debug)]
pub struct Beats {
    heartbeat: Heartbeat,
    legs: PerLeg<Sent>,
}

/// Signs of life towards one leg.
#[derive(Debug)]
struct Sent {
    is_on: bool,
    is_answered: bool,
    is_due: AtomicBool,
    is_given_up: AtomicBool,
    first_unanswered: AtomicU64,
    last: AtomicU64,
    answered: AtomicU64,
    /// When anything was last read of a connection that carries other streams too.
    shared: OnceLock<Arc<AtomicU64>>,
}

impl Beats {
    /// Those of a connection of `protocol`; `seed` is random. None where the protocol has none in the configured direction:
    /// an event stream towards the upstream.
    pub fn new(config: &HeartbeatConfig, protocol: Protocol, seed: u64) -> Option<Box<Beats>> {
        let heartbeat = Heartbeat::new(config, seed);
        let legs = PerLeg::from_fn(|leg| Sent {
            is_on: heartbeat.is_towards(leg) && (protocol != Protocol::Sse || leg == Leg::Client),
            is_answered: protocol != Protocol::Sse,
            is_due: AtomicBool::new(false),
            is_given_up: AtomicBool::new(false),
            first_unanswered: AtomicU64::new(NEVER),
            last: AtomicU64::new(NEVER),
            answered: AtomicU64::new(0),
            shared: OnceLock::new(),
        });
        (legs.client.is_on || legs.upstream.is_on).then(|| Box::new(Beats { heartbeat, legs }))
    }

    /// What is to be done for `leg` at `now`; `heard` is what is read from it, `told` what it is sent. None where it is
    /// sent nothing.
    pub fn judge(&self, leg: Leg, heard: &Flow, told: &Flow, now: Moment) -> Option<Beat> {
        let sent = self.on(leg)?;
        let answered = sent.answered();
        let signs = Signs {
            heard: sent.is_answered.then(|| heard.last_byte().max(answered)),
            told: told.last_byte(),
            asked: known(&sent.first_unanswered),
            last_asked: known(&sent.last),
        };
        Some(self.heartbeat.judge(&signs, now))
    }

    /// A sign of life is to be sent.
    pub fn set_due(&self, leg: Leg) {
        self.legs[leg].is_due.store(true, Relaxed);
    }

    /// Whether one is to be sent.
    pub fn is_due(&self, leg: Leg) -> bool {
        self.legs[leg].is_due.load(Relaxed)
    }

    /// One was sent; `heard` is what is read from that leg.
    pub fn sent(&self, leg: Leg, heard: &Flow, now: Moment) {
        let sent = &self.legs[leg];
        let answered = sent.answered().max(heard.last_byte());
        if known(&sent.first_unanswered).is_none_or(|first| first <= answered) {
            sent.first_unanswered.store(now.0, Relaxed);
        }
        sent.last.store(now.0, Relaxed);
        sent.is_due.store(false, Relaxed);
    }

    /// The leg is a stream of a connection of which something was last read at `heard`.
    pub fn share(&self, leg: Leg, heard: &Arc<AtomicU64>) {
        self.legs[leg].shared.get_or_init(|| Arc::clone(heard));
    }

    /// The answer to one was read.
    pub fn answered(&self, leg: Leg, now: Moment) {
        self.legs[leg].answered.store(now.0, Relaxed);
    }

    /// The peer on `leg` is given up.
    pub fn give_up(&self, leg: Leg) {
        self.legs[leg].is_given_up.store(true, Relaxed);
    }

    /// The peer that is given up.
    pub fn given_up(&self) -> Option<Leg> {
        [Leg::Client, Leg::Upstream].into_iter().find(|&leg| self.legs[leg].is_given_up.load(Relaxed))
    }

    fn on(&self, leg: Leg) -> Option<&Sent> {
        Some(&self.legs[leg]).filter(|sent| sent.is_on)
    }
}

impl Sent {
    /// When something was last read that is no byte of the connection's.
    fn answered(&self) -> Moment {
        let shared = self.shared.get().map_or(0, |heard| heard.load(Relaxed));
        Moment(self.answered.load(Relaxed).max(shared))
    }
}

fn known(at: &AtomicU64) -> Option<Moment> {
    let at = at.load(Relaxed);
    (at != NEVER).then_some(Moment(at))
}
