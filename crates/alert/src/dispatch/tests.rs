//! Dispatchers on virtual time, in seconds.

mod kept;
mod silences;
mod views;

use std::collections::BTreeMap;

use super::*;
use crate::alertmanager::{self, Config};

/// How channels answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Delivered,
    Failed,
    /// Not yet.
    None,
}

/// A dispatcher, its channels and what they have told.
struct World {
    dispatcher: Dispatcher,
    /// Answers of channels whose receiver is named; others deliver.
    answers: BTreeMap<String, Answer>,
    log: Vec<String>,
    /// What was kept, as on a disk.
    kept: BTreeMap<String, String>,
    given: Vec<SendId>,
    /// How many alerts were not told of.
    hidden: usize,
}

fn setup(text: &str) -> Setup {
    let config: Config = alertmanager::parse(text, &["webhook"]).expect("the file is good");
    let receivers = config.receivers.iter().map(|receiver| {
        let channels = receiver.channels.iter().map(|channel| ChannelSpec {
            key: format!("{}/{}", channel.kind, channel.index),
            sends_resolved: channel.settings.json()["send_resolved"] != false,
        });
        (receiver.name.clone(), channels.collect())
    });
    Setup {
        receivers: receivers.collect(),
        routes: config.routes,
        inhibit_rules: config.inhibit_rules,
        time_intervals: config.time_intervals,
        options: Options { external_url: "http://heartline".to_owned(), ..Options::default() },
    }
}

/// A file whose only route is the root.
fn root(route: &str) -> String {
    format!("route: {{receiver: ops, {route}}}\nreceivers: [{{name: ops, webhook_configs: [{{}}]}}]\n")
}

fn labels(text: &str) -> Labels {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap_or(("alertname", pair)));
    Labels::new(pairs)
}

impl World {
    fn new(text: &str) -> World {
        World {
            dispatcher: Dispatcher::new(setup(text)),
            answers: BTreeMap::new(),
            log: Vec::new(),
            kept: BTreeMap::new(),
            given: Vec::new(),
            hidden: 0,
        }
    }

    /// An alert that fires: `A x=1` since `starts` until `ends`.
    fn report(&mut self, now: i64, text: &str, starts: i64, ends: i64) {
        let incoming = Incoming {
            labels: labels(text),
            starts_at_ms: Some(starts * 1000),
            ends_at_ms: Some(ends * 1000),
            ..Incoming::default()
        };
        assert_eq!(self.dispatcher.take([incoming], now * 1000), Vec::<String>::new());
    }

    fn fires(&mut self, now: i64, text: &str) {
        self.report(now, text, now, now + 100_000);
    }

    fn ends(&mut self, now: i64, text: &str) {
        self.report(now, text, now - 1, now);
    }

    /// Lets time pass: all looks up to now happen at their times.
    fn pass(&mut self, now: i64) {
        while let Some(at_ms) = self.dispatcher.next_at_ms().filter(|at_ms| *at_ms <= now * 1000) {
            for flush in self.dispatcher.flush(at_ms) {
                self.hidden += flush.suppressed;
                for send in flush.sends {
                    self.tell(&send, at_ms);
                }
            }
        }
    }

    fn tell(&mut self, send: &Send, at_ms: i64) {
        let names = |is_resolved: bool| {
            let alerts = send.notice.alerts.iter().filter(|alert| alert.is_resolved == is_resolved);
            let names = alerts.map(|alert| alert.labels.get("alertname").to_owned());
            names.collect::<Vec<_>>().join(",")
        };
        let (firing, resolved) = (names(false), names(true));
        let resolved = if resolved.is_empty() { String::new() } else { format!(" resolved {resolved}") };
        let line = format!("{} {}: {firing}{resolved} ({:?})", at_ms / 1000, send.id.receiver, send.reason);
        self.log.push(line);
        let answer = self.answers.get(&send.id.receiver).copied().unwrap_or(Answer::Delivered);
        match answer {
            Answer::Delivered => self.dispatcher.delivered(&send.id, at_ms),
            Answer::Failed => self.dispatcher.failed(&send.id),
            Answer::None => self.given.push(send.id.clone()),
        }
    }

