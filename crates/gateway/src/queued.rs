//! What the queue of one connection has done. Written by the task that serves the connection, read by everyone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use guard::queue::{Dropped, QueueConfig};
use meter::RouteMeter;
use meter::queue::ClassCells;
use model::queue::{QueueFacts, QueuedClass};

/// See the module.
#[derive(Debug)]
pub struct Queued {
    classes: Vec<Class>,
    waiting_bytes_max: AtomicU64,
}

#[derive(Debug)]
struct Class {
    name: Arc<str>,
    cells: Arc<ClassCells>,
    delivered: AtomicU64,
    dropped: AtomicU64,
}

impl Queued {
    /// Nothing yet.
    pub fn new(config: &QueueConfig, meter: &RouteMeter) -> Queued {
        let class = |name: &str| Class {
            name: name.into(),
            cells: meter.queue.class(name),
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        };
        let classes = config.classes().into_iter().map(class).collect();
        Queued { classes, waiting_bytes_max: AtomicU64::new(0) }
    }

    /// The client's kernel socket has accepted a message of this class.
    pub fn delivered(&self, class: usize) {
        if let Some(class) = self.classes.get(class) {
            class.cells.delivered.inc();
            class.delivered.fetch_add(1, Relaxed);
        }
    }

    /// A message was dropped.
    pub fn dropped(&self, dropped: Dropped) {
        if let Some(class) = self.classes.get(dropped.class) {
            class.cells.dropped.inc(dropped.why);
            class.dropped.fetch_add(1, Relaxed);
        }
    }

    /// So many bytes wait.
    pub fn waits(&self, bytes: u64) {
        self.waiting_bytes_max.fetch_max(bytes, Relaxed);
    }

    /// What is known now.
    pub fn facts(&self) -> QueueFacts {
        let of = |class: &Class| QueuedClass {
            class: Arc::clone(&class.name),
            delivered: class.delivered.load(Relaxed),
            dropped: class.dropped.load(Relaxed),
        };
        QueueFacts::new(self.classes.iter().map(of).collect(), self.waiting_bytes_max.load(Relaxed))
    }
}
