//! Alerts that are told together (Alertmanager, `dispatch/dispatch.go`).

use std::collections::{BTreeMap, BTreeSet};

use model::series::Labels;
use serde::{Deserialize, Serialize};

use super::log::Told;

/// A group. Times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Number of its route.
    pub route: usize,
    /// Receiver of its route.
    pub receiver: String,
    /// Labels that its alerts are grouped by.
    pub labels: Labels,
    /// Identity as Alertmanager writes it.
    pub key: String,
    /// Fingerprints of its alerts.
    pub members: BTreeSet<u64>,
    pub timer: Timer,
}

/// What a group knows beside its alerts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Timer {
    /// When it is to be looked at.
    pub next_flush_ms: i64,
    /// When it was last looked at.
    pub flushed_at_ms: Option<i64>,
    /// What channels were given and have not answered yet, by their keys.
    pub given: BTreeMap<String, Given>,
    /// Alerts that had ended at the last look, each with the time of its last report: they leave the group once all
    /// channels have been told.
    pub ended: BTreeMap<u64, i64>,
    /// Whether a channel was not told, or had not answered for an earlier look.
    pub is_incomplete: bool,
}

/// What a channel was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Given {
    pub told: Told,
    /// When.
    pub at_ms: i64,
}

impl Timer {
    /// A group's first look is at a time.
    pub(super) fn first(next_flush_ms: i64) -> Timer {
        Timer { next_flush_ms, ..Timer::default() }
    }

    /// Whether all channels have been told of the last look.
    pub(super) fn is_complete(&self) -> bool {
        self.given.is_empty() && !self.is_incomplete
    }
}
