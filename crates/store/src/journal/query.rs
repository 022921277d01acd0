//! Reading the journal: day by day, the newest first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Bound;
use std::time::{Duration, Instant};

use model::ConnectionId;
use model::filter::Filter;
use model::journal::{
    Cursor, EndedRange, Journal, JournalCount, JournalEntry, JournalError, JournalPage, JournalQuery,
};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params_from_iter};

use super::JournalStore;
use super::block::Block;
use super::day::Day;
use super::sql::{self, Sql};
use crate::database;
use crate::error::StoreError;

/// Steps of SQLite's machine between two looks at the clock, some 50 µs.
const STEPS_PER_LOOK: i32 = 5000;

/// Where an entry is.
struct Found {
    key: i64,
    state: String,
    block: i64,
    place: usize,
}

/// Whether something was done to its end.
enum Done<T> {
    Whole(T),
    OutOfTime(T),
}

impl Journal for JournalStore {
    fn page(&self, query: &JournalQuery) -> Result<JournalPage, JournalError> {
        let _turn = self.shared.gate.enter();
        let deadline = Instant::now() + query.patience;
        let mut page = JournalPage { entries: Vec::new(), next: None, is_complete: true };
        let before = query.after.map_or(i64::MAX, |Cursor(key)| key);
        let mut found = 0;
        for (day, connection) in self.open_days(query.ended, before) {
            let mut connection = connection?;
            let more = query.limit - found + 1;
            let sql = sql::condition(&query.filter, query.ended, before, day);
            let (mut rows, is_whole) = match self.find(day, &mut connection, &sql, more, deadline)? {
                Done::Whole(rows) => (rows, true),
                Done::OutOfTime(rows) => (rows, false),
            };
            let is_full = rows.len() == more;
            rows.truncate(query.limit - found);
            found += rows.len();
            if let Some(last) = rows.last() {
                page.next = Some(Cursor(last.key));
            }
            let last = page.next;
            page.entries.extend(self.entries(day, &mut connection, &rows)?);
            if is_full || !is_whole {
                page.is_complete = is_whole;
                page.next = last;
                return Ok(page);
            }
        }
        page.next = None;
        Ok(page)
    }

    fn count(
        &self,
        filter: &Filter,
        ended: EndedRange,
        count_max: u64,
        patience: Duration,
    ) -> Result<JournalCount, JournalError> {
        let _turn = self.shared.gate.enter();
        let deadline = Instant::now() + patience;
        let mut counted = JournalCount { count: 0, is_exact: true };
        for (day, connection) in self.open_days(ended, i64::MAX) {
            let mut connection = connection?;
            let left = count_max - counted.count;
            let Sql { text, parameters } = sql::condition(filter, ended, i64::MAX, day);
            let limit = left.min(i64::MAX as u64 - 1) + 1;
            let select = format!("SELECT count(*) FROM (SELECT 1 FROM {text} LIMIT {limit})");
            limit_time(&mut connection, deadline).map_err(|error| self.failed(day, error))?;
            let count =
                connection.query_row(&select, params_from_iter(&parameters), |row| row.get::<_, i64>(0));
            match count {
                Ok(count) if count.unsigned_abs() <= left => counted.count += count.unsigned_abs(),
                Ok(_) => return Ok(JournalCount { count: count_max, is_exact: false }),
                Err(error) if is_out_of_time(&error) => {
                    return Ok(JournalCount { is_exact: false, ..counted });
                }
                Err(error) => return Err(self.failed(day, error)),
            }
        }
        Ok(counted)
    }

    fn one(&self, id: ConnectionId) -> Result<Option<JournalEntry>, JournalError> {
        let _turn = self.shared.gate.enter();
        let filter = sql::by_id(id);
        for (day, connection) in self.open_days(EndedRange::ALWAYS, i64::MAX) {
            let mut connection = connection?;
            let Sql { text, parameters } = sql::condition(&filter, EndedRange::ALWAYS, i64::MAX, day);
            let select = format!("SELECT key, state, block, place FROM {text} LIMIT 1");
            let found = connection.query_row(&select, params_from_iter(&parameters), found).optional();
            if let Some(found) = found.map_err(|error| self.failed(day, error))? {
                return Ok(self.entries(day, &mut connection, &[found])?.pop());
            }
        }
        Ok(None)
    }
}

