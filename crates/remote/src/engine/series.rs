//! What rules ask. Their expressions are the engine's to evaluate; what cannot be left to it is evaluated here over its
//! samples.
//!
//! A query `selector[range]` gives samples as they are, but not where a series ended. That is told by a second query:
//! what `selector` gives at the end of the range is alive. So an instant evaluation at that time sees what one over the
//! samples themselves would see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::ports::{EngineAnswer, EngineError, Question};
use model::series::{Labels, Matcher, ReadError, STALE_MARKER, Sample, Series, SeriesSource, TimeRange};
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::runtime::Handle;

use super::RemoteEngine;
use super::selector::selector;

/// One pass of rules over an engine's series. Reading waits for answers, so it is for threads that may wait. When the
/// engine does not answer at all, further questions of the pass fail at once: a pass takes the time of one.
#[derive(Debug)]
pub struct EngineSeries {
    engine: RemoteEngine,
    runtime: Handle,
    timeout: Duration,
    trouble: Mutex<Option<String>>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
    error: Option<String>,
}

/// The value of a query.
#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Value {
    Scalar(Point),
    Vector(Vec<Element>),
    Matrix(Vec<Row>),
    String(IgnoredAny),
}

/// Seconds and a value.
type Point = (f64, String);

#[derive(Deserialize)]
struct Element {
    metric: BTreeMap<String, String>,
    value: Point,
}

#[derive(Deserialize)]
struct Row {
    metric: BTreeMap<String, String>,
    values: Vec<Point>,
}

impl EngineSeries {
    /// Asks on this runtime, each question for this long at most.
    pub fn new(engine: RemoteEngine, runtime: Handle, timeout: Duration) -> EngineSeries {
        EngineSeries { engine, runtime, timeout, trouble: Mutex::new(None) }
    }

    /// The elements of a query's value at a time, milliseconds since the Unix epoch. A number is one without labels.
    ///
    /// # Errors
    /// The engine gave no answer, could not evaluate it, or its value is another.
    pub fn instant(&self, query: &str, at_ms: i64) -> Result<Vec<(Labels, Sample)>, String> {
        let value = self.runtime.block_on(self.value(query.to_owned(), at_ms));
        elements(value.map_err(|error| error.to_string())?, at_ms)
    }

    async fn value(&self, query: String, at_ms: i64) -> Result<Value, ReadError> {
        // VictoriaMetrics takes `nocache` for: at the time that was asked for and no other.
        let parameters = [("query", query), ("time", seconds(at_ms)), ("nocache", "1".to_owned())];
        self.ask("/api/v1/query", &parameters).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, String)],
    ) -> Result<T, ReadError> {
        if let Some(why) = &*self.trouble.lock() {
            return Err(ReadError::Engine(why.clone()));
        }
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let question =
            Question { path: path.to_owned(), parameters: parameters.collect(), timeout: self.timeout };
        let answer = self.engine.answer(question).await.map_err(|error| {
            let (EngineError::Unavailable(why) | EngineError::Timeout(why)) = error;
            *self.trouble.lock() = Some(why.clone());
            ReadError::Engine(why)
        })?;
        read(&answer).map_err(|why| {
            ReadError::Engine(format!("the answer of the engine at {}: {why}", self.engine.host()))
        })
    }

    async fn samples(&self, matchers: &[Matcher], range: TimeRange) -> Result<Vec<Series>, ReadError> {
        let selector = selector(matchers);
        // Whether the start of a range is in it depends on the engine; so it is asked for more and cut here.
        let span_ms = range.to_ms.saturating_sub(range.from_ms).saturating_add(1).max(1);
        let of_range = format!("{selector}[{span_ms}ms]");
        let (found, alive) =
            tokio::join!(self.value(of_range, range.to_ms), self.value(selector, range.to_ms));
        match (found?, alive?) {
            (Value::Matrix(found), Value::Vector(alive)) => join(found, alive, range),
            _ => Err("a selector has another type there".to_owned()),
        }
        .map_err(ReadError::Engine)
    }
}

fn read<T: DeserializeOwned>(answer: &EngineAnswer) -> Result<T, String> {
    let envelope: Envelope<T> = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    envelope.data.filter(|_| answer.status == 200).ok_or_else(|| {
        let status = answer.status;
        envelope.error.unwrap_or_else(|| format!("status {status} and no value"))
    })
}

fn elements(value: Value, at_ms: i64) -> Result<Vec<(Labels, Sample)>, String> {
    let sample = |(_, text): Point| Ok::<_, String>(Sample { timestamp_ms: at_ms, value: number(&text)? });
    match value {
        Value::Scalar(point) => Ok(vec![(Labels::default(), sample(point)?)]),
        Value::Vector(found) => {
            found.into_iter().map(|one| Ok((Labels::new(one.metric), sample(one.value)?))).collect()
        }
        Value::Matrix(_) | Value::String(_) => Err("rule result is not a vector or scalar".to_owned()),
    }
}

