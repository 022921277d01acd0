//! State of groups to be kept while the process is away.

use std::collections::BTreeMap;

use model::rules::State;
use model::series::Labels;
use serde::{Deserialize, Serialize};

use super::alerts::Alert;
use super::group::{Group, Rule};
use crate::rules::Pairs;

/// Labels as they are kept.
type Named = BTreeMap<String, String>;

/// State of one group; serialized as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedGroup {
    /// File of the group.
    pub file: String,
    /// Name of the group.
    pub name: String,
    /// When it was last evaluated, milliseconds since the Unix epoch; 0 for never.
    pub slot_ms: i64,
    rules: Vec<SavedRule>,
}

impl SavedGroup {
    /// Whether there is nothing to restore.
    pub fn is_empty(&self) -> bool {
        self.rules.iter().all(|rule| rule.alerts.is_empty() && rule.series.is_empty())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedRule {
    name: String,
    labels: Pairs,
    alerts: Vec<(Named, Alert)>,
    series: Vec<Named>,
}

pub(super) fn save(group: &Group) -> SavedGroup {
    let rule = |rule: &Rule| {
        let (name, labels) = rule.identity();
        SavedRule {
            name,
            labels,
            alerts: rule.alerts.iter().map(|(labels, alert)| (named(labels), alert.clone())).collect(),
            series: rule.series.iter().map(named).collect(),
        }
    };
    SavedGroup {
        file: group.file.clone(),
        name: group.spec.name.clone(),
        slot_ms: group.slot_ms.unwrap_or(0),
        rules: group.rules.iter().map(rule).collect(),
    }
}

/// Gives rules with the same name and labels their state again; pending alerts become younger.
pub(super) fn restore(group: &mut Group, saved: SavedGroup, younger_by_ms: i64) {
    group.slot_ms = Some(saved.slot_ms);
    let mut known = saved.rules;
    for rule in &mut group.rules {
        let (name, labels) = rule.identity();
        let at = known.iter().position(|saved| saved.name == name && saved.labels == labels);
        let Some(saved) = at.map(|at| known.remove(at)) else { continue };
        rule.series = saved.series.into_iter().map(Labels::new).collect();
        let is_alert = rule.spec.is_alert();
        rule.alerts = saved
            .alerts
            .into_iter()
            .filter(|_| is_alert)
            .map(|(labels, mut alert)| {
                if alert.state == State::Pending {
                    alert.active_at_ms += younger_by_ms;
                }
                (Labels::new(labels), alert)
            })
            .collect();
    }
    group.ended.extend(known.into_iter().flat_map(|saved| saved.series).map(Labels::new));
}

fn named(labels: &Labels) -> Named {
    labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}
