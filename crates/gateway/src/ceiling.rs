//! How many files, and so connections, this process can hold.

use model::overview::Ceiling;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that the process needs beside its connections.
const RESERVED_FILES: u64 = 64;

/// Raises the soft limit of open files to the hard one (getrlimit(2)) and tells what fits.
pub fn raise() -> Ceiling {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    let open_files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    Ceiling { open_files, connections: open_files.saturating_sub(RESERVED_FILES) / 2 }
}
