//! The flight recorder of one connection: what happened first and what happened last, each in 16 bytes.
//!
//! One task writes, anybody reads at the same time; nobody waits. A reader copies what is there and then drops what
//! may have been overwritten meanwhile, which the count of things noted tells (a sequence lock: the count is
//! published behind each slot, and a fence stands in front of it).
//!
//! Memory is taken twice: [`FIRST`] slots when a recorder is made, and the ring for the last things when those are
//! full. So a connection on which little happens costs little.

mod code;
mod tape;

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use std::time::Duration;

use model::recording::Happening;

pub use tape::Tape;

/// Things that are kept from the beginning.
pub const FIRST: usize = 32;

/// Memory of one thing.
pub const SLOT_BYTES: usize = size_of::<Slot>();

/// Time and kind, and what the kind tells: see [`code`].
type Words = [u64; 2];
type Slot = [AtomicU64; 2];

/// See the module.
#[derive(Debug)]
pub struct Recorder {
    first: [Slot; FIRST],
    last: OnceLock<Box<[Slot]>>,
    noted: AtomicU64,
}

impl Recorder {
    /// Takes the memory for the first things.
    pub fn new() -> Recorder {
        Recorder { first: Default::default(), last: OnceLock::new(), noted: AtomicU64::new(0) }
    }

    /// Notes what happened so long after the connection was established. Only one task may do so at a time: of two,
    /// one thing would be lost. When the first slots are full, `room` is asked once for how many more there may be;
    /// with none, later things are only counted.
    pub fn note(&self, after: Duration, what: &Happening, room: impl FnOnce() -> usize) {
        let number = self.noted.load(Relaxed);
        if let Some(slot) = self.slot(number, room) {
            let [time, detail] = code::encode(after, what);
            fence(Release);
            slot[0].store(time, Relaxed);
            slot[1].store(detail, Relaxed);
        }
        self.noted.store(number + 1, Release);
    }

    fn slot(&self, number: u64, room: impl FnOnce() -> usize) -> Option<&Slot> {
        let number = usize::try_from(number).ok()?;
        if number < FIRST {
            return self.first.get(number);
        }
        let ring = self.last.get_or_init(|| slots(room()));
        ring.get((number - FIRST).checked_rem(ring.len())?)
    }

    /// What is kept now.
    pub fn tape(&self) -> Tape {
        let noted = self.noted.load(Acquire);
        let first = noted.min(FIRST as u64);
        let room = self.last.get().map_or(0, |ring| ring.len()) as u64;
        let oldest = noted.saturating_sub(room).max(first);
        let mut words: Vec<Words> = (0..first)
            .chain(oldest..noted)
            .filter_map(|number| self.slot(number, || 0))
            .map(|slot| slot.each_ref().map(|word| word.load(Relaxed)))
            .collect();
        fence(Acquire);
        let overwritten = (self.noted.load(Relaxed) + 1).saturating_sub(room).clamp(oldest, noted) - oldest;
        let first = first as usize;
        words.drain(first..first + overwritten as usize);
        Tape { words: words.into(), first, noted }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

fn slots(count: usize) -> Box<[Slot]> {
    (0..count).map(|_| Slot::default()).collect()
}

#[cfg(test)]
mod tests;
