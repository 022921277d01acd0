//! How much one direction of a connection may carry in a time. Who passes it on asks first whether to go on, and says
//! afterwards what has come: that is never too much, it is made up for by waiting.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use guard::admission::Pace;
use model::{AdmissionReason, Decision, Direction, Moment};
use tokio::time::Sleep;

use crate::clock;
use crate::config::{LimitsConfig, WhenExceeded};
use crate::entry::{Command, Entry};

/// Longest time for which nobody hears of a direction that waits.
const ASLEEP_MAX: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Pacing {
    messages: Option<Pace>,
    bytes: Option<Pace>,
    /// What comes of one that is ahead.
    decision: Decision,
    /// While it waits.
    asleep: Option<Pin<Box<Sleep>>>,
    is_held: bool,
    /// It was told, or counted, once: nothing more comes of it.
    is_over: bool,
}

impl Pacing {
    /// As a route says; none where it says nothing.
    pub fn of(limits: &LimitsConfig) -> Option<Pacing> {
        if !limits.is_pacing() {
            return None;
        }
        // Full for long: the first bytes may have been read before they are judged.
        let pace = |rate| Pace::new(rate, Moment(0));
        let decision = match limits.when_exceeded {
            _ if limits.dry_run => Decision::WouldRefuse,
            WhenExceeded::Delay => Decision::Delayed,
            WhenExceeded::Close => Decision::Closed,
        };
        let (messages, bytes) = (limits.messages.map(pace), limits.bytes.map(pace));
        Some(Pacing { messages, bytes, decision, asleep: None, is_held: false, is_over: false })
    }

    /// Takes what has come. A connection that is ahead and is not to wait is told to end, or only counted.
    pub fn take(&mut self, entry: &Entry, messages: u64, bytes: u64, at: Moment) {
        if self.is_over {
            return;
        }
        self.messages.iter_mut().for_each(|pace| pace.take(messages, at));
        self.bytes.iter_mut().for_each(|pace| pace.take(bytes, at));
        if self.decision != Decision::Delayed
            && let Some((_, reason)) = self.ahead(at)
        {
            self.is_over = true;
            self.count(entry, reason);
            if self.decision == Decision::Closed {
                entry.tell(Command::RateLimit);
            }
        }
    }

    /// Whether more has come than may, so that what follows has to wait.
    pub fn is_to_wait(&self, now: Moment) -> bool {
        self.decision == Decision::Delayed && self.ahead(now).is_some()
    }

    /// How long it is until there is a token again.
    pub fn wait(&self, now: Moment) -> Duration {
        self.ahead(now).map_or(Duration::ZERO, |(wait, _)| wait)
    }

    /// Ready when `direction`, which this paces, may go on; else the task is woken once it may.
    pub fn poll_allowed(&mut self, entry: &Entry, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        if self.decision != Decision::Delayed {
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

    /// How far it is ahead, and of what.
    fn ahead(&self, now: Moment) -> Option<(Duration, AdmissionReason)> {
        let wait = |pace: Option<Pace>, reason| Some((pace?.wait(now)?, reason));
        let messages = wait(self.messages, AdmissionReason::Messages);
        messages.max(wait(self.bytes, AdmissionReason::Bytes))
    }

    fn count(&self, entry: &Entry, reason: AdmissionReason) {
        entry.route.meter.admissions.inc(self.decision, reason);
    }
}
