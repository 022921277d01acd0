//! Rules over made-up series, slot by slot.

use std::fmt::Write as _;

use model::rules::RuleView;
use model::series::is_stale_marker;

use super::*;
use crate::memory::Memory;
use crate::rules;

/// An engine with its store, and a log of what it gave.
struct World {
    engine: Engine,
    store: Memory,
    log: String,
}

fn groups(text: &str) -> Vec<(String, GroupSpec)> {
    let file = rules::parse(text, &promql::Options::default()).expect("the rules are good");
    file.groups.into_iter().map(|group| ("f.yml".to_owned(), group)).collect()
}

/// One group of this interval, seconds, with these rules.
fn group(rules: &str) -> String {
    format!("groups: [{{name: g, interval: 10s, rules: [{rules}]}}]")
}

impl World {
    fn new(text: &str) -> World {
        World::with(text, Options::default())
    }

    fn with(text: &str, options: Options) -> World {
        World { engine: Engine::new(groups(text), options, 0), store: Memory::default(), log: String::new() }
    }

    fn put(&mut self, series: &str, at_seconds: i64, value: f64) {
        let labels = match series.split_once(' ') {
            Some((name, label)) => Labels::new([("__name__", name), ("x", label)]),
            None => Labels::new([("__name__", series)]),
        };
        self.store.append(&[(labels, Sample { timestamp_ms: at_seconds * 1000, value })]);
    }

    /// Evaluates the group `g` at a time, and writes down what came of it.
    fn pass(&mut self, at_seconds: i64) -> Evaluation {
        let slot_ms = at_seconds * 1000;
        let due = Due { file: "f.yml".into(), group: "g".into(), slot_ms, now_ms: slot_ms, missed: 0 };
        let pass = Pass {
            source: &self.store,
            elsewhere: None,
            limits: Limits::default(),
            elapsed: &|| 0.0,
            rule_seconds_max: f64::INFINITY,
        };
        let evaluation = self.engine.evaluate(&due, &pass).expect("the group is there");
        self.store.append(&evaluation.samples);
        for change in &evaluation.transitions {
            let (from, to) = (change.from.word(), change.to.word());
            let _ = writeln!(self.log, "{at_seconds} {} {from}>{to}", change.labels.get("x"));
        }
        for sent in &evaluation.notifications {
            let (word, label) = (if sent.is_resolved { "resolved" } else { "sent" }, sent.labels.get("x"));
            let (from, to) = (sent.starts_at_ms / 1000, sent.ends_at_ms / 1000);
            let _ = writeln!(self.log, "{at_seconds} {label} {word} {from}..{to}");
        }
        for (rule, error) in &evaluation.failures {
            let _ = writeln!(self.log, "{at_seconds} {rule} failed: {error}");
        }
        evaluation
    }

    /// A pass with the series `m` at these values; a missing one ends.
    fn step(&mut self, at_seconds: i64, values: &[(&str, f64)]) -> Evaluation {
        for label in ["a", "b", "c"] {
            let value = values.iter().find(|(known, _)| *known == label);
            self.put(&format!("m {label}"), at_seconds, value.map_or(STALE_MARKER, |(_, value)| *value));
        }
        self.pass(at_seconds)
    }

    #[track_caller]
    fn check(&mut self, expected: &str) {
        let lines: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(self.log.lines().collect::<Vec<_>>(), lines);
        self.log.clear();
    }
}

fn shown(samples: &[(Labels, Sample)]) -> Vec<String> {
    let value = |value: f64| if is_stale_marker(value) { "stale".to_owned() } else { value.to_string() };
    samples.iter().map(|(labels, sample)| format!("{labels} {}", value(sample.value))).collect()
}

