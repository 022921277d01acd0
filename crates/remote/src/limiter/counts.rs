//! What this gateway holds of each ceiling, and what of it is still to be written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use guard::shared::{Ask, Held, Kind};
use parking_lot::Mutex;

use super::State;

/// Bounded by what is open: a limit of which nothing is held is forgotten once that is written.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    held: HashMap<Arc<str>, u32>,
    dirty: HashSet<Arc<str>>,
}

/// Those of one opening, given back when dropped.
struct Places {
    state: Arc<State>,
    names: Vec<Arc<str>>,
}

impl Drop for Places {
    fn drop(&mut self) {
        let mut inner = self.state.counts.0.lock();
        for name in self.names.drain(..) {
            if let Some(held) = inner.held.get_mut(&name) {
                *held = held.saturating_sub(1);
            }
            inner.dirty.insert(name);
        }
        drop(inner);
        self.state.wake.notify_one();
    }
}

impl State {
    /// One place of each ceiling that is asked for. Redis knows of them, or is told with the next call.
    pub(super) fn take(self: &Arc<Self>, asks: &[Ask]) -> Held {
        let ceilings = asks.iter().filter(|ask| matches!(ask.kind, Kind::Ceiling { .. }));
        let names: Vec<Arc<str>> = ceilings.map(|ask| Arc::clone(&ask.name)).collect();
        let mut inner = self.counts.0.lock();
        for name in &names {
            *inner.held.entry(Arc::clone(name)).or_default() += 1;
        }
        drop(inner);
        Held::new(Places { state: Arc::clone(self), names })
    }
}

impl Counts {
    /// How much is held of one.
    pub(super) fn held(&self, name: &str) -> u32 {
        self.0.lock().held.get(name).copied().unwrap_or_default()
    }

    /// All is to be written again.
    pub(super) fn renew(&self) {
        let Inner { held, dirty } = &mut *self.0.lock();
        dirty.extend(held.keys().map(Arc::clone));
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.0.lock().dirty.is_empty()
    }

    /// Up to `max` limits that are to be written, with what is held of each.
    pub(super) fn take_dirty(&self, max: usize) -> Vec<(Arc<str>, u32)> {
        let Inner { held, dirty } = &mut *self.0.lock();
        let names: Vec<Arc<str>> = dirty.iter().take(max).map(Arc::clone).collect();
        let mut counts = Vec::with_capacity(names.len());
        for name in names {
            dirty.remove(&name);
            let count = held.get(&name).copied().unwrap_or_default();
            if count == 0 {
                held.remove(&name);
            }
            counts.push((name, count));
        }
        counts
    }

    /// These are to be written after all.
    pub(super) fn put_back(&self, names: impl Iterator<Item = Arc<str>>) {
        self.0.lock().dirty.extend(names);
    }
}
