//! Operators between scalars, vectors, and both.

use std::collections::HashMap;

use model::series::{Labels, METRIC_NAME};

use super::matching::{MatchGroup, Matched, match_labels};
use super::{ABSENT, Column, Data, Evaluator, Steps, is_present, joined};
use crate::ast::{Binary, BinaryOp, Fill, Group, MatchLabels, Matching, Node};
use crate::error::Error;
use crate::labels;
use crate::options::Compat;

impl BinaryOp {
    /// The result for two numbers; a comparison gives 1 or 0.
    fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            BinaryOp::Add => a + b,
            BinaryOp::Sub => a - b,
            BinaryOp::Mul => a * b,
            BinaryOp::Div => a / b,
            BinaryOp::Mod => a % b,
            BinaryOp::Pow => a.powf(b),
            BinaryOp::Atan2 => a.atan2(b),
            _ => f64::from(u8::from(self.holds(a, b))),
        }
    }

    /// Whether a comparison holds; it never does for NaN, but `!=`.
    fn holds(self, a: f64, b: f64) -> bool {
        match self {
            BinaryOp::Equal => a == b,
            BinaryOp::NotEqual => a != b,
            BinaryOp::Greater => a > b,
            BinaryOp::Less => a < b,
            BinaryOp::GreaterEqual => a >= b,
            BinaryOp::LessEqual => a <= b,
            _ => true,
        }
    }
}

impl Binary {
    /// The result for the values of two series: a comparison keeps the left value or drops it.
    fn value(&self, a: f64, b: f64) -> f64 {
        if self.returns_bool || !self.op.is_comparison() {
            self.op.apply(a, b)
        } else if self.op.holds(a, b) {
            a
        } else {
            ABSENT
        }
    }

    /// Whether the result is something else than its operands, so that their name does not fit it.
    fn changes_meaning(&self) -> bool {
        self.returns_bool || !self.op.is_comparison()
    }
}

