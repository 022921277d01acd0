//! Alerts to people, as Alertmanager does it: alerts are put into groups, each group is looked at when it is due, and
//! channels are given what they have not been told.
//!
//! Usage: give alerts to [`Dispatcher::take`]; when it is [`Dispatcher::next_at_ms`], call [`Dispatcher::flush`];
//! write [`Dispatcher::take_changes`] to disk before anything else happens; then give each [`Send`] to its channel and
//! answer [`Dispatcher::delivered`] or [`Dispatcher::failed`]. After a restart [`Dispatcher::restore`] goes on where
//! the process ended.

mod alert;
mod explain;
mod flush;
mod group;
mod inhibit;
mod log;
mod saved;
mod setup;
mod silences;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use model::series::Labels;
use serde::{Deserialize, Serialize};

use alert::Alert;
pub use alert::Incoming;
pub use explain::{ChannelExplained, Explained, GroupExplained};
use group::{Group, Timer};
use inhibit::Inhibitor;
use log::Log;
pub use log::Reason;
pub use saved::{Change, Fate};
pub use setup::{ChannelSpec, Options, Setup};
use silences::Silences;
pub use silences::{Silence, SilenceError, SilenceState};
pub use view::{
    AlertGroup, AlertStatus, AlertsQuery, GettableAlert, GettableSilence, PostedAlert, PostedSilence,
    ReceiverName, Status,
};

use crate::notice::{Notice, NoticeAlert, fingerprint};

/// Where something is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SendId {
    /// The group; unique, unlike its key.
    pub group: String,
    /// Name of the receiver.
    pub receiver: String,
    /// Key of the channel.
    pub channel: String,
}

/// Something to be told on one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// Where.
    pub id: SendId,
    /// What.
    pub notice: Notice,
    /// Why.
    pub reason: Reason,
}

/// A group that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Flush {
    /// The group; unique, unlike its key.
    pub group: String,
    /// Its key as Alertmanager writes it.
    pub group_key: String,
    /// Labels that its alerts are grouped by.
    pub group_labels: Labels,
    /// Name of its receiver.
    pub receiver: String,
    /// Its alerts that may be told of, in the order in which they are told.
    pub alerts: Vec<NoticeAlert>,
    /// How many alerts were left out: inhibited, silenced, or because of the time.
    pub suppressed: usize,
    /// How many of those fire.
    pub suppressed_firing: usize,
    /// How often its route looks at a group, milliseconds.
    pub group_interval_ms: i64,
    /// What is to be told now.
    pub sends: Vec<Send>,
}

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reports of alerts that fire.
    pub received_firing: u64,
    /// Reports of alerts that have ended.
    pub received_resolved: u64,
    /// Reports that were wrong.
    pub invalid: u64,
    /// Alerts that were refused: there were too many.
    pub alerts_dropped: u64,
    /// Alerts that could not be put into a group: there were too many.
    pub groups_dropped: u64,
    /// Alerts that were not told of: inhibited.
    pub suppressed_inhibited: u64,
    /// Alerts that were not told of: silenced.
    pub suppressed_silenced: u64,
    /// Alerts that were not told of: a route is not active, or mute.
    pub suppressed_by_time: u64,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Alerts.
    pub alerts: usize,
    /// Groups.
    pub groups: usize,
    /// Silences, those that have expired among them.
    pub silences: usize,
}

/// The machine. Times are in milliseconds since the Unix epoch.
#[derive(Debug)]
pub struct Dispatcher {
    setup: Setup,
    alerts: BTreeMap<u64, Alert>,
    groups: BTreeMap<String, Group>,
    inhibitor: Inhibitor,
    silences: Silences,
    log: Log,
    counters: Counters,
    changed_alerts: BTreeSet<u64>,
    changed_groups: BTreeSet<String>,
    next_sweep_ms: i64,
}

impl Dispatcher {
    /// One that knows no alerts.
    pub fn new(setup: Setup) -> Dispatcher {
        Dispatcher {
            inhibitor: Inhibitor::new(setup.inhibit_rules.clone()),
            setup,
            alerts: BTreeMap::new(),
            groups: BTreeMap::new(),
            silences: Silences::default(),
            log: Log::default(),
            counters: Counters::default(),
            changed_alerts: BTreeSet::new(),
            changed_groups: BTreeSet::new(),
            next_sweep_ms: 0,
        }
    }

    /// Takes another setup. Groups that still are keep their timers; alerts are put where they belong now.
    pub fn reload(&mut self, setup: Setup, now_ms: i64) {
        self.setup = setup;
        self.inhibitor = Inhibitor::new(self.setup.inhibit_rules.clone());
        for (fingerprint, alert) in &self.alerts {
            self.inhibitor.add(*fingerprint, &alert.labels);
        }
        self.regroup(now_ms);
    }

