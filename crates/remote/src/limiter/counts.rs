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
    held: HashMap<Arc<str>, Count>,
    dirty: HashSet<Arc<str>>,
    /// Which clients' turn it is to be renewed.
    turn: u8,
    /// The turn of the next client.
    next_turn: u8,
}

/// What is held of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) held: u32,
    pub(super) is_of_client: bool,
    turn: u8,
}

/// Counts of clients are renewed with one of so many beats each, since there may be a hundred thousand of them.
pub(super) const CLIENT_BEATS: u8 = 5;

/// Those of one opening, given back when dropped.
struct Places {
    state: Arc<State>,
    names: Vec<Arc<str>>,
}

impl Drop for Places {
    fn drop(&mut self) {
        let mut inner = self.state.counts.0.lock();
        for name in self.names.drain(..) {
            if let Some(count) = inner.held.get_mut(&name) {
                count.held = count.held.saturating_sub(1);
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
        let mut inner = self.counts.0.lock();
        let names = ceilings.map(|ask| {
            inner.take(ask);
            Arc::clone(&ask.name)
        });
        let names: Vec<Arc<str>> = names.collect();
        drop(inner);
        Held::new(Places { state: Arc::clone(self), names })
    }
}

impl Inner {
    fn take(&mut self, ask: &Ask) {
        let turn = self.next_turn;
        let new = || Count { held: 0, is_of_client: ask.is_of_client, turn };
        self.held.entry(Arc::clone(&ask.name)).or_insert_with(new).held += 1;
        self.next_turn = (turn + 1) % CLIENT_BEATS;
    }
}

impl Counts {
    /// How much is held of one.
    pub(super) fn held(&self, name: &str) -> u32 {
        self.0.lock().held.get(name).map_or(0, |count| count.held)
    }

    /// All is to be written again.
    pub(super) fn renew_all(&self) {
        let Inner { held, dirty, .. } = &mut *self.0.lock();
        dirty.extend(held.keys().map(Arc::clone));
    }

    /// A beat: all but clients is to be written again, and of these those whose turn it is.
    pub(super) fn renew(&self) {
        let Inner { held, dirty, turn, .. } = &mut *self.0.lock();
        let is_due = |count: &Count| !count.is_of_client || count.turn == *turn;
        dirty.extend(held.iter().filter(|(_, count)| is_due(count)).map(|(name, _)| Arc::clone(name)));
        *turn = (*turn + 1) % CLIENT_BEATS;
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.0.lock().dirty.is_empty()
    }

    /// Up to `max` limits that are to be written, with what is held of each.
    pub(super) fn take_dirty(&self, max: usize) -> Vec<(Arc<str>, Count)> {
        let Inner { held, dirty, .. } = &mut *self.0.lock();
        let names: Vec<Arc<str>> = dirty.iter().take(max).map(Arc::clone).collect();
        let mut counts = Vec::with_capacity(names.len());
        for name in names {
            dirty.remove(&name);
            let count = held.get(&name).copied().unwrap_or_default();
            if count.held == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_renewed_in_turn_and_all_else_each_time() {
        let counts = Counts::default();
        for number in 0..20 {
            let kind = Kind::Ceiling { max: 9 };
            counts.0.lock().take(&Ask { name: format!("c{number}").into(), kind, is_of_client: true });
        }
        counts.0.lock().take(&Ask {
            name: "route".into(),
            kind: Kind::Ceiling { max: 9 },
            is_of_client: false,
        });
        let mut renewed: HashMap<Arc<str>, u32> = HashMap::new();
        for _ in 0..CLIENT_BEATS {
            counts.renew();
            let dirty = counts.take_dirty(usize::MAX);
            assert!(dirty.len() <= 1 + 20 / usize::from(CLIENT_BEATS) + 1, "{}", dirty.len());
            dirty.into_iter().for_each(|(name, _)| *renewed.entry(name).or_default() += 1);
        }
        assert_eq!(renewed.remove("route"), Some(u32::from(CLIENT_BEATS)));
        assert_eq!((renewed.len(), renewed.values().max()), (20, Some(&1)));
        counts.renew_all();
        assert_eq!(counts.take_dirty(usize::MAX).len(), 21);
    }
}
