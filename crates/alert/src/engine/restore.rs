//! Alerts of a former process as Prometheus finds them again (`Group.RestoreForState`): from `ALERTS_FOR_STATE`.

use std::collections::BTreeMap;

use model::rules::State;
use model::series::{
    Labels, METRIC_NAME, MatchOp, Matcher, Sample, SeriesSource, TimeRange, is_stale_marker,
};

use super::Options;
use super::alerts::{ALERT_NAME, for_state};
use super::group::Rule;
use crate::rules::RuleKind;

/// Most samples that are read of one rule's series.
const SAMPLES_MAX: usize = 10_000_000;

/// Looks for the state of rules that do not have theirs yet. What cannot be read is not restored.
pub(super) fn from_series(rules: &mut [Rule], source: &dyn SeriesSource, now_ms: i64, options: &Options) {
    for rule in rules.iter_mut().filter(|rule| !rule.is_restored) {
        rule.is_restored = true;
        let RuleKind::Alert { name, for_ms, .. } = &rule.spec.kind else { continue };
        if *for_ms < options.grace_period_ms {
            continue;
        }
        let newest = newest(name, source, now_ms, options);
        for (labels, alert) in rule.alerts.iter_mut().filter(|(_, alert)| alert.state != State::Inactive) {
            let sample = newest.get(&for_state(labels)).filter(|sample| !is_stale_marker(sample.value));
            if let Some(sample) = sample {
                alert.active_at_ms = active_at(*sample, *for_ms, now_ms, options.grace_period_ms);
            }
        }
    }
}

fn newest(name: &str, source: &dyn SeriesSource, now_ms: i64, options: &Options) -> BTreeMap<Labels, Sample> {
    let matcher = |name: &str, value: &str| Matcher {
        name: name.to_owned(),
        op: MatchOp::Equal,
        value: value.to_owned(),
    };
    let matchers = [matcher(METRIC_NAME, "ALERTS_FOR_STATE"), matcher(ALERT_NAME, name)];
    let range = TimeRange { from_ms: now_ms - options.outage_tolerance_ms, to_ms: now_ms };
    let series = source.select(&matchers, range, SAMPLES_MAX).unwrap_or_default();
    series.into_iter().filter_map(|series| Some((series.labels, *series.samples.last()?))).collect()
}

/// Since when an alert is active whose series had this sample last.
fn active_at(last: Sample, for_ms: i64, now_ms: i64, grace_period_ms: i64) -> i64 {
    let before_ms = (last.value * 1000.0) as i64;
    let remaining_ms = for_ms - (last.timestamp_ms - before_ms);
    if remaining_ms <= 0 {
        before_ms
    } else if remaining_ms < grace_period_ms {
        now_ms + grace_period_ms - for_ms
    } else {
        before_ms + (now_ms - last.timestamp_ms)
    }
}
