//! How questions end: counted, and told in the log when it changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use meter::scrape::QueryEngineFacts;
use parking_lot::Mutex;

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The engine answered, be it that it does not like the question.
    Answered,
    /// No connection, or it broke.
    Network,
    /// No answer in time.
    Timeout,
    /// Credentials cannot be read, or do not let us in.
    Credentials,
    /// An answer that is none of Prometheus' API, or too long.
    Unusable,
}

impl Outcome {
    const ALL: [Outcome; 5] =
        [Outcome::Answered, Outcome::Network, Outcome::Timeout, Outcome::Credentials, Outcome::Unusable];

    fn word(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Network => "network",
            Outcome::Timeout => "timeout",
            Outcome::Credentials => "credentials",
            Outcome::Unusable => "unusable",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Outcomes {
    engine: Arc<str>,
    counts: [AtomicU64; Outcome::ALL.len()],
    /// None before the first one.
    last: Mutex<Option<Outcome>>,
}

impl Outcomes {
    pub(super) fn new(engine: &str) -> Outcomes {
        Outcomes { engine: engine.into(), counts: Default::default(), last: Mutex::new(None) }
    }

    /// `why` is what to tell unless it was answered.
    pub(super) fn count(&self, outcome: Outcome, why: Option<&str>) {
        self.counts[outcome as usize].fetch_add(1, Relaxed);
        let before = self.last.lock().replace(outcome);
        if before == Some(outcome) {
            return;
        }
        match why {
            Some(why) => tracing::warn!(engine = %self.engine, why, "queries are not answered"),
            None if before.is_some() => tracing::info!(engine = %self.engine, "queries are answered again"),
            None => {}
        }
    }

    pub(super) fn facts(&self) -> QueryEngineFacts {
        let counts = Outcome::ALL.iter().zip(&self.counts);
        QueryEngineFacts {
            name: Arc::clone(&self.engine),
            is_up: self.last.lock().is_none_or(|last| last == Outcome::Answered),
            requests: counts.map(|(outcome, count)| (outcome.word(), count.load(Relaxed))).collect(),
        }
    }
}
