//! Functions that change labels.

use model::series::METRIC_NAME;
use regex::Captures;

use crate::ast::{Call, Node};
use crate::error::Error;
use crate::eval::{Data, Evaluator, Steps, joined};
use crate::labels;
use crate::options::Compat;
use crate::pattern::Pattern;

/// Sets a label from another one, where that matches.
pub(super) fn replace(ev: &Evaluator<'_>, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    let [target, template, source, pattern] = [1, 2, 3, 4].map(|index| ev.text(&call.arguments[index]));
    let (target, template, source) = (target?, template?, source?);
    check_name(ev, &call.arguments[1], target)?;
    let pattern = Pattern::new(pattern?).map_err(|error| Error::parse(&call.arguments[4].span, error))?;
    let mut columns = ev.columns(&call.arguments[0], steps)?;
    for column in &mut columns {
        let value = pattern.captures(column.labels.get(source)).map(|captures| expanded(template, &captures));
        if let Some(value) = value {
            column.labels = labels::with(&column.labels, target, &value);
            column.drops_name &= target != METRIC_NAME;
        }
    }
    joined(columns, &node.span).map(Data::Columns)
}

/// Sets a label to others, joined.
pub(super) fn join(ev: &Evaluator<'_>, node: &Node, call: &Call, steps: Steps) -> Result<Data, Error> {
    let (target, separator) = (ev.text(&call.arguments[1])?, ev.text(&call.arguments[2])?);
    check_name(ev, &call.arguments[1], target)?;
    let sources: Vec<&str> =
        call.arguments[3..].iter().map(|node| ev.text(node)).collect::<Result<_, _>>()?;
    for (source, node) in sources.iter().zip(&call.arguments[3..]) {
        check_name(ev, node, source)?;
    }
    let mut columns = ev.columns(&call.arguments[0], steps)?;
    for column in &mut columns {
        let values: Vec<&str> = sources.iter().map(|source| column.labels.get(source)).collect();
        column.labels = labels::with(&column.labels, target, &values.join(separator));
        column.drops_name &= target != METRIC_NAME;
    }
    joined(columns, &node.span).map(Data::Columns)
}

/// In 3.x a name may be any text, in 2.x a word.
fn check_name(ev: &Evaluator<'_>, node: &Node, name: &str) -> Result<(), Error> {
    let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.starts_with(|c: char| !c.is_ascii_digit());
    if name.is_empty() || (ev.options.compat == Compat::V2 && !is_word) {
        return Err(Error::execution(&node.span, format!("{name:?} cannot be the name of a label")));
    }
    Ok(())
}

/// A template of Go's regexp: `$1`, `${name}`, `$$`. A name is as long as it can be; an unknown one is empty.
fn expanded(template: &str, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            out.push('$');
            rest = tail;
            continue;
        }
        let braced = rest.strip_prefix('{').and_then(|tail| tail.split_once('}'));
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, tail) = braced.unwrap_or_else(|| rest.split_at(length));
        if name.is_empty() {
            out.push('$');
            continue;
        }
        let group = match name.parse::<usize>() {
            Ok(index) => captures.get(index),
            Err(_) => captures.name(name),
        };
        out.push_str(group.map_or("", |group| group.as_str()));
        rest = tail;
    }
    out + rest
}
