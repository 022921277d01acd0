//! Bad files, and what a person is told of them.

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
        (GOOD.replace("127.0.0.1:8000", "localhost"), "2:23", "socket address"),
    ] {
        let shown = parse("heartline.yaml", &bad).expect_err("a bad file").to_string();
        assert!(shown.starts_with(&format!("heartline.yaml:{place}: ")), "{shown}");
        assert!(shown.contains(part), "{shown}");
    }
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
