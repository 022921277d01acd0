//! Reading series: what memory has and what the disk has, as one.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use model::series::{Labels, Matcher, ReadError, Sample, Series, SeriesSource, TimeRange};
use rusqlite::Connection;

use super::SeriesStore;
use super::chunk::{self, SPAN_MAX_MS};
use super::entry::{Entry, Snapshot};
use super::shared::Shared;
use crate::pool::{Lent, Pool};

impl SeriesSource for SeriesStore {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        samples_max: usize,
    ) -> Result<Vec<Series>, ReadError> {
        let mut reader = Reader { shared: &self.shared, lent: None, range, left: samples_max };
        let mut found = Vec::new();
        for entry in self.shared.head.matching(matchers)? {
            let samples = reader.samples(&entry)?;
            if !samples.is_empty() {
                found.push(Series { labels: entry.labels.clone(), samples });
            }
        }
        found.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        Ok(found)
    }

    fn identities(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Labels>, ReadError> {
        let mut entries = self.shared.head.matching(matchers)?;
        entries.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        let mut reader = Reader { shared: &self.shared, lent: None, range, left: usize::MAX };
        let mut found = Vec::new();
        for entry in entries {
            if found.len() == limit {
                break;
            }
            if reader.has_sample(&entry)? {
                found.push(entry.labels.clone());
            }
        }
        Ok(found)
    }
}

/// Reads one series after the other. Memory is looked at first: what has left it by then is on the disk.
struct Reader<'a> {
    shared: &'a Shared,
    lent: Option<Lent<'a>>,
    range: TimeRange,
    /// Samples that may still be read.
    left: usize,
}

impl<'a> Reader<'a> {
    fn samples(&mut self, entry: &Arc<Entry>) -> Result<Vec<Sample>, ReadError> {
        let Snapshot { chunks, row } = entry.state.lock().snapshot(self.range);
        let mut samples = Vec::new();
        if let Some(row) = row {
            let before_ms = chunks.first().map_or(i64::MAX, |chunk| chunk.from_ms);
            self.stored_samples(row, before_ms, &mut samples)?;
        }
        for chunk in chunks {
            chunk::decode(&chunk.bytes, self.range, &mut samples)
                .map_err(|error| ReadError::Store(error.to_string()))?;
        }
        self.left = self.left.checked_sub(samples.len()).ok_or(ReadError::TooManySamples)?;
        Ok(samples)
    }

    /// Chunks that two processes wrote may overlap; a later chunk adds what is later.
    fn stored_samples(&mut self, row: i64, before_ms: i64, into: &mut Vec<Sample>) -> Result<(), ReadError> {
        let (shared, range, left) = (self.shared, self.range, self.left);
        let range = TimeRange { to_ms: range.to_ms.min(before_ms.saturating_sub(1)), ..range };
        let Some(pool) = shared.pool.as_deref() else { return Ok(()) };
        let failed = |error| ReadError::Store(pool.failed(error).to_string());
        let connection = self.connection(pool)?;
        let mut select = connection
            .prepare_cached(
                "SELECT bytes, to_ms FROM chunks
                    WHERE series = ?1 AND from_ms BETWEEN ?2 AND ?3 AND to_ms >= ?4 ORDER BY from_ms",
            )
            .map_err(failed)?;
        let first_ms = range.from_ms.saturating_sub(SPAN_MAX_MS);
        let mut rows = select.query([row, first_ms, range.to_ms, range.from_ms]).map_err(failed)?;
        while let Some(found) = rows.next().map_err(failed)? {
            let bytes = found.get_ref(0).map_err(failed)?;
            let bytes = bytes.as_blob().map_err(|error| failed(error.into()))?;
            let decoded = chunk::without_sum(row, bytes).and_then(|bytes| chunk::decode(bytes, range, into));
            if let Err(error) = decoded {
                shared.counters.damaged.fetch_add(1, Relaxed);
                return Err(ReadError::Store(error.to_string()));
            }
            if into.len() > left {
                return Err(ReadError::TooManySamples);
            }
        }
        Ok(())
    }

    fn has_sample(&mut self, entry: &Arc<Entry>) -> Result<bool, ReadError> {
        let state = entry.state.lock();
        let Some(span) = state.span() else { return Ok(false) };
        let range = self.range;
        if span.from_ms > range.to_ms || span.to_ms < range.from_ms {
            return Ok(false);
        }
        let inside = range.from_ms..=range.to_ms;
        if inside.contains(&span.from_ms) || inside.contains(&span.to_ms) {
            return Ok(true);
        }
        drop(state);
        self.samples(entry).map(|samples| !samples.is_empty())
    }

    fn connection(&mut self, pool: &'a Pool) -> Result<&Connection, ReadError> {
        let lent = match self.lent.take() {
            Some(lent) => lent,
            None => pool.lend().map_err(|error| ReadError::Store(error.to_string()))?,
        };
        Ok(self.lent.insert(lent))
    }
}
