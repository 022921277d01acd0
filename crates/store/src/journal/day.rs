//! Days of UTC, each a file of the journal. A day that is too old is removed as a file.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use model::WallTime;

const NANOS_PER_DAY: u64 = 86_400 * 1_000_000_000;

/// A day, counted from 1970-01-01. Shown as in the name of its file: `2026-01-28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(pub(crate) u64);

impl Day {
    /// The day of an instant.
    pub(crate) fn of(at: WallTime) -> Day {
        Day(at.0.min(i64::MAX as u64) / NANOS_PER_DAY)
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
