//! A run of one series' samples, compressed: timestamps as deltas of deltas, values by exclusive or with the one
//! before (Pelkonen et al., "Gorilla", VLDB 2015). The bytes are described in `docs/format/store.md`.

use std::sync::Arc;

use model::series::{Sample, TimeRange};

use super::bits::{BitReader, BitWriter};

/// Samples of a chunk at which it is full.
pub(crate) const SAMPLES_MAX: u16 = 120;

/// Longest time from the first to the last sample of a chunk.
pub(crate) const SPAN_MAX_MS: i64 = 3_600_000;

/// Version of the bytes.
const FORMAT: u8 = 1;

/// Format, number of samples, first timestamp.
const HEAD_BYTES: usize = 1 + 2 + 8;

/// Widths of a delta of deltas, behind as many ones as its place says and a zero.
const WIDTHS: [u32; 3] = [7, 14, 20];

/// Bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored samples are damaged: {0}")]
pub(crate) struct Damaged(pub(crate) &'static str);

/// A run of samples that does not change any more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunk {
    /// Time of the first sample.
    pub(crate) from_ms: i64,
    /// Time of the last sample.
    pub(crate) to_ms: i64,
    /// Number of samples.
    pub(crate) samples: u16,
    /// The samples.
    pub(crate) bytes: Arc<[u8]>,
}

impl Chunk {
    /// Whether it can have samples in the range.
    pub(crate) fn touches(&self, range: TimeRange) -> bool {
        self.from_ms <= range.to_ms && self.to_ms >= range.from_ms
    }
}

/// A run of samples that grows.
#[derive(Clone, Debug)]
pub(crate) struct ChunkBuilder {
    bits: BitWriter,
    samples: u16,
    from_ms: i64,
    last_ms: i64,
    delta_ms: i64,
    value: u64,
    /// Zeros before and behind the bits that the window of values holds; none yet with 64 leading ones.
    leading: u32,
    trailing: u32,
}

impl ChunkBuilder {
    /// Whether the last sample is of the same instant and has another value, bit by bit.
    pub(crate) fn contradicts(&self, sample: Sample) -> bool {
        self.last_ms == sample.timestamp_ms && self.value != sample.value.to_bits()
    }

    /// With its first sample.
    pub(crate) fn new(first: Sample) -> ChunkBuilder {
        let mut builder = ChunkBuilder {
            bits: BitWriter::default(),
            samples: 0,
            from_ms: 0,
            last_ms: 0,
            delta_ms: 0,
            value: 0,
            leading: 64,
            trailing: 0,
        };
        builder.restart(first);
        builder
    }

    /// Begins again and keeps the memory.
    pub(crate) fn restart(&mut self, first: Sample) {
        self.bits.clear();
        self.bits.write(first.value.to_bits(), 64);
        self.samples = 1;
        (self.from_ms, self.last_ms, self.delta_ms) = (first.timestamp_ms, first.timestamp_ms, 0);
        self.value = first.value.to_bits();
        (self.leading, self.trailing) = (64, 0);
    }

    /// Time of the first sample.
    pub(crate) fn first_ms(&self) -> i64 {
        self.from_ms
    }

    /// Time of the last sample.
    pub(crate) fn last_ms(&self) -> i64 {
        self.last_ms
    }

    /// Bits of the last value.
    pub(crate) fn last_value_bits(&self) -> u64 {
        self.value
    }

    /// Number of samples.
    pub(crate) fn samples(&self) -> u16 {
        self.samples
    }

    /// Bytes of memory beneath.
    pub(crate) fn capacity(&self) -> usize {
        self.bits.capacity()
    }

    /// Appends a sample, which must be later than the last one.
    pub(crate) fn push(&mut self, sample: Sample) {
        debug_assert!(sample.timestamp_ms > self.last_ms, "time goes on");
        let delta_ms = sample.timestamp_ms.wrapping_sub(self.last_ms);
        self.push_time(delta_ms.wrapping_sub(self.delta_ms));
        self.push_value(sample.value.to_bits());
        (self.last_ms, self.delta_ms) = (sample.timestamp_ms, delta_ms);
        self.samples += 1;
    }

    fn push_time(&mut self, change: i64) {
        if change == 0 {
            return self.bits.write(0, 1);
        }
        for (ones, width) in (1..).zip(WIDTHS) {
            let reach = 1_i64 << (width - 1);
            if (-reach..reach).contains(&change) {
                self.bits.write(((1 << ones) - 1) << 1, ones + 1);
                return self.bits.write(change as u64, width);
            }
        }
        self.bits.write(0b1111, 4);
        self.bits.write(change as u64, 64);
    }

