//! What an `alertmanager.yml` must and must not say.

mod receivers;
mod times;

use std::collections::{BTreeMap, BTreeSet};

use model::series::MatchOp;
use serde_saphyr::Spanned;

use super::raw::{self, Texts};
use super::route::{GroupBy, Route, Routes};
use super::setting::Place;
use super::{Config, InhibitRule, Matcher, Matchers, TimeInterval, matchers};
use crate::duration;
use crate::rules::{Issue, Map, Pairs, Text, place, text};

/// What the root has unless it says otherwise (`dispatch/route.go`), milliseconds.
const GROUP_WAIT_MS: i64 = 30_000;
const GROUP_INTERVAL_MS: i64 = 300_000;
const REPEAT_INTERVAL_MS: i64 = 4 * 3_600_000;

/// Most routes of a file.
const ROUTES_MAX: usize = 10_000;

/// All of a file, or all that is wrong.
pub(super) fn config(file: raw::File, kinds: &[&str]) -> Result<Config, Vec<Issue>> {
    let mut judge = Judge::default();
    judge.ignored("tracing", file.tracing.as_ref().map(place));
    judge.ignored("event_recorder", file.event_recorder.as_ref().map(place));
    let global = judge.global(file.global, kinds);
    let receivers = judge.receivers(&file.receivers.unwrap_or_default(), kinds);
    let names = receivers.iter().map(|receiver| receiver.name.clone()).collect();
    let time_intervals = judge.intervals(file.mute_time_intervals, file.time_intervals);
    let inhibit_rules =
        file.inhibit_rules.unwrap_or_default().into_iter().map(|rule| judge.inhibit_rule(rule)).collect();
    let routes = match file.route {
        Some(root) => judge.routes(root, &names, &time_intervals),
        None => {
            judge.report((1, 1), "there is no `route`");
            Routes(Vec::new())
        }
    };
    if !judge.issues.is_empty() {
        return Err(judge.issues);
    }
    let templates = file.templates.iter().flatten().map(|spelled| (place(spelled), text(spelled).to_owned()));
    let templates = templates.collect();
    let warnings = judge.warnings;
    Ok(Config { global, routes, inhibit_rules, time_intervals, receivers, templates, warnings })
}

#[derive(Default)]
struct Judge {
    issues: Vec<Issue>,
    warnings: Vec<Issue>,
    /// How many routes have each key.
    keys: BTreeMap<String, usize>,
}

/// What a tree of routes may name.
struct Known<'a> {
    receivers: &'a BTreeSet<String>,
    intervals: &'a BTreeMap<String, Vec<TimeInterval>>,
}

impl Judge {
    fn report(&mut self, place: Place, message: impl Into<String>) {
        self.issues.push(Issue::new(place, message));
    }

    fn warn(&mut self, place: Place, message: impl Into<String>) {
        self.warnings.push(Issue::new(place, message));
    }

    fn ignored(&mut self, key: &str, at: Option<Place>) {
        if let Some(at) = at {
            self.warn(at, format!("`{key}` does nothing here"));
        }
    }

