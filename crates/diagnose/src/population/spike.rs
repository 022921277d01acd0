//! A timer shows as values that are all the same, within what a timer and a network spread.

use super::ENDS_MIN;

/// Many values within a narrow window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spike {
    /// Median of the values in the window, seconds.
    pub at: f64,
    /// Width of the window, seconds.
    pub width: f64,
    /// Values in it.
    pub count: usize,
    /// Their share of all values.
    pub share: f64,
}

impl Spike {
    /// Whether a value is in it.
    pub fn holds(&self, value: f64) -> bool {
        (value - self.at).abs() <= self.width
    }
}

/// Least value that is called a timer; what ends sooner ends at once.
const AT_ONCE: f64 = 0.4;

/// How far values of a timer spread: 1 s or 2 %, and of timers below 10 s 0.15 s to 0.3 s or 5 %. nginx lets timers run that
/// would move by less than 0.3 s (`NGX_TIMER_LAZY_DELAY`), so that a connection in use ends up to that much sooner.
fn spread(at: f64) -> f64 {
    if at < 10.0 { (0.15 * at).clamp(0.15, 0.3).max(0.05 * at) } else { (0.02 * at).max(1.0) }
}

/// The spike of these values: at least half of them within the spread of a timer, and around it a density of less than
/// a fifth of the one inside.
pub fn spike(values: impl Iterator<Item = f64>) -> Option<Spike> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let all = values.len();
    let mut best: Option<(usize, usize)> = None;
    let mut end = 0;
    for start in 0..all {
        if values[start] < AT_ONCE {
            continue;
        }
        end = end.max(start);
        while end < all && values[end] - values[start] <= spread(values[start]) {
            end += 1;
        }
        if best.is_none_or(|(from, to)| end - start > to - from) {
            best = Some((start, end));
        }
    }
    let (start, end) = best?;
    let count = end - start;
    let share = count as f64 / all as f64;
    if count < ENDS_MIN || share < 0.5 {
        return None;
    }
    let at = values[start + count / 2];
    let width = spread(values[start]);
    let around = (values[all - 1] - values[0] - width).max(width);
    let density = |count: usize, width: f64| count as f64 / width;
    let is_sharp = density(all - count, around) < density(count, width) / 5.0;
    is_sharp.then_some(Spike { at, width, count, share })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timer_among_other_ends() {
        let timer = (0..20).map(|n| 60.0 + 0.01 * f64::from(n));
        let others = (0..15).map(|n| 3.0 + 20.0 * f64::from(n));
        let found = spike(timer.chain(others)).expect("a spike");
        assert!((found.at - 60.1).abs() < 0.1 && found.count == 20, "{found:?}");
    }

    #[test]
    fn a_short_timer_that_is_moved_late() {
        let found = spike((0..30).map(|n| 1.72 + 0.009 * f64::from(n))).expect("a spike");
        assert!(found.count > 25, "{found:?}");
    }

    #[test]
    fn too_few_or_too_spread_is_no_timer() {
        assert_eq!(spike((0..7).map(|_| 60.0)), None);
        assert_eq!(spike((0..100).map(f64::from)), None);
        assert_eq!(spike((0..50).map(|n| 0.001 * f64::from(n))), None);
    }

    proptest! {
        /// Ends at random times show no timer.
        #[test]
        fn no_timer_in_what_is_random(values in prop::collection::vec(0.0..600.0_f64, 30..300)) {
            prop_assert_eq!(spike(values.into_iter()), None);
        }
    }
}