/// Samples within the range; behind the last one of a series that is not alive at the end stands a marker.
fn join(found: Vec<Row>, alive: Vec<Element>, range: TimeRange) -> Result<Vec<Series>, String> {
    let alive: BTreeSet<Labels> = alive.into_iter().map(|element| Labels::new(element.metric)).collect();
    let mut all = Vec::new();
    for Row { metric, values } in found {
        let labels = Labels::new(metric);
        let mut samples = Vec::with_capacity(values.len() + 1);
        for (seconds, text) in values {
            let timestamp_ms = (seconds * 1000.0).round() as i64;
            if (range.from_ms..=range.to_ms).contains(&timestamp_ms) {
                samples.push(Sample { timestamp_ms, value: number(&text)? });
            }
        }
        let Some(last_ms) = samples.last().map(|sample| sample.timestamp_ms) else { continue };
        if !alive.contains(&labels) && last_ms < range.to_ms {
            samples.push(Sample { timestamp_ms: last_ms + 1, value: STALE_MARKER });
        }
        all.push(Series { labels, samples });
    }
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(all)
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

/// Milliseconds as seconds with all their digits.
fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}

impl SeriesSource for EngineSeries {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        samples_max: usize,
    ) -> Result<Vec<Series>, ReadError> {
        let found = self.runtime.block_on(self.samples(matchers, range))?;
        let samples: usize = found.iter().map(|series| series.samples.len()).sum();
        if samples > samples_max { Err(ReadError::TooManySamples) } else { Ok(found) }
    }

    fn identities(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Labels>, ReadError> {
        let parameters = [
            ("match[]", selector(matchers)),
            ("start", seconds(range.from_ms)),
            ("end", seconds(range.to_ms)),
        ];
        let asked = self.ask::<Vec<BTreeMap<String, String>>>("/api/v1/series", &parameters);
        let mut found: Vec<Labels> = self.runtime.block_on(asked)?.into_iter().map(Labels::new).collect();
        found.sort();
        found.truncate(limit);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use model::series::is_stale_marker;

    use super::*;

    fn answer(status: u16, body: &str) -> EngineAnswer {
        EngineAnswer { status, body: body.as_bytes().to_vec() }
    }

    fn value(kind: &str, result: &str) -> Value {
        let body = format!(
            r#"{{"status":"success","data":{{"result":{result},"stats":{{}},"resultType":"{kind}"}}}}"#
        );
        read(&answer(200, &body)).expect("an answer")
    }

    fn shown(labels: &Labels, samples: &[Sample]) -> String {
        let text = |sample: &Sample| {
            let value =
                if is_stale_marker(sample.value) { "end".to_owned() } else { sample.value.to_string() };
            format!("{}:{value}", sample.timestamp_ms)
        };
        format!("{labels} {}", samples.iter().map(text).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn an_answer_becomes_samples() {
        let samples = value(
            "matrix",
            r#"[{"metric":{"__name__":"up","job":"b"},"values":[[0.999,"9"],[1,"1"],[2.5,"NaN"],[3.001,"-Inf"]]},
                {"metric":{"__name__":"up","job":"a"},"values":[[1.5,"+Inf"]]},
                {"metric":{"__name__":"up","job":"c"},"values":[[9,"1"]]}]"#,
        );
        let alive = value("vector", r#"[{"metric":{"__name__":"up","job":"b"},"value":[4,"2"]}]"#);
        let (Value::Matrix(samples), Value::Vector(alive)) = (samples, alive) else { panic!("other types") };
        let all = join(samples, alive, TimeRange { from_ms: 1000, to_ms: 4000 }).expect("numbers");
        let all: Vec<String> = all.iter().map(|series| shown(&series.labels, &series.samples)).collect();
        assert_eq!(all, [r#"up{job="a"} 1500:inf 1501:end"#, r#"up{job="b"} 1000:1 2500:NaN 3001:-inf"#]);
    }

    #[test]
    fn values_of_rules_are_of_the_time_that_was_asked_for() {
        let check = |kind: &str, result: &str, expected: &str| {
            let elements = elements(value(kind, result), 7000).map(|all| {
                let all = all.iter().map(|(labels, sample)| shown(labels, &[*sample]));
                all.collect::<Vec<_>>().join(", ")
            });
            assert_eq!(elements.unwrap_or_else(|error| error), expected);
        };
        check("scalar", r#"[7,"2"]"#, "{} 7000:2");
        check("vector", "[]", "");
        check("vector", r#"[{"metric":{"a":"b"},"value":[6.5,"1e3"]}]"#, r#"{a="b"} 7000:1000"#);
        check("vector", r#"[{"metric":{},"value":[7,"one"]}]"#, r#""one" is no number"#);
        check("matrix", "[]", "rule result is not a vector or scalar");
        check("string", r#"[7,"x"]"#, "rule result is not a vector or scalar");
    }

    #[test]
    fn errors_keep_their_reason() {
        let check = |status, body: &str, expected: &str| {
            let error = read::<Value>(&answer(status, body)).err().expect("an error");
            assert!(error.contains(expected), "{error}");
        };
        check(422, r#"{"status":"error","errorType":"execution","error":"too much"}"#, "too much");
        check(200, r#"{"status":"success"}"#, "status 200");
        check(200, "<html>", "expected value");
    }

    #[test]
    fn times_have_all_their_digits() {
        let shown = [0, 5, 1_700_000_000_123, -1_500].map(seconds);
        assert_eq!(shown, ["0.000", "0.005", "1700000000.123", "-1.500"]);
    }
}
