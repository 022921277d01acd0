//! Labels derived from labels.

use std::sync::Arc;

use model::series::{Labels, METRIC_NAME};

use crate::options::{Feature, Features};

/// Without the metric's name, and what goes with it.
pub(crate) fn unnamed(labels: &Labels, features: Features) -> Labels {
    let has_more = features.has(Feature::TypeAndUnitLabels);
    filtered(labels, |name| name != METRIC_NAME && !(has_more && matches!(name, "__type__" | "__unit__")))
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
