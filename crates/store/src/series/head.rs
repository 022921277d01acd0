//! All series in memory: by name, by labels, and the newest samples of each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicIsize, AtomicU64, Ordering::Relaxed};

use model::series::{Labels, Matcher, ReadError, Sample};
use parking_lot::{Mutex, RwLock};

use super::chunk::SAMPLES_MAX;
use super::entry::{Entry, Growth, SeriesId, State};
use super::index::Index;
use super::selector::Selector;
use super::stats::{Appended, DropReason, SeriesStats};

/// Bytes that the labels of one series may have.
const LABEL_BYTES_MAX: usize = 16 << 10;

/// Instants further from the epoch than this, about 142,000 years, are no time.
const TIME_MAX_MS: i64 = 1 << 52;

/// A sample with the name of its series.
pub(crate) type Row = (SeriesId, Sample);

/// All series.
#[derive(Debug)]
pub(crate) struct Head {
    table: RwLock<Table>,
    series_max: usize,
    batches: AtomicU64,
    newest_ms: AtomicI64,
    chunks: AtomicIsize,
    sealed_bytes: AtomicIsize,
    open_bytes: AtomicIsize,
    has_sealed: AtomicBool,
    counted: Mutex<Appended>,
}

#[derive(Debug, Default)]
struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_labels: HashMap<Labels, u32>,
    index: Index,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    entry: Option<Arc<Entry>>,
}

impl Head {
    /// Without series.
    pub(crate) fn new(series_max: usize) -> Head {
        Head {
            table: RwLock::default(),
            series_max,
            batches: AtomicU64::new(0),
            newest_ms: AtomicI64::new(i64::MIN),
            chunks: AtomicIsize::new(0),
            sealed_bytes: AtomicIsize::new(0),
            open_bytes: AtomicIsize::new(0),
            has_sealed: AtomicBool::new(false),
            counted: Mutex::default(),
        }
    }

    /// The series with these labels, which is made when there is none.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub(crate) fn resolve(&self, labels: &Labels) -> Result<Arc<Entry>, DropReason> {
        if let Some(entry) = self.table.read().find(labels) {
            return Ok(entry.clone());
        }
        let bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        if labels.is_empty() || bytes > LABEL_BYTES_MAX {
            return Err(DropReason::Labels);
        }
        let mut table = self.table.write();
        if let Some(entry) = table.find(labels) {
            return Ok(entry.clone());
        }
        if table.by_labels.len() >= self.series_max {
            return Err(DropReason::SeriesMax);
        }
        table.insert(labels).ok_or(DropReason::SeriesMax)
    }

    /// Appends samples as one batch; those that were taken are added to `taken`. The answer is the batch's number.
    pub(crate) fn append(
        &self,
        samples: impl IntoIterator<Item = Row>,
        taken: &mut Vec<Row>,
    ) -> (u64, Appended) {
        let number = self.batches.fetch_add(1, Relaxed) + 1;
        let mut appended = Appended::default();
        let (mut newest_ms, mut growth) = (i64::MIN, Growth::default());
        let table = self.table.read();
        for (id, sample) in samples {
            let outcome = table.append(id, sample, number).map(|more| growth += more);
            if outcome.is_ok() {
                newest_ms = newest_ms.max(sample.timestamp_ms);
                taken.push((id, sample));
            }
            appended.count(outcome);
        }
        drop(table);
        self.newest_ms.fetch_max(newest_ms, Relaxed);
        self.grew(growth);
        self.count(&appended);
        (number, appended)
    }

    /// Adds to what was taken and dropped.
    pub(crate) fn count(&self, appended: &Appended) {
        let mut counted = self.counted.lock();
        counted.taken += appended.taken;
        for (sum, more) in counted.dropped.iter_mut().zip(appended.dropped) {
            *sum += more;
        }
    }

    /// The series that all matchers hold for.
    ///
    /// # Errors
    /// A regular expression cannot be parsed.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> Result<Vec<Arc<Entry>>, ReadError> {
        let selector = Selector::new(matchers)?;
        let table = self.table.read();
        let slots = u32::try_from(table.slots.len()).unwrap_or(u32::MAX);
        Ok(table.index.select(&selector, |slot| table.slots.get(slot as usize)?.entry.as_ref(), slots))
    }

    /// All series.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        self.table.read().slots.iter().filter_map(|slot| slot.entry.clone()).collect()
    }

    /// The series of this name.
    pub(crate) fn entry(&self, id: SeriesId) -> Option<Arc<Entry>> {
        self.table.read().entry(id).cloned()
    }

    /// Removes those of `entries` that have no sample any more; the answer is which.
    pub(crate) fn remove_empty(&self, entries: &[Arc<Entry>]) -> Vec<Arc<Entry>> {
        let mut table = self.table.write();
        let is_gone = |entry: &&Arc<Entry>| table.entry(entry.id).is_some() && entry.state.lock().is_empty();
        let gone: Vec<Arc<Entry>> = entries.iter().filter(is_gone).cloned().collect();
        table.remove(&gone);
        gone
    }

    /// Time of the newest sample; none before the first one.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        Some(self.newest_ms.load(Relaxed)).filter(|newest_ms| *newest_ms != i64::MIN)
    }

    /// Samples of this instant were found in the database.
    pub(crate) fn saw(&self, timestamp_ms: i64) {
        self.newest_ms.fetch_max(timestamp_ms, Relaxed);
    }

    /// Number of the newest batch.
    pub(crate) fn newest_batch(&self) -> u64 {
        self.batches.load(Relaxed)
    }

    /// Samples take so much more of memory.
    pub(crate) fn grew(&self, growth: Growth) {
        self.chunks.fetch_add(growth.chunks, Relaxed);
        self.sealed_bytes.fetch_add(growth.sealed_bytes, Relaxed);
        self.open_bytes.fetch_add(growth.open_bytes, Relaxed);
        if growth.chunks > 0 {
            self.has_sealed.store(true, Relaxed);
        }
    }

    /// Whether a chunk has become full since this was last asked.
    pub(crate) fn take_sealed(&self) -> bool {
        self.has_sealed.swap(false, Relaxed)
    }

    /// Bytes of memory of full chunks.
    pub(crate) fn sealed_bytes(&self) -> usize {
        now(&self.sealed_bytes)
    }

    /// Writes what it counts into `stats`.
    pub(crate) fn fill(&self, stats: &mut SeriesStats) {
        stats.samples = *self.counted.lock();
        stats.series = self.table.read().by_labels.len() as u64;
        stats.head_chunks = now(&self.chunks) as u64;
        stats.head_bytes = (self.sealed_bytes() + now(&self.open_bytes)) as u64;
    }
}

