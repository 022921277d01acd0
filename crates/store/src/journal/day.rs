//! One file of the journal: the connections that ended on one day of UTC. Its tables are described in
//! `docs/format/store.md`. A day that is too old is removed as a file.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use model::WallTime;
use model::filter::{Filtered as _, NumberField};
use model::journal::{JournalEntry, address_bytes};
use model::record::CloseRecord;
use model::{Protocol, Word};
use rusqlite::{Connection, ErrorCode, Transaction, params};

use super::block;
use crate::database::{self, Schema};
use crate::error::StoreError;

const SCHEMA: Schema = Schema {
    application_id: 0x484c_4a31,
    migrations: &[
        "CREATE TABLE connections (
            key INTEGER PRIMARY KEY,
            state TEXT NOT NULL,
            id TEXT NOT NULL,
            protocol TEXT NOT NULL,
            route TEXT NOT NULL,
            client TEXT NOT NULL,
            client_bytes BLOB NOT NULL,
            port INTEGER NOT NULL,
            upstream TEXT,
            opened_ns INTEGER NOT NULL,
            duration REAL,
            result TEXT,
            status INTEGER,
            initiator TEXT,
            layer TEXT,
            reason TEXT,
            code_client INTEGER,
            code_upstream INTEGER,
            idle REAL,
            messages INTEGER,
            bytes INTEGER,
            unsent INTEGER,
            service TEXT,
            method TEXT,
            grpc_code TEXT,
            block INTEGER NOT NULL,
            place INTEGER NOT NULL,
            segment INTEGER GENERATED ALWAYS AS (key / 600000000000) VIRTUAL
        ) STRICT;
        CREATE INDEX by_id ON connections (segment, id);
        CREATE INDEX by_client ON connections (segment, client_bytes);
        CREATE INDEX by_reason ON connections (reason);
        CREATE INDEX by_route_and_reason ON connections (route, reason);
        CREATE TABLE blocks (block INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;",
        // Blocks in another form, beside those that are there.
        "",
    ],
};

const INSERT: &str =
    "INSERT INTO connections VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
    ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)";

/// Entries that are compressed together.
const BLOCK_ENTRIES: usize = 64;

/// Memory for pages while a day is written, KiB: a transaction touches many of the indexes'.
const CACHE_KIB: i64 = 16 << 10;

/// Pages that gather in the log before they are brought into the file: many are written more than once.
const LOG_PAGES: i64 = 8192;

/// Entries that end in the same nanosecond get one after the other as key.
const KEYS_TRIED: i64 = 10_000;

const NANOS_PER_DAY: u64 = 86_400 * 1_000_000_000;

/// A day's connections in the order of ids or addresses would be written all over the file. So their indexes have one
/// part for each of these: ten minutes.
const SEGMENTS_PER_DAY: u64 = 144;

/// A day, counted from 1970-01-01. Shown as in the name of its file: `2026-01-28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(pub(crate) u64);

impl Day {
    /// The day of an instant.
    pub(crate) fn of(at: WallTime) -> Day {
        Day(at.0.min(i64::MAX as u64) / NANOS_PER_DAY)
    }

    /// First and last segment of the indexes in its file; an entry of its last moment may count on into the next day.
    pub(crate) fn segments(self) -> (i64, i64) {
        let first = (self.0 * SEGMENTS_PER_DAY).cast_signed();
        (first, first + SEGMENTS_PER_DAY.cast_signed())
    }

    /// Its file in the directory of the journal.
    pub(crate) fn file(self, directory: &Path) -> PathBuf {
        directory.join(format!("{self}.db"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&WallTime(self.0 * NANOS_PER_DAY).to_string()[..10])
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Day, String> {
        let day = Day::of(format!("{text}T00:00:00Z").parse()?);
        if day.to_string() == text { Ok(day) } else { Err(format!("`{text}` is no day")) }
    }
}

/// The days that a directory has files of.
pub(crate) fn days(directory: &Path) -> std::io::Result<BTreeSet<Day>> {
    let mut days = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".db"));
        days.extend(name.and_then(|name| name.parse::<Day>().ok()));
    }
    Ok(days)
}

