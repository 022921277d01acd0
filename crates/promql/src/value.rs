//! What queries evaluate to, as Prometheus' HTTP API writes it.

use std::sync::Arc;

use model::series::{Labels, Sample};
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use crate::format;

/// The value of a query at one time.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(Sample),
    /// A string.
    Text {
        /// When the query was evaluated.
        timestamp_ms: i64,
        /// The string.
        text: Arc<str>,
    },
    /// One value for each series. The order is that of the query where it sorts.
    Vector(Vec<VectorSample>),
    /// Samples for each series.
    Matrix(Matrix),
}

/// One element of a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Its identity.
    pub labels: Labels,
    /// Its value.
    pub sample: Sample,
}

/// Samples for each series, in the order of labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix(pub Vec<MatrixSeries>);

/// One series of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSeries {
    /// Its identity.
    pub labels: Labels,
    /// Its samples, in the order of time.
    pub samples: Vec<Sample>,
}

/// A value with what there is to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// Remarks.
    pub notes: Notes,
}

/// Remarks about a value: each text once, at most [`Notes::COUNT_MAX`] of a kind. Line and column stand at the end
/// of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// The value may be wrong.
    pub warnings: Vec<String>,
    /// The query may not be what was meant.
    pub infos: Vec<String>,
}

impl Notes {
    /// How many remarks of a kind are kept.
    pub const COUNT_MAX: usize = 10;
}

/// Keeps a remark, unless it is known or there are many.
pub(crate) fn note(notes: &mut Vec<String>, text: String) {
    if notes.len() < Notes::COUNT_MAX && !notes.contains(&text) {
        notes.push(text);
    }
}

/// `[seconds, "value"]`.
struct Pair(Sample);

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (Seconds(self.0.timestamp_ms), format::api_float(self.0.value)).serialize(serializer)
    }
}

/// Milliseconds, written as seconds: whole ones without a point.
struct Seconds(i64);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1000 == 0 {
            serializer.serialize_i64(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.0 as f64 / 1000.0)
        }
    }
}

struct Metric<'a>(&'a Labels);

impl Serialize for Metric<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0.iter() {
            map.serialize_entry(&**name, &**value)?;
        }
        map.end()
    }
}

impl Serialize for VectorSample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("VectorSample", 2)?;
        object.serialize_field("metric", &Metric(&self.labels))?;
        object.serialize_field("value", &Pair(self.sample))?;
        object.end()
    }
}

impl Serialize for MatrixSeries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("MatrixSeries", 2)?;
        object.serialize_field("metric", &Metric(&self.labels))?;
        object.serialize_field("values", &self.samples.iter().copied().map(Pair).collect::<Vec<_>>())?;
        object.end()
    }
}

impl Serialize for Matrix {
    /// `{"resultType": "matrix", "result": […]}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        data(serializer, "matrix", &self.0)
    }
}

impl Serialize for Value {
    /// `{"resultType": …, "result": …}`, the `data` of an answer.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Scalar(sample) => data(serializer, "scalar", &Pair(*sample)),
            Value::Text { timestamp_ms, text } => {
                data(serializer, "string", &(Seconds(*timestamp_ms), &**text))
            }
            Value::Vector(samples) => data(serializer, "vector", samples),
            Value::Matrix(matrix) => matrix.serialize(serializer),
        }
    }
}

fn data<S: Serializer>(serializer: S, kind: &str, result: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_struct("Data", 2)?;
    object.serialize_field("resultType", kind)?;
    object.serialize_field("result", result)?;
    object.end()
}
