//! Tests of rules on made-up series, in the files of `promtool test rules`.

mod notation;
mod raw;
mod run;

use model::series::Labels;

use crate::duration;
use crate::rules::{Issue, Pairs};
pub use run::{Failure, run};

/// A file of tests.
#[derive(Clone, Debug, PartialEq)]
pub struct TestFile {
    /// Files with the rules, patterns allowed, relative to this one.
    pub rule_files: Vec<String>,
    /// Time between evaluations, milliseconds.
    pub evaluation_interval_ms: i64,
    /// Groups in the order of their evaluation; others come with the first.
    pub group_eval_order: Vec<String>,
    /// Whether values of samples need only be nearly equal.
    pub fuzzy_compare: bool,
    /// The tests.
    pub cases: Vec<Case>,
}

/// One test: series of its own, and what is expected of the rules on them.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name, or its place in the file.
    pub name: String,
    /// Time between samples of the series, milliseconds.
    pub interval_ms: i64,
    /// Series with one value, or none, each interval.
    pub series: Vec<(Labels, Vec<Option<f64>>)>,
    /// Expected alerts.
    pub alerts: Vec<ExpectedAlerts>,
    /// Expected values of queries.
    pub queries: Vec<ExpectedValue>,
    /// Labels of the server.
    pub external_labels: Pairs,
    /// Where the server is reached.
    pub external_url: String,
}

/// All alerts of a name that fire at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedAlerts {
    /// Milliseconds since the first sample.
    pub at_ms: i64,
    /// Name of the alerts.
    pub name: String,
    /// Labels and annotations.
    pub alerts: Vec<(Labels, Pairs)>,
}

/// The value of a query at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedValue {
    /// Milliseconds since the first sample.
    pub at_ms: i64,
    /// The query.
    pub query: String,
    /// Its elements.
    pub samples: Vec<(Labels, f64)>,
}

/// Reads a file of tests.
///
/// # Errors
/// All that is wrong with it; only the first when its shape is.
pub fn parse(text: &str) -> Result<TestFile, Vec<Issue>> {
    let file: raw::File = crate::rules::read(text).map_err(|issue| vec![issue])?;
    let mut reader = Reader { issues: Vec::new() };
    let file = reader.file(file);
    if reader.issues.is_empty() { Ok(file) } else { Err(reader.issues) }
}

struct Reader {
    issues: Vec<Issue>,
}

impl Reader {
    fn file(&mut self, file: raw::File) -> TestFile {
        let interval_ms = self.interval(file.evaluation_interval.as_ref(), 60_000);
        for (index, name) in file.group_eval_order.iter().enumerate() {
            if file.group_eval_order[..index].contains(name) {
                self.issues
                    .push(Issue::new((0, 0), format!("the group `{name}` is repeated in group_eval_order")));
            }
        }
        let cases = file.tests.into_iter().enumerate();
        TestFile {
            rule_files: file.rule_files,
            evaluation_interval_ms: interval_ms,
            group_eval_order: file.group_eval_order,
            fuzzy_compare: file.fuzzy_compare,
            cases: cases.map(|(index, case)| self.case(index, case, interval_ms)).collect(),
        }
    }

    fn case(&mut self, index: usize, case: raw::Case, interval_ms: i64) -> Case {
        let series = case.input_series.iter().filter_map(|input| {
            let labels = self.read(&input.series, notation::labels)?;
            Some((labels, self.read(&input.values, notation::values)?))
        });
        let series = series.collect();
        Case {
            name: case.name.unwrap_or_else(|| format!("test {}", index + 1)),
            interval_ms: self.interval(case.interval.as_ref(), interval_ms),
            series,
            alerts: case.alert_rule_test.into_iter().map(|test| self.alerts(test)).collect(),
            queries: case.promql_expr_test.into_iter().map(|test| self.value(test)).collect(),
            external_labels: case.external_labels.map(|labels| labels.pairs()).unwrap_or_default(),
            external_url: case.external_url.unwrap_or_default(),
        }
    }

    fn alerts(&mut self, test: raw::AlertTest) -> ExpectedAlerts {
        let name = test.alertname.unwrap_or_default();
        let expected = test.exp_alerts.into_iter().map(|expected| {
            let labels = expected.exp_labels.map(|labels| labels.pairs()).unwrap_or_default();
            let named = [("alertname".to_owned(), name.clone())];
            let mut annotations = expected.exp_annotations.map(|texts| texts.pairs()).unwrap_or_default();
            annotations.sort();
            (Labels::new(labels.into_iter().chain(named)), annotations)
        });
        ExpectedAlerts { at_ms: self.time(test.eval_time.as_ref()), alerts: expected.collect(), name }
    }

    fn value(&mut self, test: raw::QueryTest) -> ExpectedValue {
        let samples = test.exp_samples.iter().filter_map(|expected| {
            let labels = match &expected.labels {
                Some(labels) => self.read(labels, notation::labels)?,
                None => Labels::default(),
            };
            Some((labels, expected.value))
        });
        let samples = samples.collect();
        ExpectedValue { at_ms: self.time(test.eval_time.as_ref()), query: test.expr, samples }
    }

    fn interval(&mut self, text: Option<&crate::rules::Text>, by_default: i64) -> i64 {
        let interval = text.and_then(|text| self.read(text, duration::parse));
        interval.filter(|interval| *interval > 0).unwrap_or(by_default)
    }

    fn time(&mut self, text: Option<&crate::rules::Text>) -> i64 {
        text.and_then(|text| self.read(text, duration::parse)).unwrap_or(0)
    }

    fn read<T>(&mut self, text: &crate::rules::Text, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let read = parse(crate::rules::text(text));
        read.map_err(|message| self.issues.push(Issue::new(crate::rules::place(text), message))).ok()
    }
}

#[cfg(test)]
mod tests;
