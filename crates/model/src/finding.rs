//! A finding: a cause that explains what was seen, how sure that is, by which evidence, and what to do.
//!
//! It carries codes and parameters; the texts that people read stand in the catalogue of `diagnose`, in each
//! language.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::filter::Filter;
use crate::record::CloseRecord;
use crate::time::WallTime;
use crate::words;

words! {
    /// How much a cause hurts.
    Severity {
        /// Nobody, or nearly nobody, can use the service.
        Critical = "critical",
        /// Some users, or all sometimes.
        Warning = "warning",
        /// Nobody, or it is expected.
        Info = "info",
    }
}

words! {
    /// How sure a finding is.
    Level {
        /// A decisive sign, an independent corroboration, and each look-alike excluded by measurement.
        High = "high",
        /// A decisive sign; some look-alike is not excluded.
        Medium = "medium",
        /// A suspicion.
        Low = "low",
        /// What was measured does not tell causes apart; the finding names the measurement that would.
        Inconclusive = "inconclusive",
    }
}

words! {
    /// Where a cause sits, along the way from the client to the service.
    Place {
        /// The client: its code, its browser, its device.
        Client = "client",
        /// Between the client and this gateway (or this probe), whatever stands there.
        ClientLeg = "client_leg",
        /// This gateway.
        Gateway = "gateway",
        /// Between this gateway (or this probe) and the service, whatever stands there.
        UpstreamLeg = "upstream_leg",
        /// The service.
        Upstream = "upstream",
        /// A machine: its kernel or its resources.
        Host = "host",
        /// It is not known.
        Unknown = "unknown",
    }
}

words! {
    /// What of connections a finding explains.
    Topic {
        /// That they are not established.
        Openings = "openings",
        /// That they end.
        Ends = "ends",
        /// That what is sent comes late, or not at all.
        Delivery = "delivery",
    }
}

/// A cause, with all that speaks for it and against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the cause in the catalogue, such as `ws-upgrade-stripped`.
    pub id: Cow<'static, str>,
    /// How much it hurts.
    pub severity: Severity,
    /// How sure it is.
    pub level: Level,
    /// The same as a number from 0 to 1.
    pub confidence: f64,
    /// Where the cause sits.
    pub place: Place,
    /// What it says in one line.
    pub title: Said,
    /// What was measured and speaks for it, strongest first.
    pub evidence: Vec<Said>,
    /// What was measured and speaks against it.
    pub against: Vec<Said>,
    /// Other causes that look like this one and that no measurement excludes.
    pub not_excluded: Vec<Said>,
    /// The measurement that would decide.
    pub next_measurement: Option<Said>,
    /// What helps, best first.
    pub fixes: Vec<Fix>,
    /// Route of a gateway whose connections it concerns; none outside one, or when it concerns all.
    pub route: Option<Arc<str>>,
    /// When the first sign of it was seen.
    pub since: Option<WallTime>,
    /// When it was over; none while it goes on.
    pub until: Option<WallTime>,
    /// How much it explains.
    pub affected: Option<Affected>,
    /// What it explains; none when it does not say.
    #[serde(default)]
    pub topic: Option<Topic>,
    /// The ends that it explains; none when it is not about ends, or no filter tells them from others.
    #[serde(default)]
    pub selection: Option<Selection>,
    /// What its confidence is made of, so that it can be judged again beside what another vantage sees.
    #[serde(default)]
    pub grounds: Grounds,
    /// Who sees it; empty outside a running gateway.
    #[serde(default)]
    pub vantages: Vec<Vantage>,
    /// Somebody says that it is wrong.
    #[serde(default)]
    pub doubt: Option<Doubt>,
}

/// Which connections that have ended are meant: those that a filter takes, from a finding's `since` on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Selection {
    /// The filter, as people write it.
    pub filter: String,
    /// When the last of them ended.
    pub latest: WallTime,
}

/// A finding's selection, ready to be asked.
#[derive(Clone, Debug)]
pub struct Selected {
    filter: Filter,
    since: WallTime,
    latest: WallTime,
}

