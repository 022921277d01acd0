//! Straight lines through the samples of a window, and their smoothing.

use model::series::Sample;

use super::Slice;
use crate::ast::{Call, Node};
use crate::error::Error;
use crate::eval::{Data, Evaluator, Steps};
use crate::sum::Sum;

pub(super) fn deriv(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    regression(slice.samples, slice.samples[0].timestamp_ms).map(|(slope, _)| slope)
}

pub(super) fn predict_linear(slice: &Slice<'_>, scalars: &[f64]) -> Option<f64> {
    regression(slice.samples, slice.step_ms).map(|(slope, intercept)| slope * scalars[0] + intercept)
}

/// Slope per second and value at a time, by least squares; none of fewer than two samples.
fn regression(samples: &[Sample], origin_ms: i64) -> Option<(f64, f64)> {
    if samples.len() < 2 {
        return None;
    }
    let first = samples[0].value;
    if samples.iter().all(|sample| sample.value == first) {
        return Some(if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) });
    }
    let [mut sum_x, mut sum_y, mut sum_xy, mut sum_xx] = [Sum::default(); 4];
    for sample in samples {
        let x = (sample.timestamp_ms - origin_ms) as f64 / 1000.0;
        sum_x.add(x);
        sum_y.add(sample.value);
        sum_xy.add(x * sample.value);
        sum_xx.add(x * x);
    }
    let n = samples.len() as f64;
    let [x, y, xy, xx] = [sum_x, sum_y, sum_xy, sum_xx].map(Sum::value);
    let slope = (xy - x * y / n) / (xx - x * x / n);
    Some((slope, y / n - slope * x / n))
}

/// Checks both factors, which must be between 0 and 1, then smooths.
pub(super) fn smoothing(ev: &Evaluator<'_>, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    for (argument, what) in [(1, "smoothing"), (2, "trend")] {
        let node = &call.arguments[argument];
        let factors = ev.scalar(node, steps)?;
        if let Some(wrong) = factors.iter().find(|factor| **factor <= 0.0 || **factor >= 1.0) {
            let message = format!("the {what} factor must be between 0 and 1, but is {wrong}");
            return Err(Error::execution(&node.span, message));
        }
    }
    ev.over(node, call, steps, smoothed, false)
}

fn smoothed(slice: &Slice<'_>, scalars: &[f64]) -> Option<f64> {
    let (factor, trend_factor) = (scalars[0], scalars[1]);
    let [first, second, ..] = slice.samples else { return None };
    let mut before = 0.0;
    let mut level = first.value;
    let mut trend = second.value - first.value;
    for (index, sample) in slice.samples[1..].iter().enumerate() {
        if index > 0 {
            trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend;
        }
        let next = factor * sample.value + (1.0 - factor) * (level + trend);
        before = level;
        level = next;
    }
    Some(level)
}
