//! Why something is not kept.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the data directory cannot be used, or a file in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error("another process uses the data directory {}", .0.display())]
    Locked(PathBuf),
    /// A later version wrote the file.
    #[error(
        "{} was written by a later version (schema {found}; this one knows up to {known}): run that version, or give \
         another data directory",
        .file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// The file is another program's.
    #[error("{} is an SQLite database of another program: give another data directory", .0.display())]
    Foreign(PathBuf),
    /// The directory cannot be made or opened.
    #[error("the data directory {}: {source}", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite failed: the disk is full, the file is damaged, or cannot be written.
    #[error("{}: {source}", .file.display())]
    Database {
        /// The file.
        file: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
    /// A thread cannot be started.
    #[error("the thread `{name}` cannot be started: {source}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// What is to be kept is longer than it may be.
    #[error("{what} has {bytes} bytes; at most {bytes_max} are kept")]
    TooLong {
        /// What.
        what: String,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}

impl StoreError {
    /// Whether to stop at start: it does not pass by itself, and to go on could do harm or hide a mistake.
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            StoreError::Locked(_)
                | StoreError::Newer { .. }
                | StoreError::Foreign(_)
                | StoreError::Thread { .. }
        )
    }

    /// Whether the file is no longer what it was: to try again is of no use.
    pub(crate) fn is_damage(&self) -> bool {
        let StoreError::Database { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// For `map_err`: SQLite failed on this file.
    pub(crate) fn of(file: &Path) -> impl Fn(rusqlite::Error) -> StoreError + '_ {
        |source| StoreError::Database { file: file.to_owned(), source }
    }
}
