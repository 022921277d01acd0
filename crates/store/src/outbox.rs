//! What waits to be sent to another program: one SQLite file for each destination, or memory.
//!
//! When the file cannot be used, parcels wait in memory within a smaller bound, behind those of the file, and go there
//! when it can be used again. A killed process loses none that `put` has returned for, a loss of power some seconds. A
//! file that is damaged, or is none of ours, is put aside, and a new one begins.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use model::outbox::{Outbox, OutboxFacts, Parcel};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::database::{self, Schema};
use crate::directory::Directory;
use crate::error::StoreError;
use crate::health::Health;

/// Most bytes that wait in memory.
const MEMORY_BYTES_MAX: u64 = 64 << 20;

/// What a parcel takes beside its body.
const OVERHEAD: u64 = 64;

/// Pages that are given back to the file system after one removal, at most.
const SHRINK_PAGES: u32 = 256;

const SCHEMA: Schema = Schema {
    application_id: 0x484c_5232,
    migrations: &["CREATE TABLE parcels (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            samples INTEGER NOT NULL,
            oldest_ms INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            body BLOB NOT NULL
        ) STRICT;"],
    passed: 0,
};

/// The parcels of one destination.
#[derive(Debug)]
pub struct Parcels {
    inner: Mutex<Inner>,
    health: Health,
}

#[derive(Debug)]
struct Inner {
    file: Option<File>,
    memory: Memory,
    bytes_max: u64,
    overflowed: u64,
}

#[derive(Debug)]
struct File {
    directory: Arc<Directory>,
    path: PathBuf,
    /// None before its first use and after a failure.
    connection: Option<Connection>,
    samples: u64,
    bytes: u64,
    oldest_ms: Option<i64>,
}

/// Numbers here are below zero, so that they are not those of the file.
#[derive(Debug, Default)]
struct Memory {
    parcels: VecDeque<Parcel>,
    removed: i64,
    bytes: u64,
}

impl Parcels {
    /// # Errors
    /// The file is of a later version; other trouble comes up when it is used.
    pub(crate) fn open(
        directory: Option<Arc<Directory>>,
        name: &str,
        bytes_max: u64,
    ) -> Result<Parcels, StoreError> {
        let mut file = directory.map(|directory| File {
            path: directory.file("remote").join(format!("{name}.db")),
            directory,
            connection: None,
            samples: 0,
            bytes: 0,
            oldest_ms: None,
        });
        let health = Health::new("what waits to be sent");
        if let Some(Err(error)) = file.as_mut().map(|file| file.with(|_| Ok(()))) {
            if error.is_fatal() {
                return Err(error);
            }
            health.failed(&error);
        }
        let inner = Inner { file, memory: Memory::default(), bytes_max, overflowed: 0 };
        Ok(Parcels { inner: Mutex::new(inner), health })
    }

    fn judge<T>(&self, done: Result<T, StoreError>) -> Option<T> {
        match done {
            Ok(value) => {
                self.health.recovered();
                Some(value)
            }
            Err(error) => {
                self.health.failed(&error);
                None
            }
        }
    }
}

impl Outbox for Parcels {
    fn put(&self, parcel: Parcel) {
        let inner = &mut *self.inner.lock();
        inner.memory.push(parcel);
        let in_memory_max = if inner.file.is_some() { MEMORY_BYTES_MAX } else { inner.bytes_max };
        if let Some(file) = &mut inner.file
            && self.judge(file.take(&inner.memory.parcels)).is_some()
        {
            inner.memory.clear();
        }
        while inner.memory.bytes > in_memory_max.min(inner.bytes_max) {
            inner.overflowed += inner.memory.pop().map_or(0, |parcel| parcel.samples);
        }
        if let Some(file) = &mut inner.file {
            let dropped = self.judge(file.cut(inner.bytes_max));
            inner.overflowed += dropped.unwrap_or_default();
        }
    }

    fn oldest(&self) -> Option<(i64, Parcel)> {
        let inner = &mut *self.inner.lock();
        let of_file = inner.file.as_mut().and_then(|file| self.judge(file.oldest()).flatten());
        of_file.or_else(|| inner.memory.oldest())
    }

    fn remove(&self, number: i64) -> bool {
        let inner = &mut *self.inner.lock();
        if number < 0 {
            return inner.memory.number() == Some(number) && inner.memory.pop().is_some();
        }
        let removed = inner.file.as_mut().and_then(|file| self.judge(file.remove(number)).flatten());
        removed.is_some()
    }

    fn facts(&self) -> OutboxFacts {
        let inner = &*self.inner.lock();
        let mut facts = OutboxFacts { overflowed: inner.overflowed, ..OutboxFacts::default() };
        if let Some(file) = &inner.file {
            (facts.samples, facts.bytes, facts.oldest_ms) = (file.samples, file.bytes, file.oldest_ms);
        }
        facts.samples += inner.memory.parcels.iter().map(|parcel| parcel.samples).sum::<u64>();
        facts.bytes += inner.memory.bytes;
        facts.oldest_ms = facts.oldest_ms.or(inner.memory.parcels.front().map(|parcel| parcel.oldest_ms));
        facts
    }
}

