//! `/api/v1/rules` and `/api/v1/alerts`.

use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, Uri};
use model::rules::{AlertView, AlertsView, GroupView, RuleView, RulesView};
use model::series::{MatchOp, Matcher};
use promql::{Notes, Pattern};

use super::answer::{Body, Failed};
use super::params::Params;
use crate::router::Site;

/// `GET /api/v1/rules`: groups with their rules and alerts.
pub(crate) async fn rules(
    State(site): State<Arc<Site>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Body, Failed> {
    let choice = Choice::of(&Params::of(&uri, &headers, &[]))?;
    let groups = site.asker.ports().rules.groups();
    let groups = groups.into_iter().filter_map(|group| choice.group(group)).collect();
    Body::new(&RulesView { groups }, &Notes::default())
}

/// `GET /api/v1/alerts`: pending and firing alerts.
pub(crate) async fn alerts(State(site): State<Arc<Site>>) -> Result<Body, Failed> {
    let groups = site.asker.ports().rules.groups();
    let rules = groups.iter().flat_map(|group| &group.rules);
    let alerts: Vec<AlertView> = rules.flat_map(RuleView::alerts).cloned().collect();
    Body::new(&AlertsView { alerts }, &Notes::default())
}

/// Which rules are asked for; an empty list asks for all.
struct Choice {
    is_alert: Option<bool>,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    selectors: Vec<Vec<Condition>>,
    excludes_alerts: bool,
}

/// A matcher, ready to match.
struct Condition {
    matcher: Matcher,
    pattern: Option<Pattern>,
}

impl Choice {
    fn of(params: &Params) -> Result<Choice, Failed> {
        let is_alert = match params.text("type").to_ascii_lowercase().as_str() {
            "" => None,
            "alert" => Some(true),
            "record" => Some(false),
            other => return Err(Failed::parameter("type", format_args!("not supported value {other:?}"))),
        };
        let excludes_alerts = match params.text("exclude_alerts") {
            "" => false,
            text => {
                text.parse().map_err(|_| Failed::parameter("exclude_alerts", "true or false is expected"))?
            }
        };
        let list = |name: &str| params.all(name).map(str::to_owned).collect();
        let ready = |matchers: Vec<Matcher>| matchers.into_iter().map(Condition::of).collect();
        Ok(Choice {
            is_alert,
            names: list("rule_name[]"),
            groups: list("rule_group[]"),
            files: list("file[]"),
            selectors: params.selectors()?.into_iter().map(ready).collect::<Result<_, _>>()?,
            excludes_alerts,
        })
    }

    /// What of a group is asked for, if anything.
    fn group(&self, group: Arc<GroupView>) -> Option<Arc<GroupView>> {
        if !is_listed(&self.groups, &group.name) || !is_listed(&self.files, &group.file) {
            return None;
        }
        if group.rules.iter().all(|rule| self.takes(rule)) && !self.excludes_alerts {
            return Some(group);
        }
        let mut chosen = GroupView::clone(&group);
        chosen.rules.retain(|rule| self.takes(rule));
        if self.excludes_alerts {
            chosen.rules.iter_mut().for_each(RuleView::leave_out_alerts);
        }
        (!chosen.rules.is_empty()).then(|| Arc::new(chosen))
    }

    fn takes(&self, rule: &RuleView) -> bool {
        let is_alert = matches!(rule, RuleView::Alerting { .. });
        let matches = |conditions: &Vec<Condition>| conditions.iter().all(|condition| condition.holds(rule));
        self.is_alert.is_none_or(|wanted| wanted == is_alert)
            && is_listed(&self.names, rule.name())
            && (self.selectors.is_empty() || self.selectors.iter().any(matches))
    }
}

impl Condition {
    fn of(matcher: Matcher) -> Result<Condition, Failed> {
        let is_pattern = matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex);
        let pattern = is_pattern.then(|| Pattern::new(&matcher.value)).transpose();
        let pattern = pattern.map_err(|error| Failed::parameter("match[]", error))?;
        Ok(Condition { matcher, pattern })
    }

    /// Whether it holds for the labels that a rule sets. A template has no value before it is expanded.
    fn holds(&self, rule: &RuleView) -> bool {
        let Matcher { name, op, value } = &self.matcher;
        let text = rule.labels().get(name).filter(|text| !text.contains("{{")).map_or("", String::as_str);
        let is_equal = self.pattern.as_ref().map_or(text == value, |pattern| pattern.is_match(text));
        is_equal == matches!(op, MatchOp::Equal | MatchOp::Regex)
    }
}

fn is_listed(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|listed| listed == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn rule(name: &str, severity: &str) -> RuleView {
        RuleView::Alerting {
            state: "inactive".to_owned(),
            name: name.to_owned(),
            query: "up".to_owned(),
            duration: 0.0,
            keep_firing_for: 0.0,
            labels: BTreeMap::from([("severity".to_owned(), severity.to_owned())]),
            annotations: BTreeMap::new(),
            alerts: Vec::new(),
            health: "ok",
            last_error: None,
            evaluation_time: 0.0,
            last_evaluation: String::new(),
        }
    }

    #[track_caller]
    fn check(query: &str, expected: &[&str]) {
        let group = |name: &str, rules| {
            let (name, file) = (name.to_owned(), format!("{name}.yml"));
            let (interval, evaluation_time, last_evaluation) = (60.0, 0.0, String::new());
            Arc::new(GroupView { name, file, rules, interval, limit: 0, evaluation_time, last_evaluation })
        };
        let groups = [
            group("g", vec![rule("A", "critical"), rule("B", "{{ $value }}")]),
            group("h", vec![rule("C", "warning")]),
        ];
        let uri = format!("/?{query}").parse().expect("a URI");
        let choice = Choice::of(&Params::of(&uri, &HeaderMap::new(), &[])).expect("is understood");
        let chosen: Vec<_> = groups.into_iter().filter_map(|group| choice.group(group)).collect();
        let names: Vec<&str> = chosen.iter().flat_map(|group| &group.rules).map(RuleView::name).collect();
        assert_eq!(names, expected, "{query}");
    }

    #[test]
    fn rules_are_chosen() {
        check("", &["A", "B", "C"]);
        check("type=alert", &["A", "B", "C"]);
        check("type=record", &[]);
        check("rule_name[]=A&rule_name[]=C", &["A", "C"]);
        check("rule_group[]=h", &["C"]);
        check("file[]=g.yml&rule_name[]=B&exclude_alerts=true", &["B"]);
        check("match[]={severity=%22critical%22}", &["A"]);
        check("match[]={severity=~%22w.*%22}&match[]={severity=%22critical%22}", &["A", "C"]);
        check("match[]={severity!=%22%22,severity!~%22crit.*%22}", &["C"]);
    }
}
