//! Small state that outlives the process: a text for a name, each with the version of its form.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::database::{self, Schema};
use crate::directory::Directory;
use crate::error::StoreError;

/// Name of the file in the data directory.
const FILE: &str = "state.db";

/// Longest text.
const TEXT_BYTES_MAX: usize = 64 << 20;

const SCHEMA: Schema = Schema {
    application_id: 0x484c_5431,
    migrations: &["CREATE TABLE state (
            name TEXT PRIMARY KEY,
            version INTEGER NOT NULL,
            saved_ms INTEGER NOT NULL,
            text TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;"],
    passed: 0,
};

const SAVE: &str =
    "INSERT OR REPLACE INTO state VALUES (?1, ?2, CAST(unixepoch('subsec') * 1000 AS INTEGER), ?3)";

const REMOVE: &str = "DELETE FROM state WHERE name = ?1";

/// A text as it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Version of its form, which is its owner's affair.
    pub version: u32,
    /// The text, JSON by custom.
    pub text: String,
}

/// The texts. Saving waits for the disk.
#[derive(Debug)]
pub struct State(Kept);

#[derive(Debug)]
enum Kept {
    InMemory(Mutex<HashMap<String, Saved>>),
    OnDisk(File),
}

#[derive(Debug)]
struct File {
    directory: Arc<Directory>,
    path: PathBuf,
    /// None before its first use and after a failure.
    connection: Mutex<Option<Connection>>,
}

impl State {
    /// # Errors
    /// The file is another program's or of a later version; other trouble comes up when it is used.
    pub(crate) fn open(directory: Option<Arc<Directory>>) -> Result<State, StoreError> {
        let Some(directory) = directory else { return Ok(State(Kept::InMemory(Mutex::default()))) };
        let file = File { path: directory.file(FILE), directory, connection: Mutex::new(None) };
        match file.with(|_| Ok(())) {
            Err(error) if error.is_fatal() => Err(error),
            _ => Ok(State(Kept::OnDisk(file))),
        }
    }

    /// What was last saved under a name.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(&self, name: &str) -> Result<Option<Saved>, StoreError> {
        let file = match &self.0 {
            Kept::InMemory(texts) => return Ok(texts.lock().get(name).cloned()),
            Kept::OnDisk(file) => file,
        };
        file.with(|connection| {
            let mut select = connection.prepare_cached("SELECT version, text FROM state WHERE name = ?1")?;
            let saved = |row: &Row<'_>| Ok(Saved { version: row.get(0)?, text: row.get(1)? });
            select.query_row([name], saved).optional()
        })
    }

    /// Saves a text in place of the one before. When this returns, it outlives the process and the machine.
    ///
    /// # Errors
    /// It cannot be written; then the one before stays.
    pub fn save(&self, name: &str, version: u32, text: &str) -> Result<(), StoreError> {
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("the state `{name}`");
            return Err(StoreError::TooLong { what, bytes: text.len(), bytes_max: TEXT_BYTES_MAX });
        }
        let file = match &self.0 {
            Kept::InMemory(texts) => {
                texts.lock().insert(name.to_owned(), Saved { version, text: text.to_owned() });
                return Ok(());
            }
            Kept::OnDisk(file) => file,
        };
        file.with(|connection| {
            connection.prepare_cached(SAVE)?.execute(params![name, version, text]).map(drop)
        })
    }
}

