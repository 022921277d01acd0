//! Reading the journal: day by day, the newest first.

use std::ops::{Bound, RangeInclusive};
use std::path::Path;
use std::time::{Duration, Instant};

use model::ConnectionId;
use model::filter::{Condition, Filter, Pattern, Term, TextField};
use model::journal::{
    Cursor, EndedRange, Journal, JournalCount, JournalEntry, JournalError, JournalPage, JournalQuery,
};

use super::day::Day;
use super::reader::DayReader;
use super::{JournalStore, Shared};
use crate::error::StoreError;

/// Time in which one file is read whole.
pub(super) const ENOUGH: Duration = Duration::from_secs(3600);

impl Journal for JournalStore {
    fn page(&self, query: &JournalQuery) -> Result<JournalPage, JournalError> {
        let _turn = self.shared.gate.enter();
        let deadline = Instant::now() + query.patience;
        let mut page = JournalPage { entries: Vec::new(), next: None, is_complete: true };
        let keys = keys_of(query.ended, query.after);
        let mut found = 0;
        for day in self.shared.days_of(&keys) {
            let read = self.shared.read_day(day, |reader| {
                let more = query.limit - found + 1;
                let (mut places, is_whole) = reader.find(&query.filter, &keys, more, deadline)?;
                let is_full = places.len() == more;
                places.truncate(query.limit - found);
                found += places.len();
                if let Some(last) = places.last() {
                    page.next = Some(Cursor(last.key));
                }
                page.entries.extend(reader.entries(&places)?);
                page.is_complete = is_full || is_whole;
                Ok(is_full || !is_whole)
            })?;
            if read == Some(true) {
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
        let mut count = 0;
        let keys = keys_of(ended, None);
        for day in self.shared.days_of(&keys) {
            let limit = (count_max - count).saturating_add(1);
            let read = self.shared.read_day(day, |reader| reader.count(filter, &keys, limit, deadline))?;
            let Some((counted, is_whole)) = read else { continue };
            count += counted;
            if count > count_max || !is_whole {
                return Ok(JournalCount { count: count.min(count_max), is_exact: false });
            }
        }
        Ok(JournalCount { count, is_exact: true })
    }

    fn one(&self, id: ConnectionId) -> Result<Option<JournalEntry>, JournalError> {
        let _turn = self.shared.gate.enter();
        let keys = keys_of(EndedRange::ALWAYS, None);
        for day in self.shared.days_of(&keys) {
            let found = self.shared.read_day(day, |reader| {
                let (places, _) = reader.find(&by_id(id), &keys, 1, Instant::now() + ENOUGH)?;
                reader.entries(&places)
            })?;
            if let Some(entry) = found.and_then(|mut entries| entries.pop()) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

impl Shared {
    /// Days that can have keys of the range, newest first.
    pub(super) fn days_of(&self, keys: &RangeInclusive<i64>) -> Vec<Day> {
        let [first, last] =
            [keys.start(), keys.end()].map(|key| Day::of(model::WallTime(key.unsigned_abs())));
        // `range` wants bounds in order.
        if keys.is_empty() {
            return Vec::new();
        }
        self.days.read().range((Bound::Included(first), Bound::Included(last))).rev().copied().collect()
    }

    /// What is read of a day's file; none when it has no entries or is gone by now.
    ///
    /// # Errors
    /// SQLite failed.
    pub(super) fn read_day<T>(
        &self,
        day: Day,
        read: impl FnOnce(&mut DayReader<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, JournalError> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let file = day.file(directory);
        match DayReader::open(&file, day, &self.counters) {
            Ok(Some(mut reader)) => read(&mut reader).map(Some).map_err(|error| failed(&file, error)),
            Ok(None) => Ok(None),
            Err(_) if !file.exists() => Ok(None),
            Err(error) => Err(failed(&file, error)),
        }
    }
}

/// The keys that a question is about.
fn keys_of(ended: EndedRange, after: Option<Cursor>) -> RangeInclusive<i64> {
    let [from, to] = [ended.from, ended.to].map(|at| at.0.min(i64::MAX as u64).cast_signed());
    let before = after.map_or(i64::MAX, |Cursor(key)| key.saturating_sub(1));
    from..=to.min(before)
}

/// The connection of this name.
pub(super) fn by_id(id: ConnectionId) -> Filter {
    let condition = Condition::Text { field: TextField::Id, pattern: Pattern::Is(id.to_string()) };
    Filter { terms: vec![Term { is_negated: false, condition }] }
}

fn failed(file: &Path, error: rusqlite::Error) -> JournalError {
    JournalError(StoreError::of(file)(error).to_string())
}
