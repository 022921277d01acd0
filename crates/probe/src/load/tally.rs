//! What was seen, so that parts of different seconds and processes add up.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use model::Moment;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Longest time that is told apart: longer ones count as this.
const SECONDS_MAX: u64 = 3600;

/// Kinds of errors whose first text is kept.
const EXAMPLES_MAX: usize = 32;

/// Durations by number. Relative error at most 1/1000.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Durations(Histogram<u64>);

impl Default for Durations {
    fn default() -> Durations {
        let histogram = Histogram::new_with_bounds(1, SECONDS_MAX * 1_000_000_000, 3);
        Durations(histogram.expect("valid bounds of a histogram"))
    }
}

impl Durations {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        self.0.saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration that the share `quantile` of all, from 0 to 1, does not exceed; none without any.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        (self.count() > 0).then(|| seconds(self.0.value_at_quantile(quantile)))
    }

    /// The longest one, in seconds.
    pub fn max(&self) -> Option<f64> {
        (self.count() > 0).then(|| seconds(self.0.max()))
    }

    /// The mean in seconds.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.0.mean() / 1e9)
    }

    fn add(&mut self, other: &Durations) {
        self.0.add(&other.0).expect("all have the same bounds");
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// Pairs of a duration in nanoseconds and how often it was.
impl From<Durations> for Vec<(u64, u64)> {
    fn from(Durations(histogram): Durations) -> Vec<(u64, u64)> {
        let steps = histogram.iter_recorded();
        steps.map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }
}

impl From<Vec<(u64, u64)>> for Durations {
    fn from(pairs: Vec<(u64, u64)>) -> Durations {
        let mut durations = Durations::default();
        for (value, count) in pairs {
            durations.0.saturating_record_n(value, count);
        }
        durations
    }
}

/// Errors by kind, and the first text of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// How many of each kind.
    pub counts: BTreeMap<String, u64>,
    /// What the first of a kind said.
    pub examples: BTreeMap<String, String>,
}

impl Errors {
    /// Counts one.
    pub fn add(&mut self, failure: &Failure) {
        let kind = failure.kind.to_string();
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.entry(kind.clone()).or_insert_with(|| failure.detail.clone());
        }
        *self.counts.entry(kind).or_default() += 1;
    }

    /// Of all kinds.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    fn merge(&mut self, other: Errors) {
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        for (kind, text) in other.examples {
            self.examples.entry(kind).or_insert(text);
        }
    }
}

/// Counts and durations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Handshakes that succeeded.
    pub handshakes: u64,
    /// Those that failed.
    pub handshake_errors: Errors,
    /// TCP's part of a handshake.
    pub tcp: Durations,
    /// TLS's part.
    pub tls: Durations,
    /// From the first byte of the request to the answer's head.
    pub answer: Durations,
    /// Sessions that ended before they were closed.
    pub errors: Errors,
    /// Messages sent.
    pub sent: u64,
    /// Answers, and pushed messages, received.
    pub received: u64,
    /// Bytes of their payload.
    pub received_bytes: u64,
    /// Messages without an answer when their session ended or time was over.
    pub unanswered: u64,
    /// From the time at which a message was meant to be sent to its answer.
    pub latency: Durations,
    /// From the time in a pushed message to its receipt.
    pub delivery: Durations,
    /// Between two messages received on one connection.
    pub gap: Durations,
    /// The newest thing counted, monotonic time of its process.
    #[serde(skip)]
    pub newest: Moment,
}

impl Tally {
    /// What was seen since it was taken last.
    #[must_use]
    pub fn take(&mut self) -> Tally {
        let newest = self.newest;
        std::mem::replace(self, Tally { newest, ..Tally::default() })
    }

    /// Adds what was seen elsewhere or later.
    pub fn merge(&mut self, other: Tally) {
        self.handshakes += other.handshakes;
        self.handshake_errors.merge(other.handshake_errors);
        self.errors.merge(other.errors);
        self.sent += other.sent;
        self.received += other.received;
        self.received_bytes += other.received_bytes;
        self.unanswered += other.unanswered;
        for (mine, others) in [
            (&mut self.tcp, &other.tcp),
            (&mut self.tls, &other.tls),
            (&mut self.answer, &other.answer),
            (&mut self.latency, &other.latency),
            (&mut self.delivery, &other.delivery),
            (&mut self.gap, &other.gap),
        ] {
            mine.add(others);
        }
        self.newest = self.newest.max(other.newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    fn tally(latencies_ms: &[u64], failures: &[Kind]) -> Tally {
        let mut tally = Tally { received: latencies_ms.len() as u64, ..Tally::default() };
        latencies_ms.iter().for_each(|&ms| tally.latency.record(Duration::from_millis(ms)));
        failures.iter().for_each(|&kind| tally.errors.add(&Failure::new(kind, "why")));
        tally
    }

    #[test]
    fn parts_that_went_through_text_add_up_to_the_whole() {
        let mut whole = tally(&[1, 2, 3], &[Kind::Refused]);
        let part = tally(&[4, 1000, 4_000_000], &[Kind::Refused, Kind::Closed(Some(1011))]);
        let text = serde_json::to_string(&part).expect("JSON");
        whole.merge(serde_json::from_str(&text).expect("the same"));
        let at_once =
            tally(&[1, 2, 3, 4, 1000, 4_000_000], &[Kind::Refused, Kind::Refused, Kind::Closed(Some(1011))]);
        assert_eq!(whole.latency.0, at_once.latency.0);
        assert_eq!(whole.errors, at_once.errors);
        assert_eq!((whole.received, whole.errors.total()), (6, 3));
    }

    #[test]
    fn quantiles() {
        let tally = tally(&(1..=1000).collect::<Vec<_>>(), &[]);
        let check = |quantile, expected: f64| {
            let got = tally.latency.quantile(quantile).expect("some");
            assert!((got / expected - 1.0).abs() < 0.001, "{quantile}: {got}");
        };
        check(0.5, 0.5);
        check(0.99, 0.99);
        check(1.0, 1.0);
        assert_eq!(Durations::default().quantile(0.5), None);
        assert_eq!(Durations::default().max(), None);
    }
}
