//! One alert, and how two reports of it become one (Alertmanager, `alert/alert.go`).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use model::series::Labels;

use super::saved::named;
use super::view::time;
use crate::engine::Notification;
use crate::notice::NoticeAlert;
use crate::rules::Pairs;

/// An alert as it is reported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incoming {
    /// Its labels.
    pub labels: Labels,
    /// Its texts.
    pub annotations: Pairs,
    /// Since when it fires, milliseconds since the Unix epoch; none for now, or its end.
    pub starts_at_ms: Option<i64>,
    /// When it ended or shall be taken for ended, milliseconds since the Unix epoch; none if the sender says nothing.
    pub ends_at_ms: Option<i64>,
    /// Where its expression is shown; may be empty.
    pub generator_url: String,
}

impl Incoming {
    /// What a rule of this program gave. `external_url` is where people reach it.
    pub fn from_rule(of: Notification, external_url: &str) -> Incoming {
        let external_url = external_url.trim_end_matches('/');
        let query = gotmpl::url_encode(&of.query);
        Incoming {
            labels: of.labels,
            annotations: of.annotations,
            starts_at_ms: Some(of.starts_at_ms),
            ends_at_ms: Some(of.ends_at_ms),
            generator_url: format!("{external_url}/graph?g0.expr={query}&g0.tab=1"),
        }
    }

    /// It as `POST /api/v2/alerts` takes it, a JSON object.
    pub fn to_json(&self) -> String {
        let annotations: BTreeMap<_, _> = self.annotations.iter().map(|(name, text)| (name, text)).collect();
        serde_json::json!({
            "labels": named(&self.labels),
            "annotations": annotations,
            "startsAt": self.starts_at_ms.map(time),
            "endsAt": self.ends_at_ms.map(time),
            "generatorURL": self.generator_url,
        })
        .to_string()
    }

    /// What is wrong with it, if anything.
    fn fault(&self, starts_at_ms: i64, bytes_max: usize) -> Option<String> {
        let annotations = self.annotations.iter().map(|(name, text)| name.len() + text.len());
        let labels = self.labels.iter().map(|(name, value)| name.len() + value.len());
        let bytes: usize = annotations.chain(labels).sum();
        let has_no_name = |name: &str| name.is_empty();
        if self.labels.is_empty() {
            Some("an alert needs at least one label".to_owned())
        } else if self.labels.iter().any(|(name, _)| has_no_name(name))
            || self.annotations.iter().any(|(name, _)| has_no_name(name))
        {
            Some("names of labels and annotations must not be empty".to_owned())
        } else if self.ends_at_ms.is_some_and(|ends_at_ms| ends_at_ms < starts_at_ms) {
            Some(format!("the alert {} ends before it starts", self.labels))
        } else if bytes > bytes_max {
            Some(format!("an alert has {bytes} bytes, more than {bytes_max}"))
        } else {
            None
        }
    }

    /// The alert that it is.
    pub(super) fn judged(
        self,
        now_ms: i64,
        resolve_timeout_ms: i64,
        bytes_max: usize,
    ) -> Result<Alert, String> {
        let starts_at_ms = self.starts_at_ms.or(self.ends_at_ms).unwrap_or(now_ms);
        if let Some(fault) = self.fault(starts_at_ms, bytes_max) {
            return Err(fault);
        }
        Ok(Alert {
            labels: self.labels,
            annotations: self.annotations,
            starts_at_ms,
            ends_at_ms: self.ends_at_ms.unwrap_or(now_ms + resolve_timeout_ms),
            is_end_guessed: self.ends_at_ms.is_none(),
            updated_at_ms: now_ms,
            generator_url: self.generator_url,
            groups: BTreeSet::new(),
        })
    }
}

/// An alert that is known. Times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alert {
    pub labels: Labels,
    pub annotations: Pairs,
    pub starts_at_ms: i64,
    /// When it ends unless it is reported again.
    pub ends_at_ms: i64,
    /// Whether nobody has named the end.
    pub is_end_guessed: bool,
    /// When it was last reported.
    pub updated_at_ms: i64,
    pub generator_url: String,
    /// Groups that it is in.
    pub groups: BTreeSet<String>,
}

impl Alert {
    pub(super) fn is_resolved(&self, now_ms: i64) -> bool {
        self.ends_at_ms <= now_ms
    }

    /// This report and the one before it: spans that overlap are one.
    pub(super) fn merged(mut self, old: &Alert) -> Alert {
        self.groups.clone_from(&old.groups);
        let within = |at_ms: i64| old.starts_at_ms < at_ms && at_ms < old.ends_at_ms;
        if !within(self.ends_at_ms) && !within(self.starts_at_ms) {
            return self;
        }
        self.starts_at_ms = self.starts_at_ms.min(old.starts_at_ms);
        let now_ms = self.updated_at_ms;
        let keeps_old_end =
            if self.is_resolved(now_ms) { old.is_resolved(now_ms) } else { !old.is_end_guessed };
        if keeps_old_end && old.ends_at_ms > self.ends_at_ms {
            self.ends_at_ms = old.ends_at_ms;
        }
        self
    }

    /// As it is told: one that has not ended has no end.
    pub(super) fn told(&self, now_ms: i64) -> NoticeAlert {
        let is_resolved = self.is_resolved(now_ms);
        NoticeAlert {
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            starts_at_ms: self.starts_at_ms,
            ends_at_ms: if is_resolved { self.ends_at_ms } else { 0 },
            is_resolved,
            generator_url: self.generator_url.clone(),
        }
    }
}

/// The order in which alerts are told: by job, by instance (those without come last), then by all labels as
/// prometheus/common has it (`model/labelset.go`): fewer before more, and of two names the later one first.
pub(super) fn order(a: &Labels, b: &Labels) -> Ordering {
    let by = |name: &str| {
        let (a, b) = (a.get(name), b.get(name));
        a.is_empty().cmp(&b.is_empty()).then(a.cmp(b))
    };
    by("job").then_with(|| by("instance")).then_with(|| a.len().cmp(&b.len())).then_with(|| {
        let pairs = a.iter().zip(b.iter());
        let each = pairs.map(|((a, x), (b, y))| a.cmp(b).reverse().then(x.cmp(y)));
        each.fold(Ordering::Equal, Ordering::then)
    })
}