impl JournalStore {
    /// Days that can have entries of the range, newest first, opened one by one.
    fn open_days(
        &self,
        ended: EndedRange,
        before: i64,
    ) -> impl Iterator<Item = (Day, Result<Connection, JournalError>)> + '_ {
        let first = Day::of(ended.from);
        let last = Day::of(ended.to).min(Day::of(model::WallTime(before.unsigned_abs())));
        let days = self.shared.days.read();
        // `range` wants bounds in order.
        let wanted: Vec<Day> = match first <= last {
            true => days.range((Bound::Included(first), Bound::Included(last))).rev().copied().collect(),
            false => Vec::new(),
        };
        drop(days);
        wanted.into_iter().filter_map(|day| {
            let directory = self.shared.directory.as_ref()?;
            let file = day.file(directory);
            let opened = database::open_to_read(&file)
                .and_then(|connection| Ok(database::has_tables(&connection)?.then_some(connection)));
            match opened.transpose()? {
                // Too old by now.
                Err(_) if !file.exists() => None,
                opened => Some((day, opened.map_err(|error| self.failed(day, error)))),
            }
        })
    }

    fn find(
        &self,
        day: Day,
        connection: &mut Connection,
        sql: &Sql,
        limit: usize,
        deadline: Instant,
    ) -> Result<Done<Vec<Found>>, JournalError> {
        let text = &sql.text;
        let select = format!("SELECT key, state, block, place FROM {text} ORDER BY key DESC LIMIT {limit}");
        let mut rows = Vec::new();
        let mut read = || {
            limit_time(connection, deadline)?;
            let mut select = connection.prepare(&select)?;
            for row in select.query_map(params_from_iter(&sql.parameters), found)? {
                rows.push(row?);
            }
            Ok(())
        };
        match read() {
            Ok(()) => Ok(Done::Whole(rows)),
            Err(error) if is_out_of_time(&error) => Ok(Done::OutOfTime(rows)),
            Err(error) => Err(self.failed(day, error)),
        }
    }

    /// The entries in these places; those that are damaged are counted and left out.
    fn entries(
        &self,
        day: Day,
        connection: &mut Connection,
        places: &[Found],
    ) -> Result<Vec<JournalEntry>, JournalError> {
        let mut read = || {
            connection.progress_handler(0, None::<fn() -> bool>)?;
            let mut blocks: HashMap<i64, Block> = HashMap::new();
            let mut entries = Vec::with_capacity(places.len());
            let mut select = connection.prepare("SELECT bytes FROM blocks WHERE block = ?1")?;
            for found in places {
                let block = match blocks.entry(found.block) {
                    Entry::Occupied(block) => block.into_mut(),
                    Entry::Vacant(place) => {
                        let bytes = select.query_row([found.block], |row| row.get::<_, Vec<u8>>(0));
                        let block = bytes.optional()?.and_then(|bytes| Block::read(&bytes));
                        place.insert(block.unwrap_or_default())
                    }
                };
                match block.entry(&found.state, found.place) {
                    Some(entry) => entries.push(entry),
                    None => self.shared.counters.damaged(),
                }
            }
            Ok(entries)
        };
        read().map_err(|error| self.failed(day, error))
    }

    fn failed(&self, day: Day, error: rusqlite::Error) -> JournalError {
        let file = self.shared.directory.as_deref().map(|directory| day.file(directory)).unwrap_or_default();
        JournalError(StoreError::of(&file)(error).to_string())
    }
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let place: i64 = row.get(3)?;
    Ok(Found {
        key: row.get(0)?,
        state: row.get(1)?,
        block: row.get(2)?,
        place: usize::try_from(place).unwrap_or(usize::MAX),
    })
}

fn limit_time(connection: &mut Connection, deadline: Instant) -> rusqlite::Result<()> {
    connection.progress_handler(STEPS_PER_LOOK, Some(move || Instant::now() >= deadline))
}

fn is_out_of_time(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}
