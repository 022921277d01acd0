//! Bytes that are compressed and checked: a column or a part of the records of a chunk, or a block of version 2.

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress, get_maximum_output_size};

/// First byte.
pub(super) const FORMAT: u8 = 2;

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
        bytes[0] = FORMAT;
        bytes[1..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
        let packed = compress_into_with_table(plain, &mut bytes[HEAD_BYTES..], &mut self.0);
        bytes.truncate(HEAD_BYTES + packed.expect("there is room for what cannot be made shorter"));
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        bytes
    }
}

/// What was sealed; none when it is damaged.
pub(super) fn open(bytes: &[u8]) -> Option<Vec<u8>> {
    let (bytes, sum) = bytes.split_last_chunk()?;
    let is_whole = crc32fast::hash(bytes) == u32::from_be_bytes(*sum);
    let (head, packed) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let [format, length @ ..] = *head;
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    if !is_whole || format != FORMAT || length > BYTES_MAX {
        return None;
    }
    decompress(packed, length).ok()
}
