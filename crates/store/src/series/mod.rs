//! Series: newest samples in memory, the rest in `series.db`.
//!
//! Appending touches memory and a bounded queue, nothing else. One thread writes: each batch as one row right
//! away, full chunks later, when they make rows of batches superfluous. Reading looks at memory first and then at
//! the disk, over connections of its own.

mod attach;
mod batch;
mod bits;
mod chunk;
mod disk;
mod entry;
mod head;
mod index;
mod read;
mod retention;
mod rows;
mod selector;
mod shared;
mod stats;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use model::series::{Labels, STALE_MARKER, Sample, SampleSink};
use parking_lot::Mutex;

pub use entry::SeriesId;
pub use stats::{Appended, DropReason, SeriesStats};

use crate::directory::Directory;
use crate::error::StoreError;
use crate::health::Health;
use crate::pool::Pool;
use head::{Head, Row};
use shared::Shared;
use stats::Counters;
use writer::{Message, Writer};

/// Bounds of the store of series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesOptions {
    /// Most series, those that only the disk has samples of included.
    pub series_max: usize,
    /// Memory of full chunks.
    pub head_bytes_max: usize,
    /// How long full chunks stay in memory after they were written, counted from the newest sample.
    pub head_window: Duration,
    /// How long samples are kept, counted from the newest one.
    pub retention: Duration,
    /// Size of the database at which the oldest samples are removed.
    pub disk_bytes_max: u64,
    /// Samples that may wait to be written; a batch beyond is not written as such.
    pub queue_samples_max: usize,
    /// How long after a failure to try again for the first time.
    pub retry: Duration,
}

impl Default for SeriesOptions {
    fn default() -> Self {
        SeriesOptions {
            series_max: 200_000,
            head_bytes_max: 256 << 20,
            head_window: Duration::from_secs(3600),
            retention: Duration::from_secs(15 * 86_400),
            disk_bytes_max: 16 << 30,
            queue_samples_max: 2_000_000,
            retry: Duration::from_secs(1),
        }
    }
}