fn weight(parcel: &Parcel) -> u64 {
    parcel.body.len() as u64 + OVERHEAD
}

impl Memory {
    fn push(&mut self, parcel: Parcel) {
        self.bytes += weight(&parcel);
        self.parcels.push_back(parcel);
    }

    fn pop(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.pop_front()?;
        self.bytes -= weight(&parcel);
        self.removed += 1;
        Some(parcel)
    }

    fn clear(&mut self) {
        while self.pop().is_some() {}
    }

    fn number(&self) -> Option<i64> {
        (!self.parcels.is_empty()).then_some(-1 - self.removed)
    }

    fn oldest(&self) -> Option<(i64, Parcel)> {
        Some((self.number()?, self.parcels.front()?.clone()))
    }
}

impl File {
    /// Does something with the file, which is opened anew after a failure.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut open = match self.connection.take() {
            Some(open) => open,
            None => match self.open() {
                Err(error) if error.is_damage() || matches!(error, StoreError::Foreign(_)) => {
                    self.put_aside(&error);
                    self.open()?
                }
                opened => opened?,
            },
        };
        match work(&mut open).map_err(StoreError::of(&self.path)) {
            Ok(done) => {
                self.connection = Some(open);
                Ok(done)
            }
            Err(error) => {
                drop(open);
                if error.is_damage() {
                    self.put_aside(&error);
                }
                Err(error)
            }
        }
    }

    /// What waited in the file is not sent.
    fn put_aside(&mut self, error: &StoreError) {
        let samples = std::mem::take(&mut self.samples);
        (self.bytes, self.oldest_ms) = (0, None);
        match database::put_aside(&self.path) {
            Ok(aside) => tracing::error!(
                %error,
                samples,
                aside = %aside.display(),
                "what waited to be sent is damaged: it was put aside and is not sent"
            ),
            Err(failed) => tracing::error!(%error, %failed, "what waited to be sent is damaged"),
        }
    }

    fn open(&mut self) -> Result<Connection, StoreError> {
        self.directory.hold()?;
        let place = self.directory.file("remote");
        std::fs::create_dir_all(&place).map_err(|source| StoreError::Directory { path: place, source })?;
        let open = database::open(&self.path, &SCHEMA)?;
        let sums = "SELECT COALESCE(sum(samples), 0), COALESCE(sum(bytes), 0) FROM parcels";
        let sums = open.query_row(sums, [], |row| Ok((count(row, 0)?, count(row, 1)?)));
        (self.samples, self.bytes) = sums.map_err(StoreError::of(&self.path))?;
        self.oldest_ms = oldest_ms(&open).map_err(StoreError::of(&self.path))?;
        Ok(open)
    }

    /// All or none.
    fn take(&mut self, parcels: &VecDeque<Parcel>) -> Result<(), StoreError> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for parcel in parcels {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO parcels (samples, oldest_ms, bytes, body) VALUES (?1, ?2, ?3, ?4)",
                )?;
                let sizes = (parcel.samples.cast_signed(), weight(parcel).cast_signed());
                insert.execute(params![sizes.0, parcel.oldest_ms, sizes.1, parcel.body])?;
            }
            transaction.commit()
        })?;
        self.samples += parcels.iter().map(|parcel| parcel.samples).sum::<u64>();
        self.bytes += parcels.iter().map(weight).sum::<u64>();
        self.oldest_ms = self.oldest_ms.or(parcels.front().map(|parcel| parcel.oldest_ms));
        Ok(())
    }

    /// Removes the oldest until the rest is not larger than it may be; the answer is how many samples they had.
    fn cut(&mut self, bytes_max: u64) -> Result<u64, StoreError> {
        let mut dropped = 0;
        while self.bytes > bytes_max {
            let first = self.with(|connection| {
                connection
                    .query_row("SELECT min(number) FROM parcels", [], |row| row.get::<_, Option<i64>>(0))
            })?;
            let Some(number) = first else { break };
            dropped += self.remove(number)?.unwrap_or_default();
        }
        Ok(dropped)
    }

    fn oldest(&mut self) -> Result<Option<(i64, Parcel)>, StoreError> {
        if self.bytes == 0 && self.connection.is_some() {
            return Ok(None);
        }
        self.with(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT number, samples, oldest_ms, body FROM parcels ORDER BY number LIMIT 1",
            )?;
            let parcel = |row: &Row<'_>| {
                let parcel = Parcel { samples: count(row, 1)?, oldest_ms: row.get(2)?, body: row.get(3)? };
                Ok((row.get(0)?, parcel))
            };
            select.query_row([], parcel).optional()
        })
    }

    /// The answer is how many samples it had, if it was there.
    fn remove(&mut self, number: i64) -> Result<Option<u64>, StoreError> {
        let (removed, oldest_ms) = self.with(|connection| {
            let mut delete = connection
                .prepare_cached("DELETE FROM parcels WHERE number = ?1 RETURNING samples, bytes")?;
            let sizes = |row: &Row<'_>| Ok((count(row, 0)?, count(row, 1)?));
            let removed = delete.query_row([number], sizes).optional()?;
            database::shrink(connection, SHRINK_PAGES)?;
            Ok((removed, oldest_ms(connection)?))
        })?;
        let Some((samples, bytes)) = removed else { return Ok(None) };
        self.samples = self.samples.saturating_sub(samples);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.oldest_ms = oldest_ms;
        Ok(Some(samples))
    }
}

