//! The journal: one entry for each connection that has ended, in one file a day; beside them the connections that
//! have been open for long, so that those that a killed process had are not forgotten.

mod block;
mod chunk;
mod column;
mod columns;
mod day;
mod file;
mod gate;
mod matching;
mod names;
mod openings;
mod pack;
mod query;
mod reader;
mod rows;
mod sealed;
mod unpack;
mod writer;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use model::journal::Opening;
use model::record::CloseRecord;
use parking_lot::RwLock;

use crate::directory::Directory;
use crate::error::StoreError;
use crate::health::Health;
use day::Day;
use gate::Gate;
use writer::{Message, Writer};

/// Name of its directory in the data directory.
const DIRECTORY: &str = "journal";

/// How often who waits for the writer looks whether that is of use.
const SYNC_STEP: Duration = Duration::from_millis(20);

/// Readers at a time.
const READERS_MAX: usize = 4;

/// Bounds of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// How long entries are kept, in whole days, counted from the newest one.
    pub retention: Duration,
    /// Size of all files at which the oldest day is removed.
    pub disk_bytes_max: u64,
    /// Entries that may wait to be written; those beyond are dropped and counted.
    pub queue_max: usize,
    /// Open connections that are kept track of.
    pub openings_max: usize,
    /// How long entries gather before they are written together.
    pub gather: Duration,
    /// How long after a failure to try again for the first time.
    pub retry: Duration,
}

impl Default for JournalOptions {
    fn default() -> Self {
        JournalOptions {
            retention: Duration::from_secs(7 * 86_400),
            disk_bytes_max: 16 << 30,
            queue_max: 32_768,
            openings_max: 500_000,
            gather: Duration::from_millis(500),
            retry: Duration::from_secs(1),
        }
    }
}

/// What the journal counts; the numbers only grow unless they say "now".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// Entries that were written.
    pub written: u64,
    /// Entries that were dropped: the queue was full, or the journal is as large as it may be.
    pub dropped: u64,
    /// Entries that wait to be written now.
    pub queued: u64,
    /// Open connections that are kept track of now.
    pub openings: u64,
    /// Open connections that were not kept track of.
    pub openings_dropped: u64,
    /// Connections that a process before this one had open when it was killed.
    pub lost: u64,
    /// Entries that were found damaged.
    pub damaged: u64,
    /// Attempts to write that failed.
    pub write_errors: u64,
    /// When something was last written: milliseconds since the Unix epoch, 0 for never.
    pub written_at_ms: u64,
    /// Bytes of all files now.
    pub disk_bytes: u64,
    /// Files now, one a day.
    pub days: u64,
}

#[derive(Debug, Default)]
struct Counters {
    written: AtomicU64,
    dropped: AtomicU64,
    openings: AtomicU64,
    openings_dropped: AtomicU64,
    lost: AtomicU64,
    damaged: AtomicU64,
    write_errors: AtomicU64,
    written_at_ms: AtomicU64,
    disk_bytes: AtomicU64,
}

impl Counters {
    fn damaged(&self, entries: u64) {
        self.damaged.fetch_add(entries, Relaxed);
    }

    fn wrote(&self) {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.written_at_ms.store(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// What callers and writer share.
#[derive(Debug)]
struct Shared {
    /// Where the files are; none when nothing is kept.
    directory: Option<Arc<PathBuf>>,
    days: RwLock<BTreeSet<Day>>,
    counters: Counters,
    health: Health,
    gate: Gate,
    queued: AtomicUsize,
    is_full: AtomicBool,
    is_ending: AtomicBool,
}

/// The journal.
#[derive(Debug)]
pub struct JournalStore {
    shared: Arc<Shared>,
    /// None when nothing is kept, and at the end.
    queue: Option<SyncSender<Message>>,
    writer: Option<JoinHandle<()>>,
}

impl JournalStore {
    /// With what the directory has.
    pub(crate) fn open(
        directory: Option<Arc<Directory>>,
        options: &JournalOptions,
    ) -> Result<JournalStore, StoreError> {
        let shared = Arc::new(Shared {
            directory: directory.as_ref().map(|directory| Arc::new(directory.file(DIRECTORY))),
            days: RwLock::default(),
            counters: Counters::default(),
            health: Health::new("the journal"),
            gate: Gate::new(READERS_MAX),
            queued: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
        });
        let Some(directory) = directory else {
            return Ok(JournalStore { shared, queue: None, writer: None });
        };
        let mut writer = Writer::new(shared.clone(), options.clone(), directory);
        if let Err(error) = writer.attach()
            && error.is_fatal()
        {
            return Err(error);
        }
        let (queue, received) = sync_channel(options.queue_max);
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let thread = thread
            .spawn(move || writer.run(&received))
            .map_err(|source| StoreError::Thread { name: "journal", source })?;
        Ok(JournalStore { shared, queue: Some(queue), writer: Some(thread) })
    }

    /// A connection has ended. Never waits: when too many wait to be written, it is dropped and counted.
    pub fn closed(&self, record: Arc<CloseRecord>) {
        let Some(queue) = &self.queue else { return };
        self.shared.queued.fetch_add(1, Relaxed);
        if queue.try_send(Message::Closed(record)).is_err() {
            self.shared.queued.fetch_sub(1, Relaxed);
            self.shared.counters.dropped.fetch_add(1, Relaxed);
        }
    }

    /// A connection has been open for so long that it is worth to be kept track of. Never waits.
    pub fn opened(&self, opening: Opening) {
        let Some(queue) = &self.queue else { return };
        if queue.try_send(Message::Opened(Box::new(opening))).is_err() {
            self.shared.counters.openings_dropped.fetch_add(1, Relaxed);
        }
    }

    /// Waits until all that came before is written, or the journal cannot be written.
    pub fn sync(&self) {
        let (answer, done) = sync_channel(1);
        let Some(queue) = &self.queue else { return };
        let mut message = Message::Sync(answer);
        while let Err(TrySendError::Full(back)) = queue.try_send(message) {
            if self.status().is_err() {
                return;
            }
            std::thread::sleep(SYNC_STEP);
            message = back;
        }
        while done.recv_timeout(SYNC_STEP) == Err(RecvTimeoutError::Timeout) && self.status().is_ok() {}
    }

    /// # Errors
    /// Why entries do not come to the disk just now.
    pub fn status(&self) -> Result<(), String> {
        if self.shared.is_full.load(Relaxed) {
            return Err("the journal cannot be kept: today's file is as large as it may be".to_owned());
        }
        self.shared.health.status()
    }

    /// What is counted.
    pub fn stats(&self) -> JournalStats {
        let counters = &self.shared.counters;
        JournalStats {
            written: counters.written.load(Relaxed),
            dropped: counters.dropped.load(Relaxed),
            queued: self.shared.queued.load(Relaxed) as u64,
            openings: counters.openings.load(Relaxed),
            openings_dropped: counters.openings_dropped.load(Relaxed),
            lost: counters.lost.load(Relaxed),
            damaged: counters.damaged.load(Relaxed),
            write_errors: counters.write_errors.load(Relaxed),
            written_at_ms: counters.written_at_ms.load(Relaxed),
            disk_bytes: counters.disk_bytes.load(Relaxed),
            days: self.shared.days.read().len() as u64,
        }
    }
}

impl Drop for JournalStore {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Relaxed);
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests;
