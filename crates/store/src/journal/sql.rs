//! A filter in SQL.

use model::filter::{CONTAINED, Compare, Condition, Filter, NumberField, Pattern, Term, TextField, network};
use model::{Word, journal::EndedRange};
use rusqlite::types::Value;

/// Networks of more addresses than these leading bits leave are not looked up in the index of addresses: what is
/// found must be sorted.
const INDEXED_PREFIX_BITS: u32 = 96 + 20;

/// A condition with its parameters, each `?` one.
#[derive(Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) parameters: Vec<Value>,
}

/// Entries that a filter takes and that ended within a range.
pub(super) fn condition(filter: &Filter, ended: EndedRange, before: i64) -> Sql {
    let mut sql = Sql::default();
    let clamped = |at: u64| Value::Integer(at.min(i64::MAX as u64).cast_signed());
    sql.push(
        "key >= ? AND key <= ? AND key < ?",
        [clamped(ended.from.0), clamped(ended.to.0), Value::Integer(before)],
    );
    // In the order of keys, all of a route are found faster without the index when they are many.
    let is_by_reason = filter.terms.iter().any(|term| {
        let Term { is_negated, condition } = term;
        !is_negated
            && matches!(condition, Condition::Text { field: TextField::Reason, pattern: Pattern::Is(_) })
    });
    for term in &filter.terms {
        sql.text.push_str(if term.is_negated { " AND NOT coalesce((" } else { " AND (" });
        sql.push_condition(&term.condition, is_by_reason && !term.is_negated);
        sql.text.push_str(if term.is_negated { "), 0)" } else { ")" });
    }
    sql
}

impl Sql {
    fn push(&mut self, text: &str, parameters: impl IntoIterator<Item = Value>) {
        self.text.push_str(text);
        self.parameters.extend(parameters);
    }

    fn push_condition(&mut self, condition: &Condition, may_use_route: bool) {
        match condition {
            Condition::Text { field, pattern } => {
                let column = field.as_str();
                let is_indexed = may_use_route || *field != TextField::Route;
                let column = if is_indexed { column.to_owned() } else { format!("+{column}") };
                match pattern {
                    Pattern::Is(text) => self.push(&format!("{column} = ?"), [Value::Text(text.clone())]),
                    Pattern::Glob(parts) => {
                        let glob = parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join("*");
                        self.push(&format!("{column} GLOB ?"), [Value::Text(glob)]);
                    }
                }
            }
            Condition::Number { field, compare, value } => {
                let compare = operator(*compare);
                let columns: &[&str] = match field {
                    NumberField::Code => &["code_client", "code_upstream"],
                    other => &[other.as_str()],
                };
                for (index, column) in columns.iter().enumerate() {
                    self.text.push_str(if index > 0 { " OR " } else { "" });
                    self.push(&format!("{column} {compare} ?"), [Value::Real(*value)]);
                }
            }
            Condition::Network { address, prefix_bits } => {
                let (first, last) = network(*address, *prefix_bits);
                let host_bits = (u128::from_be_bytes(first) ^ u128::from_be_bytes(last)).count_ones();
                let sign = if 128 - host_bits >= INDEXED_PREFIX_BITS { "" } else { "+" };
                let bytes = [first, last].map(|bytes| Value::Blob(bytes.to_vec()));
                self.push(&format!("{sign}client_bytes BETWEEN ? AND ?"), bytes);
            }
            Condition::Contains(text) => {
                for (index, field) in CONTAINED.iter().enumerate() {
                    self.text.push_str(if index > 0 { " OR " } else { "" });
                    let text = Value::Text(text.to_ascii_lowercase());
                    self.push(&format!("instr(lower({field}), ?) > 0"), [text]);
                }
            }
        }
    }
}

fn operator(compare: Compare) -> &'static str {
    match compare {
        Compare::Equal => "=",
        Compare::Above => ">",
        Compare::AtLeast => ">=",
        Compare::Below => "<",
        Compare::AtMost => "<=",
    }
}

/// Text that GLOB takes as it is.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '?' | '[' => quoted.extend(['[', character, ']']),
            other => quoted.push(other),
        }
    }
    quoted
}
