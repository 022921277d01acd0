//! What the queue of one connection has done. Written by the task that serves the connection, read by everyone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use guard::queue::{Dropped, QueueConfig};
use meter::RouteMeter;
use meter::queue::ClassCells;
use model::queue::{QueueFacts, QueuedClass};
use model::{Moment, Shed};

use crate::clock;

/// See the module.
#[derive(Debug)]
pub struct Queued {
    classes: Vec<Class>,
    waiting_messages: AtomicU64,
    waiting_bytes: AtomicU64,
    waiting_bytes_max: AtomicU64,
    /// Moment of the last loss; 0 before the first.
    lost_last: AtomicU64,
}

#[derive(Debug)]
struct Class {
    name: Arc<str>,
    cells: Arc<ClassCells>,
    delivered: AtomicU64,
    dropped: AtomicU64,
    coalesced: AtomicU64,
}

impl Queued {
    /// Nothing yet.
    pub fn new(config: &QueueConfig, meter: &RouteMeter) -> Queued {
        let class = |name: &str| Class {
            name: name.into(),
            cells: meter.queue.class(name),
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            coalesced: AtomicU64::new(0),
        };
        let classes = config.classes().into_iter().map(class).collect();
        Queued {
            classes,
            waiting_messages: AtomicU64::new(0),
            waiting_bytes: AtomicU64::new(0),
            waiting_bytes_max: AtomicU64::new(0),
            lost_last: AtomicU64::new(0),
        }
    }

    /// The client's kernel socket has accepted a message of this class.
    pub fn delivered(&self, class: usize) {
        if let Some(class) = self.classes.get(class) {
            class.cells.delivered.inc();
            class.delivered.fetch_add(1, Relaxed);
        }
    }

    /// A message was dropped.
    pub fn dropped(&self, dropped: Dropped, at: Moment) {
        if let Some(class) = self.classes.get(dropped.class) {
            class.cells.dropped.inc(dropped.why);
            class.dropped.fetch_add(1, Relaxed);
            if dropped.why == Shed::Coalesce {
                class.coalesced.fetch_add(1, Relaxed);
            } else {
                self.lost_last.store(at.0.max(1), Relaxed);
            }
        }
    }

    /// So much has waited at once.
    pub fn reached(&self, bytes: u64) {
        self.waiting_bytes_max.fetch_max(bytes, Relaxed);
    }

    /// So much waits.
    pub fn waits(&self, messages: usize, bytes: u64) {
        self.waiting_messages.store(messages as u64, Relaxed);
        self.waiting_bytes.store(bytes, Relaxed);
    }

    /// Messages and bytes that wait.
    pub fn waiting(&self) -> (u64, u64) {
        (self.waiting_messages.load(Relaxed), self.waiting_bytes.load(Relaxed))
    }

    /// What is known now.
    pub fn facts(&self) -> QueueFacts {
        let of = |class: &Class| QueuedClass {
            class: Arc::clone(&class.name),
            delivered: class.delivered.load(Relaxed),
            dropped: class.dropped.load(Relaxed),
            coalesced: class.coalesced.load(Relaxed),
        };
        let classes = self.classes.iter().map(of).collect();
        let mut facts = QueueFacts::new(classes, self.waiting_bytes_max.load(Relaxed));
        let lost_last = self.lost_last.load(Relaxed);
        facts.lost_last_at = (lost_last > 0).then(|| clock::wall_of(Moment(lost_last)));
        facts
    }
}
