//! Bytes with a check sum, compressed or not: a column or a part of the records of a chunk, or a block of version 2.

use std::borrow::Cow;

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress, get_maximum_output_size};

/// First byte of those that are compressed.
pub(super) const PACKED: u8 = 2;

/// First byte of those that are as they are.
const PLAIN: u8 = 3;

/// The first byte and the length.
const HEAD_BYTES: usize = 5;

/// Most bytes that are read, unpacked.
pub(super) const BYTES_MAX: usize = 64 << 20;

/// Seals one after the other.
pub(super) struct Sealer(CompressTable);

impl Sealer {
    /// Its memory is used again and again.
    pub(super) fn new() -> Sealer {
        Sealer(CompressTable::large())
    }

    /// The sealed bytes.
    pub(super) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD_BYTES + get_maximum_output_size(plain.len()) + 4];
        let length = u32::try_from(plain.len()).expect("a chunk is short");
        bytes[0] = PACKED;
        bytes[1..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
        let packed = compress_into_with_table(plain, &mut bytes[HEAD_BYTES..], &mut self.0);
        bytes.truncate(HEAD_BYTES + packed.expect("there is room for what cannot be made shorter"));
        checked(bytes)
    }
}

/// The beginning of bytes that are not compressed; what they are for follows.
pub(super) fn begun() -> Vec<u8> {
    vec![PLAIN]
}

/// With their check sum.
pub(super) fn checked(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    bytes
}

/// What was sealed; none when it is damaged.
pub(super) fn open(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (bytes, sum) = bytes.split_last_chunk()?;
    if crc32fast::hash(bytes) != u32::from_be_bytes(*sum) {
        return None;
    }
    match *bytes {
        [PLAIN, ref plain @ ..] => Some(Cow::Borrowed(plain)),
        [PACKED, a, b, c, d, ref packed @ ..] => {
            let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
            if length > BYTES_MAX {
                return None;
            }
            decompress(packed, length).ok().map(Cow::Owned)
        }
        _ => None,
    }
}
