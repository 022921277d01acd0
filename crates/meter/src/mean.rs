//! The served mean latency: a ring of sums, one for each second.
//!
//! The mean over the window is (sum now − sum at its beginning) / (count now − count then), with the messages
//! that wait now counted with their present age, so that a reader that takes nothing does not silence the rule
//! that watches this gauge. Without a message in the window and none waiting there is no value: 0 would claim
//! "fast", and NaN would spread.

use std::collections::VecDeque;
use std::time::Duration;

use model::Moment;

use crate::scrape::Waiting;

/// See the module.
#[derive(Debug, Default)]
pub struct MeanWindow {
    ring: VecDeque<(Moment, Sums)>,
}

/// Cumulative number and sum of observations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many.
    pub count: u64,
    /// Their sum in nanoseconds.
    pub sum_nanos: u64,
}

impl MeanWindow {
    /// Notes the sums at `now`; called about once a second. Keeps what `window` needs.
    pub fn tick(&mut self, now: Moment, window: Duration, sums: Sums) {
        self.ring.push_back((now, sums));
        while self.ring.get(1).is_some_and(|&(at, _)| now.since(at) >= window) {
            self.ring.pop_front();
        }
    }

    /// The mean in seconds over the window that ends at `now`.
    pub fn mean(&self, now: Moment, window: Duration, sums: Sums, waiting: Waiting) -> Option<f64> {
        let past = self.ring.iter().rev().find(|(at, _)| now.since(*at) >= window);
        let base = past.map_or(Sums::default(), |&(_, sums)| sums);
        let count = sums.count - base.count + waiting.messages;
        let seconds = (sums.sum_nanos - base.sum_nanos) as f64 / 1e9 + waiting.age_sum_seconds;
        (count > 0).then(|| seconds / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000_000)
    }

    proptest! {
        #[test]
        fn the_mean_is_the_difference_of_sums(steps in prop::collection::vec((0u64..50, 0u64..5_000_000_000), 1..200)) {
            let mut window = MeanWindow::default();
            let mut history = vec![Sums::default()];
            window.tick(at(0), WINDOW, Sums::default());
            for (second, &(count, nanos)) in steps.iter().enumerate() {
                let last = history[second];
                let sums = Sums { count: last.count + count, sum_nanos: last.sum_nanos + count * nanos };
                let now = second + 1;
                window.tick(at(now as u64), WINDOW, sums);
                history.push(sums);
                let base = history[now.saturating_sub(60)];
                let expected = (sums.count > base.count)
                    .then(|| (sums.sum_nanos - base.sum_nanos) as f64 / 1e9 / (sums.count - base.count) as f64);
                prop_assert_eq!(window.mean(at(now as u64), WINDOW, sums, Waiting::default()), expected);
                prop_assert!(window.ring.len() <= 62);
            }
        }
    }

    #[test]
    fn what_waits_counts_with_its_age() {
        let window = MeanWindow::default();
        assert_eq!(window.mean(at(5), WINDOW, Sums::default(), Waiting::default()), None);
        let waiting = Waiting { messages: 2, age_sum_seconds: 6.0, ..Waiting::default() };
        let sums = Sums { count: 2, sum_nanos: 0 };
        assert_eq!(window.mean(at(5), WINDOW, sums, waiting), Some(1.5));
    }
}
