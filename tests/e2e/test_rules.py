"""Rule files: our verdicts are promtool's, on files and on tests of rules."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")

RULE = "groups:\n- name: g\n  rules:\n  - "


def rule(text):
    """A file with one rule."""
    return RULE + text + "\n"


def template(text):
    """A file with one alert that has this annotation."""
    quoted = text.replace("'", "''")
    return rule(f"{{alert: a, expr: up, annotations: {{t: '{quoted}'}}}}")


FILES = {
    "no groups": "groups: []\n",
    "null groups": "groups:\n",
    "null rules": "groups: [{name: a, rules: }]\n",
    "two documents": "groups: [{name: a}]\n---\ngroups: [{nam: b}]\n",
    "unknown top key": "grups: []\n",
    "unknown group key": "groups: [{name: a, intervall: 5s}]\n",
    "unknown rule key": rule("{alert: a, exp: up}"),
    "vmalert key": "groups: [{name: a, concurrency: 2}]\n",
    "no group name": "groups: [{rules: []}]\n",
    "group name twice": "groups: [{name: a}, {name: a}]\n",
    "key twice": "groups: [{name: a, name: b}]\n",
    "groups is a map": "groups: {a: b}\n",
    "bad interval": "groups: [{name: a, interval: 5}]\n",
    "empty interval": "groups: [{name: a, interval: ''}]\n",
    "null interval": "groups: [{name: a, interval: }]\n",
    "units in order": "groups: [{name: a, interval: 1h30m5s}]\n",
    "units out of order": "groups: [{name: a, interval: 5s1m}]\n",
    "long interval": "groups: [{name: a, interval: 300y}]\n",
    "limit": "groups: [{name: a, limit: 5}]\n",
    "negative limit": "groups: [{name: a, limit: -5}]\n",
    "limit is a text": "groups: [{name: a, limit: many}]\n",
    "record": rule("{record: a:b, expr: sum(up)}"),
    "record with labels": rule("{record: a, expr: up, labels: {b: c}}"),
    "record with for": rule("{record: a, expr: up, for: 5m}"),
    "record with for 0": rule("{record: a, expr: up, for: 0s}"),
    "record with annotations": rule("{record: a, expr: up, annotations: {b: c}}"),
    "record with empty annotations": rule("{record: a, expr: up, annotations: {}}"),
    "record with braces": rule("{record: 'a{b=\"c\"}', expr: up}"),
    "record with a dash": rule("{record: a-b, expr: up}"),
    "record template in label": rule("{record: a, expr: up, labels: {b: '{{ nosuch }}'}}"),
    "both": rule("{record: a, alert: b, expr: up}"),
    "neither": rule("{expr: up}"),
    "empty alert name": rule("{alert: '', expr: up}"),
    "no expr": rule("{alert: a}"),
    "empty expr": rule("{alert: a, expr: ''}"),
    "number expr": rule("{alert: a, expr: 1}"),
    "bad expr": rule("{alert: a, expr: 'sum(up'}"),
    "wrong type": rule("{alert: a, expr: 'rate(up)'}"),
    "range vector": rule("{record: a, expr: 'up[5m]'}"),
    "string": rule("{record: a, expr: '\"x\"'}"),
    "unknown function": rule("{alert: a, expr: 'nosuch(up)'}"),
    "chinese name": rule("{alert: WebSocket连接数异常, expr: up > 1}"),
    "for without unit": rule("{alert: a, expr: up, for: 5}"),
    "for zero": rule("{alert: a, expr: up, for: 0}"),
    "keep_firing_for": rule("{alert: a, expr: up, keep_firing_for: 5m}"),
    "record with keep_firing_for": rule("{record: a, expr: up, keep_firing_for: 5m}"),
    "label is a number": rule("{alert: a, expr: up, labels: {page: true, level: 1.0}}"),
    "label is null": rule("{alert: a, expr: up, labels: {page: }}"),
    "label is a list": rule("{alert: a, expr: up, labels: {page: [1]}}"),
    "label name with a dash": rule("{alert: a, expr: up, labels: {a-b: c}}"),
    "label __name__": rule("{alert: a, expr: up, labels: {__name__: c}}"),
    "label alertname": rule("{alert: a, expr: up, labels: {alertname: c}}"),
    "annotation name": rule("{alert: a, expr: up, annotations: {'1a': c}}"),
    "annotation __name__": rule("{alert: a, expr: up, annotations: {__name__: c}}"),
    "labels is a list": rule("{alert: a, expr: up, labels: [a]}"),
    "not yaml": "groups: [\n",
    "template": template("{{ $labels.a }} {{ $value | humanize }}"),
    "template query": template("{{ range query `up` }}{{ .Value }}{{ end }}"),
    "template unclosed": template("{{ $labels.a"),
    "template unknown function": template("{{ nosuch $value }}"),
    "template unknown variable": template("{{ $nosuch }}"),
    "template variable out of scope": template("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}"),
    "template variable in else": template("{{ if $x := 1 }}{{ $x }}{{ else }}{{ $x }}{{ end }}"),
    "template end": template("{{ end }}"),
    "template else": template("{{ else }}"),
    "template if without condition": template("{{ if }}a{{ end }}"),
    "template open if": template("{{ if true }}a"),
    "template break": template("{{ range query `up` }}{{ break }}{{ end }}"),
    "template break outside": template("{{ break }}"),
    "template bad number": template("{{ 1x }}"),
    "template bad string": template("{{ \"a }}"),
    "template define": template('{{ define "x" }}a{{ end }}{{ template "x" }}'),
    "template missing": template('{{ template "nosuch" }}'),
    "template assign unknown": template("{{ $y = 1 }}"),
    "template comment": template("{{/* a */}}b"),
    "template parens": template("{{ (query `up`) | len }}"),
    "template wrong type": template("{{ first 1 }}"),
}

# What promtool 2.42 does not know, and what differs on purpose: each with a word on why.
NEWER = {
    "groups: [{name: a, query_offset: 30s}]\n": "since 2.53",
    "groups: [{name: a, labels: {a: b}}]\n": "since 3.0",
}

RULES = """groups:
- name: g
  rules:
  - {record: double, expr: m * 2}
  - {record: shares, expr: m / ignoring (x) group_left () sum(m)}
  - alert: A
    expr: double > 4
    for: 2m
    labels: {s: w, v: '{{ if gt $value 15.0 }}high{{ else }}low{{ end }}'}
    annotations:
      value: '{{ $value }} {{ humanize $value }} {{ printf "%.3f %v" $value $value }} {{ $labels.x }}{{ $labels.none }}'
      ask: '{{ with query "sum(m)" }}{{ . | first | value | humanizePercentage }}{{ end }}'
