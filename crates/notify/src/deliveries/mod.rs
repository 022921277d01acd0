//! Notices on their way: for each destination a bounded queue and a worker of its own, so that a channel that hangs
//! delays no other, and who gives a notice waits for nothing.

mod letter;
mod memory;
mod queue;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use alert::delivery::Delivery;
use alert::notice::Notice;
use meter::cells::Observed;
use meter::scrape::{NotificationFacts, NotificationQueue};
use model::mailbox::Mailbox;
use tokio::sync::watch;

pub use letter::tried_at_ms;
pub use memory::InMemory;
pub use queue::{Told, WAITING_MAX};
use worker::Worker;

use crate::channel::Channel;

/// A channel and its name.
#[derive(Debug)]
pub struct Destination {
    /// Name in metrics, the log and the mailbox; one for each channel.
    pub name: Arc<str>,
    /// How it is reached.
    pub channel: Channel,
}

/// What came of a notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The destination's name.
    pub destination: Arc<str>,
    /// The notice as it was told: what waited of its group is in it.
    pub notice: Notice,
    /// What came of it.
    pub told: Told,
}

/// What deliveries need of the world.
#[derive(Clone)]
pub struct World {
    /// Milliseconds since the Unix epoch.
    pub now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Evenly from 0 to 1.
    pub chance: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Keeps what waits.
    pub mailbox: Arc<dyn Mailbox>,
    /// Is told what came of each notice, before the mailbox forgets it. May wait for the disk.
    pub report: Arc<dyn Fn(Report) + Send + Sync>,
    /// Is told of each attempt. Does not wait.
    pub attempted: Arc<dyn Fn(Delivery) + Send + Sync>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

/// Tells people, until it is dropped.
#[derive(Debug)]
pub struct Deliveries {
    workers: BTreeMap<Arc<str>, Arc<Worker>>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Deliveries {
    /// Starts a worker for each destination; what the mailbox has of it goes first.
    ///
    /// # Errors
    /// Two destinations of one name; a thread that cannot be started.
    pub fn start(destinations: Vec<Destination>, world: &World) -> Result<Deliveries, String> {
        let mut workers = BTreeMap::new();
        for Destination { name, channel } in destinations {
            let worker = Arc::new(Worker::new(name.clone(), channel, world.clone()));
            if workers.insert(name.clone(), worker).is_some() {
                return Err(format!("two channels have the name `{name}`"));
            }
        }
        let (stop, stopped) = watch::channel(false);
        let failed = |error: std::io::Error| format!("notifications: {error}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let all: Vec<Arc<Worker>> = workers.values().cloned().collect();
        let thread = std::thread::Builder::new()
            .name("notify".to_owned())
            .spawn(move || {
                runtime.block_on(worker::run(all, stopped));
                // A name that is still being resolved is not waited for.
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Deliveries { workers, stop, thread: Some(thread) })
    }

    /// Takes a notice for a destination; false when there is none of this name. Never waits.
    pub fn give(&self, destination: &str, notice: Notice) -> bool {
        let worker = self.workers.get(destination);
        worker.is_some_and(|worker| {
            worker.give(notice);
            true
        })
    }

    /// Takes back what was delivered under a name, such as a telephone call that is still queued. Never waits.
    pub fn take_back(&self, destination: &str, id: String) {
        if let Some(worker) = self.workers.get(destination) {
            worker.take_back(id);
        }
    }

    /// Forgets what waits of a group for a destination. Never waits.
    pub fn withdraw(&self, destination: &str, group_key: &str) {
        if let Some(worker) = self.workers.get(destination) {
            worker.withdraw(group_key);
        }
    }

    /// For the metrics page.
    pub fn facts(&self) -> NotificationFacts {
        let mut facts = NotificationFacts::default();
        for worker in self.workers.values() {
            facts.queues.push(worker.facts());
            let kind = worker.kind();
            let seconds = match facts.seconds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, seconds)) => seconds,
                None => {
                    facts.seconds.push((kind, Observed::default()));
                    &mut facts.seconds.last_mut().expect("just pushed").1
                }
            };
            worker.add_seconds_to(seconds);
        }
        facts
    }
}

impl Drop for Deliveries {
    /// What is being told has two seconds; what is not told by then stays in the mailbox.
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that tells people panicked");
        }
    }
}

impl Worker {
    fn facts(&self) -> NotificationQueue {
        let (counts, waiting) = self.counts();
        NotificationQueue { channel: self.name(), kind: self.kind(), counts, waiting }
    }
}

#[cfg(test)]
mod tests;
