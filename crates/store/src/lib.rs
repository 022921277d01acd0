//! What is kept: series, the journal of connections and small state, in memory over SQLite.
//!
//! Losing the disk loses history, not traffic: nothing here makes a caller wait for it, but for reading. It is not a
//! cache and not a cluster: one process holds a data directory.

mod database;
mod directory;
mod error;
mod health;
pub mod journal;
mod outbox;
mod pool;
pub mod series;
mod state;
mod varint;

use std::path::Path;
use std::sync::Arc;

pub use error::StoreError;
pub use journal::{JournalOptions, JournalStats, JournalStore};
pub use outbox::Parcels;
pub use series::{SeriesOptions, SeriesStats, SeriesStore};
pub use state::{Saved, State};

use directory::Directory;

/// What is kept, and how much of it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Series.
    pub series: SeriesOptions,
    /// The journal of connections.
    pub journal: JournalOptions,
}

/// What is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Of series.
    pub series: SeriesStats,
    /// Of the journal.
    pub journal: JournalStats,
}

/// All that is kept.
#[derive(Debug)]
pub struct Store {
    /// Series.
    pub series: SeriesStore,
    /// The journal of connections.
    pub journal: JournalStore,
    /// Small state.
    pub state: State,
    directory: Option<Arc<Directory>>,
}

impl Store {
    /// Opens a data directory. When it cannot be read or written just now, all goes on in memory, [`Store::status`]
    /// tells why, and it is tried again.
    ///
    /// # Errors
    /// What does not pass by itself: see [`StoreError::is_fatal`].
    pub fn open(directory: &Path, options: Options) -> Result<Store, StoreError> {
        Store::with(Some(Arc::new(Directory::new(directory))), options)
    }

    /// Keeps everything in memory, as far as bounds allow, and nothing beyond the process.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn in_memory(options: Options) -> Result<Store, StoreError> {
        Store::with(None, options)
    }

    fn with(directory: Option<Arc<Directory>>, options: Options) -> Result<Store, StoreError> {
        Ok(Store {
            series: SeriesStore::open(directory.clone(), options.series)?,
            journal: JournalStore::open(directory.clone(), &options.journal)?,
            state: State::open(directory.clone())?,
            directory,
        })
    }

    /// What waits to be sent to the destination that `name` is for, a part of a file's name; at most `bytes_max`.
    ///
    /// # Errors
    /// The file is another program's or of a later version.
    pub fn parcels(&self, name: &str, bytes_max: u64) -> Result<Parcels, StoreError> {
        Parcels::open(self.directory.clone(), name, bytes_max)
    }

    /// # Errors
    /// Why something is not kept on the disk just now.
    pub fn status(&self) -> Result<(), String> {
        self.series.status().and(self.journal.status())
    }

    /// What is counted.
    pub fn stats(&self) -> Stats {
        Stats { series: self.series.stats(), journal: self.journal.stats() }
    }
}
