//! Runs a plan on this thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use atomic_waker::AtomicWaker;
use model::Moment;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::exchange::Exchange;
use super::schedule::{Beat, Lane};
use super::tally::Tally;
use super::{Plan, Share, Work};
use crate::alarm::Alarm;
use crate::clock;
use crate::failure::{Failure, Kind};
use crate::session::{Client, Opened};

/// Handshakes at a time.
const HANDSHAKES_MAX: usize = 256;

/// How often a part is handed over, and how exactly the patience for answers is kept.
const TICK: Duration = Duration::from_secs(1);

const NEVER: u64 = u64::MAX;

/// What was seen since the part before.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// Sessions that are open now.
    pub open: u32,
    /// Most of them at a time.
    pub open_max: u32,
    /// What was seen.
    pub tally: Tally,
    /// Time since the run began.
    pub since_start: Duration,
    /// The measured time so far, without the warm-up; in the last part, all of it.
    pub measured: Duration,
}

/// Runs `plan` to its end, or until `stopped`, and hands each second's part to `on_part`, and the last one.
pub async fn run<C: Client>(
    client: C,
    plan: Plan,
    stopped: impl Future<Output = ()>,
    mut on_part: impl FnMut(Part),
) {
    let shared = Arc::new(Shared::new(plan));
    let client = Arc::new(client);
    let mut sessions = JoinSet::new();
    for number in 0..shared.plan.connections {
        sessions.spawn(keep_open(Arc::clone(&shared), Arc::clone(&client), number));
    }
    let pacer = tokio::spawn(pace(Arc::clone(&shared)));
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let end = tokio::time::sleep(shared.plan.stop.duration.unwrap_or(Duration::MAX / 4) + shared.plan.warmup);
    let grace = shared.plan.timeout + 2 * TICK;
    let mut latest_end = None;
    tokio::pin!(stopped, end);
    loop {
        tokio::select! {
            joined = sessions.join_next() => if joined.is_none() { break },
            _ = ticks.tick() => {
                on_part(shared.part(false));
                shared.wake_late();
            }
            () = &mut end, if !shared.is_over() => shared.finish(),
            () = &mut stopped, if !shared.is_over() => shared.finish(),
        }
        let now = clock::now();
        if shared.is_over() && now > *latest_end.get_or_insert(now + grace) {
            break;
        }
    }
    pacer.abort();
    sessions.shutdown().await;
    on_part(shared.part(true));
}

/// What all sessions have in common.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) tally: Mutex<Tally>,
    /// Messages that may still be counted.
    pub(super) messages: Budget,
    /// Handshakes that were begun or wait for their turn.
    handshakes: AtomicU64,
    slots: Vec<Slot>,
    open: AtomicU32,
    open_max: AtomicU32,
    began: Moment,
    measured_from: Moment,
    /// When it was over, in nanoseconds; `NEVER` before.
    over_at: AtomicU64,
    is_over: AtomicBool,
    over: Notify,
    opening: Semaphore,
}

impl Shared {
    fn new(plan: Plan) -> Shared {
        let began = clock::now();
        Shared {
            tally: Mutex::default(),
            messages: Budget::new(plan.stop.messages),
            handshakes: AtomicU64::new(0),
            slots: (0..plan.connections).map(|_| Slot::default()).collect(),
            open: AtomicU32::new(0),
            open_max: AtomicU32::new(0),
            began,
            measured_from: began + plan.warmup,
            over_at: AtomicU64::new(NEVER),
            is_over: AtomicBool::new(false),
            over: Notify::new(),
            opening: Semaphore::new(HANDSHAKES_MAX),
            plan,
        }
    }

    /// Whether what was meant for this time is counted.
    pub(super) fn is_measured(&self, at: Moment) -> bool {
        at >= self.measured_from
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    /// The number of the next handshake, if there is to be one.
    fn next_handshake(&self) -> Option<u64> {
        let number = self.handshakes.fetch_add(1, Relaxed);
        let is_wanted = self.plan.stop.handshakes.is_none_or(|limit| number < limit);
        (is_wanted && !self.is_over() && !self.messages.is_spent()).then_some(number)
    }

    /// Time is over: nothing more is sent.
    pub(super) fn finish(&self) {
        if !self.is_over.swap(true, Relaxed) {
            self.over_at.store(clock::now().0, Relaxed);
            self.over.notify_waiters();
            self.slots.iter().for_each(|slot| slot.waker.wake());
        }
    }

    /// Wakes the sessions that have waited for an answer for too long.
    fn wake_late(&self) {
        let now = clock::now();
        let is_late = |slot: &&Slot| {
            let oldest = slot.oldest.load(Relaxed);
            oldest != NEVER && now.since(Moment(oldest)) > self.plan.timeout
        };
        self.slots.iter().filter(is_late).for_each(|slot| slot.waker.wake());
    }

    fn part(&self, is_last: bool) -> Part {
        let now = clock::now();
        let tally = self.tally.lock().take();
        let over_at = self.over_at.load(Relaxed);
        let until = if over_at == NEVER { now } else { Moment(over_at) };
        // Without a sign from outside it is over with the last thing that was counted.
        let until = if is_last && over_at == NEVER { tally.newest } else { until };
        Part {
            open: self.open.load(Relaxed),
            open_max: self.open_max.load(Relaxed),
            tally,
            since_start: now.since(self.began),
            measured: until.since(self.measured_from),
        }
    }
}

/// How often something may still be done.
pub(super) struct Budget(Option<AtomicU64>);

impl Budget {
    fn new(limit: Option<u64>) -> Budget {
        Budget(limit.map(AtomicU64::new))
    }

