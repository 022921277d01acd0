//! Bits in bytes, the most significant first.

/// Collects bits.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are not written yet.
    free: u32,
}

impl BitWriter {
    /// Begins again and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.free = 0;
    }

    /// What was written; bits of the last byte that were not are 0.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of memory beneath.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Writes the low `count` bits of `value`, at most 64.
    pub(crate) fn write(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = left.min(self.free);
            let piece = (value >> (left - taken)) as u8 & low_mask(taken);
            self.free -= taken;
            left -= taken;
            if let Some(last) = self.bytes.last_mut() {
                *last |= piece << self.free;
            }
        }
    }
}

fn low_mask(count: u32) -> u8 {
    (0xff_u16 >> (8 - count)) as u8
}

/// Reads what [`BitWriter`] wrote; nothing past the end.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// From the first bit.
    pub(crate) fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader { bytes, position: 0 }
    }

    /// The next bit.
    #[inline]
    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.position / 8)?;
        let bit = byte << (self.position % 8) & 0x80 != 0;
        self.position += 1;
        Some(bit)
    }

    /// The next `count` bits, 1 to 64, as the low bits of a number.
    #[inline]
    pub(crate) fn bits(&mut self, count: u32) -> Option<u64> {
        if count > 56 {
            let high = self.short(count - 32)?;
            return Some(high << 32 | self.short(32)?);
        }
        self.short(count)
    }

    /// Up to 56 bits, which lie within 8 bytes wherever they begin.
    #[inline]
    fn short(&mut self, count: u32) -> Option<u64> {
        let end = self.position + count as usize;
        if end > self.bytes.len() * 8 {
            return None;
        }
        let rest = &self.bytes[self.position / 8..];
        let word = match rest.first_chunk::<8>() {
            Some(eight) => u64::from_be_bytes(*eight),
            None => {
                let mut padded = [0; 8];
                padded[..rest.len()].copy_from_slice(rest);
                u64::from_be_bytes(padded)
            }
        };
        let value = word << (self.position % 8) >> (64 - count);
        self.position = end;
        Some(value)
    }

    /// Whether nothing but the padding of the last byte is left, all zero.
    pub(crate) fn is_at_end(&mut self) -> bool {
        let left = self.bytes.len() * 8 - self.position;
        left < 8 && (left == 0 || self.short(left as u32) == Some(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(pieces in proptest::collection::vec((any::<u64>(), 1_u32..=64), 0..200)) {
            let mut writer = BitWriter::default();
            for (value, count) in &pieces {
                writer.write(*value, *count);
            }
            let mut reader = BitReader::new(writer.bytes());
            for (value, count) in &pieces {
                let expected = value & (u64::MAX >> (64 - count));
                let read = if *count == 1 { reader.bit().map(u64::from) } else { reader.bits(*count) };
                prop_assert_eq!(read, Some(expected));
            }
            prop_assert!(reader.is_at_end());
            prop_assert_eq!(reader.bits(8), None);
        }
    }
}
