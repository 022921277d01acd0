//! Calls that a vendor has taken and may not have made yet: those about what is over, or what somebody cares about, are
//! taken back, so that nobody is called about a healed problem.

use std::collections::VecDeque;

use alert::dispatch::Change;
use serde::{Deserialize, Serialize};

/// Name of the text that is kept.
pub(super) const NAME: &str = "queued";

/// How long a vendor keeps a call at most (Twilio: 24 h), milliseconds.
const KEPT_MS: i64 = 24 * 3_600_000;

/// Most calls; the oldest leave.
const CALLS_MAX: usize = 1000;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct QueuedCall {
    pub(super) destination: String,
    /// The vendor's name for it.
    pub(super) id: String,
    /// Name of the group that it is about.
    group: String,
    at_ms: i64,
}

impl QueuedCall {
    fn is_same(&self, other: &QueuedCall) -> bool {
        self.id == other.id && self.destination == other.destination
    }
}

/// Calls that can be taken back.
#[derive(Debug, Default)]
pub(super) struct Queued {
    calls: VecDeque<QueuedCall>,
    has_changed: bool,
}

impl Queued {
    /// Goes on where the process before ended; false when the text cannot be read.
    pub(super) fn restore(&mut self, text: &str) -> bool {
        let read = serde_json::from_str(text);
        read.map(|calls| self.calls = calls).is_ok()
    }

    /// A vendor has taken a call.
    pub(super) fn add(&mut self, destination: String, id: String, group: String, now_ms: i64) {
        if self.calls.len() >= CALLS_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back(QueuedCall { destination, id, group, at_ms: now_ms });
        self.has_changed = true;
    }

    /// Takes out the calls about groups that nobody is to be called about; those that are too old are forgotten.
    pub(super) fn take_idle(&mut self, is_alarming: impl Fn(&str) -> bool, now_ms: i64) -> Vec<QueuedCall> {
        let before = self.calls.len();
        let young = self.calls.drain(..).filter(|call| now_ms - call.at_ms < KEPT_MS);
        let (left, idle): (VecDeque<_>, VecDeque<_>) = young.partition(|call| is_alarming(&call.group));
        self.has_changed |= left.len() != before;
        self.calls = left;
        // One call may be about several groups.
        let mut idle: Vec<QueuedCall> = idle.into();
        idle.retain(|call| !self.calls.iter().any(|other| other.is_same(call)));
        idle.dedup_by(|a, b| a.is_same(b));
        idle
    }

    /// What is to be written.
    pub(super) fn take_changes(&mut self) -> Option<Change> {
        if !std::mem::take(&mut self.has_changed) {
            return None;
        }
        let text = serde_json::to_string(&self.calls).ok().filter(|_| !self.calls.is_empty());
        Some(Change { name: NAME.to_owned(), text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_is_called_about_is_taken_back_also_by_the_next_process() {
        let mut queued = Queued::default();
        for (id, group) in [("CA1", "a"), ("CA2", "b"), ("CA3", "a")] {
            queued.add("oncall/voice/0".to_owned(), id.to_owned(), group.to_owned(), 0);
        }
        let text = queued.take_changes().and_then(|change| change.text).expect("a text");
        assert_eq!(queued.take_changes(), None);
        let mut next = Queued::default();
        assert!(next.restore(&text) && !next.restore("x"));
        let ids = |calls: Vec<QueuedCall>| calls.into_iter().map(|call| call.id).collect::<Vec<_>>();
        assert_eq!(ids(next.take_idle(|_| true, 1)), Vec::<String>::new());
        assert_eq!(next.take_changes(), None);
        assert_eq!(ids(next.take_idle(|group| group == "b", 1)), ["CA1", "CA3"]);
        assert!(next.take_changes().and_then(|change| change.text).expect("a text").contains("CA2"));
        assert_eq!(ids(next.take_idle(|_| false, KEPT_MS)), Vec::<String>::new());
        assert_eq!(next.take_changes(), Some(Change { name: NAME.to_owned(), text: None }));
    }

    #[test]
    fn a_call_about_several_groups_is_taken_back_with_the_last() {
        let mut queued = Queued::default();
        for group in ["a", "b", "c"] {
            queued.add("oncall/voice/0".to_owned(), "CA1".to_owned(), group.to_owned(), 0);
        }
        assert_eq!(queued.take_idle(|group| group != "a", 1).len(), 0);
        assert_eq!(queued.take_idle(|_| false, 1).len(), 1);
    }

    #[test]
    fn of_too_many_the_oldest_leaves() {
        let mut queued = Queued::default();
        for number in 0..=CALLS_MAX {
            queued.add("a".to_owned(), number.to_string(), "g".to_owned(), 0);
        }
        let idle = queued.take_idle(|_| false, 1);
        assert_eq!((idle.len(), &*idle[0].id), (CALLS_MAX, "1"));
    }
}
