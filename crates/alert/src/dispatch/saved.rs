//! State to be kept while the process is away: small texts (JSON), each under a name of its own.
//!
//! The order of writing decides what a sudden end costs. Changes are written before sends are given to channels,
//! before the sender of an alert or a silence is answered, and, of a channel's answer, before its queue forgets the
//! send. After a restart the queue says what became of each send ([`Fate`]) and drops those that are not among
//! [`Dispatcher::given`]; so nothing is lost, and nothing is told twice within the interval of its group.

use std::collections::{BTreeMap, BTreeSet};

use model::series::Labels;
use serde::{Deserialize, Serialize};

use super::group::Timer;
use super::log::Entry;
use super::{Alert, Dispatcher, Group, SendId, Silence};
use crate::notice::fingerprint;
use crate::rules::Pairs;

const ALERT: &str = "alert/";
const GROUP: &str = "group/";
const LOG: &str = "log/";
const SILENCE: &str = "silence/";

/// A text that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name; unique.
    pub name: String,
    /// The text; none if it is no more.
    pub text: Option<String>,
}

/// What became of a send while the process was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits: its outcome will be told.
    Waits,
    /// Nobody knows of it: it was not given to the channel. Its group is looked at again at once.
    Unknown,
    /// It may have been told: the process ended before the answer. It is told again a group interval later.
    Doubtful {
        /// When it was tried, milliseconds since the Unix epoch.
        tried_at_ms: i64,
    },
}

type Named = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
struct SavedAlert {
    labels: Named,
    annotations: Pairs,
    starts_at_ms: i64,
    ends_at_ms: i64,
    is_end_guessed: bool,
    updated_at_ms: i64,
    generator_url: String,
}

#[derive(Serialize, Deserialize)]
struct SavedGroup {
    id: String,
    receiver: String,
    members: BTreeSet<u64>,
    timer: Timer,
}

#[derive(Serialize, Deserialize)]
struct SavedEntry {
    key: SendId,
    entry: Entry,
}

impl Dispatcher {
    /// What has changed since it was last asked, to be written at once.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for changed in std::mem::take(&mut self.changed_alerts) {
            let saved = self.alerts.get(&changed).map(save_alert);
            changes.push(change(ALERT, &format!("{changed:016x}"), saved.as_ref()));
        }
        for id in std::mem::take(&mut self.changed_groups) {
            let saved = self.groups.get(&id).map(|group| SavedGroup {
                id: id.clone(),
                receiver: group.receiver.clone(),
                members: group.members.clone(),
                timer: group.timer.clone(),
            });
            changes.push(change(GROUP, &id, saved.as_ref()));
        }
        for key in std::mem::take(&mut self.log.changed) {
            let name = format!("{}/{}/{}", key.receiver, key.channel, key.group);
            let saved = self.log.entries.get(&key).map(|entry| SavedEntry { entry: entry.clone(), key });
            changes.push(change(LOG, &name, saved.as_ref()));
        }
        for id in std::mem::take(&mut self.silences.changed) {
            changes.push(change(SILENCE, &id, self.silences.get(&id)));
        }
        changes
    }

    /// Takes what was kept: names and texts of [`Change`]s. `fate` says what became of sends without an answer. Gives
    /// the names of texts that cannot be read.
    pub fn restore(
        &mut self,
        kept: impl IntoIterator<Item = (String, String)>,
        fate: impl Fn(&SendId) -> Fate,
        now_ms: i64,
    ) -> Vec<String> {
        let mut unreadable = Vec::new();
        let mut groups = Vec::new();
        for (name, text) in kept {
            if self.restore_text(&name, &text, &mut groups).is_none() {
                unreadable.push(name);
            }
        }
        for saved in groups {
            self.restore_group(saved, &fate);
        }
        self.regroup(now_ms);
        unreadable
    }

    fn restore_text(&mut self, name: &str, text: &str, groups: &mut Vec<SavedGroup>) -> Option<()> {
        if name.starts_with(ALERT) {
            self.restore_alert(serde_json::from_str(text).ok()?);
        } else if name.starts_with(GROUP) {
            groups.push(serde_json::from_str(text).ok()?);
        } else if name.starts_with(LOG) {
            let saved: SavedEntry = serde_json::from_str(text).ok()?;
            self.log.entries.insert(saved.key, saved.entry);
        } else if name.starts_with(SILENCE) {
            self.silences.restore(serde_json::from_str::<Silence>(text).ok()?);
        } else {
            return None;
        }
        Some(())
    }

    fn restore_alert(&mut self, saved: SavedAlert) {
        let alert = Alert {
            labels: Labels::new(saved.labels),
            annotations: saved.annotations,
            starts_at_ms: saved.starts_at_ms,
            ends_at_ms: saved.ends_at_ms,
            is_end_guessed: saved.is_end_guessed,
            updated_at_ms: saved.updated_at_ms,
            generator_url: saved.generator_url,
            groups: BTreeSet::new(),
        };
        let fingerprint = fingerprint(&alert.labels);
        self.inhibitor.add(fingerprint, &alert.labels);
        self.alerts.insert(fingerprint, alert);
    }

    /// Makes a group as it was; where it belongs is found out afterwards.
    fn restore_group(&mut self, saved: SavedGroup, fate: &impl Fn(&SendId) -> Fate) {
        let mut timer = saved.timer;
        let given: Vec<(String, i64)> =
            timer.given.iter().map(|(channel, given)| (channel.clone(), given.at_ms)).collect();
        for (channel, at_ms) in given {
            let id = SendId {
                group: saved.id.clone(),
                receiver: saved.receiver.clone(),
                channel: channel.clone(),
            };
            let fate = fate(&id);
            if fate == Fate::Waits {
                continue;
            }
            timer.given.remove(&channel);
            timer.is_incomplete = true;
            let interval_ms = timer.next_flush_ms - timer.flushed_at_ms.unwrap_or(at_ms);
            timer.next_flush_ms = match fate {
                Fate::Doubtful { tried_at_ms } => timer.next_flush_ms.max(tried_at_ms + interval_ms),
                Fate::Waits | Fate::Unknown => at_ms,
            };
        }
        for member in &saved.members {
            if let Some(alert) = self.alerts.get_mut(member) {
                alert.groups.insert(saved.id.clone());
            }
        }
        let group = Group {
            route: 0,
            receiver: saved.receiver,
            labels: Labels::default(),
            key: String::new(),
            members: saved.members,
            timer,
        };
        self.groups.insert(saved.id, group);
    }
}

fn save_alert(alert: &Alert) -> SavedAlert {
    SavedAlert {
        labels: named(&alert.labels),
        annotations: alert.annotations.clone(),
        starts_at_ms: alert.starts_at_ms,
        ends_at_ms: alert.ends_at_ms,
        is_end_guessed: alert.is_end_guessed,
        updated_at_ms: alert.updated_at_ms,
        generator_url: alert.generator_url.clone(),
    }
}

pub(super) fn named(labels: &Labels) -> Named {
    labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn change<T: Serialize>(kind: &str, name: &str, saved: Option<&T>) -> Change {
    let text = saved.and_then(|saved| serde_json::to_string(saved).ok());
    Change { name: format!("{kind}{name}"), text }
}