    #[track_caller]
    fn check(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.log), expected);
    }
}

#[test]
fn groups_wait_and_are_looked_at_again() {
    let mut world = World::new(&root("group_wait: 10s, group_interval: 30s, repeat_interval: 100s"));
    world.fires(100, "A");
    world.fires(105, "B");
    world.pass(110);
    world.check(&["110 ops: A,B (First)"]);
    world.fires(115, "C");
    world.pass(139);
    world.check(&[]);
    world.pass(140);
    world.check(&["140 ops: A,B,C (NewAlerts)"]);
    world.pass(400);
    // 100 s are rounded up to a multiple of the interval.
    world.check(&["260 ops: A,B,C (Repeated)", "380 ops: A,B,C (Repeated)"]);
    let mut world = World::new(&root("group_wait: 10s, group_interval: 30s, repeat_interval: 60s"));
    world.fires(100, "A");
    world.pass(290);
    // At 170 s the time is not over yet.
    world.check(&["110 ops: A (First)", "200 ops: A (Repeated)", "290 ops: A (Repeated)"]);
}

#[test]
fn an_alert_that_is_old_does_not_wait() {
    let mut world = World::new(&root("group_wait: 10s"));
    world.fires(100, "A");
    world.report(103, "B", 92, 1000);
    world.pass(103);
    world.check(&["103 ops: A,B (First)"]);
    let mut world = World::new(&root("group_wait: 10s"));
    world.report(103, "B", 93, 1000);
    world.pass(112);
    world.check(&[]);
}

#[test]
fn what_ends_is_told_once() {
    let mut world = World::new(&root("group_wait: 10s, group_interval: 30s"));
    world.fires(100, "A");
    world.fires(100, "B");
    world.pass(110);
    world.ends(120, "B");
    world.pass(140);
    world.check(&["110 ops: A,B (First)", "140 ops: A resolved B (SomeResolved)"]);
    world.pass(199);
    world.check(&[]);
    world.ends(199, "A");
    world.pass(200);
    world.check(&["200 ops:  resolved A (AllResolved)"]);
    assert_eq!((world.dispatcher.sizes(), world.dispatcher.next_at_ms()), (Sizes::default(), None));
    world.fires(205, "A");
    world.pass(300);
    world.check(&["215 ops: A (First)"]);
}

#[test]
fn what_flaps_within_an_interval_is_not_told() {
    let mut world = World::new(&root("group_wait: 10s, group_interval: 30s"));
    world.fires(100, "A");
    world.ends(105, "A");
    world.pass(110);
    world.check(&[]);
    world.fires(120, "A");
    world.pass(130);
    world.ends(140, "A");
    world.fires(150, "A");
    world.pass(200);
    world.check(&["130 ops: A (First)"]);
}

#[test]
fn what_is_reported_no_more_has_ended() {
    let mut world = World::new(&root("group_wait: 10s, group_interval: 30s"));
    world.report(100, "A", 100, 150);
    let without_end = Incoming { labels: labels("B"), ..Incoming::default() };
    world.dispatcher.take([without_end], 100_000);
    world.pass(500);
    // 300 s are the default of `resolve_timeout`.
    world.check(&[
        "110 ops: A,B (First)",
        "170 ops: B resolved A (SomeResolved)",
        "410 ops:  resolved B (AllResolved)",
    ]);
}

#[test]
fn a_channel_may_not_care_for_what_has_ended() {
    let text = "route: {receiver: ops, group_wait: 10s, group_interval: 30s}\n\
                receivers: [{name: ops, webhook_configs: [{send_resolved: false}]}]\n";
    let mut world = World::new(text);
    world.fires(100, "A");
    world.fires(100, "B");
    world.pass(110);
    world.ends(120, "A");
    world.pass(140);
    world.fires(150, "C");
    world.ends(151, "B");
    world.pass(170);
    world.ends(180, "C");
    world.pass(300);
    world.check(&["110 ops: A,B (First)", "170 ops: C (NewAlerts)"]);
    assert_eq!(world.dispatcher.sizes(), Sizes::default());
    world.fires(310, "C");
    world.pass(320);
    world.check(&["320 ops: C (First)"]);
}