/// Removes the file of a day.
///
/// # Errors
/// What the system said.
pub(crate) fn remove(directory: &Path, day: Day) -> std::io::Result<()> {
    // The log first: SQLite would apply one without its file to a later file of this name.
    for suffix in ["db-wal", "db-shm", "db"] {
        match std::fs::remove_file(directory.join(format!("{day}.{suffix}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Bytes of all files of a day.
pub(crate) fn file_bytes(directory: &Path, day: Day) -> u64 {
    let length =
        |suffix| std::fs::metadata(directory.join(format!("{day}.{suffix}"))).map_or(0, |file| file.len());
    length("db") + length("db-wal")
}

/// The file of a day, open to be written.
#[derive(Debug)]
pub(crate) struct DayFile {
    file: PathBuf,
    connection: Connection,
}

impl DayFile {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) fn open(directory: &Path, day: Day) -> Result<DayFile, StoreError> {
        let file = day.file(directory);
        let connection = database::open(&file, &SCHEMA)?;
        let set =
            |pragma, value: i64| connection.pragma_update(None, pragma, value).map_err(StoreError::of(&file));
        set("cache_size", -CACHE_KIB)?;
        set("wal_autocheckpoint", LOG_PAGES)?;
        Ok(DayFile { file, connection })
    }

    /// Adds entries in one transaction.
    ///
    /// # Errors
    /// SQLite failed; then none is added.
    pub(crate) fn insert(&mut self, entries: &[JournalEntry]) -> Result<(), StoreError> {
        let mut run = || {
            let transaction = self.connection.transaction()?;
            for entries in entries.chunks(BLOCK_ENTRIES) {
                insert_block(&transaction, entries)?;
            }
            transaction.commit()
        };
        run().map_err(StoreError::of(&self.file))
    }
}

fn insert_block(transaction: &Transaction<'_>, entries: &[JournalEntry]) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached("INSERT INTO blocks (bytes) VALUES (?1)")?;
    let block = insert.insert([block::packed(entries)])?;
    for (entry, place) in entries.iter().zip(0_i64..) {
        let mut key = entry.ended_at().0.min(i64::MAX as u64).cast_signed();
        let last = key.saturating_add(KEYS_TRIED);
        while let Err(error) = insert_entry(transaction, key, entry, block, place) {
            if key == last || error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
                return Err(error);
            }
            key += 1;
        }
    }
    Ok(())
}

fn insert_entry(
    transaction: &Transaction<'_>,
    key: i64,
    entry: &JournalEntry,
    block: i64,
    place: i64,
) -> rusqlite::Result<()> {
    match entry {
        JournalEntry::Closed { closed } => insert_closed(transaction, key, closed, block, place),
        JournalEntry::Lost { lost } => {
            let one = &lost.opening;
            let insert = "INSERT INTO connections (key, state, id, protocol, route, client, client_bytes, port,
                upstream, opened_ns, block, place) VALUES (?1, 'lost', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
            transaction
                .prepare_cached(insert)?
                .execute(params![
                    key,
                    one.id.to_string(),
                    one.protocol.as_str(),
                    &*one.route,
                    one.client.ip.to_string(),
                    address_bytes(one.client.ip),
                    one.client.port,
                    &*one.upstream,
                    one.opened_at.0.cast_signed(),
                    block,
                    place,
                ])
                .map(drop)
        }
    }
}

fn insert_closed(
    transaction: &Transaction<'_>,
    key: i64,
    one: &Arc<CloseRecord>,
    block: i64,
    place: i64,
) -> rusqlite::Result<()> {
    let grpc = one.grpc.as_deref();
    let number = |field| one.numbers(field)[0];
    let whole = |field| number(field).map(|number| number as i64);
    let protocol: Protocol = one.protocol;
    transaction
        .prepare_cached(INSERT)?
        .execute(params![
            key,
            "closed",
            one.id.to_string(),
            protocol.as_str(),
            &*one.route,
            one.client.ip.to_string(),
            address_bytes(one.client.ip),
            one.client.port,
            one.upstream.as_deref(),
            one.opened_at.0.cast_signed(),
            one.duration_seconds,
            one.handshake.result.as_str(),
            one.handshake.status,
            one.initiator.map(Word::as_str),
            one.layer.map(Word::as_str),
            one.reason.map(Word::as_str),
            one.codes.from_client.map(|code| code.0),
            one.codes.from_upstream.map(|code| code.0),
            one.idle_seconds.any,
            whole(NumberField::Messages),
            whole(NumberField::Bytes),
            whole(NumberField::Unsent),
            grpc.map(|grpc| &*grpc.service),
            grpc.map(|grpc| &*grpc.method),
            grpc.map(|grpc| grpc.code.as_str()),
            block,
            place,
        ])
        .map(drop)
}
