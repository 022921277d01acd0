//! What a query says about itself, how values are written, and that bounds hold.

use std::cell::Cell;

use crate::scripts::memory::Memory;
use model::series::{Labels, MatchOp, Sample};
use promql::{ErrorKind, Limits, Options, Query, Range};

fn memory() -> Memory {
    let mut memory = Memory::default();
    for route in ["chat", "feed"] {
        let labels = Labels::new([("__name__", "m"), ("route", route)]);
        let samples =
            (0..10).map(|minute| Sample { timestamp_ms: minute * 60_000, value: minute as f64 / 4.0 });
        memory.insert(labels, samples.collect());
    }
    memory
}

fn parse(text: &str) -> Query {
    Query::parse(text, &Options::default()).expect("it is a query")
}

#[track_caller]
fn check_json(text: &str, at_ms: i64, expected: &str) {
    let answer = parse(text).instant(&memory(), at_ms, &Limits::default()).expect("it has a value");
    assert_eq!(serde_json::to_string(&answer.value).expect("values can be written"), expected);
}

#[test]
fn values_are_written_as_by_prometheus() {
    check_json("1.5", 1_500, r#"{"resultType":"scalar","result":[1.5,"1.5"]}"#);
    check_json("1 / 0", 2_000, r#"{"resultType":"scalar","result":[2,"+Inf"]}"#);
    check_json("\"é\"", 0, r#"{"resultType":"string","result":[0,"é"]}"#);
    check_json(
        "m{route=\"chat\"} * 1e-7",
        60_001,
        r#"{"resultType":"vector","result":[{"metric":{"route":"chat"},"value":[60.001,"2.5e-08"]}]}"#,
    );
    check_json("nothing", 0, r#"{"resultType":"vector","result":[]}"#);
    check_json(
        "m{route=\"chat\"}[2m]",
        120_000,
        r#"{"resultType":"matrix","result":[{"metric":{"__name__":"m","route":"chat"},"values":[[60,"0.25"],[120,"0.5"]]}]}"#,
    );
    let range = Range { start_ms: 0, end_ms: 60_000, step_ms: 60_000 };
    let answer = parse("-m").range(&memory(), range, &Limits::default()).expect("it has a value");
    assert_eq!(
        serde_json::to_string(&answer.value).expect("values can be written"),
        r#"{"resultType":"matrix","result":[{"metric":{"route":"chat"},"values":[[0,"-0"],[60,"-0.25"]]},{"metric":{"route":"feed"},"values":[[0,"-0"],[60,"-0.25"]]}]}"#,
    );
}

#[test]
fn a_query_says_what_it_selects() {
    let query = parse(
        "sum by (reason) (rate(closed{route=\"chat\"}[5m])) / on (node) group_left (zone) {__name__=~\"x.*\"}",
    );
    assert_eq!(query.metric_names(), ["closed"]);
    assert_eq!(query.label_names(), ["node", "reason", "route", "zone"]);
    let selectors = query.selectors();
    assert_eq!(selectors.len(), 2);
    assert_eq!(selectors[0].range_ms, Some(300_000));
    assert_eq!(&query.text()[selectors[0].position.clone()], "closed{route=\"chat\"}[5m]");
    assert_eq!(selectors[1].matchers[0].op, MatchOp::Regex);
    assert!(query.has_value_at_each_step());
    assert!(!parse("m[5m]").has_value_at_each_step());
    assert_eq!(parse("max_over_time((a + b)[1h:1m])").metric_names(), ["a", "b"]);
}

#[track_caller]
fn check_bound(text: &str, range: Range, limits: &Limits<'_>, kind: ErrorKind, message: &str) {
    let error = parse(text).range(&memory(), range, limits).expect_err("the bound is passed");
    assert_eq!((error.kind, &*error.message), (kind, message));
}

#[test]
fn bounds_hold() {
    let minutes = |minutes: i64| Range { start_ms: 0, end_ms: minutes * 60_000, step_ms: 60_000 };
    let limits = Limits { steps_max: 10, ..Limits::default() };
    let message =
        "the range has 11 steps, but at most 10 are allowed; choose a longer step or a shorter range";
    check_bound("m", minutes(10), &limits, ErrorKind::Limit, message);
    assert!(parse("m").range(&memory(), minutes(9), &limits).is_ok());

    let limits = Limits { samples_max: 19, ..Limits::default() };
    let message = "the query needs more samples than it may load";
    check_bound("m", minutes(9), &limits, ErrorKind::Limit, message);
    let limits = Limits { samples_max: 39, ..Limits::default() };
    let message = "the query would load more than 39 samples; select fewer series or a shorter time";
    check_bound("m", minutes(9), &limits, ErrorKind::Limit, message);
    let limits = Limits { samples_max: 23, ..Limits::default() };
    let message = "the query would load more than 23 samples; select fewer series or a shorter time";
    check_bound("m @ 0", minutes(9), &limits, ErrorKind::Limit, message);
    let limits = Limits { samples_max: 1_000, ..Limits::default() };
    let message = "the subquery has too many steps; give it a longer step or a shorter range";
    check_bound("max_over_time(m[1d:1s])", minutes(1), &limits, ErrorKind::Limit, message);

    let backwards = Range { start_ms: 1, end_ms: 0, step_ms: 1 };
    let message = "the end of the range must not be before its start";
    check_bound("m", backwards, &Limits::default(), ErrorKind::Limit, message);
    let message = "the step must be longer than zero";
    check_bound("m", Range { step_ms: 0, ..minutes(1) }, &Limits::default(), ErrorKind::Limit, message);
    let message =
        "invalid expression type \"range vector\" for range query, must be scalar or instant vector";
    check_bound("m[5m]", minutes(1), &Limits::default(), ErrorKind::Parse, message);
}

#[test]
fn an_evaluation_ends_when_its_time_is_over() {
    let asked = Cell::new(0);
    let expired = || {
        asked.set(asked.get() + 1);
        asked.get() > 2
    };
    let limits = Limits { expired: &expired, ..Limits::default() };
    let error = parse("sum(abs(m))").instant(&memory(), 0, &limits).expect_err("the time is over");
    assert_eq!((error.kind, error.kind.api_word()), (ErrorKind::Deadline, "timeout"));
}

#[test]
fn times_at_the_ends_of_what_can_be_told_do_no_harm() {
    for at_ms in [i64::MIN, i64::MAX, 0] {
        for text in ["m", "rate(m[5m] offset 290y)", "m @ -9e9", "max_over_time(m[290y:1y])", "month()"] {
            let _ = parse(text).instant(&memory(), at_ms, &Limits::default());
        }
    }
    let range = Range { start_ms: i64::MIN, end_ms: i64::MAX, step_ms: 1 };
    assert!(parse("m").range(&memory(), range, &Limits::default()).is_err());
}

#[test]
fn the_deepest_query_needs_a_small_stack_only() {
    let depth = Options::default().depth_max - 1;
    let deepest = [
        format!("{}m{}", "abs(".repeat(depth), ")".repeat(depth)),
        format!("{}m", "-".repeat(depth)),
        vec!["m"; depth].join(" + "),
        format!("{}m{}", "(sum by (route) (".repeat(depth / 2), "))".repeat(depth / 2)),
        format!("{}m{}", "max_over_time(".repeat(depth / 2), "[1m:1m])".repeat(depth / 2)),
    ];
    for text in deepest {
        let evaluate =
            move || parse(&text).instant(&memory(), 60_000, &Limits::default()).map(|answer| answer.value);
        let thread =
            std::thread::Builder::new().stack_size(2 << 20).spawn(evaluate).expect("a thread starts");
        assert!(thread.join().expect("the stack is large enough").is_ok());
    }
}

#[test]
fn a_rate_of_what_seems_no_counter_is_remarked() {
    let answer = parse("rate(m[5m])").instant(&memory(), 60_000, &Limits::default()).expect("it has a value");
    assert_eq!(
        answer.notes.infos,
        [
            r#"PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "m" (1:6)"#
        ]
    );
}
