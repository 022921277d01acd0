//! What a queue towards a slow client has done.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::WallTime;
use crate::words;

words! {
    /// Why a queue has dropped a message.
    Shed {
        /// The queue was full, and it was the oldest.
        DropOldest = "drop_oldest",
        /// The queue was full, and it was the oldest of the lowest class.
        DropLowest = "drop_lowest",
        /// A later one of the same key has taken its place.
        Coalesce = "coalesce",
        /// It had waited for too long.
        Expire = "expire",
        /// The queue was full, and its receiver was given up.
        Disconnect = "disconnect",
    }
}

words! {
    /// Why a connection of a route with a queue has none.
    Unqueued {
        /// A WebSocket whose compression keeps its window from one message to the next.
        Compression = "compression",
        /// An event stream that is encoded.
        Encoding = "encoding",
        /// An event stream whose length is announced.
        Length = "length",
        /// An event stream over HTTP/1.1 that was asked for in another way than by a GET that accepts event streams.
        Request = "request",
    }
}

/// What the queue towards the client has done over the life of a connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct QueueFacts {
    /// Messages that the client's kernel socket has accepted, over these and those that were dropped; none before the
    /// first.
    pub delivery_ratio: Option<f64>,
    /// Most bytes that waited at once, those of the message at hand left out.
    pub waiting_bytes_max: u64,
    /// When a policy has dropped a message last, for which no later one of the same key has come; none before the first.
    #[serde(default)]
    pub lost_last_at: Option<WallTime>,
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
    /// Those of them whose place a later one of the same key has taken: its client gets the latest all the same.
    #[serde(default)]
    pub coalesced: u64,
}

impl QueuedClass {
    /// Messages that were dropped and that no later one of the same key stands for.
    pub fn lost(&self) -> u64 {
        self.dropped.saturating_sub(self.coalesced)
    }
}

impl QueueFacts {
    /// Facts of these classes.
    pub fn new(classes: Vec<QueuedClass>, waiting_bytes_max: u64) -> QueueFacts {
        let mut facts = QueueFacts { delivery_ratio: None, waiting_bytes_max, lost_last_at: None, classes };
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

    /// Messages that were dropped and that no later one of the same key stands for.
    pub fn lost(&self) -> u64 {
        self.classes.iter().map(QueuedClass::lost).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_of_all_classes() {
        let class = |delivered, dropped| QueuedClass { class: "x".into(), delivered, dropped, coalesced: 0 };
        let ratio = |classes| QueueFacts::new(classes, 0).delivery_ratio;
        assert_eq!(ratio(vec![class(0, 0)]), None);
        assert_eq!(ratio(vec![class(30, 0), class(30, 20)]), Some(0.75));
    }

    #[test]
    fn what_a_later_message_stands_for_is_not_lost() {
        let class = |dropped, coalesced| QueuedClass { class: "x".into(), delivered: 0, dropped, coalesced };
        assert_eq!(QueueFacts::new(vec![class(20, 20), class(5, 2)], 0).lost(), 3);
    }
}
