//! Alerts to people: one machine decides who is told of what and when (`alert::dispatch`), channels tell them
//! (`notify`), and what must outlive the process goes to the disk before anything else follows from it.
//!
//! Rules, the API and channels come in by one lock, which is held for as long as a change is written. A thread looks at
//! groups when they are due. Channels have threads of their own, so that none of them holds up another or the rules.

mod attempts;
mod escalation;
mod kept;
mod link;
mod plan;
mod port;
mod queued;
mod suspects;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use alert::dispatch::{Change, Dispatcher, Fate, Incoming, Send, SendId};
use alert::engine::Notification;
use alert::escalation::Answer;
use alert::notice::Notice;
use gateway::clock;
use meter::scrape::{AlertmanagerFacts, NotificationFacts};
use model::Language;
use model::ports::Findings;
use notify::{Deliveries, Report, Told, World};
use parking_lot::{Condvar, Mutex};
use remote::Alertmanagers;

use crate::Failure;
use crate::history::Kept;
use attempts::Attempts;
use escalation::{Around, Errand, Incidents};
use kept::{Letters, StateOfGroups};
use link::Links;
pub(crate) use plan::Plan;
use queued::Queued;

/// The clock is looked at at least so often, since it may be put forward or back.
const NAP_MAX: Duration = Duration::from_secs(10);

/// Alerts on their way to people.
pub(crate) struct Desk {
    machine: Mutex<Machine>,
    deliveries: Mutex<Option<Deliveries>>,
    alertmanagers: Mutex<Option<Alertmanagers>>,
    attempts: Mutex<Attempts>,
    kept: Arc<Kept>,
    findings: Arc<dyn Findings>,
    changed: Condvar,
    is_stopping: AtomicBool,
}

/// What the lock holds.
struct Machine {
    dispatcher: Dispatcher,
    incidents: Incidents,
    queued: Queued,
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
    pub(crate) fn start(
        kept: Arc<Kept>,
        plan: Plan,
        findings: Arc<dyn Findings>,
    ) -> Result<Telling, Failure> {
        let failed = |error: String| Failure::Running(format!("alerting: {error}"));
        let alertmanagers = plan.alertmanagers().map_err(failed)?;
        let desk = Arc::new(Desk::open(kept, plan, findings));
        *desk.alertmanagers.lock() = alertmanagers;
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
        *self.desk.alertmanagers.lock() = None;
    }
}

impl Desk {
    fn open(kept: Arc<Kept>, plan: Plan, findings: Arc<dyn Findings>) -> Desk {
        let mut state = StateOfGroups::default();
        let mut dispatcher = Dispatcher::new(plan.setup.clone());
        let letters = Letters::new(Arc::clone(&kept));
        let waiting = letters.all();
        let mut texts = state.load(&kept);
        let mut named = |wanted: &str| -> Vec<String> {
            texts.extract_if(.., |(name, _)| name == wanted).map(|(_, text)| text).collect()
        };
        let (incidents, queued) = (named(escalation::NAME), named(queued::NAME));
        let links = Links::new(&key_of(&mut texts, &mut state, &kept));
        // What is not among the letters never came to its channel.
        let keys = keys_of_groups(&plan, &texts);
        let fate = |id: &SendId| {
            let key = keys.get(&id.group).cloned().unwrap_or_default();
            match waiting.get(&(destination_of(id), key)) {
                None => Fate::Unknown,
                Some(None) => Fate::Waits,
                Some(Some(tried_at_ms)) => Fate::Doubtful { tried_at_ms: *tried_at_ms },
            }
        };
        let mut unreadable = dispatcher.restore(texts, fate, now_ms());
        let mut machine = Machine {
            dispatcher,
            incidents: Incidents::new(&plan, links),
            queued: Queued::default(),
            state,
            given: HashMap::new(),
            plan: Arc::new(plan),
        };
        machine.find_given();
        for text in incidents {
            let is_read =
                machine.with_incidents(|incidents, around| incidents.restore(&text, &waiting, around));
            if !is_read {
                unreadable.push(escalation::NAME.to_owned());
            }
        }
        if !queued.iter().all(|text| machine.queued.restore(text)) {
            unreadable.push(queued::NAME.to_owned());
        }
        for name in unreadable {
            tracing::warn!(name, "the state of alerts could not be read");
        }
        for (destination, key) in waiting.into_keys() {
            let is_known = machine.given.contains_key(&(destination.clone(), key.clone()))
                || machine.incidents.knows(&destination, &key);
            if !is_known {
                letters.forget(&destination, &key);
            }
        }
        Desk {
            machine: Mutex::new(machine),
            deliveries: Mutex::default(),
            alertmanagers: Mutex::default(),
            attempts: Mutex::default(),
            kept,
            findings,
            changed: Condvar::new(),
            is_stopping: AtomicBool::new(false),
        }
    }

