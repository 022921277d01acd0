//! A filter in SQL.

use model::filter::{CONTAINED, Compare, Condition, Filter, NumberField, Pattern, Term, TextField, network};
use model::journal::EndedRange;
use model::{ConnectionId, Word};
use rusqlite::types::Value;

use super::day::Day;

/// Networks of more addresses than these leading bits leave are not looked up in the index of addresses: what is
/// found must be sorted.
const INDEXED_PREFIX_BITS: u32 = 96 + 20;

/// A condition with its parameters, each `?` one.
#[derive(Debug, Default)]
pub(super) struct Sql {
    /// What follows FROM, WHERE included.
    pub(super) text: String,
    /// In the order of the text.
    pub(super) parameters: Vec<Value>,
}

/// How entries are found; what is found by the last three is in the order of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Id,
    Client,
    RouteAndReason,
    Reason,
    Key,
}

impl Way {
    fn of(filter: &Filter) -> Way {
        let conditions = || filter.terms.iter().filter(|term| !term.is_negated).map(|term| &term.condition);
        let is = |wanted| move |condition: &Condition| matches!(condition, Condition::Text { field, pattern: Pattern::Is(_) } if *field == wanted);
        if conditions().any(is(TextField::Id)) {
            Way::Id
        } else if conditions().any(is_narrow) {
            Way::Client
        } else if !conditions().any(is(TextField::Reason)) {
            Way::Key
        } else if conditions().any(is(TextField::Route)) {
            Way::RouteAndReason
        } else {
            Way::Reason
        }
    }

    fn table(self) -> &'static str {
        match self {
            Way::Id => "connections INDEXED BY by_id",
            Way::Client => "connections INDEXED BY by_client",
            Way::RouteAndReason => "connections INDEXED BY by_route_and_reason",
            Way::Reason => "connections INDEXED BY by_reason",
            Way::Key => "connections NOT INDEXED",
        }
    }
}

fn is_narrow(condition: &Condition) -> bool {
    let Condition::Network { address, prefix_bits } = condition else { return false };
    let (first, last) = network(*address, *prefix_bits);
    let differing = u128::from_be_bytes(first) ^ u128::from_be_bytes(last);
    128 - differing.count_ones() >= INDEXED_PREFIX_BITS
}

/// The connection of this name.
pub(super) fn by_id(id: ConnectionId) -> Filter {
    let condition = Condition::Text { field: TextField::Id, pattern: Pattern::Is(id.to_string()) };
    Filter { terms: vec![Term { is_negated: false, condition }] }
}

/// Entries of a day's file that a filter takes, that ended within a range, and whose key is smaller than `before`.
pub(super) fn condition(filter: &Filter, ended: EndedRange, before: i64, day: Day) -> Sql {
    let way = Way::of(filter);
    let mut sql = Sql::default();
    let clamped = |at: u64| Value::Integer(at.min(i64::MAX as u64).cast_signed());
    let range = [clamped(ended.from.0), clamped(ended.to.0), Value::Integer(before)];
    sql.push(&format!("{} WHERE key >= ? AND key <= ? AND key < ?", way.table()), range);
    if matches!(way, Way::Id | Way::Client) {
        let (first, last) = day.segments();
        let segments = "segment IN (WITH RECURSIVE segments (n) AS (VALUES (?) UNION ALL SELECT n + 1 FROM segments \
                        WHERE n < ?) SELECT n FROM segments)";
        sql.push(&format!(" AND {segments}"), [first, last].map(Value::Integer));
    }
    for term in &filter.terms {
        sql.text.push_str(if term.is_negated { " AND NOT coalesce((" } else { " AND (" });
        sql.push_condition(&term.condition);
        sql.text.push_str(if term.is_negated { "), 0)" } else { ")" });
    }
    sql
}

impl Sql {
    fn push(&mut self, text: &str, parameters: impl IntoIterator<Item = Value>) {
        self.text.push_str(text);
        self.parameters.extend(parameters);
    }

    fn push_condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Text { field, pattern } => {
                let column = field.as_str();
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
                let bytes = [first, last].map(|bytes| Value::Blob(bytes.to_vec()));
                self.push("client_bytes BETWEEN ? AND ?", bytes);
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
