//! The database of series: `series.db`. Its tables are described in `docs/format/store.md`.

use std::path::{Path, PathBuf};

use model::series::{Labels, TimeRange};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::chunk::{Chunk, with_sum};
use crate::database::{self, Schema};
use crate::error::StoreError;

/// Name of the file in the data directory.
pub(crate) const FILE: &str = "series.db";

const SCHEMA: Schema = Schema {
    application_id: 0x484c_5331,
    migrations: &["CREATE TABLE identity (value INTEGER NOT NULL) STRICT;
        INSERT INTO identity VALUES (random());
        CREATE TABLE series (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            labels TEXT NOT NULL,
            sum INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE chunks (
            series INTEGER NOT NULL,
            from_ms INTEGER NOT NULL,
            to_ms INTEGER NOT NULL,
            samples INTEGER NOT NULL,
            bytes BLOB NOT NULL,
            PRIMARY KEY (series, from_ms)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE batches (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"],
    passed: 0,
};

/// The open database.
#[derive(Debug)]
pub(crate) struct Disk {
    file: PathBuf,
    connection: Connection,
    /// Another number in each database ever made.
    pub(crate) identity: i64,
}

/// A series as the database has it.
#[derive(Debug)]
pub(crate) struct StoredSeries {
    /// Its row.
    pub(crate) row: i64,
    /// Its identity; none when the text is damaged.
    pub(crate) labels: Option<Labels>,
    /// From the first to the last sample in chunks.
    pub(crate) span: Option<TimeRange>,
}

impl Disk {
    /// Opens the database, or makes it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) fn open(file: &Path) -> Result<Disk, StoreError> {
        let connection = database::open(file, &SCHEMA)?;
        let identity = connection
            .query_row("SELECT value FROM identity", [], |row| row.get(0))
            .map_err(StoreError::of(file))?;
        Ok(Disk { file: file.to_owned(), connection, identity })
    }

    /// Does something in one transaction.
    ///
    /// # Errors
    /// SQLite failed; then nothing was done.
    pub(crate) fn transact<T>(
        &mut self,
        work: impl FnOnce(&Tables<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let run = || {
            let tables = Tables(self.connection.transaction()?);
            let done = work(&tables)?;
            tables.0.commit()?;
            Ok(done)
        };
        run().map_err(StoreError::of(&self.file))
    }

    /// Brings what was committed to the disk, and the log into the file.
    ///
    /// # Errors
    /// SQLite failed.
    pub(crate) fn checkpoint(&self) -> Result<(), StoreError> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(passive)", [], |_| Ok(()))
            .map_err(StoreError::of(&self.file))
    }

    /// Gives free pages back.
    ///
    /// # Errors
    /// SQLite failed.
    pub(crate) fn shrink(&self, pages_max: u32) -> Result<(), StoreError> {
        database::shrink(&self.connection, pages_max).map_err(StoreError::of(&self.file))
    }

    /// Bytes in use in the file.
    ///
    /// # Errors
    /// SQLite failed.
    pub(crate) fn used_bytes(&self) -> Result<u64, StoreError> {
        database::used_bytes(&self.connection).map_err(StoreError::of(&self.file))
    }
}

/// The tables, within a transaction.
pub(crate) struct Tables<'a>(Transaction<'a>);

impl Tables<'_> {
    /// Hands each series to `take`.
    pub(crate) fn each_series(&self, mut take: impl FnMut(StoredSeries)) -> rusqlite::Result<()> {
        let mut select = self.0.prepare(
            "SELECT id, labels, sum,
                (SELECT min(from_ms) FROM chunks WHERE series = id),
                (SELECT to_ms FROM chunks WHERE series = id ORDER BY from_ms DESC LIMIT 1)
            FROM series ORDER BY id",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let sum: i64 = row.get(2)?;
            let span = row.get::<_, Option<i64>>(3)?.zip(row.get::<_, Option<i64>>(4)?);
            let text = row.get_ref(1)?.as_str().ok().filter(|text| sum_of(text) == sum);
            let labels = text.and_then(labels_of);
            let span = span.map(|(from_ms, to_ms)| TimeRange { from_ms, to_ms });
            take(StoredSeries { row: row.get(0)?, labels, span });
        }
        Ok(())
    }

    /// Adds a series; the answer is its row.
    pub(crate) fn insert_series(&self, labels: &Labels) -> rusqlite::Result<i64> {
        let mut insert = self.0.prepare_cached("INSERT INTO series (labels, sum) VALUES (?1, ?2)")?;
        let text = text_of(labels);
        insert.insert(params![text, sum_of(&text)])
    }

    /// Removes a series without chunks.
    pub(crate) fn delete_series(&self, row: i64) -> rusqlite::Result<()> {
        self.0.prepare_cached("DELETE FROM series WHERE id = ?1")?.execute([row]).map(drop)
    }

    /// Adds a chunk; of two that begin at the same instant the longer one stays.
    pub(crate) fn insert_chunk(&self, row: i64, chunk: &Chunk) -> rusqlite::Result<()> {
        let mut insert = self.0.prepare_cached(
            "INSERT INTO chunks VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE
                SET to_ms = excluded.to_ms, samples = excluded.samples, bytes = excluded.bytes
                WHERE excluded.samples > samples",
        )?;
        let bytes = with_sum(row, &chunk.bytes);
        insert.execute(params![row, chunk.from_ms, chunk.to_ms, chunk.samples, bytes]).map(drop)
    }

    /// Removes chunks of a series that end before an instant; the answer is where the rest begins.
    pub(crate) fn prune(&self, row: i64, before_ms: i64) -> rusqlite::Result<Option<i64>> {
        let delete = "DELETE FROM chunks WHERE series = ?1 AND from_ms < ?2 AND to_ms < ?2";
        self.0.prepare_cached(delete)?.execute([row, before_ms])?;
        let mut first = self.0.prepare_cached("SELECT min(from_ms) FROM chunks WHERE series = ?1")?;
        first.query_row([row], |row| row.get(0))
    }

    /// Adds a batch.
    pub(crate) fn insert_batch(&self, number: u64, bytes: &[u8]) -> rusqlite::Result<()> {
        let mut insert = self.0.prepare_cached("INSERT OR REPLACE INTO batches VALUES (?1, ?2)")?;
        insert.execute(params![number.cast_signed(), bytes]).map(drop)
    }

    /// Hands the bytes of each batch to `take`, in the order of numbers.
    pub(crate) fn each_batch(
        &self,
        mut take: impl FnMut(&[u8]) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut select = self.0.prepare("SELECT bytes FROM batches ORDER BY number")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            take(row.get_ref(0)?.as_blob()?)?;
        }
        Ok(())
    }

    /// Removes batches with smaller numbers.
    pub(crate) fn delete_batches(&self, before: u64) -> rusqlite::Result<()> {
        let mut delete = self.0.prepare_cached("DELETE FROM batches WHERE number < ?1")?;
        delete.execute([i64::try_from(before).unwrap_or(i64::MAX)]).map(drop)
    }

    /// Whether there is a batch.
    pub(crate) fn has_batches(&self) -> rusqlite::Result<bool> {
        let first = self.0.query_row("SELECT 1 FROM batches LIMIT 1", [], |_| Ok(())).optional()?;
        Ok(first.is_some())
    }
}

/// Labels as a JSON object.
fn text_of(labels: &Labels) -> String {
    let object: serde_json::Map<String, serde_json::Value> =
        labels.iter().map(|(name, value)| (name.to_string(), value.to_string().into())).collect();
    serde_json::Value::Object(object).to_string()
}

fn sum_of(text: &str) -> i64 {
    crc32fast::hash(text.as_bytes()).into()
}

fn labels_of(text: &str) -> Option<Labels> {
    let object: std::collections::BTreeMap<String, String> = serde_json::from_str(text).ok()?;
    Some(Labels::new(object)).filter(|labels| !labels.is_empty())
}
