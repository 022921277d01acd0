//! Good and bad files.

use model::series::Labels;

use super::*;

const KINDS: [&str; 2] = ["slack", "webhook"];

#[track_caller]
fn check_bad(text: &str, expected: &[&str]) {
    let issues = parse(text, &KINDS).expect_err("the file is bad");
    let found: Vec<String> = issues.iter().map(Issue::to_string).collect();
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| found.contains(expected));
    assert!(fits, "found {found:#?}, expected {expected:#?}");
}

/// A good file with a route of its own below the root.
fn with_route(route: &str) -> String {
    format!("route:\n  receiver: ops\n  routes:\n  - {route}\nreceivers: [{{name: ops}}, {{name: db}}]\n")
}

#[track_caller]
fn check_bad_route(route: &str, expected: &str) {
    check_bad(&with_route(route), &[expected]);
}

#[track_caller]
fn good(text: &str) -> Config {
    parse(text, &KINDS).expect("the file is good")
}

const MINIMAL: &str = "route: {receiver: ops}\nreceivers: [{name: ops}]\n";

#[test]
fn unknown_keys_are_told_with_their_place_and_the_nearest_one() {
    check_bad(&format!("{MINIMAL}recievers: []\n"), &["3:1: unknown field `recievers`"]);
    check_bad(&format!("{MINIMAL}recievers: []\n"), &["did you mean `receivers`?"]);
    check_bad_route("{group_wat: 5s}", "4:6: unknown field `group_wat`");
    check_bad_route("{group_wat: 5s}", "did you mean `group_wait`?");
    check_bad(
        &format!("global: {{slack_api_ur: x}}\n{MINIMAL}"),
        &["1:10: unknown field `slack_api_ur`; did you mean `slack_api_url`?"],
    );
    check_bad(
        "route: {receiver: a}\nreceivers: [{name: a, slak_configs: []}]\n",
        &["2:23: unknown field `slak_configs`; did you mean `slack_configs`?"],
    );
    check_bad(
        &format!("{MINIMAL}time_intervals: [{{name: n, time_intervals: [{{weekday: [monday]}}]}}]\n"),
        &["did you mean `weekdays`?"],
    );
    check_bad(
        &format!("{MINIMAL}inhibit_rules: [{{source_matcher: []}}]\n"),
        &["did you mean `source_matchers`?"],
    );
}

#[test]
fn the_root_is_judged() {
    check_bad("receivers: []\n", &["1:1: there is no `route`"]);
    check_bad("", &["there is no `route`"]);
    check_bad("route: {}\n", &["1:8: the root route needs a `receiver`"]);
    check_bad("route: {receiver: ops}\n", &["1:19: there is no receiver `ops`"]);
    check_bad(
        "route: {receiver: ops, continue: true}\nreceivers: [{name: ops}]",
        &["1:34: the root route must not"],
    );
    check_bad("route: {receiver: ops, match: {a: b}}\nreceivers: [{name: ops}]", &["must not have matchers"]);
    check_bad(
        "route: {receiver: ops, matchers: [a=b]}\nreceivers: [{name: ops}]",
        &["must not have matchers"],
    );
    check_bad(
        "route: {receiver: ops, mute_time_intervals: [a]}\nreceivers: [{name: ops}]\ntime_intervals: [{name: a}]",
        &["must not have time intervals"],
    );
}

#[test]
fn routes_are_judged() {
    check_bad_route("{receiver: dba}", "4:16: there is no receiver `dba`; did you mean `db`?");
    check_bad_route("{matchers: ['a=~(']}", "4:17: the regular expression `(` is not valid");
    check_bad_route("{matchers: [a]}", "4:17: `a` is not a matcher");
    check_bad_route("{match: {a-b: c}}", "4:14: `a-b` is not a name that labels");
    check_bad_route("{match_re: {a: '('}}", "is not valid");
    check_bad_route("{group_by: [a, '...']}", "4:20: `...` means all labels");
    check_bad_route("{group_by: [a, b, a]}", "4:23: the label `a` is repeated");
    check_bad_route("{group_by: ['']}", "must not be empty");
    check_bad_route("{group_interval: 0s}", "4:22: `group_interval` must not be zero");
    check_bad_route("{repeat_interval: 0s}", "`repeat_interval` must not be zero");
    check_bad_route("{group_wait: 5}", "4:18: `5` is not a duration");
    check_bad_route("{mute_time_intervals: [night]}", "4:28: there is no time interval `night`");
    check_bad_route("{active_time_intervals: [night]}", "there is no time interval `night`");
    check_bad_route("{labels: {'': a}}", "must not be empty");
    check_bad_route("{continue: maybe}", "4:16: invalid boolean");
    check_bad(
        &with_route("{receiver: x, group_wait: 1x, group_by: [a, a]}"),
        &["no receiver `x`", "label `a` is repeated", "`1x` is not a duration"],
    );
}

