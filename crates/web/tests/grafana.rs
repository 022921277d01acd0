//! The dashboards for Grafana: those in `deploy` are those of the program (`UPDATE=1 cargo test -p web --test grafana`
//! writes them anew), and they obey the rules of Grafana's dashboard-linter and ours.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use meter::families as f;
use model::Language;
use model::series::{METRIC_NAME, MatchOp};
use promql::{Options, Query};
use serde_json::Value;
use web::grafana::ALL;

/// Written by the engine that evaluates rules, so that it has no labels of a scrape.
const ALERTS: &str = "ALERTS";

/// What Grafana replaces, with what stands in its place here.
const INTERVALS: [(&str, &str); 2] = [("$__rate_interval", "61s"), ("$__range", "3601s")];

/// Units that are used, all of them known to Grafana and to its linter.
const UNITS: [&str; 9] =
    ["short", "s", "cps", "Bps", "bytes", "percentunit", "none", "dtdurations", "bool_yes_no"];

fn dashboards() -> impl Iterator<Item = (&'static str, Value)> {
    ALL.into_iter().map(|dashboard| {
        let text = dashboard.json(Language::English);
        (dashboard.uid, serde_json::from_str(&text).expect("JSON"))
    })
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Rows and panels, those of folded rows included.
fn boxes(dashboard: &Value) -> Vec<&Value> {
    let outer = list(dashboard, "/panels").iter();
    outer.flat_map(|panel| std::iter::once(panel).chain(list(panel, "/panels"))).collect()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    boxes(dashboard).into_iter().filter(|panel| word(panel, "/type") != "row").collect()
}

/// Queries of panels, with what Grafana replaces replaced.
fn queries(dashboard: &Value) -> Vec<(String, Query)> {
    let panels = panels(dashboard).into_iter();
    let targets = panels.flat_map(|panel| list(panel, "/targets"));
    targets
        .map(|target| {
            let written = word(target, "/expr").to_owned();
            let text = INTERVALS.iter().fold(written.clone(), |text, (from, to)| text.replace(from, to));
            let query = Query::parse(&text, &Options::default());
            (written.clone(), query.unwrap_or_else(|error| panic!("{written}: {error}")))
        })
        .collect()
}

#[test]
fn the_files_are_those_of_the_program() {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/grafana/dashboards"));
    let mut names = BTreeSet::new();
    for dashboard in ALL {
        let path = directory.join(format!("{}.json", dashboard.uid));
        let text = dashboard.json(Language::English);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(&directory).expect("a directory");
            std::fs::write(&path, &text).expect("a file");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "{} is out of date: UPDATE=1 cargo test -p web --test grafana",
            path.display()
        );
        names.insert(path.file_name().map(std::ffi::OsStr::to_owned));
    }
    let there =
        std::fs::read_dir(&directory).expect("a directory").flatten().map(|entry| Some(entry.file_name()));
    assert_eq!(
        there.filter(|name| name.as_ref().is_some_and(|name| name != ".lint")).collect::<BTreeSet<_>>(),
        names
    );
}

#[test]
fn dashboards_are_whole() {
    for (uid, dashboard) in dashboards() {
        assert!(uid.starts_with("heartline-"));
        assert_eq!(word(&dashboard, "/uid"), uid);
        assert_eq!(dashboard["editable"], false, "{uid}");
        assert_eq!(dashboard["schemaVersion"], 39, "{uid}");
        assert!(dashboard["refresh"].is_string(), "{uid}: version 40 of the schema wants text");
        let ids: Vec<u64> = boxes(&dashboard).iter().filter_map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(
            ids.iter().collect::<BTreeSet<_>>().len(),
            boxes(&dashboard).len(),
            "{uid}: ids are unique"
        );
        assert!(!dashboard.to_string().contains(r#""datasource":null"#), "{uid}");
        for panel in panels(&dashboard) {
            let title = word(panel, "/title");
            assert!(!title.is_empty() && !word(panel, "/description").is_empty(), "{uid}: {title}");
            assert!(UNITS.contains(&word(panel, "/fieldConfig/defaults/unit")), "{uid}: {title}");
            assert!(!list(panel, "/targets").is_empty(), "{uid}: {title}");
            let sources = list(panel, "/targets").iter().chain([panel]);
            for source in sources {
                assert_eq!(word(source, "/datasource/uid"), "${datasource}", "{uid}: {title}");
            }
        }
    }
}

#[test]
fn panels_stand_beside_each_other() {
    for (uid, dashboard) in dashboards() {
        let mut taken = BTreeMap::new();
        for panel in boxes(&dashboard) {
            let at = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
            assert!(at("x") + at("w") <= 24, "{uid}: {}", word(panel, "/title"));
            let in_folded = word(panel, "/type") != "row" && !list(&dashboard, "/panels").contains(panel);
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    let other = if in_folded { None } else { taken.insert((x, y), word(panel, "/title")) };
                    assert_eq!(other, None, "{uid}: {} stands on it", word(panel, "/title"));
                }
            }
        }
    }
}

