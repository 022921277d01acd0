//! Whole entries, some together: one line of JSON each, compressed (zlib, RFC 1950).

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use model::journal::JournalEntry;

/// Length of a record's text.
const TYPICAL_BYTES: usize = 1500;

/// Longest text of a block that is read.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// The bytes of entries.
pub(super) fn compressed(entries: &[JournalEntry]) -> Vec<u8> {
    let mut text = Vec::with_capacity(entries.len() * TYPICAL_BYTES);
    for entry in entries {
        match entry {
            JournalEntry::Closed { closed } => serde_json::to_writer(&mut text, closed),
            JournalEntry::Lost { lost } => serde_json::to_writer(&mut text, lost),
        }
        .expect("records are JSON, and memory takes all");
        text.push(b'\n');
    }
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
    encoder.write_all(&text).and_then(|()| encoder.finish()).expect("memory takes all")
}

/// The lines of a block; none when it is damaged.
pub(super) fn lines(bytes: &[u8]) -> Option<Vec<String>> {
    let mut text = String::new();
    let read = ZlibDecoder::new(bytes).take(TEXT_BYTES_MAX).read_to_string(&mut text);
    read.ok().map(|_| text.lines().map(str::to_owned).collect())
}

/// The entry in a line; none when it is damaged.
pub(super) fn entry(state: &str, line: &str) -> Option<JournalEntry> {
    match state {
        "closed" => Some(JournalEntry::Closed { closed: serde_json::from_str(line).ok()? }),
        "lost" => Some(JournalEntry::Lost { lost: serde_json::from_str(line).ok()? }),
        _ => None,
    }
}
