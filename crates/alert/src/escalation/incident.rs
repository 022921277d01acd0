//! One incident: what is known of it. Times are in milliseconds since the Unix epoch.

use std::collections::BTreeSet;

use model::series::Labels;
use serde::{Deserialize, Serialize};

use super::Why;
use super::policy::Next;
use crate::dispatch::Flush;
use crate::notice::{NoticeAlert, labels_as_map};

/// Most alerts that are kept of an incident, to tell of its end.
const ALERTS_MAX: usize = 100;

/// Most alerts that are known to have fired; beyond, those that fire no more are forgotten.
const KNOWN_MAX: usize = 10_000;

/// What is being done about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename = "IncidentState", rename_all = "snake_case"))]
pub enum State {
    /// Nobody has said that they care: steps are run.
    Open,
    /// Somebody cares.
    Acked,
    /// It is over.
    Closed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Incident {
    pub number: u64,
    /// Name of its group.
    pub group: String,
    pub group_key: String,
    #[serde(with = "labels_as_map")]
    pub group_labels: Labels,
    /// Name of its policy.
    pub policy: String,
    pub state: State,
    pub opened_at_ms: i64,
    /// What steps are counted from: the opening, later by all the time in which timers stood.
    pub base_ms: i64,
    /// Why steps were begun.
    pub why: Why,
    /// The step to be run next.
    pub next: Option<Next>,
    /// Whether it is to be run now: the one before has reached nobody.
    pub is_urgent: bool,
    /// A step is not run before this: it was not the time for it.
    pub not_before_ms: i64,
    /// Since when timers stand: all that fires is silenced, inhibited or mute.
    pub paused_at_ms: Option<i64>,
    pub acked_by: Option<String>,
    pub acked_at_ms: i64,
    /// Fingerprints of alerts that have fired.
    pub known: BTreeSet<u64>,
    /// The highest severity among them.
    pub severity: u8,
    /// Destinations that have been told that it is open.
    pub told: BTreeSet<String>,
    /// Calls of the newest step without an answer.
    pub waiting: BTreeSet<u64>,
    /// Whether the newest step has reached somebody.
    pub has_reached: bool,
    /// Whether a product that escalates by itself has it.
    pub is_delegated: bool,
    pub closed_at_ms: Option<i64>,
    /// The state before it was closed.
    pub state_before: State,
    pub group_interval_ms: i64,
    /// Its alerts when it was last looked at.
    pub alerts: Vec<NoticeAlert>,
}

impl Incident {
    /// One that opens now.
    pub(super) fn new(number: u64, look: &Flush, policy: &str, now_ms: i64) -> Incident {
        let mut incident = Incident {
            number,
            group: look.group.clone(),
            group_key: look.group_key.clone(),
            group_labels: look.group_labels.clone(),
            policy: policy.to_owned(),
            state: State::Open,
            opened_at_ms: now_ms,
            base_ms: now_ms,
            why: Why::Opened,
            next: None,
            is_urgent: false,
            not_before_ms: 0,
            paused_at_ms: None,
            acked_by: None,
            acked_at_ms: 0,
            known: BTreeSet::new(),
            severity: 0,
            told: BTreeSet::new(),
            waiting: BTreeSet::new(),
            has_reached: false,
            is_delegated: false,
            closed_at_ms: None,
            state_before: State::Open,
            group_interval_ms: look.group_interval_ms,
            alerts: Vec::new(),
        };
        incident.remember(&look.alerts);
        incident.restart(Why::Opened, now_ms);
        incident
    }

    /// Takes note of alerts that fire; gives the highest severity of those that are new.
    pub(super) fn learn(&mut self, firing: &[&NoticeAlert]) -> Option<u8> {
        if self.known.len() + firing.len() > KNOWN_MAX {
            let now: BTreeSet<u64> = firing.iter().map(|alert| alert.fingerprint()).collect();
            self.known.retain(|known| now.contains(known));
        }
        let new = firing.iter().filter(|alert| self.known.insert(alert.fingerprint()));
        let new = new.map(|alert| severity(alert)).max();
        self.severity = self.severity.max(new.unwrap_or(0));
        new
    }

    /// All that is known to fire has ended.
    pub(super) fn end_alerts(&mut self, now_ms: i64) {
        for alert in self.alerts.iter_mut().filter(|alert| !alert.is_resolved) {
            (alert.is_resolved, alert.ends_at_ms) = (true, now_ms);
        }
    }

    pub(super) fn remember(&mut self, alerts: &[NoticeAlert]) {
        if !alerts.is_empty() {
            self.alerts = alerts.iter().take(ALERTS_MAX).cloned().collect();
        }
    }

    /// Begins with the first step now.
    pub(super) fn restart(&mut self, why: Why, now_ms: i64) {
        self.state = State::Open;
        self.why = why;
        self.acked_by = None;
        self.base_ms = now_ms;
        self.next = Some(Next { round: 0, step: 0 });
        self.is_urgent = false;
        self.not_before_ms = 0;
        self.is_delegated = false;
    }

    /// Timers stand, or go on.
    pub(super) fn pause(&mut self, is_paused: bool, now_ms: i64) {
        match (self.paused_at_ms, is_paused) {
            (None, true) => self.paused_at_ms = Some(now_ms),
            (Some(since_ms), false) => {
                self.paused_at_ms = None;
                self.shift(now_ms - since_ms);
            }
            _ => {}
        }
    }

    /// Everything is later.
    pub(super) fn shift(&mut self, by_ms: i64) {
        self.base_ms += by_ms.max(0);
        self.acked_at_ms += by_ms.max(0);
    }
}

/// Severities from the lowest; what is not known is as high as the highest.
const SEVERITIES: [&str; 5] = ["none", "info", "warning", "error", "critical"];

fn severity(alert: &NoticeAlert) -> u8 {
    let spelled = alert.labels.get("severity");
    let rank =
        if spelled.is_empty() { Some(0) } else { SEVERITIES.iter().position(|known| *known == spelled) };
    rank.and_then(|rank| u8::try_from(rank).ok()).unwrap_or(u8::MAX)
}
