//! What a recorder has kept, apart from it: to be read, or to be put away with a closed connection.

use std::time::Duration;

use model::recording::Happening;

use super::{Words, code};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tape {
    /// Rising numbers, in at most two runs without gaps: the first things from 0, and the last ones.
    pub(super) words: Box<[Words]>,
    /// Length of the first run.
    pub(super) first: usize,
    /// All that was noted, kept or not.
    pub(super) noted: u64,
}

impl Tape {
    /// All that was noted, kept or not.
    pub fn noted(&self) -> u64 {
        self.noted
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// What is kept, in order: its number among all that was noted, how long after the connection was established,
    /// and what.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Duration, Happening)> {
        let behind = self.noted - self.words.len() as u64;
        self.words.iter().enumerate().filter_map(move |(place, &words)| {
            let number = place as u64 + if place < self.first { 0 } else { behind };
            let (after, what) = code::decode(words)?;
            Some((number, after, what))
        })
    }
}
