//! What others see.

use serde_json::json;

use super::*;
use crate::alertmanager::parse_matchers;

#[test]
fn alerts_are_as_in_alertmanager() {
    let mut world = World::new(BOTH);
    let posted = r#"[{"labels": {"alertname": "A", "x": ""}, "annotations": {"summary": "s"}, "startsAt":
        "1970-01-01T08:01:40+08:00", "endsAt": "0001-01-01T00:00:00.000Z", "generatorURL": "http://p/graph"},
        {"labels": {"alertname": "B", "severity": "warning"}, "endsAt": "1970-01-01T00:03:20.5Z"}]"#;
    let posted: Vec<PostedAlert> = serde_json::from_str(posted).expect("it is JSON");
    assert!(world.dispatcher.take(posted.into_iter().map(Incoming::from), 110_000).is_empty());
    let alerts = world.dispatcher.alerts(&AlertsQuery::default(), 110_000);
    let shown = serde_json::to_value(&alerts).expect("it is JSON");
    let expected = json!([
        { "annotations": {}, "endsAt": "1970-01-01T00:03:20.500Z", "fingerprint": "6da5303b0c7b22ed",
          "receivers": [{"name": "a"}, {"name": "b"}], "startsAt": "1970-01-01T00:03:20.500Z",
          "status": {"inhibitedBy": [], "silencedBy": [], "state": "active"},
          "updatedAt": "1970-01-01T00:01:50.000Z", "labels": {"alertname": "B", "severity": "warning"} },
        { "annotations": {"summary": "s"}, "endsAt": "1970-01-01T00:06:50.000Z",
          "fingerprint": "fb65a0bd8ec18d13", "receivers": [{"name": "a"}, {"name": "b"}],
          "startsAt": "1970-01-01T00:01:40.000Z",
          "status": {"inhibitedBy": [], "silencedBy": [], "state": "active"},
          "updatedAt": "1970-01-01T00:01:50.000Z", "generatorURL": "http://p/graph",
          "labels": {"alertname": "A"} },
    ]);
    let by_name = |value: &serde_json::Value, name: &str| {
        let all = value.as_array().expect("a list");
        let mut found =
            all.iter().find(|alert| alert["labels"]["alertname"] == name).cloned().expect("it is there");
        found["fingerprint"].take();
        found
    };
    for name in ["A", "B"] {
        assert_eq!(by_name(&shown, name), by_name(&expected, name));
    }
    assert!(
        world.dispatcher.alerts(&AlertsQuery::default(), 500_000).is_empty(),
        "what has ended is not shown"
    );
}

fn query(filter: &str) -> AlertsQuery {
    AlertsQuery { filter: parse_matchers(filter).expect("it is valid"), ..AlertsQuery::default() }
}

