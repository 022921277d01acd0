//! Good and bad rule files.

use promql::Compat;

use super::*;

#[track_caller]
fn check_bad(compat: Compat, text: &str, expected: &[&str]) {
    let options = Options { compat, ..Options::default() };
    let issues = parse(text, &options).expect_err("the file is bad");
    let found: Vec<String> = issues.iter().map(Issue::to_string).collect();
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| found.contains(expected));
    assert!(fits, "found {found:#?}, expected {expected:#?}");
}

fn group(rules: &str) -> String {
    format!("groups:\n  - name: g\n    rules:\n{rules}")
}

#[track_caller]
fn check_bad_rule(rule: &str, expected: &str) {
    check_bad(Compat::V3, &group(&format!("      - {rule}\n")), &[expected]);
}

#[test]
fn unknown_keys_are_told_with_their_place_and_the_nearest_one() {
    check_bad(Compat::V3, "grups: []\n", &["1:1: unknown field `grups`"]);
    check_bad(Compat::V3, "grups: []\n", &["did you mean `groups`?"]);
    check_bad_rule("{record: a, exp: up}", "4:21: unknown field `exp`");
    check_bad_rule("{alert: a, expr: up, anotations: {}}", "did you mean `annotations`?");
    check_bad(Compat::V3, "groups: [{name: a, eval_offset: 5s}]\n", &["`eval_offset` is a vmalert field"]);
    check_bad(Compat::V3, "groups: [{name: a, interal: 5s}]\n", &["did you mean `interval`?"]);
}

#[test]
fn groups_are_judged() {
    check_bad(Compat::V3, "groups: [{rules: []}]\n", &["1:10: the name of a group must not be empty"]);
    check_bad(Compat::V3, "groups: [{name: ''}]\n", &["must not be empty"]);
    check_bad(
        Compat::V3,
        "groups:\n- name: a\n- name: b\n- name: a\n",
        &["4:9: the group name `a` is repeated"],
    );
    check_bad(Compat::V3, "groups: [{name: a, interval: 5}]\n", &["1:30: `5` is not a duration"]);
    check_bad(Compat::V3, "groups: [{name: a, query_offset: 1x}]\n", &["1:34: `1x` is not a duration"]);
    check_bad(
        Compat::V3,
        "groups: [{name: a, labels: {__name__: x}}]\n",
        &["`__name__` is not a name that labels"],
    );
    check_bad(Compat::V3, "groups: [{name: a, limit: many}]\n", &["1:27:"]);
    check_bad(Compat::V3, "groups: {a: 1}\n", &["1:9:"]);
    check_bad(Compat::V3, "groups: [{name: a, name: b}]\n", &["duplicate"]);
}

#[test]
fn rules_are_judged() {
    check_bad_rule("{expr: up}", "4:9: a rule needs `record` or `alert`");
    check_bad_rule("{record: a, alert: b, expr: up}", "4:28: a rule has either `record` or `alert`");
    check_bad_rule("{record: a}", "4:9: a rule needs an `expr`");
    check_bad_rule("{alert: a, expr: ''}", "a rule needs an `expr`");
    check_bad_rule("{alert: a, expr: 'sum(up'}", "4:26: the expression cannot be evaluated");
    check_bad_rule("{record: a, expr: up, for: 5m}", "a recording rule has no `for`");
    check_bad_rule("{record: a, expr: up, keep_firing_for: 5m}", "a recording rule has no `keep_firing_for`");
    check_bad_rule("{record: a, expr: up, annotations: {a: b}}", "a recording rule has no `annotations`");
    check_bad_rule("{record: 'a{b=\"c\"}', expr: up}", "braces in the name");
    check_bad_rule("{alert: a, expr: up, for: 5 minutes}", "`5 minutes` is not a duration");
    check_bad_rule(
        "{alert: a, expr: up, labels: {__name__: b}}",
        "4:39: `__name__` is not a name that labels",
    );
    check_bad_rule("{alert: a, expr: up, labels: {b: '{{ nosuch }}'}}", "4:42: the template cannot be read");
    check_bad_rule("{alert: a, expr: up, annotations: {b: '{{ $labels.x'}}", "the template cannot be read");
    check_bad(
        Compat::V2,
        &group("      - {record: 'a-b', expr: up}\n      - {alert: a, expr: up, labels: {'a-b': c}}\n"),
        &["`a-b` is not a name that series", "`a-b` is not a name that labels"],
    );
    check_bad(
        Compat::V3,
        &group("      - {record: a}\n      - {expr: up}\n      - {alert: b, expr: '1 +'}\n"),
        &["4:9: a rule needs an `expr`", "5:9: a rule needs `record`", "6:26: the expression"],
    );
}

