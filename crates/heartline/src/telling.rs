//! Alerts to people: one machine decides who is told of what and when (`alert::dispatch`), channels tell them
//! (`notify`), and what must outlive the process goes to the disk before anything else follows from it.
//!
//! Rules, the API and channels come in by one lock, which is held for as long as a change is written. A thread looks at
//! groups when they are due. Channels have threads of their own, so that none of them holds up another or the rules.

mod kept;
mod plan;
mod port;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use alert::dispatch::{Dispatcher, Fate, Incoming, Send, SendId};
use alert::engine::Notification;
use gateway::clock;
use meter::scrape::NotificationFacts;
use notify::{Deliveries, Report, Told, World};
use parking_lot::{Condvar, Mutex};

use crate::Failure;
use crate::history::Kept;
use kept::{Letters, StateOfGroups};
pub(crate) use plan::Plan;

/// The clock is looked at at least so often, since it may be put forward or back.
const NAP_MAX: Duration = Duration::from_secs(10);

/// Alerts on their way to people.
pub(crate) struct Desk {
    machine: Mutex<Machine>,
    deliveries: Mutex<Option<Deliveries>>,
    kept: Arc<Kept>,
    changed: Condvar,
    is_stopping: AtomicBool,
}

/// What the lock holds.
struct Machine {
    dispatcher: Dispatcher,
    state: StateOfGroups,
    /// What channels were given and have not answered, by destination and key of the group.
    given: HashMap<(String, String), SendId>,
    plan: Arc<Plan>,
}

/// The thread that looks at groups; it ends when this is dropped.
pub(crate) struct Telling {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Telling {
    /// Goes on where the process before ended.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(crate) fn start(kept: Arc<Kept>, plan: Plan) -> Result<Telling, Failure> {
        let failed = |error: String| Failure::Running(format!("alerting: {error}"));
        let desk = Arc::new(Desk::open(kept, plan));
        desk.start_channels().map_err(failed)?;
        let worker = Arc::clone(&desk);
        let thread = std::thread::Builder::new().name("alerts".to_owned()).spawn(move || worker.run());
        Ok(Telling { desk, thread: Some(thread.map_err(|error| failed(error.to_string()))?) })
    }

    /// For those who ask.
    pub(crate) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.desk.is_stopping.store(true, Relaxed);
        drop(self.desk.machine.lock());
        self.desk.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that looks at alerts panicked");
        }
        *self.desk.deliveries.lock() = None;
    }
}

impl Desk {
    fn open(kept: Arc<Kept>, plan: Plan) -> Desk {
        let mut state = StateOfGroups::default();
        let mut dispatcher = Dispatcher::new(plan.setup.clone());
        let letters = Letters::new(Arc::clone(&kept));
        // What is not among the letters never came to its channel.
        let waiting = letters.all();
        let fate = |id: &SendId| {
            let waits = waiting.iter().any(|(destination, _)| *destination == destination_of(id));
            if waits { Fate::Waits } else { Fate::Unknown }
        };
        let unreadable = dispatcher.restore(state.load(&kept), fate, now_ms());
        for name in unreadable {
            tracing::warn!(name, "the state of alerts could not be read");
        }
        let mut machine = Machine { dispatcher, state, given: HashMap::new(), plan: Arc::new(plan) };
        machine.find_given();
        for (destination, group) in waiting {
            if !machine.given.contains_key(&(destination.clone(), group.clone())) {
                letters.forget(&destination, &group);
            }
        }
        Desk {
            machine: Mutex::new(machine),
            deliveries: Mutex::default(),
            kept,
            changed: Condvar::new(),
            is_stopping: AtomicBool::new(false),
        }
    }

    fn start_channels(self: &Arc<Desk>) -> Result<(), String> {
        let plan = Arc::clone(&self.machine.lock().plan);
        let desk = Arc::downgrade(self);
        let world = World {
            now_ms: Arc::new(now_ms),
            chance: Arc::new(rand::random),
            mailbox: Arc::new(Letters::new(Arc::clone(&self.kept))),
            report: Arc::new(move |report| {
                if let Some(desk) = desk.upgrade() {
                    desk.answered(&report);
                }
            }),
        };
        let destinations = plan.destinations()?;
        // Who has something to give waits until the channels are there again.
        let mut deliveries = self.deliveries.lock();
        *deliveries = None;
        *deliveries = Some(Deliveries::start(destinations, &world)?);
        Ok(())
    }

