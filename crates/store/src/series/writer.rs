//! The thread that brings series to the disk. What it cannot do is counted and tried again; nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime};

use model::series::TimeRange;

use super::chunk::{Chunk, SPAN_MAX_MS};
use super::disk::{Disk, FILE};
use super::entry::Entry;
use super::head::Row;
use super::rows::Rows;
use super::shared::Shared;
use super::{SeriesOptions, attach, batch};
use crate::directory::Directory;
use crate::error::StoreError;
use crate::health::Retry;

/// Batches that are written in one transaction.
const GROUP_BATCHES_MAX: usize = 64;

/// Samples beyond which no more batches join a transaction.
const GROUP_SAMPLES_MAX: usize = 500_000;

/// Chunks that are written in one transaction.
const GROUP_CHUNKS_MAX: usize = 4096;

/// How often the writer looks after what no batch brings about.
const TICK: Duration = Duration::from_secs(1);

/// How often memory is relieved, old chunks are sealed, and batches are removed that chunks have.
const CARE: Duration = Duration::from_secs(10);

/// How often what was committed is brought to the disk.
const CHECKPOINT: Duration = Duration::from_secs(30);

/// What the writer is told.
pub(super) enum Message {
    /// Samples were appended.
    Batch(u64, Box<[Row]>),
    /// Answer as soon as all before it is done, full chunks are written, and care was taken.
    Sync(SyncSender<()>),
    /// End.
    Stop,
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) options: SeriesOptions,
    pub(super) directory: Option<Arc<Directory>>,
    pub(super) disk: Option<Disk>,
    identity: Option<i64>,
    retry: Retry,
    rows: Rows,
    /// The newest batch that came to be written.
    taken: u64,
    pub(super) pruned_before_ms: i64,
    cared_at: Instant,
    checkpointed_at: Instant,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        options: SeriesOptions,
        directory: Option<Arc<Directory>>,
    ) -> Writer {
        let (retry, now) = (Retry::new(options.retry), Instant::now());
        Writer {
            shared,
            options,
            directory,
            disk: None,
            identity: None,
            retry,
            rows: Rows::default(),
            taken: 0,
            pruned_before_ms: i64::MIN,
            cared_at: now,
            checkpointed_at: now,
        }
    }

    /// Opens the database, if that is not done; tells health how it went.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(super) fn attach(&mut self) -> Result<(), StoreError> {
        let Some(directory) = self.directory.clone() else { return Ok(()) };
        let attached = directory.hold().and_then(|()| {
            let mut disk = Disk::open(&directory.file(FILE))?;
            self.rows = Rows::default();
            let is_same = self.identity == Some(disk.identity);
            if let Some(pool) = &self.shared.pool {
                pool.renew();
            }
            attach::attach(&self.shared, &mut disk, is_same)?;
            Ok(disk)
        });
        match attached {
            Ok(disk) => {
                self.identity = Some(disk.identity);
                self.shared.counters.disk_bytes.store(disk.used_bytes().unwrap_or(0), Relaxed);
                self.disk = Some(disk);
                self.retry.succeeded();
                self.shared.health.recovered();
                Ok(())
            }
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    /// Works until it is told to end.
    pub(super) fn run(mut self, queue: &Receiver<Message>) {
        let mut group = Vec::new();
        loop {
            let mut waiting = None;
            let mut is_last = false;
            let mut next = match queue.recv_timeout(TICK) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut samples = 0;
            while let Some(message) = next.take() {
                match message {
                    Message::Batch(number, rows) => {
                        samples += rows.len();
                        self.taken = self.taken.max(number);
                        group.push((number, rows));
                    }
                    Message::Sync(answer) => waiting = Some(answer),
                    Message::Stop => is_last = true,
                }
                let has_room = group.len() < GROUP_BATCHES_MAX && samples < GROUP_SAMPLES_MAX;
                if has_room && waiting.is_none() && !is_last {
                    next = queue.try_recv().ok();
                }
            }
            self.write_batches(&group);
            self.shared.queued_samples.fetch_sub(samples, Relaxed);
            self.shared.queued_batches.fetch_sub(group.len(), Relaxed);
            group.clear();
            self.look_after(waiting.is_some());
            if let Some(answer) = waiting {
                let _ = answer.send(());
            }
            if is_last {
                return;
            }
        }
    }

    fn look_after(&mut self, now: bool) {
        if self.disk.is_none() && self.directory.is_some() && self.retry.is_due() {
            let _ = self.attach();
        }
        let is_time = now || self.cared_at.elapsed() >= CARE;
        if is_time {
            self.cared_at = Instant::now();
            self.seal_old();
        }
        if self.shared.head.take_sealed() || is_time {
            // What is to be kept now may have lost its batch; else a chunk comes behind its batches, so that none comes in
            // part when this is the end.
            self.write_chunks(if now { u64::MAX } else { self.taken });
        }
        self.relieve_memory(is_time);
        if is_time {
            self.remove_batches();
            self.retain();
        }
        if now || self.checkpointed_at.elapsed() >= CHECKPOINT {
            self.checkpointed_at = Instant::now();
            self.with_disk(|disk| disk.checkpoint());
        }
    }

    fn write_batches(&mut self, group: &[(u64, Box<[Row]>)]) {
        let Some((newest, _)) = group.last() else { return };
        let mut rows = std::mem::take(&mut self.rows);
        let shared = self.shared.clone();
        let written = self.with_disk(|disk| {
            disk.transact(|tables| {
                let (mut samples, mut bytes) = (Vec::new(), Vec::new());
                for (number, batch) in group {
                    samples.clear();
                    for (id, sample) in batch {
                        if let Some(row) = rows.of(&shared, tables, *id)? {
                            samples.push((row, *sample));
                        }
                    }
                    batch::encode(&samples, &mut bytes);
                    tables.insert_batch(*number, &bytes)?;
                }
                Ok(())
            })
        });
        let counters = &self.shared.counters;
        let count = group.len() as u64;
        if written.is_none() {
            counters.batches_unwritten.fetch_add(count, Relaxed);
            return;
        }
        rows.commit();
        self.rows = rows;
        counters.batches_written.fetch_add(count, Relaxed);
        counters.newest_written.fetch_max(*newest, Relaxed);
        self.wrote();
    }

    /// Writes all full chunks that are not written and have nothing of the batches behind `newest`.
    fn write_chunks(&mut self, newest: u64) {
        if self.disk.is_none() {
            return;
        }
        let mut group: Vec<(Arc<Entry>, Vec<Chunk>)> = Vec::new();
        let mut chunks = 0;
        for entry in self.shared.head.entries() {
            let unstored: Vec<Chunk> = entry.state.lock().unstored(newest).cloned().collect();
            if unstored.is_empty() {
                continue;
            }
            chunks += unstored.len();
            group.push((entry, unstored));
            if chunks >= GROUP_CHUNKS_MAX {
                self.write_chunk_group(&group);
                (chunks, group) = (0, Vec::new());
            }
        }
        self.write_chunk_group(&group);
    }

    fn write_chunk_group(&mut self, group: &[(Arc<Entry>, Vec<Chunk>)]) {
        if group.is_empty() {
            return;
        }
        let mut rows = std::mem::take(&mut self.rows);
        let shared = self.shared.clone();
        let written = self.with_disk(|disk| {
            disk.transact(|tables| {
                let mut count = 0;
                for (entry, chunks) in group {
                    let Some(row) = rows.of(&shared, tables, entry.id)? else { continue };
                    for chunk in chunks {
                        tables.insert_chunk(row, chunk)?;
                        count += 1;
                    }
                }
                Ok(count)
            })
        });
        let Some(count) = written else { return };
        rows.commit();
        self.rows = rows;
        for (entry, chunks) in group {
            if let (Some(first), Some(last)) = (chunks.first(), chunks.last()) {
                entry.state.lock().mark_stored(TimeRange { from_ms: first.from_ms, to_ms: last.to_ms });
            }
        }
        self.shared.counters.chunks_written.fetch_add(count, Relaxed);
        self.wrote();
    }

    /// Seals chunks that nothing fills, so that their batches can be removed.
    fn seal_old(&self) {
        let Some(newest_ms) = self.newest_ms() else { return };
        for entry in self.shared.head.entries() {
            let mut state = entry.state.lock();
            let behind = self.shared.head.newest_batch() + 1;
            let growth = state.seal(newest_ms.saturating_sub(SPAN_MAX_MS), behind);
            drop(state);
            self.shared.head.grew(growth);
        }
    }

    /// Time of the newest sample, but for samples of the future: those must not make all others old.
    pub(super) fn newest_ms(&self) -> Option<i64> {
        self.shared.head.newest_ms().map(|newest_ms| newest_ms.min(now_ms()))
    }

    fn remove_batches(&mut self) {
        let entries = self.shared.head.entries();
        let oldest = entries.iter().filter_map(|entry| entry.state.lock().oldest_batch()).min();
        let before = oldest.unwrap_or_else(|| self.shared.head.newest_batch() + 1);
        self.with_disk(|disk| disk.transact(|tables| tables.delete_batches(before)));
        let used = self.with_disk(|disk| disk.used_bytes());
        self.shared.counters.disk_bytes.store(used.unwrap_or(0), Relaxed);
    }

    /// Does something with the database, if it is there; it is given up when that fails.
    pub(super) fn with_disk<T>(
        &mut self,
        work: impl FnOnce(&mut Disk) -> Result<T, StoreError>,
    ) -> Option<T> {
        match work(self.disk.as_mut()?) {
            Ok(done) => Some(done),
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    fn failed(&mut self, error: &StoreError) {
        self.disk = None;
        self.retry.failed();
        self.shared.health.failed(error);
        self.shared.counters.write_errors.fetch_add(1, Relaxed);
    }

    fn wrote(&self) {
        self.shared.counters.written_at_ms.store(now_ms().unsigned_abs(), Relaxed);
    }
}

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
