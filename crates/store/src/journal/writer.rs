//! The thread that writes the journal. It gathers for a moment, then writes what has come in one transaction a day.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime};

use model::journal::{JournalEntry, LostConnection, Opening};
use model::record::CloseRecord;
use model::{ConnectionId, WallTime};

use super::day::{self, Day};
use super::file::DayFile;
use super::openings::Openings;
use super::query::{ENOUGH, by_id};
use super::reader::DayReader;
use super::{JournalOptions, Shared};
use crate::directory::Directory;
use crate::error::StoreError;
use crate::health::Retry;

/// Entries of one transaction, and those that wait for the disk beside the queue.
const GROUP_MAX: usize = 8192;

/// Files of days that are open to be written.
const OPEN_DAYS_MAX: usize = 2;

/// How often the running of the process is noted, which is how exactly the end of lost connections is known.
const TICK: Duration = Duration::from_secs(5);

/// How often old days are looked for.
const RETAIN: Duration = Duration::from_secs(60);

/// How long to wait when nothing more can be taken.
const REST: Duration = Duration::from_millis(100);

/// What the writer is told.
pub(super) enum Message {
    /// A connection has been open for long.
    Opened(Box<Opening>),
    /// A connection has ended.
    Closed(Arc<CloseRecord>),
    /// Answer as soon as all before it is written.
    Sync(SyncSender<()>),
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    options: JournalOptions,
    directory: Arc<Directory>,
    files: BTreeMap<Day, DayFile>,
    openings: Option<Openings>,
    has_looked_for_lost: bool,
    entries: Vec<JournalEntry>,
    opened: Vec<Opening>,
    closed: Vec<ConnectionId>,
    /// More had come than could be taken at once.
    is_behind: bool,
    retry: Retry,
    seen_at: Instant,
    retained_at: Instant,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, options: JournalOptions, directory: Arc<Directory>) -> Writer {
        let (retry, now) = (Retry::new(options.retry), Instant::now());
        Writer {
            shared,
            options,
            directory,
            files: BTreeMap::new(),
            openings: None,
            has_looked_for_lost: false,
            entries: Vec::new(),
            opened: Vec::new(),
            closed: Vec::new(),
            is_behind: false,
            retry,
            seen_at: now,
            retained_at: now,
        }
    }

    /// Opens what is there, if that is not done, and tells health how it went.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(super) fn attach(&mut self) -> Result<(), StoreError> {
        let Some(path) = self.shared.directory.clone() else { return Ok(()) };
        let attached = self.directory.hold().and_then(|()| self.attach_to(&path));
        match &attached {
            Ok(()) => {
                self.retry.succeeded();
                self.shared.health.recovered();
            }
            Err(error) => self.failed(error),
        }
        attached
    }

    fn attach_to(&mut self, path: &Path) -> Result<(), StoreError> {
        let failed = |source| StoreError::Directory { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        *self.shared.days.write() = day::days(path).map_err(failed)?;
        let mut openings = Openings::open(path)?;
        if !self.has_looked_for_lost {
            let lost = openings.left()?;
            let lost = self.not_closed(path, lost)?;
            self.shared.counters.lost.fetch_add(lost.len() as u64, Relaxed);
            self.insert(lost.into_iter().map(|lost| JournalEntry::Lost { lost }).collect())?;
            openings.clear()?;
            self.has_looked_for_lost = true;
        }
        self.openings = Some(openings);
        Ok(())
    }

    /// Of connections that were left open, those that have no entry in the newest days.
    fn not_closed(
        &self,
        path: &Path,
        mut lost: Vec<LostConnection>,
    ) -> Result<Vec<LostConnection>, StoreError> {
        let days: Vec<Day> = self.shared.days.read().iter().rev().take(2).copied().collect();
        for day in days {
            let file = day.file(path);
            let mut read = || {
                let Some(mut reader) = DayReader::open(&file, day, &self.shared.counters)? else {
                    return Ok(());
                };
                let mut unknown = Vec::new();
                for one in lost.drain(..) {
                    let filter = by_id(one.opening.id);
                    let (found, _) = reader.find(&filter, &(0..=i64::MAX), 1, Instant::now() + ENOUGH)?;
                    if found.is_empty() {
                        unknown.push(one);
                    }
                }
                lost = unknown;
                Ok(())
            };
            read().map_err(StoreError::of(&file))?;
        }
        Ok(lost)
    }

    /// Works until nobody can tell it anything more.
    pub(super) fn run(mut self, queue: &Receiver<Message>) {
        let mut waiting = Vec::new();
        loop {
            if self.is_full() {
                // The disk does not take it. Others wait in the queue, until that is full too.
                if self.shared.is_ending.load(Relaxed) {
                    break;
                }
                std::thread::sleep(REST);
            } else if !self.receive(queue, &mut waiting) {
                break;
            }
            self.write();
            self.retain(!waiting.is_empty());
            for answer in waiting.drain(..) {
                let _: Result<(), _> = answer.send(());
            }
        }
        self.write();
        self.shared.counters.dropped.fetch_add(self.entries.len() as u64, Relaxed);
        for file in std::mem::take(&mut self.files).into_values() {
            if let Err(error) = file.close() {
                self.failed(&error);
            }
        }
    }

    /// Takes what has come, after a moment in which more may come. False when no more can.
    fn receive(&mut self, queue: &Receiver<Message>, waiting: &mut Vec<SyncSender<()>>) -> bool {
        match queue.recv_timeout(TICK) {
            Ok(first) => self.take(first, waiting),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        if waiting.is_empty() && !self.is_behind && !self.shared.is_ending.load(Relaxed) {
            std::thread::sleep(self.options.gather);
        }
        while !self.is_full()
            && let Ok(message) = queue.try_recv()
        {
            self.take(message, waiting);
        }
        self.is_behind = self.is_full();
        true
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= GROUP_MAX || self.opened.len() >= GROUP_MAX
    }

    fn take(&mut self, message: Message, waiting: &mut Vec<SyncSender<()>>) {
        match message {
            Message::Opened(opening) => self.opened.push(*opening),
            Message::Closed(closed) => {
                self.shared.queued.fetch_sub(1, Relaxed);
                // One that is forgotten here is looked up at the next start.
                if self.closed.len() < self.options.openings_max {
                    self.closed.push(closed.id);
                }
                self.entries.push(JournalEntry::Closed { closed });
            }
            Message::Sync(answer) => waiting.push(answer),
        }
    }

    /// Writes what has come. What cannot be written stays for the next time.
    fn write(&mut self) {
        if self.openings.is_none() && (!self.retry.is_due() || self.attach().is_err()) {
            return;
        }
        if self.shared.is_full.load(Relaxed) {
            self.shared.counters.dropped.fetch_add(self.entries.len() as u64, Relaxed);
            self.entries.clear();
        }
        let entries = std::mem::take(&mut self.entries);
        let has_written = !entries.is_empty();
        if let Err(error) = self.insert(entries) {
            return self.failed(&error);
        }
        if has_written {
            self.shared.counters.wrote();
        }
        let is_time = self.seen_at.elapsed() >= TICK;
        let Some(openings) = &mut self.openings else { return };
        let opened_max = self.options.openings_max.saturating_sub(openings.len());
        let too_many = self.opened.len().saturating_sub(opened_max);
        self.opened.truncate(opened_max);
        self.shared.counters.openings_dropped.fetch_add(too_many as u64, Relaxed);
        let has_work = !self.opened.is_empty() || openings.len() > 0 && (is_time || !self.closed.is_empty());
        if has_work && let Err(error) = openings.update(&self.opened, &self.closed, now()) {
            return self.failed(&error);
        }
        self.shared.counters.openings.store(openings.len() as u64, Relaxed);
        if is_time {
            self.seen_at = Instant::now();
        }
        self.opened.clear();
        self.closed.clear();
    }

    /// Adds entries to their days; those of a day that failed, and of days after it, stay.
    fn insert(&mut self, entries: Vec<JournalEntry>) -> Result<(), StoreError> {
        let Some(path) = self.shared.directory.clone() else { return Ok(()) };
        let mut by_day: BTreeMap<Day, Vec<JournalEntry>> = BTreeMap::new();
        for entry in entries {
            by_day.entry(Day::of(entry.ended_at())).or_default().push(entry);
        }
        while let Some((day, entries)) = by_day.pop_first() {
            let inserted = self.file(&path, day).and_then(|file| file.insert(&entries));
            if let Err(error) = inserted {
                self.entries.extend(entries);
                self.entries.extend(by_day.into_values().flatten());
                return Err(error);
            }
            self.shared.counters.written.fetch_add(entries.len() as u64, Relaxed);
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, day: Day) -> Result<&mut DayFile, StoreError> {
        if !self.files.contains_key(&day) {
            if self.files.len() >= OPEN_DAYS_MAX
                && let Some((_, oldest)) = self.files.pop_first()
            {
                oldest.close()?;
            }
            let file = DayFile::open(path, day)?;
            self.shared.days.write().insert(day);
            self.files.insert(day, file);
        }
        Ok(self.files.get_mut(&day).expect("it was inserted"))
    }

    /// Removes days that are older than is kept, and the oldest when all are too large together. Today's file is
    /// never removed: when it is too large, nothing more is written.
    fn retain(&mut self, now_at_once: bool) {
        if !now_at_once && self.retained_at.elapsed() < RETAIN {
            return;
        }
        self.retained_at = Instant::now();
        let Some(path) = self.shared.directory.clone() else { return };
        let mut days: Vec<Day> = self.shared.days.read().iter().copied().collect();
        let Some(newest) = days.last().map(|newest| (*newest).min(Day::of(now()))) else { return };
        let kept_days = self.options.retention.as_secs().div_ceil(86_400);
        let mut sizes: Vec<u64> = days.iter().map(|day| day::file_bytes(&path, *day)).collect();
        let is_over = |sizes: &[u64]| sizes.iter().sum::<u64>() > self.options.disk_bytes_max;
        while days.len() > 1 && (days[0].0 + kept_days < newest.0 || is_over(&sizes)) {
            self.files.remove(&days[0]);
            if let Err(source) = day::remove(&path, days[0]) {
                return self.failed(&StoreError::Directory { path: path.to_path_buf(), source });
            }
            self.shared.days.write().remove(&days[0]);
            days.remove(0);
            sizes.remove(0);
        }
        self.shared.counters.disk_bytes.store(sizes.iter().sum(), Relaxed);
        self.shared.is_full.store(is_over(&sizes), Relaxed);
    }

    fn failed(&mut self, error: &StoreError) {
        self.files.clear();
        self.openings = None;
        self.retry.failed();
        self.shared.health.failed(error);
        self.shared.counters.write_errors.fetch_add(1, Relaxed);
    }
}

fn now() -> WallTime {
    SystemTime::now().into()
}
