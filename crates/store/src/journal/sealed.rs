//! Bytes with a check sum: a column or a part of the records of a chunk, or, compressed, a block of version 2.

use std::borrow::Cow;

use lz4_flex::block::decompress;

/// First byte of those that are compressed.
const PACKED: u8 = 2;

/// First byte of those that are not.
const PLAIN: u8 = 3;

/// Most bytes that are read, unpacked.
pub(super) const BYTES_MAX: usize = 64 << 20;

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
