//! What happens when the database is opened: its series become known, and batches that a process before this one
//! left become chunks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use model::series::{Sample, TimeRange};

use super::batch;
use super::chunk::{ChunkBuilder, SAMPLES_MAX, SPAN_MAX_MS};
use super::disk::{Disk, Tables};
use super::entry::{Entry, SeriesId};
use super::shared::Shared;
use crate::error::StoreError;

/// Series by row, with the last instant that chunks have.
type Known = HashMap<i64, (Arc<Entry>, Option<i64>)>;

/// Chunks that grow, by row, each with the first instant that the row got.
type Growing = HashMap<i64, (ChunkBuilder, i64)>;

/// Makes the head know what the database has. `is_same` says that this process wrote to this very database before:
/// then the samples of its batches are in memory.
///
/// # Errors
/// SQLite failed; then the database is as it was.
pub(super) fn attach(shared: &Shared, disk: &mut Disk, is_same: bool) -> Result<(), StoreError> {
    if !is_same {
        shared.head.entries().iter().for_each(|entry| entry.state.lock().forget_stored());
    }
    let (known, found) = disk.transact(|tables| {
        let known = load(shared, tables)?;
        let found =
            if is_same || !tables.has_batches()? { HashMap::new() } else { convert(shared, tables, &known)? };
        Ok((known, found))
    })?;
    for (row, range) in found {
        if let Some((entry, _)) = known.get(&row) {
            entry.state.lock().mark_found(range);
            shared.head.saw(range.to_ms);
        }
    }
    let ids: HashSet<SeriesId> = known.values().map(|(entry, _)| entry.id).collect();
    for entry in shared.head.entries() {
        let mut state = entry.state.lock();
        if !ids.contains(&entry.id) {
            state.forget_stored();
        }
        // Its batches may not have been written, so that only its chunk can bring it to the disk.
        shared.head.grew(state.seal(i64::MAX, 0));
    }
    Ok(())
}

fn load(shared: &Shared, tables: &Tables<'_>) -> rusqlite::Result<Known> {
    let mut known = Known::new();
    let mut skipped = 0;
    tables.each_series(|stored| {
        let entry = stored.labels.as_ref().and_then(|labels| shared.head.resolve(labels).ok());
        let Some(entry) = entry else {
            skipped += 1;
            return;
        };
        let mut state = entry.state.lock();
        if state.row.is_some_and(|row| known.contains_key(&row)) && stored.span.is_none() {
            return;
        }
        state.row = Some(stored.row);
        state.stored = None;
        state.mark_known();
        if let Some(span) = stored.span {
            state.mark_found(span);
            shared.head.saw(span.to_ms);
        }
        drop(state);
        known.insert(stored.row, (entry, stored.span.map(|span| span.to_ms)));
    })?;
    if skipped > 0 {
        shared.counters.damaged.fetch_add(skipped, Relaxed);
        tracing::warn!(series = skipped, "series of the database were left out: too many, or damaged");
    }
    Ok(known)
}

/// Writes the samples of batches as chunks and removes the batches; the answer is what each row got.
fn convert(shared: &Shared, tables: &Tables<'_>, known: &Known) -> rusqlite::Result<HashMap<i64, TimeRange>> {
    let mut found = HashMap::new();
    let mut growing = Growing::new();
    let mut damaged = 0;
    tables.each_batch(|bytes| {
        let mut full = Ok(());
        let decoded = batch::decode(bytes, |row, sample| {
            let last_ms = known.get(&row).and_then(|(_, last_ms)| *last_ms);
            if known.contains_key(&row) && last_ms.is_none_or(|last_ms| sample.timestamp_ms > last_ms) {
                let pushed = push(tables, &mut growing, row, sample);
                full = std::mem::replace(&mut full, Ok(())).and(pushed);
            }
        });
        damaged += u64::from(decoded.is_err());
        full
    })?;
    for (row, (builder, from_ms)) in growing {
        tables.insert_chunk(row, &builder.chunk())?;
        found.insert(row, TimeRange { from_ms, to_ms: builder.last_ms() });
    }
    tables.delete_batches(u64::MAX)?;
    if damaged > 0 {
        shared.counters.damaged.fetch_add(damaged, Relaxed);
        tracing::warn!(batches = damaged, "batches of samples were damaged and are lost");
    }
    Ok(found)
}

fn push(tables: &Tables<'_>, growing: &mut Growing, row: i64, sample: Sample) -> rusqlite::Result<()> {
    let Some((builder, _)) = growing.get_mut(&row) else {
        growing.insert(row, (ChunkBuilder::new(sample), sample.timestamp_ms));
        return Ok(());
    };
    if sample.timestamp_ms <= builder.last_ms() {
        return Ok(());
    }
    let span_ms = sample.timestamp_ms.saturating_sub(builder.first_ms());
    if builder.samples() < SAMPLES_MAX && span_ms <= SPAN_MAX_MS {
        builder.push(sample);
        return Ok(());
    }
    tables.insert_chunk(row, &builder.chunk())?;
    builder.restart(sample);
    Ok(())
}