#[test]
fn an_end_is_told_however_long_the_channel_fails() {
    let mut world = World::new(&root("group_wait: 10s, group_interval: 30s, repeat_interval: 60s"));
    world.fires(100, "A");
    world.pass(110);
    world.check(&["110 ops: A (First)"]);
    world.answers.insert("ops".to_owned(), Answer::Failed);
    world.ends(120, "A");
    world.pass(400);
    world.log.clear();
    world.answers.clear();
    world.pass(430);
    world.check(&["410 ops:  resolved A (AllResolved)"]);
    world.dispatcher.flush(600_000);
    assert!(world.dispatcher.log.entries.is_empty());
}

#[test]
fn what_was_not_told_is_told_at_the_next_look() {
    let mut world = World::new(&root("group_wait: 10s, group_interval: 30s"));
    world.answers.insert("ops".to_owned(), Answer::Failed);
    world.fires(100, "A");
    world.pass(140);
    world.check(&["110 ops: A (First)", "140 ops: A (First)"]);
    world.answers.clear();
    world.pass(170);
    world.answers.insert("ops".to_owned(), Answer::Failed);
    world.ends(180, "A");
    world.pass(230);
    world.answers.clear();
    world.pass(400);
    let ended = ["200 ops:  resolved A (AllResolved)", "230 ops:  resolved A (AllResolved)"];
    world.check(&["170 ops: A (First)", ended[0], ended[1], "260 ops:  resolved A (AllResolved)"]);
    assert_eq!(world.dispatcher.sizes(), Sizes::default());
}

/// Two receivers for all alerts.
const BOTH: &str = "route: {receiver: a, group_wait: 10s, group_interval: 30s, routes: \
                    [{receiver: a, continue: true}, {receiver: b}]}\n\
                    receivers: [{name: a, webhook_configs: [{}]}, {name: b, webhook_configs: [{}]}]\n";

#[test]
fn a_channel_that_hangs_delays_no_other_and_misses_nothing() {
    let mut world = World::new(BOTH);
    world.answers.insert("a".to_owned(), Answer::None);
    world.fires(100, "A");
    world.pass(110);
    world.ends(120, "A");
    world.pass(200);
    world.check(&["110 a: A (First)", "110 b: A (First)", "140 b:  resolved A (AllResolved)"]);
    world.answers.clear();
    let given = std::mem::take(&mut world.given);
    assert_eq!((given.len(), world.dispatcher.given()), (1, given.clone()));
    world.dispatcher.delivered(&given[0], 205_000);
    world.dispatcher.delivered(&given[0], 206_000);
    world.pass(300);
    world.check(&["230 a:  resolved A (AllResolved)"]);
    assert_eq!(world.dispatcher.sizes(), Sizes::default());
}

#[test]
fn groups_of_two_routes_with_the_same_matchers_are_told_apart() {
    let text = "route: {receiver: a, group_wait: 10s, group_interval: 30s, routes: [{continue: true, routes: \
                [{matchers: [alertname=A], receiver: b}]}, {}]}\n\
                receivers: [{name: a, webhook_configs: [{}]}, {name: b, webhook_configs: [{}]}]\n";
    let mut world = World::new(text);
    world.fires(100, "A");
    world.fires(100, "B");
    world.pass(1000);
    world.check(&["110 a: B (First)", "110 b: A (First)", "110 a: A,B (First)"]);
}

