//! `alertmanager.yml` as Alertmanager defines it (`config/config.go`): what it says, read and judged, with the tree
//! of its routes, matchers and time intervals.
//!
//! What the settings of a receiver mean is not known here: they are handed on with their places.

mod interval;
mod judge;
mod matchers;
mod quoting;
mod raw;
mod route;
mod setting;

use std::collections::BTreeMap;

pub use interval::{Span, TimeInterval};
pub use matchers::{Matcher, Matchers, parse as parse_matchers};
pub use route::{GroupBy, Route, Routes};
pub use setting::{Place, Setting};

use crate::rules::{Issue, read};

/// The type of channels whose vendor is ending it: what has them is read, with a warning.
pub const RETIRED: &str = "msteams";

/// A file that may be used.
#[derive(Clone, Debug)]
pub struct Config {
    /// What holds for all.
    pub global: Global,
    /// Which alerts go where.
    pub routes: Routes,
    /// Which alerts silence others while they fire.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Time intervals by name; one of each must hold.
    pub time_intervals: BTreeMap<String, Vec<TimeInterval>>,
    /// Who may be told, in the order of the file.
    pub receivers: Vec<Receiver>,
    /// Patterns of files with templates, with their places.
    pub templates: Vec<(Place, String)>,
    /// What is odd about the file, but no error.
    pub warnings: Vec<Issue>,
}

/// What holds for all.
#[derive(Clone, Debug)]
pub struct Global {
    /// After which time an alert without an end is taken for ended unless it comes again, milliseconds.
    pub resolve_timeout_ms: i64,
    /// All keys as they stand, for the channels.
    pub settings: Option<Setting>,
}

/// Someone who may be told, by any number of channels.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Unique name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its channels, in the order of the file.
    pub channels: Vec<ChannelSetting>,
}

/// A channel of a receiver.
#[derive(Clone, Debug)]
pub struct ChannelSetting {
    /// Its type: `slack` for one of `slack_configs`.
    pub kind: String,
    /// Its place among those of the same type, from 0.
    pub index: usize,
    /// What it says.
    pub settings: Setting,
}

/// While a source fires, targets with the same values of some labels are not told of.
#[derive(Clone, Debug)]
pub struct InhibitRule {
    /// Its name; may be empty.
    pub name: String,
    /// Which alerts inhibit.
    pub source: Matchers,
    /// Which alerts are inhibited.
    pub target: Matchers,
    /// Labels whose values must be the same; one that is not there is empty.
    pub equal: Vec<String>,
}

/// Whether a text is that of an `alertmanager.yml`, which may be JSON.
pub fn is_config(text: &str) -> bool {
    if let Ok(serde_json::Value::Object(json)) = serde_json::from_str(text) {
        return json.contains_key("route") && json.contains_key("receivers");
    }
    let has = |key: &str| {
        text.lines().any(|line| {
            let rest = line.strip_prefix(key).or_else(|| line.strip_prefix(&format!("\"{key}\"")));
            rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
        })
    };
    has("route") && has("receivers")
}

/// Reads and judges the text of an `alertmanager.yml`. `kinds` are the types of channels that there are, such as
/// `slack`.
///
/// # Errors
/// All that is wrong with it; only the first when its shape is.
pub fn parse(text: &str, kinds: &[&str]) -> Result<Config, Vec<Issue>> {
    let mut file: raw::File = read(text).map_err(|issue| vec![issue])?;
    for settings in file.global.iter_mut().chain(file.receivers.iter_mut().flatten()) {
        settings.respell(text);
    }
    judge::config(file, kinds)
}

#[cfg(test)]
mod tests;