impl State {
    /// Saves texts under their names, or forgets those that are none, all or nothing. When this returns, they outlive
    /// the process and the machine.
    ///
    /// # Errors
    /// They cannot be written; then all is as before.
    pub fn change(&self, version: u32, changes: &[(String, Option<String>)]) -> Result<(), StoreError> {
        let too_long =
            changes.iter().find(|(_, text)| text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX));
        if let Some((name, text)) = too_long {
            let bytes = text.as_ref().map_or(0, String::len);
            let what = format!("the state `{name}`");
            return Err(StoreError::TooLong { what, bytes, bytes_max: TEXT_BYTES_MAX });
        }
        let file = match &self.0 {
            Kept::InMemory(texts) => {
                let mut texts = texts.lock();
                for (name, text) in changes {
                    match text {
                        Some(text) => texts.insert(name.clone(), Saved { version, text: text.clone() }),
                        None => texts.remove(name),
                    };
                }
                return Ok(());
            }
            Kept::OnDisk(file) => file,
        };
        file.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            for (name, text) in changes {
                match text {
                    Some(text) => transaction.prepare_cached(SAVE)?.execute(params![name, version, text])?,
                    None => transaction.prepare_cached(REMOVE)?.execute([name])?,
                };
            }
            transaction.commit()
        })
    }

    /// All texts whose names begin with this, by name.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn all(&self, prefix: &str) -> Result<Vec<(String, Saved)>, StoreError> {
        let names = self.names(prefix)?.into_iter();
        let loaded = names.map(|name| Ok(self.load(&name)?.map(|saved| (name, saved))));
        loaded.filter_map(Result::transpose).collect()
    }

    /// Names of the texts that begin with this, sorted.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut names: Vec<String> = match &self.0 {
            Kept::InMemory(texts) => texts.lock().keys().cloned().collect(),
            Kept::OnDisk(file) => file.with(|connection| {
                let mut select = connection.prepare_cached("SELECT name FROM state")?;
                select.query_map([], |row| row.get(0))?.collect()
            })?,
        };
        names.retain(|name| name.starts_with(prefix));
        names.sort();
        Ok(names)
    }

    /// Forgets a text.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let file = match &self.0 {
            Kept::InMemory(texts) => {
                texts.lock().remove(name);
                return Ok(());
            }
            Kept::OnDisk(file) => file,
        };
        file.with(|connection| connection.prepare_cached(REMOVE)?.execute([name]).map(drop))
    }
}

impl File {
    /// Does something with the file, which is opened anew after a failure.
    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut connection = self.connection.lock();
        let open = match connection.take() {
            Some(open) => open,
            None => {
                self.directory.hold()?;
                let opened = database::open(&self.path, &SCHEMA)?;
                opened.pragma_update(None, "synchronous", "full").map_err(StoreError::of(&self.path))?;
                opened
            }
        };
        let done = work(&open).map_err(StoreError::of(&self.path))?;
        *connection = Some(open);
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let place = tempfile::tempdir().expect("a directory");
        let on_disk = || State::open(Some(Arc::new(Directory::new(place.path())))).expect("opens");
        let saved = |version, text: &str| Some(Saved { version, text: text.to_owned() });
        for state in [on_disk(), State::open(None).expect("opens")] {
            assert_eq!(state.load("silences").expect("is read"), None);
            state.save("silences", 1, "[]").expect("is written");
            state.save("alerts", 1, "{}").expect("is written");
            state.save("silences", 2, "[1]").expect("is written");
            assert_eq!(state.load("silences").expect("is read"), saved(2, "[1]"));
            state.save("alerts/b", 1, "{}").expect("is written");
            assert_eq!(state.names("alerts").expect("is read"), ["alerts", "alerts/b"]);
            state.remove("alerts/b").expect("is removed");
            state.remove("alerts/c").expect("what is not there is no trouble");
            assert_eq!(state.names("alerts/").expect("is read"), [""; 0]);
            let changes = [("a/1", Some("x")), ("a/2", Some("y")), ("a/1", None)]
                .map(|(name, text)| (name.to_owned(), text.map(str::to_owned)));
            state.change(3, &changes).expect("is written");
            let kept = [("a/2".to_owned(), Saved { version: 3, text: "y".to_owned() })];
            assert_eq!(state.all("a/").expect("is read"), kept);
        }
        assert_eq!(on_disk().load("silences").expect("is read"), saved(2, "[1]"));
        assert_eq!(on_disk().load("alerts").expect("is read"), saved(1, "{}"));
    }
}