    fn push_value(&mut self, value: u64) {
        let change = value ^ self.value;
        self.value = value;
        if change == 0 {
            return self.bits.write(0, 1);
        }
        let (leading, trailing) = (change.leading_zeros().min(31), change.trailing_zeros());
        if leading >= self.leading && trailing >= self.trailing {
            self.bits.write(0b10, 2);
        } else {
            (self.leading, self.trailing) = (leading, trailing);
            self.bits.write(0b11 << 11 | u64::from(leading << 6 | (63 - leading - trailing)), 13);
        }
        self.bits.write(change >> self.trailing, 64 - self.leading - self.trailing);
    }

    /// What it holds now.
    pub(crate) fn chunk(&self) -> Chunk {
        let bits = self.bits.bytes();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + bits.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.samples.to_be_bytes());
        bytes.extend_from_slice(&self.from_ms.to_be_bytes());
        bytes.extend_from_slice(bits);
        Chunk { from_ms: self.from_ms, to_ms: self.last_ms, samples: self.samples, bytes: bytes.into() }
    }
}

/// The bytes of a chunk as they are stored in the row of a series: with a check sum over both.
pub(crate) fn with_sum(row: i64, bytes: &[u8]) -> Vec<u8> {
    [bytes, &sum(row, bytes).to_be_bytes()].concat()
}

/// The way back from [`with_sum`].
///
/// # Errors
/// They are not what was stored in this row.
pub(crate) fn without_sum(row: i64, stored: &[u8]) -> Result<&[u8], Damaged> {
    let (bytes, found) = stored.split_last_chunk().ok_or(Damaged("too short"))?;
    if sum(row, bytes) == u32::from_be_bytes(*found) {
        Ok(bytes)
    } else {
        Err(Damaged("the check sum is wrong"))
    }
}

fn sum(row: i64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&row.to_be_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// Appends the samples of a chunk's bytes that lie in the range and are later than the last one of `samples`.
///
/// # Errors
/// The bytes are not whole; then nothing is appended.
pub(crate) fn decode(bytes: &[u8], range: TimeRange, samples: &mut Vec<Sample>) -> Result<(), Damaged> {
    let (head, bits) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(Damaged("too short"))?;
    let [format, count @ .., _, _, _, _, _, _, _, _] = *head;
    if format != FORMAT {
        return Err(Damaged("the format is not known"));
    }
    let (_, from) = head.split_last_chunk::<8>().ok_or(Damaged("too short"))?;
    let before = samples.len();
    let decoded = decode_bits(bits, u16::from_be_bytes(count), i64::from_be_bytes(*from), range, samples);
    if decoded.is_err() {
        samples.truncate(before);
    }
    decoded
}

fn decode_bits(
    bits: &[u8],
    count: u16,
    from_ms: i64,
    range: TimeRange,
    samples: &mut Vec<Sample>,
) -> Result<(), Damaged> {
    const SHORT: Damaged = Damaged("samples are missing");
    let mut reader = BitReader::new(bits);
    let mut value = reader.bits(64).ok_or(SHORT)?;
    let mut timestamp_ms = from_ms;
    let (mut delta_ms, mut shift, mut width) = (0_i64, 0, 0);
    let after_ms = samples.last().map_or(i64::MIN, |last| last.timestamp_ms);
    let wanted = range.from_ms.max(after_ms.saturating_add(1))..=range.to_ms;
    if count == 0 {
        return Err(Damaged("no samples"));
    }
    for index in 0..count {
        if index > 0 {
            delta_ms = delta_ms.wrapping_add(read_change(&mut reader).ok_or(SHORT)?);
            timestamp_ms = timestamp_ms
                .checked_add(delta_ms)
                .filter(|_| delta_ms > 0)
                .ok_or(Damaged("time does not go on"))?;
            if reader.bit().ok_or(SHORT)? {
                if reader.bit().ok_or(SHORT)? {
                    let window = reader.bits(11).ok_or(SHORT)? as u32;
                    width = (window & 63) + 1;
                    shift =
                        64_u32.checked_sub((window >> 6) + width).ok_or(Damaged("a value is too wide"))?;
                } else if width == 0 {
                    return Err(Damaged("a value has no width"));
                }
                value ^= reader.bits(width).ok_or(SHORT)? << shift;
            }
        }
        if wanted.contains(&timestamp_ms) {
            samples.push(Sample { timestamp_ms, value: f64::from_bits(value) });
        }
    }
    if reader.is_at_end() { Ok(()) } else { Err(Damaged("there is more than samples")) }
}

#[inline]
fn read_change(reader: &mut BitReader<'_>) -> Option<i64> {
    if !reader.bit()? {
        return Some(0);
    }
    for width in WIDTHS {
        if !reader.bit()? {
            return Some(sign_extended(reader.bits(width)?, width));
        }
    }
    reader.bits(64).map(|change| change as i64)
}

fn sign_extended(value: u64, width: u32) -> i64 {
    ((value << (64 - width)) as i64) >> (64 - width)
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