    /// Takes another plan. Channels are started anew when they are others; what waits for those that are no more is
    /// forgotten.
    ///
    /// # Errors
    /// Channels cannot be started.
    pub(crate) fn reload(self: &Arc<Desk>, plan: Plan) -> Result<(), String> {
        let is_same = {
            let mut machine = self.machine.lock();
            let is_same = machine.plan.has_the_channels_of(&plan);
            machine.dispatcher.reload(plan.setup.clone(), now_ms());
            machine.plan = Arc::new(plan);
            machine.forget_strangers(&Letters::new(Arc::clone(&self.kept)));
            machine.write(&self.kept);
            is_same
        };
        self.changed.notify_all();
        if is_same { Ok(()) } else { self.start_channels() }
    }

    /// Takes what rules gave.
    pub(crate) fn told_by_rules(&self, alerts: Vec<Notification>) {
        let url = self.machine.lock().plan.external_url.clone();
        self.take(alerts.into_iter().map(|alert| Incoming::from_rule(alert, &url)));
    }

    fn take(&self, alerts: impl IntoIterator<Item = Incoming>) -> Vec<String> {
        let mut machine = self.machine.lock();
        let refused = machine.dispatcher.take(alerts, now_ms());
        machine.write(&self.kept);
        self.changed.notify_all();
        refused
    }

    /// For the metrics page.
    pub(crate) fn facts(&self) -> NotificationFacts {
        self.deliveries.lock().as_ref().map(Deliveries::facts).unwrap_or_default()
    }

    fn run(&self) {
        while !self.is_stopping.load(Relaxed) {
            for send in self.due() {
                self.give(send);
            }
            self.sleep();
        }
    }

    /// What is to be told now; that it is, is on the disk.
    fn due(&self) -> Vec<Send> {
        let mut machine = self.machine.lock();
        let flushes = machine.dispatcher.flush(now_ms());
        machine.write(&self.kept);
        let sends: Vec<Send> = flushes.into_iter().flat_map(|flush| flush.sends).collect();
        for send in &sends {
            let key = (destination_of(&send.id), send.notice.group_key.clone());
            machine.given.insert(key, send.id.clone());
        }
        sends
    }

    fn give(&self, send: Send) {
        let destination = destination_of(&send.id);
        let deliveries = self.deliveries.lock();
        let is_given =
            deliveries.as_ref().is_some_and(|deliveries| deliveries.give(&destination, send.notice));
        if !is_given {
            drop(deliveries);
            let mut machine = self.machine.lock();
            machine.given.retain(|_, id| *id != send.id);
            machine.dispatcher.failed(&send.id);
        }
    }

    /// A channel has answered. What follows is written before its queue forgets what it had.
    fn answered(&self, report: &Report) {
        let mut machine = self.machine.lock();
        let key = (report.destination.to_string(), report.notice.group_key.clone());
        let Some(id) = machine.given.remove(&key) else { return };
        match report.told {
            Told::Delivered { .. } | Told::Cancelled => machine.dispatcher.delivered(&id, now_ms()),
            Told::Failed { .. } | Told::Dropped => machine.dispatcher.failed(&id),
        }
        machine.write(&self.kept);
    }

    fn sleep(&self) {
        let mut machine = self.machine.lock();
        let next_ms = machine.dispatcher.next_at_ms().map_or(i64::MAX, |at_ms| at_ms - now_ms());
        if next_ms > 0 && !self.is_stopping.load(Relaxed) {
            let nap = Duration::from_millis(next_ms.unsigned_abs()).min(NAP_MAX);
            self.changed.wait_for(&mut machine, nap);
        }
    }
}

impl Machine {
    fn write(&mut self, kept: &Kept) {
        let changes = self.dispatcher.take_changes();
        self.state.write(kept, changes);
    }

    /// Takes back what was given to channels that are no more.
    fn forget_strangers(&mut self, letters: &Letters) {
        let names = self.plan.names();
        let is_stranger = |destination: &String| !names.contains(destination);
        for ((destination, group), id) in
            self.given.extract_if(|(destination, _), _| is_stranger(destination))
        {
            self.dispatcher.failed(&id);
            letters.forget(&destination, &group);
        }
    }

    /// Finds out what channels have been given.
    fn find_given(&mut self) {
        let given = self.dispatcher.given();
        self.given = given
            .into_iter()
            .filter_map(|id| {
                let key = self.dispatcher.look(&id.group, now_ms())?.group_key;
                Some(((destination_of(&id), key), id))
            })
            .collect();
    }
}

/// Name of a receiver's channel among all destinations.
fn destination_of(id: &SendId) -> String {
    plan::destination(&id.receiver, &id.channel)
}

fn now_ms() -> i64 {
    (clock::wall().as_secs_f64() * 1000.0) as i64
}
