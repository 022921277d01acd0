//! One series in memory: its newest samples, and where the rest is.

use std::collections::VecDeque;
use std::ops::AddAssign;

use model::series::{Labels, Sample, TimeRange};
use parking_lot::Mutex;

use super::chunk::{Chunk, ChunkBuilder, SAMPLES_MAX, SPAN_MAX_MS};
use super::stats::DropReason;

/// Name of a series in this process, faster than its labels. It stays until the series has had no sample for as
/// long as samples are kept; then it names nothing, and never another series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// One series.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its identity.
    pub(crate) labels: Labels,
    /// Its name here.
    pub(crate) id: SeriesId,
    /// Its samples.
    pub(crate) state: Mutex<State>,
}

/// The samples of one series. Those in memory are the newest; what is in the database may be older.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Grows; with the number of the batch that began it.
    open: Option<(ChunkBuilder, u64)>,
    /// Full, oldest first.
    sealed: VecDeque<Sealed>,
    /// Time of the newest sample ever seen.
    last_ms: Option<i64>,
    /// From the first to the last sample in the database.
    pub(crate) stored: Option<TimeRange>,
    /// Its row in the database.
    pub(crate) row: Option<i64>,
}

#[derive(Debug)]
struct Sealed {
    chunk: Chunk,
    /// Number of the batch that began it.
    began: u64,
    /// All its samples are of batches before this one.
    behind: u64,
    is_stored: bool,
}

/// How much more samples take of memory after a change; less is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    /// Full chunks.
    pub(crate) chunks: isize,
    /// Bytes of full chunks.
    pub(crate) sealed_bytes: isize,
    /// Bytes of what is not full.
    pub(crate) open_bytes: isize,
}

impl AddAssign for Growth {
    fn add_assign(&mut self, more: Growth) {
        self.chunks += more.chunks;
        self.sealed_bytes += more.sealed_bytes;
        self.open_bytes += more.open_bytes;
    }
}

/// What is known of a series for a range of time.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Chunks in memory that touch it, in the order of time.
    pub(crate) chunks: Vec<Chunk>,
    /// The series' row, when the database has samples of the range that memory has not.
    pub(crate) row: Option<i64>,
}

impl State {
    /// Why a sample that is not later than the last one is dropped. What a full chunk or one on the disk has is not
    /// looked up.
    fn refusal(&self, sample: Sample, last_ms: i64) -> DropReason {
        match &self.open {
            _ if sample.timestamp_ms < last_ms => DropReason::OutOfOrder,
            Some((open, _)) if open.contradicts(sample) => DropReason::Conflict,
            _ => DropReason::Duplicate,
        }
    }

    /// Appends a sample of the batch `number`. A chunk that is full by then is sealed.
    ///
    /// # Errors
    /// Why it was dropped.
    pub(crate) fn append(
        &mut self,
        sample: Sample,
        number: u64,
        first_max: u16,
    ) -> Result<Growth, DropReason> {
        if let Some(last_ms) = self.last_ms
            && sample.timestamp_ms <= last_ms
        {
            return Err(self.refusal(sample, last_ms));
        }
        self.last_ms = Some(sample.timestamp_ms);
        let samples_max =
            if self.sealed.is_empty() && self.stored.is_none() { first_max } else { SAMPLES_MAX };
        let before = self.open_bytes();
        let Some((open, began)) = &mut self.open else {
            self.open = Some((ChunkBuilder::new(sample), number));
            return Ok(self.growth(before, None));
        };
        let span_ms = sample.timestamp_ms.saturating_sub(open.first_ms());
        if open.samples() < samples_max && span_ms <= SPAN_MAX_MS {
            open.push(sample);
            return Ok(self.growth(before, None));
        }
        let chunk = open.chunk();
        let sealed = memory_of(&chunk);
        self.sealed.push_back(Sealed { chunk, began: *began, behind: number, is_stored: false });
        open.restart(sample);
        *began = number;
        Ok(self.growth(before, Some(sealed)))
    }

