//! Evaluating on blocking threads, a few queries at a time, so that they do not slow the relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use meter::queries::{QueryMeter, QueryResult};
use promql::Limits;
use tokio::sync::Semaphore;

use super::answer::{Body, Failed};
use crate::Ports;
use crate::router::Site;

/// Longest time of a query, the wait for its turn included; a request may ask for less. It is less than what any
/// request is given for its answer.
pub(super) const TIME_MAX: Duration = Duration::from_secs(25);

/// Samples that one query may load and compute, together; each takes 16 bytes.
const SAMPLES_MAX: usize = 50_000_000;

/// Queries that another engine answers at once; each answer takes memory here.
const FORWARDS_MAX: usize = 8;

/// Turns for queries, for writers, and for queries that another engine answers.
pub(crate) struct Engine {
    queries: Arc<Semaphore>,
    pub(super) writers: Arc<Semaphore>,
    pub(super) forwards: Semaphore,
}

impl Engine {
    /// One processor is left to the relay.
    pub(crate) fn new() -> Engine {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Engine {
            queries: Arc::new(Semaphore::new(processors.saturating_sub(1).clamp(1, 4))),
            writers: Arc::new(Semaphore::new(2)),
            forwards: Semaphore::new(FORWARDS_MAX),
        }
    }

    /// Evaluates and counts a query.
    ///
    /// # Errors
    /// Those of the work; its time is over; it panicked.
    pub(super) async fn query(
        site: &Site,
        timeout: Duration,
        work: impl FnOnce(&Ports, &Limits<'_>) -> Result<Body, Failed> + Send + 'static,
    ) -> Result<Body, Failed> {
        let mut counted = Counted::new(Arc::clone(&site.asker.ports().queries));
        let answer = Engine::read(site, timeout, work).await;
        counted.result = answer.as_ref().map_or_else(|failed| failed.kind, |_| QueryResult::Success);
        answer
    }

    /// The same, uncounted.
    ///
    /// # Errors
    /// See [`Engine::query`].
    pub(super) async fn read(
        site: &Site,
        timeout: Duration,
        work: impl FnOnce(&Ports, &Limits<'_>) -> Result<Body, Failed> + Send + 'static,
    ) -> Result<Body, Failed> {
        let deadline = Instant::now() + timeout.min(TIME_MAX);
        let turn = Arc::clone(&site.engine.queries).acquire_owned();
        let turn = tokio::time::timeout_at(deadline.into(), turn).await.map_err(|_| {
            Failed::new(QueryResult::Timeout, "query timed out in query queue: others take all turns")
        })?;
        let waiting = Waiting::default();
        let is_gone = Arc::clone(&waiting.is_gone);
        let asker = site.asker.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let expired = || is_gone.load(Relaxed) || Instant::now() >= deadline;
            let limits = Limits { samples_max: SAMPLES_MAX, expired: &expired, ..Limits::default() };
            work(asker.ports(), &limits)
        });
        answer.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a query could not be evaluated");
            Err(Failed::new(QueryResult::Internal, "the query could not be evaluated"))
        })
    }
}

/// Somebody waits for an answer. When nobody does any more, the evaluation ends.
#[derive(Default)]
struct Waiting {
    is_gone: Arc<AtomicBool>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.is_gone.store(true, Relaxed);
    }
}

/// A query that is counted when this is dropped: as cancelled, unless something else came of it.
pub(super) struct Counted {
    meter: Arc<QueryMeter>,
    began: Instant,
    pub(super) result: QueryResult,
}

impl Counted {
    pub(super) fn new(meter: Arc<QueryMeter>) -> Counted {
        meter.began();
        Counted { meter, began: Instant::now(), result: QueryResult::Canceled }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.meter.ended(self.result, self.began.elapsed().as_secs_f64());
    }
}
