//! Runs scripts: each query as it stands, and a query at one time also as a part of a range.

use std::collections::BTreeMap;

use model::series::{Labels, Sample, SeriesSource, TimeRange};
use promql::{Answer, Error, ErrorKind, Limits, Matrix, Notes, Options, Query, Range, Value};

use super::memory::Memory;
use super::script::{Eval, What, When, parse};
use super::series::Described;

/// What became of the cases of a script.
#[derive(Default)]
pub struct Outcome {
    pub passed: usize,
    /// On native histograms.
    pub skipped: usize,
    /// Of what is experimental in Prometheus and not evaluated.
    pub refused: usize,
    pub failed: Vec<String>,
}

impl Outcome {
    /// The counts, for people.
    pub fn summary(&self) -> String {
        let Outcome { passed, skipped, refused, failed } = self;
        format!("{passed} passed, {} failed, {skipped} skipped, {refused} refused", failed.len())
    }
}

/// Runs a script. Texts of errors may be those of another engine, and are then not compared.
pub fn run(text: &str, options: &Options, compares_messages: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut memory, mut native) = (Memory::default(), Memory::default());
    for command in parse(text) {
        match command.what {
            What::Clear => (memory, native) = Default::default(),
            What::Load(load) => {
                load.series.into_iter().for_each(|series| insert(&mut memory, load.gap_ms, series));
                load.native.into_iter().for_each(|labels| insert(&mut native, 1, (labels, vec![Some(0.0)])));
            }
            What::Eval(eval) if eval.is_native || selects(&native, &eval.query, options) => {
                outcome.skipped += 1;
            }
            What::Eval(eval) if !eval.must_fail && is_refused(&eval.query, options) => outcome.refused += 1,
            What::Eval(eval) => match check(&memory, &eval, options, compares_messages) {
                Ok(()) => outcome.passed += 1,
                Err(why) => outcome.failed.push(format!("line {}: {}\n    {why}", command.line, eval.query)),
            },
        }
    }
    outcome
}

fn insert(memory: &mut Memory, gap: i64, (labels, values): Described) {
    let samples = values
        .into_iter()
        .enumerate()
        .filter_map(|(index, value)| value.map(|value| Sample { timestamp_ms: gap * index as i64, value }));
    memory.insert(labels, samples.collect());
}

fn is_refused(query: &str, options: &Options) -> bool {
    Query::parse(query, options).is_err_and(|error| error.kind == ErrorKind::Unsupported)
}

/// Whether a query names any of these series, or is about native histograms by itself.
fn selects(series: &Memory, query: &str, options: &Options) -> bool {
    match Query::parse(query, options) {
        Ok(query) => {
            let all = TimeRange { from_ms: 0, to_ms: 0 };
            let finds =
                |matchers: &[_]| series.identities(matchers, all, 1).is_ok_and(|found| !found.is_empty());
            query.selectors().iter().any(|selector| finds(&selector.matchers))
        }
        Err(error) => error.message.contains("native histograms"),
    }
}

fn check(memory: &Memory, eval: &Eval, options: &Options, compares_messages: bool) -> Result<(), String> {
    let answer = Query::parse(&eval.query, options).and_then(|query| evaluate(&query, memory, eval.when));
    if eval.must_fail {
        return match (answer, &eval.message) {
            (Ok(_), _) => Err("it should fail, but has a value".to_owned()),
            (Err(error), Some(part)) if compares_messages && !error.message.contains(part) => {
                Err(format!("it fails with: {error}"))
            }
            (Err(_), _) => Ok(()),
        };
    }
    let answer = answer.map_err(|error| format!("refused: {error} (at {:?})", error.position))?;
    check_notes(eval, &answer.notes)?;
    match (&answer.value, eval.when) {
        (Value::Matrix(matrix), When::Range(from, _, step)) => check_matrix(matrix, &eval.series, from, step),
        (Value::Matrix(matrix), When::At(at)) => {
            let (from, step) = eval.matrix.unwrap_or((at, 1));
            check_matrix(matrix, &eval.series, from, step)
        }
        (Value::Text { text, .. }, _) => {
            expect(Some(&**text) == eval.text.as_deref(), || format!("got {text:?}"))
        }
        (Value::Scalar(sample), _) => {
            let fits = eval.scalar.is_some_and(|expected| is_close(expected, sample.value));
            expect(fits, || format!("got the scalar {}, expected {:?}", sample.value, eval.scalar))
        }
        (Value::Vector(vector), When::At(at)) => {
            let series = vector
                .iter()
                .map(|one| promql::MatrixSeries { labels: one.labels.clone(), samples: vec![one.sample] });
            let matrix = Matrix(series.collect());
            check_matrix(&matrix, &eval.series, at, 1)?;
            let order: Vec<&Labels> = eval.series.iter().map(|(labels, _)| labels).collect();
            let found: Vec<&Labels> = vector.iter().map(|one| &one.labels).collect();
            expect(!eval.is_ordered || order == found, || format!("the order is {found:?}"))?;
            if eval.is_ordered { Ok(()) } else { check_within_range(memory, eval, at, options) }
        }
        (Value::Vector(_), When::Range(..)) => Err("a range query has no vector".to_owned()),
    }
}

