//! What waits to be told to people: the port between who tells them and who keeps it meanwhile.

use std::collections::BTreeMap;

/// Letters, one for each group of alerts and each destination; the newest takes the place of those before. Whoever
/// writes bounds their number.
pub trait Mailbox: Send + Sync {
    /// The letters of a destination, by group. May wait for the disk.
    fn letters(&self, destination: &str) -> BTreeMap<String, String>;

    /// Keeps a letter, or forgets it when there is none. May wait for the disk.
    fn keep(&self, destination: &str, group: &str, letter: Option<&str>);
}