#[test]
fn receivers_are_judged() {
    let check = |receivers: &str, expected: &str| {
        check_bad(
            &format!("receivers: [{{name: ops}}, {receivers}]\nroute: {{receiver: ops}}\n"),
            &[expected],
        );
    };
    check("{name: ops}", "1:33: the receiver `ops` is repeated");
    check("{slack_configs: []}", "1:26: a receiver needs a `name`");
    check("{name: a, slack_configs: {}}", "`slack_configs` is a list");
    check("{name: a, slack_configs: [x]}", "1:52: each of `slack_configs` is a map");
    check("{name: a, labels: {name: b}}", "the label `name` must be the receiver's");
    check(
        "{name: a, sns_configs: [{}]}",
        "1:36: the receiver `a` has `sns_configs`: sns is not supported here",
    );
    check("{name: a, email_configs: [{}]}", "`alertmanagers:`), or reach it by `webhook_configs`");
}

#[test]
fn what_holds_for_all_is_judged() {
    let check =
        |global: &str, expected: &str| check_bad(&format!("global: {global}\n{MINIMAL}"), &[expected]);
    check("{resolve_timeout: soon}", "1:27: `soon` is not a duration");
    check("{slack_api_url: a, slack_api_url_file: b}", "say either `slack_api_url` or `slack_api_url_file`");
    check("[a]", "`global` is a map");
}

#[test]
fn intervals_are_judged() {
    let check = |intervals: &str, expected: &str| {
        check_bad(&format!("{MINIMAL}time_intervals: [{intervals}]\n"), &[expected]);
    };
    check("{time_intervals: []}", "3:18: a time interval needs a `name`");
    check("{name: a}, {name: a}", "3:36: the time interval `a` is repeated");
    check(
        "{name: a, time_intervals: [{times: [{start_time: '9:00', end_time: '10:00'}]}]}",
        "3:54: `9:00` is not",
    );
    check("{name: a, time_intervals: [{weekdays: [someday]}]}", "3:57: `someday` is not a day");
    check("{name: a, time_intervals: [{location: Nowhere/City}]}", "`Nowhere/City` is not a time zone");
    check_bad(
        &format!("{MINIMAL}time_intervals: [{{name: a}}]\nmute_time_intervals: [{{name: a}}]\n"),
        &["is repeated"],
    );
}

#[test]
fn what_is_odd_is_told() {
    let text = "global: {victorops_api_key: a, slack_api_url: b}\nmute_time_intervals: [{name: n, time_intervals: \
                [{location: Local}]}]\ntracing: {endpoint: x}\nevent_recorder: {}\n";
    let config = good(&format!("{MINIMAL}{text}"));
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "5:10: `tracing` does nothing here",
        "6:17: `event_recorder` does nothing here",
        "3:10: `victorops_api_key` does nothing here: victorops is not supported",
        "4:22: `mute_time_intervals` is deprecated: call it `time_intervals`",
        "4:61: `Local` is taken for UTC here: name the zone",
    ];
    assert_eq!(warnings, expected);
    let config = parse("route: {receiver: a}\nreceivers: [{name: a, msteams_configs: [{}]}]\n", &[RETIRED]);
    let warnings = config.expect("the file is good").warnings;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!((warning.line, warning.column), (2, 23));
    assert!(warning.message.contains("`msteamsv2_configs`"), "{warning}");
    let config = good(
        "global: {http_config: {tls_config: {insecure_skip_verify: true}}}\nroute: {receiver: a}\nreceivers:\n\
         - name: a\n  slack_configs:\n  - http_config: {oauth2: {tls_config: {insecure_skip_verify: true}}}\n    \
         api_url: x\n  - {http_config: {tls_config: {insecure_skip_verify: false}}}\n",
    );
    let places: Vec<_> = config.warnings.iter().map(|warning| (warning.line, warning.column)).collect();
    assert_eq!(places, [(1, 37), (6, 41)], "{:?}", config.warnings);
}

#[test]
fn settings_of_channels_are_handed_on_with_their_places() {
    let config = good(
        "route: {receiver: a}\nreceivers:\n- name: a\n  labels: {owner: me}\n  slack_configs:\n  - channel: '#ops'\n    \
         fields: [{title: t, short: true}]\n  - channel: '007'\n    http_config: {proxy_url: x}\n  webhook_configs:\n",
    );
    let receiver = &config.receivers[0];
    assert_eq!((&*receiver.name, &*receiver.labels["owner"], receiver.channels.len()), ("a", "me", 2));
    let (first, second) = (&receiver.channels[0], &receiver.channels[1]);
    assert_eq!((&*first.kind, first.index, second.index), ("slack", 0, 1));
    let expected = serde_json::json!({"channel": "#ops", "fields": [{"title": "t", "short": true}]});
    assert_eq!(first.settings.json(), expected);
    assert_eq!(first.settings.place_of(["fields", "0", "short"]), (7, 32));
    assert_eq!(first.settings.place_of(["fields", "1"]), (7, 13));
    assert_eq!(second.settings.json()["channel"], "007");
    assert_eq!(second.settings.place_of_key("http_config"), (9, 5));
}

