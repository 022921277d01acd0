//! What the callers and the writer of series share.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::head::Head;
use super::stats::Counters;
use crate::health::Health;
use crate::pool::Pool;

/// What the callers and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    /// All series in memory.
    pub(super) head: Head,
    /// What the writer counts.
    pub(super) counters: Counters,
    /// Whether the database can be written.
    pub(super) health: Health,
    /// Connections to read the database; none when all stays in memory.
    pub(super) pool: Option<Arc<Pool>>,
    /// Samples that wait to be written.
    pub(super) queued_samples: AtomicUsize,
    /// Batches that wait to be written.
    pub(super) queued_batches: AtomicUsize,
}
