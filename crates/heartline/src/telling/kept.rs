//! What must outlive the process: the machine's state, and the letters that wait for channels.

use std::collections::BTreeMap;
use std::sync::Arc;

use alert::dispatch::Change;
use model::mailbox::Mailbox;
use parking_lot::Mutex;

use crate::history::Kept;

/// What names of the machine's texts begin with.
const STATE: &str = "alerts/";

/// What names of letters begin with.
const LETTERS: &str = "letters/";

/// Version of both forms.
const VERSION: u32 = 1;

/// Between destination and group in the name of a letter; in neither of them.
const BETWEEN: char = '\u{1f}';

/// The machine's state.
#[derive(Debug, Default)]
pub(super) struct StateOfGroups {
    trouble: Option<String>,
}

impl StateOfGroups {
    /// What was written before this process. What cannot be read is left out.
    pub(super) fn load(&mut self, kept: &Kept) -> Vec<(String, String)> {
        match kept.state().all(STATE) {
            Ok(texts) => texts
                .into_iter()
                .filter(|(_, text)| text.version == VERSION)
                .filter_map(|(name, text)| Some((name.strip_prefix(STATE)?.to_owned(), text.text)))
                .collect(),
            Err(error) => {
                tracing::warn!(%error, "the state of notifications could not be read");
                Vec::new()
            }
        }
    }

    /// Writes what has changed. Failures are logged once, until it works again.
    pub(super) fn write(&mut self, kept: &Kept, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let changes: Vec<_> =
            changes.into_iter().map(|change| (format!("{STATE}{}", change.name), change.text)).collect();
        let written = kept.state().change(VERSION, &changes).map_err(|error| error.to_string());
        let known = self.trouble.take();
        if let Err(error) = written {
            if known.as_ref() != Some(&error) {
                tracing::warn!(error, "the state of notifications could not be kept");
            }
            self.trouble = Some(error);
        }
    }
}

/// Letters in the small state.
pub(super) struct Letters {
    kept: Arc<Kept>,
    trouble: Mutex<Option<String>>,
}

impl Letters {
    pub(super) fn new(kept: Arc<Kept>) -> Letters {
        Letters { kept, trouble: Mutex::default() }
    }

    /// Destinations and groups of all letters.
    pub(super) fn all(&self) -> Vec<(String, String)> {
        let names = self.kept.state().names(LETTERS).unwrap_or_default().into_iter();
        names
            .filter_map(|name| {
                let (destination, group) = name.strip_prefix(LETTERS)?.split_once(BETWEEN)?;
                Some((destination.to_owned(), group.to_owned()))
            })
            .collect()
    }

    pub(super) fn forget(&self, destination: &str, group: &str) {
        self.keep(destination, group, None);
    }
}

impl Mailbox for Letters {
    fn letters(&self, destination: &str) -> BTreeMap<String, String> {
        let prefix = format!("{LETTERS}{destination}{BETWEEN}");
        match self.kept.state().all(&prefix) {
            Ok(texts) => {
                let known = texts.into_iter().filter(|(_, text)| text.version == VERSION);
                known
                    .filter_map(|(name, text)| Some((name.strip_prefix(&prefix)?.to_owned(), text.text)))
                    .collect()
            }
            Err(error) => {
                tracing::warn!(destination, %error, "what waits to be told could not be read");
                BTreeMap::new()
            }
        }
    }

    fn keep(&self, destination: &str, group: &str, letter: Option<&str>) {
        let name = format!("{LETTERS}{destination}{BETWEEN}{group}");
        let written = self.kept.state().change(VERSION, &[(name, letter.map(str::to_owned))]);
        let mut trouble = self.trouble.lock();
        let known = trouble.take();
        if let Err(error) = written {
            let error = error.to_string();
            if known.as_ref() != Some(&error) {
                tracing::warn!(destination, error, "what waits to be told could not be kept");
            }
            *trouble = Some(error);
        }
    }
}
