//! Whole entries, some together. What is written is described in `docs/format/store.md`; version 1 of a day's file had
//! lines of JSON in zlib instead.

use std::io::Read as _;
use std::ops::Range;

use flate2::read::ZlibDecoder;
use model::journal::JournalEntry;
use serde::de::DeserializeOwned;

/// First byte of a block.
const FORMAT: u8 = 2;

/// First byte of zlib (RFC 1950, section 2.2), and so of the blocks of version 1.
const ZLIB: u8 = 0x78;

/// Length of an entry.
const TYPICAL_BYTES: usize = 2048;

/// Longest block that is read, unpacked.
const BYTES_MAX: usize = 64 << 20;

/// The bytes of entries.
pub(super) fn packed(entries: &[JournalEntry]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(entries.len() * TYPICAL_BYTES);
    for entry in entries {
        let start = plain.len();
        plain.extend_from_slice(&[0; 4]);
        match entry {
            JournalEntry::Closed { closed } => rmp_serde::encode::write_named(&mut plain, closed),
            JournalEntry::Lost { lost } => rmp_serde::encode::write_named(&mut plain, lost),
        }
        .expect("entries have names and numbers alone, and memory takes all");
        let length = u32::try_from(plain.len() - start - 4).expect("a record is short");
        plain[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    let mut bytes = vec![FORMAT];
    bytes.extend_from_slice(&lz4_flex::block::compress_prepend_size(&plain));
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    bytes
}

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
            FORMAT => {
                let (bytes, sum) = bytes.split_last_chunk()?;
                let is_whole = crc32fast::hash(bytes) == u32::from_be_bytes(*sum);
                let (length, packed) = lz4_flex::block::uncompressed_size(&bytes[1..]).ok()?;
                if !is_whole || length > BYTES_MAX {
                    return None;
                }
                let plain = lz4_flex::block::decompress(packed, length).ok()?;
                Some(Block { entries: lengths(&plain)?, plain, is_json: false })
            }
            ZLIB => {
                let mut plain = Vec::new();
                ZlibDecoder::new(bytes).take(BYTES_MAX as u64).read_to_end(&mut plain).ok()?;
                Some(Block { entries: lines(&plain), plain, is_json: true })
            }
            _ => None,
        }
    }

    /// The entry at a place; none when it is damaged.
    pub(super) fn entry(&self, state: &str, place: usize) -> Option<JournalEntry> {
        let bytes = self.plain.get(self.entries.get(place)?.clone())?;
        match state {
            "closed" => Some(JournalEntry::Closed { closed: self.decode(bytes)? }),
            "lost" => Some(JournalEntry::Lost { lost: self.decode(bytes)? }),
            _ => None,
        }
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
