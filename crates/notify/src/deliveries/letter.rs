//! A notice that waits, as it is kept: JSON, whose form is this file's affair.

use alert::notice::{Notice, NoticeAlert};
use model::series::Labels;
use serde::{Deserialize, Serialize};

use super::queue::Waiting;

/// What is kept of a notice that waits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Letter {
    pub(super) notice: Notice,
    pub(super) id: String,
    pub(super) given_ms: i64,
}

type Pairs = Vec<(String, String)>;

#[derive(Serialize, Deserialize)]
struct Written {
    id: String,
    given_ms: i64,
    receiver: String,
    group_key: String,
    group_labels: Pairs,
    external_url: String,
    alerts: Vec<WrittenAlert>,
}

#[derive(Serialize, Deserialize)]
struct WrittenAlert {
    labels: Pairs,
    annotations: Pairs,
    starts_at_ms: i64,
    ends_at_ms: i64,
    is_resolved: bool,
    generator_url: String,
}

fn pairs(labels: &Labels) -> Pairs {
    labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// The text to be kept.
pub(super) fn write(waiting: &Waiting) -> String {
    let Waiting { notice, id, given_ms, .. } = waiting;
    let alerts = notice.alerts.iter().map(|alert| WrittenAlert {
        labels: pairs(&alert.labels),
        annotations: alert.annotations.clone(),
        starts_at_ms: alert.starts_at_ms,
        ends_at_ms: alert.ends_at_ms,
        is_resolved: alert.is_resolved,
        generator_url: alert.generator_url.clone(),
    });
    let written = Written {
        id: id.clone(),
        given_ms: *given_ms,
        receiver: notice.receiver.clone(),
        group_key: notice.group_key.clone(),
        group_labels: pairs(&notice.group_labels),
        external_url: notice.external_url.clone(),
        alerts: alerts.collect(),
    };
    serde_json::to_string(&written).unwrap_or_default()
}

/// None when it is not one of these.
pub(super) fn read(text: &str) -> Option<Letter> {
    let written: Written = serde_json::from_str(text).ok()?;
    let alerts = written.alerts.into_iter().map(|alert| NoticeAlert {
        labels: Labels::new(alert.labels),
        annotations: alert.annotations,
        starts_at_ms: alert.starts_at_ms,
        ends_at_ms: alert.ends_at_ms,
        is_resolved: alert.is_resolved,
        generator_url: alert.generator_url,
    });
    let notice = Notice {
        receiver: written.receiver,
        group_key: written.group_key,
        group_labels: Labels::new(written.group_labels),
        alerts: alerts.collect(),
        external_url: written.external_url,
    };
    Some(Letter { notice, id: written.id, given_ms: written.given_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{alert, notice};

    #[test]
    fn what_is_kept_is_read_again() {
        let notice = notice("g", vec![alert("A", 5, None), alert("B\n\"", 7, Some(9))]);
        let waiting = Waiting::new(notice.clone(), "msg_1".to_owned(), 11);
        let letter = Letter { notice, id: "msg_1".to_owned(), given_ms: 11 };
        assert_eq!(read(&write(&waiting)), Some(letter));
        assert_eq!(read("{}"), None);
    }
}
