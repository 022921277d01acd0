//! What a rule file must and must not say.

use std::collections::BTreeMap;

use model::series::METRIC_NAME;
use promql::{Compat, Options, Query};
use serde_saphyr::Spanned;

use super::raw::{self, Map, Text, place, text};
use super::{GroupSpec, Issue, Pairs, RuleKind, RuleSpec};
use crate::duration;
use crate::template;

/// All groups of a file that are right, and all that is wrong.
pub(super) fn groups(file: raw::File, options: &Options) -> (Vec<GroupSpec>, Vec<Issue>) {
    let mut judge = Judge { options, issues: Vec::new() };
    let mut groups: Vec<GroupSpec> = Vec::new();
    for group in file.groups.unwrap_or_default() {
        let at = group.value.name.as_ref().map_or(place(&group), place);
        let group = judge.group(group);
        if groups.iter().any(|known| known.name == group.name) && !group.name.is_empty() {
            judge.report(at, format!("the group name `{}` is repeated in this file", group.name));
        }
        groups.push(group);
    }
    (groups, judge.issues)
}

/// Rules that are the same as another by name and labels.
pub(super) fn repeated(groups: &[GroupSpec]) -> Vec<Issue> {
    let mut seen = BTreeMap::new();
    let all =
        groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (rule, group.labels_of(rule))));
    for (rule, labels) in all {
        *seen.entry((rule.is_alert(), rule.name(), labels)).or_insert(0) += 1;
    }
    let twice = seen.into_iter().filter(|(_, count)| *count > 1);
    twice
        .map(|((_, name, _), count)| {
            Issue::new((0, 0), format!("{count} rules have the name `{name}` and the same labels"))
        })
        .collect()
}

struct Judge<'a> {
    options: &'a Options,
    issues: Vec<Issue>,
}

impl Judge<'_> {
    fn report(&mut self, place: (u64, u64), message: impl Into<String>) {
        self.issues.push(Issue::new(place, message));
    }

    fn group(&mut self, group: Spanned<raw::Group>) -> GroupSpec {
        let at = place(&group);
        let group = group.value;
        let name = group.name.as_ref().map(text).unwrap_or_default().to_owned();
        if name.is_empty() {
            self.report(group.name.as_ref().map_or(at, place), "the name of a group must not be empty");
        }
        let limit = usize::try_from(group.limit.unwrap_or(0)).unwrap_or(0);
        let interval_ms = self.duration(group.interval.as_ref()).filter(|interval| *interval > 0);
        let query_offset_ms = self.duration(group.query_offset.as_ref());
        let labels = self.labels(group.labels);
        let rules = group.rules.unwrap_or_default();
        let rules = rules.into_iter().filter_map(|rule| self.rule(rule)).collect();
        GroupSpec { name, interval_ms, query_offset_ms, limit, labels, rules }
    }

    fn rule(&mut self, rule: Spanned<raw::Rule>) -> Option<RuleSpec> {
        let at = place(&rule);
        let rule = rule.value;
        let query = match rule.expr.as_ref().filter(|expr| !text(expr).is_empty()) {
            Some(expr) => self.query(expr),
            None => {
                self.report(at, "a rule needs an `expr`");
                None
            }
        };
        let alert = rule.alert.as_ref().filter(|name| !text(name).is_empty());
        let record = rule.record.as_ref().filter(|name| !text(name).is_empty());
        let kind = match (record, alert) {
            (Some(_), Some(second)) => {
                self.report(place(second), "a rule has either `record` or `alert`, not both");
                None
            }
            (None, None) => {
                self.report(at, "a rule needs `record` or `alert`");
                None
            }
            (Some(record), None) => Some(self.record(record, &rule)),
            (None, Some(alert)) => Some(self.alert(alert, &rule)),
        };
        let is_alert = alert.is_some();
        let templates = rule.labels.iter().chain(&rule.annotations).filter(|_| is_alert);
        for (_, value) in templates.flat_map(|map| &map.0) {
            self.template(value);
        }
        let labels = self.labels(rule.labels);
        Some(RuleSpec { kind: kind?, query: query?, labels })
    }

    fn record(&mut self, name: &Text, rule: &raw::Rule) -> RuleKind {
        let spelled = text(name);
        if spelled.contains(['{', '}']) {
            self.report(place(name), format!("braces in the name `{spelled}`: do they belong in `expr`?"));
        } else if self.options.compat == Compat::V2 && !is_word(spelled, true) {
            self.report(place(name), format!("`{spelled}` is not a name that series may have"));
        }
        let nothing = |map: &Option<Map>| map.as_ref().is_none_or(|map| map.0.is_empty());
        if !nothing(&rule.annotations) {
            self.report(place(name), "a recording rule has no `annotations`");
        }
        for (key, duration) in [("for", &rule.for_), ("keep_firing_for", &rule.keep_firing_for)] {
            if self.duration(duration.as_ref()).is_some_and(|duration| duration != 0) {
                self.report(place(name), format!("a recording rule has no `{key}`"));
            }
        }
        RuleKind::Record { name: spelled.to_owned() }
    }

    fn alert(&mut self, name: &Text, rule: &raw::Rule) -> RuleKind {
        let annotations = rule.annotations.as_ref().map(Map::pairs).unwrap_or_default();
        for (key, _) in rule.annotations.iter().flat_map(|map| &map.0) {
            if !self.is_label_name(text(key)) {
                self.report(place(key), format!("`{}` is not a name that annotations may have", text(key)));
            }
        }
        RuleKind::Alert {
            name: text(name).to_owned(),
            for_ms: self.duration(rule.for_.as_ref()).unwrap_or(0),
            keep_firing_for_ms: self.duration(rule.keep_firing_for.as_ref()).unwrap_or(0),
            annotations,
        }
    }

    fn query(&mut self, expr: &Text) -> Option<Query> {
        let spelled = text(expr);
        let query = Query::parse(spelled, self.options).map_err(|error| {
            let within = error.line_and_column(spelled);
            let within = within.map(|(line, column)| format!(" ({line}:{column} of the expression)"));
            format!("the expression cannot be evaluated: {error}{}", within.unwrap_or_default())
        });
        query.map_err(|message| self.report(place(expr), message)).ok()
    }

    fn template(&mut self, value: &Text) {
        if let Err(error) = template::check(text(value)) {
            self.report(place(value), format!("the template cannot be read: {error}"));
        }
    }

    fn labels(&mut self, labels: Option<Map>) -> Pairs {
        let labels = labels.unwrap_or_default();
        for (name, _) in &labels.0 {
            if !self.is_label_name(text(name)) || text(name) == METRIC_NAME {
                self.report(place(name), format!("`{}` is not a name that labels may have", text(name)));
            }
        }
        labels.pairs()
    }

    fn is_label_name(&self, name: &str) -> bool {
        match self.options.compat {
            Compat::V2 => is_word(name, false),
            Compat::V3 => !name.is_empty(),
        }
    }

    fn duration(&mut self, spelled: Option<&Text>) -> Option<i64> {
        let spelled = spelled?;
        spelled.value.as_ref()?;
        duration::parse(text(spelled)).map_err(|message| self.report(place(spelled), message)).ok()
    }
}

/// A name of letters, digits and underscores that begins with no digit.
fn is_word(name: &str, with_colons: bool) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || (with_colons && c == ':');
    !name.is_empty() && name.chars().all(is_inner) && !name.starts_with(|c: char| c.is_ascii_digit())
}