#[test]
fn another_engine_evaluates_what_does_not_read_what_was_just_written() {
    let text = group(
        r#"{record: r, expr: sum(m)}, {record: s, expr: 'r * 10'}, {record: t, expr: '1 + 1'},
           {alert: A, expr: m > 0, annotations: {text: '{{ query "n" | first | value }} {{ query "r" | first | value }}'}}"#,
    );
    let mut world = World::new(&text);
    world.put("r", 90, 1.0);
    let asked = std::cell::RefCell::new(Vec::new());
    let elsewhere = |query: &str, at_ms: i64| {
        asked.borrow_mut().push(format!("{query} at {at_ms}"));
        if query == "1 + 1" {
            return Err("the engine is away".to_owned());
        }
        Ok(vec![(Labels::default(), Sample { timestamp_ms: at_ms, value: 7.0 })])
    };
    let due = Due { file: "f.yml".into(), group: "g".into(), slot_ms: 100_000, now_ms: 100_000, missed: 0 };
    let pass = Pass {
        source: &world.store,
        elsewhere: Some(&elsewhere),
        limits: Limits::default(),
        elapsed: &|| 0.0,
        rule_seconds_max: f64::INFINITY,
    };
    let evaluation = world.engine.evaluate(&due, &pass).expect("the group is there");
    assert_eq!(evaluation.failures, [("t".to_owned(), "the engine is away".to_owned())]);
    let written = shown(&evaluation.samples);
    assert_eq!(written[..2], ["r 7", "s 70"]);
    assert_eq!(evaluation.notifications[0].annotations, [("text".to_owned(), "7 7".to_owned())]);
    assert_eq!(*asked.borrow(), ["sum(m)", "1 + 1", "m > 0", "n"].map(|query| format!("{query} at 100000")));
}

#[test]
fn an_alert_is_pending_then_fires_then_is_resolved() {
    let mut world = World::new(&group("{alert: A, expr: m > 0, for: 20s}"));
    world.step(100, &[("a", 1.0)]);
    world.step(110, &[("a", 1.0)]);
    world.check("100 a inactive>pending");
    world.step(120, &[("a", 1.0)]);
    world.check("120 a pending>firing\n120 a sent 120..360");
    world.step(130, &[]);
    world.check("130 a firing>inactive\n130 a resolved 120..130");
}

#[test]
fn without_for_an_alert_fires_at_once() {
    let mut world = World::new(&group("{alert: A, expr: m > 0}"));
    world.step(100, &[("a", 1.0)]);
    world.check("100 a inactive>pending\n100 a pending>firing\n100 a sent 100..340");
}

#[test]
fn a_pending_alert_that_vanishes_is_forgotten_without_a_word() {
    let mut world = World::new(&group("{alert: A, expr: m > 0, for: 20s}"));
    world.step(100, &[("a", 1.0)]);
    world.step(110, &[]);
    world.step(120, &[("a", 1.0)]);
    world.step(130, &[("a", 1.0)]);
    world.check("100 a inactive>pending\n110 a pending>inactive\n120 a inactive>pending");
}

#[test]
fn keep_firing_for_bridges_gaps() {
    let mut world = World::new(&group("{alert: A, expr: m > 0, keep_firing_for: 20s}"));
    world.step(100, &[("a", 1.0)]);
    world.step(110, &[]);
    world.step(120, &[]);
    world.step(125, &[("a", 1.0)]);
    world.check("100 a inactive>pending\n100 a pending>firing\n100 a sent 100..340");
    world.step(130, &[]);
    assert_eq!(world.engine.alerts().alerts[0].keep_firing_since.as_deref(), Some("1970-01-01T00:02:10Z"));
    world.step(140, &[]);
    world.check("");
    world.step(150, &[]);
    world.check("150 a firing>inactive\n150 a resolved 100..150");
}

#[test]
fn alerts_are_sent_again_and_resolved_ones_for_a_quarter_of_an_hour() {
    let mut world = World::new(&group("{alert: A, expr: m > 0}"));
    world.step(100, &[("a", 1.0)]);
    world.log.clear();
    world.step(160, &[("a", 1.0)]);
    world.check("");
    world.step(161, &[("a", 1.0)]);
    world.check("161 a sent 100..401");
    world.step(170, &[]);
    world.check("170 a firing>inactive\n170 a resolved 100..170");
    world.step(231, &[]);
    world.check("231 a resolved 100..170");
    world.step(1070, &[]);
    world.check("1070 a resolved 100..170");
    world.step(1071, &[]);
    world.step(1200, &[]);
    world.check("");
}

