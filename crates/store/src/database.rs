//! SQLite files: how they are opened, and which version they have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Schema {
    /// Tells the kinds of files apart (`PRAGMA application_id`).
    pub(crate) application_id: i32,
    /// What makes version 1 of nothing, version 2 of version 1, and so on (`PRAGMA user_version`).
    pub(crate) migrations: &'static [&'static str],
    /// How many of them are for files that are there alone: a new file begins behind these.
    pub(crate) passed: usize,
}

/// How long one statement waits for another connection's lock.
const BUSY: Duration = Duration::from_secs(5);

/// Opens a file to write to, makes it if it is not there, and brings it to the newest version.
///
/// # Errors
/// It is another program's or of a later version, or SQLite failed.
pub(crate) fn open(file: &Path, schema: &Schema) -> Result<Connection, StoreError> {
    let failed = StoreError::of(file);
    let mut connection = Connection::open(file).map_err(&failed)?;
    connection.busy_timeout(BUSY).map_err(&failed)?;
    let version = check(&connection, file, schema)?;
    if version == 0 {
        connection.pragma_update(None, "auto_vacuum", "incremental").map_err(&failed)?;
    }
    connection.pragma_update(None, "journal_mode", "wal").map_err(&failed)?;
    connection.pragma_update(None, "synchronous", "normal").map_err(&failed)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20).map_err(&failed)?;
    connection.pragma_update(None, "cell_size_check", true).map_err(&failed)?;
    let done = if version == 0 { schema.passed } else { version };
    for (version, migration) in (1_i64..).zip(schema.migrations).skip(done) {
        let transaction = connection.transaction().map_err(&failed)?;
        transaction.execute_batch(migration).map_err(&failed)?;
        transaction.pragma_update(None, "application_id", schema.application_id).map_err(&failed)?;
        transaction.pragma_update(None, "user_version", version).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
    }
    Ok(connection)
}

fn check(connection: &Connection, file: &Path, schema: &Schema) -> Result<usize, StoreError> {
    let failed = StoreError::of(file);
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let found = number("user_version").map_err(&failed)?;
    let application_id = number("application_id").map_err(&failed)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(&failed)?;
    let is_new = found == 0 && application_id == 0 && tables == 0;
    if !is_new && application_id != i64::from(schema.application_id) {
        return Err(StoreError::Foreign(file.to_owned()));
    }
    let known = schema.migrations.len();
    match usize::try_from(found) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(StoreError::Newer { file: file.to_owned(), found, known: known as i64 }),
    }
}

/// Puts a damaged file aside, as `NAME.damaged`, so that a new one can take its place; the answer is where it is. One
/// that was put aside before is lost.
///
/// # Errors
/// What the system said.
pub(crate) fn put_aside(file: &Path) -> std::io::Result<PathBuf> {
    let beside = |name: &str| {
        let mut path = file.as_os_str().to_owned();
        path.push(name);
        PathBuf::from(path)
    };
    let aside = beside(".damaged");
    std::fs::rename(file, &aside)?;
    // The log goes with it: a new file must not meet it.
    for suffix in ["-wal", "-shm"] {
        match std::fs::rename(beside(suffix), beside(&format!(".damaged{suffix}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// Opens a file that is there to read from.
///
/// # Errors
/// What SQLite said.
pub(crate) fn open_to_read(file: &Path) -> rusqlite::Result<Connection> {
    // Not read-only for SQLite: a reader of a WAL may have to make its index. `query_only` forbids the rest.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

/// The version of a file; 0 when it has no tables yet: who made it may have ended before.
///
/// # Errors
/// What SQLite said.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Bytes in use in the file that a connection is open on.
///
/// # Errors
/// What SQLite said.
pub(crate) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    Ok(u64::try_from(pages.saturating_mul(number("page_size")?)).unwrap_or(0))
}

/// Gives free pages back to the file system when they are more than a quarter of the file, at most `pages_max`.
///
/// # Errors
/// What SQLite said.
pub(crate) fn shrink(connection: &Connection, pages_max: u32) -> rusqlite::Result<()> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    if number("freelist_count")? > number("page_count")? / 4 {
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({pages_max})"))?;
    }
    Ok(())
}
