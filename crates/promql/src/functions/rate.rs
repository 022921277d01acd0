//! How a counter or a gauge moves within a window.

use model::series::Sample;

use super::Slice;
use crate::options::Compat;

pub(super) fn rate(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    let seconds = (slice.to_ms - slice.from_ms) as f64 / 1000.0;
    extrapolated(slice, true).map(|(change, factor)| change * (factor / seconds))
}

pub(super) fn increase(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    extrapolated(slice, true).map(|(change, factor)| change * factor)
}

pub(super) fn delta(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    extrapolated(slice, false).map(|(change, factor)| change * factor)
}

/// The change between the first and the last sample, resets added back for a counter, and the factor that
/// stretches it to the whole window: to an edge that is no further than 1.1 mean intervals, else half an
/// interval beyond the sample, and for a counter never beyond where it would have been zero.
fn extrapolated(slice: &Slice<'_>, is_counter: bool) -> Option<(f64, f64)> {
    let [first, .., last] = slice.samples else { return None };
    let mut change = last.value - first.value;
    if is_counter {
        let resets = slice.samples.windows(2).filter(|pair| pair[1].value < pair[0].value);
        resets.for_each(|pair| change += pair[0].value);
    }
    let sampled = (last.timestamp_ms - first.timestamp_ms) as f64 / 1000.0;
    let interval = sampled / (slice.samples.len() - 1) as f64;
    let within = |distance: f64| if distance >= interval * 1.1 { interval / 2.0 } else { distance };
    let to_zero = match is_counter && change > 0.0 && first.value >= 0.0 {
        true => sampled * (first.value / change),
        false => f64::INFINITY,
    };
    let to_start = (first.timestamp_ms - slice.from_ms) as f64 / 1000.0;
    let to_end = (slice.to_ms - last.timestamp_ms) as f64 / 1000.0;
    let before = match slice.compat {
        Compat::V2 => within(to_start.min(to_zero)),
        Compat::V3 => within(to_start).min(to_zero),
    };
    let factor = if sampled == 0.0 { 1.0 } else { (sampled + before + within(to_end)) / sampled };
    Some((change, factor))
}

/// The last two samples, if they are of different times.
fn last_two<'a>(slice: &Slice<'a>) -> Option<(&'a Sample, &'a Sample, f64)> {
    let [.., before, last] = slice.samples else { return None };
    let seconds = (last.timestamp_ms - before.timestamp_ms) as f64 / 1000.0;
    (seconds != 0.0).then_some((before, last, seconds))
}

pub(super) fn irate(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    last_two(slice).map(|(before, last, seconds)| {
        let is_reset = last.value < before.value;
        (if is_reset { last.value } else { last.value - before.value }) / seconds
    })
}

pub(super) fn idelta(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    last_two(slice).map(|(before, last, _)| last.value - before.value)
}

pub(super) fn resets(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    Some(slice.samples.windows(2).filter(|pair| pair[1].value < pair[0].value).count() as f64)
}

pub(super) fn changes(slice: &Slice<'_>, _: &[f64]) -> Option<f64> {
    let differs = |pair: &&[Sample]| {
        let (a, b) = (pair[0].value, pair[1].value);
        a != b && !(a.is_nan() && b.is_nan())
    };
    Some(slice.samples.windows(2).filter(differs).count() as f64)
}