#[test]
fn alerts_are_sent_with_the_labels_of_the_server() {
    let external_labels =
        [("page", "true"), ("x", "server")].map(|(name, value)| (name.into(), value.into()));
    let options = Options { external_labels: external_labels.into(), ..Options::default() };
    let mut world = World::with(&group("{alert: A, expr: m > 0}"), options);
    let evaluation = world.step(10, &[("a", 1.0)]);
    let sent = Labels::new([("alertname", "A"), ("page", "true"), ("x", "a")]);
    assert_eq!(evaluation.notifications[0].labels, sent);
    assert!(evaluation.samples.iter().all(|(labels, _)| labels.get("page").is_empty()), "series do without");
}

#[test]
fn a_resolved_alert_that_returns_is_a_new_one() {
    let mut world = World::new(&group("{alert: A, expr: m > 0}"));
    world.step(100, &[("a", 1.0)]);
    world.step(110, &[]);
    world.log.clear();
    world.step(120, &[("a", 1.0)]);
    world.check("120 a inactive>pending\n120 a pending>firing\n120 a sent 120..360");
}

#[test]
fn the_interval_makes_alerts_valid_for_longer() {
    let mut world = World::new("groups: [{name: g, interval: 5m, rules: [{alert: A, expr: m > 0}]}]");
    world.step(300, &[("a", 1.0)]);
    assert!(world.log.contains("sent 300..1500"), "{}", world.log);
}

#[test]
fn states_are_series() {
    let mut world =
        World::new(&group("{alert: A, expr: m > 0, for: 10s, labels: {alertstate: no, t: '{{ $value }}'}}"));
    let state = |state: &str| format!("ALERTS{{alertname=\"A\", alertstate=\"{state}\", t=\"2\", x=\"a\"}}");
    let since = "ALERTS_FOR_STATE{alertname=\"A\", alertstate=\"no\", t=\"2\", x=\"a\"}";
    let samples = world.step(100, &[("a", 2.0)]).samples;
    assert_eq!(shown(&samples), [format!("{} 1", state("pending")), format!("{since} 100")]);
    let samples = world.step(110, &[("a", 2.0)]).samples;
    let expected =
        [format!("{} 1", state("firing")), format!("{since} 100"), format!("{} stale", state("pending"))];
    assert_eq!(shown(&samples), expected);
    let samples = world.step(120, &[]).samples;
    assert_eq!(shown(&samples), [format!("{} stale", state("firing")), format!("{since} stale")]);
}

