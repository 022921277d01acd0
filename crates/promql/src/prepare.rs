//! What can be said about a query before it is evaluated: whether its types fit, and which parts of it are the
//! same at each step.

use crate::ast::{Aggregate, Binary, Call, Expr, Fill, Group, Input, MatchLabels, Node, TimeShift, Type};
use crate::error::Error;

/// Checks a tree and marks what does not change from step to step.
pub(crate) fn prepare(node: &mut Node) -> Result<(), Error> {
    check(node)?;
    mark(node);
    Ok(())
}

fn check(node: &Node) -> Result<(), Error> {
    node.children().into_iter().try_for_each(check)?;
    match &node.expr {
        Expr::Call(call) => check_call(node, call),
        Expr::Aggregate(aggregate) => check_aggregate(aggregate),
        Expr::Binary(binary) => check_binary(binary),
        Expr::Negate(inner) => match inner.value_type() {
            Type::Scalar | Type::Instant => Ok(()),
            other => Err(Error::parse(
                &node.span,
                format!("a sign stands before a scalar or an instant vector, not before a {}", other.name()),
            )),
        },
        Expr::Window(window) => match &window.input {
            Input::Subquery { inner, .. } if inner.value_type() != Type::Instant => Err(Error::parse(
                &node.span,
                format!(
                    "a subquery stands behind an instant vector, not behind a {}",
                    inner.value_type().name()
                ),
            )),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn expect(node: &Node, wanted: Type, context: &str) -> Result<(), Error> {
    let found = node.value_type();
    if found == wanted {
        return Ok(());
    }
    let hint = match (wanted, found) {
        (Type::Range, Type::Instant) => "; add a range such as [5m]",
        (Type::Instant, Type::Range) => "; drop the range, or apply a function such as rate()",
        (Type::Instant, Type::Scalar) => "; wrap it in vector()",
        (Type::Scalar, Type::Instant) => "; wrap it in scalar()",
        _ => "",
    };
    let message = format!("expected type {} in {context}, got {}{hint}", wanted.name(), found.name());
    Err(Error::parse(&node.span, message))
}

fn check_call(node: &Node, call: &Call) -> Result<(), Error> {
    let function = call.function;
    let accepted = &function.arguments;
    let count = call.arguments.len();
    if count < accepted.required || (count > accepted.types.len() && !accepted.repeats) {
        let wanted = match (accepted.repeats, accepted.required == accepted.types.len()) {
            (true, _) => format!("at least {}", accepted.required),
            (false, true) => accepted.required.to_string(),
            (false, false) => format!("{} or {}", accepted.required, accepted.types.len()),
        };
        let message = format!("expected {wanted} argument(s) in call to `{}`, got {count}", function.name);
        return Err(Error::parse(&node.span, message));
    }
    for (index, argument) in call.arguments.iter().enumerate() {
        let wanted = accepted.types[index.min(accepted.types.len() - 1)];
        expect(argument, wanted, &format!("call to function `{}`", function.name))?;
    }
    Ok(())
}

fn check_aggregate(aggregate: &Aggregate) -> Result<(), Error> {
    expect(&aggregate.inner, Type::Instant, "aggregation expression")?;
    match (&aggregate.parameter, aggregate.op.parameter()) {
        (Some(parameter), Some(wanted)) => expect(parameter, wanted, "aggregation parameter"),
        _ => Ok(()),
    }
}

fn check_binary(binary: &Binary) -> Result<(), Error> {
    let fail = |message: &str| Err(Error::parse(&binary.op_span, message));
    let (left, right) = (binary.left.value_type(), binary.right.value_type());
    for side in [&binary.left, &binary.right] {
        if !matches!(side.value_type(), Type::Scalar | Type::Instant) {
            let found = side.value_type().name();
            let message = format!("operators work on scalars and instant vectors, not on a {found}");
            return Err(Error::parse(&side.span, message));
        }
    }
    let has_scalar = left == Type::Scalar || right == Type::Scalar;
    if binary.returns_bool && !binary.op.is_comparison() {
        return fail("bool modifier can only be used on comparison operators");
    }
    if binary.op.is_comparison() && !binary.returns_bool && left == Type::Scalar && right == Type::Scalar {
        return fail("comparisons between scalars must use BOOL modifier; write `== bool`");
    }
    if binary.op.is_set() && has_scalar {
        return fail("and, or, unless stand between two instant vectors; wrap a scalar in vector()");
    }
    if (binary.op.is_set() || has_scalar) && binary.matching.fill != Fill::default() {
        return fail(
            "a missing series is filled only between two instant vectors, and not for and, or, unless",
        );
    }
    if binary.op.is_set() && binary.matching.group != Group::None {
        return fail("no grouping allowed for and, or, unless");
    }
    let (MatchLabels::On(labels) | MatchLabels::Ignoring(labels)) = &binary.matching.labels;
    if has_scalar && !labels.is_empty() {
        return fail("vector matching only allowed between instant vectors");
    }
    if let (MatchLabels::On(labels), Group::Left(taken) | Group::Right(taken)) =
        (&binary.matching.labels, &binary.matching.group)
        && let Some(both) = labels.iter().find(|label| taken.contains(label))
    {
        return fail(&format!("label `{both}` must not occur in ON and GROUP clause at once"));
    }
    Ok(())
}

/// Marks what is the same at each step: everything below it is, and looks at a fixed time.
fn mark(node: &mut Node) -> bool {
    let is_fixed = |shift: &TimeShift| shift.at.is_some();
    node.invariant = match &mut node.expr {
        Expr::Number(_) | Expr::Text(_) => true,
        Expr::Selector(selector) => is_fixed(&selector.shift),
        Expr::Window(window) => match &mut window.input {
            Input::Samples(selector) => is_fixed(&selector.shift),
            Input::Subquery { inner, shift, .. } => {
                mark(inner);
                is_fixed(shift)
            }
        },
        Expr::Call(call) => {
            let mut all = true;
            call.arguments.iter_mut().for_each(|argument| all &= mark(argument));
            let of_selector =
                call.arguments.first().is_some_and(|node| matches!(node.unwrapped().expr, Expr::Selector(_)));
            let is_timestamp_of_selector = call.function.name == "timestamp" && of_selector;
            all && (is_timestamp_of_selector || !call.function.depends_on_time(&call.arguments))
        }
        Expr::Aggregate(aggregate) => {
            let parameter = aggregate.parameter.as_mut().is_none_or(mark);
            mark(&mut aggregate.inner) && parameter
        }
        Expr::Binary(binary) => {
            let left = mark(&mut binary.left);
            mark(&mut binary.right) && left
        }
        Expr::Negate(inner) | Expr::Paren(inner) => mark(inner),
    };
    node.invariant
}