impl SeriesOptions {
    fn retention_ms(&self) -> i64 {
        i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX)
    }

    fn head_window_ms(&self) -> i64 {
        i64::try_from(self.head_window.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Batches that may wait to be written.
const QUEUE_BATCHES_MAX: usize = 1024;

/// What came of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Counts batches, from 1; see [`SeriesStats::newest_written`].
    pub number: u64,
    /// What was taken and dropped.
    pub appended: Appended,
}

/// The store of series.
#[derive(Debug)]
pub struct SeriesStore {
    shared: Arc<Shared>,
    options: SeriesOptions,
    queue: SyncSender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SeriesStore {
    /// With what the directory has. When that cannot be read or written, history begins when it can.
    pub(crate) fn open(
        directory: Option<Arc<Directory>>,
        options: SeriesOptions,
    ) -> Result<SeriesStore, StoreError> {
        let pool = directory.as_ref().map(|directory| Arc::new(Pool::new(directory.file(disk::FILE))));
        let shared = Arc::new(Shared {
            head: Head::new(options.series_max),
            counters: Counters::default(),
            health: Health::new("series"),
            pool,
            queued_samples: AtomicUsize::new(0),
            queued_batches: AtomicUsize::new(0),
        });
        let mut writer = Writer::new(shared.clone(), options.clone(), directory);
        if let Err(error) = writer.attach()
            && error.is_fatal()
        {
            return Err(error);
        }
        let (queue, received) = sync_channel(QUEUE_BATCHES_MAX);
        let thread = std::thread::Builder::new().name("series".to_owned());
        let thread = thread
            .spawn(move || writer.run(&received))
            .map_err(|source| StoreError::Thread { name: "series", source })?;
        Ok(SeriesStore { shared, options, queue, writer: Mutex::new(Some(thread)) })
    }

    /// The name of the series with these labels, which is made when there is none. Keep it: appending by name is
    /// many times faster.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn resolve(&self, labels: &Labels) -> Result<SeriesId, DropReason> {
        self.shared.head.resolve(labels).map(|entry| entry.id)
    }

    /// Appends one sample to each of many series, all of one instant: a scrape. Never waits for the disk.
    pub fn append_batch(&self, timestamp_ms: i64, samples: &[(SeriesId, f64)]) -> Batch {
        self.append_rows(samples.iter().map(|&(id, value)| (id, Sample { timestamp_ms, value })))
    }

    /// Appends samples of any instants. Never waits for the disk.
    pub fn append_samples(&self, samples: &[(SeriesId, Sample)]) -> Batch {
        self.append_rows(samples.iter().copied())
    }

    /// Marks the end of series: they were in the last scrape and are not in this one. A series that has ended
    /// already is left alone.
    pub fn mark_stale(&self, timestamp_ms: i64, ids: &[SeriesId]) -> Batch {
        let is_alive = |id: &SeriesId| {
            let entry = self.shared.head.entry(*id);
            entry.is_some_and(|entry| !entry.state.lock().ends_with(STALE_MARKER))
        };
        let marker = Sample { timestamp_ms, value: STALE_MARKER };
        let alive: Vec<SeriesId> = ids.iter().copied().filter(is_alive).collect();
        self.append_rows(alive.into_iter().map(|id| (id, marker)))
    }

    fn append_rows(&self, rows: impl ExactSizeIterator<Item = Row>) -> Batch {
        let mut taken = Vec::with_capacity(rows.len());
        let (number, appended) = self.shared.head.append(rows, &mut taken);
        self.send(number, taken);
        Batch { number, appended }
    }

    fn send(&self, number: u64, taken: Vec<Row>) {
        let shared = &self.shared;
        if taken.is_empty() || shared.pool.is_none() {
            return;
        }
        let count = taken.len();
        let waiting = shared.queued_samples.fetch_add(count, Relaxed);
        shared.queued_batches.fetch_add(1, Relaxed);
        let has_room = waiting == 0 || waiting + count <= self.options.queue_samples_max;
        if !has_room || self.queue.try_send(Message::Batch(number, taken.into())).is_err() {
            shared.queued_samples.fetch_sub(count, Relaxed);
            shared.queued_batches.fetch_sub(1, Relaxed);
            shared.counters.batches_unwritten.fetch_add(1, Relaxed);
        }
    }

    /// Whether so much waits to be written that whoever can should come again later.
    pub fn is_behind(&self) -> bool {
        self.shared.queued_samples.load(Relaxed) > self.options.queue_samples_max / 2
            || self.shared.head.sealed_bytes() > self.options.head_bytes_max / 4 * 3
    }

    /// Waits until all that was appended before is written, or could not be.
    pub fn sync(&self) {
        let (answer, done) = sync_channel(1);
        if self.queue.send(Message::Sync(answer)).is_ok() {
            let _ = done.recv();
        }
    }

    /// # Errors
    /// Why samples do not come to the disk just now.
    pub fn status(&self) -> Result<(), String> {
        self.shared.health.status()
    }

    /// What is counted.
    pub fn stats(&self) -> SeriesStats {
        let mut stats = SeriesStats {
            queue_batches: self.shared.queued_batches.load(Relaxed) as u64,
            ..SeriesStats::default()
        };
        self.shared.head.fill(&mut stats);
        self.shared.counters.fill(&mut stats);
        stats
    }
}

impl SeriesStore {
    /// Appends samples of any series and instants, and tells what came of them. Never waits for the disk.
    pub fn append_labelled(&self, samples: &[(Labels, Sample)]) -> Appended {
        self.append_and_visit(samples, |_| {})
    }

    /// The same; each sample that was taken is shown to `visit`.
    pub fn append_and_visit(
        &self,
        samples: &[(Labels, Sample)],
        mut visit: impl FnMut(&(Labels, Sample)),
    ) -> Appended {
        let mut refused = Appended::default();
        let mut rows = Vec::with_capacity(samples.len());
        let mut sources = Vec::with_capacity(samples.len());
        for source in samples {
            match self.resolve(&source.0) {
                Ok(id) => {
                    rows.push((id, source.1));
                    sources.push(source);
                }
                Err(reason) => refused.count(Err(reason)),
            }
        }
        self.shared.head.count(&refused);
        let mut taken = Vec::with_capacity(rows.len());
        let (number, mut appended) = self.shared.head.append(rows.iter().copied(), &mut taken);
        let mut next = taken.iter().peekable();
        for (row, source) in rows.iter().zip(sources) {
            if next.next_if(|taken| is_same(taken, row)).is_some() {
                visit(source);
            }
        }
        self.send(number, taken);
        for (sum, dropped) in appended.dropped.iter_mut().zip(refused.dropped) {
            *sum += dropped;
        }
        appended
    }
}

/// Whether two rows are one, by the bits of their values.
fn is_same(one: &Row, other: &Row) -> bool {
    let bits = |&(id, sample): &Row| (id, sample.timestamp_ms, sample.value.to_bits());
    bits(one) == bits(other)
}

impl SampleSink for SeriesStore {
    fn append(&self, samples: &[(Labels, Sample)]) {
        self.append_labelled(samples);
    }
}

impl Drop for SeriesStore {
    fn drop(&mut self) {
        if self.queue.send(Message::Stop).is_ok()
            && let Some(writer) = self.writer.lock().take()
        {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests;
