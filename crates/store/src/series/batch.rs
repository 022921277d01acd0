//! What was appended at once, as one row: which series got which samples. Each row stands for itself; the bytes are
//! described in `docs/format/store.md`.

use model::series::Sample;

use super::chunk::Damaged;
use crate::varint;

/// Version of the bytes.
const FORMAT: u8 = 1;

/// Whole numbers beyond this are written bit by bit.
const WHOLE_MAX: i64 = 1 << 53;

/// Encodes samples with the number of their series' row.
pub(crate) fn encode(samples: &[(i64, Sample)], bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.push(FORMAT);
    varint::write(bytes, samples.len() as u64);
    let (mut series, mut timestamp_ms) = (0_i64, samples.first().map_or(0, |(_, first)| first.timestamp_ms));
    varint::write(bytes, varint::zigzag(timestamp_ms));
    let is_one_instant = samples.iter().all(|(_, sample)| sample.timestamp_ms == timestamp_ms);
    bytes.push(u8::from(!is_one_instant));
    for (row, sample) in samples {
        varint::write(bytes, varint::zigzag(row.wrapping_sub(series)));
        series = *row;
        if !is_one_instant {
            varint::write(bytes, varint::zigzag(sample.timestamp_ms.wrapping_sub(timestamp_ms)));
            timestamp_ms = sample.timestamp_ms;
        }
        write_value(bytes, sample.value);
    }
    bytes.extend_from_slice(&crc32fast::hash(bytes).to_be_bytes());
}

/// A whole number as such, an even one; anything else as 1 and its bits.
fn write_value(bytes: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    if (-WHOLE_MAX..=WHOLE_MAX).contains(&whole) && (whole as f64).to_bits() == value.to_bits() {
        varint::write(bytes, varint::zigzag(whole) << 1);
    } else {
        bytes.push(1);
        bytes.extend_from_slice(&value.to_bits().to_be_bytes());
    }
}

/// Hands each sample, with the number of its series' row, to `take`.
///
/// # Errors
/// The bytes are not whole; some samples may have been handed over when the check sum is right all the same.
pub(crate) fn decode(bytes: &[u8], mut take: impl FnMut(i64, Sample)) -> Result<(), Damaged> {
    const SHORT: Damaged = Damaged("samples are missing");
    let (mut body, sum) = bytes.split_last_chunk::<4>().ok_or(Damaged("too short"))?;
    if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
        return Err(Damaged("the check sum is wrong"));
    }
    if byte(&mut body) != Some(FORMAT) {
        return Err(Damaged("the format is not known"));
    }
    let count = varint::read(&mut body).ok_or(SHORT)?;
    let mut timestamp_ms = signed(&mut body).ok_or(SHORT)?;
    let has_times = byte(&mut body).ok_or(SHORT)? != 0;
    let mut series = 0_i64;
    for _ in 0..count {
        series = series.wrapping_add(signed(&mut body).ok_or(SHORT)?);
        if has_times {
            timestamp_ms = timestamp_ms.wrapping_add(signed(&mut body).ok_or(SHORT)?);
        }
        let value = read_value(&mut body).ok_or(SHORT)?;
        take(series, Sample { timestamp_ms, value });
    }
    if body.is_empty() { Ok(()) } else { Err(Damaged("there is more than samples")) }
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(first)
}

fn signed(bytes: &mut &[u8]) -> Option<i64> {
    varint::read(bytes).map(varint::unzigzag)
}

fn read_value(bytes: &mut &[u8]) -> Option<f64> {
    let whole = varint::read(bytes)?;
    if whole & 1 == 0 {
        return Some(varint::unzigzag(whole >> 1) as f64);
    }
    let (bits, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(f64::from_bits(u64::from_be_bytes(*bits)))
}

#[cfg(test)]
mod tests {
    use model::series::STALE_MARKER;
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8]) -> Result<Vec<(i64, i64, u64)>, Damaged> {
        let mut samples = Vec::new();
        decode(bytes, |row, sample| samples.push((row, sample.timestamp_ms, sample.value.to_bits())))?;
        Ok(samples)
    }

    fn value() -> impl Strategy<Value = f64> {
        let whole = (-(1_i64 << 55)..1_i64 << 55).prop_map(|whole| whole as f64);
        prop_oneof![whole, any::<u64>().prop_map(f64::from_bits), Just(STALE_MARKER), Just(-0.0), Just(0.0)]
    }

    fn rows() -> impl Strategy<Value = Vec<(i64, Sample)>> {
        let timestamp = prop_oneof![Just(1_700_000_000_000_i64), any::<i64>()];
        let row = (any::<i64>(), timestamp, value())
            .prop_map(|(row, timestamp_ms, value)| (row, Sample { timestamp_ms, value }));
        proptest::collection::vec(row, 0..50)
    }

    proptest! {
        #[test]
        fn samples_survive(rows in rows()) {
            let mut bytes = Vec::new();
            encode(&rows, &mut bytes);
            let expected: Vec<_> =
                rows.iter().map(|(row, sample)| (*row, sample.timestamp_ms, sample.value.to_bits())).collect();
            prop_assert_eq!(decoded(&bytes), Ok(expected));
        }

        #[test]
        fn a_damaged_byte_is_an_error(rows in rows(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let mut bytes = Vec::new();
            encode(&rows, &mut bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(decoded(&bytes).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut bytes = [[FORMAT].as_slice(), &bytes].concat();
            let sum = crc32fast::hash(&bytes).to_be_bytes();
            bytes.extend_from_slice(&sum);
            let _ = decoded(&bytes);
        }
    }

    #[test]
    fn the_bytes_are_those_that_are_described() {
        let sample = |value| Sample { timestamp_ms: 3, value };
        let mut bytes = Vec::new();
        encode(&[(1, sample(0.0)), (2, sample(-1.0)), (3, sample(0.5))], &mut bytes);
        let (body, _) = bytes.split_last_chunk::<4>().expect("a check sum");
        assert_eq!(body, [1, 3, 6, 0, 2, 0, 2, 2, 2, 1, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]);
    }
}
