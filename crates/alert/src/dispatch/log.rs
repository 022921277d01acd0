//! What was told last, and whether something is to be told (Alertmanager, `nflog`, `notify/dedup_stage.go`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::SendId;

/// Fingerprints of alerts that fire, and of those that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub firing: BTreeSet<u64>,
    pub resolved: BTreeSet<u64>,
}

/// What was told. Times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub told: Told,
    pub at_ms: i64,
    /// When it is forgotten, if the group is no more.
    pub expires_at_ms: i64,
}

/// Why something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing was told of the group, or all that was has ended.
    First,
    /// More alerts fire.
    NewAlerts,
    /// Some alerts have ended.
    SomeResolved,
    /// All alerts have ended.
    AllResolved,
    /// Nothing has changed for a long time.
    Repeated,
}

/// What was told last on each channel.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub entries: BTreeMap<SendId, Entry>,
    /// Entries that have changed.
    pub changed: BTreeSet<SendId>,
}

impl Log {
    /// Writes that something was told now.
    pub(super) fn write(&mut self, key: SendId, told: Told, now_ms: i64, kept_ms: i64) {
        let entry = Entry { told, at_ms: now_ms, expires_at_ms: now_ms.saturating_add(kept_ms) };
        self.changed.insert(key.clone());
        self.entries.insert(key, entry);
    }

    /// Forgets what is too old, but of groups that still are: whoever was told that they fire is to be told of the end.
    pub(super) fn forget(&mut self, is_group: impl Fn(&str) -> bool, now_ms: i64) {
        let is_old = |id: &SendId, entry: &mut Entry| entry.expires_at_ms <= now_ms && !is_group(&id.group);
        let gone = self.entries.extract_if(.., is_old);
        self.changed.extend(gone.map(|(key, _)| key));
    }

    /// Whether a state is to be told, and why.
    pub(super) fn judge(
        &self,
        key: &SendId,
        state: &Told,
        sends_resolved: bool,
        repeat_interval_ms: i64,
        now_ms: i64,
    ) -> Option<Reason> {
        let Some(entry) = self.entries.get(key) else {
            return (!state.firing.is_empty()).then_some(Reason::First);
        };
        if !state.firing.is_subset(&entry.told.firing) {
            return Some(if entry.told.firing.is_empty() { Reason::First } else { Reason::NewAlerts });
        }
        if state.firing.is_empty() {
            return (!entry.told.firing.is_empty()).then_some(Reason::AllResolved);
        }
        if sends_resolved && !state.resolved.is_subset(&entry.told.resolved) {
            return Some(Reason::SomeResolved);
        }
        (entry.at_ms < now_ms - repeat_interval_ms).then_some(Reason::Repeated)
    }
}
