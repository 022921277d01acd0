//! Which row of the database is which series.

use std::sync::Arc;

use super::disk::Tables;
use super::entry::{Entry, SeriesId};
use super::shared::Shared;

/// The rows of series, by slot; what a transaction adds counts when it is committed.
#[derive(Default)]
pub(super) struct Rows {
    known: Vec<Option<(SeriesId, i64)>>,
    added: Vec<(Arc<Entry>, i64)>,
}

impl Rows {
    /// The row of a series, made if it has none; none when the series is gone.
    pub(super) fn of(
        &mut self,
        shared: &Shared,
        tables: &Tables<'_>,
        id: SeriesId,
    ) -> rusqlite::Result<Option<i64>> {
        let slot = id.slot as usize;
        if let Some(Some((known, row))) = self.known.get(slot)
            && *known == id
        {
            return Ok(Some(*row));
        }
        let Some(entry) = shared.head.entry(id) else { return Ok(None) };
        let stored = entry.state.lock().row;
        let row = match stored {
            Some(row) => row,
            None => {
                let row = tables.insert_series(&entry.labels)?;
                self.added.push((entry, row));
                row
            }
        };
        if self.known.len() <= slot {
            self.known.resize(slot + 1, None);
        }
        self.known[slot] = Some((id, row));
        Ok(Some(row))
    }

    /// What was added is in the database.
    pub(super) fn commit(&mut self) {
        for (entry, row) in self.added.drain(..) {
            entry.state.lock().row = Some(row);
        }
    }
}
