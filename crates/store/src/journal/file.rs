//! The file of a day that is written: entries as they come are rows of `chunks` with few entries each; when enough
//! have gathered, they become one. The tables are described in `docs/format/store.md`.

use std::path::{Path, PathBuf};

use model::Word as _;
use model::journal::JournalEntry;
use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params, params_from_iter};

use super::chunk::{self, CHUNK_ENTRIES, CHUNK_PARTS, Head, Stored, Trouble};
use super::columns::{Columns, NUMBERS, TEXTS};
use super::day::Day;
use super::names::{self, Names};
use super::rows;
use crate::database::{self, Schema};
use crate::error::StoreError;

const SCHEMA: Schema = Schema {
    application_id: 0x484c_4a31,
    migrations: &[
        rows::TABLES,
        // Blocks in another form, beside those that are there.
        "",
        "CREATE TABLE names (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sum INTEGER NOT NULL) STRICT;
        CREATE TABLE chunks (
            chunk INTEGER PRIMARY KEY,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            entries INTEGER NOT NULL,
            state BLOB NOT NULL,
            protocol BLOB NOT NULL,
            route BLOB NOT NULL,
            upstream BLOB NOT NULL,
            result BLOB NOT NULL,
            initiator BLOB NOT NULL,
            layer BLOB NOT NULL,
            reason BLOB NOT NULL,
            service BLOB NOT NULL,
            method BLOB NOT NULL,
            grpc_code BLOB NOT NULL,
            status BLOB NOT NULL,
            code_client BLOB NOT NULL,
            code_upstream BLOB NOT NULL,
            port BLOB NOT NULL,
            duration BLOB NOT NULL,
            idle BLOB NOT NULL,
            messages BLOB NOT NULL,
            bytes BLOB NOT NULL,
            unsent BLOB NOT NULL,
            key BLOB NOT NULL,
            id BLOB NOT NULL,
            client BLOB NOT NULL
        ) STRICT;
        CREATE INDEX by_time ON chunks (last, first, entries);
        CREATE TABLE records (part INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;",
        "ALTER TABLE chunks ADD COLUMN country BLOB",
        "ALTER TABLE chunks ADD COLUMN tryout BLOB",
    ],
    passed: 2,
};

/// Columns of the table of chunks, in the order of their values.
fn column_names() -> impl Iterator<Item = &'static str> {
    let texts = TEXTS.iter().map(|field| field.as_str());
    let numbers = NUMBERS.iter().map(|(name, ..)| *name);
    ["chunk", "first", "last", "entries"]
        .into_iter()
        .chain(texts)
        .chain(numbers)
        .chain(["key", "id", "client"])
}

/// Chunks that are not full, beyond which they become one.
const GROWING_MAX: usize = 64;

/// Memory for pages while a day is written, KiB.
const CACHE_KIB: i64 = 4 << 10;

/// Pages that gather in the log before they are brought into the file: some are written more than once.
const LOG_PAGES: i64 = 4096;

/// The file of a day, open to be written.
pub(super) struct DayFile {
    file: PathBuf,
    connection: Connection,
    growth: Growth,
}

/// What is known of a file while it grows. It is right as long as nothing fails.
struct Growth {
    names: Names,
    /// Entries in chunks that are not full, in the order in which they came.
    entries: Columns,
    /// Those chunks.
    chunks: Vec<i64>,
    /// The other ones.
    full: Vec<Head>,
    /// The greatest key of all.
    last_key: i64,
    /// The keys of a full chunk that was looked at.
    looked_at: Option<(i64, Vec<i64>)>,
    /// There are rows that an earlier version wrote.
    has_rows: bool,
}

impl DayFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(super) fn open(directory: &Path, day: Day) -> Result<DayFile, StoreError> {
        let file = day.file(directory);
        let connection = database::open(&file, &SCHEMA)?;
        let set =
            |pragma, value: i64| connection.pragma_update(None, pragma, value).map_err(StoreError::of(&file));
        set("cache_size", -CACHE_KIB)?;
        set("wal_autocheckpoint", LOG_PAGES)?;
        let growth = Growth::read(&connection).map_err(StoreError::of(&file))?;
        Ok(DayFile { file, connection, growth })
    }

    /// Adds entries in one transaction.
    ///
    /// # Errors
    /// SQLite failed; then none is added, and the file must be opened anew.
    pub(super) fn insert(&mut self, entries: &[JournalEntry]) -> Result<(), StoreError> {
        let mut run = || {
            let transaction = self.connection.transaction()?;
            self.growth.insert(&transaction, entries)?;
            transaction.commit()
        };
        run().map_err(StoreError::of(&self.file))
    }

    /// Makes one chunk of those that are not full.
    ///
    /// # Errors
    /// SQLite failed.
    pub(super) fn close(mut self) -> Result<(), StoreError> {
        let mut run = || {
            if self.growth.chunks.len() > 1 {
                let transaction = self.connection.transaction()?;
                self.growth.join(&transaction)?;
                transaction.commit()?;
            }
            Ok(())
        };
        run().map_err(StoreError::of(&self.file))
    }
}

