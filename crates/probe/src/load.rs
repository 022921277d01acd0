//! Load: many sessions by a schedule, and what they measured.
//!
//! Three values make a load, and none knows the others: the protocol (the [`Dialer`]'s target and the [`Spec`]), when
//! messages are sent ([`Ramp`], [`Arrivals`]) and when it stops ([`Stop`]). Connections are opened first. Once each has
//! been tried, the messages begin; where the service pushes, they count from the first connection on.

mod connection;
pub mod fail_if;
pub mod part;
pub mod results;
pub mod schedule;
pub mod stop;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use crate::dial::Dialer;
use crate::session::Spec;
use connection::{GOODBYE_TIME, Phase};
use part::Part;
use results::Results;
use schedule::{Arrivals, Ramp};
use stop::{Budget, Stop};

/// From when all connections have been tried to the first message: time for each to set its timer.
const LEAD: Duration = Duration::from_millis(100);

/// More of it for each connection.
const LEAD_EACH: Duration = Duration::from_micros(20);

/// What is to be done.
pub struct Plan {
    /// Where the connections go to.
    pub dialer: Dialer,
    /// What each does.
    pub spec: Spec,
    /// How many there are, of all parts.
    pub connections: usize,
    /// Which of them are opened here.
    pub part: Part,
    /// When they are opened.
    pub ramp: Ramp,
    /// When messages are sent.
    pub arrivals: Arrivals,
    /// When it ends.
    pub stop: Stop,
}

/// What was done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// What was counted.
    pub results: Results,
    /// From the first attempt until each connection had been tried.
    pub ramp: Duration,
    /// From the first message that could be sent, or where the service pushes from the first attempt, to the last
    /// one that came.
    pub elapsed: Duration,
}

impl Outcome {
    /// Adds that of another part, which ran at the same time.
    pub fn merge(&mut self, other: &Outcome) {
        self.results.merge(&other.results);
        self.ramp = self.ramp.max(other.ramp);
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

/// What all connections of a load share.
struct Shared {
    plan: Plan,
    results: Mutex<Results>,
    /// Messages that may still be sent, or come.
    budget: Budget,
    budget_used: Notify,
    /// Connections that have not been tried.
    untried: Countdown,
    /// Connections that have something left to do.
    busy: Countdown,
}

/// Waits until everybody has done something once.
struct Countdown {
    left: AtomicUsize,
    is_over: Notify,
}

impl Countdown {
    fn new(count: usize) -> Countdown {
        Countdown { left: AtomicUsize::new(count), is_over: Notify::new() }
    }

    fn done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.is_over.notify_one();
        }
    }

    async fn over(&self) {
        self.is_over.notified().await;
    }
}

/// Runs a load to its end, or until `cancelled`; tells every second what was counted so far.
pub async fn run(
    plan: Plan,
    cancelled: impl Future<Output = ()>,
    mut each_second: impl FnMut(&Results),
) -> Outcome {
    let count = plan.part.numbers(plan.connections).len();
    let shared = Arc::new(Shared {
        budget: Budget::new(plan.stop.messages.map_or(u64::MAX, |messages| plan.part.share(messages))),
        budget_used: Notify::new(),
        results: Mutex::default(),
        untried: Countdown::new(count),
        busy: Countdown::new(count),
        plan,
    });
    let second = Duration::from_secs(1);
    let mut ticks = interval_at(Instant::now() + second, second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut running = std::pin::pin!(run_phases(&shared, cancelled));
    let (ramp, began) = loop {
        tokio::select! {
            times = &mut running => break times,
            _ = ticks.tick() => {
                let now = shared.results.lock().clone();
                each_second(&now);
            }
        }
    };
    let results = shared.results.lock().clone();
    let elapsed = results.last_received.map(|last| last.saturating_duration_since(began.into_std()));
    Outcome { ramp, elapsed: elapsed.unwrap_or_default(), results }
}

/// Opens, loads and closes; how long the ramp was, and since when messages count.
async fn run_phases(shared: &Arc<Shared>, cancelled: impl Future<Output = ()>) -> (Duration, Instant) {
    let start = Instant::now();
    let (phase, _) = watch::channel(Phase::Connecting);
    let mut tasks = JoinSet::new();
    let (mut ramp, mut began) = (None, start);
    let working = async {
        open_all(shared, &phase, start, &mut tasks).await;
        shared.untried.over().await;
        ramp = Some(start.elapsed());
        let begins =
            Instant::now() + LEAD + LEAD_EACH * u32::try_from(shared.plan.connections).unwrap_or(u32::MAX);
        if shared.plan.arrivals != Arrivals::Push {
            began = begins;
        }
        phase.send_replace(Phase::Loading(begins));
        tokio::select! {
            () = shared.busy.over() => {}
            () = shared.budget_used.notified() => {}
            () = sleep_until(begins + longest(&shared.plan)) => {}
        }
    };
    tokio::select! {
        () = working => {}
        () = cancelled => {}
    }
    phase.send_replace(Phase::Stopped);
    let all_ended = async { while tasks.join_next().await.is_some() {} };
    // Whoever has not ended by then is aborted with the set.
    let _ = timeout(GOODBYE_TIME + Duration::from_secs(1), all_ended).await;
    (ramp.unwrap_or_else(|| start.elapsed()), began)
}

/// How long messages go on at most, the last answers included.
fn longest(plan: &Plan) -> Duration {
    match plan.arrivals {
        Arrivals::Push => plan.stop.after,
        Arrivals::Closed | Arrivals::Open { .. } => {
            plan.stop.after + plan.spec.timeout + Duration::from_secs(1)
        }
    }
}

async fn open_all(
    shared: &Arc<Shared>,
    phase: &watch::Sender<Phase>,
    start: Instant,
    tasks: &mut JoinSet<()>,
) {
    for number in shared.plan.part.numbers(shared.plan.connections) {
        if let Some(opens) = start.checked_add(shared.plan.ramp.opens_at(number))
            && opens > Instant::now()
        {
            sleep_until(opens).await;
        }
        tasks.spawn(connection::run(Arc::clone(shared), number, phase.subscribe()));
    }
}
