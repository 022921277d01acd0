//! Aggregation over series: groups are found once, then each is reduced step by step.

use std::collections::HashMap;

use model::series::{Labels, METRIC_NAME};

use super::{ABSENT, Column, Evaluator, Steps, is_present};
use crate::ast::{Aggregate, AggregateOp, Grouping, Node};
use crate::error::{Error, Span};
use crate::{format, labels, sum};

/// How the values of a group at one step become one; there is at least one. The parameter is that of `quantile`.
type Reduce = fn(&mut [f64], f64) -> f64;

impl AggregateOp {
    fn reduce(self) -> Option<Reduce> {
        Some(match self {
            AggregateOp::Sum => |values, _| sum::sum(values.iter().copied()),
            AggregateOp::Avg => |values, _| sum::mean(values.iter().copied()).unwrap_or(f64::NAN),
            AggregateOp::Min => |values, _| extreme(values, |value, known| value < known),
            AggregateOp::Max => |values, _| extreme(values, |value, known| value > known),
            AggregateOp::Count => |values, _| values.len() as f64,
            AggregateOp::Group => |_, _| 1.0,
            AggregateOp::Stddev => |values, _| variance(values).sqrt(),
            AggregateOp::Stdvar => |values, _| variance(values),
            AggregateOp::Quantile => |values, q| sum::quantile(q, values),
            _ => return None,
        })
    }
}

/// The value that none of the others is beyond; NaN only if all are.
fn extreme(values: &[f64], is_beyond: fn(f64, f64) -> bool) -> f64 {
    values
        .iter()
        .copied()
        .fold(f64::NAN, |known, value| if known.is_nan() || is_beyond(value, known) { value } else { known })
}

/// Welford's way, as Prometheus computes it across series.
fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

/// Series that are aggregated together.
pub(super) struct Grouped {
    pub labels: Labels,
    /// Places of its columns.
    pub members: Vec<usize>,
}

impl Evaluator<'_> {
    pub(super) fn aggregate(
        &self,
        node: &Node,
        aggregate: &Aggregate,
        steps: Steps,
    ) -> Result<Vec<Column>, Error> {
        if aggregate.op == AggregateOp::CountValues {
            return self.count_values(node, aggregate, steps);
        }
        let parameter = match &aggregate.parameter {
            Some(parameter) => self.scalar(parameter, steps)?,
            None => vec![0.0; steps.count],
        };
        let columns = self.columns(&aggregate.inner, steps)?;
        let Some(reduce) = aggregate.op.reduce() else {
            return self.pick(aggregate, columns, &parameter, steps);
        };
        if let (AggregateOp::Quantile, Some(node)) = (aggregate.op, &aggregate.parameter) {
            self.check_quantiles(&parameter, &node.span);
        }
        let groups = groups(&columns, &aggregate.grouping);
        self.charge(groups.len().saturating_mul(steps.count), &node.span)?;
        let mut out = Vec::with_capacity(groups.len());
        let mut values = Vec::new();
        for group in groups {
            self.check_time(&node.span)?;
            let reduced = (0..steps.count).map(|step| {
                values.clear();
                let members = group.members.iter().map(|place| columns[*place].values[step]);
                values.extend(members.filter(|value| is_present(*value)));
                if values.is_empty() { ABSENT } else { reduce(&mut values, parameter[step]) }
            });
            let values = reduced.collect();
            let drops_name = group.members.iter().any(|place| columns[*place].drops_name);
            out.push(Column { labels: group.labels, drops_name, values });
        }
        out.retain(Column::has_any);
        Ok(out)
    }

    /// Warns of shares that are not between 0 and 1.
    pub fn check_quantiles(&self, shares: &[f64], span: &Span) {
        if let Some(wrong) = shares.iter().find(|q| !(0.0..=1.0).contains(*q)) {
            self.warn(
                &format!("quantile value should be between 0 and 1, got {}", format::float(*wrong)),
                span,
            );
        }
    }

    fn count_values(&self, node: &Node, aggregate: &Aggregate, steps: Steps) -> Result<Vec<Column>, Error> {
        let parameter = aggregate.parameter.as_ref().expect("the parser asks for it");
        let label = self.text(parameter)?;
        let mut grouping = aggregate.grouping.clone();
        if let Grouping::By(labels) = &mut grouping {
            labels.push(label.to_owned());
        }
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut out: Vec<Column> = Vec::new();
        for column in self.columns(&aggregate.inner, steps)? {
            self.check_time(&node.span)?;
            for (step, value) in column.values.iter().enumerate().filter(|(_, value)| is_present(**value)) {
                let valued = labels::with(&column.labels, label, &format::float(*value));
                let place = match places.entry(group_labels(&valued, &grouping)) {
                    std::collections::hash_map::Entry::Occupied(known) => *known.get(),
                    std::collections::hash_map::Entry::Vacant(new) => {
                        self.charge(steps.count, &node.span)?;
                        out.push(Column::new(new.key().clone(), vec![ABSENT; steps.count]));
                        *new.insert(out.len() - 1)
                    }
                };
                let count = &mut out[place].values[step];
                *count = if is_present(*count) { *count + 1.0 } else { 1.0 };
            }
        }
        Ok(out)
    }
}

/// The groups, in the order in which their first members come.
pub(super) fn groups(columns: &[Column], grouping: &Grouping) -> Vec<Grouped> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<Grouped> = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let labels = group_labels(&column.labels, grouping);
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            groups.push(Grouped { labels: labels.clone(), members: Vec::new() });
            groups.len() - 1
        });
        groups[place].members.push(index);
    }
    groups
}

fn group_labels(of: &Labels, grouping: &Grouping) -> Labels {
    match grouping {
        Grouping::By(names) if names.is_empty() => Labels::default(),
        Grouping::By(names) => labels::filtered(of, |name| names.iter().any(|known| known == name)),
        Grouping::Without(names) => {
            labels::filtered(of, |name| name != METRIC_NAME && !names.iter().any(|known| known == name))
        }
    }
}
