//! The request of remote write 1.0 (`https://prometheus.io/docs/specs/prw/remote_write_spec/`), written without an
//! intermediate message: labels and samples as they are, each sample in a series of its own.

use model::outbox::Parcel;
use model::series::{Labels, Sample};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

/// Most samples of one request.
pub(crate) const SAMPLES_MAX: usize = 2000;

/// Most bytes of one request before it is compressed: receivers bound it, ours at 32 MiB.
const BYTES_MAX: usize = 8 << 20;

/// Requests of at most [`SAMPLES_MAX`] samples each, in the order of the samples.
pub(crate) fn pack(samples: &[(Labels, Sample)], mut give: impl FnMut(Parcel)) {
    let mut out = Vec::new();
    let mut parcel = Parcel { oldest_ms: i64::MAX, ..Parcel::default() };
    for (index, (labels, sample)) in samples.iter().enumerate() {
        series(&mut out, labels, *sample);
        parcel.samples += 1;
        parcel.oldest_ms = parcel.oldest_ms.min(sample.timestamp_ms);
        let is_full = parcel.samples as usize == SAMPLES_MAX || out.len() >= BYTES_MAX;
        if is_full || index + 1 == samples.len() {
            let body = snap::raw::Encoder::new().compress_vec(&out);
            let body = body.expect("a request is smaller than 4 GiB");
            give(Parcel { body, ..parcel });
            out.clear();
            parcel = Parcel { oldest_ms: i64::MAX, ..Parcel::default() };
        }
    }
}

/// `TimeSeries`, field 1 of `WriteRequest`: its labels are field 1, sorted by name as they must be, its samples field 2.
fn series(out: &mut Vec<u8>, labels: &Labels, sample: Sample) {
    let labels_len: usize =
        labels.iter().map(|(name, value)| field_len(field_len(name.len()) + field_len(value.len()))).sum();
    let sample_len = 1 + 8 + 1 + encoded_len_varint(sample.timestamp_ms as u64);
    begin(out, 1, labels_len + field_len(sample_len));
    for (name, value) in labels.iter() {
        begin(out, 1, field_len(name.len()) + field_len(value.len()));
        for (tag, text) in [(1, name), (2, value)] {
            begin(out, tag, text.len());
            out.extend_from_slice(text.as_bytes());
        }
    }
    begin(out, 2, sample_len);
    encode_key(1, WireType::SixtyFourBit, out);
    out.extend_from_slice(&sample.value.to_bits().to_le_bytes());
    encode_key(2, WireType::Varint, out);
    encode_varint(sample.timestamp_ms as u64, out);
}

fn begin(out: &mut Vec<u8>, tag: u32, length: usize) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

/// Of a field below 16 with its key and length.
fn field_len(length: usize) -> usize {
    key_len(1) + encoded_len_varint(length as u64) + length
}

#[cfg(test)]
#[path = "../../web/src/prometheus/wire.rs"]
mod receiver;

#[cfg(test)]
pub(crate) mod tests {
    use model::series::STALE_MARKER;
    use prost::Message as _;

    use super::*;

    /// What a request has.
    pub(crate) fn received(body: &[u8]) -> Vec<(Labels, Sample)> {
        let unpacked = snap::raw::Decoder::new().decompress_vec(body).expect("snappy");
        receiver::WriteRequest::decode(unpacked.as_slice()).expect("protobuf").into_samples()
    }

    #[track_caller]
    fn check(samples: &[(Labels, Sample)], sizes: &[u64]) {
        let mut parcels = Vec::new();
        pack(samples, |parcel| parcels.push(parcel));
        assert_eq!(parcels.iter().map(|parcel| parcel.samples).collect::<Vec<_>>(), sizes);
        let bits = |samples: &[(Labels, Sample)]| -> Vec<(Labels, i64, u64)> {
            samples.iter().map(|(l, s)| (l.clone(), s.timestamp_ms, s.value.to_bits())).collect()
        };
        let again: Vec<_> = parcels.iter().flat_map(|parcel| received(&parcel.body)).collect();
        assert_eq!(bits(&again), bits(samples));
        let oldest = samples.iter().map(|(_, sample)| sample.timestamp_ms).min();
        assert_eq!(parcels.iter().map(|parcel| parcel.oldest_ms).min(), oldest);
    }

    #[test]
    fn the_receiver_reads_what_is_written() {
        let labels = |route: &str| Labels::new([("__name__", "up"), ("route", route), ("zone", "a")]);
        let long = "路".repeat(100);
        let sample = |timestamp_ms, value| Sample { timestamp_ms, value };
        check(&[], &[]);
        let values = [0.0, -1.5, f64::INFINITY, f64::NAN, STALE_MARKER];
        let odd: Vec<_> = values.map(|value| (labels(&long), sample(-3, value))).to_vec();
        check(&odd, &[5]);
        let many: Vec<_> = (0..4001).map(|at| (labels("chat"), sample(1 << 40 | at, at as f64))).collect();
        check(&many, &[2000, 2000, 1]);
    }

    #[test]
    fn large_labels_make_smaller_requests() {
        let labels = Labels::new([("__name__", "x".repeat(1 << 20))]);
        let samples: Vec<_> =
            (0..9).map(|at| (labels.clone(), Sample { timestamp_ms: at, value: 1.0 })).collect();
        check(&samples, &[8, 1]);
    }
}
