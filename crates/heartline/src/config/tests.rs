//! Bad files, and what a person is told of them.

use gateway::config::ClientKeySource;

use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let errors = parse("heartline.yaml", text).expect_err("a bad file");
    assert_eq!(errors.to_string().trim_end(), expected.trim_start_matches('\n'));
}

const GOOD: &str = "
listeners: [{ listen: 127.0.0.1:8000 }]
routes:
  - name: chat
    upstreams: [http://127.0.0.1:3000]
";

#[test]
fn a_good_file() {
    let config = parse("heartline.yaml", GOOD).expect("a good file");
    assert_eq!(config.routes[0].upstreams[0].url.to_string(), "http://127.0.0.1:3000");
    assert_eq!(config.metrics.mean_window, Duration::from_secs(60));
}

#[test]
fn problems_found_after_parsing_have_places() {
    check(
        "listeners: [{ listen: 127.0.0.1:8000 }]\nroutes:\n  - name: a\n    upstreams: [http://127.0.0.1:1]\n  - name: a\n    upstreams: []\nmetrics: { mean_window: 1s }\n",
        "
heartline.yaml:6:16: route `a` has no upstream
  6 |     upstreams: []
    |                ^

heartline.yaml:5:11: route name `a` is taken by an earlier route
  5 |   - name: a
    |           ^

heartline.yaml:7:25: the window must be from 10s to 5m
  7 | metrics: { mean_window: 1s }
    |                         ^",
    );
}

#[test]
fn what_is_kept_has_bounds() {
    let with = |data: &str| parse("heartline.yaml", &format!("{GOOD}data: {data}\n"));
    let config = with("{ dir: null, retention: 100y, instance: gw-1 }").expect("a good file");
    assert_eq!((config.data.dir.as_ref(), config.data.instance.as_deref()), (None, Some("gw-1")));
    for (bad, place, part) in [
        ("{ retention: 59m }", "6:20", "at least 1h"),
        ("{ journal_retention: 23h }", "6:28", "at least 1d"),
        ("{ scrape_interval: 500ms }", "6:26", "from 1s to 5m"),
        ("{ instance: '' }", "6:19", "must not be empty"),
        ("{ directory: x }", "6:9", "did you mean `dir`?"),
    ] {
        let shown = with(bad).expect_err("a bad file").to_string();
        assert!(shown.starts_with(&format!("heartline.yaml:{place}: ")), "{shown}");
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn engines_elsewhere_are_judged() {
    let with = |engines: &str| parse("heartline.yaml", &format!("{GOOD}remote_write: [{engines}]\n"));
    let config =
        with("{ url: 'http://a:1/w' }, { url: 'https://a:1/w', name: b, headers: { X-Id: secret } }");
    let config = config.expect("a good file");
    let names: Vec<_> = config.remote_write.iter().map(|one| one.destination().map(|to| to.name)).collect();
    assert_eq!(names, [Some("a:1".into()), Some("b".into())]);
    assert!(!format!("{config:?}").contains("secret"));
    for (bad, part) in [
        ("{ url: 'a:1' }", "such as http://"),
        ("{ url: 'ftp://a/w' }", "must begin with http://"),
        ("{ url: 'http://me:pass@a/w' }", "belong into `basic_auth`"),
        ("{ url: 'http://a/w' }, { url: 'http://a/x' }", "an earlier engine has this URL or name"),
        ("{ url: 'http://a/w', bearer_token: a, bearer_token_file: b }", "give one of"),
        ("{ url: 'http://a/w', headers: { 'a b': c } }", "header `a b`"),
        ("{ url: 'http://a/w', queue_bytes: 9 }", "at least 1048576"),
    ] {
        let shown = with(bad).expect_err("a bad file").to_string();
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn lines_are_shown_without_secrets() {
    for receiver in [
        "dingtalk: [{ url: 'https://a/send?access_token=canary', secret: [x }]",
        "dingtalk: [{ secret_file: a, secret: canary, keyword: [x }]",
        "pagerduty:\n    - routing_key:\n        canary\n      details: ]",
        "email:\n    - auth_password: 'canary\n        : canary'\n      to: [x",
        "webhook: [{ http_config: { credentials: canary }, max_alerts: [x",
    ] {
        let text = format!("{GOOD}alerting:\n  receivers:\n  - name: a\n    {receiver}\n");
        let shown = parse("heartline.yaml", &text).expect_err("a bad file").to_string();
        assert!(shown.contains(" | ") && !shown.contains("canary"), "{shown}");
    }
    let other =
        parse("heartline.yaml", &format!("{GOOD}query_url: http://a\nqueri: 5\n")).expect_err("a bad file");
    assert!(other.to_string().contains(" | queri: 5\n"), "{other}");
}

#[test]
fn the_engine_that_answers_queries_is_judged() {
    let with = |text: &str| parse("heartline.yaml", &format!("{GOOD}{text}\n"));
    let offset = |text: &str| with(text).expect("a good file").rule_options().query_offset_ms;
    assert_eq!(offset(""), 0);
    assert_eq!(offset("query_url: http://a:1"), 30_000);
    assert_eq!(offset("query_url: http://a:1\nevaluation: { query_offset: 5s }"), 5000);
    let config =
        with("query_url: https://a/vm/\nquery: { bearer_token: secret, ca_file: ca.pem }").expect("good");
    assert!(!format!("{config:?}").contains("secret"));
    for (bad, place, part) in [
        ("query_url: 'a:1'", 6, "such as http://10.0.0.9:8428"),
        ("query_url: http://a/api/v1/query", 6, "what stands before `/api/v1`"),
        ("query: { timeout: 5s }", 6, "`query_url` must say which"),
        ("query_url: http://a\nquery: { timeout: 30s }", 7, "from 1s to 25s"),
        ("query_url: http://a\nquery: { headers: { Authorization: b } }", 7, "set by Heartline itself"),
        ("query_url: http://a\nquery: { bearer_token: a, bearer_token_file: b }", 7, "give one of"),
    ] {
        let shown = with(bad).expect_err("a bad file").to_string();
        assert!(shown.starts_with(&format!("heartline.yaml:{place}:")), "{shown}");
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn unknown_keys_have_a_suggestion() {
    let text = GOOD.replace("upstreams", "upstream");
    let shown = parse("heartline.yaml", &text).expect_err("a bad file").to_string();
    assert!(shown.starts_with("heartline.yaml:5:5: "), "{shown}");
    assert!(shown.contains("5 |     upstream: [http://127.0.0.1:3000]\n"), "{shown}");
    assert!(shown.ends_with("did you mean `upstreams`?"), "{shown}");
}

#[test]
fn bad_values_say_what_a_good_one_is() {
    for (bad, place, part) in [
        (GOOD.replace("http://127", "127"), "5:17", "must begin with http://"),
        (GOOD.replace("chat", "'a b'"), "4:11", "route name `a b` must be"),
        (GOOD.replace("127.0.0.1:8000", "localhost"), "2:23", "such as 127.0.0.1:8080"),
    ] {
        let shown = parse("heartline.yaml", &bad).expect_err("a bad file").to_string();
        assert!(shown.starts_with(&format!("heartline.yaml:{place}: ")), "{shown}");
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn a_client_key_is_a_word_or_names_where_it_stands() {
    let with = |key: &str| parse("heartline.yaml", &format!("{GOOD}    client_key: {key}\n"));
    for key in ["ip_and_user_agent", "{ cookie: sid }", "{ header: X-Client-Id }", "{ query: u }"] {
        let written = with(key).expect("a good key").routes[0].client_key.clone();
        assert_eq!(written == ClientKeySource::default(), key == "ip_and_user_agent", "{key}");
    }
    for (bad, place, parts) in [
        ("ip", "6:17", ["unknown variant `ip`", "expected one of ip_and_user_agent, cookie, header, query"]),
        ("{ cooky: sid }", "6:19", ["unknown variant `cooky`", "did you mean `cookie`?"]),
        ("{ cookie: 'a b' }", "6:27", ["`a b` must be the name of a cookie", "1 to 64 letters"]),
        ("{ query: '' }", "6:26", ["`` must be the name of a cookie", "1 to 64 letters"]),
    ] {
        let shown = with(bad).expect_err("a bad key").to_string();
        assert!(shown.starts_with(&format!("heartline.yaml:{place}: ")), "{shown}");
        assert!(parts.iter().all(|part| shown.contains(part)), "{shown}");
    }
}

#[test]
fn events_say_in_one_place_when_they_were_made() {
    let with = |event_time: &str| parse("heartline.yaml", &format!("{GOOD}    event_time: {event_time}\n"));
    for good in ["{ id: auto }", "{ id: snowflake, snowflake_epoch_ms: 0 }", "{ json_pointer: /a~1b/0 }"] {
        let config = with(good).expect("a good place");
        assert!(config.routes[0].event_time.as_ref().is_some_and(|time| time.source().is_some()), "{good}");
    }
    for (bad, place, part) in [
        ("{ id: guess }", "6:23", "unknown variant `guess`, expected one of auto, ulid"),
        ("{ json_pointer: ts }", "6:33", "JSON pointer `ts` must begin with `/`"),
        ("{ json_pointer: /a~b }", "6:33", "have `~` as `~0`"),
        ("{ id: auto, json_pointer: /ts }", "6:17", "give either `id` or `json_pointer`"),
        ("{}", "6:17", "give either `id` or `json_pointer`"),
        ("{ ids: auto }", "6:19", "did you mean `id`?"),
    ] {
        let shown = with(bad).expect_err("a bad place").to_string();
        assert!(shown.starts_with(&format!("heartline.yaml:{place}: ")), "{shown}");
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn escalations_keep_their_order_and_are_judged() {
    let with =
        |policies: &str| parse("heartline.yaml", &format!("{GOOD}alerting:\n  escalations:\n{policies}"));
    let policy = |name: &str| format!("    {name}: {{ when: [a=b], steps: [{{ notify: [x] }}] }}\n");
    let config = with(&[policy("z"), policy("a")].concat()).expect("a good file");
    let names: Vec<&str> = config.alerting.escalations.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["z", "a"]);
    for (bad, place, part) in [
        ("    a: { when: [a=b], steps: [] }\n", "8:8", "`steps` needs 1 to 50 steps"),
        ("    a: { when: [], steps: [{ notify: [x] }] }\n", "8:8", "`when` needs at least one condition"),
        ("    a: { when: [a=b], steps: [{ notify: [x], after: 5x }] }\n", "8:8", "`5x` is not a duration"),
        ("    a: { when: ['='], steps: [{ notify: [x] }] }\n", "8:8", "`when`"),
        ("    a: { wenn: [a=b], steps: [{ notify: [x] }] }\n", "8:10", "did you mean `when`?"),
    ] {
        let shown = with(bad).expect_err("a bad file").to_string();
        assert!(shown.starts_with(&format!("heartline.yaml:{place}: ")), "{shown}");
        assert!(shown.contains(part), "{shown}");
    }
    let twice = with(&[policy("a"), policy("a")].concat()).expect_err("two of one name").to_string();
    assert!(twice.contains('a'), "{twice}");
}

#[test]
fn an_upstream_has_one_of_two_forms() {
    let with = |form: &str| GOOD.replace("http://127.0.0.1:3000", form);
    let config = parse("heartline.yaml", &with("{ url: ws://a:1, node_exporter: http://a:9100 }"));
    let upstream = &config.expect("a good file").routes[0].upstreams[0];
    let exporter = upstream.node_exporter.as_ref().map(gateway::config::ExporterUrl::as_str);
    assert_eq!((upstream.url.to_string().as_str(), exporter), ("http://a:1", Some("http://a:9100/metrics")));
    for (bad, place, part) in [
        ("{ url: http://a:1, node_exportr: http://a:9100 }", "5:36", "did you mean `node_exporter`?"),
        ("{ url: http://a:1, node_exporter: https://a:9100 }", "5:51", "must begin with http://"),
        ("{ node_exporter: http://a:9100 }", "5:19", "missing field `url`"),
    ] {
        let shown = parse("heartline.yaml", &with(bad)).expect_err("a bad file").to_string();
        assert!(shown.starts_with(&format!("heartline.yaml:{place}: ")), "{shown}");
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn the_example_is_a_good_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/heartline.example.yaml");
    let config = load(&path).expect("the example is right");
    assert!(config.routes.len() >= 2);
}

#[test]
fn features_of_promql_are_judged() {
    let with = |text: &str| parse("heartline.yaml", &format!("{GOOD}{text}\n"));
    let query = |text: &str| {
        let options = with(text).expect("a good file").evaluation.promql();
        promql::Query::parse("rate(up[2 * 5m])", &options)
    };
    assert!(query("").is_err());
    assert!(query("evaluation: { promql_features: [type-and-unit-labels] }").is_err());
    assert!(query("evaluation: { promql_features: [type-and-unit-labels, promql-duration-expr] }").is_ok());
    let shown =
        with("evaluation: { promql_features: [exemplar-storage] }").expect_err("a bad file").to_string();
    assert!(shown.starts_with("heartline.yaml:6:"), "{shown}");
    assert!(shown.contains("`exemplar-storage`") && shown.contains("promql-duration-expr"), "{shown}");
}