impl Growth {
    fn read(connection: &Connection) -> rusqlite::Result<Growth> {
        let has_rows = rows::are_in(connection)?;
        let heads = chunk::heads(connection, i64::MIN, i64::MAX)?;
        let last_row = if has_rows { rows::last_key(connection)? } else { None };
        let mut growth = Growth {
            names: Names::new(names::read(connection)?),
            entries: Columns::default(),
            chunks: Vec::new(),
            full: Vec::new(),
            last_key: heads.first().map(|head| head.last).max(last_row).unwrap_or(i64::MIN),
            looked_at: None,
            has_rows,
        };
        for head in heads {
            let grows = head.entries < CHUNK_ENTRIES && growth.entries.len() < CHUNK_ENTRIES;
            let read = grows.then(|| Columns::read(&Stored { connection, head }));
            match read {
                Some(Ok(columns)) => {
                    growth.entries.extend(&columns, 0..columns.len());
                    growth.chunks.push(head.chunk);
                }
                Some(Err(Trouble::Database(error))) => return Err(error),
                Some(Err(Trouble::Damaged)) | None => growth.full.push(head),
            }
        }
        Ok(growth)
    }

    fn insert(&mut self, transaction: &Transaction<'_>, entries: &[JournalEntry]) -> rusqlite::Result<()> {
        let mut entries: Vec<&JournalEntry> = entries.iter().collect();
        entries.sort_by_key(|entry| entry.ended_at());
        let mut new = Columns::of(&entries, &mut self.names);
        self.names.store(transaction)?;
        self.make_unique(transaction, &mut new)?;
        self.entries.extend(&new, 0..new.len());
        if self.entries.len() >= CHUNK_ENTRIES || self.chunks.len() >= GROWING_MAX {
            self.join(transaction)?;
        } else if new.len() > 0 {
            let head = add_chunk(transaction, &new)?;
            self.chunks.push(head.chunk);
        }
        Ok(())
    }

    /// Writes what is in chunks that are not full as full ones and one that grows on.
    fn join(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        for chunk in self.chunks.drain(..) {
            remove_chunk(transaction, chunk)?;
        }
        let all = std::mem::take(&mut self.entries);
        for rows in all.order().chunks(CHUNK_ENTRIES) {
            let columns = Columns::of_rows(&all, rows);
            let head = add_chunk(transaction, &columns)?;
            if rows.len() == CHUNK_ENTRIES {
                self.full.push(head);
            } else {
                self.chunks.push(head.chunk);
                self.entries = columns;
            }
        }
        Ok(())
    }

    /// Gives entries that ended in the same nanosecond one key after the other, those that are in the file included.
    /// They must be in the order of keys.
    fn make_unique(&mut self, connection: &Connection, new: &mut Columns) -> rusqlite::Result<()> {
        let mut before = i64::MIN;
        for row in 0..new.len() {
            let mut key = new.keys()[row].max(before.saturating_add(1));
            while key <= self.last_key && self.is_taken(connection, key)? {
                key += 1;
            }
            new.set_key(row, key);
            before = key;
        }
        self.last_key = self.last_key.max(before);
        Ok(())
    }

    fn is_taken(&mut self, connection: &Connection, key: i64) -> rusqlite::Result<bool> {
        if self.entries.keys().contains(&key) || self.has_rows && rows::has_key(connection, key)? {
            return Ok(true);
        }
        for head in self.full.iter().filter(|head| (head.first..=head.last).contains(&key)) {
            if self.looked_at.as_ref().is_none_or(|(chunk, _)| *chunk != head.chunk) {
                let keys = match (Stored { connection, head: *head }).keys() {
                    Ok(keys) => keys,
                    Err(Trouble::Damaged) => Vec::new(),
                    Err(Trouble::Database(error)) => return Err(error),
                };
                self.looked_at = Some((head.chunk, keys));
            }
            let keys = self.looked_at.iter().map(|(_, keys)| keys);
            if keys.into_iter().any(|keys| keys.binary_search(&key).is_ok()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn add_chunk(transaction: &Transaction<'_>, columns: &Columns) -> rusqlite::Result<Head> {
    let mut newest = transaction.prepare_cached("SELECT max(chunk) FROM chunks")?;
    let newest: Option<i64> = newest.query_row([], |row| row.get(0))?;
    let keys = columns.keys();
    let chunk = newest.map_or(0, |newest| newest + 1);
    let head = Head { chunk, first: keys[0], last: keys[keys.len() - 1], entries: keys.len() };
    let encoded = columns.encode();
    let mut values = vec![
        Value::Integer(chunk),
        Value::Integer(head.first),
        Value::Integer(head.last),
        Value::Integer(head.entries as i64),
    ];
    values.extend(encoded.columns.into_iter().map(Value::Blob));
    let names = column_names().collect::<Vec<_>>().join(", ");
    let places = vec!["?"; values.len()].join(", ");
    transaction
        .prepare_cached(&format!("INSERT INTO chunks ({names}) VALUES ({places})"))?
        .execute(params_from_iter(values))?;
    let mut insert = transaction.prepare_cached("INSERT INTO records VALUES (?1, ?2)")?;
    for (part, bytes) in (chunk * CHUNK_PARTS..).zip(encoded.parts) {
        insert.execute(params![part, bytes])?;
    }
    Ok(head)
}

fn remove_chunk(transaction: &Transaction<'_>, chunk: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM chunks WHERE chunk = ?1")?.execute([chunk])?;
    let parts = [chunk * CHUNK_PARTS, (chunk + 1) * CHUNK_PARTS];
    transaction.prepare_cached("DELETE FROM records WHERE part >= ?1 AND part < ?2")?.execute(parts).map(drop)
}
