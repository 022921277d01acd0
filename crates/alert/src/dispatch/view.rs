//! What is known, in the form of Alertmanager's HTTP API (`api/v2/openapi.yaml` of 0.25).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::series::{Labels, MatchOp};
use promql::Pattern;
use serde::{Deserialize, Serialize};

use super::alert::{Alert, order};
use super::saved::named;
use super::{Dispatcher, Incoming, Silence, SilenceState};
use crate::alertmanager::{Matcher, Matchers};
use crate::notice::fingerprint;

/// An alert, of `GET /api/v2/alerts`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GettableAlert {
    /// Its texts.
    pub annotations: BTreeMap<String, String>,
    /// When it ends unless it is reported again, RFC 3339.
    pub ends_at: String,
    /// 16 hexadecimal digits.
    pub fingerprint: String,
    /// Who is told of it.
    pub receivers: Vec<ReceiverName>,
    /// Since when it fires, RFC 3339.
    pub starts_at: String,
    /// Whether it is told of.
    pub status: AlertStatus,
    /// When it was last reported, RFC 3339.
    pub updated_at: String,
    /// Where its expression is shown.
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    pub generator_url: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// Whether an alert is told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct AlertStatus {
    /// Fingerprints of alerts because of which it is not.
    pub inhibited_by: Vec<String>,
    /// Ids of silences because of which it is not.
    pub silenced_by: Vec<String>,
    /// `active` or `suppressed`.
    pub state: &'static str,
}

/// A receiver, of `GET /api/v2/receivers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ReceiverName {
    /// Its name.
    pub name: String,
}

/// A group, of `GET /api/v2/alerts/groups`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertGroup {
    /// Its alerts.
    pub alerts: Vec<GettableAlert>,
    /// Labels that its alerts are grouped by.
    pub labels: BTreeMap<String, String>,
    /// Who is told.
    pub receiver: ReceiverName,
}

/// A silence, of `GET /api/v2/silences`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GettableSilence {
    /// Its id.
    pub id: String,
    /// Whether it is at work.
    pub status: Status,
    /// When it was last changed, RFC 3339.
    pub updated_at: String,
    /// Why.
    pub comment: String,
    /// Who asked for it.
    pub created_by: String,
    /// Until when, RFC 3339.
    pub ends_at: String,
    /// Which alerts are not told of.
    #[cfg_attr(
        feature = "ts",
        ts(type = "Array<{ name: string, value: string, isRegex: boolean, isEqual: boolean }>")
    )]
    pub matchers: Matchers,
    /// From when, RFC 3339.
    pub starts_at: String,
}

/// State of a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename = "SilenceStatus"))]
pub struct Status {
    /// The state.
    pub state: SilenceState,
}

/// An alert, as `POST /api/v2/alerts` has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostedAlert {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: Option<Timestamp>,
    #[serde(default)]
    ends_at: Option<Timestamp>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
}

impl From<PostedAlert> for Incoming {
    fn from(posted: PostedAlert) -> Incoming {
        Incoming {
            labels: Labels::new(posted.labels),
            annotations: posted.annotations.into_iter().collect(),
            starts_at_ms: posted.starts_at.and_then(posted_ms),
            ends_at_ms: posted.ends_at.and_then(posted_ms),
            generator_url: posted.generator_url,
        }
    }
}

/// A silence, as `POST /api/v2/silences` has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostedSilence {
    #[serde(default)]
    id: String,
    matchers: Vec<Matcher>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    created_by: String,
    comment: String,
}

impl From<PostedSilence> for Silence {
    fn from(posted: PostedSilence) -> Silence {
        Silence {
            id: posted.id,
            matchers: Matchers::new(posted.matchers),
            starts_at_ms: posted.starts_at.as_millisecond(),
            ends_at_ms: posted.ends_at.as_millisecond(),
            updated_at_ms: 0,
            created_by: posted.created_by,
            comment: posted.comment,
        }
    }
}

/// Go's zero time stands for none.
fn posted_ms(at: Timestamp) -> Option<i64> {
    Some(at.as_millisecond()).filter(|ms| *ms > 0)
}

/// Which alerts are asked for.
#[derive(Clone, Debug)]
pub struct AlertsQuery {
    /// Conditions that must hold.
    pub filter: Vec<Matcher>,
    /// Whether those that are told of.
    pub active: bool,
    /// Whether those that are silenced.
    pub silenced: bool,
    /// Whether those that are inhibited.
    pub inhibited: bool,
    /// Which receivers.
    pub receiver: Option<Pattern>,
}

impl Default for AlertsQuery {
    fn default() -> AlertsQuery {
        AlertsQuery { filter: Vec::new(), active: true, silenced: true, inhibited: true, receiver: None }
    }
}

impl AlertsQuery {
    fn takes_labels(&self, labels: &Labels) -> bool {
        holds(&self.filter, |name| labels.get(name))
    }

    fn takes_status(&self, status: &AlertStatus) -> bool {
        (self.active || status.state != "active")
            && (self.silenced || status.silenced_by.is_empty())
            && (self.inhibited || status.inhibited_by.is_empty())
    }

    fn takes_receiver(&self, name: &str) -> bool {
        self.receiver.as_ref().is_none_or(|receiver| receiver.is_match(name))
    }
}

/// Whether conditions of a query hold. One on the empty value asks whether the label is there.
fn holds<'a>(filter: &[Matcher], get: impl Fn(&str) -> &'a str) -> bool {
    filter.iter().all(|matcher| {
        let value = get(matcher.name());
        match matcher.op() {
            MatchOp::NotEqual | MatchOp::NotRegex if matcher.value().is_empty() => !value.is_empty(),
            _ => matcher.is_match(value),
        }
    })
}

