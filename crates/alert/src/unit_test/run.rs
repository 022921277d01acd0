//! Runs tests: the rules are evaluated from the first sample on, again and again, up to the last expectation.

use std::fmt;

use model::rules::{RuleView, State};
use model::series::{Labels, Sample};
use promql::{Limits, Query, Value};

use super::{Case, ExpectedAlerts, ExpectedValue, TestFile};
use crate::engine::{Due, Engine, Options, Pass};
use crate::memory::Memory;
use crate::rules::{GroupSpec, Pairs};

/// How far values may differ when they need only be nearly equal, relative.
const NEARLY: f64 = 1e-6;

/// An expectation that does not hold, or something that failed on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Name of the test.
    pub case: String,
    /// What was expected and what was found, lines marked with `-` and `+`.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.text)
    }
}

/// Runs all tests of a file on the groups of its rule files.
pub fn run(file: &TestFile, groups: &[(String, GroupSpec)], options: &promql::Options) -> Vec<Failure> {
    let place = |group: &(String, GroupSpec)| {
        file.group_eval_order.iter().position(|name| *name == group.1.name).unwrap_or(0)
    };
    let mut groups = groups.to_vec();
    groups.sort_by_key(place);
    let named = |case: &Case| {
        let texts = Run::new(file, case, &groups, options).run();
        let failure = |text| Failure { case: case.name.clone(), text };
        texts.into_iter().map(failure).collect::<Vec<_>>()
    };
    file.cases.iter().flat_map(named).collect()
}

struct Run<'a> {
    file: &'a TestFile,
    case: &'a Case,
    options: &'a promql::Options,
    order: Vec<(String, String)>,
    engine: Engine,
    memory: Memory,
    /// Values of the series that are in memory.
    loaded: usize,
    failures: Vec<String>,
}