#[test]
fn numbers_in_settings_keep_their_spelling() {
    let config = good(
        "# é\nroute: {receiver: a}\ntemplates: [&n 007]\nreceivers:\n- name: a\n  webhook_configs: [{a: 0123, b: +49170, c: 1e5, d: 12, e: -7, \
         f: 1.5, g: '1', h: no, i: *n, j: [0x10]}]\n",
    );
    let expected = serde_json::json!({
        "a": "0123", "b": "+49170", "c": "1e5", "d": 12, "e": -7, "f": 1.5, "g": "1", "h": false, "i": "007",
        "j": ["0x10"],
    });
    assert_eq!(config.receivers[0].channels[0].settings.json(), expected);
}

#[test]
fn children_inherit_all_but_times() {
    let config = good(
        "route:\n  receiver: ops\n  group_by: [alertname]\n  group_wait: 10s\n  repeat_interval: 1d\n  labels: {a: x, b: \
         y}\n  routes:\n  - matchers: [severity=critical, team=~\"a|b\"]\n    continue: true\n    receiver: db\n    \
         group_by: ['...']\n    mute_time_intervals: [night]\n    labels: {b: z}\n    routes:\n    - match: {page: \
         'true'}\n      group_interval: 1m\n    - group_by: []\n  - match_re: {job: 'x.*'}\nreceivers: [{name: ops}, \
         {name: db}]\ntime_intervals: [{name: night}]\n",
    );
    let routes: Vec<&Route> = config.routes.iter().map(|(_, route)| route).collect();
    let shown: Vec<String> = routes
        .iter()
        .map(|route| {
            format!(
                "{} {} {:?} {} {} {} {:?}",
                route.id,
                route.receiver,
                route.group_by,
                route.group_wait_ms,
                route.group_interval_ms,
                route.repeat_interval_ms,
                route.mute
            )
        })
        .collect();
    let expected = [
        r#"{} ops Labels({"alertname"}) 10000 300000 86400000 []"#,
        r#"{}/{severity="critical",team=~"a|b"} db All 10000 300000 86400000 ["night"]"#,
        r#"{}/{severity="critical",team=~"a|b"}/{page="true"} db All 10000 60000 86400000 []"#,
        r#"{}/{severity="critical",team=~"a|b"}/{} db Labels({}) 10000 300000 86400000 []"#,
        r#"{}/{job=~"x.*"} ops Labels({"alertname"}) 10000 300000 86400000 []"#,
    ];
    assert_eq!(shown, expected);
    let labels: Vec<&str> = routes[3].labels.iter().map(|(_, value)| &**value).collect();
    assert_eq!(labels, ["x", "z"]);
}

#[test]
fn routes_with_the_same_matchers_are_numbered() {
    let config = good("route: {receiver: a, routes: [{}, {match: {a: b}}, {}]}\nreceivers: [{name: a}]\n");
    let ids: Vec<&str> = config.routes.iter().map(|(_, route)| &*route.id).collect();
    assert_eq!(ids, ["{}", "{}/{}", r#"{}/{a="b"}"#, "{}/{}#2"]);
}

#[track_caller]
fn check_route(labels: &[(&str, &str)], expected: &[&str]) {
    let config = good(
        "receivers: [{name: ops}]\nroute:\n  receiver: ops\n  group_by: [alertname, x]\n  routes:\n  - match: {a: '1'}\n    \
         continue: true\n    routes:\n    - match: {b: '1'}\n  - match: {a: '1'}\n    routes:\n    - match: {b: '1'}\n      \
         continue: true\n    - match_re: {c: '1?'}\n  - match: {a: '1'}\n",
    );
    let labels = Labels::new(labels.iter().copied());
    let keys = config.routes.matching(&labels).into_iter().map(|number| {
        let route = config.routes.get(number).expect("it is there");
        route.group_key(&route.group_labels(&labels))
    });
    assert_eq!(keys.collect::<Vec<String>>(), expected);
}

#[test]
fn the_deepest_first_route_is_taken() {
    check_route(&[("alertname", "A")], &[r#"{}:{alertname="A"}"#]);
    check_route(&[("a", "1"), ("c", "2")], &[r#"{}/{a="1"}:{}"#, r#"{}/{a="1"}:{}"#]);
    check_route(&[("a", "1")], &[r#"{}/{a="1"}:{}"#, r#"{}/{a="1"}/{c=~"1?"}:{}"#]);
    check_route(
        &[("a", "1"), ("b", "1"), ("x", "\"\n")],
        &[
            r#"{}/{a="1"}/{b="1"}:{x="\"\n"}"#,
            r#"{}/{a="1"}/{b="1"}:{x="\"\n"}"#,
            r#"{}/{a="1"}/{c=~"1?"}:{x="\"\n"}"#,
        ],
    );
}

#[test]
fn files_are_told_apart() {
    assert!(is_config(MINIMAL) && is_config("\"route\": {}\nreceivers :\n"));
    assert!(is_config(r#"{"route": {}, "receivers": []}"#) && !is_config(r#"{"receivers": []}"#));
    assert!(!is_config("routes: []\nreceivers: []\n") && !is_config("alerting:\n  route:\nreceivers:\n"));
}
