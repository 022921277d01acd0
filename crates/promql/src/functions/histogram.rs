//! Quantiles and shares from the buckets of classic histograms.

use std::collections::HashMap;

use model::series::Labels;

use crate::ast::{Call, Node};
use crate::error::{Error, Span};
use crate::eval::{ABSENT, Column, Data, Evaluator, Steps, is_present};
use crate::{format, labels};

/// The label of a bucket's upper bound.
const BUCKET_LABEL: &str = "le";

/// Counts that differ by less than this share are the same but for rounding.
const TOLERANCE: f64 = 1e-12;

/// A bucket: how many observations were not above a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    bound: f64,
    count: f64,
}

/// The buckets of one histogram: places of columns with their bounds, ascending.
struct Histogram {
    labels: Labels,
    drops_name: bool,
    members: Vec<(usize, f64)>,
}

pub(super) fn quantile(ev: &Evaluator<'_>, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    let shares = ev.scalar(&call.arguments[0], steps)?;
    ev.check_quantiles(&shares, &call.arguments[0].span);
    let input = ev.columns(&call.arguments[1], steps)?;
    let span = &call.arguments[1].span;
    let columns =
        each(ev, &input, span, steps, |step, buckets| bucket_quantile(shares[step], buckets, ev, span))?;
    ev.unnamed(columns, &node.span).map(Data::Columns)
}

/// Several quantiles at once, told apart by a label.
pub(super) fn quantiles(ev: &Evaluator<'_>, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    let label = ev.text(&call.arguments[1])?;
    let input = ev.columns(&call.arguments[0], steps)?;
    let span = &call.arguments[0].span;
    let mut out = Vec::new();
    for argument in &call.arguments[2..] {
        let shares = ev.scalar(argument, steps)?;
        ev.check_quantiles(&shares, &argument.span);
        let Some(share) = shares.first() else { continue };
        for mut column in
            each(ev, &input, span, steps, |step, buckets| bucket_quantile(shares[step], buckets, ev, span))?
        {
            column.labels = labels::with(&column.labels, label, &format::label_float(*share));
            out.push(column);
        }
    }
    ev.unnamed(out, &node.span).map(Data::Columns)
}

pub(super) fn fraction(ev: &Evaluator<'_>, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    let lower = ev.scalar(&call.arguments[0], steps)?;
    let upper = ev.scalar(&call.arguments[1], steps)?;
    let input = ev.columns(&call.arguments[2], steps)?;
    let columns = each(ev, &input, &call.arguments[2].span, steps, |step, buckets| {
        bucket_fraction(lower[step], upper[step], buckets)
    })?;
    ev.unnamed(columns, &node.span).map(Data::Columns)
}

/// Applies a function to the buckets of each histogram at each step.
fn each(
    ev: &Evaluator<'_>,
    input: &[Column],
    span: &Span,
    steps: Steps,
    function: impl Fn(usize, Vec<Bucket>) -> f64,
) -> Result<Vec<Column>, Error> {
    let mut out = Vec::new();
    for histogram in histograms(ev, input, span) {
        ev.check_time(span)?;
        let at = |step: usize| {
            let values = histogram.members.iter().map(|(place, bound)| (*bound, input[*place].values[step]));
            let buckets: Vec<Bucket> = values
                .filter(|(_, count)| is_present(*count))
                .map(|(bound, count)| Bucket { bound, count })
                .collect();
            if buckets.is_empty() { ABSENT } else { function(step, buckets) }
        };
        let values = (0..steps.count).map(at).collect();
        out.push(Column { labels: histogram.labels.clone(), drops_name: histogram.drops_name, values });
    }
    out.retain(Column::has_any);
    Ok(out)
}

