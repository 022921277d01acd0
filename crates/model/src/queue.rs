//! What a queue towards a slow client has done.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What the queue towards the client has done over the life of a connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct QueueFacts {
    /// Messages that the client's kernel socket has accepted, over these and those that were dropped; none before the
    /// first.
    pub delivery_ratio: Option<f64>,
    /// Most bytes that waited at once, those of the message at hand left out.
    pub waiting_bytes_max: u64,
    /// Its classes, highest priority first.
    pub classes: Vec<QueuedClass>,
}

/// What a queue has done with the messages of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct QueuedClass {
    /// Its configured name.
    pub class: Arc<str>,
    /// Messages that the client's kernel socket has accepted.
    pub delivered: u64,
    /// Messages that a policy has dropped.
    pub dropped: u64,
}

impl QueueFacts {
    /// Facts of these classes.
    pub fn new(classes: Vec<QueuedClass>, waiting_bytes_max: u64) -> QueueFacts {
        let mut facts = QueueFacts { delivery_ratio: None, waiting_bytes_max, classes };
        let (delivered, dropped) = (facts.delivered(), facts.dropped());
        let all = delivered + dropped;
        facts.delivery_ratio = (all > 0).then(|| delivered as f64 / all as f64);
        facts
    }

    /// Messages that were delivered.
    pub fn delivered(&self) -> u64 {
        self.classes.iter().map(|class| class.delivered).sum()
    }

    /// Messages that were dropped.
    pub fn dropped(&self) -> u64 {
        self.classes.iter().map(|class| class.dropped).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_of_all_classes() {
        let class = |delivered, dropped| QueuedClass { class: "x".into(), delivered, dropped };
        let ratio = |classes| QueueFacts::new(classes, 0).delivery_ratio;
        assert_eq!(ratio(vec![class(0, 0)]), None);
        assert_eq!(ratio(vec![class(30, 0), class(30, 20)]), Some(0.75));
    }
}
