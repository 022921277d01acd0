//! The YAML of rule files as it stands, each value with its place. Unknown keys are errors.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

use super::Issue;

/// How alike a known key must be to be suggested (Jaro-Winkler, from 0 to 1).
const LIKENESS_MIN: f64 = 0.75;

/// Keys that VictoriaMetrics' vmalert has beside Prometheus'.
const OF_VMALERT: [&str; 14] = [
    "concurrency",
    "type",
    "eval_offset",
    "eval_delay",
    "eval_alignment",
    "params",
    "headers",
    "notifier_headers",
    "debug",
    "update_entries_limit",
    "extra_filter_labels",
    "tenant",
    "alert_relabel_configs",
    "id",
];

/// A scalar as it is written, and its place; null is the empty text.
pub(crate) type Text = Spanned<Option<String>>;

/// A whole file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub groups: Option<Vec<Spanned<Group>>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    #[serde(default)]
    pub name: Option<Text>,
    #[serde(default)]
    pub interval: Option<Text>,
    #[serde(default)]
    pub query_offset: Option<Text>,
    #[serde(default)]
    pub limit: Option<i64>,
    #[serde(default)]
    pub labels: Option<Map>,
    #[serde(default)]
    pub rules: Option<Vec<Spanned<Rule>>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(default)]
    pub record: Option<Text>,
    #[serde(default)]
    pub alert: Option<Text>,
    #[serde(default)]
    pub expr: Option<Text>,
    #[serde(default, rename = "for")]
    pub for_: Option<Text>,
    #[serde(default)]
    pub keep_firing_for: Option<Text>,
    #[serde(default)]
    pub labels: Option<Map>,
    #[serde(default)]
    pub annotations: Option<Map>,
}

/// Names with texts, in the order of the file.
#[derive(Default)]
pub(crate) struct Map(pub Vec<(Text, Text)>);

impl Map {
    /// Names with texts alone.
    pub(crate) fn pairs(&self) -> super::Pairs {
        self.0.iter().map(|(name, value)| (text(name).to_owned(), text(value).to_owned())).collect()
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Map;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names with texts, such as { severity: warning }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Map, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = entries.next_entry()? {
            pairs.push(pair);
        }
        Ok(Map(pairs))
    }
}

/// The text; empty for null.
pub(crate) fn text(of: &Text) -> &str {
    of.value.as_deref().unwrap_or_default()
}

/// Line and column, from 1.
pub(crate) fn place<T>(of: &Spanned<T>) -> (u64, u64) {
    (of.referenced.line(), of.referenced.column())
}

/// The first YAML document, and the line on which a further one begins. A line with `---` at its start ends a
/// document wherever it stands (YAML 1.2, 9.1.2).
pub(crate) fn first_document(text: &str) -> (&str, Option<u64>) {
    let (mut at, mut has_content, mut ended) = (0, false, None);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let behind = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
        let is_marker =
            behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(char::is_whitespace));
        let is_empty = line.trim().is_empty() || line.trim_start().starts_with('#');
        match ended {
            None if is_marker && (has_content || line.starts_with("...")) => ended = Some(at),
            None => has_content |= !is_empty && !line.starts_with('%'),
            Some(end) if !is_empty && !is_marker => return (&text[..end], Some(index as u64 + 1)),
            Some(_) => {}
        }
        at += line.len();
    }
    (ended.map_or(text, |end| &text[..end]), None)
}

/// Reads a document; an empty one has nothing in it.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Issue> {
    let is_empty = text.lines().all(|line| matches!(line.trim(), "" | "---") || line.starts_with('#'));
    serde_saphyr::from_str(if is_empty { "{}" } else { text }).map_err(|error| issue(&error))
}

fn issue(error: &serde_saphyr::Error) -> Issue {
    let place = error.location().map_or((0, 0), |location| (location.line(), location.column()));
    let full = error.without_snippet().to_string();
    let end = full.rfind(" at line ").or_else(|| full.find('\n')).unwrap_or(full.len());
    let mut issue = Issue::new(place, full[..end].trim());
    issue.hint = hint(&issue.message);
    issue
}

/// For "unknown field `a`, expected one of `b`, `c`": the known key that is nearest.
fn hint(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("unknown field `")?;
    let (unknown, rest) = rest.split_once('`')?;
    if OF_VMALERT.contains(&unknown) {
        return Some(format!("`{unknown}` is a vmalert field: leave it out here"));
    }
    let (_, known) = rest.split_once("expected ")?;
    let names = known.trim_start_matches("one of ").split(',').map(|name| name.trim().trim_matches('`'));
    nearest(unknown, names)
}

/// The name that an unknown one most likely means, as advice.
pub(crate) fn nearest<'a>(unknown: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let likeness = |name: &str| strsim::jaro_winkler(unknown, name);
    let nearest = names.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(nearest) >= LIKENESS_MIN).then(|| format!("did you mean `{nearest}`?"))
}