    fn growth(&self, open_before: isize, sealed: Option<isize>) -> Growth {
        Growth {
            chunks: isize::from(sealed.is_some()),
            sealed_bytes: sealed.unwrap_or(0),
            open_bytes: self.open_bytes() - open_before,
        }
    }

    /// Seals the chunk that grows, when its first sample is earlier than `before_ms`; batches from `behind` on are not
    /// in it.
    pub(crate) fn seal(&mut self, before_ms: i64, behind: u64) -> Growth {
        let before = self.open_bytes();
        let open = self.open.take_if(|(open, _)| open.first_ms() < before_ms);
        let sealed = open.map(|(open, began)| {
            let chunk = open.chunk();
            let size = memory_of(&chunk);
            self.sealed.push_back(Sealed { chunk, began, behind, is_stored: false });
            size
        });
        self.growth(before, sealed)
    }

    /// What is known for a range.
    pub(crate) fn snapshot(&self, range: TimeRange) -> Snapshot {
        let touching = self.sealed.iter().map(|sealed| &sealed.chunk).filter(|chunk| chunk.touches(range));
        let mut chunks: Vec<Chunk> = touching.cloned().collect();
        if let Some((open, _)) = &self.open
            && open.first_ms() <= range.to_ms
            && open.last_ms() >= range.from_ms
        {
            chunks.push(open.chunk());
        }
        let first_ms = self.first_in_memory_ms().unwrap_or(i64::MAX);
        let is_needed = |stored: TimeRange| {
            stored.from_ms < first_ms
                && range.from_ms < first_ms
                && stored.from_ms <= range.to_ms
                && stored.to_ms >= range.from_ms
        };
        Snapshot { chunks, row: self.row.filter(|_| self.stored.is_some_and(is_needed)) }
    }

    fn first_in_memory_ms(&self) -> Option<i64> {
        let open = self.open.as_ref().map(|(open, _)| open.first_ms());
        self.sealed.front().map(|sealed| sealed.chunk.from_ms).or(open)
    }

    /// From the first to the last sample that is kept, in memory or in the database.
    pub(crate) fn span(&self) -> Option<TimeRange> {
        let memory = self.first_in_memory_ms().zip(self.last_ms);
        let memory = memory.map(|(from_ms, to_ms)| TimeRange { from_ms, to_ms });
        match (self.stored, memory) {
            (Some(stored), Some(memory)) => Some(TimeRange {
                from_ms: stored.from_ms.min(memory.from_ms),
                to_ms: stored.to_ms.max(memory.to_ms),
            }),
            (stored, memory) => stored.or(memory),
        }
    }

    /// Whether the last sample in memory is this value, bit by bit.
    pub(crate) fn ends_with(&self, value: f64) -> bool {
        self.open.as_ref().is_some_and(|(open, _)| open.last_value_bits() == value.to_bits())
    }

    /// Full chunks that are not in the database and have nothing of the batches behind `newest`.
    pub(crate) fn unstored(&self, newest: u64) -> impl Iterator<Item = &Chunk> {
        let is_due = move |sealed: &&Sealed| !sealed.is_stored && sealed.behind <= newest.saturating_add(1);
        self.sealed.iter().filter(is_due).map(|sealed| &sealed.chunk)
    }

    /// Number of the oldest batch with a sample that no chunk in the database has.
    pub(crate) fn oldest_batch(&self) -> Option<u64> {
        let sealed = self.sealed.iter().find(|sealed| !sealed.is_stored).map(|sealed| sealed.began);
        sealed.or(self.open.as_ref().map(|(_, began)| *began))
    }

    /// The database has the full chunks up to the end of this range.
    pub(crate) fn mark_stored(&mut self, range: TimeRange) {
        for sealed in self.sealed.iter_mut().filter(|sealed| sealed.chunk.to_ms <= range.to_ms) {
            sealed.is_stored = true;
        }
        self.mark_found(range);
    }

