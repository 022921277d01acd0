//! Round trips of small messages beside those of Pings: whether the way is slow, or what answers.

use crate::attempt::Attempt;
use crate::examination::Examination;
use crate::experiment::{Check, Conduct, Via};

/// What the round trips of one way come to. Seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundTrips {
    /// Echoes, sorted.
    pub echoes: Vec<f64>,
    /// Pings, sorted.
    pub pings: Vec<f64>,
    /// The first echo of each stream, sorted: its phase is by chance.
    pub firsts: Vec<f64>,
    /// Echoes of single messages of more than one segment, sorted.
    pub large: Vec<f64>,
}

impl RoundTrips {
    /// Those that were seen there; none without ten echoes in a row.
    pub fn of(seen: &Examination, via: Via) -> Option<RoundTrips> {
        let rows = || {
            seen.of(Check::Latency, via)
                .filter(|attempt| matches!(attempt.experiment.conduct, Conduct::Echo { .. }))
                .filter_map(|attempt| attempt.stream.as_ref())
        };
        let echoes = sorted(rows().flat_map(|stream| stream.echoes.iter().flatten().copied()));
        let there = || seen.attempts.iter().filter(move |attempt| attempt.experiment.via == via);
        let first = |attempt: &Attempt| attempt.stream.as_ref()?.echoes.first().copied().flatten();
        let bytes = |attempt: &Attempt| match attempt.experiment.conduct {
            Conduct::Send { bytes, frames: 1 } => Some(bytes),
            _ => None,
        };
        let is_small = |attempt: &&Attempt| bytes(attempt).is_none_or(|bytes| bytes <= SMALL_BYTES);
        let is_large = |attempt: &&Attempt| {
            bytes(attempt).is_some_and(|bytes| (LARGE_BYTES..=MUCH_BYTES).contains(&bytes))
        };
        let trips = RoundTrips {
            pings: sorted(rows().flat_map(|stream| stream.pings.iter().flatten().copied())),
            firsts: sorted(there().filter(is_small).filter_map(first)),
            large: sorted(there().filter(is_large).filter_map(first)),
            echoes,
        };
        (trips.echoes.len() >= 10).then_some(trips)
    }

    /// The middle echo.
    pub fn echo(&self) -> f64 {
        middle(&self.echoes).unwrap_or(0.0)
    }

    /// The middle Ping.
    pub fn ping(&self) -> Option<f64> {
        middle(&self.pings)
    }

    /// Echoes wait for the next step of a clock: those that follow an answer wait a whole period, and the first of a
    /// stream, whose phase is by chance, less.
    pub fn is_batched(&self) -> bool {
        let period = self.echo();
        let early =
            self.firsts.first().into_iter().chain(self.large.first()).any(|first| *first < 0.8 * period);
        let is_steady = self.share(0.85 * period, 1.15 * period) >= 0.7;
        period >= LEAST_PERIOD && early && is_steady && self.ping().is_some_and(|ping| ping < 0.2 * period)
    }

    /// Those that took as long as a lost segment is waited for, when most did not.
    pub fn late(&self) -> Option<Late> {
        let all = sorted(self.echoes.iter().chain(&self.pings).copied());
        let middle = middle(&all)?;
        let from = RESENT_AFTER.max(5.0 * middle);
        let late = all.iter().filter(|trip| **trip >= from);
        let least = late.clone().copied().next()?;
        Some(Late { count: late.count(), all: all.len(), least, middle })
    }

    /// Share of the echoes that took from `least` to `most`.
    pub fn share(&self, least: f64, most: f64) -> f64 {
        let within = self.echoes.iter().filter(|echo| (least..=most).contains(*echo)).count();
        #[allow(clippy::cast_precision_loss, reason = "a few hundred echoes at most")]
        let share = within as f64 / self.echoes.len() as f64;
        share
    }
}

/// Round trips that took far longer than most. Seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Late {
    /// How many.
    pub count: usize,
    /// Of so many, Pings included.
    pub all: usize,
    /// The shortest of them.
    pub least: f64,
    /// The middle one of all.
    pub middle: f64,
}

/// Linux waits 200 ms and more before it sends a segment again (`TCP_RTO_MIN`).
const RESENT_AFTER: f64 = 0.19;
/// Shorter steps are nobody's complaint.
const LEAST_PERIOD: f64 = 0.08;
/// A message that fits into one segment with room to spare.
const SMALL_BYTES: u64 = 1024;
/// More than two segments of Ethernet.
const LARGE_BYTES: u64 = 4096;
/// Above it the time of the transfer counts.
const MUCH_BYTES: u64 = 65_536;

/// The middle one of sorted values.
pub fn middle(sorted: &[f64]) -> Option<f64> {
    sorted.get(sorted.len() / 2).copied()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
