//! A bounded number of connections that read one database file.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use crate::database;
use crate::error::StoreError;

/// Most connections of one pool.
const CONNECTIONS_MAX: usize = 4;

/// How long to wait for one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections that read one file. Each is opened when it is first needed, and opened anew when the file may be
/// another one.
#[derive(Debug)]
pub(crate) struct Pool {
    file: PathBuf,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Connection>,
    lent: usize,
    /// How often the file was opened anew.
    epoch: u64,
}

/// A connection that goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
    epoch: u64,
}

impl Pool {
    /// Nothing is opened yet.
    pub(crate) fn new(file: PathBuf) -> Pool {
        Pool { file, state: Mutex::default(), returned: Condvar::new() }
    }

    /// The file may be another one from now on.
    pub(crate) fn renew(&self) {
        let mut state = self.state.lock();
        state.epoch += 1;
        state.idle.clear();
    }

    /// What went wrong with the file.
    pub(crate) fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Database { file: self.file.clone(), source }
    }

    /// A connection of one's own, as soon as there is one.
    ///
    /// # Errors
    /// The file cannot be opened, or all connections were busy for long.
    pub(crate) fn lend(&self) -> Result<Lent<'_>, StoreError> {
        let mut state = self.state.lock();
        while state.lent >= CONNECTIONS_MAX {
            if self.returned.wait_for(&mut state, PATIENCE).timed_out() && state.lent >= CONNECTIONS_MAX {
                let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                let source = rusqlite::Error::SqliteFailure(busy, Some("all readers are busy".to_owned()));
                return Err(self.failed(source));
            }
        }
        state.lent += 1;
        let mut lent = Lent { pool: self, connection: state.idle.pop(), epoch: state.epoch };
        drop(state);
        if lent.connection.is_none() {
            let opened = database::open_to_read(&self.file).map_err(|error| self.failed(error))?;
            lent.connection = Some(opened);
        }
        Ok(lent)
    }
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        state.lent -= 1;
        if let Some(connection) = self.connection.take()
            && self.epoch == state.epoch
        {
            state.idle.push(connection);
        }
        self.pool.returned.notify_one();
    }
}