- name: h
  rules:
  - {alert: B, expr: m == 3, keep_firing_for: 3m}
  - {alert: C, expr: 'ALERTS{alertname="A",alertstate="firing"}', annotations: {t: '{{ $labels.alertstate }}'}}
"""

SERIES = """
  - interval: 1m
    input_series:
    - {series: 'm{x="a"}', values: '1+1x9'}
    - {series: 'm{x="b"}', values: '_x3 2.5 stale 1e-5x3 NaN Inf'}
"""


def alerts(time, name, *expected):
    """A test of alerts; each is labels and annotations, as YAML."""
    listed = "".join(f"\n        - {{exp_labels: {labels}, exp_annotations: {texts}}}" for labels, texts in expected)
    return f"    alert_rule_test:\n    - eval_time: {time}\n      alertname: {name}\n      exp_alerts:{listed}\n"


def query(expr, time, *expected):
    """A test of a query; each is labels and a value, as YAML."""
    listed = "".join(f"\n        - {{labels: '{labels}', value: {value}}}" for labels, value in expected)
    return f"    promql_expr_test:\n    - expr: '{expr}'\n      eval_time: {time}\n      exp_samples:{listed}\n"


A_AT_4M = (
    "{s: w, v: low, x: a}",
    "{value: '10 10 10.000 10 a', ask: '500%'}",
)

TESTS = {
    "fires": alerts("4m", "A", A_AT_4M),
    "fires between slots": alerts("4m59s", "A", A_AT_4M),
    "fires not yet": alerts("3m59s", "A"),
    "fires too early": alerts("3m59s", "A", A_AT_4M),
    "other text": alerts("4m", "A", ("{s: w, v: low, x: a}", "{value: '10 10 10.000 10 b', ask: '500%'}")),
    "text left out": alerts("4m", "A", ("{s: w, v: low, x: a}", "{}")),
    "none expected": alerts("4m", "A"),
    "label by value": alerts("8m", "A", ("{s: w, v: high, x: a}", "{value: '18 18 18.000 18 a', ask: '900%'}")),
    "keeps firing": alerts("4m", "B", ("{x: a}", "{}")),
    "keeps firing no more": alerts("5m", "B"),
    "keeps firing still": alerts("5m", "B", ("{x: a}", "{}")),
    "later group": alerts(
        "7m",
        "C",
        ("{s: w, v: low, x: a, alertstate: firing}", "{t: firing}"),
    ),
    "unknown alert": alerts("4m", "nosuch"),
    "value": query("double", "2m", ('double{x="a"}', 6)),
    "value of another": query("double", "2m", ('double{x="a"}', 7)),
    "value missing": query("double", "3m", ('double{x="a"}', 8)),
    "value stale": query("double", "4m", ('double{x="a"}', 10)),
    "small": query('double{x="b"}', "6m", ('double{x="b"}', 2e-5)),
    "infinite": query('double{x="b"}', "9m", ('double{x="b"}', ".inf")),
    "share": query('shares{x="a"}', "3m", ('shares{x="a"}', 4 / 6.5)),
    "scalar": query("1 + 1", "1m", ("{}", 2)),
    "range function": query('increase(m{x="a"}[5m])', "5m", ('{x="a"}', 5)),
    "state": query("count(ALERTS)", "4m", ("{}", 2)),
    "for state": query(
        'ALERTS_FOR_STATE{alertname="A"}',
        "4m",
        ('ALERTS_FOR_STATE{alertname="A",s="w",v="low",x="a"}', 120),
    ),
    "nothing": query("nosuch", "1m"),
    "bad query": query("sum(", "1m"),
    "bad labels": query("1 + 1", "1m", ("{a", 2)),
    "bad time": alerts("4", "A"),
    "unknown key": "    alert_rule_tests: []\n",
}


def ours(*arguments, cwd):
    """Whether our command is content, and what it says."""
    command = [os.environ["HEARTLINE_BIN"], *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=50)
    return done.returncode == 0, done.stdout + done.stderr


def theirs(*arguments, cwd):
    """Whether promtool is content, and what it says."""
    done = subprocess.run([PROMTOOL, *arguments], cwd=cwd, capture_output=True, text=True, timeout=50)
    return done.returncode == 0, done.stdout + done.stderr


def differing(verdicts):
    """Those on which the two do not agree."""
    return [f"{name}: ours {ours}\n promtool {theirs}" for name, ours, theirs in verdicts if ours[0] != theirs[0]]


@needs_promtool
def test_rule_files_are_judged_as_promtool_judges_them(tmp_path):
    verdicts = []
    for name, text in FILES.items():
        path = tmp_path / "rules.yml"
        path.write_text(text)
        verdict = ours("check", "--promql-compat", "2", "rules.yml", cwd=tmp_path)
        verdicts.append((name, verdict, theirs("check", "rules", "rules.yml", cwd=tmp_path)))
    assert not differing(verdicts), "\n".join(differing(verdicts))
    contents = {verdict[0] for _, verdict, _ in verdicts}
    assert contents == {True, False}


@pytest.mark.parametrize("text", NEWER)
def test_what_newer_versions_know_is_taken(tmp_path, text):
    (tmp_path / "rules.yml").write_text(text)
    good, said = ours("check", "rules.yml", cwd=tmp_path)
    assert good, said


def test_experimental_features_are_evaluated_if_they_are_named(tmp_path):
    (tmp_path / "rules.yml").write_text(rule("{record: a, expr: 'sum(x) + fill(1) sum_over_time(x[2 * 1m])'}"))
    (tmp_path / "tests.yml").write_text("""
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series: [{series: x, values: '1 2 3'}]
  promql_expr_test:
  - {expr: a, eval_time: 2m, exp_samples: [{labels: a, value: 8}]}
  - {expr: 'sum_over_time(x[1m + 1m])', eval_time: 2m, exp_samples: [{labels: '{}', value: 5}]}
