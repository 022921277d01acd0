//! The YAML of `alertmanager.yml` as it stands, each value with its place (`config/config.go`). Unknown keys are
//! errors.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use super::setting::Setting;
use crate::rules::{Map, Text};

/// Texts in a list.
pub(super) type Texts = Option<Vec<Text>>;

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub global: Option<Setting>,
    #[serde(default)]
    pub route: Option<Spanned<Route>>,
    #[serde(default)]
    pub inhibit_rules: Option<Vec<Spanned<InhibitRule>>>,
    #[serde(default)]
    pub receivers: Option<Vec<Setting>>,
    #[serde(default)]
    pub templates: Texts,
    #[serde(default)]
    pub mute_time_intervals: Option<Spanned<Vec<Spanned<NamedIntervals>>>>,
    #[serde(default)]
    pub time_intervals: Option<Vec<Spanned<NamedIntervals>>>,
    #[serde(default)]
    pub tracing: Option<Spanned<IgnoredAny>>,
    #[serde(default)]
    pub event_recorder: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    #[serde(default)]
    pub receiver: Option<Text>,
    #[serde(default)]
    pub group_by: Texts,
    #[serde(default, rename = "match")]
    pub match_: Option<Map>,
    #[serde(default)]
    pub match_re: Option<Map>,
    #[serde(default)]
    pub matchers: Texts,
    #[serde(default)]
    pub mute_time_intervals: Texts,
    #[serde(default)]
    pub active_time_intervals: Texts,
    #[serde(default, rename = "continue")]
    pub continue_: Option<Spanned<bool>>,
    #[serde(default)]
    pub routes: Option<Vec<Spanned<Route>>>,
    #[serde(default)]
    pub group_wait: Option<Text>,
    #[serde(default)]
    pub group_interval: Option<Text>,
    #[serde(default)]
    pub repeat_interval: Option<Text>,
    #[serde(default)]
    pub labels: Option<Map>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InhibitRule {
    #[serde(default)]
    pub name: Option<Text>,
    #[serde(default)]
    pub source_match: Option<Map>,
    #[serde(default)]
    pub source_match_re: Option<Map>,
    #[serde(default)]
    pub source_matchers: Texts,
    #[serde(default)]
    pub target_match: Option<Map>,
    #[serde(default)]
    pub target_match_re: Option<Map>,
    #[serde(default)]
    pub target_matchers: Texts,
    #[serde(default)]
    pub equal: Texts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedIntervals {
    #[serde(default)]
    pub name: Option<Text>,
    #[serde(default)]
    pub time_intervals: Option<Vec<Interval>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Interval {
    #[serde(default)]
    pub times: Option<Vec<Spanned<Times>>>,
    #[serde(default)]
    pub weekdays: Texts,
    #[serde(default)]
    pub days_of_month: Texts,
    #[serde(default)]
    pub months: Texts,
    #[serde(default)]
    pub years: Texts,
    #[serde(default)]
    pub location: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Times {
    #[serde(default)]
    pub start_time: Option<Text>,
    #[serde(default)]
    pub end_time: Option<Text>,
}