impl Evaluator<'_> {
    pub(super) fn binary(&self, node: &Node, binary: &Binary, steps: Steps) -> Result<Data, Error> {
        let (left, right) = (self.eval(&binary.left, steps)?, self.eval(&binary.right, steps)?);
        let columns = match (left, right) {
            (Data::Scalar(left), Data::Scalar(right)) => {
                return Ok(Data::Scalar(
                    left.iter().zip(&right).map(|(a, b)| binary.op.apply(*a, *b)).collect(),
                ));
            }
            (Data::Columns(left), Data::Scalar(right)) => {
                self.with_scalar(node, binary, left, &right, false)?
            }
            (Data::Scalar(left), Data::Columns(right)) => {
                self.with_scalar(node, binary, right, &left, true)?
            }
            (Data::Columns(left), Data::Columns(right)) if binary.op.is_set() => {
                self.set_operation(node, binary, left, right, steps)?
            }
            (Data::Columns(left), Data::Columns(right)) => self.matched(node, binary, left, right, steps)?,
            _ => return Err(Error::parse(&node.span, "operators do not work on strings")),
        };
        Ok(Data::Columns(columns))
    }

    fn with_scalar(
        &self,
        node: &Node,
        binary: &Binary,
        mut columns: Vec<Column>,
        scalar: &[f64],
        scalar_is_left: bool,
    ) -> Result<Vec<Column>, Error> {
        for column in &mut columns {
            for (value, scalar) in
                column.values.iter_mut().zip(scalar).filter(|(value, _)| is_present(**value))
            {
                let result = match scalar_is_left {
                    true => binary.value(*scalar, *value),
                    false => binary.value(*value, *scalar),
                };
                let kept = if binary.changes_meaning() || !is_present(result) { result } else { *value };
                *value = kept;
            }
        }
        columns.retain(Column::has_any);
        if self.drops_name_of(binary) { self.unnamed(columns, &node.span) } else { Ok(columns) }
    }

    fn set_operation(
        &self,
        node: &Node,
        binary: &Binary,
        mut left: Vec<Column>,
        mut right: Vec<Column>,
        steps: Steps,
    ) -> Result<Vec<Column>, Error> {
        let matched = Matched::new(&left, &right, &binary.matching.labels);
        let keep = |column: &mut Column, present: &[bool], wanted: bool| {
            let values = column.values.iter_mut().zip(present);
            values.filter(|(_, present)| **present != wanted).for_each(|(value, _)| *value = ABSENT);
        };
        if binary.op == BinaryOp::Or {
            let present: Vec<_> =
                matched.groups.iter().map(|group| presence(&left, &group.left, steps)).collect();
            for (column, group) in right.iter_mut().zip(&matched.right) {
                keep(column, &present[*group], false);
            }
            left.extend(right);
        } else {
            let present: Vec<_> =
                matched.groups.iter().map(|group| presence(&right, &group.right, steps)).collect();
            for (column, group) in left.iter_mut().zip(&matched.left) {
                keep(column, &present[*group], binary.op == BinaryOp::And);
            }
        }
        left.retain(Column::has_any);
        if self.options.delayed_name_removal && steps.count == 1 {
            Ok(left)
        } else {
            joined(left, &node.span)
        }
    }

    /// Operators between two vectors: each series of the one side with the one of the other side that its match
    /// group has at that step.
    fn matched(
        &self,
        node: &Node,
        binary: &Binary,
        left: Vec<Column>,
        right: Vec<Column>,
        steps: Steps,
    ) -> Result<Vec<Column>, Error> {
        let swapped = matches!(binary.matching.group, Group::Right(_));
        let (mut many, mut one) = if swapped { (right, left) } else { (left, right) };
        if binary.matching.fill != Fill::default() {
            self.fill(node, binary, &mut many, &mut one, steps)?;
        }
        let matched = Matched::new(&many, &one, &binary.matching.labels);
        self.check_one_side(binary, &matched, &many, &one, steps)?;
        let mut out = Vec::new();
        for (column, group) in many.iter().zip(&matched.left) {
            self.check_time(&node.span)?;
            for other in matched.groups[*group].right.iter().map(|place| &one[*place]) {
                self.charge(steps.count, &node.span)?;
                let pairs =
                    column.values.iter().zip(&other.values).map(|(a, b)| match (is_present(*a), swapped) {
                        (true, false) if is_present(*b) => binary.value(*a, *b),
                        (true, true) if is_present(*b) => binary.value(*b, *a),
                        _ => ABSENT,
                    });
                let values = pairs.collect();
                let labels = self.result_labels(binary, &column.labels, &other.labels);
                out.push(Column { labels, drops_name: binary.returns_bool, values });
            }
        }
        self.check_many_side(binary, &matched, &many, &one)?;
        out.retain(Column::has_any);
        joined(out, &node.span)
    }

    /// Adds to each side what stands in for the series that a match group lacks there, at the steps where the other
    /// side has one. As in Prometheus 3.14, `group_right` swaps what left and right mean here.
    fn fill(
        &self,
        node: &Node,
        binary: &Binary,
        many: &mut Vec<Column>,
        one: &mut Vec<Column>,
        steps: Steps,
    ) -> Result<(), Error> {
        let Matching { labels: by, fill, .. } = &binary.matching;
        for MatchGroup { left, right } in Matched::new(many, one, by).groups {
            self.check_time(&node.span)?;
            self.charge(steps.count, &node.span)?;
            let member = left.first().map(|place| &many[*place]).or(right.first().map(|place| &one[*place]));
            let Some(labels) = member.map(|column| match_labels(&column.labels, by)) else { continue };
            let (in_many, in_one) = (presence(many, &left, steps), presence(one, &right, steps));
            let stand_in = |value: Option<f64>, own: &[bool], other: &[bool]| {
                let value = value?;
                let is_missing = own.iter().zip(other).map(|(own, other)| *other && !*own);
                let values = is_missing.map(|missing| if missing { value } else { ABSENT }).collect();
                Some(Column::new(labels.clone(), values)).filter(Column::has_any)
            };
            many.extend(stand_in(fill.left, &in_many, &in_one));
            one.extend(stand_in(fill.right, &in_one, &in_many));
        }
        Ok(())
    }

    /// A match group has at most one series on the one side at each step, unless the other side is empty there.
    fn check_one_side(
        &self,
        binary: &Binary,
        matched: &Matched,
        many: &[Column],
        one: &[Column],
        steps: Steps,
    ) -> Result<(), Error> {
        for group in matched.groups.iter().filter(|group| group.right.len() > 1) {
            for step in 0..steps.count {
                let mut there = group.right.iter().filter(|place| is_present(one[**place].values[step]));
                let (Some(a), Some(b)) = (there.next(), there.next()) else { continue };
                if !many.iter().any(|column| is_present(column.values[step])) {
                    continue;
                }
                let side = if matches!(binary.matching.group, Group::Right(_)) { "left" } else { "right" };
                let message = format!(
                    "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}]; \
                     many-to-many matching not allowed: matching labels must be unique on one side",
                    match_labels(&one[*a].labels, &binary.matching.labels),
                    one[*a].labels,
                    one[*b].labels,
                );
                return Err(Error::execution(&binary.op_span, message));
            }
        }
        Ok(())
    }

    /// Several series on the many side need a group modifier, and then different labels.
    fn check_many_side(
        &self,
        binary: &Binary,
        matched: &Matched,
        many: &[Column],
        one: &[Column],
    ) -> Result<(), Error> {
        let is_grouped = binary.matching.group != Group::None;
        for group in matched.groups.iter().filter(|group| group.left.len() > 1) {
            for other in group.right.iter().map(|place| &one[*place]) {
                let mut alike: HashMap<Labels, Vec<&Column>> = HashMap::new();
                for column in group.left.iter().map(|place| &many[*place]) {
                    let labels = match is_grouped {
                        true => self.result_labels(binary, &column.labels, &other.labels),
                        false => Labels::default(),
                    };
                    alike.entry(labels).or_default().push(column);
                }
                if alike.into_values().any(|columns| meet(&columns, other)) {
                    let reason = match is_grouped {
                        true => "grouping labels must ensure unique matches",
                        false => "many-to-one matching must be explicit (group_left/group_right)",
                    };
                    let message = format!("multiple matches for labels: {reason}");
                    return Err(Error::execution(&binary.op_span, message));
                }
            }
        }
        Ok(())
    }

    /// In 2.x, `atan2` keeps the name.
    fn drops_name_of(&self, binary: &Binary) -> bool {
        let keeps_atan2 = self.options.compat == Compat::V2 && binary.op == BinaryOp::Atan2;
        binary.changes_meaning() && !keeps_atan2
    }

    fn result_labels(&self, binary: &Binary, many: &Labels, one: &Labels) -> Labels {
        let drops_name = match binary.returns_bool {
            true => !self.options.delayed_name_removal,
            false => self.drops_name_of(binary),
        };
        let of = if drops_name { labels::unnamed(many, self.options.features) } else { many.clone() };
        match (&binary.matching.group, &binary.matching.labels) {
            (Group::None, MatchLabels::On(names)) => {
                labels::filtered(&of, |name| names.iter().any(|n| n == name))
            }
            (Group::None, MatchLabels::Ignoring(names)) => {
                labels::filtered(&of, |name| !names.iter().any(|known| known == name))
            }
            (Group::Left(taken) | Group::Right(taken), _) => {
                let taken = taken.iter().filter(|name| *name != METRIC_NAME || !one.get(name).is_empty());
                taken.fold(of, |labels, name| labels::with(&labels, name, one.get(name)))
            }
        }
    }
}

/// At which steps any of these columns has a value.
fn presence(columns: &[Column], members: &[usize], steps: Steps) -> Vec<bool> {
    let any = |step| members.iter().any(|place| is_present(columns[*place].values[step]));
    (0..steps.count).map(any).collect()
}

/// Whether two of the columns and the other one have a value at the same step.
fn meet(columns: &[&Column], other: &Column) -> bool {
    let at = |step: usize| columns.iter().filter(|column| is_present(column.values[step])).count();
    columns.len() > 1 && (0..other.values.len()).any(|step| is_present(other.values[step]) && at(step) > 1)
}
