//! Alerts of rules to Alertmanagers elsewhere, as Prometheus sends them (`notifier/`): each has all of them, in order and
//! at most once. What is lost comes again, since rules report an alert anew while it lasts and for a time after its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use meter::scrape::AlertmanagerFacts;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::access::Access;
use crate::client::HttpClient;

/// Alerts that wait for one Alertmanager; beyond it the oldest are dropped.
const QUEUE_MAX: usize = 10_000;

/// Alerts of one request.
const BATCH_MAX: usize = 64;

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// Letters of an answer that are told.
const TOLD_MAX: usize = 300;

/// Sends alerts, until it is dropped.
#[derive(Debug)]
pub struct Alertmanagers {
    queues: Vec<Arc<Queue>>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// What waits for one of them, and what came of what did.
#[derive(Debug)]
struct Queue {
    name: Arc<str>,
    /// Alerts as JSON objects.
    waiting: Mutex<VecDeque<Arc<str>>>,
    came: Notify,
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Alertmanagers {
    /// Nothing is connected yet; the path of each URL stands before `/api/v2/alerts`.
    ///
    /// # Errors
    /// Credentials or authorities to trust that cannot be read, a thread that cannot be started.
    pub fn start(all: Vec<Access>) -> Result<Alertmanagers, String> {
        let mut queues = Vec::new();
        let mut work = Vec::new();
        for access in all {
            access.credentials.header()?;
            let queue = Arc::new(Queue::new(access.host()));
            queues.push(Arc::clone(&queue));
            work.push((HttpClient::new(access)?, queue));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let (stop, mut stopped) = watch::channel(false);
        let thread = std::thread::Builder::new().name("alertmanagers".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut tasks: JoinSet<()> =
                    work.into_iter().map(|(client, queue)| async move { queue.run(&client).await }).collect();
                tokio::select! {
                    _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
                    _ = tasks.join_next() => tracing::error!("a task that sends alerts ended"),
                }
            });
        });
        let thread = thread.map_err(|error| error.to_string())?;
        Ok(Alertmanagers { queues, stop, thread: Some(thread) })
    }

    /// Takes alerts, JSON objects as `POST /api/v2/alerts` has them. Never waits.
    pub fn give(&self, alerts: &[Arc<str>]) {
        self.queues.iter().for_each(|queue| queue.give(alerts));
    }

    /// For the metrics page.
    pub fn facts(&self) -> Vec<AlertmanagerFacts> {
        self.queues.iter().map(|queue| queue.facts()).collect()
    }
}

impl Drop for Alertmanagers {
    /// What waits is lost: the next process reports what lasts.
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that sends alerts panicked");
        }
    }
}

impl Queue {
    fn new(name: &str) -> Queue {
        Queue {
            name: name.into(),
            waiting: Mutex::default(),
            came: Notify::new(),
            sent: AtomicU64::default(),
            failed: AtomicU64::default(),
            dropped: AtomicU64::default(),
        }
    }

    fn give(&self, alerts: &[Arc<str>]) {
        let mut waiting = self.waiting.lock();
        waiting.extend(alerts.iter().cloned());
        let beyond = waiting.len().saturating_sub(QUEUE_MAX);
        waiting.drain(..beyond);
        self.dropped.fetch_add(beyond as u64, Relaxed);
        self.came.notify_one();
    }

    async fn run(&self, client: &HttpClient) {
        let mut is_well = true;
        loop {
            let batch: Vec<Arc<str>> = {
                let mut waiting = self.waiting.lock();
                let count = waiting.len().min(BATCH_MAX);
                waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                self.came.notified().await;
                continue;
            }
            let outcome = post(client, &batch).await;
            let counted = if outcome.is_ok() { &self.sent } else { &self.failed };
            counted.fetch_add(batch.len() as u64, Relaxed);
            match &outcome {
                Err(why) if is_well => tracing::warn!(alertmanager = %self.name, why, "it takes no alerts"),
                Ok(()) if !is_well => tracing::info!(alertmanager = %self.name, "it takes alerts again"),
                _ => {}
            }
            is_well = outcome.is_ok();
        }
    }

    fn facts(&self) -> AlertmanagerFacts {
        let count = |count: &AtomicU64| count.load(Relaxed);
        AlertmanagerFacts {
            name: Arc::clone(&self.name),
            alerts: vec![
                ("sent", count(&self.sent)),
                ("failed", count(&self.failed)),
                ("dropped", count(&self.dropped)),
            ],
            waiting: self.waiting.lock().len() as u64,
        }
    }
}

/// # Errors
/// Why they were not taken.
async fn post(client: &HttpClient, batch: &[Arc<str>]) -> Result<(), String> {
    let mut request = client.request(Method::POST, "/api/v2/alerts");
    *request.body_mut() = Some(format!("[{}]", batch.join(",")).into());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let answer =
        client.send(request, ANSWER_BYTES_MAX, Duration::MAX).await.map_err(|error| error.to_string())?;
    if answer.status.is_success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&answer.body).split_whitespace().collect::<Vec<_>>().join(" ");
    Err(format!("{}: {}", answer.status, text.chars().take(TOLD_MAX).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_dropped_when_too_many_wait() {
        let queue = Queue::new("a:9093");
        let alerts: Vec<Arc<str>> = (0..QUEUE_MAX + 2).map(|number| number.to_string().into()).collect();
        queue.give(&alerts[..QUEUE_MAX]);
        assert_eq!(queue.facts().alerts[2], ("dropped", 0));
        queue.give(&alerts[QUEUE_MAX..]);
        let facts = queue.facts();
        assert_eq!((facts.alerts[2], facts.waiting), (("dropped", 2), QUEUE_MAX as u64));
        assert_eq!(queue.waiting.lock().front().map(|alert| &**alert), Some("2"));
    }
}
