//! The file of a day that is read: chunks, and the rows that earlier versions wrote.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Instant;

use model::filter::Filter;
use model::journal::JournalEntry;
use rusqlite::Connection;

use super::Counters;
use super::block::Block;
use super::chunk::{self, Head, Stored, Trouble};
use super::columns::{PART_ENTRIES, Packed};
use super::day::Day;
use super::names::{self, NameList};
use super::rows::{self, FoundRow};
use super::{matching, unpack};
use crate::database;

/// The first version that has chunks.
const CHUNKS_SINCE: i64 = 3;

/// Statements that are kept: one for each column.
const STATEMENTS: usize = 32;

/// A file as it is at one moment.
pub(super) struct DayReader<'a> {
    day: Day,
    connection: Connection,
    has_rows: bool,
    has_chunks: bool,
    counters: &'a Counters,
}

/// Where an entry is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its key.
    pub(super) key: i64,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Row(FoundRow),
    Chunk(Head, usize),
}

impl<'a> DayReader<'a> {
    /// Opens the file; none when it has no tables yet: who made it may have ended before.
    ///
    /// # Errors
    /// What SQLite said.
    pub(super) fn open(
        file: &Path,
        day: Day,
        counters: &'a Counters,
    ) -> rusqlite::Result<Option<DayReader<'a>>> {
        let connection = database::open_to_read(file)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Chunks come and go; what is found must be there until it is read.
        connection.execute_batch("BEGIN")?;
        let version = database::version(&connection)?;
        if version == 0 {
            return Ok(None);
        }
        let has_rows = rows::are_in(&connection)?;
        Ok(Some(DayReader { day, connection, has_rows, has_chunks: version >= CHUNKS_SINCE, counters }))
    }

    /// The first entries that a filter takes, those with the greatest keys first; and whether time was enough.
    ///
    /// # Errors
    /// What SQLite said.
    pub(super) fn find(
        &mut self,
        filter: &Filter,
        keys: &RangeInclusive<i64>,
        limit: usize,
        deadline: Instant,
    ) -> rusqlite::Result<(Vec<Found>, bool)> {
        let (mut found, mut is_whole, mut missing_to) = (Vec::new(), true, i64::MIN);
        if self.has_rows {
            let (rows, in_time) = rows::find(&mut self.connection, self.day, filter, keys, limit, deadline)?;
            if !in_time {
                (is_whole, missing_to) = (false, rows.last().map_or(i64::MAX, |row| row.key - 1));
            }
            found.extend(rows.into_iter().map(|row| Found { key: row.key, place: Place::Row(row) }));
        }
        for head in self.heads(keys)? {
            if found.len() >= limit && found.last().is_some_and(|last| last.key > head.last) {
                break;
            }
            if Instant::now() >= deadline {
                (is_whole, missing_to) = (false, missing_to.max(head.last));
                break;
            }
            found.extend(self.find_in(head, filter, keys, limit)?);
            found.sort_unstable_by_key(|found| std::cmp::Reverse(found.key));
            found.truncate(limit);
        }
        found.retain(|found| is_whole || found.key > missing_to);
        Ok((found, is_whole))
    }

    fn heads(&self, keys: &RangeInclusive<i64>) -> rusqlite::Result<Vec<Head>> {
        match self.has_chunks {
            true => chunk::heads(&self.connection, *keys.start(), *keys.end()),
            false => Ok(Vec::new()),
        }
    }

    /// The last entries of a chunk that a filter takes.
    fn find_in(
        &self,
        head: Head,
        filter: &Filter,
        keys: &RangeInclusive<i64>,
        limit: usize,
    ) -> rusqlite::Result<Vec<Found>> {
        let chunk = Stored { connection: &self.connection, head };
        let find = || {
            let taken = matching::rows(&chunk, filter)?;
            if taken.is_empty() {
                return Ok(Vec::new());
            }
            let chunk_keys = chunk.keys()?;
            let newest = taken.iter().rev().filter(|row| keys.contains(&chunk_keys[**row]));
            let found = |row: &usize| Found { key: chunk_keys[*row], place: Place::Chunk(head, *row) };
            Ok(newest.take(limit).map(found).collect())
        };
        Ok(self.unless_damaged(head, find())?.unwrap_or_default())
    }

    /// How many entries a filter takes, up to a limit; and whether time was enough.
    ///
    /// # Errors
    /// What SQLite said.
    pub(super) fn count(
        &mut self,
        filter: &Filter,
        keys: &RangeInclusive<i64>,
        limit: u64,
        deadline: Instant,
    ) -> rusqlite::Result<(u64, bool)> {
        let mut count = 0;
        if self.has_rows {
            match rows::count(&mut self.connection, self.day, filter, keys, limit, deadline)? {
                Some(rows) => count = rows,
                None => return Ok((0, false)),
            }
        }
        for head in self.heads(keys)? {
            if count >= limit {
                break;
            }
            if Instant::now() >= deadline {
                return Ok((count, false));
            }
            count += self.count_in(head, filter, keys)?;
        }
        Ok((count.min(limit), true))
    }

    fn count_in(&self, head: Head, filter: &Filter, keys: &RangeInclusive<i64>) -> rusqlite::Result<u64> {
        let chunk = Stored { connection: &self.connection, head };
        let is_inside = keys.contains(&head.first) && keys.contains(&head.last);
        let count = || {
            if is_inside && filter.terms.is_empty() {
                return Ok(head.entries);
            }
            let taken = matching::rows(&chunk, filter)?;
            if is_inside || taken.is_empty() {
                return Ok(taken.len());
            }
            let chunk_keys = chunk.keys()?;
            Ok(taken.iter().filter(|row| keys.contains(&chunk_keys[**row])).count())
        };
        Ok(self.unless_damaged(head, count())?.unwrap_or(0) as u64)
    }

    /// The entries in these places; those that are damaged are counted and left out.
    ///
    /// # Errors
    /// What SQLite said.
    pub(super) fn entries(&self, places: &[Found]) -> rusqlite::Result<Vec<JournalEntry>> {
        let names = if self.has_chunks { names::read(&self.connection)? } else { NameList::new() };
        let mut blocks: HashMap<(bool, i64), Block> = HashMap::new();
        let mut entries = Vec::with_capacity(places.len());
        for found in places {
            let (number, place) = match &found.place {
                Place::Row(row) => ((false, row.block), row.place),
                Place::Chunk(head, row) => {
                    let part = row / PART_ENTRIES;
                    ((true, head.chunk * chunk::CHUNK_PARTS + part as i64), row % PART_ENTRIES)
                }
            };
            let block = match blocks.entry(number) {
                Entry::Occupied(block) => block.into_mut(),
                Entry::Vacant(vacant) => vacant.insert(self.block(found)?.unwrap_or_default()),
            };
            let entry = match &found.place {
                Place::Row(row) => block.entry(&row.state, place),
                Place::Chunk(..) => block.bytes(place).and_then(|bytes| unpacked(bytes, &names)),
            };
            match entry {
                Some(entry) => entries.push(entry),
                None => self.counters.damaged(1),
            }
        }
        Ok(entries)
    }

    fn block(&self, found: &Found) -> rusqlite::Result<Option<Block>> {
        match &found.place {
            Place::Row(row) => rows::block(&self.connection, row.block),
            Place::Chunk(head, row) => {
                let chunk = Stored { connection: &self.connection, head: *head };
                match chunk.part(row / PART_ENTRIES) {
                    Ok(block) => Ok(Some(block)),
                    Err(Trouble::Damaged) => Ok(None),
                    Err(Trouble::Database(error)) => Err(error),
                }
            }
        }
    }

    fn unless_damaged<T>(&self, head: Head, read: Result<T, Trouble>) -> rusqlite::Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(Trouble::Damaged) => {
                self.counters.damaged(head.entries as u64);
                Ok(None)
            }
            Err(Trouble::Database(error)) => Err(error),
        }
    }
}

fn unpacked(bytes: &[u8], names: &NameList) -> Option<JournalEntry> {
    match rmp_serde::from_slice(&unpack::with_names(bytes, names)?).ok()? {
        Packed::Closed(closed) => Some(JournalEntry::Closed { closed }),
        Packed::Lost(lost) => Some(JournalEntry::Lost { lost }),
    }
}
