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
    /// How fast they are opened; at once without it, a bounded number at a time.
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
