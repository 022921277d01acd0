//! The worker of one destination: does what its queue says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alert::delivery::{Delivery, DeliveryOutcome};
use alert::notice::Notice;
use meter::cells::{Histogram, Observed};
use meter::families::LATENCY_BOUNDS;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::queue::{Queue, Step};
use super::{Report, World};
use crate::channel::{Channel, Message};
use crate::outcome::{Outcome, Reason};

/// How long what is being told is waited for at the end.
const STOP_TIME: Duration = Duration::from_secs(2);

/// Longest sleep: clocks may be set.
const SLEEP_MAX: Duration = Duration::from_secs(10);

/// How often a message is tried to be taken back, and the time between.
const WITHDRAW_TRIES: u32 = 3;
const WITHDRAW_WAIT: Duration = Duration::from_secs(2);

/// Tells of what waits for one destination.
#[derive(Debug)]
pub(super) struct Worker {
    name: Arc<str>,
    channel: Channel,
    world: World,
    queue: Mutex<Queue>,
    came: Notify,
    seconds: Histogram,
    /// What was last told of in the log.
    trouble: Mutex<Option<&'static str>>,
}

/// Runs all workers until they are stopped.
pub(super) async fn run(workers: Vec<Arc<Worker>>, stopped: watch::Receiver<bool>) {
    let tasks: Vec<_> =
        workers.into_iter().map(|worker| tokio::spawn(worker.work(stopped.clone()))).collect();
    for task in tasks {
        if task.await.is_err() {
            tracing::error!("a worker of notifications panicked");
        }
    }
}

impl Worker {
    pub(super) fn new(name: Arc<str>, channel: Channel, world: World) -> Worker {
        let letters = world.mailbox.letters(&name);
        let queue = Queue::new(
            channel.traits(),
            channel.sends_resolved(),
            channel.can_withdraw(),
            letters,
            (world.now_ms)(),
        );
        Worker {
            name,
            channel,
            world,
            queue: Mutex::new(queue),
            came: Notify::new(),
            seconds: Histogram::new(LATENCY_BOUNDS),
            trouble: Mutex::new(None),
        }
    }

    pub(super) fn name(&self) -> Arc<str> {
        self.name.clone()
    }

