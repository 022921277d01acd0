//! Labelled series of samples: the second waist of the design. Metrics, results of probes and findings are
//! series; rules, queries and dashboards read nothing else (Prometheus data model).

use std::fmt;
use std::sync::Arc;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// A sample with this NaN says that its series ended here (Prometheus, `model/value`). Any other NaN is a value.
pub const STALE_MARKER: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is [`STALE_MARKER`], which comparison cannot tell from another NaN.
pub fn is_stale_marker(value: f64) -> bool {
    value.to_bits() == STALE_MARKER.to_bits()
}

/// One value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// The value; see [`STALE_MARKER`].
    pub value: f64,
}

/// The identity of a series: label names with their values, sorted by name, each name once, no value empty.
/// Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// From pairs in any order. An empty value is as good as no label; of a name that comes twice the last
    /// value stays.
    pub fn new<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Labels
    where
        N: Into<Arc<str>>,
        V: Into<Arc<str>>,
    {
        let mut pairs: Vec<(Arc<str>, Arc<str>)> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        pairs.reverse();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        pairs.dedup_by(|(later, _), (earlier, _)| later == earlier);
        pairs.retain(|(_, value)| !value.is_empty());
        Labels(pairs.into())
    }

    /// The value of a label; empty when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name)).map_or("", |at| &self.0[at].1)
    }

    /// The metric's name; empty when there is none.
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// Names with their values, in the order of names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Arc<str>)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Number of labels, the metric's name included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Labels {
    /// As in PromQL: `name{label="value"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric_name())?;
        let mut others = self.iter().filter(|(name, _)| &***name != METRIC_NAME).peekable();
        if others.peek().is_none() {
            return if self.is_empty() { f.write_str("{}") } else { Ok(()) };
        }
        for (index, (name, value)) in others.enumerate() {
            write!(f, "{}{name}={value:?}", if index == 0 { "{" } else { ", " })?;
        }
        f.write_str("}")
    }
}

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`: the whole value matches the regular expression (RE2 syntax).
    Regex,
    /// `!~`
    NotRegex,
}

/// A condition on one label of a series. A label that is not there has the empty value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// How to compare.
    pub op: MatchOp,
    /// The value, or the regular expression.
    pub value: String,
}

/// A series with samples in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its identity.
    pub labels: Labels,
    /// Its samples; stale markers are among them.
    pub samples: Vec<Sample>,
}

/// Time from `from_ms` to `to_ms`, both included, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// First instant.
    pub from_ms: i64,
    /// Last instant.
    pub to_ms: i64,
}

/// Why series could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// More samples match than the caller would take.
    TooManySamples,
    /// A matcher's regular expression cannot be parsed; what the parser said.
    Regex(String),
    /// What keeps the series failed; what it said.
    Store(String),
    /// The engine elsewhere that has them gave none; why.
    Engine(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::TooManySamples => f.write_str("the query needs more samples than it may load"),
            ReadError::Regex(text) => write!(f, "a regular expression is not valid: {text}"),
            ReadError::Store(text) => write!(f, "the store could not be read: {text}"),
            ReadError::Engine(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ReadError {}

/// Where series are read from.
pub trait SeriesSource: Send + Sync {
    /// Series that all matchers hold for, with their samples within the range; series without a sample in it
    /// are left out. The order is that of labels.
    ///
    /// # Errors
    /// See [`ReadError`]; `samples_max` bounds the sum over all series.
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        samples_max: usize,
    ) -> Result<Vec<Series>, ReadError>;

    /// Identities of series that all matchers hold for and that have a sample in the range, at most `limit`.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn identities(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Labels>, ReadError>;
}

/// Where samples are written to.
pub trait SampleSink: Send + Sync {
    /// Takes samples; those that do not advance their series' time, or that no room is left for, are counted
    /// and dropped.
    fn append(&self, samples: &[(Labels, Sample)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(&str, &str)], shown: &str) {
        assert_eq!(Labels::new(pairs.iter().copied()).to_string(), shown);
    }

    #[test]
    fn labels_are_sorted_single_and_not_empty() {
        check(&[], "{}");
        check(&[("__name__", "up")], "up");
        check(&[("z", "1"), ("a", "2"), ("__name__", "up")], r#"up{a="2", z="1"}"#);
        check(&[("a", "first"), ("a", "last"), ("b", "")], r#"{a="last"}"#);
        check(&[("a", "first"), ("a", "")], "{}");
    }

    #[test]
    fn a_label_that_is_not_there_is_empty() {
        let labels = Labels::new([("job", "heartline")]);
        assert_eq!((labels.get("job"), labels.get("instance")), ("heartline", ""));
    }

    #[test]
    fn the_stale_marker_is_one_nan_of_many() {
        assert!(is_stale_marker(STALE_MARKER));
        assert!(!is_stale_marker(f64::NAN));
    }
}
