//! Aggregations that keep some of their series as they are: topk, bottomk, limitk, limit_ratio.
//!
//! Which of equal values topk and bottomk keep depends on the order of series. It is that of their labels, so that a
//! range keeps what a query at its step would: operators order theirs by where they first appear.

use model::series::Labels;

use super::aggregate::{Grouped, groups};
use super::best::Best;
use super::{ABSENT, Column, Evaluator, Steps, is_present};
use crate::ast::{Aggregate, AggregateOp};
use crate::error::Error;
use crate::options::Compat;

impl Evaluator<'_> {
    pub(super) fn pick(
        &self,
        aggregate: &Aggregate,
        columns: Vec<Column>,
        parameter: &[f64],
        steps: Steps,
    ) -> Result<Vec<Column>, Error> {
        let span = aggregate.parameter.as_ref().map_or(&aggregate.inner.span, |node| &node.span);
        let is_ratio = aggregate.op == AggregateOp::LimitRatio;
        if !is_ratio && !parameter.iter().any(|k| *k >= 1.0 || k.is_nan()) {
            return Ok(Vec::new());
        }
        let wrong = |k: &&f64| k.is_nan() || (!is_ratio && k.abs() >= i64::MAX as f64);
        if let Some(wrong) = parameter.iter().find(wrong) {
            return Err(Error::execution(
                span,
                format!("the parameter must be a whole number, but is {wrong}"),
            ));
        }
        if is_ratio && let Some(wrong) = parameter.iter().find(|ratio| ratio.abs() > 1.0) {
            self.warn(&format!("ratio value should be between -1 and 1, got {wrong}"), span);
        }
        let mut groups = groups(&columns, &aggregate.grouping);
        if matches!(aggregate.op, AggregateOp::TopK | AggregateOp::BottomK) {
            let by_labels = |a: &usize, b: &usize| columns[*a].labels.cmp(&columns[*b].labels);
            groups.iter_mut().for_each(|group| group.members.sort_by(by_labels));
        }
        let mut order = Vec::new();
        let mut kept = vec![vec![ABSENT; steps.count]; columns.len()];
        for group in &groups {
            self.check_time(span)?;
            for step in 0..steps.count {
                let chosen =
                    chosen(aggregate.op, group, &columns, step, parameter[step], self.options.compat);
                for place in &chosen {
                    kept[*place][step] = columns[*place].values[step];
                }
                order.extend(chosen.into_iter().filter(|_| steps.count == 1));
            }
        }
        let mut columns: Vec<Column> =
            columns.into_iter().zip(kept).map(|(column, values)| Column { values, ..column }).collect();
        if steps.count == 1 {
            return Ok(order.into_iter().map(|place| columns[place].clone()).collect());
        }
        columns.retain(Column::has_any);
        Ok(columns)
    }
}

/// Places of the columns of a group that stay at a step; those of topk and bottomk best first.
fn chosen(
    op: AggregateOp,
    group: &Grouped,
    columns: &[Column],
    step: usize,
    parameter: f64,
    compat: Compat,
) -> Vec<usize> {
    let value = |place: usize| columns[place].values[step];
    let members = group.members.iter().copied().filter(|place| is_present(value(*place)));
    let k = if parameter >= 1.0 { parameter as usize } else { 0 };
    let mut best = match op {
        AggregateOp::TopK => Best::largest(k, compat),
        AggregateOp::BottomK => Best::smallest(k, compat),
        AggregateOp::LimitK => return members.take(k).collect(),
        _ => return members.filter(|place| is_sampled(&columns[*place].labels, parameter)).collect(),
    };
    members.for_each(|place| best.offer(place, value(place)));
    best.into_places()
}

/// Whether a series belongs to this share of all series: always the same ones, and those that a negative ratio
/// picks are the others.
fn is_sampled(labels: &Labels, ratio: f64) -> bool {
    let place = hash(labels) as f64 / u64::MAX as f64;
    if ratio >= 0.0 { place < ratio } else { place >= 1.0 + ratio }
}

/// FNV-1a over names and values, with the bits mixed at the end (MurmurHash3's finalizer).
fn hash(labels: &Labels) -> u64 {
    let bytes =
        labels.iter().flat_map(|(name, value)| name.bytes().chain([0xff]).chain(value.bytes()).chain([0xff]));
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}
