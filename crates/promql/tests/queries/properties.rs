//! What holds for any data and any query of a small grammar.

use crate::scripts::memory::Memory;
use model::series::{Labels, STALE_MARKER, Sample};
use promql::{Limits, Matrix, MatrixSeries, Options, Query, Range, Value};
use proptest::prelude::*;

/// A value, a gap, or the end of a series.
fn value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        6 => (0..20_i32).prop_map(|value| Some(f64::from(value))),
        1 => Just(Some(f64::NAN)),
        1 => Just(Some(STALE_MARKER)),
        2 => Just(None),
    ]
}

/// Series with two labels of two values each, a sample a minute for up to 20 minutes.
fn data() -> impl Strategy<Value = Vec<(Labels, Vec<Sample>)>> {
    let series = (0..2_u8, 0..2_u8, 0..2_u8, prop::collection::vec(value(), 0..20));
    prop::collection::vec(series, 0..8).prop_map(|all| {
        let described = all.into_iter().map(|(name, route, node, values)| {
            let labels = Labels::new([
                ("__name__", format!("m{name}")),
                ("route", route.to_string()),
                ("node", node.to_string()),
            ]);
            let timed = values.into_iter().enumerate();
            let samples = timed.filter_map(|(minute, value)| {
                value.map(|value| Sample { timestamp_ms: minute as i64 * 60_000, value })
            });
            (labels, samples.collect())
        });
        described.collect()
    })
}

fn memory(data: &[(Labels, Vec<Sample>)]) -> Memory {
    let mut memory = Memory::default();
    data.iter().for_each(|(labels, samples)| memory.insert(labels.clone(), samples.clone()));
    memory
}

