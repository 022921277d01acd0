//! The thread that empties one queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use meter::scrape::RemoteFacts;
use model::outbox::Outbox;
use model::outbox::Parcel;
use tokio::sync::{Notify, watch};

use crate::backoff::Backoff;
use crate::destination::Destination;
use crate::post::{Answer, Failure, Poster};

/// Time to empty the queue at a stop.
const STOP_TIME: Duration = Duration::from_secs(2);

/// How often to look for what came back with a disk.
const LOOK: Duration = Duration::from_secs(5);

/// Sends what one queue has.
#[derive(Debug)]
pub(crate) struct Sender {
    name: Arc<str>,
    queue: Queue,
    counts: Arc<Counts>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// A queue that tells its sender of what comes.
#[derive(Clone)]
pub(crate) struct Queue {
    outbox: Arc<dyn Outbox>,
    came: Arc<Notify>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.outbox.facts().fmt(f)
    }
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    rejected: AtomicU64,
    failures: [AtomicU64; Failure::ALL.len()],
}

impl Queue {
    pub(crate) fn put(&self, parcel: Parcel) {
        self.outbox.put(parcel);
        self.came.notify_one();
    }
}

impl Sender {
    /// # Errors
    /// Credentials or the authorities to trust cannot be read, a thread cannot be started.
    pub(crate) fn start(destination: Destination, outbox: Arc<dyn Outbox>) -> Result<Sender, String> {
        let name = Arc::clone(&destination.name);
        let failed = |error: String| format!("remote_write to {name}: {error}");
        let poster = Poster::new(destination.access).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        let queue = Queue { outbox, came: Arc::default() };
        let (stop, stopped) = watch::channel(false);
        let counts = Arc::<Counts>::default();
        let work = Work {
            name: Arc::clone(&name),
            poster,
            queue: queue.clone(),
            counts: Arc::clone(&counts),
            trouble: None,
        };
        let thread = std::thread::Builder::new()
            .name("remote-send".to_owned())
            .spawn(move || runtime.block_on(work.run(stopped)))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Sender { name, queue, counts, stop, thread: Some(thread) })
    }

    pub(crate) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Lets it end soon; it is waited for when it is dropped.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn facts(&self, busy: u64, now_ms: i64) -> RemoteFacts {
        let waiting = self.queue.outbox.facts();
        let count = |count: &AtomicU64| count.load(Relaxed);
        let failures = Failure::ALL.iter().zip(&self.counts.failures);
        RemoteFacts {
            name: Arc::clone(&self.name),
            samples: vec![
                ("sent", count(&self.counts.sent)),
                ("rejected", count(&self.counts.rejected)),
                ("overflow", waiting.overflowed),
                ("busy", busy),
            ],
            failures: failures.map(|(failure, failures)| (failure.word(), count(failures))).collect(),
            waiting_samples: waiting.samples,
            waiting_bytes: waiting.bytes,
            lag_seconds: waiting
                .oldest_ms
                .map_or(0.0, |oldest_ms| (now_ms - oldest_ms).max(0) as f64 / 1000.0),
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that sends samples panicked");
        }
    }
}

struct Work {
    name: Arc<str>,
    poster: Poster,
    queue: Queue,
    counts: Arc<Counts>,
    /// What was last told of.
    trouble: Option<String>,
}

impl Work {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut stopping = stopped.clone();
        let over = async {
            let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
            tokio::time::sleep(STOP_TIME).await;
        };
        tokio::select! {
            () = self.empty(&mut stopping) => {}
            () = over => {}
        }
    }

    /// Ends when it is stopped and the queue is empty or cannot be emptied now.
    async fn empty(&mut self, stopping: &mut watch::Receiver<bool>) {
        let mut backoff = Backoff::new();
        loop {
            let Some((number, parcel)) = self.queue.outbox.oldest() else {
                if *stopping.borrow() {
                    return;
                }
                tokio::select! {
                    () = self.queue.came.notified() => {}
                    _ = stopping.changed() => {}
                    () = tokio::time::sleep(LOOK) => {}
                }
                continue;
            };
            match self.poster.post(parcel.body.into()).await {
                Answer::Taken => {
                    self.done(number, parcel.samples, None);
                    backoff = Backoff::new();
                }
                Answer::Rejected(why) => {
                    self.done(number, parcel.samples, Some(why));
                    backoff = Backoff::new();
                }
                Answer::Again(failure, why, asked) => {
                    self.counts.failures[failure as usize].fetch_add(1, Relaxed);
                    self.tell(Some(format!("samples wait: {why}")));
                    let wait = backoff.next(asked, rand::random());
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = stopping.wait_for(|is_stopped| *is_stopped) => return,
                    }
                }
            }
        }
    }

    /// One that left the queue meanwhile, because it was full, is counted there.
    fn done(&mut self, number: i64, samples: u64, rejected: Option<String>) {
        let count = if rejected.is_some() { &self.counts.rejected } else { &self.counts.sent };
        if self.queue.outbox.remove(number) {
            count.fetch_add(samples, Relaxed);
        }
        self.tell(rejected.map(|why| format!("samples were dropped: {why}")));
    }

    fn tell(&mut self, trouble: Option<String>) {
        if self.trouble.as_deref().map(kind) == trouble.as_deref().map(kind) {
            return;
        }
        match &trouble {
            Some(why) => tracing::warn!(remote = %self.name, why, "remote write does not go well"),
            None => tracing::info!(remote = %self.name, "remote write goes well again"),
        }
        self.trouble = trouble;
    }
}

/// What came of it and the status, without what an engine says of single samples.
fn kind(trouble: &str) -> &str {
    let end = trouble.match_indices(':').nth(1).map_or(trouble.len(), |(at, _)| at);
    &trouble[..end]
}
