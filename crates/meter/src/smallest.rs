//! The smallest of what was observed of late: of a delay between two clocks, the most that the offset of the clocks
//! can be.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use model::Moment;

/// How far back it is looked.
pub const WINDOW: Duration = Duration::from_secs(300);

const NONE: i64 = i64::MAX;

/// The smallest observation since it was last taken, in nanoseconds.
#[derive(Debug)]
pub struct Smallest(AtomicI64);

impl Default for Smallest {
    fn default() -> Self {
        Smallest(AtomicI64::new(NONE))
    }
}

impl Smallest {
    /// Takes one observation.
    pub fn observe(&self, nanos: i64) {
        self.0.fetch_min(nanos, Relaxed);
    }

    /// The smallest one.
    pub fn get(&self) -> Option<i64> {
        Some(self.0.load(Relaxed)).filter(|&nanos| nanos != NONE)
    }

    /// The smallest one; begins anew.
    pub fn take(&self) -> Option<i64> {
        Some(self.0.swap(NONE, Relaxed)).filter(|&nanos| nanos != NONE)
    }
}

/// The smallest observations of the last [`WINDOW`], one for each time they were taken.
#[derive(Debug, Default)]
pub struct SmallestWindow {
    ring: VecDeque<(Moment, i64)>,
}

impl SmallestWindow {
    /// Notes what was taken at `now`; called about once a second. What can no longer be the smallest goes.
    pub fn tick(&mut self, now: Moment, taken: Option<i64>) {
        while self.ring.front().is_some_and(|&(at, _)| now.since(at) >= WINDOW) {
            self.ring.pop_front();
        }
        if let Some(nanos) = taken {
            while self.ring.back().is_some_and(|&(_, earlier)| earlier >= nanos) {
                self.ring.pop_back();
            }
            self.ring.push_back((now, nanos));
        }
    }

    /// The smallest of the window that ends at `now`, and of `fresh`, which was not taken yet.
    pub fn smallest(&self, now: Moment, fresh: Option<i64>) -> Option<i64> {
        let kept = self.ring.iter().find(|(at, _)| now.since(*at) < WINDOW).map(|&(_, nanos)| nanos);
        kept.into_iter().chain(fresh).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000_000)
    }

    #[test]
    fn the_smallest_is_taken_once() {
        let smallest = Smallest::default();
        assert_eq!((smallest.get(), smallest.take()), (None, None));
        [5, -3, 4].iter().for_each(|&nanos| smallest.observe(nanos));
        assert_eq!((smallest.get(), smallest.take(), smallest.take()), (Some(-3), Some(-3), None));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut window = SmallestWindow::default();
        window.tick(at(1), Some(2));
        window.tick(at(2), Some(7));
        assert_eq!(window.smallest(at(2), Some(3)), Some(2));
        assert_eq!(window.smallest(at(2), Some(-1)), Some(-1));
        assert_eq!(window.smallest(at(300), None), Some(2));
        assert_eq!(window.smallest(at(301), None), Some(7));
        assert_eq!(window.smallest(at(302), None), None);
    }

    proptest! {
        #[test]
        fn is_the_smallest_of_the_last_five_minutes(
            steps in prop::collection::vec((1u64..40, prop::option::of(-50i64..50)), 1..400),
        ) {
            let mut window = SmallestWindow::default();
            let mut all = Vec::new();
            let mut now = 0;
            for (wait, taken) in steps {
                now += wait;
                window.tick(at(now), taken);
                all.extend(taken.map(|nanos| (now, nanos)));
                let recent = all.iter().filter(|(then, _)| now - then < 300).map(|&(_, nanos)| nanos);
                prop_assert_eq!(window.smallest(at(now), None), recent.min());
                prop_assert!(window.ring.len() <= 300);
            }
        }
    }
}
