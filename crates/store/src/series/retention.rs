//! What leaves memory and disk, and when.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::entry::{Entry, Growth};
use super::writer::Writer;

/// Series that are pruned in one transaction.
const GROUP_SERIES_MAX: usize = 1000;

/// Pages that are given back at once.
const SHRINK_PAGES_MAX: u32 = 2000;

/// How little of the past memory may come to hold before samples are lost.
const WINDOW_MIN_MS: i64 = 60_000;

impl Writer {
    /// Removes chunks from memory that the disk has, or that are too old when there is none.
    pub(super) fn relieve_memory(&self, is_time: bool) {
        let head = &self.shared.head;
        let bytes_max = self.options.head_bytes_max;
        if !is_time && head.sealed_bytes() <= bytes_max {
            return;
        }
        let is_kept_in_memory = self.directory.is_none();
        let mut window_ms =
            if is_kept_in_memory { self.options.retention_ms() } else { self.options.head_window_ms() };
        self.evict(window_ms, is_kept_in_memory);
        while head.sealed_bytes() > bytes_max && window_ms > 0 {
            window_ms = if window_ms > WINDOW_MIN_MS { window_ms / 2 } else { 0 };
            self.evict(window_ms, is_kept_in_memory);
        }
        let mut window_ms = self.options.retention_ms();
        while head.sealed_bytes() > bytes_max && window_ms > 0 {
            window_ms /= 2;
            self.evict(window_ms, true);
        }
    }

    fn evict(&self, window_ms: i64, evicts_unstored: bool) {
        let head = &self.shared.head;
        let before_ms = self.newest_ms().unwrap_or(i64::MIN).saturating_sub(window_ms);
        let (mut growth, mut lost) = (Growth::default(), 0);
        for entry in head.entries() {
            let (less, samples) = entry.state.lock().evict(before_ms, evicts_unstored);
            growth += less;
            lost += samples;
        }
        head.grew(growth);
        if self.directory.is_some() {
            self.shared.counters.samples_lost.fetch_add(lost, Relaxed);
        }
    }

    /// Removes what is older than is kept, counted from the newest sample, and the oldest when the file is too
    /// large; then series without samples.
    pub(super) fn retain(&mut self) {
        let Some(newest_ms) = self.newest_ms() else { return };
        let retention_ms = self.options.retention_ms();
        let before_ms = newest_ms.saturating_sub(retention_ms);
        let step_ms = (retention_ms / 64).min(3_600_000);
        if before_ms >= self.pruned_before_ms.saturating_add(step_ms) && self.prune(before_ms).is_some() {
            self.pruned_before_ms = before_ms;
        }
        let used = self.shared.counters.disk_bytes.load(Relaxed);
        if used > self.options.disk_bytes_max && self.disk.is_some() {
            let oldest = |entry: &Arc<Entry>| entry.state.lock().stored.map(|stored| stored.from_ms);
            let oldest_ms = self.shared.head.entries().iter().filter_map(oldest).min();
            let oldest_ms = oldest_ms.unwrap_or(newest_ms);
            let _ = self.prune(oldest_ms.saturating_add(newest_ms.saturating_sub(oldest_ms) / 16 + 1));
            tracing::info!(used, "the oldest samples were removed: the database is as large as it may be");
        }
    }

    /// None when the disk failed before all was done.
    fn prune(&mut self, before_ms: i64) -> Option<()> {
        let entries = self.shared.head.entries();
        let is_old =
            |entry: &&Arc<Entry>| entry.state.lock().stored.is_some_and(|stored| stored.from_ms < before_ms);
        let old: Vec<Arc<Entry>> = entries.iter().filter(is_old).cloned().collect();
        for group in old.chunks(GROUP_SERIES_MAX) {
            let firsts = self.with_disk(|disk| {
                disk.transact(|tables| {
                    let row = |entry: &Arc<Entry>| entry.state.lock().row;
                    group
                        .iter()
                        .map(|entry| row(entry).map_or(Ok(None), |row| tables.prune(row, before_ms)))
                        .collect::<rusqlite::Result<Vec<_>>>()
                })
            })?;
            for (entry, first_ms) in group.iter().zip(firsts) {
                entry.state.lock().pruned(first_ms);
            }
        }
        self.evict(self.options.retention_ms(), self.directory.is_none());
        let gone = self.shared.head.remove_empty(&entries);
        if self.directory.is_none() {
            return Some(());
        }
        self.with_disk(|disk| {
            disk.transact(|tables| {
                let row = |entry: &Arc<Entry>| entry.state.lock().row;
                gone.iter().filter_map(row).try_for_each(|row| tables.delete_series(row))
            })?;
            disk.shrink(SHRINK_PAGES_MAX)
        })
    }
}