/// What a sum of growth has come to; while another thread adds to it, it may be less than nothing.
fn now(sum: &AtomicIsize) -> usize {
    usize::try_from(sum.load(Relaxed)).unwrap_or(0)
}

impl Table {
    fn find(&self, labels: &Labels) -> Option<&Arc<Entry>> {
        self.slots[*self.by_labels.get(labels)? as usize].entry.as_ref()
    }

    fn entry(&self, id: SeriesId) -> Option<&Arc<Entry>> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.entry.as_ref().filter(|_| slot.generation == id.generation)
    }

    fn append(&self, id: SeriesId, sample: Sample, number: u64) -> Result<Growth, DropReason> {
        if !(-TIME_MAX_MS..=TIME_MAX_MS).contains(&sample.timestamp_ms) {
            return Err(DropReason::Time);
        }
        let entry = self.entry(id).ok_or(DropReason::UnknownSeries)?;
        entry.state.lock().append(sample, number, first_chunk_max(id.slot))
    }

    fn insert(&mut self, labels: &Labels) -> Option<Arc<Entry>> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot::default());
                u32::try_from(self.slots.len() - 1).ok()?
            }
        };
        let labels = self.index.insert(labels, slot);
        let at = &mut self.slots[slot as usize];
        let id = SeriesId { slot, generation: at.generation };
        let entry = Arc::new(Entry { labels: labels.clone(), id, state: Mutex::new(State::default()) });
        at.entry = Some(entry.clone());
        self.by_labels.insert(labels, slot);
        Some(entry)
    }

    fn remove(&mut self, gone: &[Arc<Entry>]) {
        let slots: HashSet<u32> = gone.iter().map(|entry| entry.id.slot).collect();
        self.index.remove(gone.iter().map(|entry| &entry.labels), &slots);
        for entry in gone {
            self.by_labels.remove(&entry.labels);
            let slot = &mut self.slots[entry.id.slot as usize];
            slot.entry = None;
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(entry.id.slot);
        }
    }
}

/// The first chunk of a series is full earlier, for each series at another number of samples: the chunks of series
/// that begin together are written at different times.
fn first_chunk_max(slot: u32) -> u16 {
    SAMPLES_MAX / 2 + (slot % u32::from(SAMPLES_MAX / 2)) as u16
}
