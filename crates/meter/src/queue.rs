//! Counters of queues towards slow clients, by class. Names of classes come from the configuration, so their number is
//! bounded: beyond the limit, which takes many reloads, they go to `other`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use model::{Shed, Unqueued};

use crate::cells::{Counter, Counts};

/// Classes of a route that are counted by name.
const CLASSES_MAX: usize = 64;

const OTHER: &str = "other";

/// What is counted of one route.
#[derive(Debug, Default)]
pub struct QueueCells {
    /// Connections that have no queue although the route has one.
    pub unqueued: Counts<Unqueued>,
    classes: RwLock<BTreeMap<Arc<str>, Arc<ClassCells>>>,
}

/// What is counted of one class.
#[derive(Debug, Default)]
pub struct ClassCells {
    /// Messages that the client's kernel socket has accepted.
    pub delivered: Counter,
    /// Messages that a policy has dropped.
    pub dropped: Counts<Shed>,
}

impl QueueCells {
    /// Where the messages of a class are counted.
    pub fn class(&self, name: &str) -> Arc<ClassCells> {
        let mut classes = self.classes.write().unwrap_or_else(PoisonError::into_inner);
        let name = if classes.len() < CLASSES_MAX || classes.contains_key(name) { name } else { OTHER };
        Arc::clone(classes.entry(name.into()).or_default())
    }

    /// Tells of each class.
    pub fn each_class(&self, mut on: impl FnMut(&str, &ClassCells)) {
        let classes = self.classes.read().unwrap_or_else(PoisonError::into_inner);
        classes.iter().for_each(|(name, cells)| on(name, cells));
    }

    /// Delivered over delivered and dropped, of all classes; none before the first message.
    pub fn delivery_ratio(&self) -> Option<f64> {
        let (mut delivered, mut dropped) = (0, 0);
        self.each_class(|_, cells| {
            delivered += cells.delivered.get();
            dropped += cells.dropped.sum();
        });
        (delivered + dropped > 0).then(|| delivered as f64 / (delivered + dropped) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_bounded() {
        let cells = QueueCells::default();
        assert_eq!(cells.delivery_ratio(), None);
        (0..100).for_each(|number| cells.class(&number.to_string()).delivered.inc());
        cells.class(OTHER).dropped.add(Shed::Expire, 100);
        let mut classes = 0;
        cells.each_class(|_, _| classes += 1);
        assert_eq!((classes, cells.delivery_ratio()), (CLASSES_MAX + 1, Some(0.5)));
    }
}
