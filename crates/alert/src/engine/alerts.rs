//! The alerts of one rule (Prometheus, `rules/alerting.go`).

use std::collections::BTreeMap;

use model::rules::State;
use model::series::{Labels, METRIC_NAME, Sample};
use serde::{Deserialize, Serialize};

use super::{Evaluation, Notification, Options, Transition};
use crate::rules::Pairs;

/// The label with an alert's name.
pub(super) const ALERT_NAME: &str = "alertname";

/// How long an alert that has ended is kept and sent, milliseconds.
const RESOLVED_RETENTION_MS: i64 = 15 * 60_000;

/// One alert. Times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Alert {
    pub state: State,
    /// Texts of the newest evaluation that gave it.
    pub annotations: Pairs,
    /// Value of that evaluation.
    #[serde(with = "float_text")]
    pub value: f64,
    /// First evaluation that gave it.
    pub active_at_ms: i64,
    /// When it began to fire.
    pub fired_at_ms: Option<i64>,
    /// When it ended.
    pub resolved_at_ms: Option<i64>,
    /// Since when it fires only because of `keep_firing_for`.
    pub keep_firing_since_ms: Option<i64>,
    /// When it was last sent.
    pub sent_at_ms: Option<i64>,
}

impl Alert {
    pub(super) fn new(annotations: Pairs, value: f64, now_ms: i64) -> Alert {
        Alert {
            state: State::Pending,
            annotations,
            value,
            active_at_ms: now_ms,
            fired_at_ms: None,
            resolved_at_ms: None,
            keep_firing_since_ms: None,
            sent_at_ms: None,
        }
    }

    fn must_be_sent(&self, now_ms: i64, resend_delay_ms: i64) -> bool {
        match (self.state, self.sent_at_ms) {
            (State::Pending, _) => false,
            (_, None) => true,
            (_, Some(sent_at)) => {
                self.resolved_at_ms.is_some_and(|at| at > sent_at) || sent_at + resend_delay_ms < now_ms
            }
        }
    }
}

/// Alerts by their labels.
pub(super) type Alerts = BTreeMap<Labels, Alert>;

/// How long results must be there, and how long alerts stay; milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub for_ms: i64,
    pub keep_firing_for_ms: i64,
}

/// Takes what an evaluation gave: states change.
pub(super) fn advance(alerts: &mut Alerts, given: Alerts, times: Times, now_ms: i64) -> Vec<Transition> {
    let mut transitions = Vec::new();
    let returned: Vec<Labels> = given.keys().cloned().collect();
    for (labels, new) in given {
        match alerts.get_mut(&labels).filter(|known| known.state != State::Inactive) {
            Some(known) => (known.value, known.annotations) = (new.value, new.annotations),
            None => {
                transitions.push(transition(&labels, State::Inactive, State::Pending, now_ms));
                alerts.insert(labels, new);
            }
        }
    }
    alerts.retain(|labels, alert| {
        let before = alert.state;
        let stays = match returned.binary_search(labels) {
            Ok(_) => {
                returns(alert, times, now_ms);
                true
            }
            Err(_) => vanishes(alert, times, now_ms),
        };
        if alert.state != before {
            transitions.push(transition(labels, before, alert.state, now_ms));
        }
        stays
    });
    transitions
}

fn transition(labels: &Labels, from: State, to: State, at_ms: i64) -> Transition {
    Transition { labels: labels.clone(), from, to, at_ms }
}

fn returns(alert: &mut Alert, times: Times, now_ms: i64) {
    alert.keep_firing_since_ms = None;
    let is_old_enough = now_ms - alert.active_at_ms >= times.for_ms;
    match alert.state {
        State::Pending if is_old_enough => (alert.state, alert.fired_at_ms) = (State::Firing, Some(now_ms)),
        // The rule has been given a longer `for`.
        State::Firing if !is_old_enough => (alert.state, alert.fired_at_ms) = (State::Pending, None),
        _ => {}
    }
}

/// Whether the alert is kept.
fn vanishes(alert: &mut Alert, times: Times, now_ms: i64) -> bool {
    match alert.state {
        State::Pending => {
            alert.state = State::Inactive;
            false
        }
        State::Inactive => alert.resolved_at_ms.is_none_or(|at| now_ms - at <= RESOLVED_RETENTION_MS),
        State::Firing => {
            if times.keep_firing_for_ms > 0 {
                let since = *alert.keep_firing_since_ms.get_or_insert(now_ms);
                if now_ms - since < times.keep_firing_for_ms {
                    return true;
                }
            }
            (alert.state, alert.resolved_at_ms) = (State::Inactive, Some(now_ms));
            true
        }
    }
}

/// `ALERTS` and `ALERTS_FOR_STATE` of those that are pending or fire.
pub(super) fn samples(alerts: &Alerts, timestamp_ms: i64) -> Vec<(Labels, Sample)> {
    let active = alerts.iter().filter(|(_, alert)| alert.state != State::Inactive);
    let both = active.flat_map(|(labels, alert)| {
        let state = [(METRIC_NAME, "ALERTS"), ("alertstate", alert.state.word())];
        let since = alert.active_at_ms.div_euclid(1000) as f64;
        [(with(labels, &state), 1.0), (for_state(labels), since)]
    });
    both.map(|(labels, value)| (labels, Sample { timestamp_ms, value })).collect()
}

/// Identity of the series that says since when an alert is active.
pub(super) fn for_state(labels: &Labels) -> Labels {
    with(labels, &[(METRIC_NAME, "ALERTS_FOR_STATE")])
}

fn with(labels: &Labels, more: &[(&str, &str)]) -> Labels {
    let known = labels.iter().map(|(name, value)| (name.clone(), value.clone()));
    Labels::new(known.chain(more.iter().map(|(name, value)| ((*name).into(), (*value).into()))))
}

/// Names those to be sent, as sent now. `valid_ms` is how long who receives them believes it.
pub(super) fn send(
    alerts: &mut Alerts,
    query: &str,
    now_ms: i64,
    valid_ms: i64,
    options: &Options,
    evaluation: &mut Evaluation,
) {
    let resend_ms = options.resend_delay_ms;
    for (labels, alert) in alerts.iter_mut().filter(|(_, alert)| alert.must_be_sent(now_ms, resend_ms)) {
        alert.sent_at_ms = Some(now_ms);
        evaluation.notifications.push(Notification {
            labels: with_external(labels, &options.external_labels),
            annotations: alert.annotations.clone(),
            starts_at_ms: alert.fired_at_ms.unwrap_or(alert.active_at_ms),
            ends_at_ms: alert.resolved_at_ms.unwrap_or(now_ms + valid_ms),
            is_resolved: alert.resolved_at_ms.is_some(),
            value: alert.value,
            query: query.to_owned(),
        });
    }
}

/// Labels with those of the server that they have not (Prometheus, `notifier/`).
fn with_external(labels: &Labels, external: &Pairs) -> Labels {
    let external = external.iter().map(|(name, value)| (&**name, &**value));
    Labels::new(external.chain(labels.iter().map(|(name, value)| (&**name, &**value))))
}

/// Numbers as texts: JSON has neither NaN nor infinity.
mod float_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&promql::format::float(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