fn evaluate(query: &Query, memory: &Memory, when: When) -> Result<Answer<Value>, Error> {
    let limits = Limits::default();
    match when {
        When::At(at_ms) => query.instant(memory, at_ms, &limits),
        When::Range(start_ms, end_ms, step_ms) => {
            let answer = query.range(memory, Range { start_ms, end_ms, step_ms }, &limits)?;
            Ok(Answer { value: Value::Matrix(answer.value), notes: answer.notes })
        }
    }
}

/// The value at a time is that of the same step of a range, unless it depends on the range. Ranges may fail where a
/// step of them does.
fn check_within_range(memory: &Memory, eval: &Eval, at: i64, options: &Options) -> Result<(), String> {
    if ["range()", "step()"].iter().any(|call| eval.query.contains(call)) {
        return Ok(());
    }
    let query = Query::parse(&eval.query, options).map_err(|error| error.to_string())?;
    let Ok(answer) = evaluate(&query, memory, When::Range(at - 60_000, at + 60_000, 60_000)) else {
        return Ok(());
    };
    let Value::Matrix(mut matrix) = answer.value else { return Err("a range has no matrix".to_owned()) };
    matrix.0.iter_mut().for_each(|series| series.samples.retain(|sample| sample.timestamp_ms == at));
    matrix.0.retain(|series| !series.samples.is_empty());
    check_matrix(&matrix, &eval.series, at, 1).map_err(|why| format!("as a step of a range: {why}"))
}

fn check_notes(eval: &Eval, notes: &Notes) -> Result<(), String> {
    let fits =
        |wanted: Option<bool>, found: &[String]| wanted.is_none_or(|wanted| wanted != found.is_empty());
    expect(fits(eval.warns, &notes.warnings), || format!("warnings: {:?}", notes.warnings))?;
    expect(fits(eval.informs, &notes.infos), || format!("infos: {:?}", notes.infos))
}

fn check_matrix(matrix: &Matrix, expected: &[Described], from: i64, step: i64) -> Result<(), String> {
    let expected: BTreeMap<&Labels, Vec<(i64, f64)>> = expected
        .iter()
        .map(|(labels, values)| {
            let timed = values
                .iter()
                .enumerate()
                .filter_map(|(index, value)| value.map(|v| (from + step * index as i64, v)));
            (labels, timed.collect::<Vec<_>>())
        })
        .filter(|(_, values)| !values.is_empty())
        .collect();
    let found: BTreeMap<&Labels, &Vec<Sample>> =
        matrix.0.iter().map(|series| (&series.labels, &series.samples)).collect();
    expect(found.len() == matrix.0.len(), || "two series have the same labels".to_owned())?;
    let missing = expected.keys().find(|labels| !found.contains_key(*labels));
    if let Some(labels) = missing {
        let shown: Vec<String> = found.keys().take(5).map(ToString::to_string).collect();
        return Err(format!("{labels} is missing; there is {shown:?}"));
    }
    for (labels, samples) in found {
        let Some(values) = expected.get(labels) else {
            return Err(format!("{labels} should not be there: {samples:?}"));
        };
        let fits = values.len() == samples.len()
            && values
                .iter()
                .zip(samples)
                .all(|((at, value), found)| *at == found.timestamp_ms && is_close(*value, found.value));
        expect(fits, || format!("{labels} is {samples:?}, expected {values:?}"))?;
    }
    Ok(())
}

fn expect(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// The same to six digits.
fn is_close(a: f64, b: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let sum = a.abs() + b.abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return (a - b).abs() < 1e-6 * f64::MIN_POSITIVE;
    }
    (a - b).abs() / sum.min(f64::MAX) < 1e-6
}
