//! What the store of series counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a sample was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The series has a later sample.
    OutOfOrder,
    /// The series has a sample of this instant, the same one as far as is known.
    Duplicate,
    /// There are as many series as there may be.
    SeriesMax,
    /// The labels are longer than they may be, or there are none.
    Labels,
    /// The instant is too far from today.
    Time,
    /// The id names no series any more.
    UnknownSeries,
    /// The series has a sample of this instant with another value.
    Conflict,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [DropReason; 7] = [
        DropReason::OutOfOrder,
        DropReason::Duplicate,
        DropReason::SeriesMax,
        DropReason::Labels,
        DropReason::Time,
        DropReason::UnknownSeries,
        DropReason::Conflict,
    ];

    /// As a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::OutOfOrder => "out_of_order",
            DropReason::Duplicate => "duplicate",
            DropReason::SeriesMax => "series_max",
            DropReason::Labels => "labels",
            DropReason::Time => "time",
            DropReason::UnknownSeries => "unknown_series",
            DropReason::Conflict => "conflict",
        }
    }
}

/// What came of samples that were handed over together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Samples that were taken.
    pub taken: u64,
    /// Samples that were dropped, in the order of [`DropReason::ALL`].
    pub dropped: [u64; DropReason::ALL.len()],
}

impl Appended {
    /// Samples that were dropped for this reason.
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    pub(crate) fn count(&mut self, outcome: Result<(), DropReason>) {
        match outcome {
            Ok(()) => self.taken += 1,
            Err(reason) => self.dropped[reason as usize] += 1,
        }
    }
}

/// What the store of series counts; the numbers only grow unless they say "now".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesStats {
    /// Samples taken and dropped, since the start.
    pub samples: Appended,
    /// Series now.
    pub series: u64,
    /// Full chunks in memory now.
    pub head_chunks: u64,
    /// Bytes of memory of samples now.
    pub head_bytes: u64,
    /// Samples that had to leave memory before they could be stored.
    pub samples_lost: u64,
    /// Batches that wait to be written now.
    pub queue_batches: u64,
    /// Batches that were not written, because the queue was full or the database was not there. Their samples
    /// are in memory and are written with their chunks.
    pub batches_unwritten: u64,
    /// Batches that were written.
    pub batches_written: u64,
    /// Number of the newest batch that was written; see [`crate::series::Batch::number`].
    pub newest_written: u64,
    /// Chunks that were written.
    pub chunks_written: u64,
    /// Batches and chunks that were found damaged.
    pub damaged: u64,
    /// Attempts to write that failed.
    pub write_errors: u64,
    /// When something was last written: milliseconds since the Unix epoch, 0 for never.
    pub written_at_ms: u64,
    /// Bytes in use in the database's file now.
    pub disk_bytes: u64,
}

/// Counters that the writer keeps.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) samples_lost: AtomicU64,
    pub(crate) batches_unwritten: AtomicU64,
    pub(crate) batches_written: AtomicU64,
    pub(crate) newest_written: AtomicU64,
    pub(crate) chunks_written: AtomicU64,
    pub(crate) damaged: AtomicU64,
    pub(crate) write_errors: AtomicU64,
    pub(crate) written_at_ms: AtomicU64,
    pub(crate) disk_bytes: AtomicU64,
}

impl Counters {
    /// Writes what it counts into `stats`.
    pub(crate) fn fill(&self, stats: &mut SeriesStats) {
        stats.samples_lost = self.samples_lost.load(Relaxed);
        stats.batches_unwritten = self.batches_unwritten.load(Relaxed);
        stats.batches_written = self.batches_written.load(Relaxed);
        stats.newest_written = self.newest_written.load(Relaxed);
        stats.chunks_written = self.chunks_written.load(Relaxed);
        stats.damaged = self.damaged.load(Relaxed);
        stats.write_errors = self.write_errors.load(Relaxed);
        stats.written_at_ms = self.written_at_ms.load(Relaxed);
        stats.disk_bytes = self.disk_bytes.load(Relaxed);
    }
}