    /// Takes alerts; says what is wrong with those that are refused.
    pub fn take(&mut self, alerts: impl IntoIterator<Item = Incoming>, now_ms: i64) -> Vec<String> {
        let mut refused = Vec::new();
        for incoming in alerts {
            let options = &self.setup.options;
            match incoming.judged(now_ms, options.resolve_timeout_ms, options.alert_bytes_max) {
                Ok(alert) => refused.extend(self.put(alert, now_ms).err()),
                Err(fault) => {
                    self.counters.invalid += 1;
                    refused.push(fault);
                }
            }
        }
        refused
    }

    fn put(&mut self, alert: Alert, now_ms: i64) -> Result<(), String> {
        let is_resolved = alert.is_resolved(now_ms);
        let count = if is_resolved {
            &mut self.counters.received_resolved
        } else {
            &mut self.counters.received_firing
        };
        *count += 1;
        let fingerprint = fingerprint(&alert.labels);
        let known = self.alerts.get(&fingerprint);
        if known.is_none() && self.alerts.len() >= self.setup.options.alerts_max {
            self.counters.alerts_dropped += 1;
            return Err(format!("there are {} alerts already", self.alerts.len()));
        }
        let alert = match known {
            Some(known) => alert.merged(known),
            None => alert,
        };
        self.inhibitor.add(fingerprint, &alert.labels);
        let labels = alert.labels.clone();
        self.alerts.insert(fingerprint, alert);
        self.changed_alerts.insert(fingerprint);
        for (id, route) in self.places(&labels) {
            self.join(fingerprint, id, route, now_ms);
        }
        Ok(())
    }

    /// Groups that an alert belongs to, each with its route.
    fn places(&self, labels: &Labels) -> Vec<(String, usize)> {
        let routes = self.setup.routes.matching(labels).into_iter();
        let known = routes.filter_map(|number| Some((number, self.setup.routes.get(number)?)));
        known.map(|(number, route)| (group_id(&route.id, &route.group_labels(labels)), number)).collect()
    }

    /// Puts an alert into a group, which is made if it is not there.
    fn join(&mut self, fingerprint: u64, id: String, number: usize, now_ms: i64) {
        let Some(route) = self.setup.routes.get(number) else { return };
        let Some(alert) = self.alerts.get_mut(&fingerprint) else { return };
        let is_full = self.groups.len() >= self.setup.options.groups_max;
        if is_full && !self.groups.contains_key(&id) {
            self.counters.groups_dropped += 1;
            return;
        }
        let group = self.groups.entry(id.clone()).or_insert_with(|| {
            let labels = route.group_labels(&alert.labels);
            Group {
                route: number,
                receiver: route.receiver.clone(),
                key: route.group_key(&labels),
                labels,
                members: BTreeSet::new(),
                timer: Timer::first(now_ms + route.group_wait_ms),
            }
        });
        let is_new = group.timer.flushed_at_ms.is_none();
        if is_new && alert.starts_at_ms + route.group_wait_ms < now_ms {
            group.timer.next_flush_ms = group.timer.next_flush_ms.min(now_ms);
        }
        if group.members.insert(fingerprint) || is_new {
            self.changed_groups.insert(id.clone());
        }
        alert.groups.insert(id);
    }

    /// What has been counted since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many alerts, groups and silences there are.
    pub fn sizes(&self) -> Sizes {
        Sizes { alerts: self.alerts.len(), groups: self.groups.len(), silences: self.silences.iter().count() }
    }

    /// Makes a silence, or changes the one with the same id; gives its id. One that cannot be changed without
    /// changing the past is ended, and a new one has the id `new_id`.
    ///
    /// # Errors
    /// See [`SilenceError`].
    pub fn set_silence(
        &mut self,
        silence: Silence,
        new_id: String,
        now_ms: i64,
    ) -> Result<String, SilenceError> {
        self.silences.set(silence, new_id, self.setup.options.silences_max, now_ms)
    }

    /// Ends a silence now.
    ///
    /// # Errors
    /// [`SilenceError::Unknown`].
    pub fn expire_silence(&mut self, id: &str, now_ms: i64) -> Result<(), SilenceError> {
        self.silences.expire(id, now_ms)
    }
}

/// Unique name of a group.
fn group_id(route_id: &str, group_labels: &Labels) -> String {
    format!("{route_id}:{group_labels}")
}

#[cfg(test)]
mod tests;
