//! Which series of both sides of an operator belong together.

use std::collections::HashMap;

use model::series::{Labels, METRIC_NAME};

use super::Column;
use crate::ast::MatchLabels;
use crate::labels;

/// The columns of both sides, by the labels that they are matched by.
pub(super) struct Matched {
    /// For each column of the left side, its match group.
    pub left: Vec<usize>,
    /// For each column of the right side, its match group.
    pub right: Vec<usize>,
    /// For each match group: its columns on the left and on the right.
    pub groups: Vec<MatchGroup>,
}

#[derive(Default)]
pub(super) struct MatchGroup {
    pub left: Vec<usize>,
    pub right: Vec<usize>,
}

impl Matched {
    pub fn new(left: &[Column], right: &[Column], by: &MatchLabels) -> Matched {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut place = |column: &Column| {
            let next = places.len();
            *places.entry(match_labels(&column.labels, by)).or_insert(next)
        };
        let left: Vec<usize> = left.iter().map(&mut place).collect();
        let right: Vec<usize> = right.iter().map(&mut place).collect();
        let mut groups: Vec<MatchGroup> = (0..places.len()).map(|_| MatchGroup::default()).collect();
        left.iter().enumerate().for_each(|(column, group)| groups[*group].left.push(column));
        right.iter().enumerate().for_each(|(column, group)| groups[*group].right.push(column));
        Matched { left, right, groups }
    }
}

/// The labels that a series is matched by.
pub(super) fn match_labels(of: &Labels, by: &MatchLabels) -> Labels {
    match by {
        MatchLabels::On(names) => labels::filtered(of, |name| names.iter().any(|known| known == name)),
        MatchLabels::Ignoring(names) => {
            labels::filtered(of, |name| name != METRIC_NAME && !names.iter().any(|known| known == name))
        }
    }
}
