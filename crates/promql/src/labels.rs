//! Labels derived from labels.

use std::sync::Arc;

use model::series::{Labels, METRIC_NAME};

/// Without the metric's name.
pub(crate) fn unnamed(labels: &Labels) -> Labels {
    filtered(labels, |name| name != METRIC_NAME)
}

/// Only those whose names are chosen.
pub(crate) fn filtered(labels: &Labels, keep: impl Fn(&str) -> bool) -> Labels {
    if labels.iter().all(|(name, _)| keep(name)) {
        return labels.clone();
    }
    Labels::new(
        labels.iter().filter(|(name, _)| keep(name)).map(|(name, value)| (name.clone(), value.clone())),
    )
}

/// With one more label, or another value for it; an empty value removes it.
pub(crate) fn with(labels: &Labels, name: &str, value: &str) -> Labels {
    let known = labels.iter().map(|(name, value)| (name.clone(), value.clone()));
    Labels::new(known.chain([(Arc::from(name), Arc::from(value))]))
}