impl Selected {
    /// Whether an end is among those that are meant.
    pub fn takes(&self, record: &CloseRecord) -> bool {
        (self.since..=self.latest).contains(&record.closed_at) && self.filter.takes(record)
    }
}

impl Finding {
    /// The ends that it explains, ready to be asked.
    pub fn selected(&self) -> Option<Selected> {
        let Selection { filter, latest } = self.selection.as_ref()?;
        Some(Selected { filter: filter.parse().ok()?, since: self.since?, latest: *latest })
    }
}

/// What a confidence is made of, beside what speaks against the cause and the look-alikes that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// Independent observations that say the same as the decisive sign.
    pub corroborations: u32,
    /// There is no decisive sign: it fits, but others fit too.
    pub is_suspicion: bool,
}

/// From where a cause is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Vantage {
    /// In what passes through this gateway.
    Inside,
    /// By a scheduled probe, with its name.
    Probe(Arc<str>),
}

/// Longest note of a doubt, characters.
pub const NOTE_MAX: usize = 500;

/// Somebody looked and says that a finding is wrong. It holds for as long as the finding says the same as then and
/// is no surer, also when it comes back within a week or the process was started anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Doubt {
    /// When that was said.
    pub at: WallTime,
    /// Why, at most [`NOTE_MAX`] characters; may be empty.
    pub note: String,
}

/// How much of what ended not as it should has a cause, lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Coverage {
    /// Length of the time that is looked at.
    pub window_seconds: f64,
    /// Ends of established connections in it, without those that a client made as one should.
    pub ends: u64,
    /// Those of them that at least one finding is about.
    pub explained: u64,
}

/// How much a finding explains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Affected {
    /// Connections that it concerns.
    pub connections: u64,
    /// Their share of all that ended in the same time and not as they should, 0 to 1; none where it is not about
    /// ends.
    pub share_of_closes: Option<f64>,
}

/// Something that helps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// What to do, and where.
    pub text: Said,
    /// Lines to paste.
    pub config: Option<Said>,
}

/// A sentence of the catalogue with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Which sentence.
    pub code: Cow<'static, str>,
    /// What stands in its gaps.
    pub params: BTreeMap<Cow<'static, str>, Param>,
}

impl Said {
    /// A sentence without parameters.
    pub fn new(code: &'static str) -> Said {
        Said { code: code.into(), params: BTreeMap::new() }
    }

    /// With one parameter more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Param>) -> Said {
        self.params.insert(name.into(), value.into());
        self
    }

    /// With a duration in seconds.
    #[must_use]
    pub fn seconds(self, name: &'static str, seconds: f64) -> Said {
        self.with(name, Param::Seconds(seconds))
    }

    /// With a size in bytes.
    #[must_use]
    pub fn bytes(self, name: &'static str, bytes: u64) -> Said {
        self.with(name, Param::Bytes(bytes))
    }

    /// With a share from 0 to 1.
    #[must_use]
    pub fn share(self, name: &'static str, share: f64) -> Said {
        self.with(name, Param::Share(share))
    }
}

/// What stands in a gap of a sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Param {
    /// A number of things.
    Count(u64),
    /// A duration.
    Seconds(f64),
    /// A size.
    Bytes(u64),
    /// A share, 0 to 1.
    Share(f64),
    /// A word that is the same in each language: an address, a status, a header.
    Text(String),
}

impl From<u64> for Param {
    fn from(count: u64) -> Param {
        Param::Count(count)
    }
}

impl From<usize> for Param {
    fn from(count: usize) -> Param {
        Param::Count(count as u64)
    }
}

impl From<u16> for Param {
    fn from(code: u16) -> Param {
        Param::Count(code.into())
    }
}

impl From<&str> for Param {
    fn from(text: &str) -> Param {
        Param::Text(text.to_owned())
    }
}

impl From<String> for Param {
    fn from(text: String) -> Param {
        Param::Text(text)
    }
}
