//! The rules that come with this program, and the rule file that users have already.

use std::collections::{BTreeMap, BTreeSet};

use alert::rules::{RuleKind, RuleSpec};
use meter::families::{ALL, Kind};
use model::series::METRIC_NAME;

use super::*;

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn default_rules() -> Vec<RuleSpec> {
    let file = alert::rules::parse(DEFAULT_RULES, &Options::default()).expect("the rules are good");
    file.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// What is exported: names of samples with their labels; and what each scrape adds.
fn exported() -> BTreeMap<String, BTreeSet<String>> {
    let mut names = BTreeMap::from([("up".to_owned(), BTreeSet::new())]);
    for family in ALL {
        let labels: BTreeSet<String> = family.labels.iter().map(|label| (*label).to_owned()).collect();
        if family.kind == Kind::Histogram {
            let mut with_bound = labels.clone();
            with_bound.insert("le".to_owned());
            names.insert(format!("{}_bucket", family.name), with_bound);
            names.insert(format!("{}_sum", family.name), labels.clone());
            names.insert(format!("{}_count", family.name), labels);
        } else {
            names.insert(family.name.to_owned(), labels);
        }
    }
    for labels in names.values_mut() {
        labels.extend(["job".to_owned(), "instance".to_owned()]);
    }
    names
}

/// Labels that an expression can name, with what is wrong with it.
fn judge(rule: &RuleSpec, known: &BTreeMap<String, BTreeSet<String>>) -> (BTreeSet<String>, Vec<String>) {
    let (mut labels, mut wrong) = (BTreeSet::new(), Vec::new());
    for selector in rule.query.selectors() {
        let name = selector.matchers.iter().find(|matcher| matcher.name == METRIC_NAME);
        let Some(of_metric) = name.and_then(|name| known.get(&name.value)) else {
            wrong.push(format!("{}: {name:?} is not exported", rule.name()));
            continue;
        };
        let of_selector =
            selector.matchers.iter().map(|matcher| &matcher.name).filter(|name| *name != METRIC_NAME);
        let unknown = of_selector.filter(|label| !of_metric.contains(*label));
        wrong.extend(unknown.map(|label| format!("{}: {name:?} has no label {label}", rule.name())));
        labels.extend(of_metric.iter().cloned());
    }
    let named = rule.query.label_names();
    wrong.extend(
        named
            .iter()
            .filter(|label| !labels.contains(*label))
            .map(|label| format!("{}: no label {label}", rule.name())),
    );
    (labels, wrong)
}

/// Labels that templates look up: `$labels.NAME`.
fn looked_up(rule: &RuleSpec) -> Vec<String> {
    let RuleKind::Alert { annotations, .. } = &rule.kind else { return Vec::new() };
    let texts = annotations.iter().map(|(_, text)| text);
    let names = texts.flat_map(|text| text.split("$labels.").skip(1));
    names
        .map(|rest| {
            rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or(rest).to_owned()
        })
        .collect()
}

#[test]
fn rules_name_only_what_is_exported() {
    let mut known = exported();
    let mut wrong = Vec::new();
    for rule in default_rules() {
        let (mut labels, found) = judge(&rule, &known);
        wrong.extend(found);
        labels.extend(rule.labels.iter().map(|(name, _)| name.clone()));
        let unknown = looked_up(&rule).into_iter().filter(|name| !labels.contains(name));
        wrong.extend(unknown.map(|label| format!("{}: its texts look up {label}", rule.name())));
        if !rule.is_alert() {
            known.entry(rule.name().to_owned()).or_default().extend(labels);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn bounds_in_rules_are_bounds_of_the_histogram() {
    let check =
        |bounds: &[f64], text: &str| bounds.contains(&text.parse::<f64>().expect("a bound is a number"));
    let mut seen = 0;
    for matcher in
        default_rules().iter().flat_map(|rule| rule.query.selectors()).map(|selector| selector.matchers)
    {
        let value =
            |name: &str| matcher.iter().find(|matcher| matcher.name == name).map(|matcher| &*matcher.value);
        let Some(bound) = value("le") else { continue };
        let bounds = match value(METRIC_NAME) {
            Some("websocket_close_idle_seconds_bucket") => meter::families::CLOSE_IDLE_BOUNDS,
            Some("websocket_message_latency_seconds_bucket") => meter::families::LATENCY_BOUNDS,
            other => panic!("{other:?}: which bounds does it have?"),
        };
        assert!(check(bounds, bound) && bound.contains('.'), "{bound}");
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn each_alert_has_its_manual_page_in_both_languages() {
    for rule in default_rules().iter().filter(|rule| rule.is_alert()) {
        let RuleKind::Alert { annotations, .. } = &rule.kind else { continue };
        let link = format!("{{{{ $externalURL }}}}/runbooks/{}", rule.name());
        assert!(
            annotations.iter().any(|(name, text)| name == "runbook_url" && *text == link),
            "{}",
            rule.name()
        );
        for ending in ["md", "zh-CN.md"] {
            let path = root().join("docs/runbooks").join(format!("{}.{ending}", rule.name()));
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(text.starts_with(&format!("# {}\n", rule.name())), "{}", path.display());
        }
    }
}

#[test]
fn the_rules_do_what_their_tests_say() {
    let path = root().join("deploy/rules/heartline_test.yml");
    assert_eq!(test_file(&path, &Options::default()), Ok(15));
}

#[test]
fn the_rule_file_that_users_have_is_good() {
    let path = root().join("deploy/prometheus/rules.yml");
    let file = load(&path, &Options::default()).expect("it is good");
    let names: Vec<&str> = file.groups[0].rules.iter().map(RuleSpec::name).collect();
    assert_eq!(names, ["WebSocket连接数异常", "WebSocket消息延迟过高"]);
    assert!(is_rule_file(&std::fs::read_to_string(path).expect("it is there")));
    assert!(!is_rule_file("listeners: []\nroutes:\n  - name: groups\n"));
}
