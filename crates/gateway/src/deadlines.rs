//! When each open connection is to be judged by its limits of time. One without a limit for silence and without a
//! sign of its end is never looked at. Pure: time comes in.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use model::Moment;

/// The longest that something is kept without a look, and so after its own end.
const KEPT_MAX: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub struct Deadlines<T>(BinaryHeap<Due<T>>);

/// Something that is due at a moment. What is due first is the greatest, so that a heap gives it first.
#[derive(Debug)]
pub struct Due<T> {
    /// The moment.
    pub at: Moment,
    /// What is due.
    pub what: T,
}

impl<T> Deadlines<T> {
    /// Nothing is to be judged.
    pub fn new() -> Deadlines<T> {
        Deadlines(BinaryHeap::new())
    }

    /// `what` is to be judged at `at`.
    pub fn add(&mut self, what: T, at: Moment) {
        self.0.push(Due { at, what });
    }

    /// Judges what is due at `now`; `judge` tells when it is to be judged again, or none when it is over.
    pub fn judge(&mut self, now: Moment, mut judge: impl FnMut(&T) -> Option<Moment>) {
        let mut again = Vec::new();
        while self.0.peek().is_some_and(|due| due.at <= now)
            && let Some(Due { what, .. }) = self.0.pop()
        {
            if let Some(at) = judge(&what) {
                again.push(Due { at: at.min(now + KEPT_MAX), what });
            }
        }
        self.0.extend(again);
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Due<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000_000)
    }

    /// What is judged in each second up to `end`, when each is to be judged every so many seconds.
    fn run(every: &[u64], end: u64) -> Vec<(u64, u64)> {
        let mut deadlines = Deadlines::new();
        every.iter().for_each(|&every| deadlines.add(every, at(every)));
        let mut judged = Vec::new();
        for second in 0..=end {
            deadlines.judge(at(second), |&every| {
                judged.push((second, every));
                Some(at(second + every))
            });
        }
        judged
    }

    #[test]
    fn each_is_judged_when_it_is_due() {
        assert_eq!(run(&[3, 4], 8), [(3, 3), (4, 4), (6, 3), (8, 4)]);
        assert_eq!(run(&[], 100), []);
    }

    #[test]
    fn nothing_is_kept_long_without_a_look() {
        assert_eq!(run(&[60], 85), [(60, 60), (70, 60), (80, 60)]);
    }

    #[test]
    fn what_is_over_is_let_go() {
        let mut deadlines = Deadlines::new();
        deadlines.add("over", at(1));
        deadlines.judge(at(2), |_| None);
        assert!(deadlines.0.is_empty());
    }
}