    fn start_channels(self: &Arc<Desk>) -> Result<(), String> {
        let plan = Arc::clone(&self.machine.lock().plan);
        let (desk, listener) = (Arc::downgrade(self), Arc::downgrade(self));
        let world = World {
            now_ms: Arc::new(now_ms),
            chance: Arc::new(rand::random),
            mailbox: Arc::new(Letters::new(Arc::clone(&self.kept))),
            report: Arc::new(move |report| {
                if let Some(desk) = desk.upgrade() {
                    desk.answered(&report);
                }
            }),
            attempted: Arc::new(move |attempt| {
                if let Some(desk) = listener.upgrade() {
                    desk.attempts.lock().add(attempt);
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
    /// Channels, or what sends to Alertmanagers, cannot be started.
    pub(crate) fn reload(self: &Arc<Desk>, plan: Plan) -> Result<(), String> {
        let is_sent_alike = self.machine.lock().plan.alertmanagers == plan.alertmanagers;
        if !is_sent_alike {
            let started = plan.alertmanagers()?;
            // They may take their time to end.
            let ended = std::mem::replace(&mut *self.alertmanagers.lock(), started);
            drop(ended);
        }
        let is_same = {
            let mut machine = self.machine.lock();
            let is_same = machine.plan.has_the_channels_of(&plan);
            machine.dispatcher.reload(plan.setup.clone(), now_ms());
            machine.incidents.reload(&plan);
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
        let plan = Arc::clone(&self.machine.lock().plan);
        let alerts: Vec<Incoming> =
            alerts.into_iter().map(|alert| Incoming::from_rule(alert, &plan.external_url)).collect();
        if let Some(elsewhere) = &*self.alertmanagers.lock() {
            elsewhere.give(&self.for_elsewhere(&alerts, &plan));
        }
        if plan.is_told_here {
            self.take(alerts);
        }
    }

    /// Alerts as other Alertmanagers take them, with what explains those that fire.
    fn for_elsewhere(&self, alerts: &[Incoming], plan: &Plan) -> Vec<Arc<str>> {
        let active = self.findings.active();
        let mut alerts = alerts.to_vec();
        for alert in
            alerts.iter_mut().filter(|alert| alert.ends_at_ms.is_none_or(|ends_ms| ends_ms > now_ms()))
        {
            let found = suspects::suspects(&alert.labels, &alert.generator_url, &active);
            suspects::annotate(&mut alert.annotations, &found, Language::English, &plan.external_url);
        }
        alerts.iter().map(|alert| alert.to_json().into()).collect()
    }

    /// For the metrics page.
    pub(crate) fn alertmanager_facts(&self) -> Vec<AlertmanagerFacts> {
        self.alertmanagers.lock().as_ref().map(Alertmanagers::facts).unwrap_or_default()
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
            let (sends, errands) = self.due();
            for send in sends {
                self.give(send);
            }
            for errand in errands {
                self.go(errand);
            }
            self.sleep();
        }
    }

    /// What is to be told now; that it is, is on the disk.
    fn due(&self) -> (Vec<Send>, Vec<Errand>) {
        let mut machine = self.machine.lock();
        let mut flushes = machine.dispatcher.flush(now_ms());
        for send in flushes.iter().flat_map(|flush| &flush.sends) {
            let key = (destination_of(&send.id), send.notice.group_key.clone());
            machine.given.insert(key, send.id.clone());
        }
        machine.with_incidents(|incidents, around| incidents.look(&flushes, around));
        machine.write(&self.kept);
        for send in flushes.iter_mut().flat_map(|flush| &mut flush.sends) {
            let Send { id, notice, .. } = send;
            machine.with_incidents(|incidents, around| incidents.ask(&id.group, notice, around));
        }
        let sends = flushes.into_iter().flat_map(|flush| flush.sends).collect();
        (sends, machine.incidents.errands())
    }

    fn give(&self, send: Send) {
        if !self.give_to(&destination_of(&send.id), send.notice) {
            let mut machine = self.machine.lock();
            machine.given.retain(|_, id| *id != send.id);
            machine.dispatcher.failed(&send.id);
            machine.with_incidents(|incidents, around| {
                incidents.answer_of_route(&send.id, Answer::Failed, around);
            });
            machine.write(&self.kept);
        }
    }

    fn go(&self, errand: Errand) {
        match errand {
            Errand::Withdraw { destination, key } => {
                if let Some(deliveries) = self.deliveries.lock().as_ref() {
                    deliveries.withdraw(&destination, &key);
                }
            }
            Errand::TakeBack { destination, id } => {
                if let Some(deliveries) = self.deliveries.lock().as_ref() {
                    deliveries.take_back(&destination, id);
                }
            }
            Errand::Tell { destination, notice, call } => {
                if !self.give_to(&destination, notice) {
                    let mut machine = self.machine.lock();
                    machine.with_incidents(|incidents, around| {
                        incidents.answer(call, &destination, Answer::Failed, around);
                    });
                    machine.write(&self.kept);
                }
            }
        }
    }

    fn give_to(&self, destination: &str, mut notice: Notice) -> bool {
        let language = self.machine.lock().plan.language_at(destination);
        suspects::explain(&mut notice, &self.findings.active(), language);
        self.deliveries.lock().as_ref().is_some_and(|deliveries| deliveries.give(destination, notice))
    }

    /// A channel has answered. What follows is written before its queue forgets what it had.
    fn answered(&self, report: &Report) {
        let mut machine = self.machine.lock();
        let answer = match report.told {
            Told::Delivered { .. } => Answer::Delivered,
            Told::Cancelled | Told::Failed { .. } | Told::Dropped => Answer::Failed,
        };
        let destination = report.destination.to_string();
        if let Some(mark) = report.notice.mark() {
            let Some(call) = escalation::call_of(mark) else { return };
            let group = machine.incidents.group_of(call);
            machine.note_queued(report, group);
            machine.with_incidents(|incidents, around| incidents.answer(call, &destination, answer, around));
        } else {
            let Some(id) = machine.given.remove(&(destination, report.notice.group_key.clone())) else {
                return;
            };
            machine.note_queued(report, Some(id.group.clone()));
            match report.told {
                Told::Delivered { .. } | Told::Cancelled => machine.dispatcher.delivered(&id, now_ms()),
                Told::Failed { .. } | Told::Dropped => machine.dispatcher.failed(&id),
            }
            machine.with_incidents(|incidents, around| incidents.answer_of_route(&id, answer, around));
        }
        machine.write(&self.kept);
        self.changed.notify_all();
    }

    fn sleep(&self) {
        let mut machine = self.machine.lock();
        let due = [machine.dispatcher.next_at_ms(), machine.incidents.next_at_ms()];
        let next_ms = due.into_iter().flatten().min().map_or(i64::MAX, |at_ms| at_ms - now_ms());
        if next_ms > 0 && !self.is_stopping.load(Relaxed) {
            let nap = Duration::from_millis(next_ms.unsigned_abs()).min(NAP_MAX);
            self.changed.wait_for(&mut machine, nap);
        }
    }
}

impl Machine {
    /// Incidents, with what they are looked at with.
    fn with_incidents<T>(&mut self, act: impl FnOnce(&mut Incidents, Around<'_>) -> T) -> T {
        let around = Around {
            dispatcher: &self.dispatcher,
            by_routes: &self.given,
            plan: &self.plan,
            now_ms: now_ms(),
        };
        act(&mut self.incidents, around)
    }

    /// Remembers what can be taken back, but not what tells of the end.
    fn note_queued(&mut self, report: &Report, group: Option<String>) {
        if let (Told::Delivered { withdraw: Some(id) }, Some(group)) = (&report.told, group)
            && !report.notice.is_resolved()
        {
            self.queued.add(report.destination.to_string(), id.clone(), group, now_ms());
        }
    }

    /// Takes back calls about groups that are over or that somebody cares about.
    fn take_back_idle(&mut self) {
        let is_alarming =
            |group: &str| self.dispatcher.receiver_of(group).is_some() && self.incidents.is_open(group);
        let idle = self.queued.take_idle(is_alarming, now_ms()).into_iter();
        let errands = idle.map(|call| Errand::TakeBack { destination: call.destination, id: call.id });
        self.incidents.add_errands(errands.collect());
    }

    fn write(&mut self, kept: &Kept) {
        self.take_back_idle();
        let mut changes = self.dispatcher.take_changes();
        changes.extend(self.incidents.take_changes());
        changes.extend(self.queued.take_changes());
        self.state.write(kept, changes);
    }

    /// Takes back what was given to channels that are no more.
    fn forget_strangers(&mut self, letters: &Letters) {
        let names = self.plan.names();
        let is_stranger = |destination: &String| !names.contains(destination);
        let gone: Vec<_> = self.given.extract_if(|(destination, _), _| is_stranger(destination)).collect();
        for ((destination, group), id) in gone {
            self.dispatcher.failed(&id);
            letters.forget(&destination, &group);
        }
        for (destination, key) in self.with_incidents(Incidents::forget_strangers) {
            letters.forget(&destination, &key);
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

/// The key that links are signed with; it is made once.
fn key_of(texts: &mut Vec<(String, String)>, state: &mut StateOfGroups, kept: &Kept) -> [u8; 32] {
    let known = texts.extract_if(.., |(name, _)| name == link::NAME).find_map(|(_, text)| link::bytes(&text));
    known.unwrap_or_else(|| {
        let key: [u8; 32] = rand::random();
        state.write(kept, vec![Change { name: link::NAME.to_owned(), text: Some(link::hex(&key)) }]);
        key
    })
}

/// Keys of groups as they were kept, by name.
fn keys_of_groups(plan: &Plan, texts: &[(String, String)]) -> HashMap<String, String> {
    let mut dispatcher = Dispatcher::new(plan.setup.clone());
    dispatcher.restore(texts.iter().cloned(), |_| Fate::Waits, now_ms());
    let groups = dispatcher.given().into_iter().map(|id| id.group);
    groups
        .filter_map(|group| {
            let key = dispatcher.look(&group, now_ms())?.group_key;
            Some((group, key))
        })
        .collect()
}

/// Name of a receiver's channel among all destinations.
fn destination_of(id: &SendId) -> String {
    plan::destination(&id.receiver, &id.channel)
}

pub(crate) fn now_ms() -> i64 {
    (clock::wall().as_secs_f64() * 1000.0) as i64
}