#[test]
fn channels_of_one_receiver_are_told_apart() {
    let text = "route: {receiver: ops, group_wait: 10s, group_interval: 30s}\n\
                receivers: [{name: ops, webhook_configs: [{}, {}]}]\n";
    let mut world = World::new(text);
    world.answers.insert("ops".to_owned(), Answer::None);
    world.fires(100, "A");
    world.pass(110);
    let given = std::mem::take(&mut world.given);
    let keys: Vec<&str> = given.iter().map(|id| &*id.channel).collect();
    assert_eq!(keys, ["webhook/0", "webhook/1"]);
    world.dispatcher.delivered(&given[0], 111_000);
    world.dispatcher.failed(&given[1]);
    world.pass(170);
    let keys: Vec<&str> = world.given.iter().map(|id| &*id.channel).collect();
    assert_eq!(keys, ["webhook/1"], "only the one that failed");
}

#[test]
fn what_failed_is_told_again_when_somebody_asks() {
    use crate::delivery::AgainError::{Over, TooSoon};
    let mut world = World::new(&root("group_wait: 10s, group_interval: 3600s"));
    world.answers.insert("ops".to_owned(), Answer::Failed);
    world.fires(100, "A");
    world.pass(110);
    let key = "{}:{}";
    assert_eq!(world.dispatcher.hasten(key, "ops", 114_000), Err(TooSoon));
    assert_eq!(world.dispatcher.hasten(key, "others", 120_000), Err(Over));
    assert_eq!(world.dispatcher.hasten(key, "ops", 120_000), Ok(()));
    world.answers.clear();
    world.pass(120);
    world.check(&["110 ops: A (First)", "120 ops: A (First)"]);
    assert_eq!(world.dispatcher.hasten(key, "ops", 200_000), Err(Over), "it was told");
    world.pass(3_700);
    world.check(&[]);

    let mut world = World::new(&root("group_wait: 10s, group_interval: 3600s"));
    world.answers.insert("ops".to_owned(), Answer::Failed);
    world.fires(100, "A");
    world.pass(110);
    let silence = serde_json::json!({
        "matchers": [{"name": "alertname", "value": "A", "isRegex": false, "isEqual": true}],
        "startsAt": "1970-01-01T00:00:00Z", "endsAt": "1970-01-02T00:00:00Z", "createdBy": "Ann", "comment": "x",
    });
    let silence: PostedSilence = serde_json::from_value(silence).expect("a silence");
    world.dispatcher.set_silence(silence.into(), "one".to_owned(), 111_000).expect("is taken");
    assert_eq!(world.dispatcher.hasten(key, "ops", 120_000), Err(Over), "it is silenced");
}

#[test]
fn alerts_are_told_in_the_order_of_alertmanager() {
    let mut world = World::new(&root("group_wait: 10s"));
    let alerts =
        ["E", "C x=1 y=1", "D a=1", "D z=1", "B job=b instance=1", "A job=b", "F job=a", "0 instance=2"];
    for alert in alerts {
        world.fires(100, alert);
    }
    world.pass(110);
    world.check(&["110 ops: F,B,A,0,E,D,D,C (First)"]);
    let groups = world.dispatcher.alert_groups(&AlertsQuery::default(), 110_000);
    let first = &groups[0].alerts[5].labels;
    assert!(first.contains_key("z"), "of two names the later one is first: {first:?}");
}

