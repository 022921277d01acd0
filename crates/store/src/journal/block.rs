//! Blocks of whole entries as versions 1 and 2 of a day's file had them: lines of JSON in zlib, then MessagePack with
//! names in LZ4.

use std::ops::Range;

use flate2::read::ZlibDecoder;
use model::journal::JournalEntry;
use serde::de::DeserializeOwned;
use std::io::Read as _;

use super::sealed::{self, BYTES_MAX};

/// First byte of zlib (RFC 1950, section 2.2), and so of the blocks of version 1.
const ZLIB: u8 = 0x78;

/// Entries that were read together.
#[derive(Debug, Default)]
pub(super) struct Block {
    plain: Vec<u8>,
    entries: Vec<Range<usize>>,
    is_json: bool,
}

impl Block {
    /// Reads the bytes of a block; none when they are damaged.
    pub(super) fn read(bytes: &[u8]) -> Option<Block> {
        match *bytes.first()? {
            ZLIB => {
                let mut plain = Vec::new();
                ZlibDecoder::new(bytes).take(BYTES_MAX as u64).read_to_end(&mut plain).ok()?;
                Some(Block { entries: lines(&plain), plain, is_json: true })
            }
            _ => {
                let plain = sealed::open(bytes)?.into_owned();
                Some(Block { entries: lengths(&plain)?, plain, is_json: false })
            }
        }
    }

    /// The entry at a place; none when it is damaged.
    pub(super) fn entry(&self, state: &str, place: usize) -> Option<JournalEntry> {
        let bytes = self.bytes(place)?;
        match state {
            "closed" => Some(JournalEntry::Closed { closed: self.decode(bytes)? }),
            "lost" => Some(JournalEntry::Lost { lost: self.decode(bytes)? }),
            _ => None,
        }
    }

    /// The bytes of the entry at a place.
    pub(super) fn bytes(&self, place: usize) -> Option<&[u8]> {
        self.plain.get(self.entries.get(place)?.clone())
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Option<T> {
        match self.is_json {
            true => serde_json::from_slice(bytes).ok(),
            false => rmp_serde::from_slice(bytes).ok(),
        }
    }
}

fn lengths(plain: &[u8]) -> Option<Vec<Range<usize>>> {
    let (mut entries, mut at) = (Vec::new(), 0);
    while at < plain.len() {
        let length = u32::from_be_bytes(*plain[at..].first_chunk()?);
        let start = at + 4;
        at = start + usize::try_from(length).ok()?;
        entries.push(start..at);
    }
    Some(entries)
}

fn lines(plain: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    let lines = plain.split_inclusive(|&byte| byte == b'\n');
    lines
        .map(|line| {
            let range = start..start + line.len();
            start = range.end;
            range
        })
        .collect()
}