    /// Takes one, if there is one left.
    pub(super) fn take(&self) -> bool {
        let Some(left) = &self.0 else { return true };
        left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.as_ref().is_some_and(|left| left.load(Relaxed) == 0)
    }
}

/// One session's place, seen by those who wake it.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) waker: AtomicWaker,
    oldest: Oldest,
}

/// When the oldest message without an answer was meant to be sent, in nanoseconds.
struct Oldest(AtomicU64);

impl Default for Oldest {
    fn default() -> Oldest {
        Oldest(AtomicU64::new(NEVER))
    }
}

impl std::ops::Deref for Oldest {
    type Target = AtomicU64;

    fn deref(&self) -> &AtomicU64 {
        &self.0
    }
}

impl Slot {
    pub(super) fn note_oldest(&self, meant_at: Option<Moment>) {
        self.oldest.store(meant_at.map_or(NEVER, |at| at.0), Relaxed);
    }
}

/// Keeps one session open to the end.
async fn keep_open<C: Client>(shared: Arc<Shared>, client: Arc<C>, number: u32) {
    while let Some(handshake) = shared.next_handshake() {
        if let Some(ramp) = shared.plan.ramp {
            let ahead = Beat::new(shared.began, ramp).at(handshake).since(clock::now());
            tokio::select! {
                () = tokio::time::sleep(ahead) => {}
                () = shared.over.notified() => return,
            }
        }
        let has_ended_well = work(&shared, &*client, number, handshake).await;
        let may_fail = shared.plan.stop.handshakes.is_some();
        if shared.plan.messages_each.is_none() || !has_ended_well && !may_fail {
            return;
        }
    }
}

/// One session; false when it did not end as it should.
async fn work<C: Client>(shared: &Shared, client: &C, number: u32, handshake: u64) -> bool {
    let Share { part, parts } = shared.plan.share;
    let source = handshake * u64::from(parts) + u64::from(part);
    let limit = shared.plan.timeout;
    let opened = {
        let _turn = shared.opening.acquire().await;
        if shared.is_over() {
            return true;
        }
        tokio::time::timeout(limit, client.open(source))
            .await
            .unwrap_or_else(|_| Err(Failure::new(Kind::Timeout, format!("no handshake within {limit:?}"))))
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            let mut tally = shared.tally.lock();
            tally.handshake_errors.add(&failure);
            tally.newest = clock::now();
            return false;
        }
    };
    shared.note_opened(&opened);
    let lane = match shared.plan.work {
        Work::EchoOpen(rate) => {
            let beat = Beat::new(shared.began, rate);
            Some(Lane::new(beat, number.into(), shared.plan.connections.into(), clock::now()))
        }
        Work::EchoClosed | Work::Push => None,
    };
    let slot = &shared.slots[number as usize];
    let ended = Exchange::new(shared, slot, opened.session, lane).run().await;
    shared.open.fetch_sub(1, Relaxed);
    if let Err(failure) = &ended {
        shared.tally.lock().errors.add(failure);
    }
    ended.is_ok()
}

impl Shared {
    fn note_opened<S>(&self, opened: &Opened<S>) {
        let open = self.open.fetch_add(1, Relaxed) + 1;
        self.open_max.fetch_max(open, Relaxed);
        let mut tally = self.tally.lock();
        tally.handshakes += 1;
        if let Some(answer) = opened.answer {
            tally.answer.record(answer);
        }
        tally.newest = clock::now();
        if let Some(stages) = opened.stages {
            tally.tcp.record(stages.tcp);
            if let Some(tls) = stages.tls {
                tally.tls.record(tls);
            }
        }
    }
}

/// Wakes sessions in the open loop when their messages are due.
async fn pace(shared: Arc<Shared>) {
    let Work::EchoOpen(rate) = shared.plan.work else { return };
    let mut alarm = match Alarm::new() {
        Ok(alarm) => alarm,
        Err(error) => {
            shared.tally.lock().errors.add(&error.into());
            return shared.finish();
        }
    };
    let beat = Beat::new(shared.began, rate);
    let connections = u64::from(shared.plan.connections);
    let mut number = 0;
    while !shared.is_over() {
        if let Err(error) = alarm.wait_until(beat.at(number)).await {
            shared.tally.lock().errors.add(&error.into());
            return shared.finish();
        }
        let next = beat.first_from(clock::now() + Duration::from_nanos(1));
        // A session that is woken sends all that is due: one turn of all sessions suffices.
        for turn in number.max(next.saturating_sub(connections))..next {
            shared.slots[usize::try_from(turn % connections).unwrap_or_default()].waker.wake();
        }
        number = next;
        tokio::task::yield_now().await;
    }
}
