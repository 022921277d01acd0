//! When a load stops, whichever comes first.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The end of a load. It always has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// So long after the last connection was tried.
    pub after: Duration,
    /// After so many messages of all connections together: sent ones, or where the service pushes, received ones.
    pub messages: Option<u64>,
}

impl Stop {
    /// As a number.
    pub fn messages_max(self) -> u64 {
        self.messages.unwrap_or(u64::MAX)
    }
}

/// Messages that may still be sent, shared by all connections.
#[derive(Debug)]
pub struct Budget(AtomicU64);

impl Budget {
    /// So many.
    pub fn new(messages: u64) -> Budget {
        Budget(AtomicU64::new(messages))
    }

    /// Takes one; false when there is none left.
    pub fn take(&self) -> bool {
        self.take_up_to(1) == 1
    }

    /// Takes up to so many, and tells how many they were.
    pub fn take_up_to(&self, count: u64) -> u64 {
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (left != u64::MAX).then(|| left.saturating_sub(count))
        });
        before.map_or(count, |left| left.min(count))
    }

    /// Whether there is none left.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends() {
        let budget = Budget::new(3);
        assert_eq!([budget.take(), budget.is_empty()], [true, false]);
        assert_eq!(budget.take_up_to(5), 2);
        assert_eq!([budget.take(), budget.is_empty()], [false, true]);
        let endless = Budget::new(u64::MAX);
        assert!((0..1000).all(|_| endless.take()));
        assert!(!endless.is_empty());
    }
}