#[test]
fn labels_are_those_of_the_result_under_those_of_the_rule() {
    let text = "groups: [{name: g, labels: {y: g, z: g}, rules: [{alert: A, expr: m > 0, \
                labels: {z: '{{ $labels.x }}!', x: '', w: '{{ .Labels.__name__ }}'}}]}]";
    let mut world = World::new(text);
    world.step(100, &[("a", 1.0)]);
    let labels = format!("{:?}", world.engine.alerts().alerts[0].labels);
    assert_eq!(labels, r#"{"alertname": "A", "w": "m", "y": "g", "z": "a!"}"#);
}

#[test]
fn a_template_that_fails_says_so_and_harms_nothing() {
    let mut world = World::new(&group("{alert: A, expr: m > 0, annotations: {a: '{{ query `nosuch(` }}'}}"));
    world.step(100, &[("a", 1.0)]);
    let alert = world.engine.alerts().alerts.remove(0);
    assert!(alert.annotations["a"].starts_with("<error expanding template: "), "{alert:?}");
    assert_eq!(alert.state, State::Firing);
}

#[test]
fn templates_ask_at_the_time_of_the_evaluation() {
    let text = "groups: [{name: g, query_offset: 10s, rules: [{alert: A, expr: m > 0, \
                annotations: {a: '{{ query `m` | first | value }}'}}]}]";
    let mut world = World::new(text);
    world.put("m a", 90, 1.0);
    world.put("m a", 100, 2.0);
    world.pass(100);
    let alert = &world.engine.alerts().alerts[0];
    assert_eq!((&*alert.annotations["a"], &*alert.value), ("2", "1e+00"));
}

#[test]
fn equal_labels_are_an_error_and_nothing_changes() {
    let mut world = World::new(&group("{alert: A, expr: m > 0, labels: {x: same}}"));
    let evaluation = world.step(100, &[("a", 1.0), ("b", 1.0)]);
    assert!(evaluation.samples.is_empty());
    world.check("100 A failed: vector contains metrics with the same labelset after applying alert labels");
    let mut world = World::new(&group("{record: r, expr: m, labels: {x: same}}"));
    assert!(world.step(100, &[("a", 1.0), ("b", 1.0)]).samples.is_empty());
    world.check("100 r failed: vector contains metrics with the same labelset after applying rule labels");
}

#[test]
fn beyond_the_limit_a_rule_loses_all_alerts_and_ends_no_series() {
    let text = "groups: [{name: g, limit: 1, rules: [{alert: A, expr: m > 0}, {record: r, expr: m}]}]";
    let mut world = World::new(text);
    world.step(100, &[("a", 1.0)]);
    world.log.clear();
    let evaluation = world.step(110, &[("a", 1.0), ("b", 1.0)]);
    assert!(evaluation.samples.is_empty() && evaluation.transitions.is_empty());
    world.check(
        "110 A failed: exceeded limit of 1 with 2 alerts\n110 r failed: exceeded limit of 1 with 2 series",
    );
    assert!(world.engine.alerts().alerts.is_empty());
}

#[test]
fn a_query_that_fails_leaves_the_state_as_it_is() {
    let mut world = World::new(&group("{alert: A, expr: 'm > on (x) group_left () n'}"));
    world.put("n a", 100, 0.0);
    world.step(100, &[("a", 1.0)]);
    world.log.clear();
    world.store.append(&[(
        Labels::new([("__name__", "n"), ("x", "a"), ("y", "second")]),
        Sample { timestamp_ms: 105_000, value: 0.0 },
    )]);
    let evaluation = world.step(110, &[("a", 1.0)]);
    assert_eq!((evaluation.failures.len(), evaluation.samples.len()), (1, 0));
    assert_eq!(world.engine.alerts().alerts[0].state, State::Firing);
    match &world.engine.rules().groups[0].rules[0] {
        RuleView::Alerting { health, last_error, state, .. } => {
            assert_eq!((*health, last_error.is_some(), &**state), ("err", true, "firing"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn later_rules_see_what_earlier_ones_wrote() {
    let rules = "{record: r, expr: sum(m)}, {record: s, expr: r * 2}, {alert: A, expr: s > 5}, \
                 {record: t, expr: 'count(ALERTS{alertstate=\"firing\"})'}";
    let mut world = World::new(&group(rules));
    let samples = world.step(100, &[("a", 1.0), ("b", 2.0)]).samples;
    assert_eq!((&*shown(&samples)[1], &**shown(&samples).last().expect("t")), ("s 6", "t 1"));
    let samples = world.step(110, &[]).samples;
    let ended = shown(&samples);
    assert!(ended.contains(&"r stale".to_owned()) && ended.contains(&"s stale".to_owned()), "{ended:?}");
    assert!(ended.contains(&"t stale".to_owned()), "{ended:?}");
}

#[test]
fn scalars_are_vectors_and_texts_are_errors() {
    let mut world =
        World::new(&group("{record: r, expr: 1 + 1, labels: {a: b}}, {record: s, expr: '\"text\"'}"));
    let evaluation = world.pass(100);
    assert_eq!(shown(&evaluation.samples), ["r{a=\"b\"} 2"]);
    world.check("100 s failed: rule result is not a vector or scalar");
}

#[test]
fn an_offset_shifts_queries_and_samples() {
    let mut world = World::new("groups: [{name: g, query_offset: 30s, rules: [{record: r, expr: m}]}]");
    world.put("m a", 60, 1.0);
    world.put("m a", 90, 2.0);
    let samples = world.pass(100).samples;
    assert_eq!((samples[0].1.timestamp_ms, samples[0].1.value), (70_000, 1.0));
}

#[test]
fn a_longer_for_makes_a_young_alert_pending_again() {
    let mut world = World::new(&group("{alert: A, expr: m > 0, for: 10s}"));
    world.step(100, &[("a", 1.0)]);
    world.step(110, &[("a", 1.0)]);
    world.log.clear();
    world.engine.reload(groups(&group("{alert: A, expr: m > 0, for: 60s}")), Options::default(), 115_000);
    world.step(120, &[("a", 1.0)]);
    world.check("120 a firing>pending");
    world.step(160, &[("a", 1.0)]);
    world.check("160 a pending>firing");
    world.step(171, &[("a", 1.0)]);
    world.check("171 a sent 160..411");
}

#[test]
fn what_is_read_anew_keeps_its_state() {
    let old = "{alert: A, expr: m > 0, for: 10s}, {record: r, expr: sum(m)}, {record: gone, expr: sum(m)}";
    let mut world = World::new(&group(old));
    world.step(100, &[("a", 1.0)]);
    world.log.clear();
    let next = world.engine.next_at_ms();
    world.engine.reload(groups(&group(old)), Options::default(), 105_000);
    assert_eq!(world.engine.next_at_ms(), next, "an unchanged group goes on");
    let new = "{record: other, expr: 1}, {alert: A, expr: m > 0, for: 10s, annotations: {a: b}}";
    world.engine.reload(groups(&group(new)), Options::default(), 105_000);
    let samples = shown(&world.step(110, &[("a", 1.0)]).samples);
    world.check("110 a pending>firing\n110 a sent 110..350");
    assert!(
        samples.contains(&"gone stale".to_owned()) && samples.contains(&"r stale".to_owned()),
        "{samples:?}"
    );
    assert!(samples.iter().any(|line| line.contains("pending") && line.ends_with("stale")), "{samples:?}");
}

#[test]
fn series_of_a_group_that_is_no_more_end_after_two_intervals() {
    let mut world = World::new(&group("{record: r, expr: sum(m)}"));
    world.step(100, &[("a", 1.0)]);
    world.engine.reload(Vec::new(), Options::default(), 105_000);
    assert_eq!(world.engine.next_at_ms(), Some(125_000));
    assert!(world.engine.take_ended(124_999).is_empty());
    let ended = world.engine.take_ended(125_000);
    assert_eq!((shown(&ended), ended[0].1.timestamp_ms), (vec!["r stale".to_owned()], 105_000));
    assert_eq!(world.engine.next_at_ms(), None);
}

#[test]
fn slots_are_spread_and_missed_ones_are_left_out() {
    let mut engine = Engine::new(groups(&group("{record: r, expr: 1}")), Options::default(), 1_000_000);
    let first = engine.next_at_ms().expect("a group");
    assert!((1_000_001..=1_010_000).contains(&first));
    let again = Engine::new(groups(&group("{record: r, expr: 1}")), Options::default(), 2_000_000);
    assert_eq!(again.next_at_ms().map(|at| at % 10_000), Some(first % 10_000), "the same everywhere");
    assert_eq!(engine.due(first - 1), None);
    let due = engine.due(first + 34_000).expect("it is late");
    assert_eq!((due.slot_ms, due.missed), (first + 30_000, 3));
    let pass = Pass {
        source: &Memory::default(),
        elsewhere: None,
        limits: Limits::default(),
        elapsed: &|| 0.0,
        rule_seconds_max: f64::INFINITY,
    };
    assert_eq!(engine.evaluate(&due, &pass).map(|evaluation| evaluation.missed), Some(3));
    assert_eq!(engine.next_at_ms(), Some(first + 40_000));
    engine.skip(&engine.due(first + 40_000).expect("its time has come"));
    assert_eq!(engine.next_at_ms(), Some(first + 50_000), "one is left out");
    engine.realign(first + 40_000);
    assert_eq!(engine.next_at_ms(), Some(first + 50_000), "the clock goes on");
    engine.realign(first - 5000);
    assert_eq!(engine.next_at_ms(), Some(first), "the clock was put back");
}

#[test]
fn all_state_comes_back_after_a_restart() {
    let text = group("{alert: A, expr: m > 0, for: 20s, keep_firing_for: 30s}, {record: r, expr: sum(m)}");
    let mut world = World::new(&text);
    world.step(100, &[("a", 1.0)]);
    world.step(110, &[("a", 1.0)]);
    world.step(120, &[("a", f64::INFINITY), ("b", 1.0)]);
    world.step(130, &[("b", 1.0)]);
    world.log.clear();
    let saved = serde_json::to_string(&world.engine.saved()).expect("it is JSON");
    world.engine = Engine::new(groups(&text), Options::default(), 190_000);
    world.engine.restore(serde_json::from_str(&saved).expect("it is the same JSON"), 190_000);
    let alerts = world.engine.alerts().alerts;
    let known: Vec<_> =
        alerts.iter().map(|alert| (&*alert.labels["x"], alert.state, &*alert.active_at)).collect();
    let pending = ("b", State::Pending, "1970-01-01T00:03:00Z");
    assert_eq!(known, [("a", State::Firing, "1970-01-01T00:01:40Z"), pending]);
    assert_eq!(alerts[0].value, "+Inf");
    world.step(200, &[]);
    world.check("200 a firing>inactive\n200 b pending>inactive\n200 a resolved 120..200");
    assert!(shown(&world.step(210, &[]).samples).is_empty());
}

#[test]
fn state_that_is_too_old_does_not_come_back() {
    let text = group("{alert: A, expr: m > 0}");
    let mut world = World::new(&text);
    world.step(100, &[("a", 1.0)]);
    let saved = world.engine.saved();
    let mut engine = Engine::new(groups(&text), Options::default(), 3_700_000);
    engine.restore(saved.clone(), 3_700_000);
    assert!(engine.alerts().alerts.is_empty());
    engine.restore(saved, 3_699_999);
    assert_eq!(engine.alerts().alerts.len(), 1);
}

#[track_caller]
fn check_restored(for_: &str, before: &[i64], passes: [i64; 2], active_at: &str) {
    let text = group(&format!("{{alert: A, expr: m > 0, for: {for_}}}"));
    let options = Options { restore: Restore::Prometheus, ..Options::default() };
    let mut world = World::with(&text, options);
    let series = Labels::new([("__name__", "ALERTS_FOR_STATE"), ("alertname", "A"), ("x", "a")]);
    for at in before {
        world.store.append(&[(series.clone(), Sample { timestamp_ms: at * 1000, value: before[0] as f64 })]);
    }
    for at in passes {
        let written = world.step(at, &[("a", 1.0)]).samples;
        assert!(written.is_empty(), "nothing is written before the state was looked for");
    }
    assert_eq!(world.engine.alerts().alerts[0].active_at, active_at);
}

#[test]
fn as_in_prometheus_long_rules_come_back_from_their_series() {
    check_restored("30m", &[0, 1800], [1900, 1910], "1970-01-01T00:00:00Z");
    check_restored("30m", &[0, 1500], [1900, 1910], "1970-01-01T00:11:50Z");
    check_restored("30m", &[0, 600], [1900, 1910], "1970-01-01T00:21:50Z");
    check_restored("5m", &[0, 1800], [1900, 1910], "1970-01-01T00:31:40Z");
    check_restored("30m", &[0, 1800], [5500, 5510], "1970-01-01T01:31:40Z");
}

#[test]
fn views_are_those_of_prometheus() {
    let mut world =
        World::new(&group("{alert: A, expr: m > 0, for: 1m, labels: {s: w}}, {record: r, expr: sum(m)}"));
    let before = serde_json::to_value(world.engine.rules()).expect("it is JSON");
    assert_eq!(before["groups"][0]["rules"][0]["state"], "unknown");
    assert_eq!(before["groups"][0]["lastEvaluation"], "0001-01-01T00:00:00Z");
    world.step(100, &[("a", 1.5)]);
    let rules = serde_json::to_value(world.engine.rules()).expect("it is JSON");
    let expected = serde_json::json!({ "groups": [{
        "name": "g", "file": "f.yml", "interval": 10.0, "limit": 0,
        "evaluationTime": 0.0, "lastEvaluation": "1970-01-01T00:01:40Z",
        "rules": [
            { "type": "alerting", "state": "pending", "name": "A", "query": "m > 0", "duration": 60.0,
              "keepFiringFor": 0.0, "labels": { "s": "w" }, "annotations": {}, "health": "ok",
              "evaluationTime": 0.0, "lastEvaluation": "1970-01-01T00:01:40Z",
              "alerts": [{ "labels": { "alertname": "A", "s": "w", "x": "a" }, "annotations": {},
                           "state": "pending", "activeAt": "1970-01-01T00:01:40Z", "value": "1.5e+00" }] },
            { "type": "recording", "name": "r", "query": "sum(m)", "health": "ok",
              "evaluationTime": 0.0, "lastEvaluation": "1970-01-01T00:01:40Z" },
        ],
    }] });
    assert_eq!(rules, expected);
}
