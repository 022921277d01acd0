//! Who does not answer is followed by the next: incidents, the steps of their policies, acknowledgements.
//!
//! An incident is a group of alerts that fire. Usage: give each [`Flush`] to [`Escalations::observe`]; when it is
//! [`Escalations::next_at_ms`], call [`Escalations::advance`]; write [`Escalations::saved`] to disk; then do what the
//! [`Action`]s say and give answers to [`Escalations::answered`].

mod caps;
mod explain;
mod incident;
mod policy;
mod steps;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use caps::Caps;
pub use explain::{IncidentView, Row};
use incident::Incident;
pub use incident::State;
pub use policy::{Destination, DestinationKind, Policy, PolicyConfig, Step, StepConfig};

use crate::alertmanager::TimeInterval;
use crate::dispatch::{Fate, Flush};
use crate::notice::NoticeAlert;

/// What escalations are told to do.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Policies; the first whose condition holds for an alert of a group is that of its incident.
    pub policies: Vec<Policy>,
    /// How receivers reach people; one that is not there is taken for messages that wake nobody.
    pub destinations: BTreeMap<String, Destination>,
    /// Time intervals by name.
    pub time_intervals: BTreeMap<String, Vec<TimeInterval>>,
    /// Most calls to all phones within an hour.
    pub phone_calls_per_hour: usize,
    /// Most incidents; a group beyond is told by its route alone.
    pub incidents_max: usize,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Tell somebody something.
    Tell(Call),
    /// Give up a call that still waits. It is answered all the same: whoever was told already is told more.
    Cancel {
        /// Number of the call.
        call: u64,
    },
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its number; unique.
    pub number: u64,
    /// Number of the incident.
    pub incident: u64,
    /// Key of the group as Alertmanager writes it.
    pub group_key: String,
    /// Name of the receiver.
    pub destination: String,
    /// What.
    pub news: News,
    /// Alerts of the incident as they were last known.
    pub alerts: Vec<NoticeAlert>,
}

/// What is told of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// It is open.
    Open {
        /// The step, from 1.
        step: usize,
        /// The round, from 1.
        round: u32,
        /// Why the list was begun.
        why: Why,
    },
    /// It has come back soon after its end.
    Reopened,
    /// Somebody cares.
    Acked {
        /// Who.
        by: String,
    },
    /// It is over.
    Resolved,
}

/// Why the list of steps was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The incident has opened.
    Opened,
    /// Somebody cares, but more has happened since, or it has become worse.
    NewAlerts,
    /// Somebody cared, but it still fires.
    AckLapsed,
}

impl News {
    /// Whether it says that something is to be done.
    pub fn is_alarm(&self) -> bool {
        matches!(self, News::Open { .. } | News::Reopened)
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was told.
    Delivered,
    /// It was given up.
    Failed,
}

/// Why an acknowledgement was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckError {
    /// There is no such incident.
    Unknown,
    /// It is over.
    Closed,
    /// Somebody was faster; who.
    Acked(String),
}

/// A call without an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Waiting {
    incident: u64,
    destination: String,
    news: News,
    /// Whether it was given up: its answer only tells whether more must be told.
    is_cancelled: bool,
}

/// Everything that outlives the process; serialized as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    incidents: BTreeMap<u64, Incident>,
    calls: BTreeMap<u64, Waiting>,
    caps: Caps,
    last_number: u64,
}

/// The machine. Times are in milliseconds since the Unix epoch.
#[derive(Debug)]
pub struct Escalations {
    setup: Setup,
    kept: Saved,
    /// Groups that got no incident: there were too many.
    dropped: u64,
}

impl Escalations {
    /// One that knows no incidents.
    pub fn new(setup: Setup) -> Escalations {
        Escalations { setup, kept: Saved::default(), dropped: 0 }
    }

    /// Takes another setup. An incident whose policy is no more runs no more steps.
    pub fn reload(&mut self, setup: Setup) {
        self.setup = setup;
    }

    /// State to be kept: after each call that gave actions, before they are done.
    pub fn saved(&self) -> &Saved {
        &self.kept
    }

