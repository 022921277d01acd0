//! What is counted of queries.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use model::Word;

use crate::cells::{Counts, Histogram};
use crate::families::LATENCY_BOUNDS;

/// Outcome of a query; words as in Prometheus' HTTP API (`errorType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryResult {
    /// It was answered.
    Success,
    /// It could not be understood.
    BadData,
    /// It could not be evaluated, or would cost too much.
    Execution,
    /// Its time was over.
    Timeout,
    /// Who asked has gone.
    Canceled,
    /// Series could not be read.
    Internal,
    /// The engine elsewhere that is to answer it could not be asked.
    Unavailable,
}

impl Word for QueryResult {
    const ALL: &'static [Self] = &[
        QueryResult::Success,
        QueryResult::BadData,
        QueryResult::Execution,
        QueryResult::Timeout,
        QueryResult::Canceled,
        QueryResult::Internal,
        QueryResult::Unavailable,
    ];

    fn as_str(self) -> &'static str {
        match self {
            QueryResult::Success => "success",
            QueryResult::BadData => "bad_data",
            QueryResult::Execution => "execution",
            QueryResult::Timeout => "timeout",
            QueryResult::Canceled => "canceled",
            QueryResult::Internal => "internal",
            QueryResult::Unavailable => "unavailable",
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for QueryResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Counts queries.
#[derive(Debug)]
pub struct QueryMeter {
    /// Queries by outcome.
    pub results: Counts<QueryResult>,
    /// From asked to answered.
    pub seconds: Histogram,
    running: AtomicU64,
}

impl Default for QueryMeter {
    fn default() -> Self {
        QueryMeter {
            results: Counts::default(),
            seconds: Histogram::new(LATENCY_BOUNDS),
            running: AtomicU64::new(0),
        }
    }
}

impl QueryMeter {
    /// A query was asked.
    pub fn began(&self) {
        self.running.fetch_add(1, Relaxed);
    }

    /// It has ended.
    pub fn ended(&self, result: QueryResult, seconds: f64) {
        self.running.fetch_sub(1, Relaxed);
        self.results.inc(result);
        self.seconds.observe(seconds);
    }

    /// Queries that have begun and not ended.
    pub fn running(&self) -> u64 {
        self.running.load(Relaxed)
    }
}
