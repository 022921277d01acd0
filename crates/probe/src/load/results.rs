//! What a load has measured.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::dial::Stages;
use crate::error::ErrorKind;

/// Longest time that is told apart.
const LONGEST: Duration = Duration::from_hours(1);

/// Digits of a time that are exact (a quantile is off by less than 0.1 %).
const DIGITS: u8 = 3;

/// A distribution of times, by a histogram of high dynamic range. Kept as pairs of nanoseconds and how many.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Times {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        Times(Histogram::new_with_bounds(1000, longest, DIGITS).expect("the bounds are constant and valid"))
    }
}

impl From<Times> for Vec<(u64, u64)> {
    fn from(times: Times) -> Vec<(u64, u64)> {
        times.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }
}

impl From<Vec<(u64, u64)>> for Times {
    fn from(pairs: Vec<(u64, u64)>) -> Times {
        let mut times = Times::default();
        for (value, count) in pairs {
            times.0.saturating_record_n(value, count);
        }
        times
    }
}

impl Times {
    /// Adds those of another.
    pub fn merge(&mut self, other: &Times) {
        self.0.add(&other.0).expect("the bounds are the same");
    }

    /// Counts a time.
    pub fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that a share of them does not exceed; none when there are none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_nanos(self.0.value_at_quantile(share).min(self.0.max())))
    }

    /// How many took longer than a time, within the histogram's precision.
    pub fn longer_than(&self, time: Duration) -> u64 {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.count() - self.0.count_between(0, time)
    }

    /// The usual quantiles; none when there are none.
    pub fn summary(&self) -> Option<Quantiles> {
        let seconds = |share| self.quantile(share).map(|time| time.as_secs_f64());
        Some(Quantiles {
            p50: seconds(0.5)?,
            p90: seconds(0.9)?,
            p99: seconds(0.99)?,
            p999: seconds(0.999)?,
            max: seconds(1.0)?,
        })
    }
}

/// Quantiles of times, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// 90 of 100 were not longer.
    pub p90: f64,
    /// 99 of 100 were not longer.
    pub p99: f64,
    /// 999 of 1000 were not longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// All that is counted while a load runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// Attempts to open a connection.
    pub attempts: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections opened and not ended.
    pub open: u64,
    /// Messages sent.
    pub sent: u64,
    /// Of these, sent later than they were due by more than the timer's grain.
    pub sent_late: u64,
    /// Messages that came: answers, or what the service pushed.
    pub received: u64,
    /// When the last of them came; a matter of one process.
    #[serde(skip)]
    pub last_received: Option<Instant>,
    /// What went wrong, how often.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// Attempts that failed; they are in the errors too.
    pub handshake_errors: u64,
    /// TCP of the handshakes that succeeded.
    pub tcp: Times,
    /// TLS of the same.
    pub tls: Times,
    /// HTTP of the same.
    pub http: Times,
    /// The whole of them.
    pub handshake: Times,
    /// From a message to its answer, or from its stamp to its arrival.
    pub latency: Times,
}

impl Results {
    /// Counts a connection that was opened.
    pub fn opened(&mut self, stages: Stages) {
        self.attempts += 1;
        self.opened += 1;
        self.open += 1;
        self.tcp.record(stages.tcp);
        if let Some(tls) = stages.tls {
            self.tls.record(tls);
        }
        self.http.record(stages.http);
        self.handshake.record(stages.total());
    }

    /// Counts an attempt that failed.
    pub fn not_opened(&mut self, kind: ErrorKind) {
        self.attempts += 1;
        self.handshake_errors += 1;
        self.error(kind, 1);
    }

    /// Counts errors of a kind.
    pub fn error(&mut self, kind: ErrorKind, count: u64) {
        if count > 0 {
            *self.errors.entry(kind).or_default() += count;
        }
    }

    /// Adds those of another part.
    pub fn merge(&mut self, other: &Results) {
        self.attempts += other.attempts;
        self.opened += other.opened;
        self.open += other.open;
        self.sent += other.sent;
        self.sent_late += other.sent_late;
        self.received += other.received;
        self.last_received = self.last_received.max(other.last_received);
        self.handshake_errors += other.handshake_errors;
        for (kind, count) in &other.errors {
            self.error(*kind, *count);
        }
        self.tcp.merge(&other.tcp);
        self.tls.merge(&other.tls);
        self.http.merge(&other.http);
        self.handshake.merge(&other.handshake);
        self.latency.merge(&other.latency);
    }

    /// All errors.
    pub fn errors_total(&self) -> u64 {
        self.errors.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let mut times = Times::default();
        assert_eq!(times.summary(), None);
        for ms in 1..=1000 {
            times.record(Duration::from_millis(ms));
        }
        let near = |share: f64, seconds: f64| {
            let found = times.quantile(share).expect("there are times").as_secs_f64();
            assert!((found / seconds - 1.0).abs() < 0.001, "{share}: {found}");
        };
        near(0.5, 0.5);
        near(0.99, 0.99);
        near(1.0, 1.0);
        assert_eq!(times.longer_than(Duration::from_millis(900)), 100);
        times.record(Duration::MAX);
        assert!(times.quantile(1.0).expect("there are times") > Duration::from_secs(3590));
    }

    #[test]
    fn a_failed_attempt_is_counted_once() {
        let mut results = Results::default();
        results.opened(Stages::default());
        results.not_opened(ErrorKind::Refused);
        results.error(ErrorKind::Unanswered, 3);
        results.error(ErrorKind::NotSent, 0);
        assert_eq!((results.attempts, results.opened, results.open), (2, 1, 1));
        assert_eq!((results.handshake_errors, results.errors_total(), results.errors.len()), (1, 4, 2));
    }

    #[test]
    fn parts_come_back_from_text_and_join() {
        let mut whole = Results::default();
        let mut joined = Results::default();
        for part in 0..3 {
            let mut results = Results { sent: part, received: 7, ..Results::default() };
            results.opened(Stages { http: Duration::from_millis(part + 1), ..Stages::default() });
            results.error(ErrorKind::Reset, part);
            whole.opened(Stages { http: Duration::from_millis(part + 1), ..Stages::default() });
            for ms in [1, 20, 300] {
                results.latency.record(Duration::from_millis(ms * (part + 1)));
                whole.latency.record(Duration::from_millis(ms * (part + 1)));
            }
            let text = serde_json::to_string(&results).expect("numbers");
            joined.merge(&serde_json::from_str(&text).expect("what was written"));
        }
        assert_eq!((joined.sent, joined.received, joined.opened, joined.open), (3, 21, 3, 3));
        assert_eq!(joined.errors, BTreeMap::from([(ErrorKind::Reset, 3)]));
        assert_eq!(joined.latency.summary(), whole.latency.summary());
        assert_eq!(joined.handshake.summary(), whole.handshake.summary());
    }
}