#[test]
fn variables_are_those_of_the_linter() {
    for (uid, dashboard) in dashboards() {
        let variables = list(&dashboard, "/templating/list");
        let sources: Vec<&Value> = variables.iter().filter(|one| one["type"] == "datasource").collect();
        let [source] = sources.as_slice() else { panic!("{uid}: one variable of data sources") };
        let said = ["/name", "/label", "/query"].map(|key| word(source, key));
        assert_eq!(said, ["datasource", "Data source", "prometheus"], "{uid}");
        for (name, label) in [("job", "Job"), ("instance", "Instance"), ("route", "Route")] {
            let one = variables.iter().find(|one| one["name"] == name).expect("a variable");
            let said = ["/label", "/type", "/allValue", "/datasource/uid"].map(|key| word(one, key));
            assert_eq!(said, [label, "query", ".+", "${datasource}"], "{uid}");
            assert_eq!(
                (&one["multi"], &one["includeAll"], &one["refresh"]),
                (&true.into(), &true.into(), &2.into())
            );
        }
        let text = dashboard["panels"].to_string() + &dashboard["annotations"].to_string();
        for name in variables.iter().map(|one| word(one, "/name")) {
            let is_used = text.contains(&format!("${name}")) || text.contains(&format!("${{{name}}}"));
            assert!(is_used || ["route", "heartline"].contains(&name), "{uid}: ${name} is not used");
        }
        for used in text.split('$').skip(1).map(|rest| rest.trim_start_matches('{')) {
            let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let is_known = name.starts_with("__") || variables.iter().any(|one| one["name"] == *name);
            assert!(is_known, "{uid}: ${name} is not defined");
        }
    }
}

#[test]
fn queries_are_those_of_the_linter() {
    for (uid, dashboard) in dashboards() {
        for (written, query) in queries(&dashboard) {
            for selector in query.selectors() {
                let named = |name: &str, op: MatchOp, value: &str| {
                    let fits = |matcher: &&model::series::Matcher| matcher.name == name && matcher.op == op;
                    selector.matchers.iter().find(fits).is_some_and(|matcher| matcher.value == value)
                };
                if !named(METRIC_NAME, MatchOp::Equal, ALERTS) {
                    assert!(named("job", MatchOp::Regex, "$job"), "{uid}: {written}");
                    assert!(named("instance", MatchOp::Regex, "$instance"), "{uid}: {written}");
                }
                let text = query.text();
                let before = &text[..selector.position.start];
                match selector.range_ms {
                    Some(61_000) => assert!(before.ends_with("rate("), "{uid}: {written}"),
                    Some(3_601_000) => assert!(before.ends_with("increase("), "{uid}: {written}"),
                    Some(_) => panic!("{uid}: {written}: a range that is none of Grafana's"),
                    None => {
                        let is_counter = query
                            .metric_names()
                            .iter()
                            .any(|name| name.ends_with("_total") && named(METRIC_NAME, MatchOp::Equal, name));
                        assert!(!is_counter, "{uid}: {written}: a counter without rate");
                    }
                }
            }
        }
    }
}

#[test]
fn metrics_and_labels_are_exported() {
    for (uid, dashboard) in dashboards() {
        for (written, query) in queries(&dashboard) {
            let mut labels: BTreeSet<String> = ["job", "instance"].map(str::to_owned).into();
            for metric in query.metric_names() {
                let family = f::ALL.iter().find(|family| {
                    let suffixes: &[&str] = match family.kind {
                        f::Kind::Histogram => &["_bucket", "_sum", "_count"],
                        f::Kind::Counter | f::Kind::Gauge => &[""],
                    };
                    metric.strip_prefix(family.name).is_some_and(|suffix| suffixes.contains(&suffix))
                });
                let own: &[&str] = match family {
                    Some(family) => family.labels,
                    None if metric == ALERTS => &["alertname", "alertstate"],
                    None => panic!("{uid}: {written}: nobody exports {metric}"),
                };
                labels.extend(own.iter().map(|label| (*label).to_owned()));
                labels.extend(metric.ends_with("_bucket").then(|| "le".to_owned()));
            }
            for label in query.label_names() {
                assert!(labels.contains(&label), "{uid}: {written}: no label {label}");
            }
        }
    }
}

#[test]
fn legends_name_labels_that_are_there() {
    for (uid, dashboard) in dashboards() {
        for target in panels(&dashboard).into_iter().flat_map(|panel| list(panel, "/targets")) {
            let expr = word(target, "/expr");
            for part in word(target, "/legendFormat").split("{{").skip(1) {
                let label = part.split("}}").next().unwrap_or_default();
                let is_kept = expr.contains("by (")
                    && expr.split("by (").nth(1).is_some_and(|by| {
                        by.split(')').next().is_some_and(|labels| labels.split(", ").any(|one| one == label))
                    });
                assert!(is_kept, "{uid}: {expr} keeps no {label}");
            }
        }
    }
}

#[test]
fn both_languages_tell_of_the_same() {
    let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..'\u{9fff}').contains(&c));
    let names = ["GOAWAY", "CPU"];
    for dashboard in ALL {
        let [en, zh]: [Value; 2] = [Language::English, Language::Chinese]
            .map(|language| serde_json::from_str(&dashboard.json(language)).expect("JSON"));
        let pairs = boxes(&en).into_iter().zip(boxes(&zh)).chain([(&en, &zh)]);
        for (en, zh) in pairs {
            for text in [word(en, "/title"), word(en, "/description")] {
                assert!(!is_chinese(text), "{text}");
            }
            for text in [word(zh, "/title"), word(zh, "/description")] {
                assert!(text.is_empty() || is_chinese(text) || names.contains(&text), "{text}");
            }
            assert_eq!(en["gridPos"], zh["gridPos"]);
        }
    }
}