impl<'a> Run<'a> {
    fn new(
        file: &'a TestFile,
        case: &'a Case,
        groups: &[(String, GroupSpec)],
        options: &'a promql::Options,
    ) -> Run<'a> {
        let engine_options = Options {
            interval_ms: case.interval_ms,
            external_labels: case.external_labels.clone(),
            external_url: case.external_url.clone(),
            ..Options::default()
        };
        Run {
            file,
            case,
            options,
            order: groups.iter().map(|(file, group)| (file.clone(), group.name.clone())).collect(),
            engine: Engine::new(groups.to_vec(), engine_options, 0),
            memory: Memory::default(),
            loaded: 0,
            failures: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<String> {
        let alerts = self.case.alerts.iter().map(|expected| expected.at_ms);
        let last_ms =
            alerts.chain(self.case.queries.iter().map(|expected| expected.at_ms)).max().unwrap_or(0);
        let step_ms = self.file.evaluation_interval_ms;
        let mut at_ms = 0;
        while at_ms <= last_ms {
            self.load(at_ms);
            self.evaluate(at_ms);
            if !self.failures.is_empty() {
                return self.failures;
            }
            let due = |expected: &&ExpectedAlerts| (at_ms..at_ms + step_ms).contains(&expected.at_ms);
            for expected in self.case.alerts.iter().filter(due) {
                self.failures.extend(self.alerts(expected));
            }
            if !self.failures.is_empty() {
                return self.failures;
            }
            at_ms += step_ms;
        }
        for expected in &self.case.queries {
            self.failures.extend(self.value(expected));
        }
        self.failures
    }

    /// Takes the samples up to a time.
    fn load(&mut self, to_ms: i64) {
        let count = usize::try_from(to_ms / self.case.interval_ms + 1).unwrap_or(0);
        for index in self.loaded..count {
            let timestamp_ms = index as i64 * self.case.interval_ms;
            let given = self.case.series.iter().filter_map(|(labels, values)| {
                let value = (*values.get(index)?)?;
                Some((labels.clone(), Sample { timestamp_ms, value }))
            });
            self.memory.append(&given.collect::<Vec<_>>());
        }
        self.loaded = self.loaded.max(count);
    }

    fn evaluate(&mut self, at_ms: i64) {
        for (file, group) in &self.order {
            let due =
                Due { file: file.clone(), group: group.clone(), slot_ms: at_ms, now_ms: at_ms, missed: 0 };
            let pass = Pass {
                source: &self.memory,
                elsewhere: None,
                limits: Limits::default(),
                elapsed: &|| 0.0,
                rule_seconds_max: f64::INFINITY,
            };
            let Some(evaluation) = self.engine.evaluate(&due, &pass) else { continue };
            self.memory.append(&evaluation.samples);
            let failed = evaluation.failures.into_iter();
            self.failures
                .extend(failed.map(|(rule, error)| format!("rule {rule} failed {}: {error}", at(at_ms))));
        }
    }

    fn alerts(&self, expected: &ExpectedAlerts) -> Option<String> {
        let rules = self.engine.rules().groups.into_iter().flat_map(|group| group.rules.clone());
        let alerts = rules.filter_map(|rule| match rule {
            RuleView::Alerting { name, alerts, .. } if name == expected.name => Some(alerts),
            _ => None,
        });
        let firing = alerts.flatten().filter(|alert| alert.state == State::Firing);
        let found = firing
            .map(|alert| described(&Labels::new(alert.labels), &alert.annotations.into_iter().collect()));
        let wanted = expected.alerts.iter().map(|(labels, annotations)| described(labels, annotations));
        let difference = difference(wanted.collect(), found.collect())?;
        Some(format!("alerts {} {}:{difference}", expected.name, at(expected.at_ms)))
    }

    fn value(&self, expected: &ExpectedValue) -> Option<String> {
        let what = format!("query {} {}:", expected.query, at(expected.at_ms));
        let answer = Query::parse(&expected.query, self.options)
            .and_then(|query| query.instant(&self.memory, expected.at_ms, &Limits::default()));
        let mut found: Vec<(Labels, f64)> = match answer.map(|answer| answer.value) {
            Ok(Value::Vector(samples)) => {
                samples.into_iter().map(|element| (element.labels, element.sample.value)).collect()
            }
            Ok(Value::Scalar(sample)) => vec![(Labels::default(), sample.value)],
            Ok(_) => return Some(format!("{what} it is neither a vector nor a scalar")),
            Err(error) => return Some(format!("{what} {error}")),
        };
        let mut wanted = expected.samples.clone();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
        let is_same = |(a, b): (&(Labels, f64), &(Labels, f64))| a.0 == b.0 && self.is_equal(a.1, b.1);
        if found.len() == wanted.len() && found.iter().zip(&wanted).all(is_same) {
            return None;
        }
        let shown = |(labels, value): &(Labels, f64)| format!("{labels} {}", promql::format::float(*value));
        let difference = difference(wanted.iter().map(shown).collect(), found.iter().map(shown).collect());
        Some(format!("{what}{}", difference.unwrap_or_default()))
    }

    fn is_equal(&self, a: f64, b: f64) -> bool {
        let is_near = || (a - b).abs() <= NEARLY * a.abs().max(b.abs());
        a == b || (a.is_nan() && b.is_nan()) || (self.file.fuzzy_compare && is_near())
    }
}

fn at(milliseconds: i64) -> String {
    format!("at {}", crate::duration::format(milliseconds))
}

fn described(labels: &Labels, annotations: &Pairs) -> String {
    let annotations = annotations.iter().map(|(name, value)| format!("\n        {name}: {value:?}"));
    format!("{labels}{}", annotations.collect::<String>())
}

/// Lines that are only wanted, then lines that were only found; none if there are neither.
fn difference(mut wanted: Vec<String>, mut found: Vec<String>) -> Option<String> {
    wanted.sort();
    found.sort();
    let missing = without(&wanted, &found);
    let surplus = without(&found, &wanted);
    if missing.is_empty() && surplus.is_empty() {
        return None;
    }
    let missing = missing.iter().map(|line| format!("\n    - expected {line}"));
    let surplus = surplus.iter().map(|line| format!("\n    + found    {line}"));
    Some(missing.chain(surplus).collect())
}

/// Lines beyond those that the other list has, each as often as it is there.
fn without(lines: &[String], others: &[String]) -> Vec<String> {
    let mut left = others.to_vec();
    let is_left = |line: &&String| match left.iter().position(|other| other == *line) {
        Some(at) => {
            left.swap_remove(at);
            false
        }
        None => true,
    };
    lines.iter().filter(is_left).cloned().collect()
}
