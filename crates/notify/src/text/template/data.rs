//! What templates are given, as the engine's values.
//!
//! Structures and times are maps with a mark, which no template sees: only lookups of ours read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use alert::notice::{Notice, NoticeAlert};
use gotmpl::Value;
use model::series::Labels;

use crate::text::Format;

/// The mark of a structure.
pub(super) const STRUCTURE: &str = "\0structure";
/// The mark of a time: milliseconds since the Unix epoch.
pub(super) const TIME: &str = "\0time";
/// Of a time: its zone's offset from UTC, seconds.
pub(super) const OFFSET: &str = "\0offset";
/// The mark of a length of time: seconds.
pub(super) const DURATION: &str = "\0duration";

/// The data of a message. Several notices are as one whose groups have nothing in common but what they have.
pub(super) fn of(notices: &[Notice], format: Format) -> Value {
    let notice = merged(notices);
    let alerts = notice.alerts.iter().map(|alert| of_alert(alert, format));
    structure([
        ("Receiver", string(format.escape(&notice.receiver))),
        ("Status", string(notice.status())),
        ("Alerts", Value::List(alerts.collect())),
        ("GroupLabels", of_labels(&notice.group_labels, format)),
        ("CommonLabels", of_labels(&notice.common_labels(), format)),
        (
            "CommonAnnotations",
            of_pairs(notice.common_annotations().iter().map(|(a, b)| (&**a, &**b)), format),
        ),
        ("ExternalURL", string(url(&notice.external_url, format))),
        ("NotificationReason", string("")),
    ])
}

fn merged(notices: &[Notice]) -> Notice {
    if let [notice] = notices {
        return notice.clone();
    }
    let first = notices.first();
    Notice {
        receiver: first.map(|notice| notice.receiver.clone()).unwrap_or_default(),
        group_key: String::new(),
        group_labels: Labels::default(),
        alerts: notices.iter().flat_map(|notice| notice.alerts.clone()).collect(),
        external_url: first.map(|notice| notice.external_url.clone()).unwrap_or_default(),
    }
}

fn of_alert(alert: &NoticeAlert, format: Format) -> Value {
    let ends_at_ms = if alert.is_resolved { alert.ends_at_ms } else { 0 };
    let annotations = alert.annotations.iter().map(|(name, text)| (&**name, &**text));
    structure([
        ("Status", string(alert.status())),
        ("Labels", of_labels(&alert.labels, format)),
        ("Annotations", of_pairs(annotations, format)),
        ("StartsAt", time(alert.starts_at_ms, 0)),
        ("EndsAt", time(ends_at_ms, 0)),
        ("GeneratorURL", string(url(&alert.generator_url, format))),
        ("Fingerprint", string(format!("{:016x}", alert.fingerprint()))),
    ])
}

/// Only where markup is made of `&` and `<` has a URL to be escaped.
fn url(url: &str, format: Format) -> String {
    match format {
        Format::Slack | Format::Html | Format::Telegram => format.escape(url),
        _ => url.to_owned(),
    }
}

fn of_labels(labels: &Labels, format: Format) -> Value {
    of_pairs(labels.iter().map(|(name, value)| (&**name, &**value)), format)
}

fn of_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, format: Format) -> Value {
    let pairs = pairs.map(|(name, value)| (name.into(), string(format.escape(value))));
    Value::Map(Arc::new(pairs.collect()))
}

pub(super) fn string(text: impl AsRef<str>) -> Value {
    Value::String(text.as_ref().into())
}

pub(super) fn structure<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().chain([(STRUCTURE, Value::Nil)]);
    Value::Map(Arc::new(fields.map(|(name, value)| (name.into(), value)).collect::<BTreeMap<_, _>>()))
}

/// Milliseconds since the Unix epoch, in a zone that is this many seconds before UTC.
pub(super) fn time(at_ms: i64, offset_s: i64) -> Value {
    structure([(TIME, Value::Int(at_ms)), (OFFSET, Value::Int(offset_s))])
}

pub(super) fn duration(seconds: f64) -> Value {
    structure([(DURATION, Value::Float(seconds))])
}

/// A number behind a mark.
pub(super) fn marked(value: &Value, mark: &str) -> Option<f64> {
    let Value::Map(fields) = value else { return None };
    match fields.get(mark)? {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}