#[test]
fn alerts_are_asked_for() {
    let text = format!(
        "{BOTH}inhibit_rules: [{{source_matchers: [alertname=A], target_matchers: [alertname=B]}}]\n"
    );
    let mut world = World::new(&text);
    for alert in ["A x=1", "B", "C x=2"] {
        world.fires(100, alert);
    }
    let silence = Silence {
        id: String::new(),
        matchers: alertmanager::Matchers::new(parse_matchers("alertname=C").expect("it is valid")),
        starts_at_ms: 100_000,
        ends_at_ms: 200_000,
        updated_at_ms: 0,
        created_by: "me".to_owned(),
        comment: String::new(),
    };
    world.dispatcher.set_silence(silence, "s".to_owned(), 100_000).expect("it is valid");
    let check = |query: &AlertsQuery, expected: &str| {
        let mut names: Vec<String> = world
            .dispatcher
            .alerts(query, 110_000)
            .into_iter()
            .map(|alert| format!("{}:{}", alert.labels["alertname"], alert.status.state))
            .collect();
        names.sort();
        assert_eq!(names.join(" "), expected);
        let groups = world.dispatcher.alert_groups(query, 110_000);
        assert!(groups.iter().all(|group| group.alerts.len() == names.len()));
        assert_eq!(groups.is_empty(), names.is_empty());
    };
    check(&AlertsQuery::default(), "A:active B:suppressed C:suppressed");
    check(&AlertsQuery { silenced: false, ..AlertsQuery::default() }, "A:active B:suppressed");
    check(&AlertsQuery { inhibited: false, ..AlertsQuery::default() }, "A:active C:suppressed");
    check(&AlertsQuery { active: false, ..AlertsQuery::default() }, "B:suppressed C:suppressed");
    check(&query("alertname=~\"A|B\""), "A:active B:suppressed");
    check(&query("x!=\"\""), "A:active C:suppressed");
    check(&query("x=\"\""), "B:suppressed");
    let receiver = |name: &str| promql::Pattern::new(name).ok();
    check(
        &AlertsQuery { receiver: receiver("a|z"), ..AlertsQuery::default() },
        "A:active B:suppressed C:suppressed",
    );
    check(&AlertsQuery { receiver: receiver("z"), ..AlertsQuery::default() }, "");
    let names: Vec<String> = world.dispatcher.receivers().into_iter().map(|receiver| receiver.name).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn silences_are_as_in_alertmanager() {
    let mut dispatcher = Dispatcher::new(setup(&root("")));
    let posted = |matchers: &str, starts: &str, ends: &str| {
        let text = format!(
            r#"{{"matchers": {matchers}, "startsAt": "{starts}", "endsAt": "{ends}", "createdBy": "me", "comment": "c"}}"#
        );
        Silence::from(serde_json::from_str::<PostedSilence>(&text).expect("it is JSON"))
    };
    let regex = r#"[{"name": "a", "value": "b.*", "isRegex": true}]"#;
    let not = r#"[{"name": "a", "value": "b", "isRegex": false, "isEqual": false}]"#;
    let at = |second: u32| format!("1970-01-01T00:{:02}:{:02}Z", second / 60, second % 60);
    let mut add = |matchers, starts, ends, id: &str| {
        let silence = posted(matchers, &at(starts), &at(ends));
        dispatcher.set_silence(silence, id.to_owned(), 10_000).expect("it is valid");
    };
    add(regex, 20, 30, "expired-1");
    add(regex, 20, 40, "expired-2");
    add(not, 200, 300, "pending");
    add(not, 50, 250, "active-2");
    add(regex, 50, 150, "active-1");
    let shown = dispatcher.silences(&[], 100_000);
    let ids: Vec<&str> = shown.iter().map(|silence| &*silence.id).collect();
    assert_eq!(ids, ["active-1", "active-2", "pending", "expired-2", "expired-1"]);
    let expected = json!({
        "id": "active-1", "status": {"state": "active"}, "updatedAt": "1970-01-01T00:00:10.000Z", "comment": "c",
        "createdBy": "me", "endsAt": "1970-01-01T00:02:30.000Z", "startsAt": "1970-01-01T00:00:50.000Z",
        "matchers": [{"name": "a", "value": "b.*", "isRegex": true, "isEqual": true}],
    });
    assert_eq!(serde_json::to_value(dispatcher.silence("active-1", 100_000)).expect("it is JSON"), expected);
    let filtered = dispatcher.silences(&parse_matchers("a!=b").expect("it is valid"), 100_000);
    assert_eq!(filtered.len(), 2);
}

#[test]
fn an_alert_is_explained() {
    let mut world = World::new(&root("group_wait: 10s, group_interval: 30s, repeat_interval: 100s"));
    world.fires(100, "A");
    let fingerprint = fingerprint(&labels("A"));
    let explained = world.dispatcher.explain(fingerprint, 100_000).expect("it is known");
    let group = &explained.groups[0];
    assert_eq!((&*group.route, &*group.group_key, &*group.receiver), ("{}", "{}:{}", "ops"));
    assert_eq!((group.waits_for, &*group.next_flush), ("group_wait", "1970-01-01T00:01:50.000Z"));
    assert_eq!((group.channels[0].next_reason, &group.channels[0].told_at), (Some(Reason::First), &None));
    world.pass(110);
    let explained = world.dispatcher.explain(fingerprint, 111_000).expect("it is known");
    let (group, channel) = (&explained.groups[0], &explained.groups[0].channels[0]);
    assert_eq!((group.waits_for, &*group.next_flush), ("group_interval", "1970-01-01T00:02:20.000Z"));
    assert_eq!(channel.told_at.as_deref(), Some("1970-01-01T00:01:50.000Z"));
    assert_eq!((channel.knows_firing, channel.is_busy, channel.next_reason), (true, false, None));
    let repeats_at = channel.repeats_at.clone();
    world.log.clear();
    world.pass(300);
    // As it said.
    assert_eq!(repeats_at.as_deref(), Some("1970-01-01T00:03:50.000Z"));
    world.check(&["230 ops: A (Repeated)"]);
    assert_eq!(world.dispatcher.explain(1, 0), None);
}
