//! Made-up notices for tests.

pub(crate) mod server;

use std::path::PathBuf;
use std::sync::Arc;

use alert::notice::{Notice, NoticeAlert};
use model::series::Labels;

use crate::{Context, Language, Reach, Texts};

/// As an `alertmanager.yml` without templates is read.
pub(crate) fn context() -> Context {
    Context {
        directory: PathBuf::new(),
        texts: Arc::new(Texts::new(Language::English, &[]).expect("templates")),
        reach: Reach { is_trusted: true, allowed: Vec::new() },
        tells_end: false,
    }
}

/// An alert by name that fires since `starts_at_ms`, or has ended.
pub(crate) fn alert(name: &str, starts_at_ms: i64, ended_ms: Option<i64>) -> NoticeAlert {
    NoticeAlert {
        labels: Labels::new([("alertname", name), ("severity", "critical")]),
        annotations: vec![("summary".to_owned(), format!("{name} is slow"))],
        starts_at_ms,
        ends_at_ms: ended_ms.unwrap_or_default(),
        is_resolved: ended_ms.is_some(),
        generator_url: String::new(),
    }
}

/// The notice of a group.
pub(crate) fn notice(group_key: &str, alerts: Vec<NoticeAlert>) -> Notice {
    Notice {
        receiver: "ops".to_owned(),
        group_key: group_key.to_owned(),
        group_labels: Labels::new([("route", "chat")]),
        alerts,
        external_url: "https://heartline.example.com".to_owned(),
    }
}
