//! Rules and alerts as they stand, in the form of Prometheus' HTTP API.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// State of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename = "AlertState"))]
pub enum State {
    /// Its expression does not hold.
    Inactive,
    /// Its expression holds, but not for long enough.
    Pending,
    /// It is told to people.
    Firing,
}

impl State {
    /// The word for it in `ALERTS` and in answers of the API.
    pub fn word(self) -> &'static str {
        match self {
            State::Inactive => "inactive",
            State::Pending => "pending",
            State::Firing => "firing",
        }
    }
}

/// `data` of `/api/v1/rules`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RulesView {
    /// All groups, in the order of their files.
    pub groups: Vec<Arc<GroupView>>,
}

/// `data` of `/api/v1/alerts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct AlertsView {
    /// All pending and firing alerts.
    pub alerts: Vec<AlertView>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Its rules, in order.
    pub rules: Vec<RuleView>,
    /// Time between evaluations, seconds.
    pub interval: f64,
    /// Most alerts or series of a rule; 0 is no limit.
    pub limit: usize,
    /// How long the last evaluation took, seconds.
    pub evaluation_time: f64,
    /// When it was, RFC 3339.
    pub last_evaluation: String,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum RuleView {
    /// One with alerts.
    Alerting {
        /// The state of its alert that is nearest to people; `unknown` before the first evaluation.
        state: String,
        /// Its name.
        name: String,
        /// Its expression.
        query: String,
        /// Its `for`, seconds.
        duration: f64,
        /// Its `keep_firing_for`, seconds.
        keep_firing_for: f64,
        /// Its labels, as templates.
        labels: BTreeMap<String, String>,
        /// Its annotations, as templates.
        annotations: BTreeMap<String, String>,
        /// Its pending and firing alerts.
        alerts: Vec<AlertView>,
        /// `ok`, `err` or `unknown`.
        health: &'static str,
        /// Why the last evaluation failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        last_error: Option<String>,
        /// How long the last evaluation took, seconds.
        evaluation_time: f64,
        /// When it was, RFC 3339.
        last_evaluation: String,
    },
    /// One that writes series.
    Recording {
        /// Name of the series.
        name: String,
        /// Its expression.
        query: String,
        /// Labels that it sets.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        #[cfg_attr(feature = "ts", ts(as = "Option<BTreeMap<String, String>>", optional))]
        labels: BTreeMap<String, String>,
        /// `ok`, `err` or `unknown`.
        health: &'static str,
        /// Why the last evaluation failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        last_error: Option<String>,
        /// How long the last evaluation took, seconds.
        evaluation_time: f64,
        /// When it was, RFC 3339.
        last_evaluation: String,
    },
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct AlertView {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its texts.
    pub annotations: BTreeMap<String, String>,
    /// `pending` or `firing`.
    pub state: State,
    /// Since when its expression holds, RFC 3339.
    pub active_at: String,
    /// Since when it fires only because of `keep_firing_for`, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub keep_firing_since: Option<String>,
    /// Value of its expression, with an exponent as Go writes it.
    pub value: String,
}

impl RuleView {
    /// Name of the alert or of the recorded series.
    pub fn name(&self) -> &str {
        match self {
            RuleView::Alerting { name, .. } | RuleView::Recording { name, .. } => name,
        }
    }

    /// Its pending and firing alerts; a recording has none.
    pub fn alerts(&self) -> &[AlertView] {
        match self {
            RuleView::Alerting { alerts, .. } => alerts,
            RuleView::Recording { .. } => &[],
        }
    }

    /// Forgets its alerts.
    pub fn leave_out_alerts(&mut self) {
        if let RuleView::Alerting { alerts, .. } = self {
            alerts.clear();
        }
    }

    /// Labels that it sets; those of alerts are templates.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        match self {
            RuleView::Alerting { labels, .. } | RuleView::Recording { labels, .. } => labels,
        }
    }
}
