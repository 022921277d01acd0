//! Entries as versions 1 and 2 of a day's file had them, a row for each. They are read, by a filter in SQL.

use std::ops::RangeInclusive;
use std::time::Instant;

use model::Word;
use model::filter::{CONTAINED, Compare, Condition, Filter, NumberField, Pattern, TextField, network};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params_from_iter};

use super::block::Block;
use super::columns::NO_TRYOUT;
use super::day::Day;

/// What version 1 made.
pub(super) const TABLES: &str = "CREATE TABLE connections (
    key INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    id TEXT NOT NULL,
    protocol TEXT NOT NULL,
    route TEXT NOT NULL,
    client TEXT NOT NULL,
    client_bytes BLOB NOT NULL,
    port INTEGER NOT NULL,
    upstream TEXT,
    opened_ns INTEGER NOT NULL,
    duration REAL,
    result TEXT,
    status INTEGER,
    initiator TEXT,
    layer TEXT,
    reason TEXT,
    code_client INTEGER,
    code_upstream INTEGER,
    idle REAL,
    messages INTEGER,
    bytes INTEGER,
    unsent INTEGER,
    service TEXT,
    method TEXT,
    grpc_code TEXT,
    block INTEGER NOT NULL,
    place INTEGER NOT NULL,
    segment INTEGER GENERATED ALWAYS AS (key / 600000000000) VIRTUAL
) STRICT;
CREATE INDEX by_id ON connections (segment, id);
CREATE INDEX by_client ON connections (segment, client_bytes);
CREATE INDEX by_reason ON connections (reason);
CREATE INDEX by_route_and_reason ON connections (route, reason);
CREATE TABLE blocks (block INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;";

/// Whether a file has such rows.
///
/// # Errors
/// What SQLite said.
pub(super) fn are_in(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'connections'", [], |row| row.get(0))
}

/// The greatest key of all rows.
///
/// # Errors
/// What SQLite said.
pub(super) fn last_key(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT max(key) FROM connections", [], |row| row.get(0))
}

/// Whether a row has this key.
///
/// # Errors
/// What SQLite said.
pub(super) fn has_key(connection: &Connection, key: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM connections WHERE key = ?1")?.exists([key])
}

/// Steps of SQLite's machine between two looks at the clock, some 50 µs.
const STEPS_PER_LOOK: i32 = 5000;

/// Its indexes of ids and addresses have one part for each of these: ten minutes.
const SEGMENTS_PER_DAY: u64 = 144;

/// Networks of more addresses than these leading bits leave are not looked up in the index of addresses: what is
/// found must be sorted.
const INDEXED_PREFIX_BITS: u32 = 96 + 20;

/// A row that was found.
#[derive(Clone, Debug)]
pub(super) struct FoundRow {
    /// Its key.
    pub(super) key: i64,
    /// Its state.
    pub(super) state: String,
    /// The block of the whole entry.
    pub(super) block: i64,
    /// The place in the block.
    pub(super) place: usize,
}

/// The first rows that a filter takes, those with the greatest keys first; and whether time was enough for them.
///
/// # Errors
/// What SQLite said.
pub(super) fn find(
    connection: &mut Connection,
    day: Day,
    filter: &Filter,
    keys: &RangeInclusive<i64>,
    limit: usize,
    deadline: Instant,
) -> rusqlite::Result<(Vec<FoundRow>, bool)> {
    let Sql { text, parameters } = condition(filter, keys, day);
    let select = format!("SELECT key, state, block, place FROM {text} ORDER BY key DESC LIMIT {limit}");
    let mut rows = Vec::new();
    let is_whole = in_time(connection, deadline, |connection| {
        let mut select = connection.prepare(&select)?;
        for row in select.query_map(params_from_iter(&parameters), found)? {
            rows.push(row?);
        }
        Ok(())
    })?;
    Ok((rows, is_whole.is_some()))
}

fn found(row: &Row<'_>) -> rusqlite::Result<FoundRow> {
    let place: i64 = row.get(3)?;
    Ok(FoundRow {
        key: row.get(0)?,
        state: row.get(1)?,
        block: row.get(2)?,
        place: usize::try_from(place).unwrap_or(usize::MAX),
    })
}

/// How many rows a filter takes, up to a limit; none when time ran out.
///
/// # Errors
/// What SQLite said.
pub(super) fn count(
    connection: &mut Connection,
    day: Day,
    filter: &Filter,
    keys: &RangeInclusive<i64>,
    limit: u64,
    deadline: Instant,
) -> rusqlite::Result<Option<u64>> {
    let Sql { text, parameters } = condition(filter, keys, day);
    let limit = limit.min(i64::MAX as u64);
    let select = format!("SELECT count(*) FROM (SELECT 1 FROM {text} LIMIT {limit})");
    in_time(connection, deadline, |connection| {
        let count = connection.query_row(&select, params_from_iter(&parameters), |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs)
    })
}

/// What is read before the deadline; none when it was not.
fn in_time<T>(
    connection: &mut Connection,
    deadline: Instant,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.progress_handler(STEPS_PER_LOOK, Some(move || Instant::now() >= deadline))?;
    let read = read(connection);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match read {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(None),
        read => read.map(Some),
    }
}

/// The block of this number; none when it is damaged or is not there.
///
/// # Errors
/// What SQLite said.
pub(super) fn block(connection: &Connection, block: i64) -> rusqlite::Result<Option<Block>> {
    let mut select = connection.prepare_cached("SELECT bytes FROM blocks WHERE block = ?1")?;
    let bytes = select.query_row([block], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    Ok(bytes.and_then(|bytes| Block::read(&bytes)))
}

/// A condition with its parameters, each `?` one.
#[derive(Debug, Default)]
struct Sql {
    /// What follows FROM, WHERE included.
    text: String,
    /// In the order of the text.
    parameters: Vec<Value>,
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

/// First and last segment of the indexes in a day's file; an entry of its last moment may count on into the next day.
fn segments(day: Day) -> (i64, i64) {
    let first = (day.0 * SEGMENTS_PER_DAY).cast_signed();
    (first, first + SEGMENTS_PER_DAY.cast_signed())
}

fn is_narrow(condition: &Condition) -> bool {
    let Condition::Network { address, prefix_bits } = condition else { return false };
    let (first, last) = network(*address, *prefix_bits);
    let differing = u128::from_be_bytes(first) ^ u128::from_be_bytes(last);
    128 - differing.count_ones() >= INDEXED_PREFIX_BITS
}

/// Entries of a day's file that a filter takes and whose keys are in a range.
fn condition(filter: &Filter, keys: &RangeInclusive<i64>, day: Day) -> Sql {
    let way = Way::of(filter);
    let mut sql = Sql::default();
    let range = [*keys.start(), *keys.end()].map(Value::Integer);
    sql.push(&format!("{} WHERE key BETWEEN ? AND ?", way.table()), range);
    if matches!(way, Way::Id | Way::Client) {
        let (first, last) = segments(day);
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
            // What has rows is older than these.
            Condition::Text { field: TextField::Country | TextField::UserAgent, .. } => {
                self.text.push_str("NULL");
            }
            Condition::Text { field: TextField::Tryout, pattern } => {
                self.text.push_str(if pattern.takes(NO_TRYOUT) { "1" } else { "0" });
            }
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
