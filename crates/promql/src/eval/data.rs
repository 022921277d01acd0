//! What expressions evaluate to: columns with one value per step.

use std::collections::HashMap;
use std::sync::Arc;

use model::series::{Labels, STALE_MARKER, is_stale_marker};

use crate::error::{Error, Span};

/// In a column: no value at this step. No computation gives it, and markers among samples are never selected.
pub(crate) const ABSENT: f64 = STALE_MARKER;

/// Whether a column has a value here.
pub(crate) fn is_present(value: f64) -> bool {
    !is_stale_marker(value)
}

/// When an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub first_ms: i64,
    pub step_ms: i64,
    pub count: usize,
}

impl Steps {
    /// One step alone.
    pub fn one(at_ms: i64) -> Steps {
        Steps { first_ms: at_ms, step_ms: 1, count: 1 }
    }

    /// From the first time to the last one that a step meets; none if they are the wrong way round.
    pub fn between(first_ms: i64, last_ms: i64, step_ms: i64) -> Steps {
        let span = last_ms.checked_sub(first_ms).filter(|span| *span >= 0);
        let count = span
            .map_or(0, |span| usize::try_from(span / step_ms).map_or(usize::MAX, |n| n.saturating_add(1)));
        Steps { first_ms, step_ms, count }
    }

    pub fn at(self, index: usize) -> i64 {
        self.first_ms + self.step_ms * index as i64
    }

    pub fn iter(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |index| self.at(index))
    }
}

/// One series of a result.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub labels: Labels,
    /// Whether its metric's name is dropped when the evaluation ends.
    pub drops_name: bool,
    /// One value per step, or [`ABSENT`].
    pub values: Vec<f64>,
}

impl Column {
    pub fn new(labels: Labels, values: Vec<f64>) -> Column {
        Column { labels, drops_name: false, values }
    }

    pub fn has_any(&self) -> bool {
        self.values.iter().any(|value| is_present(*value))
    }

    /// Replaces each value that is there.
    pub fn each(&mut self, change: impl Fn(f64) -> f64) {
        self.values.iter_mut().filter(|value| is_present(**value)).for_each(|value| *value = change(*value));
    }
}

/// What an expression evaluates to.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// One value per step.
    Scalar(Vec<f64>),
    Text(Arc<str>),
    Columns(Vec<Column>),
}

/// Joins columns with the same labels, in the order in which labels come first.
///
/// # Errors
/// If two of them have a value at the same step.
pub(crate) fn joined(columns: Vec<Column>, span: &Span) -> Result<Vec<Column>, Error> {
    if !has_duplicates(&columns) {
        return Ok(columns);
    }
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(columns.len());
    let mut out: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        let Some(&place) = places.get(&column.labels) else {
            places.insert(column.labels.clone(), out.len());
            out.push(column);
            continue;
        };
        for (known, value) in out[place].values.iter_mut().zip(&column.values) {
            if is_present(*value) {
                if is_present(*known) {
                    return Err(duplicate(&column.labels, span));
                }
                *known = *value;
            }
        }
    }
    Ok(out)
}

/// Whether two columns have the same labels.
pub(crate) fn has_duplicates(columns: &[Column]) -> bool {
    let mut seen = std::collections::HashSet::with_capacity(columns.len());
    columns.iter().any(|column| !seen.insert(&column.labels))
}

/// Two series of a result cannot be told apart.
pub(crate) fn duplicate(labels: &Labels, span: &Span) -> Error {
    Error::execution(
        span,
        format!(
            "vector cannot contain metrics with the same labelset: two series become {labels}; aggregate them, or \
             select one metric"
        ),
    )
}
