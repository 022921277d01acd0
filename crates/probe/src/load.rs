//! Load: many sessions on a schedule, and what they saw.
//!
//! Three values say what is done, and none depends on another: the [`schedule`] (when connections are opened and
//! when messages are sent), the [`Stop`] (when it is over) and the client (what is spoken). [`run`] joins them; it
//! counts into a [`tally`], whose parts of different seconds and processes add up.
//!
//! In the open loop a message has a time at which it is meant to be sent, and its latency is measured from that
//! time: what waits because the service is slow counts as the service's, not as the generator's (coordinated
//! omission). In the closed loop a connection sends its next message when the answer is there, so that a slow
//! service gets less load.

mod exchange;
pub mod fail_if;
pub mod gather;
pub mod processes;
pub mod report;
mod run;
pub mod schedule;
pub mod tally;

use std::time::Duration;

pub use run::{Part, run};
use schedule::Rate;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Sessions that are open at a time.
    pub connections: u32,
    /// How fast connections are opened, also those in the place of others; without it as soon as possible, a bounded
    /// number at a time.
    pub ramp: Option<Rate>,
    /// What a session does.
    pub work: Work,
    /// When it is over.
    pub stop: Stop,
    /// Messages of this first time are sent but not counted.
    pub warmup: Duration,
    /// Longest time for a handshake and for an answer.
    pub timeout: Duration,
    /// A session is closed after so many messages, and another one opened in its place.
    pub messages_each: Option<u64>,
    /// Which part of the whole this is.
    pub share: Share,
}

impl Plan {
    /// The part of this plan that one of several processes does. The parts together do all of it.
    #[must_use]
    pub fn part(&self, share: Share) -> Plan {
        let rate = |rate: Rate| rate.share(share.of(self.connections.into()) as u32, self.connections);
        Plan {
            connections: u32::try_from(share.of(self.connections.into())).expect("not more than the whole"),
            ramp: self.ramp.map(rate),
            work: match self.work {
                Work::EchoOpen(whole) => Work::EchoOpen(rate(whole)),
                same @ (Work::EchoClosed | Work::Push) => same,
            },
            stop: Stop {
                duration: self.stop.duration,
                messages: self.stop.messages.map(|messages| share.of(messages)),
                handshakes: self.stop.handshakes.map(|handshakes| share.of(handshakes)),
            },
            share,
            ..self.clone()
        }
    }
}

/// One of several parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its number, counted from 0.
    pub part: u32,
    /// How many there are.
    pub parts: u32,
}

impl Share {
    /// All of it.
    pub const WHOLE: Share = Share { part: 0, parts: 1 };

    fn of(self, whole: u64) -> u64 {
        let (part, parts) = (u64::from(self.part), u64::from(self.parts));
        whole / parts + u64::from(part < whole % parts)
    }
}

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Sends, and expects an answer to each message; the next message is sent when it is there.
    EchoClosed,
    /// Sends at this rate, of all sessions together, and expects an answer to each message.
    EchoOpen(Rate),
    /// Sends nothing and takes what comes.
    Push,
}

/// When it is over: at what comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// So long after the warm-up.
    pub duration: Option<Duration>,
    /// Messages that are counted.
    pub messages: Option<u64>,
    /// Handshakes, those that fail included.
    pub handshakes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        let plan = Plan {
            connections: 10,
            ramp: Some("100".parse().expect("a rate")),
            work: Work::EchoOpen("1000".parse().expect("a rate")),
            stop: Stop { duration: None, messages: Some(1001), handshakes: Some(2) },
            warmup: Duration::ZERO,
            timeout: Duration::ZERO,
            messages_each: None,
            share: Share::WHOLE,
        };
        let parts: Vec<Plan> = (0..3).map(|part| plan.part(Share { part, parts: 3 })).collect();
        let numbers = |of: fn(&Plan) -> f64| parts.iter().map(of).collect::<Vec<_>>();
        assert_eq!(numbers(|plan| plan.connections.into()), [4.0, 3.0, 3.0]);
        assert_eq!(numbers(|plan| plan.stop.messages.expect("some") as f64), [334.0, 334.0, 333.0]);
        assert_eq!(numbers(|plan| plan.stop.handshakes.expect("some") as f64), [1.0, 1.0, 0.0]);
        assert_eq!(numbers(|plan| plan.ramp.expect("a ramp").as_f64()), [40.0, 30.0, 30.0]);
        let rate = |plan: &Plan| match plan.work {
            Work::EchoOpen(rate) => rate.as_f64(),
            _ => 0.0,
        };
        assert_eq!(numbers(rate), [400.0, 300.0, 300.0]);
    }
}
