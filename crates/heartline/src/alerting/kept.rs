//! State of alerts that outlives the process: one text for each group.

use std::collections::BTreeSet;

use alert::engine::SavedGroup;
use model::rules::RulesView;

use crate::history::Kept;

/// What names of the texts begin with.
const PREFIX: &str = "rules/";

/// Version of their form.
const VERSION: u32 = 1;

/// Longest text: about 10,000 alerts.
const BYTES_MAX: usize = 16 << 20;

/// Knows what is saved, so that nothing is saved in vain.
#[derive(Debug)]
pub(super) struct StateOfGroups {
    is_on: bool,
    saved: BTreeSet<String>,
    trouble: Option<String>,
}

fn name(file: &str, group: &str) -> String {
    format!("{PREFIX}{file};{group}")
}

impl StateOfGroups {
    /// Without a data directory nothing is saved.
    pub(super) fn new(kept: &Kept) -> StateOfGroups {
        StateOfGroups { is_on: kept.is_on_disk(), saved: BTreeSet::new(), trouble: None }
    }

    /// What was saved before this process. What cannot be read is left out.
    pub(super) fn load(&mut self, kept: &Kept) -> Vec<SavedGroup> {
        if !self.is_on {
            return Vec::new();
        }
        match kept.state().names(PREFIX) {
            Ok(names) => self.saved.extend(names),
            Err(error) => tracing::warn!(%error, "the state of alerts could not be read"),
        }
        let read = |name: &String| match kept.state().load(name).map_err(|error| error.to_string()) {
            Ok(Some(text)) if text.version == VERSION => {
                serde_json::from_str(&text.text).map(Some).map_err(|error| error.to_string())
            }
            Ok(Some(_)) => Err("a later version wrote it".to_owned()),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        let groups = self.saved.iter().map(|name| {
            read(name).unwrap_or_else(|error| {
                tracing::warn!(name, error, "the state of alerts could not be read");
                None
            })
        });
        groups.flatten().collect()
    }

    /// Saves a group's state in place of the one before. Failures are logged once, until it works again.
    pub(super) fn save(&mut self, kept: &Kept, group: &SavedGroup) {
        let name = name(&group.file, &group.name);
        if !self.is_on || group.is_empty() && !self.saved.contains(&name) {
            return;
        }
        let saved = if group.is_empty() {
            self.saved.remove(&name);
            kept.state().remove(&name).map_err(|error| error.to_string())
        } else {
            let text = serde_json::to_string(group).map_err(|error| error.to_string());
            text.and_then(|text| {
                if text.len() > BYTES_MAX {
                    return Err(format!("it has {} bytes, more than {BYTES_MAX}", text.len()));
                }
                kept.state().save(&name, VERSION, &text).map_err(|error| error.to_string())
            })
        };
        match (saved, self.trouble.take()) {
            (Ok(()), _) if !group.is_empty() => {
                self.saved.insert(name);
            }
            (Ok(()), _) => {}
            (Err(error), known) => {
                if known.as_ref() != Some(&error) {
                    tracing::warn!(name, error, "the state of alerts could not be kept");
                }
                self.trouble = Some(error);
            }
        }
    }

    /// Forgets groups that are no more.
    pub(super) fn retain(&mut self, kept: &Kept, rules: &RulesView) {
        let present: BTreeSet<String> =
            rules.groups.iter().map(|group| name(&group.file, &group.name)).collect();
        let gone: Vec<String> = self.saved.difference(&present).cloned().collect();
        for name in gone {
            match kept.state().remove(&name) {
                Ok(()) => drop(self.saved.remove(&name)),
                Err(error) => tracing::warn!(name, %error, "the state of alerts could not be removed"),
            }
        }
    }
}
