//! Which alerts are not told of because another fires (Alertmanager, `inhibit`).

use std::collections::{BTreeMap, BTreeSet};

use model::series::Labels;

use super::Alert;
use crate::alertmanager::InhibitRule;

/// A rule by its number, and the values of the labels that must be equal.
type Key = (usize, Vec<String>);

/// Rules, and the alerts that are a source of each.
#[derive(Debug, Default)]
pub(super) struct Inhibitor {
    rules: Vec<InhibitRule>,
    sources: BTreeMap<Key, BTreeSet<u64>>,
}

impl Inhibitor {
    pub(super) fn new(rules: Vec<InhibitRule>) -> Inhibitor {
        Inhibitor { rules, sources: BTreeMap::new() }
    }

    /// Takes note of an alert that may be a source.
    pub(super) fn add(&mut self, fingerprint: u64, labels: &Labels) {
        for key in self.keys(labels) {
            self.sources.entry(key).or_default().insert(fingerprint);
        }
    }

    /// Forgets an alert.
    pub(super) fn remove(&mut self, fingerprint: u64, labels: &Labels) {
        for key in self.keys(labels) {
            if let Some(known) = self.sources.get_mut(&key) {
                known.remove(&fingerprint);
                if known.is_empty() {
                    self.sources.remove(&key);
                }
            }
        }
    }

    fn keys(&self, labels: &Labels) -> Vec<Key> {
        let rules = self.rules.iter().enumerate().filter(|(_, rule)| rule.source.is_match(labels));
        rules.map(|(number, rule)| (number, equal(rule, labels))).collect()
    }

    /// The alert that inhibits one with these labels. One that is both source and target of a rule is not inhibited
    /// by another that is both.
    pub(super) fn inhibiting(
        &self,
        labels: &Labels,
        alerts: &BTreeMap<u64, Alert>,
        now_ms: i64,
    ) -> Option<u64> {
        let rules = self.rules.iter().enumerate().filter(|(_, rule)| rule.target.is_match(labels));
        rules.into_iter().find_map(|(number, rule)| {
            let sources = self.sources.get(&(number, equal(rule, labels)))?;
            let is_both = rule.source.is_match(labels);
            let inhibits = |source: &Alert| {
                !(source.is_resolved(now_ms) || is_both && rule.target.is_match(&source.labels))
            };
            sources.iter().copied().find(|fingerprint| alerts.get(fingerprint).is_some_and(inhibits))
        })
    }
}

fn equal(rule: &InhibitRule, labels: &Labels) -> Vec<String> {
    rule.equal.iter().map(|name| labels.get(name).to_owned()).collect()
}
