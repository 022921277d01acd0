//! When to repeat a request.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(30);
const LAST: Duration = Duration::from_secs(30);

/// Longest wait that an engine can ask for.
const ASKED_MAX: Duration = Duration::from_secs(300);

/// Waits that double from 30 ms to 30 s, each cut by up to a half so that many senders do not come together.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    /// Before the first failure.
    pub(crate) fn new() -> Backoff {
        Backoff(FIRST)
    }

    /// How long to wait now: what the engine asks for (`Retry-After`), or else our own. `chance` is from 0 to 1.
    pub(crate) fn next(&mut self, asked: Option<Duration>, chance: f64) -> Duration {
        let own = self.0.mul_f64(1.0 - chance / 2.0);
        self.0 = (self.0 * 2).min(LAST);
        asked.map_or(own, |asked| asked.min(ASKED_MAX).max(own.min(FIRST)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let mut backoff = Backoff::new();
        let waits: Vec<u128> = (0..12).map(|_| backoff.next(None, 0.0).as_millis()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360, 30_000, 30_000]);
        assert_eq!(backoff.next(None, 1.0).as_millis(), 15_000);
    }

    #[test]
    fn the_engine_may_ask_for_another() {
        let check = |asked: u64, expected: u128| {
            let wait = Backoff::new().next(Some(Duration::from_secs(asked)), 0.0);
            assert_eq!(wait.as_millis(), expected);
        };
        check(7, 7000);
        check(0, 30);
        check(1 << 40, 300_000);
    }
}