impl Dispatcher {
    /// Alerts that fire, in the order of their fingerprints.
    pub fn alerts(&self, query: &AlertsQuery, now_ms: i64) -> Vec<GettableAlert> {
        let mut found: Vec<GettableAlert> = self.firing(query, now_ms).collect();
        found.retain(|alert| {
            query.takes_status(&alert.status)
                && alert.receivers.iter().any(|receiver| query.takes_receiver(&receiver.name))
        });
        found
    }

    fn firing<'a>(&'a self, query: &'a AlertsQuery, now_ms: i64) -> impl Iterator<Item = GettableAlert> + 'a {
        let firing = self.alerts.values().filter(move |alert| alert.ends_at_ms >= now_ms);
        let taken = firing.filter(|alert| query.takes_labels(&alert.labels));
        taken.map(move |alert| self.gettable(alert, now_ms))
    }

    /// Groups with their alerts that fire, in the order of labels and receivers.
    pub fn alert_groups(&self, query: &AlertsQuery, now_ms: i64) -> Vec<AlertGroup> {
        let mut groups: Vec<_> =
            self.groups.values().filter(|group| query.takes_receiver(&group.receiver)).collect();
        groups.sort_by(|a, b| {
            let by_labels = (a.labels.len(), &a.labels).cmp(&(b.labels.len(), &b.labels));
            by_labels.then_with(|| a.receiver.cmp(&b.receiver))
        });
        let shown = groups.into_iter().map(|group| {
            let members = group.members.iter().filter_map(|member| self.alerts.get(member));
            let mut members: Vec<&Alert> = members
                .filter(|alert| alert.ends_at_ms >= now_ms && query.takes_labels(&alert.labels))
                .collect();
            members.sort_by(|a, b| order(&a.labels, &b.labels));
            let alerts = members.into_iter().map(|alert| self.gettable(alert, now_ms));
            AlertGroup {
                alerts: alerts.filter(|alert| query.takes_status(&alert.status)).collect(),
                labels: named(&group.labels),
                receiver: ReceiverName { name: group.receiver.clone() },
            }
        });
        shown.filter(|group| !group.alerts.is_empty()).collect()
    }

    /// All receivers that have channels or are named by a route, by name.
    pub fn receivers(&self) -> Vec<ReceiverName> {
        let named = self.setup.routes.iter().map(|(_, route)| &route.receiver);
        let names: BTreeSet<&String> = self.setup.receivers.keys().chain(named).collect();
        names.into_iter().map(|name| ReceiverName { name: name.clone() }).collect()
    }

    /// Silences that have all the conditions of a filter among theirs: active ones, then pending and expired ones,
    /// each by what comes next.
    pub fn silences(&self, filter: &[Matcher], now_ms: i64) -> Vec<GettableSilence> {
        let has_all =
            |silence: &&Silence| filter.iter().all(|asked| silence.matchers.iter().any(|has| has == asked));
        let mut found: Vec<&Silence> = self.silences.iter().filter(has_all).collect();
        found.sort_by_key(|silence| {
            let state = silence.state(now_ms);
            let at_ms = match state {
                SilenceState::Active => silence.ends_at_ms,
                SilenceState::Pending => silence.starts_at_ms,
                SilenceState::Expired => -silence.ends_at_ms,
            };
            (state, at_ms)
        });
        found.into_iter().map(|silence| gettable_silence(silence, now_ms)).collect()
    }

    /// One silence.
    pub fn silence(&self, id: &str, now_ms: i64) -> Option<GettableSilence> {
        self.silences.get(id).map(|silence| gettable_silence(silence, now_ms))
    }

    pub(super) fn status(&self, labels: &Labels, now_ms: i64) -> AlertStatus {
        let inhibiting = self.inhibitor.inhibiting(labels, &self.alerts, now_ms);
        let inhibited_by: Vec<String> = inhibiting.iter().map(|by| format!("{by:016x}")).collect();
        let silenced_by = self.silences.silencing(labels, now_ms);
        let is_told = inhibited_by.is_empty() && silenced_by.is_empty();
        AlertStatus { inhibited_by, silenced_by, state: if is_told { "active" } else { "suppressed" } }
    }

    fn gettable(&self, alert: &Alert, now_ms: i64) -> GettableAlert {
        let routes = self.setup.routes.matching(&alert.labels).into_iter();
        let receivers = routes.filter_map(|number| self.setup.routes.get(number));
        GettableAlert {
            annotations: alert.annotations.iter().cloned().collect(),
            ends_at: time(alert.ends_at_ms),
            fingerprint: format!("{:016x}", fingerprint(&alert.labels)),
            receivers: receivers.map(|route| ReceiverName { name: route.receiver.clone() }).collect(),
            starts_at: time(alert.starts_at_ms),
            status: self.status(&alert.labels, now_ms),
            updated_at: time(alert.updated_at_ms),
            generator_url: alert.generator_url.clone(),
            labels: named(&alert.labels),
        }
    }
}

fn gettable_silence(silence: &Silence, now_ms: i64) -> GettableSilence {
    GettableSilence {
        id: silence.id.clone(),
        status: Status { state: silence.state(now_ms) },
        updated_at: time(silence.updated_at_ms),
        comment: silence.comment.clone(),
        created_by: silence.created_by.clone(),
        ends_at: time(silence.ends_at_ms),
        matchers: silence.matchers.clone(),
        starts_at: time(silence.starts_at_ms),
    }
}

/// RFC 3339 with milliseconds, as Alertmanager writes it.
pub(super) fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map(|at| format!("{at:.3}")).unwrap_or_default()
}