    /// Takes what was kept. `fate` says what became of calls without an answer: one that may have been told is not
    /// told again. Steps that were due meanwhile do not pile up: the next is run, others keep their distance.
    pub fn restore(&mut self, saved: Saved, fate: impl Fn(u64) -> Fate, now_ms: i64) -> Vec<Action> {
        self.kept = saved;
        let mut actions = Vec::new();
        let calls: Vec<(u64, Waiting)> =
            self.kept.calls.iter().map(|(number, call)| (*number, call.clone())).collect();
        for (number, call) in calls {
            match fate(number) {
                Fate::Waits => {}
                Fate::Doubtful { .. } => actions.extend(self.answered(number, Answer::Delivered, now_ms)),
                Fate::Unknown if call.is_cancelled => drop(self.kept.calls.remove(&number)),
                Fate::Unknown => actions.extend(self.action(number)),
            }
        }
        actions
    }

    /// Groups that got no incident since there were too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes a look at a group: incidents open, pause and close.
    pub fn observe(&mut self, look: &Flush, now_ms: i64) -> Vec<Action> {
        self.forget(now_ms);
        let mut actions = Vec::new();
        let firing: Vec<&NoticeAlert> = look.alerts.iter().filter(|alert| !alert.is_resolved).collect();
        let policy = self.policy_of(&firing);
        let known = self.kept.incidents.values().filter(|incident| incident.group == look.group);
        let newest = known.max_by_key(|incident| incident.number).map(|incident| incident.number);
        let number = newest.filter(|number| self.goes_on(*number, now_ms));
        match (number, policy) {
            (None, Some(policy)) => self.open(look, &firing, policy, now_ms, &mut actions),
            (Some(number), policy) => self.update(number, look, &firing, policy, now_ms, &mut actions),
            (None, None) => {}
        }
        actions
    }

    /// Whether what a group does belongs to an incident: it is not over, or has been for less than the interval of
    /// the group.
    fn goes_on(&self, number: u64, now_ms: i64) -> bool {
        self.kept.incidents.get(&number).is_some_and(|incident| {
            incident.closed_at_ms.is_none_or(|at_ms| now_ms - at_ms < incident.group_interval_ms)
        })
    }

    /// The first policy for one of these alerts.
    fn policy_of(&self, firing: &[&NoticeAlert]) -> Option<usize> {
        let is_for = |policy: &Policy| firing.iter().any(|alert| policy.when.is_match(&alert.labels));
        self.setup.policies.iter().position(is_for)
    }

    fn policy(&self, name: &str) -> Option<&Policy> {
        self.setup.policies.iter().find(|policy| policy.name == name)
    }

    fn number(&mut self) -> u64 {
        self.kept.last_number += 1;
        self.kept.last_number
    }

    fn open(
        &mut self,
        look: &Flush,
        firing: &[&NoticeAlert],
        policy: usize,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        if self.kept.incidents.len() >= self.setup.incidents_max {
            self.dropped += 1;
            return;
        }
        let number = self.number();
        let mut incident = Incident::new(number, look, &self.setup.policies[policy].name, now_ms);
        incident.learn(firing);
        self.kept.incidents.insert(number, incident);
        self.run_due(number, firing, now_ms, actions);
    }

    fn update(
        &mut self,
        number: u64,
        look: &Flush,
        firing: &[&NoticeAlert],
        policy: Option<usize>,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        let current = self.kept.incidents.get(&number).map(|incident| incident.policy.clone());
        let current =
            current.and_then(|name| self.setup.policies.iter().position(|policy| policy.name == name));
        let Some(incident) = self.kept.incidents.get_mut(&number) else { return };
        incident.remember(&look.alerts);
        incident.group_interval_ms = look.group_interval_ms;
        incident.pause(firing.is_empty() && look.suppressed_firing > 0, now_ms);
        if firing.is_empty() {
            if look.suppressed_firing == 0 {
                self.close(number, now_ms, actions);
            }
            return;
        }
        if incident.state == State::Closed {
            incident.closed_at_ms = None;
            incident.state = incident.state_before;
            self.reopen(number, actions);
        }
        let Some(incident) = self.kept.incidents.get_mut(&number) else { return };
        let before = incident.severity;
        let new = incident.learn(firing);
        let is_higher = policy.zip(current).is_some_and(|(policy, current)| policy < current);
        if let Some(policy) = policy.filter(|_| is_higher) {
            incident.policy.clone_from(&self.setup.policies[policy].name);
            incident.restart(Why::NewAlerts, now_ms);
        } else if incident.state == State::Acked && new.is_some_and(|new| new >= before) {
            incident.restart(Why::NewAlerts, now_ms);
        }
        self.run_due(number, firing, now_ms, actions);
    }

