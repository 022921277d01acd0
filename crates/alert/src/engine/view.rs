//! What the engine knows, in the form of Prometheus' HTTP API.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::rules::{AlertView, AlertsView, GroupView, RuleView, RulesView, State};
use model::series::Labels;
use model::time::WallTime;

use super::alerts::Alert;
use super::group::{Group, Rule};
use crate::rules::{Pairs, RuleKind};

/// Go's zero time: what never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) fn rules(groups: &[Group]) -> RulesView {
    RulesView { groups: groups.iter().map(|known| Arc::new(group(known))).collect() }
}

pub(super) fn alerts(groups: &[Group]) -> AlertsView {
    let rules = groups.iter().flat_map(|group| &group.rules);
    AlertsView { alerts: rules.flat_map(active).collect() }
}

pub(super) fn group(group: &Group) -> GroupView {
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
