//! Aggregation of one series over a window.

use super::Slice;
use crate::ast::{Call, Node};
use crate::error::Error;
use crate::eval::{Data, Evaluator, Steps};
use crate::sum;

fn values<'a>(slice: &'a Slice<'_>) -> impl Iterator<Item = f64> + 'a {
    slice.samples.iter().map(|sample| sample.value)
}

fn seconds(timestamp_ms: i64) -> f64 {
    timestamp_ms as f64 / 1000.0
}

pub(super) fn avg(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    sum::mean(values(slice))
}

pub(super) fn sum(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    Some(sum::sum(values(slice)))
}

pub(super) fn count(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    Some(slice.samples.len() as f64)
}

pub(super) fn present(_: &Slice<'_>, _: &[f64]) -> Option<f64> {
    Some(1.0)
}

pub(super) fn first(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    slice.samples.first().map(|sample| sample.value)
}

pub(super) fn last(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    slice.samples.last().map(|sample| sample.value)
}

pub(super) fn time_of_first(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    slice.samples.first().map(|sample| seconds(sample.timestamp_ms))
}

pub(super) fn time_of_last(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    slice.samples.last().map(|sample| seconds(sample.timestamp_ms))
}

/// Value and time of the sample that no other one is better than. NaN is worse than all.
fn best(slice: &Slice<'_>, is_better: fn(f64, f64) -> bool) -> Option<(f64, i64)> {
    let mut samples = slice.samples.iter();
    let mut best = samples.next()?;
    for sample in samples {
        if is_better(sample.value, best.value) || best.value.is_nan() {
            best = sample;
        }
    }
    Some((best.value, best.timestamp_ms))
}

pub(super) fn max(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    best(slice, |value, best| value > best).map(|(value, _)| value)
}

pub(super) fn min(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    best(slice, |value, best| value < best).map(|(value, _)| value)
}

/// Of several equal ones, the last one's.
pub(super) fn time_of_max(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    best(slice, |value, best| value >= best).map(|(_, time)| seconds(time))
}

/// Of several equal ones, the last one's.
pub(super) fn time_of_min(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    best(slice, |value, best| value <= best).map(|(_, time)| seconds(time))
}

pub(super) fn stdvar(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    sum::variance(values(slice))
}

pub(super) fn stddev(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    sum::variance(values(slice)).map(f64::sqrt)
}

/// Warns of shares that are none, then takes the quantiles.
pub(super) fn quantile(ev: &Evaluator<'_>, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    let share = &call.arguments[0];
    ev.check_quantiles(&ev.scalar(share, steps)?, &share.span);
    ev.over(node, call, steps, quantile_of, false)
}

fn quantile_of(slice: &Slice<'_>, scalars: &[f64]) -> Option<f64> {
    let mut values: Vec<f64> = values(slice).collect();
    Some(sum::quantile(scalars[0], &mut values))
}

/// The median of how far values are from their median.
pub(super) fn mad(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    let mut values: Vec<f64> = values(slice).collect();
    if values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    let median = sum::quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    Some(sum::quantile(0.5, &mut values))
}