#[test]
fn the_place_within_an_expression_is_told() {
    let text = group("      - alert: a\n        expr: |2\n          sum(up)\n            > foo(1)\n");
    check_bad(Compat::V3, &text, &["(2:5 of the expression)"]);
}

#[track_caller]
fn check_good(text: &str, groups: usize, rules: usize) -> RuleFile {
    let file = parse(text, &Options::default()).expect("the file is good");
    let count = file.groups.iter().map(|group| group.rules.len()).sum::<usize>();
    assert_eq!((file.groups.len(), count), (groups, rules));
    file
}

#[test]
fn what_prometheus_takes_is_taken() {
    check_good("", 0, 0);
    check_good("# nothing\n", 0, 0);
    check_good("groups:\n", 0, 0);
    check_good("groups: []\n", 0, 0);
    check_good("groups: [{name: a}]\n", 1, 0);
    check_good("groups: [{name: a, labels: , rules: }]\n", 1, 0);
    check_good("---\ngroups: [{name: a}]\n", 1, 0);
    let file =
        check_good(&group("      - {alert: a, expr: 1, labels: {page: true, level: 1.0, none: }}\n"), 1, 1);
    let labels = file.groups[0].rules[0].labels.clone();
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(labels, [label("page", "true"), label("level", "1.0"), label("none", "")]);
    check_good(&group("      - {alert: WebSocket连接数异常, expr: up > 1}\n"), 1, 1);
    check_good(&group("      - {record: a, expr: up, for: 0s, annotations: {}}\n"), 1, 1);
}

#[test]
fn only_the_first_document_counts() {
    let file = check_good("groups: [{name: a}]\n---\ngroups: [{name: b}]\n", 1, 0);
    assert_eq!(file.warnings[0].to_string(), "3:1: only the first YAML document is read");
    assert!(check_good("---\n# c\ngroups: [{name: a}]\n---\n", 1, 0).warnings.is_empty());
}

#[test]
fn repeated_rules_are_odd() {
    let file = check_good(&group("      - {record: a, expr: up}\n      - {record: a, expr: down}\n"), 1, 2);
    assert_eq!(file.warnings[0].message, "2 rules have the name `a` and the same labels");
}

#[test]
fn labels_of_the_group_give_way_to_those_of_the_rule() {
    let text =
        "groups: [{name: a, labels: {x: g, y: g}, rules: [{record: r, expr: up, labels: {y: r, z: r}}]}]";
    let group = &check_good(text, 1, 1).groups[0];
    let pairs: Vec<String> =
        group.labels_of(&group.rules[0]).iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(pairs, ["x=g", "y=r", "z=r"]);
}

#[test]
fn what_is_exported_reads_as_the_same() {
    let text = r#"groups:
  - name: "a: b"
    interval: 90s
    query_offset: 10s
    limit: 5
    labels: {team: "x\ny"}
    rules:
      - record: a:b
        expr: |2
            sum(up)
          /   2
      - alert: 中文
        expr: "up == 0 # 'x'\n"
        for: 1d12h
        keep_firing_for: 5m
        labels: {severity: "{{ $labels.a }}"}
        annotations: {summary: "a \"b\"", description: "x: {{ $value }}"}
  - name: empty
"#;
    let once = export(&check_good(text, 2, 2).groups);
    let file = check_good(&once, 2, 2);
    assert_eq!(export(&file.groups), once);
    assert_eq!(file.groups[0].rules[0].query.text(), "  sum(up)\n/   2\n");
    assert_eq!(file.groups[0].rules[1].query.text(), "up == 0 # 'x'\n");
    assert_eq!((file.groups[0].interval_ms, file.groups[0].query_offset_ms), (Some(90_000), Some(10_000)));
}
