//! What people read in the log of rules and alerts: changes, and each once.

use std::collections::BTreeMap;

use alert::engine::{Due, Evaluation, State, Transition};

/// Knows which rules fail, and why.
#[derive(Debug, Default)]
pub(super) struct Log {
    failing: BTreeMap<(String, String), Vec<(String, String)>>,
}

impl Log {
    /// Tells what an evaluation has changed.
    pub(super) fn evaluated(&mut self, due: &Due, evaluation: &Evaluation) {
        let Due { file, group, missed, .. } = due;
        if *missed > 0 {
            tracing::warn!(file, group, missed, "evaluations of rules were left out");
        }
        for ((alert, is_firing), count) in changes(&evaluation.transitions) {
            let what = if is_firing { "an alert fires" } else { "an alert has ended" };
            tracing::info!(alert, count, "{what}");
        }
        let key = (file.clone(), group.clone());
        let failing = &evaluation.failures;
        let known = self.failing.remove(&key).unwrap_or_default();
        for (rule, error) in failing.iter().filter(|failure| !known.contains(failure)) {
            tracing::warn!(file, group, rule, error, "a rule fails");
        }
        for (rule, _) in known.iter().filter(|(rule, _)| failing.iter().all(|(other, _)| other != rule)) {
            tracing::info!(file, group, rule, "a rule works again");
        }
        if !failing.is_empty() {
            self.failing.insert(key, failing.clone());
        }
    }
}

/// How many alerts of a name began to fire, and how many ended.
fn changes(transitions: &[Transition]) -> BTreeMap<(&str, bool), usize> {
    let mut counts = BTreeMap::new();
    for change in transitions {
        let is_firing = change.to == State::Firing;
        if is_firing || change.from == State::Firing && change.to == State::Inactive {
            *counts.entry((change.labels.get("alertname"), is_firing)).or_insert(0) += 1;
        }
    }
    counts
}