    /// A value, or a report of what is wrong with it.
    fn take<T>(&mut self, at: Place, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|message| self.report(at, message)).ok()
    }

    fn routes(
        &mut self,
        root: Spanned<raw::Route>,
        receivers: &BTreeSet<String>,
        intervals: &BTreeMap<String, Vec<TimeInterval>>,
    ) -> Routes {
        self.root(&root);
        let known = Known { receivers, intervals };
        let mut routes = Vec::new();
        let inherited = Route {
            receiver: String::new(),
            group_by: GroupBy::Labels(BTreeSet::new()),
            group_wait_ms: GROUP_WAIT_MS,
            group_interval_ms: GROUP_INTERVAL_MS,
            repeat_interval_ms: REPEAT_INTERVAL_MS,
            matchers: Matchers::default(),
            continues: false,
            mute: Vec::new(),
            active: Vec::new(),
            labels: Pairs::new(),
            children: Vec::new(),
            key: String::new(),
            id: String::new(),
        };
        self.route(root, &inherited, &known, &mut routes);
        Routes(routes)
    }

    /// The root takes everything, at all times.
    fn root(&mut self, root: &Spanned<raw::Route>) {
        let at = place(root);
        let root = &root.value;
        if root.receiver.as_ref().is_none_or(|name| text(name).is_empty()) {
            self.report(at, "the root route needs a `receiver`");
        }
        if let Some(continues) = root.continue_.as_ref().filter(|continues| continues.value) {
            self.report(place(continues), "the root route must not `continue`");
        }
        let has_pairs = |map: &Option<Map>| map.as_ref().is_some_and(|map| !map.0.is_empty());
        let has_texts = |texts: &Texts| texts.as_ref().is_some_and(|texts| !texts.is_empty());
        if has_pairs(&root.match_) || has_pairs(&root.match_re) || has_texts(&root.matchers) {
            self.report(at, "the root route takes all alerts: it must not have matchers");
        }
        if has_texts(&root.mute_time_intervals) || has_texts(&root.active_time_intervals) {
            self.report(at, "the root route must not have time intervals");
        }
    }

    /// Adds a route and those below it; gives its number.
    fn route(
        &mut self,
        route: Spanned<raw::Route>,
        parent: &Route,
        known: &Known<'_>,
        routes: &mut Vec<Route>,
    ) -> usize {
        let (number, at) = (routes.len(), place(&route));
        let raw = route.value;
        if number == ROUTES_MAX {
            self.report(at, format!("there are more than {ROUTES_MAX} routes"));
        }
        let matchers = self.matchers(raw.match_, raw.match_re, raw.matchers);
        let key = if number == 0 { matchers.to_string() } else { format!("{}/{matchers}", parent.key) };
        let seen = self.keys.entry(key.clone()).or_insert(0);
        *seen += 1;
        let id = if *seen == 1 { key.clone() } else { format!("{key}#{seen}") };
        let route = Route {
            receiver: self.receiver(raw.receiver, &parent.receiver, known),
            group_by: self.group_by(raw.group_by).unwrap_or_else(|| parent.group_by.clone()),
            group_wait_ms: self.duration(raw.group_wait, parent.group_wait_ms),
            group_interval_ms: self.interval("group_interval", raw.group_interval, parent.group_interval_ms),
            repeat_interval_ms: self.interval(
                "repeat_interval",
                raw.repeat_interval,
                parent.repeat_interval_ms,
            ),
            continues: raw.continue_.is_some_and(|continues| continues.value),
            mute: self.named(raw.mute_time_intervals, known),
            active: self.named(raw.active_time_intervals, known),
            labels: self.labels(raw.labels, &parent.labels),
            children: Vec::new(),
            matchers,
            key,
            id,
        };
        routes.push(route.clone());
        if number < ROUTES_MAX {
            let below = raw.routes.unwrap_or_default().into_iter();
            let children = below.map(|child| self.route(child, &route, known, routes)).collect();
            routes[number].children = children;
        }
        number
    }

    fn receiver(&mut self, spelled: Option<Text>, inherited: &str, known: &Known<'_>) -> String {
        let Some(spelled) = spelled.filter(|spelled| !text(spelled).is_empty()) else {
            return inherited.to_owned();
        };
        let name = text(&spelled);
        if !known.receivers.contains(name) {
            let mut issue = Issue::new(place(&spelled), format!("there is no receiver `{name}`"));
            issue.hint = crate::rules::nearest(name, known.receivers.iter().map(String::as_str));
            self.issues.push(issue);
        }
        name.to_owned()
    }

    fn group_by(&mut self, spelled: Texts) -> Option<GroupBy> {
        let spelled = spelled?;
        let mut names = BTreeSet::new();
        let all = spelled.iter().find(|name| text(name) == "...");
        for name in spelled.iter().filter(|name| text(name) != "...") {
            if text(name).is_empty() {
                self.report(place(name), "a label's name must not be empty");
            } else if !names.insert(text(name).to_owned()) {
                self.report(place(name), format!("the label `{}` is repeated", text(name)));
            }
        }
        match all {
            Some(all) if !names.is_empty() => {
                self.report(place(all), "`...` means all labels: there must be no others beside it");
                None
            }
            Some(_) => Some(GroupBy::All),
            None => Some(GroupBy::Labels(names)),
        }
    }

    fn duration(&mut self, spelled: Option<Text>, inherited: i64) -> i64 {
        let Some(spelled) = spelled.filter(|spelled| spelled.value.is_some()) else { return inherited };
        self.take(place(&spelled), duration::parse(text(&spelled))).unwrap_or(inherited)
    }

    /// A duration that must not be zero.
    fn interval(&mut self, key: &str, spelled: Option<Text>, inherited: i64) -> i64 {
        let at = spelled.as_ref().map_or((0, 0), place);
        let interval_ms = self.duration(spelled, inherited);
        if interval_ms == 0 {
            self.report(at, format!("`{key}` must not be zero"));
        }
        interval_ms
    }

    fn named(&mut self, spelled: Texts, known: &Known<'_>) -> Vec<String> {
        let spelled = spelled.unwrap_or_default();
        for name in spelled.iter().filter(|name| !known.intervals.contains_key(text(name))) {
            let mut issue = Issue::new(place(name), format!("there is no time interval `{}`", text(name)));
            issue.hint = crate::rules::nearest(text(name), known.intervals.keys().map(String::as_str));
            self.issues.push(issue);
        }
        spelled.iter().map(|name| text(name).to_owned()).collect()
    }

    fn labels(&mut self, own: Option<Map>, inherited: &Pairs) -> Pairs {
        let own = own.unwrap_or_default();
        for (name, _) in own.0.iter().filter(|(name, _)| text(name).is_empty()) {
            self.report(place(name), "a label's name must not be empty");
        }
        let all = inherited.iter().cloned().chain(own.pairs());
        all.collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// Conditions in the order of Alertmanager.
    fn matchers(&mut self, equal: Option<Map>, regex: Option<Map>, listed: Texts) -> Matchers {
        let mut all = Vec::new();
        for (op, map) in [(MatchOp::Equal, equal), (MatchOp::Regex, regex)] {
            for (name, value) in map.unwrap_or_default().0 {
                if !is_word(text(&name)) {
                    self.report(
                        place(&name),
                        format!("`{}` is not a name that labels may have", text(&name)),
                    );
                }
                all.extend(self.take(place(&value), Matcher::new(text(&name), op, text(&value))));
            }
        }
        for spelled in listed.unwrap_or_default() {
            all.extend(self.take(place(&spelled), matchers::parse(text(&spelled))).unwrap_or_default());
        }
        Matchers::new(all)
    }

    fn inhibit_rule(&mut self, rule: Spanned<raw::InhibitRule>) -> InhibitRule {
        let rule = rule.value;
        let equal = rule.equal.unwrap_or_default();
        for name in equal.iter().filter(|name| text(name).is_empty()) {
            self.report(place(name), "a label's name must not be empty");
        }
        InhibitRule {
            name: rule.name.as_ref().map(text).unwrap_or_default().to_owned(),
            source: self.matchers(rule.source_match, rule.source_match_re, rule.source_matchers),
            target: self.matchers(rule.target_match, rule.target_match_re, rule.target_matchers),
            equal: equal.iter().map(|name| text(name).to_owned()).collect(),
        }
    }
}

/// A name of letters, digits and underscores that begins with no digit.
fn is_word(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(is_inner) && !name.starts_with(|c: char| c.is_ascii_digit())
}
