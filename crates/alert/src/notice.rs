//! What people are told of: the alerts of one group for one receiver, as Alertmanager's templates and version 4 of its
//! webhook have it (`template/template.go`, `notify/webhook/webhook.go`).

use std::collections::BTreeMap;

use model::series::Labels;
use serde::{Deserialize, Serialize};

use crate::rules::Pairs;

/// One notification, before a channel has made a text of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Name of the receiver.
    pub receiver: String,
    /// Identity of the group: where in the tree of routes it is, and its labels.
    pub group_key: String,
    /// Labels that all alerts of the group have since they are grouped by them.
    pub group_labels: Labels,
    /// At least one alert, in the order of their starts.
    pub alerts: Vec<NoticeAlert>,
    /// Where this server is reached.
    pub external_url: String,
}

/// One alert of a [`Notice`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeAlert {
    /// Its labels, the alert's name among them.
    #[serde(with = "labels_as_map")]
    pub labels: Labels,
    /// Its texts.
    pub annotations: Pairs,
    /// Since when it fires, milliseconds since the Unix epoch.
    pub starts_at_ms: i64,
    /// When it ended, or shall be taken for ended; milliseconds since the Unix epoch, 0 when nobody has said so.
    pub ends_at_ms: i64,
    /// Whether it has ended.
    pub is_resolved: bool,
    /// Where its expression is shown; may be empty.
    pub generator_url: String,
}

impl Notice {
    /// Whether all its alerts have ended.
    pub fn is_resolved(&self) -> bool {
        self.alerts.iter().all(|alert| alert.is_resolved)
    }

    /// `firing` or `resolved`.
    pub fn status(&self) -> &'static str {
        status(self.is_resolved())
    }

    /// The alerts that fire.
    pub fn firing(&self) -> impl Iterator<Item = &NoticeAlert> {
        self.alerts.iter().filter(|alert| !alert.is_resolved)
    }

    /// The alerts that have ended.
    pub fn resolved(&self) -> impl Iterator<Item = &NoticeAlert> {
        self.alerts.iter().filter(|alert| alert.is_resolved)
    }

    /// Labels that all its alerts have with the same value.
    pub fn common_labels(&self) -> Labels {
        let each = self.alerts.iter().map(|alert| {
            alert.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        });
        Labels::new(common(each))
    }

    /// Annotations that all its alerts have with the same text, by name.
    pub fn common_annotations(&self) -> Pairs {
        common(self.alerts.iter().map(|alert| alert.annotations.clone())).into_iter().collect()
    }
}

impl NoticeAlert {
    /// `firing` or `resolved`.
    pub fn status(&self) -> &'static str {
        status(self.is_resolved)
    }

    /// See [`fingerprint`].
    pub fn fingerprint(&self) -> u64 {
        fingerprint(&self.labels)
    }
}

/// Identity of an alert, as Prometheus and Alertmanager count it: FNV-1a over names and values, each followed by the
/// byte 255 (prometheus/common, `model/signature.go`). Shown as 16 hexadecimal digits.
pub fn fingerprint(labels: &Labels) -> u64 {
    const SEPARATOR: &[u8] = &[255];
    let texts =
        labels.iter().flat_map(|(name, value)| [name.as_bytes(), SEPARATOR, value.as_bytes(), SEPARATOR]);
    texts
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn status(is_resolved: bool) -> &'static str {
    if is_resolved { "resolved" } else { "firing" }
}

fn common(mut each: impl Iterator<Item = Pairs>) -> BTreeMap<String, String> {
    let mut common: BTreeMap<String, String> = each.next().into_iter().flatten().collect();
    for pairs in each {
        common.retain(|name, value| pairs.iter().any(|(known, text)| known == name && text == value));
    }
    common
}

/// Labels in texts that are kept.
mod labels_as_map {
    use std::collections::BTreeMap;

    use model::series::Labels;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(labels: &Labels, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(labels.iter().map(|(name, value)| (&**name, &**value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer).map(Labels::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(labels: &[(&str, &str)], summary: &str, is_resolved: bool) -> NoticeAlert {
        NoticeAlert {
            labels: Labels::new(labels.iter().copied()),
            annotations: vec![("summary".to_owned(), summary.to_owned())],
            starts_at_ms: 0,
            ends_at_ms: 0,
            is_resolved,
            generator_url: String::new(),
        }
    }

    fn notice(alerts: Vec<NoticeAlert>) -> Notice {
        Notice {
            receiver: "ops".to_owned(),
            group_key: "{}:{}".to_owned(),
            group_labels: Labels::default(),
            alerts,
            external_url: String::new(),
        }
    }

    #[test]
    fn what_alerts_have_in_common() {
        let notice = notice(vec![
            alert(&[("alertname", "A"), ("route", "chat")], "slow", false),
            alert(&[("alertname", "A"), ("route", "feed")], "slow", true),
        ]);
        assert_eq!(notice.common_labels().to_string(), r#"{alertname="A"}"#);
        assert_eq!(notice.common_annotations(), [("summary".to_owned(), "slow".to_owned())]);
        assert_eq!((notice.status(), notice.firing().count(), notice.resolved().count()), ("firing", 1, 1));
    }

    #[test]
    fn all_that_ended_is_resolved() {
        assert_eq!(notice(vec![alert(&[], "", true)]).status(), "resolved");
    }

    #[test]
    fn the_fingerprint_is_prometheus_own() {
        // The empty set's is the offset basis of FNV-1a.
        assert_eq!(format!("{:016x}", fingerprint(&Labels::default())), "cbf29ce484222325");
        // As Alertmanager 0.25 shows this alert.
        let labels = Labels::new([("alertname", "A"), ("severity", "critical")]);
        assert_eq!(format!("{:016x}", fingerprint(&labels)), "b807e636403824b5");
    }
}
