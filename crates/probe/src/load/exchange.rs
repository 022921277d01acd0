//! One session at work: sends what is due, takes what comes, and counts.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use model::Moment;

use super::Work;
use super::run::{Shared, Slot};
use super::schedule::Lane;
use super::tally::Tally;
use crate::clock;
use crate::failure::{Failure, Kind};
use crate::session::{Received, Session};
use crate::stamp;

/// Messages of one connection that may be without an answer in the open loop. Beyond that, sending waits; the
/// latency is still measured from the time at which a message was meant to be sent.
const OUTSTANDING_MAX: usize = 65_536;

/// See the module.
pub(super) struct Exchange<'a, S> {
    shared: &'a Shared,
    slot: &'a Slot,
    session: S,
    ledger: Ledger,
    /// This session's times in the open loop.
    lane: Option<Lane>,
    /// When the message that is being sent was meant to be sent.
    sending: Option<Moment>,
    /// Messages that may still be sent, or received when none is sent.
    left: u64,
}

/// What must be remembered to judge what comes.
struct Ledger {
    /// When the messages without an answer were meant to be sent, oldest first.
    outstanding: VecDeque<Moment>,
    /// When a message was received last.
    received_at: Option<Moment>,
}

impl<'a, S: Session> Exchange<'a, S> {
    pub(super) fn new(shared: &'a Shared, slot: &'a Slot, session: S, lane: Option<Lane>) -> Self {
        Exchange {
            shared,
            slot,
            session,
            ledger: Ledger { outstanding: VecDeque::new(), received_at: None },
            lane,
            sending: None,
            left: shared.plan.messages_each.unwrap_or(u64::MAX),
        }
    }

    /// Works until it is over, and closes the session.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let outcome = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.slot.note_oldest(None);
        self.shared.tally.lock().unanswered += self.ledger.outstanding.len() as u64;
        if outcome.is_ok() {
            self.session.close().await;
        }
        outcome
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.slot.waker.register(cx.waker());
        loop {
            self.send_what_is_due(cx)?;
            if self.is_done() {
                return Poll::Ready(Ok(()));
            }
            self.check_patience()?;
            let (shared, ledger, left) = (self.shared, &mut self.ledger, &mut self.left);
            let mut on = |received: Received<'_>| match shared.plan.work {
                Work::EchoClosed | Work::EchoOpen(_) => ledger.take_answer(shared, received),
                Work::Push => ledger.take_pushed(shared, received, left),
            };
            ready!(self.session.poll_receive(cx, &mut on))?;
            self.slot.note_oldest(self.ledger.outstanding.front().copied());
        }
    }

    fn send_what_is_due(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        while let Some(meant_at) = self.sending.or_else(|| self.next_due()) {
            self.sending = Some(meant_at);
            match self.session.poll_send(cx) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => break,
            }
            self.sending = None;
            if self.ledger.outstanding.is_empty() {
                self.slot.note_oldest(Some(meant_at));
            }
            self.ledger.outstanding.push_back(meant_at);
            if self.shared.is_measured(meant_at) {
                self.shared.tally.lock().sent += 1;
            }
        }
        Ok(())
    }

    /// When the next message was meant to be sent, if that is now or has passed.
    fn next_due(&mut self) -> Option<Moment> {
        if self.left == 0 || self.shared.is_over() {
            return None;
        }
        let now = clock::now();
        let due = match (self.shared.plan.work, &self.lane) {
            (Work::Push, _) => None,
            (_, Some(lane)) => {
                Some(lane.next()).filter(|&at| at <= now && self.ledger.outstanding.len() < OUTSTANDING_MAX)
            }
            (_, None) => self.ledger.outstanding.is_empty().then_some(now),
        }?;
        if self.shared.is_measured(due) && !self.shared.messages.take() {
            self.left = 0;
            return None;
        }
        self.left -= 1;
        if let Some(lane) = &mut self.lane {
            lane.advance();
        }
        Some(due)
    }

    fn is_done(&self) -> bool {
        let is_idle = self.sending.is_none() && self.ledger.outstanding.is_empty();
        is_idle && (self.left == 0 || self.shared.is_over())
    }

    fn check_patience(&self) -> Result<(), Failure> {
        let oldest = self.ledger.outstanding.front().copied().or(self.sending);
        let limit = self.shared.plan.timeout;
        match oldest {
            Some(oldest) if clock::now().since(oldest) > limit => {
                Err(Failure::new(Kind::Timeout, format!("no answer within {limit:?}")))
            }
            _ => Ok(()),
        }
    }
}

impl Ledger {
    fn take_answer(&mut self, shared: &Shared, received: Received<'_>) {
        // Whoever says more than it was asked for has its surplus left out.
        let Some(meant_at) = self.outstanding.pop_front() else { return };
        if shared.is_measured(meant_at) {
            let now = clock::now();
            let mut tally = shared.tally.lock();
            tally.latency.record(now.since(meant_at));
            self.count(&mut tally, received, now);
        }
    }

    fn take_pushed(&mut self, shared: &Shared, received: Received<'_>, left: &mut u64) {
        let now = clock::now();
        if *left == 0 || !shared.is_measured(now) || shared.is_over() {
            return;
        }
        if !shared.messages.take() {
            return;
        }
        *left -= 1;
        let made_at = stamp::find(received.beginning);
        let mut tally = shared.tally.lock();
        if let Some(made_at) = made_at {
            // Negative only when the producer's clock is ahead.
            tally.delivery.record(Duration::from_nanos(clock::wall().0.saturating_sub(made_at.0)));
        }
        self.count(&mut tally, received, now);
        drop(tally);
        if shared.messages.is_spent() {
            shared.finish();
        }
    }

    fn count(&mut self, tally: &mut Tally, received: Received<'_>, now: Moment) {
        tally.received += 1;
        tally.received_bytes += received.bytes;
        tally.newest = now;
        if let Some(before) = self.received_at.replace(now) {
            tally.gap.record(now.since(before));
        }
    }
}
