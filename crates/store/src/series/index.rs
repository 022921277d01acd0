//! Which series have which label: for each value of each label the sorted slots of its series.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::series::Labels;

use super::entry::Entry;
use super::selector::{Asked, Selector};

/// Labels, their values, and the slots of the series that have them. Its texts are shared by all labels.
#[derive(Debug, Default)]
pub(crate) struct Index {
    names: HashMap<Arc<str>, HashMap<Arc<str>, Vec<u32>>>,
}

impl Index {
    /// Adds a series; the answer is its labels in shared texts.
    pub(crate) fn insert(&mut self, labels: &Labels, slot: u32) -> Labels {
        let mut shared = Vec::with_capacity(labels.len());
        for (name, value) in labels.iter() {
            let name = match self.names.get_key_value(name) {
                Some((name, _)) => name.clone(),
                None => name.clone(),
            };
            let values = self.names.entry(name.clone()).or_default();
            let value = match values.get_key_value(value) {
                Some((value, _)) => value.clone(),
                None => value.clone(),
            };
            let slots = values.entry(value.clone()).or_default();
            if let Err(at) = slots.binary_search(&slot) {
                slots.insert(at, slot);
            }
            shared.push((name, value));
        }
        Labels::new(shared)
    }

    /// Removes series, all that have one of the labels at once.
    pub(crate) fn remove<'a>(&mut self, labels: impl Iterator<Item = &'a Labels>, slots: &HashSet<u32>) {
        let touched: HashSet<(&Arc<str>, &Arc<str>)> = labels.flat_map(Labels::iter).collect();
        for (name, value) in touched {
            let Some(values) = self.names.get_mut(name) else { continue };
            if let Some(having) = values.get_mut(value) {
                having.retain(|slot| !slots.contains(slot));
                if having.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.names.remove(name);
            }
        }
    }

    /// The series that all terms hold for. `slots` are all that there are.
    pub(crate) fn select<'a>(
        &self,
        selector: &Selector,
        entry: impl Fn(u32) -> Option<&'a Arc<Entry>>,
        slots: u32,
    ) -> Vec<Arc<Entry>> {
        let mut asked: Vec<Asked<'_>> = selector.terms.iter().map(Asked::new).collect();
        let takes = |slot: u32| {
            let entry = entry(slot)?;
            let all = asked.iter_mut().all(|term| {
                let value = entry.labels.get(term.name());
                term.takes(value)
            });
            all.then(|| entry.clone())
        };
        match self.candidates(selector) {
            Some(candidates) => candidates.into_iter().filter_map(takes).collect(),
            None => (0..slots).filter_map(takes).collect(),
        }
    }

    /// A superset of the series that all terms hold for, small when a label is asked for by its value; none when
    /// that may be all series.
    fn candidates(&self, selector: &Selector) -> Option<Vec<u32>> {
        let needed = || selector.terms.iter().filter(|term| !term.takes_empty());
        let mut exact: Vec<&[u32]> = needed()
            .filter_map(|term| term.only_value().map(|value| self.having(&term.name, value)))
            .collect();
        exact.sort_unstable_by_key(|slots| slots.len());
        if let Some((smallest, others)) = exact.split_first() {
            let in_all = |slot: &&u32| others.iter().all(|slots| slots.binary_search(slot).is_ok());
            return Some(smallest.iter().filter(in_all).copied().collect());
        }
        let term = needed().next()?;
        let values = self.names.get(&*term.name).into_iter().flatten();
        let having = values.filter(|(value, _)| term.takes(value)).flat_map(|(_, slots)| slots);
        let mut slots: Vec<u32> = having.copied().collect();
        slots.sort_unstable();
        Some(slots)
    }

    fn having(&self, name: &str, value: &str) -> &[u32] {
        self.names.get(name).and_then(|values| values.get(value)).map_or(&[], Vec::as_slice)
    }
}
