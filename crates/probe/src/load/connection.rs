//! One connection of a load: opened, driven by the schedule, and closed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::Shared;
use super::schedule::{Arrivals, Slots, TIMER_GRAIN, counts_from};
use crate::error::ErrorKind;
use crate::session::{self, Session};

/// Time allowed for a goodbye.
pub const GOODBYE_TIME: Duration = Duration::from_secs(1);

/// Messages of one connection that wait for their answers, at most; behind them, due ones wait and keep their time.
const OUTSTANDING_MAX: usize = 1024;

/// Longer than any load.
const FAR: Duration = Duration::from_hours(24 * 365);

/// What all connections are at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// They are being opened.
    Connecting,
    /// Messages are sent, from then on.
    Loading(Instant),
    /// It is over.
    Stopped,
}

/// Opens the connection of this number, drives it to its end and counts what it meets.
pub async fn run(shared: Arc<Shared>, number: usize, mut phase: watch::Receiver<Phase>) {
    let plan = &shared.plan;
    let opened = session::open(&plan.dialer, &plan.spec, number).await;
    match &opened {
        Ok((_, stages)) => shared.results.lock().opened(*stages),
        Err(kind) => shared.results.lock().not_opened(*kind),
    }
    shared.untried.done();
    let Ok((session, _)) = opened else { return shared.busy.done() };
    let mut driver = Driver {
        shared: &shared,
        session,
        number,
        load: None,
        is_resting: false,
        never: Instant::now() + FAR,
        outstanding: VecDeque::new(),
        arrived: Vec::new(),
    };
    let end = driver.drive(&mut phase).await;
    driver.settle(end);
    driver.rest();
    if end.is_ok() && driver.session.say_goodbye() {
        // A peer that does not answer it is left alone.
        let _ = timeout(GOODBYE_TIME, until_ended(driver.session)).await;
    }
}

async fn until_ended(mut session: Box<dyn Session>) {
    while poll_fn(|cx| session.poll_step(cx, &mut |_| ())).await.is_ok() {}
}

/// Since when messages are sent, and until when.
struct Load {
    began: Instant,
    /// No new message of a closed loop from here on.
    ends: Instant,
    /// No answer is waited for from here on.
    deadline: Instant,
    slots: Slots,
}

struct Driver<'a> {
    shared: &'a Shared,
    session: Box<dyn Session>,
    number: usize,
    /// None before it begins.
    load: Option<Load>,
    /// Nothing is left to do.
    is_resting: bool,
    /// Later than the end of any load.
    never: Instant,
    /// From when the messages without an answer count, oldest first.
    outstanding: VecDeque<Instant>,
    /// Stamps of the messages that came in this step.
    arrived: Vec<Option<SystemTime>>,
}