    /// What the database has begins later now, or it has nothing any more.
    pub(crate) fn pruned(&mut self, first_ms: Option<i64>) {
        let stored = self.stored.zip(first_ms);
        self.stored = stored.map(|(stored, from_ms)| TimeRange { from_ms, to_ms: stored.to_ms });
    }

    /// The database has samples of this range.
    pub(crate) fn mark_found(&mut self, found: TimeRange) {
        self.last_ms = Some(self.last_ms.map_or(found.to_ms, |last_ms| last_ms.max(found.to_ms)));
        self.stored = Some(match self.stored {
            None => found,
            Some(known) => {
                TimeRange { from_ms: known.from_ms.min(found.from_ms), to_ms: known.to_ms.max(found.to_ms) }
            }
        });
    }

    /// Another database is beneath: nothing of this series is in it.
    pub(crate) fn forget_stored(&mut self) {
        (self.row, self.stored) = (None, None);
        self.sealed.iter_mut().for_each(|sealed| sealed.is_stored = false);
    }

    /// Removes full chunks that end before `before_ms`; those that are not in the database only when told to.
    /// The answer is what that gives back, and how many samples are lost.
    pub(crate) fn evict(&mut self, before_ms: i64, evicts_unstored: bool) -> (Growth, u64) {
        let (mut growth, mut lost) = (Growth::default(), 0);
        while let Some(front) = self.sealed.front()
            && front.chunk.to_ms < before_ms
            && (front.is_stored || evicts_unstored)
        {
            growth.chunks -= 1;
            growth.sealed_bytes -= memory_of(&front.chunk);
            lost += if front.is_stored { 0 } else { u64::from(front.chunk.samples) };
            self.sealed.pop_front();
        }
        (growth, lost)
    }

    /// Bytes of memory of what is not full.
    fn open_bytes(&self) -> isize {
        self.open.as_ref().map_or(0, |(open, _)| open.capacity() as isize)
    }

    /// The database has a row of it, if perhaps no samples.
    pub(crate) fn mark_known(&mut self) {
        self.last_ms.get_or_insert(i64::MIN);
    }

    /// Whether no sample is kept any more. A series that waits for its first one is not empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.last_ms.is_some() && self.open.is_none() && self.sealed.is_empty() && self.stored.is_none()
    }
}

/// Bytes of memory of a full chunk, with what surrounds it.
fn memory_of(chunk: &Chunk) -> isize {
    (chunk.bytes.len() + size_of::<Sealed>() + 2 * size_of::<usize>()) as isize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_chunk_waits_for_the_batches_that_it_is_of() {
        let mut state = State::default();
        for number in 1..=3 {
            let sample = Sample { timestamp_ms: number, value: 0.0 };
            state.append(sample, number.unsigned_abs(), 2).expect("time goes on");
        }
        let due = |newest| state.unstored(newest).count();
        assert_eq!([0, 1, 2, 3, u64::MAX].map(due), [0, 0, 1, 1, 1], "it has batches 1 and 2");
    }

    #[test]
    fn what_is_told_of_memory_adds_up() {
        let (mut state, mut sum) = (State::default(), Growth::default());
        let check = |state: &State, sum: Growth| {
            let sealed = state.sealed.iter().map(|sealed| memory_of(&sealed.chunk)).sum();
            let chunks = state.sealed.len() as isize;
            assert_eq!(sum, Growth { chunks, sealed_bytes: sealed, open_bytes: state.open_bytes() });
        };
        for number in 1..=1000 {
            let sample = Sample { timestamp_ms: number, value: (number as f64).sqrt() };
            sum += state.append(sample, number.unsigned_abs(), 50).expect("time goes on");
            check(&state, sum);
        }
        assert!(sum.chunks > 5 && sum.open_bytes > 0, "{sum:?}");
        sum += state.evict(500, true).0;
        check(&state, sum);
        sum += state.seal(i64::MAX, 2000);
        check(&state, sum);
        sum += state.evict(i64::MAX, true).0;
        assert_eq!(sum, Growth::default());
    }
}