/// Columns that differ only by their bound belong together.
fn histograms(ev: &Evaluator<'_>, input: &[Column], span: &Span) -> Vec<Histogram> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut out: Vec<Histogram> = Vec::new();
    for (index, column) in input.iter().enumerate() {
        let text = column.labels.get(BUCKET_LABEL);
        let Some(bound) = text.parse::<f64>().ok().filter(|bound| !bound.is_nan()) else {
            ev.warn(&format!("bucket label \"le\" is missing or has a malformed value of {text:?}"), span);
            continue;
        };
        let labels = labels::filtered(&column.labels, |name| name != BUCKET_LABEL);
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            out.push(Histogram {
                labels: labels.clone(),
                drops_name: column.drops_name,
                members: Vec::new(),
            });
            out.len() - 1
        });
        out[place].members.push((index, bound));
    }
    out.iter_mut().for_each(|histogram| histogram.members.sort_by(|(_, a), (_, b)| a.total_cmp(b)));
    out
}

/// Buckets of the same bound become one.
fn merged(buckets: Vec<Bucket>) -> Vec<Bucket> {
    let mut out: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match out.last_mut() {
            Some(last) if last.bound == bucket.bound => last.count += bucket.count,
            _ => out.push(bucket),
        }
    }
    out
}

/// Counts that fall are raised to the one before; says whether one did by more than rounding explains.
fn make_monotonic(buckets: &mut [Bucket]) -> bool {
    let mut forced = false;
    let mut before = buckets[0].count;
    for bucket in &mut buckets[1..] {
        let is_rounding = is_almost(before, bucket.count);
        forced |= !is_rounding && bucket.count < before;
        if is_rounding || bucket.count < before {
            bucket.count = before;
        }
        before = bucket.count;
    }
    forced
}

fn is_almost(a: f64, b: f64) -> bool {
    let sum = a.abs() + b.abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return (a - b).abs() < TOLERANCE * f64::MIN_POSITIVE || a == b;
    }
    a == b || (a - b).abs() / sum.min(f64::MAX) < TOLERANCE
}

fn bucket_quantile(share: f64, buckets: Vec<Bucket>, ev: &Evaluator<'_>, span: &Span) -> f64 {
    if share.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&share) {
        return f64::INFINITY.copysign(share);
    }
    let mut buckets = merged(buckets);
    let last = buckets.len() - 1;
    if buckets[last].bound != f64::INFINITY {
        return f64::NAN;
    }
    if make_monotonic(&mut buckets) {
        ev.inform("input to histogram_quantile needed to be fixed for monotonicity", span);
    }
    let observations = buckets[last].count;
    if buckets.len() < 2 || observations == 0.0 {
        return f64::NAN;
    }
    let rank = share * observations;
    let place = buckets[..last].iter().position(|bucket| bucket.count >= rank).unwrap_or(last);
    if place == last {
        return buckets[last - 1].bound;
    }
    let Bucket { bound: end, count } = buckets[place];
    if place == 0 && end <= 0.0 {
        return end;
    }
    let (start, below) = match place {
        0 => (0.0, 0.0),
        place => (buckets[place - 1].bound, buckets[place - 1].count),
    };
    start + (end - start) * ((rank - below) / (count - below))
}

/// The share of observations between two values.
fn bucket_fraction(lower: f64, upper: f64, buckets: Vec<Bucket>) -> f64 {
    let buckets = merged(buckets);
    let last = buckets[buckets.len() - 1];
    if last.bound != f64::INFINITY || last.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank(upper, &buckets) - rank(lower, &buckets)) / last.count
}

/// How many observations are below a value, by straight lines within the buckets. The first bucket begins at
/// zero if its bound is above, else it has no width.
fn rank(value: f64, buckets: &[Bucket]) -> f64 {
    let total = buckets[buckets.len() - 1].count;
    let mut start = if buckets[0].bound <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut below: f64 = 0.0;
    for bucket in buckets {
        if start >= value {
            return below.min(total);
        }
        if bucket.bound > value {
            let share = (value - start) / (bucket.bound - start);
            let rank = if start == f64::NEG_INFINITY {
                bucket.count
            } else {
                below + (bucket.count - below) * share
            };
            return rank.min(total);
        }
        (start, below) = (bucket.bound, bucket.count);
    }
    total
}