/// Vectors of a small grammar.
fn query() -> impl Strategy<Value = String> {
    let selector =
        prop::sample::select(vec!["m0", "m1", "m0{route=\"0\"}", "m1 offset 2m", "m0 @ 300", "m1 @ end()"]);
    let leaf = prop_oneof![
        selector.prop_map(str::to_owned),
        prop::sample::select(vec![
            "rate(m0[5m])",
            "increase(m1[3m])",
            "max_over_time(m0[4m])",
            "changes(m1[10m])",
            "last_over_time(m0[5m] @ 240)",
            "absent_over_time(m0[3m])",
            "timestamp(m0)",
            "quantile_over_time(scalar(m0{route=\"1\"}), m1[6m])",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 16, 2, |inner| {
        prop_oneof![
            (
                prop::sample::select(vec!["sum", "avg", "max", "count", "topk(1, ", "quantile(0.5, "]),
                inner.clone()
            )
                .prop_map(|(op, of)| match op.split_once('(') {
                    Some((op, parameter)) => format!("{op} by (route) ({parameter}{of})"),
                    None => format!("{op} by (route) ({of})"),
                }),
            (prop::sample::select(vec!["abs", "-", "absent", "sgn"]), inner.clone())
                .prop_map(|(f, of)| format!("{f}({of})")),
            (prop::sample::select(vec!["max_over_time", "sum_over_time", "count_over_time"]), inner.clone())
                .prop_map(|(f, of)| format!("{f}(({of})[4m:1m])")),
            (
                inner.clone(),
                prop::sample::select(vec!["+", "> bool", "<", "and", "or", "unless"]),
                inner.clone()
            )
                .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            (
                inner.clone(),
                prop::sample::select(vec![
                    "+ on (route, node)",
                    "or on (route)",
                    "* on (route) group_left ()"
                ]),
                inner
            )
                .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
        ]
    })
}

fn range(query: &Query, memory: &Memory, start_ms: i64, end_ms: i64) -> Result<Matrix, promql::Error> {
    query
        .range(memory, Range { start_ms, end_ms, step_ms: 90_000 }, &Limits::default())
        .map(|answer| answer.value)
}

/// Bits of values are compared, so that NaN is equal to itself.
fn comparable(matrix: &[MatrixSeries]) -> Vec<(Labels, Vec<(i64, u64)>)> {
    let bits = |sample: &Sample| {
        (sample.timestamp_ms, if sample.value.is_nan() { 1 } else { sample.value.to_bits() })
    };
    matrix.iter().map(|series| (series.labels.clone(), series.samples.iter().map(bits).collect())).collect()
}

/// Times of steps of a range from two minutes on.
fn times(count: i64) -> impl Iterator<Item = i64> {
    (0..count).map(|step| 120_000 + step * 90_000)
}

proptest! {
    /// A range query is what queries at its steps are; if a step fails, so does the range.
    #[test]
    fn a_range_is_its_steps(data in data(), text in query()) {
        prop_assume!(!text.contains("end()"));
        let memory = memory(&data);
        let query = Query::parse(&text, &Options::default()).expect("the grammar makes queries");
        let whole = range(&query, &memory, 120_000, 120_000 + 9 * 90_000);
        let mut steps = Vec::new();
        for at in times(10) {
            match (query.instant(&memory, at, &Limits::default()), &whole) {
                (Ok(answer), Ok(_)) => {
                    let Value::Vector(vector) = answer.value else { panic!("{text} is a vector") };
                    steps.extend(vector.into_iter().map(|one| (one.labels, one.sample)));
                }
                (Err(_), Err(_)) => return Ok(()),
                (Err(error), Ok(_)) => return Err(TestCaseError::fail(format!("{text} fails only at {at}: {error}"))),
                (Ok(_), Err(_)) => {}
            }
        }
        let Ok(whole) = whole else { return Ok(()) };
        let mut series: Vec<MatrixSeries> = Vec::new();
        for (labels, sample) in steps {
            match series.iter_mut().find(|series| series.labels == labels) {
                Some(series) => series.samples.push(sample),
                None => series.push(MatrixSeries { labels, samples: vec![sample] }),
            }
        }
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        prop_assert_eq!(comparable(&series), comparable(&whole.0), "{}", text);
    }

    /// Where a range is cut does not matter.
    #[test]
    fn a_range_is_its_parts(data in data(), text in query(), cut in 1..9_i64) {
        prop_assume!(!text.contains("end()"));
        let memory = memory(&data);
        let query = Query::parse(&text, &Options::default()).expect("the grammar makes queries");
        let at = |step: i64| 120_000 + step * 90_000;
        let Ok(whole) = range(&query, &memory, at(0), at(9)) else { return Ok(()) };
        let first = range(&query, &memory, at(0), at(cut - 1)).expect("a part of what can be evaluated can be");
        let second = range(&query, &memory, at(cut), at(9)).expect("a part of what can be evaluated can be");
        let mut joined = first.0;
        for part in second.0 {
            match joined.iter_mut().find(|series| series.labels == part.labels) {
                Some(series) => series.samples.extend(part.samples),
                None => joined.push(part),
            }
        }
        joined.sort_by(|a, b| a.labels.cmp(&b.labels));
        prop_assert_eq!(comparable(&joined), comparable(&whole.0), "{}", text);
    }

    /// A rate is that of its window, found in the plainest way.
    #[test]
    fn an_increase_is_that_of_its_window(values in prop::collection::vec(0..1000_u32, 2..40), minutes in 2..12_i64) {
        let samples: Vec<Sample> = (0..).zip(&values).map(|(minute, value)| Sample {
            timestamp_ms: minute * 60_000,
            value: f64::from(*value),
        }).collect();
        let memory = memory(&[(Labels::new([("__name__", "m0")]), samples.clone())]);
        let text = format!("increase(m0[{minutes}m])");
        let query = Query::parse(&text, &Options::default()).expect("it is a query");
        let matrix = range(&query, &memory, 0, 40 * 60_000).expect("it has a value");
        let found: Vec<Sample> = matrix.0.into_iter().flat_map(|series| series.samples).collect();
        let expected: Vec<i64> = (0..=26).map(|step| step * 90_000).filter(|at| {
            samples.iter().filter(|s| s.timestamp_ms > at - minutes * 60_000 && s.timestamp_ms <= *at).count() > 1
        }).collect();
        prop_assert_eq!(found.iter().map(|sample| sample.timestamp_ms).collect::<Vec<_>>(), expected);
        for sample in found {
            let within = |s: &&Sample| s.timestamp_ms > sample.timestamp_ms - minutes * 60_000 && s.timestamp_ms <= sample.timestamp_ms;
            let window: Vec<f64> = samples.iter().filter(within).map(|s| s.value).collect();
            let rises: f64 = window.windows(2).map(|p| if p[1] < p[0] { p[1] } else { p[1] - p[0] }).sum();
            let longest = minutes as f64 / (window.len() - 1) as f64;
            prop_assert!(sample.value >= rises * (1.0 - 1e-12) && sample.value <= rises * longest * (1.0 + 1e-12));
        }
    }

    /// No text makes the parser fail otherwise than with an error, whose place is within the text.
    #[test]
    fn any_text_has_a_query_or_an_error(
        parts in prop::collection::vec(prop::sample::select(vec![
            "sum", "rate", "(", ")", "[", "]", "{", "}", "5m", ":", "1", "e5", "\"a\"", "'", "=~", "!", "=", ",", "by",
            "offset", "@", "start", "on", "group_left", "bool", "x", "é", "\\", "`", "-", "^", "and", " ", "#", "\n",
            "0x", "_", ".5", "NaN", "inf",
        ]), 0..24),
    ) {
        let text = parts.concat();
        if let Err(error) = Query::parse(&text, &Options::default()) {
            let position = error.position.clone().expect("it has a place");
            prop_assert!(text.get(position.clone()).is_some(), "{} at {:?}", text, position);
            prop_assert!(error.line_and_column(&text).is_some());
        }
    }
}
