//! The data directory: made when it is not there, and held by one process at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::error::StoreError;

/// The data directory. Its lock (flock(2), on the directory itself) ends with the process, whatever happens.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    lock: Mutex<Option<File>>,
}

impl Directory {
    /// Nothing is touched yet.
    pub(crate) fn new(path: &Path) -> Directory {
        Directory { path: path.to_owned(), lock: Mutex::new(None) }
    }

    /// Makes the directory and takes its lock, if that is not done.
    ///
    /// # Errors
    /// It cannot be made, or another process has it.
    pub(crate) fn hold(&self) -> Result<(), StoreError> {
        let mut lock = self.lock.lock();
        if lock.is_some() {
            return Ok(());
        }
        let failed = |source| StoreError::Directory { path: self.path.clone(), source };
        std::fs::create_dir_all(&self.path).map_err(failed)?;
        let directory = File::open(&self.path).map_err(failed)?;
        match directory.try_lock() {
            Ok(()) => *lock = Some(directory),
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(self.path.clone())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(())
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
