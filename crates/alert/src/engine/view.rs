//! What the engine knows, in the form of Prometheus' HTTP API.

use std::collections::BTreeMap;

use model::series::Labels;
use model::time::WallTime;
use serde::Serialize;

use super::alerts::{Alert, State};
use super::group::{Group, Rule};
use crate::rules::{Pairs, RuleKind};

/// Go's zero time: what never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// `data` of `/api/v1/rules`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RulesView {
    /// All groups, in the order of their files.
    pub groups: Vec<GroupView>,
}

/// `data` of `/api/v1/alerts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AlertsView {
    /// All pending and firing alerts.
    pub alerts: Vec<AlertView>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
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
        labels: BTreeMap<String, String>,
        /// `ok`, `err` or `unknown`.
        health: &'static str,
        /// Why the last evaluation failed.
        #[serde(skip_serializing_if = "Option::is_none")]
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
    pub keep_firing_since: Option<String>,
    /// Value of its expression, with an exponent as Go writes it.
    pub value: String,
}

pub(super) fn rules(groups: &[Group]) -> RulesView {
    RulesView { groups: groups.iter().map(group).collect() }
}

pub(super) fn alerts(groups: &[Group]) -> AlertsView {
    let rules = groups.iter().flat_map(|group| &group.rules);
    AlertsView { alerts: rules.flat_map(active).collect() }
}

fn group(group: &Group) -> GroupView {
    let (last_evaluation, evaluation_time) = evaluation(group.evaluated);
    GroupView {
        name: group.spec.name.clone(),
        file: group.file.clone(),
        rules: group.rules.iter().map(rule).collect(),
        interval: seconds(group.interval_ms),
        limit: group.spec.limit,
        evaluation_time,
        last_evaluation,
    }
}

fn rule(rule: &Rule) -> RuleView {
    let health = match (&rule.error, rule.evaluated) {
        (Some(_), _) => "err",
        (None, Some(_)) => "ok",
        (None, None) => "unknown",
    };
    let (last_evaluation, evaluation_time) = evaluation(rule.evaluated);
    let query = rule.spec.query.text().to_owned();
    let (labels, last_error) = (map(&rule.labels), rule.error.clone());
    match &rule.spec.kind {
        RuleKind::Record { name } => RuleView::Recording {
            name: name.clone(),
            query,
            labels,
            health,
            last_error,
            evaluation_time,
            last_evaluation,
        },
        RuleKind::Alert { name, for_ms, keep_firing_for_ms, annotations } => RuleView::Alerting {
            state: state(rule).to_owned(),
            name: name.clone(),
            query,
            duration: seconds(*for_ms),
            keep_firing_for: seconds(*keep_firing_for_ms),
            labels,
            annotations: map(annotations),
            alerts: active(rule).collect(),
            health,
            last_error,
            evaluation_time,
            last_evaluation,
        },
    }
}

fn state(rule: &Rule) -> &'static str {
    let nearest = rule.alerts.values().map(|alert| alert.state).max();
    match rule.evaluated {
        None => "unknown",
        Some(_) => nearest.unwrap_or(State::Inactive).word(),
    }
}

fn active(rule: &Rule) -> impl Iterator<Item = AlertView> {
    rule.alerts
        .iter()
        .filter(|(_, alert)| alert.state != State::Inactive)
        .map(|(labels, alert)| view(labels, alert))
}

fn view(labels: &Labels, alert: &Alert) -> AlertView {
    AlertView {
        labels: labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        annotations: map(&alert.annotations),
        state: alert.state,
        active_at: time(alert.active_at_ms),
        keep_firing_since: alert.keep_firing_since_ms.map(time),
        value: exponent(alert.value),
    }
}

fn map(pairs: &Pairs) -> BTreeMap<String, String> {
    pairs.iter().cloned().collect()
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn evaluation(at: Option<(i64, f64)>) -> (String, f64) {
    at.map_or((NEVER.to_owned(), 0.0), |(at_ms, seconds)| (time(at_ms), seconds))
}

/// RFC 3339 with as many digits of a second as it takes.
pub(super) fn time(milliseconds: i64) -> String {
    let nanos = u64::try_from(milliseconds).unwrap_or(0).saturating_mul(1_000_000);
    let text = WallTime(nanos).to_string();
    format!("{}Z", text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.'))
}

/// As Go's `%e` with the fewest digits.
fn exponent(value: f64) -> String {
    if !value.is_finite() {
        return promql::format::float(value);
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}
