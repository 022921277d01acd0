//! A mailbox that ends with the process.

use std::collections::BTreeMap;

use model::mailbox::Mailbox;
use parking_lot::Mutex;

/// Keeps letters in memory.
#[derive(Debug, Default)]
pub struct InMemory(Mutex<BTreeMap<String, BTreeMap<String, String>>>);

impl Mailbox for InMemory {
    fn letters(&self, destination: &str) -> BTreeMap<String, String> {
        self.0.lock().get(destination).cloned().unwrap_or_default()
    }

    fn keep(&self, destination: &str, group: &str, letter: Option<&str>) {
        let mut all = self.0.lock();
        let letters = all.entry(destination.to_owned()).or_default();
        match letter {
            Some(letter) => letters.insert(group.to_owned(), letter.to_owned()),
            None => letters.remove(group),
        };
    }
}
