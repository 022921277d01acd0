//! Silences: what people do not want to be told for a while (Alertmanager, `silence/silence.go`).

use std::collections::{BTreeMap, BTreeSet};

use model::series::{Labels, MatchOp};
use serde::{Deserialize, Serialize};

use crate::alertmanager::{Matcher, Matchers};

/// A silence. Times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its name; unique.
    pub id: String,
    /// Which alerts are not told of.
    pub matchers: Matchers,
    /// From when.
    pub starts_at_ms: i64,
    /// Until when.
    pub ends_at_ms: i64,
    /// When it was last changed.
    pub updated_at_ms: i64,
    /// Who asked for it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Whether a silence is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum SilenceState {
    /// It is.
    Active,
    /// Not yet.
    Pending,
    /// Not any more.
    Expired,
}

/// Why a silence was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SilenceError {
    /// There is none with this id.
    Unknown,
    /// It is wrong; what is, for a person.
    Invalid(String),
    /// There are too many.
    Full,
}

impl Silence {
    /// Its state at a time.
    pub fn state(&self, now_ms: i64) -> SilenceState {
        if now_ms < self.starts_at_ms {
            SilenceState::Pending
        } else if now_ms > self.ends_at_ms {
            SilenceState::Expired
        } else {
            SilenceState::Active
        }
    }

    fn fault(&self, now_ms: i64) -> Option<&'static str> {
        let takes_nothing = |matcher: &Matcher| match matcher.op() {
            MatchOp::Equal | MatchOp::Regex => matcher.is_match(""),
            MatchOp::NotEqual | MatchOp::NotRegex => false,
        };
        if self.matchers.is_empty() {
            Some("a silence needs at least one matcher")
        } else if self.matchers.iter().any(|matcher| matcher.name().is_empty()) {
            Some("a label's name must not be empty")
        } else if self.matchers.iter().all(takes_nothing) {
            Some("at least one matcher must not match the empty value: the silence would take all alerts")
        } else if self.ends_at_ms <= self.starts_at_ms {
            Some("a silence must end after it starts")
        } else if self.ends_at_ms < now_ms {
            Some("a silence must not end in the past")
        } else {
            None
        }
    }

    /// Whether it may become another without changing what was silent in the past.
    fn may_become(&self, other: &Silence, now_ms: i64) -> bool {
        self.matchers == other.matchers
            && match self.state(now_ms) {
                SilenceState::Active => {
                    self.starts_at_ms / 1000 == other.starts_at_ms / 1000 && other.ends_at_ms >= now_ms
                }
                SilenceState::Pending => other.starts_at_ms >= now_ms,
                SilenceState::Expired => false,
            }
    }
}

/// All silences by their ids.
#[derive(Debug, Default)]
pub(super) struct Silences {
    known: BTreeMap<String, Silence>,
    /// Ids of those that have changed.
    pub changed: BTreeSet<String>,
}

impl Silences {
    /// Makes or changes one: that of `silence.id` if it may be changed, else a new one with the id `new_id`.
    pub(super) fn set(
        &mut self,
        mut silence: Silence,
        new_id: String,
        count_max: usize,
        now_ms: i64,
    ) -> Result<String, SilenceError> {
        if let Some(fault) = silence.fault(now_ms) {
            return Err(SilenceError::Invalid(fault.to_owned()));
        }
        silence.updated_at_ms = now_ms;
        let old = self.known.get(&silence.id);
        if old.is_none() && !silence.id.is_empty() {
            return Err(SilenceError::Unknown);
        }
        if !old.is_some_and(|old| old.may_become(&silence, now_ms)) {
            if self.known.len() >= count_max {
                return Err(SilenceError::Full);
            }
            if old.is_some() {
                self.expire(&silence.id.clone(), now_ms)?;
            }
            silence.id = new_id;
            silence.starts_at_ms = silence.starts_at_ms.max(now_ms);
        }
        let id = silence.id.clone();
        self.put(silence);
        Ok(id)
    }

    fn put(&mut self, silence: Silence) {
        self.changed.insert(silence.id.clone());
        self.known.insert(silence.id.clone(), silence);
    }

    /// Takes one that was kept.
    pub(super) fn restore(&mut self, silence: Silence) {
        self.known.insert(silence.id.clone(), silence);
    }

    /// Ends one now; one that has ended stays as it is.
    pub(super) fn expire(&mut self, id: &str, now_ms: i64) -> Result<(), SilenceError> {
        let mut silence = self.known.get(id).cloned().ok_or(SilenceError::Unknown)?;
        let state = silence.state(now_ms);
        if state != SilenceState::Expired {
            if state == SilenceState::Pending {
                silence.starts_at_ms = now_ms;
            }
            // Its last millisecond is over.
            silence.ends_at_ms = now_ms - 1;
            silence.starts_at_ms = silence.starts_at_ms.min(silence.ends_at_ms);
            silence.updated_at_ms = now_ms;
            self.put(silence);
        }
        Ok(())
    }

    /// Forgets those that ended long ago.
    pub(super) fn forget(&mut self, retention_ms: i64, now_ms: i64) {
        let gone = self.known.extract_if(.., |_, silence| silence.ends_at_ms + retention_ms <= now_ms);
        self.changed.extend(gone.map(|(id, _)| id));
    }

    pub(super) fn get(&self, id: &str) -> Option<&Silence> {
        self.known.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.known.values()
    }

    /// Ids of active ones for an alert.
    pub(super) fn silencing(&self, labels: &Labels, now_ms: i64) -> Vec<String> {
        let active = self.known.values().filter(|silence| silence.state(now_ms) == SilenceState::Active);
        active.filter(|silence| silence.matchers.is_match(labels)).map(|silence| silence.id.clone()).collect()
    }
}