    /// Somebody cares: nobody else is called, and whoever was told is told so.
    ///
    /// # Errors
    /// See [`AckError`].
    pub fn ack(&mut self, number: u64, by: &str, now_ms: i64) -> Result<Vec<Action>, AckError> {
        let incident = self.kept.incidents.get_mut(&number).ok_or(AckError::Unknown)?;
        match incident.state {
            State::Closed => return Err(AckError::Closed),
            State::Acked => return Err(AckError::Acked(incident.acked_by.clone().unwrap_or_default())),
            State::Open => {}
        }
        incident.state = State::Acked;
        incident.acked_by = Some(by.to_owned());
        incident.acked_at_ms = now_ms;
        if let Some(paused_at_ms) = &mut incident.paused_at_ms {
            // Timers stood until now; that of the acknowledgement begins to stand.
            let stood_ms = now_ms - std::mem::replace(paused_at_ms, now_ms);
            incident.base_ms += stood_ms.max(0);
        }
        incident.is_urgent = false;
        let mut actions = Vec::new();
        self.cancel_alarms(number, &mut actions);
        self.tell_told(number, &News::Acked { by: by.to_owned() }, &mut actions);
        Ok(actions)
    }

    fn close(&mut self, number: u64, now_ms: i64, actions: &mut Vec<Action>) {
        let Some(incident) = self.kept.incidents.get_mut(&number) else { return };
        if incident.state == State::Closed {
            return;
        }
        incident.pause(false, now_ms);
        incident.state_before = incident.state;
        incident.state = State::Closed;
        incident.closed_at_ms = Some(now_ms);
        incident.is_urgent = false;
        incident.end_alerts(now_ms);
        self.cancel_alarms(number, actions);
        self.tell_told(number, &News::Resolved, actions);
    }

    /// Those who were told of the end are told that it is back, but nobody is woken again.
    fn reopen(&mut self, number: u64, actions: &mut Vec<Action>) {
        let Some(incident) = self.kept.incidents.get_mut(&number) else { return };
        let told = std::mem::take(&mut incident.told);
        for destination in told {
            if self.setup.kind(&destination) == DestinationKind::Message {
                self.tell(number, &destination, News::Reopened, actions);
            }
        }
    }

    /// A group is no more, such as after a reload: its incident is over.
    pub fn close_group(&mut self, group: &str, now_ms: i64) -> Vec<Action> {
        let open = self.kept.incidents.values().filter(|incident| incident.group == group);
        let numbers: Vec<u64> = open.map(|incident| incident.number).collect();
        let mut actions = Vec::new();
        for number in numbers {
            self.close(number, now_ms, &mut actions);
        }
        actions
    }

    /// Incidents that ended are forgotten once nothing more can come of them.
    fn forget(&mut self, now_ms: i64) {
        let calls = &self.kept.calls;
        self.kept.incidents.retain(|number, incident| {
            let is_over =
                incident.closed_at_ms.is_some_and(|at_ms| now_ms - at_ms >= incident.group_interval_ms);
            !is_over || calls.values().any(|call| call.incident == *number)
        });
    }
}

impl Setup {
    fn kind(&self, destination: &str) -> DestinationKind {
        self.destinations.get(destination).copied().unwrap_or_default().kind
    }

    /// Whether one of some named time intervals is now; no name is always.
    fn is_active(&self, names: &[String], now_ms: i64) -> bool {
        let is_now = |name: &String| {
            self.time_intervals
                .get(name)
                .is_some_and(|all| all.iter().any(|interval| interval.contains(now_ms)))
        };
        names.is_empty() || names.iter().any(is_now)
    }
}

#[cfg(test)]
mod tests;