/// SQLite's integers have a sign.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn oldest_ms(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let mut select = connection.prepare_cached("SELECT oldest_ms FROM parcels ORDER BY number LIMIT 1")?;
    select.query_row([], |row| row.get(0)).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(number: i64, length: usize) -> Parcel {
        Parcel { samples: 10, oldest_ms: number, body: vec![number as u8; length] }
    }

    fn drain(parcels: &Parcels) -> Vec<i64> {
        let mut seen = Vec::new();
        while let Some((number, parcel)) = parcels.oldest() {
            assert!(parcels.remove(number) && !parcels.remove(number));
            seen.push(parcel.oldest_ms);
        }
        seen
    }

    fn directory(place: &std::path::Path) -> Option<Arc<Directory>> {
        Some(Arc::new(Directory::new(place)))
    }

    #[test]
    fn the_oldest_leave_a_full_queue() {
        let place = tempfile::tempdir().expect("a directory");
        for directory in [None, directory(place.path())] {
            let parcels = Parcels::open(directory, "a", 5 * (1000 + OVERHEAD)).expect("opens");
            (1..=7).for_each(|number| parcels.put(parcel(number, 1000)));
            let expected = OutboxFacts { samples: 50, bytes: 5 * 1064, oldest_ms: Some(3), overflowed: 20 };
            assert_eq!(parcels.facts(), expected);
            assert_eq!(drain(&parcels), [3, 4, 5, 6, 7]);
            assert_eq!(parcels.facts(), OutboxFacts { overflowed: 20, ..OutboxFacts::default() });
        }
    }

    #[test]
    fn what_waits_outlives_the_process() {
        let place = tempfile::tempdir().expect("a directory");
        let open = || Parcels::open(directory(place.path()), "a", 1 << 20).expect("opens");
        let first = open();
        (1..=3).for_each(|number| first.put(parcel(number, 100)));
        let before = first.facts();
        drop(first);
        let second = open();
        assert_eq!(second.facts(), before);
        second.put(parcel(4, 100));
        assert_eq!(drain(&second), [1, 2, 3, 4]);
    }

    #[test]
    fn a_damaged_file_is_put_aside() {
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("remote/a.db");
        let open = || Parcels::open(directory(place.path()), "a", 1 << 20).expect("opens");
        let foreign = |file: &std::path::Path| {
            let other = Connection::open(file).expect("opens");
            other.execute_batch("CREATE TABLE t (a); PRAGMA application_id = 7").expect("is another's");
        };
        let no_database = |file: &std::path::Path| std::fs::write(file, [7; 5000]).expect("is written");
        for damage in [&foreign as &dyn Fn(&std::path::Path), &no_database] {
            drop(open());
            std::fs::remove_file(&file).expect("it is there");
            damage(&file);
            let parcels = open();
            assert_eq!(parcels.facts(), OutboxFacts::default());
            assert!(place.path().join("remote/a.db.damaged").exists());
            parcels.put(parcel(1, 100));
            drop(parcels);
            assert_eq!(drain(&open()), [1]);
        }
    }

    #[test]
    fn damage_in_use_costs_what_the_file_had() {
        let place = tempfile::tempdir().expect("a directory");
        let parcels = Parcels::open(directory(place.path()), "a", 1 << 20).expect("opens");
        (1..=3).for_each(|number| parcels.put(parcel(number, 5000)));
        let damage = |inner: &mut Inner| {
            let file = inner.file.as_mut().expect("a file");
            file.connection = None;
            let bytes = std::fs::read(&file.path).expect("is read");
            std::fs::write(&file.path, [&bytes[..4096], &vec![7; bytes.len() - 4096]].concat())
                .expect("is written");
        };
        damage(&mut parcels.inner.lock());
        assert_eq!(parcels.oldest(), None);
        assert_eq!(parcels.facts(), OutboxFacts::default());
        parcels.put(parcel(4, 100));
        assert_eq!(drain(&parcels), [4]);
    }

    #[test]
    fn memory_stands_in_for_a_file_that_cannot_be_used() {
        let place = tempfile::tempdir().expect("a directory");
        let blocked = place.path().join("remote");
        std::fs::write(&blocked, "").expect("a file in the way");
        let parcels = Parcels::open(directory(place.path()), "a", 1 << 20).expect("opens");
        parcels.put(parcel(1, 100));
        let (number, _) = parcels.oldest().expect("it waits");
        parcels.put(parcel(2, 100));
        std::fs::remove_file(&blocked).expect("it goes");
        parcels.put(parcel(3, 100));
        assert!(place.path().join("remote/a.db").exists());
        assert!(!parcels.remove(number), "it has another number in the file");
        assert_eq!(drain(&parcels), [1, 2, 3]);
    }
}
