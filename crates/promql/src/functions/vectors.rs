//! Functions of whole vectors: what is absent, order, and the way between scalars and vectors.

use std::cmp::Ordering;

use model::series::{Labels, METRIC_NAME, MatchOp, Matcher};

use crate::ast::{Call, Expr, Input, Node};
use crate::error::Error;
use crate::eval::{ABSENT, Column, Data, Evaluator, Steps, is_present};
use crate::natural;

pub(super) fn time(_: &Evaluator<'_>, _: &Node, _: &Call, steps: Steps) -> Result<Data, Error> {
    Ok(Data::Scalar(steps.iter().map(seconds).collect()))
}

fn constant(value: f64, steps: Steps) -> Result<Data, Error> {
    Ok(Data::Scalar(vec![value; steps.count]))
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// The first step of the query, also within a subquery.
pub(super) fn start(ev: &Evaluator<'_>, _: &Node, _: &Call, steps: Steps) -> Result<Data, Error> {
    constant(seconds(ev.range.start_ms), steps)
}

pub(super) fn end(ev: &Evaluator<'_>, _: &Node, _: &Call, steps: Steps) -> Result<Data, Error> {
    constant(seconds(ev.range.end_ms), steps)
}

pub(super) fn range(ev: &Evaluator<'_>, _: &Node, _: &Call, steps: Steps) -> Result<Data, Error> {
    constant(seconds(ev.range.end_ms - ev.range.start_ms), steps)
}

pub(super) fn step(ev: &Evaluator<'_>, _: &Node, _: &Call, steps: Steps) -> Result<Data, Error> {
    constant(seconds(ev.range.step_ms), steps)
}

pub(super) fn pi(_: &Evaluator<'_>, _: &Node, _: &Call, steps: Steps) -> Result<Data, Error> {
    constant(std::f64::consts::PI, steps)
}

pub(super) fn vector(ev: &Evaluator<'_>, _: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    let values = ev.scalar(&call.arguments[0], steps)?;
    Ok(Data::Columns(vec![Column::new(Labels::default(), values)]))
}

/// The value of the only series at each step, NaN if there is not exactly one.
pub(super) fn scalar(ev: &Evaluator<'_>, _: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    let columns = ev.columns(&call.arguments[0], steps)?;
    let at = |step: usize| {
        let mut values = columns.iter().map(|column| column.values[step]).filter(|value| is_present(*value));
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            _ => f64::NAN,
        }
    };
    Ok(Data::Scalar((0..steps.count).map(at).collect()))
}

/// The times of samples if the argument is a selector, else those of the steps.
pub(super) fn timestamp(ev: &Evaluator<'_>, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    let argument = call.arguments[0].unwrapped();
    let columns = match &argument.expr {
        Expr::Selector(selector) => {
            ev.instant_with(selector, &argument.span, steps, |sample| seconds(sample.timestamp_ms))?
        }
        _ => {
            let mut columns = ev.columns(argument, steps)?;
            for column in &mut columns {
                let values = column.values.iter_mut().zip(steps.iter());
                values.filter(|(value, _)| is_present(**value)).for_each(|(value, ms)| *value = seconds(ms));
            }
            columns
        }
    };
    ev.unnamed(columns, &node.span).map(Data::Columns)
}

pub(super) fn absent(ev: &Evaluator<'_>, _: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    let argument = call.arguments[0].unwrapped();
    let columns = ev.columns(argument, steps)?;
    let is_there = |step: usize| columns.iter().any(|column| is_present(column.values[step]));
    Ok(missing(argument, steps, is_there))
}

pub(super) fn absent_over_time(
    ev: &Evaluator<'_>,
    _: &Node,
    call: &Call,
    steps: Steps,
) -> Result<Data, Error> {
    let columns = ev.windows(call, steps, |_, _| Some(1.0))?;
    let is_there = |step: usize| columns.iter().any(|column| is_present(column.values[step]));
    Ok(missing(call.arguments[0].unwrapped(), steps, is_there))
}

/// 1 where nothing is there, with the labels that the selector fixes.
fn missing(argument: &Node, steps: Steps, is_there: impl Fn(usize) -> bool) -> Data {
    let matchers = match &argument.expr {
        Expr::Selector(selector) => &selector.matchers[..],
        Expr::Window(window) => match &window.input {
            Input::Samples(selector) => &selector.matchers[..],
            Input::Subquery { .. } => &[],
        },
        _ => &[],
    };
    let values = (0..steps.count).map(|step| if is_there(step) { ABSENT } else { 1.0 }).collect();
    let column = Column::new(fixed_labels(matchers), values);
    Data::Columns(if column.has_any() { vec![column] } else { Vec::new() })
}

/// Labels with one equality each; a label that has another matcher behind it is left out.
fn fixed_labels(matchers: &[Matcher]) -> Labels {
    let mut fixed: Vec<(&str, &str)> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name != METRIC_NAME) {
        let name = matcher.name.as_str();
        if matcher.op == MatchOp::Equal && !seen.contains(&name) {
            fixed.push((name, &matcher.value));
            seen.push(name);
        } else {
            fixed.retain(|(known, _)| *known != name);
        }
    }
    Labels::new(fixed)
}

pub(super) fn sort(ev: &Evaluator<'_>, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    sorted(ev, node, call, steps, |a, b| nan_last(a.values[0], b.values[0], Ordering::Less))
}

pub(super) fn sort_desc(ev: &Evaluator<'_>, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    sorted(ev, node, call, steps, |a, b| nan_last(a.values[0], b.values[0], Ordering::Greater))
}

/// The order of values, the first one first if it is as wanted to the second; NaN comes last either way.
fn nan_last(a: f64, b: f64, wanted: Ordering) -> Ordering {
    let order = a.partial_cmp(&b).map(|order| if wanted == Ordering::Less { order } else { order.reverse() });
    order.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

pub(super) fn sort_by_label(
    ev: &Evaluator<'_>,
    node: &Node,
    call: &Call,
    steps: Steps,
) -> Result<Data, Error> {
    let names = label_names(ev, call)?;
    sorted(ev, node, call, steps, |a, b| by_labels(&a.labels, &b.labels, &names))
}

pub(super) fn sort_by_label_desc(
    ev: &Evaluator<'_>,
    node: &Node,
    call: &Call,
    steps: Steps,
) -> Result<Data, Error> {
    let names = label_names(ev, call)?;
    sorted(ev, node, call, steps, |a, b| by_labels(&b.labels, &a.labels, &names))
}

fn label_names<'c>(ev: &Evaluator<'_>, call: &'c Call) -> Result<Vec<&'c str>, Error> {
    call.arguments[1..].iter().map(|node| ev.text(node)).collect()
}

/// By the named labels, numbers in them by their size, then by all labels.
fn by_labels(a: &Labels, b: &Labels, names: &[&str]) -> Ordering {
    let named = names.iter().map(|name| natural::compare(a.get(name), b.get(name)));
    named.fold(Ordering::Equal, Ordering::then).then_with(|| a.cmp(b))
}

/// Sorts at one step; over several, series have no common order.
fn sorted(
    ev: &Evaluator<'_>,
    node: &Node,
    call: &Call,
    steps: Steps,
    order: impl Fn(&Column, &Column) -> Ordering,
) -> Result<Data, Error> {
    let mut columns = ev.columns(&call.arguments[0], steps)?;
    if steps.count == 1 {
        columns.sort_by(order);
    } else {
        ev.warn(
            "sort is ineffective for range queries, since their results are always ordered by labels",
            &node.span,
        );
    }
    Ok(Data::Columns(columns))
}
