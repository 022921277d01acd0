//! Rule files as Prometheus defines them (`model/rulefmt`): what they say, read and judged.

mod export;
mod judge;
mod raw;

use std::fmt;

use promql::{Options, Query};

pub use export::export;
pub(crate) use raw::{Map, Text, nearest, place, read, text};

/// Names with values, in the order of the file.
pub type Pairs = Vec<(String, String)>;

/// One rule file that may be used.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// Its groups, in the order of the file.
    pub groups: Vec<GroupSpec>,
    /// What is odd about it, but no error.
    pub warnings: Vec<Issue>,
}

/// Rules that are evaluated one after another at the same times.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// Unique in its file.
    pub name: String,
    /// Time between evaluations, milliseconds; none means the engine's own.
    pub interval_ms: Option<i64>,
    /// How far in the past queries look, milliseconds; none means the engine's own.
    pub query_offset_ms: Option<i64>,
    /// Most alerts or series that a rule may have; 0 is no limit.
    pub limit: usize,
    /// Labels for all rules; a rule's own win.
    pub labels: Pairs,
    /// Its rules, in the order in which they are evaluated.
    pub rules: Vec<RuleSpec>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    /// What becomes of the result.
    pub kind: RuleKind,
    /// Its expression.
    pub query: Query,
    /// Labels that the result is given; templates when it is an alert.
    pub labels: Pairs,
}

/// What becomes of a rule's result.
#[derive(Clone, Debug)]
pub enum RuleKind {
    /// It is written as series.
    Record {
        /// Name of the series.
        name: String,
    },
    /// Each element of it is an alert.
    Alert {
        /// Name of the alert.
        name: String,
        /// How long an element must be there before its alert fires, milliseconds.
        for_ms: i64,
        /// How long an alert keeps firing after its element has gone, milliseconds.
        keep_firing_for_ms: i64,
        /// Texts for people: templates.
        annotations: Pairs,
    },
}

impl RuleSpec {
    /// Name of the alert or of the recorded series.
    pub fn name(&self) -> &str {
        match &self.kind {
            RuleKind::Record { name } | RuleKind::Alert { name, .. } => name,
        }
    }

    /// Whether it is an alert.
    pub fn is_alert(&self) -> bool {
        matches!(self.kind, RuleKind::Alert { .. })
    }
}

impl GroupSpec {
    /// Labels that a rule of it gives: the group's, then the rule's own, which win; sorted by name.
    pub fn labels_of(&self, rule: &RuleSpec) -> Pairs {
        let all = self.labels.iter().chain(&rule.labels);
        let merged: std::collections::BTreeMap<_, _> = all.map(|(k, v)| (k.clone(), v.clone())).collect();
        merged.into_iter().collect()
    }
}

/// Something wrong or odd at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Line, from 1; 0 when there is no place.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// What to do, where it can be told.
    pub hint: Option<String>,
}

impl Issue {
    pub(crate) fn new((line, column): (u64, u64), message: impl Into<String>) -> Issue {
        Issue { line, column, message: message.into(), hint: None }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for Issue {}

/// Reads and judges the text of a rule file, whose expressions are understood by these options. Only its first
/// YAML document counts.
///
/// # Errors
/// All that is wrong with it; only the first when its shape is.
pub fn parse(text: &str, options: &Options) -> Result<RuleFile, Vec<Issue>> {
    let (document, following) = raw::first_document(text);
    let file: raw::File = read(document).map_err(|issue| vec![issue])?;
    let (groups, issues) = judge::groups(file, options);
    if !issues.is_empty() {
        return Err(issues);
    }
    let mut warnings = judge::repeated(&groups);
    warnings.extend(following.map(|line| Issue::new((line, 1), "only the first YAML document is read")));
    Ok(RuleFile { groups, warnings })
}

#[cfg(test)]
mod tests;
