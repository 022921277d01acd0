//! The connections that are open: `open.db`. What is left of them at the next start was lost with the process.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use model::journal::{LostConnection, Opening};
use model::{ConnectionId, WallTime};
use rusqlite::{Connection, params};

use crate::database::{self, Schema};
use crate::error::StoreError;

/// Name of the file in the directory of the journal.
const FILE: &str = "open.db";

const SCHEMA: Schema = Schema {
    application_id: 0x484c_4f31,
    migrations: &["CREATE TABLE openings (id TEXT PRIMARY KEY, opening TEXT NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE seen (at_ns INTEGER NOT NULL) STRICT;
        INSERT INTO seen VALUES (0);"],
    passed: 0,
};

/// The open file.
#[derive(Debug)]
pub(super) struct Openings {
    file: PathBuf,
    connection: Connection,
    known: HashSet<ConnectionId>,
}

impl Openings {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(super) fn open(directory: &Path) -> Result<Openings, StoreError> {
        let file = directory.join(FILE);
        let connection = database::open(&file, &SCHEMA)?;
        let known = ids(&connection).map_err(StoreError::of(&file))?;
        Ok(Openings { file, connection, known })
    }

    /// Those that are there and not of this process.
    ///
    /// # Errors
    /// SQLite failed.
    pub(super) fn left(&self) -> Result<Vec<LostConnection>, StoreError> {
        let read = || {
            let seen: i64 = self.connection.query_row("SELECT at_ns FROM seen", [], |row| row.get(0))?;
            let mut select = self.connection.prepare("SELECT opening FROM openings")?;
            let texts = select.query_map([], |row| row.get::<_, String>(0))?;
            let mut left = Vec::new();
            for text in texts {
                let Ok(opening) = serde_json::from_str::<Opening>(&text?) else { continue };
                let seen_at = WallTime(seen.unsigned_abs()).max(opening.opened_at);
                left.push(LostConnection { opening, seen_at });
            }
            Ok(left)
        };
        read().map_err(StoreError::of(&self.file))
    }

    /// Forgets all.
    ///
    /// # Errors
    /// SQLite failed.
    pub(super) fn clear(&mut self) -> Result<(), StoreError> {
        self.known.clear();
        self.connection.execute("DELETE FROM openings", []).map(drop).map_err(StoreError::of(&self.file))
    }

    /// Adds and removes openings, and notes that the process ran at `now`.
    ///
    /// # Errors
    /// SQLite failed; then nothing has changed.
    pub(super) fn update(
        &mut self,
        opened: &[Opening],
        closed: &[ConnectionId],
        now: WallTime,
    ) -> Result<(), StoreError> {
        // Before it is true: to delete what is not there does no harm.
        self.known.extend(opened.iter().map(|opening| opening.id));
        let mut run = || {
            let transaction = self.connection.transaction()?;
            {
                let mut insert =
                    transaction.prepare_cached("INSERT OR REPLACE INTO openings VALUES (?1, ?2)")?;
                for opening in opened {
                    let text = serde_json::to_string(opening).expect("an opening is JSON");
                    insert.execute(params![opening.id.to_string(), text])?;
                }
                let mut delete = transaction.prepare_cached("DELETE FROM openings WHERE id = ?1")?;
                for id in closed.iter().filter(|id| self.known.contains(id)) {
                    delete.execute([id.to_string()])?;
                }
            }
            transaction.execute("UPDATE seen SET at_ns = ?1", [now.0.cast_signed()])?;
            transaction.commit()
        };
        run().map_err(StoreError::of(&self.file))?;
        for id in closed {
            self.known.remove(id);
        }
        Ok(())
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

fn ids(connection: &Connection) -> rusqlite::Result<HashSet<ConnectionId>> {
    let mut select = connection.prepare("SELECT id FROM openings")?;
    let ids = select.query_map([], |row| row.get::<_, String>(0))?;
    ids.filter_map(|id| id.map(|id| id.parse().ok()).transpose()).collect()
}