""")
    features = ("--promql-features", "promql-duration-expr,promql-binop-fill-modifiers")
    for command, file in [(("check",), "rules.yml"), (("rules", "test"), "tests.yml")]:
        assert not ours(*command, file, cwd=tmp_path)[0]
        good, said = ours(*command, *features, file, cwd=tmp_path)
        assert good, said
    good, said = ours("check", "--promql-features", "nosuch", "rules.yml", cwd=tmp_path)
    assert not good and "promql-duration-expr" in said


@needs_promtool
def test_tests_of_rules_end_as_in_promtool(tmp_path):
    (tmp_path / "rules.yml").write_text(RULES)
    verdicts = []
    for name, expectations in TESTS.items():
        text = "rule_files: [rules.yml]\ngroup_eval_order: [g, h]\ntests:" + SERIES + expectations
        (tmp_path / "tests.yml").write_text(text)
        verdict = ours("rules", "test", "--promql-compat", "2", "tests.yml", cwd=tmp_path)
        verdicts.append((name, verdict, theirs("test", "rules", "tests.yml", cwd=tmp_path)))
    assert not differing(verdicts), "\n".join(differing(verdicts))
    assert sum(verdict[0] for _, verdict, _ in verdicts) >= 12


@needs_promtool
def test_the_rules_that_come_with_heartline_run_in_prometheus(tmp_path):
    rules = ROOT / "deploy/rules"
    for name in ("heartline.yml", "heartline_test.yml"):
        shutil.copy(rules / name, tmp_path)
    assert theirs("check", "rules", "heartline.yml", cwd=tmp_path)[0]
    good, said = theirs("test", "rules", "heartline_test.yml", cwd=tmp_path)
    assert good, said


@needs_promtool
def test_what_is_exported_means_the_same(tmp_path):
    (tmp_path / "rules.yml").write_text(RULES)
    good, text = ours("rules", "export", "rules.yml", cwd=tmp_path)
    assert good, text
    (tmp_path / "exported.yml").write_text(text)
    test = "rule_files: [exported.yml]\ntests:" + SERIES + TESTS["fires"]
    (tmp_path / "tests.yml").write_text(test)
    for verdict in (
        theirs("test", "rules", "tests.yml", cwd=tmp_path),
        ours("rules", "test", "tests.yml", cwd=tmp_path),
    ):
        assert verdict[0], verdict[1]


def test_the_seeds_rule_file_is_good():
    good, said = ours("check", "deploy/prometheus/rules.yml", cwd=ROOT)
    assert good and "2 alerts" in said, said
