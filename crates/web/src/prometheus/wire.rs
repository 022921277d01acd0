//! The messages of remote write 1.0 (`prometheus/prompb/remote.proto` and `types.proto`); what is not kept is left out.

use model::series::{Labels, Sample};
use prost::Message;

/// What is sent.
#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    /// Series with new samples.
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
}

/// Samples of one series.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    /// Its identity.
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    /// Its samples.
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<WireSample>,
    /// Its native histograms, unread.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub(super) histograms: Vec<Vec<u8>>,
}

/// One label.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// One sample.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct WireSample {
    /// Its value.
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    /// Milliseconds since the Unix epoch.
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

impl WriteRequest {
    /// The samples, each with its series.
    pub(super) fn into_samples(self) -> Vec<(Labels, Sample)> {
        let mut samples = Vec::new();
        for series in self.timeseries {
            let labels = Labels::new(series.labels.into_iter().map(|label| (label.name, label.value)));
            samples.extend(series.samples.into_iter().map(|sample| {
                (labels.clone(), Sample { timestamp_ms: sample.timestamp, value: sample.value })
            }));
        }
        samples
    }
}
