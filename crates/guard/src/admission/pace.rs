//! How much one connection may carry in a time: a bucket that goes into debt, since what has come has come.

use std::time::Duration;

use model::Moment;

use super::Rate;

/// See the module. A bucket of `governor` knows no debt, and reads are larger than what is left in one.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Nanoseconds in which one token comes back.
    period: f64,
    /// Time that a full bucket is worth.
    burst: Duration,
    /// When the bucket is full again; in the past while it is.
    full_at: Moment,
}

impl Pace {
    /// A full bucket.
    pub fn new(rate: Rate, now: Moment) -> Pace {
        let period = rate.interval.as_nanos() as f64 / f64::from(rate.tokens.get());
        Pace { period, burst: rate.interval, full_at: now }
    }

    /// Takes what has come, be there as many tokens or not.
    pub fn take(&mut self, tokens: u64, now: Moment) {
        let worth = Duration::from_nanos((tokens as f64 * self.period) as u64);
        self.full_at = self.full_at.max(now) + worth;
    }

    /// Tokens that are taken and not yet back.
    pub fn owed(&self, now: Moment) -> u64 {
        (self.full_at.since(now).as_nanos() as f64 / self.period).ceil() as u64
    }

    /// How long to wait until the bucket is out of debt; none while it is.
    pub fn wait(&self, now: Moment) -> Option<Duration> {
        let owed = self.full_at.since(now);
        (owed > self.burst).then(|| owed - self.burst)
    }
}