impl Driver<'_> {
    /// Sends and receives until all connections stop.
    async fn drive(&mut self, phase: &mut watch::Receiver<Phase>) -> Result<(), ErrorKind> {
        loop {
            match *phase.borrow_and_update() {
                Phase::Connecting => {}
                Phase::Loading(began) => self.load = Some(self.begin(began)),
                Phase::Stopped => return Ok(()),
            }
            self.work(pin!(phase.changed())).await?;
        }
    }

    fn begin(&self, began: Instant) -> Load {
        let plan = &self.shared.plan;
        let ends = began + plan.stop.after;
        let per_second = match plan.arrivals {
            Arrivals::Open { per_second } => per_second,
            Arrivals::Closed | Arrivals::Push => 0.0,
        };
        let messages = plan.stop.messages_max();
        let slots = Slots::new(self.number, plan.connections, per_second, plan.stop.after, messages);
        Load { began, ends, deadline: ends + plan.spec.timeout, slots }
    }

    /// Sends and receives in one phase. A connection with nothing left to do stays open until the others are done.
    async fn work(&mut self, mut changed: Pin<&mut impl Future>) -> Result<(), ErrorKind> {
        let mut timer = pin!(sleep_until(self.never));
        loop {
            let now = Instant::now();
            self.send_what_is_due(now);
            if self.is_done(now) {
                self.rest();
            }
            set(timer.as_mut(), self.wakes_at(now));
            let Driver { session, arrived, .. } = self;
            tokio::select! {
                biased;
                step = poll_fn(|cx| session.poll_step(cx, &mut |stamp| arrived.push(stamp))) => {
                    self.count_arrived();
                    step?;
                }
                () = &mut timer => {}
                _ = &mut changed => return Ok(()),
            }
        }
    }

    /// Tells once that nothing is left to do.
    fn rest(&mut self) {
        if !std::mem::replace(&mut self.is_resting, true) {
            self.shared.busy.done();
        }
    }

    fn can_send(&self) -> bool {
        !self.session.is_sending() && self.outstanding.len() < OUTSTANDING_MAX
    }

    fn send_what_is_due(&mut self, now: Instant) {
        if self.is_resting || !self.can_send() {
            return;
        }
        let Some(load) = &mut self.load else { return };
        let mut is_late = false;
        let counted_from = match self.shared.plan.arrivals {
            Arrivals::Push => return,
            Arrivals::Closed => {
                let is_time = (load.began..load.ends).contains(&now);
                let may = is_time && self.outstanding.is_empty() && self.shared.budget.take();
                may.then_some(now)
            }
            Arrivals::Open { .. } => {
                let sent = now.duration_since(load.began);
                let is_time = (load.began..load.deadline).contains(&now);
                load.slots.due().filter(|due| is_time && *due <= sent).map(|due| {
                    load.slots.advance();
                    is_late = sent - due > TIMER_GRAIN;
                    load.began + counts_from(due, sent)
                })
            }
        };
        if let Some(from) = counted_from {
            self.session.send();
            self.outstanding.push_back(from);
            let mut results = self.shared.results.lock();
            results.sent += 1;
            results.sent_late += u64::from(is_late);
        }
    }

    fn is_done(&self, now: Instant) -> bool {
        let Some(load) = &self.load else { return false };
        let is_all_answered = self.outstanding.is_empty();
        match self.shared.plan.arrivals {
            Arrivals::Push => false,
            _ if now >= load.deadline => true,
            // It would have sent if it could.
            Arrivals::Closed => is_all_answered && now >= load.began,
            Arrivals::Open { .. } => is_all_answered && load.slots.due().is_none(),
        }
    }

    fn wakes_at(&self, now: Instant) -> Instant {
        let Some(load) = &self.load else { return self.never };
        match (self.shared.plan.arrivals, load.slots.due()) {
            _ if self.is_resting => self.never,
            (Arrivals::Push, _) => self.never,
            _ if now < load.began => load.began,
            (Arrivals::Open { .. }, Some(due)) if self.can_send() => load.began + due,
            _ => load.deadline,
        }
    }

    fn count_arrived(&mut self) {
        if self.arrived.is_empty() {
            return;
        }
        let now = Instant::now();
        let is_push = self.shared.plan.arrivals == Arrivals::Push;
        let mut results = self.shared.results.lock();
        for stamp in self.arrived.drain(..) {
            let latency = if is_push {
                if !self.shared.budget.take() {
                    continue;
                }
                stamp.and_then(|stamp| SystemTime::now().duration_since(stamp).ok())
            } else {
                // A message that nobody asked for is no answer.
                let Some(from) = self.outstanding.pop_front() else { continue };
                Some(now.duration_since(from))
            };
            results.received += 1;
            if let Some(latency) = latency {
                results.latency.record(latency);
            }
        }
        results.last_received = Some(now.into_std());
        drop(results);
        if is_push && self.shared.budget.is_empty() {
            self.shared.budget_used.notify_one();
        }
    }

    /// Counts how it ended and what is left undone.
    fn settle(&self, end: Result<(), ErrorKind>) {
        let mut results = self.shared.results.lock();
        results.open -= 1;
        if let Err(kind) = end {
            results.error(kind, 1);
        }
        results.error(ErrorKind::Unanswered, self.outstanding.len() as u64);
        let is_over = self.load.as_ref().filter(|load| end.is_ok() && Instant::now() >= load.ends);
        let not_sent = is_over.map_or(0, |load| load.slots.left());
        results.error(ErrorKind::NotSent, not_sent);
    }
}

/// Sets a timer, if it is not set so.
fn set(timer: Pin<&mut Sleep>, at: Instant) {
    if timer.deadline() != at {
        timer.reset(at);
    }
}