#[test]
fn groups_are_by_route_and_labels() {
    let text = "route: {receiver: ops, group_by: [x], group_wait: 10s, routes: \
                [{matchers: [page=yes], receiver: phone, group_by: ['...']}]}\n\
                receivers: [{name: ops, webhook_configs: [{}]}, {name: phone, webhook_configs: [{}]}]\n";
    let mut world = World::new(text);
    for alert in ["A x=1", "B x=1 y=2", "C x=2", "D page=yes x=1", "E page=yes x=1", "F"] {
        world.fires(100, alert);
    }
    world.pass(110);
    let mut lines = std::mem::take(&mut world.log);
    lines.sort();
    let expected = [
        "110 ops: A,B (First)",
        "110 ops: C (First)",
        "110 ops: F (First)",
        "110 phone: D (First)",
        "110 phone: E (First)",
    ];
    assert_eq!(lines, expected);
    let keys: Vec<&str> = world.dispatcher.groups.values().map(|group| &*group.key).collect();
    assert!(keys.contains(&r#"{}/{page="yes"}:{alertname="D", page="yes", x="1"}"#), "{keys:?}");
}

#[test]
fn one_alert_inhibits_others() {
    let text = format!(
        "{}inhibit_rules: [{{source_matchers: [severity=critical], target_matchers: [severity=~\"warning|critical\"], \
         equal: [service, missing]}}]\n",
        root("group_by: ['...'], group_wait: 10s, group_interval: 30s")
    );
    let mut world = World::new(&text);
    for alert in
        ["A severity=critical service=x", "B severity=warning service=x", "C severity=warning service=y"]
    {
        world.fires(100, alert);
    }
    world.fires(100, "D severity=critical service=x");
    world.pass(110);
    let mut lines = std::mem::take(&mut world.log);
    lines.sort();
    // Two that are both source and target do not inhibit each other.
    assert_eq!(lines, ["110 ops: A (First)", "110 ops: C (First)", "110 ops: D (First)"]);
    world.ends(120, "A severity=critical service=x");
    world.ends(120, "D severity=critical service=x");
    world.pass(140);
    world.log.retain(|line| line.contains('B'));
    world.check(&["140 ops: B (First)"]);
    assert_eq!(world.dispatcher.counters().suppressed_inhibited, 1);
}

#[test]
fn routes_are_mute_or_active_at_times() {
    let text = "route:\n  receiver: a\n  group_wait: 10s\n  group_interval: 30s\n  routes:\n  - {receiver: a, continue: true, \
                mute_time_intervals: [first, hour]}\n  - {receiver: b, active_time_intervals: [third]}\nreceivers: \
                [{name: a, webhook_configs: [{}]}, {name: b, webhook_configs: [{}]}]\ntime_intervals:\n- {name: first, \
                time_intervals: [{times: [{start_time: '00:00', end_time: '00:01'}]}]}\n- {name: hour, \
                time_intervals: [{times: [{start_time: '01:00', end_time: '02:00'}]}]}\n- {name: third, \
                time_intervals: [{times: [{start_time: '00:02', end_time: '00:03'}]}]}\n";
    let mut world = World::new(text);
    world.fires(5, "A");
    world.pass(200);
    world.check(&["75 a: A (First)", "135 b: A (First)"]);
    assert_eq!(world.dispatcher.counters().suppressed_by_time, 2 + 4 + 1);
}

#[test]
fn another_setup_keeps_what_is_known() {
    let mut world = World::new(BOTH);
    world.fires(100, "A");
    world.fires(105, "B");
    world.pass(110);
    world.log.clear();
    world.ends(112, "A");
    world.dispatcher.reload(setup(BOTH), 115_000);
    world.pass(140);
    world.check(&["140 a: B resolved A (SomeResolved)", "140 b: B resolved A (SomeResolved)"]);
    world
        .dispatcher
        .reload(setup(&BOTH.replace("{receiver: b}", "{receiver: b, matchers: [x!=1]}")), 150_000);
    world.pass(200);
    // The second route is another one now, whose alert is old enough.
    world.check(&["150 b: B (First)"]);
    world.dispatcher.reload(setup(&root("group_wait: 10s")), 300_000);
    world.pass(300);
    world.check(&["300 ops: B (First)"]);
    assert_eq!(world.dispatcher.sizes(), Sizes { alerts: 1, groups: 1, silences: 0 });
}

#[test]
fn everything_is_bounded() {
    let mut setup = setup(&root("group_by: [alertname]"));
    setup.options =
        Options { alerts_max: 4, groups_max: 2, alert_bytes_max: 40, silences_max: 1, ..setup.options };
    let mut dispatcher = Dispatcher::new(setup);
    let incoming = |text: &str| Incoming { labels: labels(text), ..Incoming::default() };
    assert!(dispatcher.take(["A", "A x=1", "B", "B x=1"].map(incoming), 1000).is_empty());
    assert_eq!(dispatcher.take([incoming("C")], 1000), ["there are 4 alerts already"]);
    assert!(dispatcher.take([incoming("A")], 1000).is_empty(), "one that is known is no new one");
    let long = format!("A y={}", "x".repeat(40));
    assert_eq!(dispatcher.take([incoming(&long)], 1000), ["an alert has 51 bytes, more than 40"]);
    let ended = |text: &str| Incoming { ends_at_ms: Some(1000), ..incoming(text) };
    dispatcher.take([ended("B"), ended("B x=1")], 1000);
    dispatcher.flush(40_000);
    assert!(dispatcher.take([incoming("C"), incoming("D")], 40_000).is_empty());
    let counters = dispatcher.counters();
    assert_eq!((counters.alerts_dropped, counters.groups_dropped, counters.invalid), (1, 1, 1));
    assert_eq!((counters.received_firing, counters.received_resolved), (8, 2));
    assert_eq!(dispatcher.sizes(), Sizes { alerts: 4, groups: 2, silences: 0 });
}

#[test]
fn reports_are_judged() {
    let check = |incoming: Incoming, expected: &str| {
        let mut world = World::new(&root(""));
        let refused = world.dispatcher.take([incoming], 1000);
        assert!(refused.len() == 1 && refused[0].contains(expected), "{refused:?}");
    };
    let good = Incoming { labels: labels("A"), ..Incoming::default() };
    check(Incoming { labels: Labels::default(), ..good.clone() }, "at least one label");
    check(Incoming { labels: Labels::new([("", "x")]), ..good.clone() }, "must not be empty");
    check(
        Incoming { annotations: vec![(String::new(), "x".to_owned())], ..good.clone() },
        "must not be empty",
    );
    check(
        Incoming { starts_at_ms: Some(5), ends_at_ms: Some(4), ..good },
        "{alertname=\"A\"} ends before it starts",
    );
}

/// Two reports, each from start to end (0 for none), the second at the time 100; and what becomes of them.
#[track_caller]
fn check_merged(first: (i64, i64), second: (i64, i64), expected: (i64, i64)) {
    let mut dispatcher = Dispatcher::new(setup(&root("")));
    let incoming = |(starts, ends): (i64, i64)| Incoming {
        labels: labels("A"),
        starts_at_ms: (starts > 0).then_some(starts),
        ends_at_ms: (ends > 0).then_some(ends),
        ..Incoming::default()
    };
    dispatcher.take([incoming(first)], 50);
    dispatcher.take([incoming(second)], 100);
    let alert = dispatcher.alerts.values().next().expect("it is known");
    assert_eq!((alert.starts_at_ms, alert.ends_at_ms), expected);
}

#[test]
fn reports_that_overlap_are_one() {
    const GUESS: i64 = 300_000;
    check_merged((10, 200), (20, 300), (10, 300));
    check_merged((10, 200), (20, 150), (10, 200));
    check_merged((10, 0), (20, 150), (10, 150));
    check_merged((10, 0), (20, 0), (10, 100 + GUESS));
    check_merged((10, 200), (150, 0), (10, 100 + GUESS));
    check_merged((10, 200), (0, 90), (10, 90));
    check_merged((10, 20), (100, 200), (100, 200));
    check_merged((10, 80), (20, 70), (10, 80));
    check_merged((10, 80), (0, 70), (10, 80));
}

#[test]
fn a_clock_that_is_put_back_stops_nothing() {
    let mut world = World::new(&root("group_wait: 10s, group_interval: 30s"));
    world.fires(100_000, "A");
    world.pass(100_010);
    world.log.clear();
    world.report(5000, "B", 5000, 200_000);
    world.dispatcher.flush(5_000_000);
    assert_eq!(world.dispatcher.next_at_ms(), Some(5_030_000));
    world.pass(5030);
    world.check(&["5030 ops: A,B (NewAlerts)"]);
}