    pub(super) fn kind(&self) -> &'static str {
        self.channel.kind()
    }

    pub(super) fn give(&self, notice: Notice) {
        let id = format!("msg_{:013x}{:013x}", self.random(), self.random());
        self.queue.lock().give(notice, id, self.now_ms());
        self.came.notify_one();
    }

    pub(super) fn withdraw(&self, group: &str) {
        self.queue.lock().withdraw(group);
        self.came.notify_one();
    }

    pub(super) fn take_back(&self, id: String) {
        self.queue.lock().take_back(id);
        self.came.notify_one();
    }

    /// How often what came of messages, and how many groups wait.
    pub(super) fn counts(&self) -> (Vec<(&'static str, &'static str, u64)>, u64) {
        let queue = self.queue.lock();
        let counts = queue.counts().iter().map(|((result, reason), count)| (*result, *reason, *count));
        (counts.collect(), queue.len() as u64)
    }

    pub(super) fn add_seconds_to(&self, total: &mut Observed) {
        self.seconds.add_to(total);
    }

    async fn work(self: Arc<Worker>, mut stopped: watch::Receiver<bool>) {
        loop {
            let step = self.queue.lock().poll(self.now_ms());
            self.settle().await;
            if *stopped.borrow() {
                return;
            }
            let wait = match step {
                Step::Send => {
                    if self.send(&mut stopped).await.is_none() {
                        return;
                    }
                    continue;
                }
                Step::Idle => None,
                Step::Until(at_ms) => {
                    Some(Duration::from_millis((at_ms - self.now_ms()).max(0).unsigned_abs()))
                }
            };
            tokio::select! {
                () = self.came.notified() => {}
                () = tokio::time::sleep(wait.unwrap_or(SLEEP_MAX).min(SLEEP_MAX)) => {}
                _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
            }
        }
    }

    /// None when it was stopped before there was an outcome.
    async fn send(&self, stopped: &mut watch::Receiver<bool>) -> Option<()> {
        let ((id, notices), tries) = {
            let queue = self.queue.lock();
            (queue.message(), queue.tries())
        };
        let at_ms = self.now_ms();
        let message = Message { id: &id, notices: &notices, at_ms, nonce: self.random() };
        let begun = Instant::now();
        let over = async {
            let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
            tokio::time::sleep(STOP_TIME).await;
        };
        let outcome = tokio::select! {
            outcome = self.channel.send(&message) => outcome,
            () = over => return None,
        };
        let seconds = begun.elapsed().as_secs_f64();
        self.seconds.observe(seconds);
        self.tell(&outcome);
        let next_at_ms = {
            let mut queue = self.queue.lock();
            queue.done(outcome.clone(), self.now_ms(), (self.world.chance)());
            queue.hold_until_ms()
        };
        let attempt = Delivery::of(&self.name, self.kind(), &notices, at_ms);
        let is_of_routes = notices.iter().all(|notice| notice.mark().is_none());
        let attempt = Delivery { tries, seconds, ..attempt };
        (self.world.attempted)(with_outcome(attempt, outcome, next_at_ms, is_of_routes));
        Some(())
    }

    /// Does what followed: reports, letters, what is taken back. A letter is forgotten after its report, so that a
    /// sudden end between them tells again rather than nothing, and what was answered is not told twice.
    async fn settle(&self) {
        let (reports, changes, withdrawals) = {
            let mut queue = self.queue.lock();
            (queue.reports(), queue.changes(), queue.withdrawals())
        };
        if !changes.is_empty() || !reports.is_empty() {
            let (world, name) = (self.world.clone(), self.name.clone());
            let settled = tokio::task::spawn_blocking(move || {
                // What follows from an answer is known before the letter is forgotten: else it would be told again.
                for (notice, told) in reports {
                    (world.report)(Report { destination: name.clone(), notice, told });
                }
                for (group, letter) in changes {
                    world.mailbox.keep(&name, &group, letter.as_deref());
                }
            });
            if settled.await.is_err() {
                tracing::error!("what came of a notification could not be kept");
            }
        }
        for id in withdrawals {
            self.cancel(&id).await;
        }
    }

    async fn cancel(&self, id: &str) {
        for _ in 0..WITHDRAW_TRIES {
            match self.channel.withdraw(id).await {
                None | Some(Outcome::Delivered { .. }) => return,
                // It is no more what can be taken back, such as a call that was made.
                Some(Outcome::Final { reason: Reason::BadRequest, .. }) => return,
                Some(Outcome::Final { detail, .. }) => {
                    return tracing::warn!(channel = %self.name, why = detail, "a message could not be taken back");
                }
                Some(Outcome::Retry { .. }) => tokio::time::sleep(WITHDRAW_WAIT).await,
            }
        }
        tracing::warn!(channel = %self.name, "a message could not be taken back");
    }

    /// One line for each change.
    fn tell(&self, outcome: &Outcome) {
        let (reason, detail) = match outcome {
            Outcome::Delivered { .. } => (None, ""),
            Outcome::Retry { reason, detail, .. } | Outcome::Final { reason, detail } => {
                (Some(reason.word()), &**detail)
            }
        };
        let mut trouble = self.trouble.lock();
        if *trouble == reason {
            return;
        }
        match reason {
            Some(reason) => {
                tracing::warn!(channel = %self.name, reason, why = detail, "a notification does not go through");
            }
            None => tracing::info!(channel = %self.name, "notifications go through again"),
        }
        *trouble = reason;
    }

    fn now_ms(&self) -> i64 {
        (self.world.now_ms)()
    }

    /// 52 bits.
    fn random(&self) -> u64 {
        ((self.world.chance)() * (1u64 << 52) as f64) as u64
    }
}

/// What escalations send has a mark of its own: they go on by themselves.
fn with_outcome(attempt: Delivery, outcome: Outcome, next_at_ms: i64, is_of_routes: bool) -> Delivery {
    let word = |reason: Reason| reason.word().to_owned();
    match outcome {
        Outcome::Delivered { .. } => attempt,
        Outcome::Retry { reason, detail, .. } => Delivery {
            outcome: DeliveryOutcome::Retried,
            reason: word(reason),
            detail,
            next_at_ms: Some(next_at_ms),
            ..attempt
        },
        Outcome::Final { reason, detail } => Delivery {
            outcome: DeliveryOutcome::Failed,
            reason: word(reason),
            detail,
            is_repeatable: is_of_routes,
            ..attempt
        },
    }
}
