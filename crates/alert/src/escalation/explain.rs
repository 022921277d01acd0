//! What will happen, and what is going on.

use model::series::Labels;
use serde::Serialize;

use super::policy::Next;
use super::{Escalations, Policy, State};

/// Most rows of a timetable.
const ROWS_MAX: usize = 1000;

/// One call of a timetable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Seconds after the incident has opened, if nobody acknowledges.
    pub after_seconds: f64,
    /// The step, from 1.
    pub step: usize,
    /// The round, from 1.
    pub round: u32,
    /// Name of the receiver.
    pub destination: String,
    /// `message`, `sms` or `voice`.
    pub kind: &'static str,
    /// Why it is not called; none if it is.
    pub left_out: Option<&'static str>,
}

/// An incident as it stands. Times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct IncidentView {
    /// Its number.
    pub number: u64,
    /// Key of its group as Alertmanager writes it.
    pub group_key: String,
    /// Name of its policy.
    pub policy: String,
    /// What is being done about it.
    pub state: State,
    /// When it opened.
    pub opened_at_ms: i64,
    /// When it ended.
    pub closed_at_ms: Option<i64>,
    /// Whether timers stand: all that fires is silenced, inhibited or mute.
    pub is_paused: bool,
    /// Whether a product that escalates by itself has it.
    pub is_delegated: bool,
    /// Who cares.
    pub acked_by: Option<String>,
    /// Receivers that have been told that it is open.
    pub told: Vec<String>,
    /// The step that is run next, from 1, and when; or when the acknowledgement lapses.
    pub next_step: Option<usize>,
    /// See `next_step`.
    pub next_at_ms: Option<i64>,
    /// Number of its alerts when it was last looked at.
    pub alerts: usize,
}

impl Escalations {
    /// The policy for an alert, and its timetable; none if it is told by its route alone.
    pub fn timetable(&self, labels: &Labels) -> Option<(&Policy, Vec<Row>)> {
        let policy = self.setup.policies.iter().find(|policy| policy.when.is_match(labels))?;
        let mut rows = Vec::new();
        let mut next = Some(Next { round: 0, step: 0 });
        while let Some(at) = next.filter(|_| rows.len() < ROWS_MAX) {
            let step = &policy.steps[at.step];
            rows.extend(step.notify.iter().map(|destination| {
                let kind = self.setup.kind(destination);
                let left_out = if !step.only.is_match(labels) {
                    Some("the step is only for other alerts")
                } else if !Policy::permits(kind, labels) {
                    Some("only alerts with page=\"true\" may reach a phone")
                } else {
                    None
                };
                Row {
                    after_seconds: policy.offset_ms(at) as f64 / 1000.0,
                    step: at.step + 1,
                    round: at.round + 1,
                    destination: destination.clone(),
                    kind: kind.word(),
                    left_out,
                }
            }));
            next = policy.following(at);
        }
        Some((policy, rows))
    }

    /// All incidents, the newest first.
    pub fn incidents(&self) -> Vec<IncidentView> {
        self.kept.incidents.keys().rev().filter_map(|number| self.incident(*number)).collect()
    }

    /// Number of the newest incident of a group, and what is being done about it.
    pub fn newest_of(&self, group: &str) -> Option<(u64, State)> {
        let mut all = self.kept.incidents.values().rev();
        let incident = all.find(|incident| incident.group == group)?;
        Some((incident.number, incident.state))
    }

    /// One incident.
    pub fn incident(&self, number: u64) -> Option<IncidentView> {
        let incident = self.kept.incidents.get(&number)?;
        let next = incident.next.filter(|_| incident.state == State::Open && !incident.is_delegated);
        Some(IncidentView {
            number,
            group_key: incident.group_key.clone(),
            policy: incident.policy.clone(),
            state: incident.state,
            opened_at_ms: incident.opened_at_ms,
            closed_at_ms: incident.closed_at_ms,
            is_paused: incident.paused_at_ms.is_some(),
            is_delegated: incident.is_delegated,
            acked_by: incident.acked_by.clone(),
            told: incident.told.iter().cloned().collect(),
            next_step: next.map(|next| next.step + 1),
            next_at_ms: self.due_at_ms(number),
            alerts: incident.alerts.len(),
        })
    }
}
