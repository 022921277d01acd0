//! Chunks against plain lists of samples.

use model::series::STALE_MARKER;
use proptest::prelude::*;

use super::*;

const ALWAYS: TimeRange = TimeRange { from_ms: i64::MIN, to_ms: i64::MAX };

fn chunk_of(samples: &[Sample]) -> Chunk {
    let mut builder = ChunkBuilder::new(samples[0]);
    samples[1..].iter().for_each(|sample| builder.push(*sample));
    builder.chunk()
}

/// Samples with the bits of their values, which comparison of NaN would hide.
fn bits(samples: &[Sample]) -> Vec<(i64, u64)> {
    samples.iter().map(|sample| (sample.timestamp_ms, sample.value.to_bits())).collect()
}

fn decoded(bytes: &[u8], range: TimeRange) -> Result<Vec<Sample>, Damaged> {
    let mut samples = Vec::new();
    decode(bytes, range, &mut samples).map(|()| samples)
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0_u32..1000).prop_map(f64::from),
        2 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(STALE_MARKER),
        1 => Just(-0.0),
        1 => Just(0.1),
    ]
}

fn run() -> impl Strategy<Value = Vec<Sample>> {
    let step = prop_oneof![Just(5000_i64), 4990..5010_i64, 1..100_000_i64, 1..1_i64 << 45];
    let steps = proptest::collection::vec((step, value()), 1..=usize::from(SAMPLES_MAX));
    (-(1_i64 << 50)..1_i64 << 50, steps).prop_map(|(mut timestamp_ms, steps)| {
        let sample = |(step, value)| {
            timestamp_ms += step;
            Sample { timestamp_ms, value }
        };
        steps.into_iter().map(sample).collect()
    })
}

proptest! {
    #[test]
    fn samples_survive(samples in run()) {
        let chunk = chunk_of(&samples);
        prop_assert_eq!(bits(&decoded(&chunk.bytes, ALWAYS).expect("whole")), bits(&samples));
        prop_assert_eq!((chunk.from_ms, usize::from(chunk.samples)), (samples[0].timestamp_ms, samples.len()));
        prop_assert_eq!(chunk.to_ms, samples[samples.len() - 1].timestamp_ms);
    }

    #[test]
    fn a_range_is_cut_out(samples in run(), from in 0_usize..120, to in 0_usize..120) {
        let at = |index: usize| samples[index.min(samples.len() - 1)].timestamp_ms;
        let range = TimeRange { from_ms: at(from), to_ms: at(to) };
        let inside = |sample: &&Sample| (range.from_ms..=range.to_ms).contains(&sample.timestamp_ms);
        let expected: Vec<Sample> = samples.iter().filter(inside).copied().collect();
        let read = decoded(&chunk_of(&samples).bytes, range).expect("whole");
        prop_assert_eq!(bits(&read), bits(&expected));
    }

    #[test]
    fn a_damaged_byte_is_an_error(samples in run(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut stored = with_sum(7, &chunk_of(&samples).bytes);
        prop_assert_eq!(without_sum(7, &stored), Ok(&*chunk_of(&samples).bytes));
        prop_assert!(without_sum(8, &stored).is_err(), "it belongs to its row");
        let at = at.index(stored.len());
        stored[at] ^= flip;
        prop_assert!(without_sum(7, &stored).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), keeps_head in any::<bool>()) {
        let mut bytes = bytes;
        if keeps_head && !bytes.is_empty() {
            bytes[0] = FORMAT;
        }
        if let Ok(samples) = decoded(&bytes, ALWAYS) {
            prop_assert!(samples.is_sorted_by_key(|sample| sample.timestamp_ms));
        }
    }
}

#[test]
fn the_bits_are_those_that_are_described() {
    let at = |timestamp_ms, value| Sample { timestamp_ms, value };
    let chunk = chunk_of(&[at(1000, 1.0), at(6000, 1.0), at(11_000, 3.0), at(16_001, 2.0)]);
    let bits = [
        "0011111111110000000000000000000000000000000000000000000000000000", // 1.0
        "110",
        "01001110001000",
        "0", // +5000 ms; the same value
        "0",
        "11",
        "00001",
        "001011",
        "111111111111", // +0 ms; a window of 12 bits behind 1 zero: 3.0
        "10",
        "0000001",
        "10",
        "000000000001", // +1 ms; the same window: 2.0
    ]
    .concat();
    let mut bytes = [[1, 0, 4].as_slice(), &1000_i64.to_be_bytes()].concat();
    for byte in bits.as_bytes().chunks(8) {
        let text: String = byte.iter().map(|bit| char::from(*bit)).collect();
        bytes.push(u8::from_str_radix(&format!("{text:0<8}"), 2).expect("bits"));
    }
    assert_eq!(*chunk.bytes, *bytes);
}

#[test]
fn only_what_is_later_is_appended() {
    let samples: Vec<Sample> = (0..10).map(|n| Sample { timestamp_ms: n * 10, value: n as f64 }).collect();
    let mut read = samples[..4].to_vec();
    decode(&chunk_of(&samples).bytes, ALWAYS, &mut read).expect("whole");
    assert_eq!(read, samples);
}
