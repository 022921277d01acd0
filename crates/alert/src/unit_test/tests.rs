//! Files of tests, good and failing.

use super::*;
use crate::rules;

const RULES: &str = "groups:
  - name: g
    rules:
      - {record: double, expr: m * 2}
      - {alert: A, expr: double > 4, for: 2m, labels: {s: w}, annotations: {t: '{{ $labels.x }} {{ $value }}'}}
";

fn failures(tests: &str) -> Vec<String> {
    let file = parse(tests).expect("the tests are good");
    let groups = rules::parse(RULES, &promql::Options::default()).expect("the rules are good").groups;
    let groups: Vec<_> = groups.into_iter().map(|group| ("f".to_owned(), group)).collect();
    run(&file, &groups, &promql::Options::default()).iter().map(Failure::to_string).collect()
}

fn case(expectations: &str) -> String {
    format!(
        "rule_files: [f]\ntests:\n  - input_series: [{{series: 'm{{x=\"a\"}}', values: '1+1x10'}}]\n{expectations}"
    )
}

#[track_caller]
fn check(expectations: &str, expected: &[&str]) {
    assert_eq!(failures(&case(expectations)), expected);
}

#[test]
fn what_is_expected_is_found() {
    let alerts = "    alert_rule_test:
      - {eval_time: 1m, alertname: A, exp_alerts: []}
      - {eval_time: 3m59s, alertname: A}
      - {eval_time: 3m59s, alertname: A, exp_alerts: }
      - eval_time: 4m
        alertname: A
        exp_alerts: [{exp_labels: {s: w, x: a}, exp_annotations: {t: a 10}}]\n";
    check(alerts, &[]);
    let queries = "    promql_expr_test:
      - {expr: double, eval_time: 4m, exp_samples: [{labels: 'double{x=\"a\"}', value: 10}]}
      - {expr: 1 + 1, eval_time: 4m, exp_samples: [{labels: '{}', value: 2}]}
      - {expr: nothing, eval_time: 4m}\n";
    check(queries, &[]);
}

#[test]
fn what_differs_is_shown() {
    let alerts = "    name: mine\n    alert_rule_test:
      - eval_time: 4m
        alertname: A
        exp_alerts: [{exp_labels: {s: w, x: b}, exp_annotations: {t: b}}]\n";
    let shown = "mine: alerts A at 4m:
    - expected {alertname=\"A\", s=\"w\", x=\"b\"}
        t: \"b\"
    + found    {alertname=\"A\", s=\"w\", x=\"a\"}
        t: \"a 10\"";
    check(alerts, &[shown]);
    let query = "    promql_expr_test: [{expr: double, eval_time: 4m, exp_samples: [{labels: 'double', value: 1}]}]\n";
    let shown = "test 1: query double at 4m:\n    - expected double 1\n    + found    double{x=\"a\"} 10";
    check(query, &[shown]);
    let query = "    promql_expr_test: [{expr: 'sum(', eval_time: 1m}]\n";
    assert!(failures(&case(query))[0].starts_with("test 1: query sum( at 1m: "));
}

#[test]
fn values_may_be_nearly_equal() {
    let query = "    promql_expr_test: [{expr: double / 3, eval_time: 4m, exp_samples: [{labels: '{x=\"a\"}', value: 3.3333333}]}]\n";
    assert_eq!(failures(&case(query)).len(), 1);
    assert_eq!(failures(&format!("fuzzy_compare: true\n{}", case(query))), Vec::<String>::new());
}

#[track_caller]
fn check_bad(text: &str, expected: &str) {
    let issues = parse(text).expect_err("the tests are bad");
    assert!(issues[0].to_string().contains(expected), "{issues:?}");
}

#[test]
fn mistakes_are_told_with_their_place() {
    check_bad("tests: [{input_serie: []}]\n", "did you mean `input_series`?");
    check_bad("tests: [{input_series: [{series: 'm{', values: '1'}]}]\n", "1:34: `m{` is not a series");
    check_bad("tests: [{input_series: [{series: m, values: '1 2y'}]}]\n", "`2y` is not a value");
    check_bad("tests: [{input_series: [{series: m, values: '{{schema:1}}'}]}]\n", "native histograms");
    check_bad("evaluation_interval: 5\n", "`5` is not a duration");
    check_bad("group_eval_order: [a, a]\n", "the group `a` is repeated");
}

#[test]
fn series_are_written_in_short() {
    let values = |text: &str| {
        notation::values(text).map(|values| {
            let shown = values.into_iter().map(|value| match value {
                None => "_".to_owned(),
                Some(value) if model::series::is_stale_marker(value) => "stale".to_owned(),
                Some(value) => promql::format::float(value),
            });
            shown.collect::<Vec<_>>().join(" ")
        })
    };
    let check = |text: &str, expected: &str| assert_eq!(values(text).as_deref(), Ok(expected), "{text}");
    check("1 -2 1e3 Inf -Inf NaN", "1 -2 1000 +Inf -Inf NaN");
    check("1+1x3 1-2x2 5x2 -1+2x1", "1 2 3 4 1 -1 -3 5 5 5 -1 1");
    check("_ _x3 stale 1e-1+1e-1x1", "_ _ _ _ stale 0.1 0.2");
    check("1.5+0.5x1 0x0", "1.5 2 0");
    for wrong in ["a", "1+2", "1x", "1+x2", "1x99999999999", "stalex2", "1++1x2"] {
        assert!(values(wrong).is_err(), "{wrong}");
    }
    let labels = |text: &str| notation::labels(text).map(|labels| labels.to_string());
    assert_eq!(labels("m{a=\"b\"}").as_deref(), Ok("m{a=\"b\"}"));
    assert_eq!(labels("{}").as_deref(), Ok("{}"));
    for wrong in ["m{a=~\"b\"}", "m[5m]", "m offset 5m", "sum(m)", "m + m", "1"] {
        assert!(labels(wrong).is_err(), "{wrong}");
    }
}
