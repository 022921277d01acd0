//! One group: its times, its rules, an evaluation of all of them (Prometheus, `rules/group.go`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::rules::State;
use model::series::{Labels, METRIC_NAME, Sample};
use promql::{Limits, Value, VectorSample};
use twox_hash::XxHash64;

use super::alerts::{self, ALERT_NAME, Alert, Alerts, Times};
use super::overlay::Overlay;
use super::{Due, Evaluation, Options, Pass, ends, restore};
use crate::rules::{self, GroupSpec, Pairs, RuleKind, RuleSpec};
use crate::template::{self, Data};

/// A group at work. Times are in milliseconds.
#[derive(Debug)]
pub(super) struct Group {
    pub file: String,
    pub spec: GroupSpec,
    pub interval_ms: i64,
    pub query_offset_ms: i64,
    /// The next time at which it is to be evaluated.
    pub next_slot_ms: i64,
    /// When it was last evaluated.
    pub slot_ms: Option<i64>,
    /// Clock of that evaluation, and how long it took in seconds.
    pub evaluated: Option<(i64, f64)>,
    pub rules: Vec<Rule>,
    /// Series of rules that are no more, to be ended by the next evaluation.
    pub ended: Vec<Labels>,
    /// Evaluations since the start.
    pub passes: u64,
}

/// A rule at work.
#[derive(Debug)]
pub(super) struct Rule {
    pub spec: RuleSpec,
    /// Labels of the group and its own.
    pub labels: Pairs,
    pub alerts: Alerts,
    /// Series that the last evaluation wrote.
    pub series: BTreeSet<Labels>,
    /// Whether `ALERTS` may be written: not before the state of a former process was looked for.
    pub is_restored: bool,
    pub error: Option<String>,
    /// Clock of the last evaluation, and how long it took in seconds.
    pub evaluated: Option<(i64, f64)>,
}

impl Group {
    pub(super) fn new(
        file: String,
        spec: GroupSpec,
        options: &Options,
        now_ms: i64,
        is_restored: bool,
    ) -> Group {
        let rule = |rule: &RuleSpec| Rule {
            labels: spec.labels_of(rule),
            spec: rule.clone(),
            alerts: Alerts::new(),
            series: BTreeSet::new(),
            is_restored,
            error: None,
            evaluated: None,
        };
        let interval_ms = spec.interval_ms.unwrap_or(options.interval_ms).max(1);
        Group {
            interval_ms,
            query_offset_ms: spec.query_offset_ms.unwrap_or(options.query_offset_ms),
            next_slot_ms: next_slot_ms(&file, &spec.name, interval_ms, now_ms),
            slot_ms: None,
            evaluated: None,
            rules: spec.rules.iter().map(rule).collect(),
            ended: Vec::new(),
            passes: 0,
            file,
            spec,
        }
    }

    pub(super) fn is_named(&self, file: &str, name: &str) -> bool {
        self.file == file && self.spec.name == name
    }

    /// Whether both say the same.
    pub(super) fn is_same(&self, other: &Group) -> bool {
        (self.interval_ms, self.query_offset_ms) == (other.interval_ms, other.query_offset_ms)
            && rules::export([&self.spec]) == rules::export([&other.spec])
    }

    /// Takes alerts and series of rules that have the same name and labels, in order; series of others end.
    pub(super) fn take_over(&mut self, old: Group) {
        self.slot_ms = old.slot_ms;
        self.evaluated = old.evaluated;
        self.ended = old.ended;
        let mut known: BTreeMap<(String, Pairs), VecDeque<Rule>> = BTreeMap::new();
        for rule in old.rules {
            known.entry(rule.identity()).or_default().push_back(rule);
        }
        for rule in &mut self.rules {
            let Some(old) = known.get_mut(&rule.identity()).and_then(VecDeque::pop_front) else { continue };
            rule.series = old.series;
            if rule.spec.is_alert() && old.spec.is_alert() {
                rule.alerts = old.alerts;
            }
        }
        self.ended.extend(known.into_values().flatten().flat_map(|rule| rule.series));
    }

    /// Series that its rules have written.
    pub(super) fn series(self) -> Vec<Labels> {
        let written = self.rules.into_iter().flat_map(|rule| rule.series);
        written.chain(self.ended).collect()
    }

    pub(super) fn evaluate(&mut self, due: &Due, pass: &Pass<'_>, options: &Options) -> Evaluation {
        let began = (pass.elapsed)();
        let mut evaluation = Evaluation { rules: self.rules.len(), ..Evaluation::default() };
        let mut overlay = Overlay::new(pass.source);
        let at_ms = due.slot_ms - self.query_offset_ms;
        let valid_ms = 4 * self.interval_ms.max(options.resend_delay_ms);
        for rule in &mut self.rules {
            let began = (pass.elapsed)();
            let expired = || (pass.limits.expired)() || (pass.elapsed)() - began >= pass.rule_seconds_max;
            let pass = &Pass { limits: Limits { expired: &expired, ..pass.limits }, ..*pass };
            let moment = Moment { due, at_ms, pass, options, limit: self.spec.limit, overlay: &overlay };
            let outcome = rule.evaluate(&moment, &mut evaluation);
            rule.evaluated = Some((due.now_ms, (pass.elapsed)() - began));
            match outcome {
                Ok(samples) => {
                    rule.error = None;
                    let query = rule.spec.query.text();
                    alerts::send(&mut rule.alerts, query, due.slot_ms, valid_ms, options, &mut evaluation);
                    let samples = rule.with_ends(samples, at_ms);
                    overlay.write(&samples);
                    evaluation.samples.extend(samples);
                }
                Err(error) => {
                    evaluation.failures.push((rule.spec.name().to_owned(), error.clone()));
                    rule.error = Some(error);
                }
            }
        }
        evaluation.samples.extend(self.ended.drain(..).map(|labels| ends(labels, at_ms)));
        self.passes += 1;
        if self.passes == 2 {
            restore::from_series(&mut self.rules, pass.source, due.slot_ms, options);
        }
        self.slot_ms = Some(due.slot_ms);
        self.next_slot_ms = due.slot_ms + self.interval_ms;
        self.evaluated = Some((due.now_ms, (pass.elapsed)() - began));
        evaluation
    }
}

/// What a rule's evaluation needs to know.
struct Moment<'a> {
    due: &'a Due,
    /// Time of queries and samples.
    at_ms: i64,
    pass: &'a Pass<'a>,
    options: &'a Options,
    limit: usize,
    overlay: &'a Overlay<'a>,
}

impl Moment<'_> {
    /// The elements of a query's value.
    fn ask(&self, query: &promql::Query, at_ms: i64) -> Result<Vec<VectorSample>, String> {
        if let Some(elsewhere) = self.pass.elsewhere
            && !self.overlay.is_read_by(query)
        {
            let elements = elsewhere(query.text(), at_ms)?.into_iter();
            return Ok(elements.map(|(labels, sample)| VectorSample { labels, sample }).collect());
        }
        let answer = query.instant(self.overlay, at_ms, &self.pass.limits);
        match answer.map_err(|error| error.to_string())?.value {
            Value::Vector(samples) => Ok(samples),
            Value::Scalar(sample) => Ok(vec![VectorSample { labels: Labels::default(), sample }]),
            Value::Matrix(_) | Value::Text { .. } => Err("rule result is not a vector or scalar".to_owned()),
        }
    }
}

impl Rule {
    pub(super) fn identity(&self) -> (String, Pairs) {
        (self.spec.name().to_owned(), self.labels.clone())
    }

    fn evaluate(
        &mut self,
        moment: &Moment<'_>,
        evaluation: &mut Evaluation,
    ) -> Result<Vec<(Labels, Sample)>, String> {
        let elements = moment.ask(&self.spec.query, moment.at_ms)?;
        match &self.spec.kind {
            RuleKind::Record { name } => self.record(name, elements, moment),
            RuleKind::Alert { name, for_ms, keep_firing_for_ms, annotations } => {
                let times = Times { for_ms: *for_ms, keep_firing_for_ms: *keep_firing_for_ms };
                let given = self.given(name, annotations, &elements, moment)?;
                let changes = alerts::advance(&mut self.alerts, given, times, moment.due.slot_ms);
                let active = self.alerts.values().filter(|alert| alert.state != State::Inactive).count();
                if moment.limit > 0 && active > moment.limit {
                    self.alerts.clear();
                    return Err(format!("exceeded limit of {} with {active} alerts", moment.limit));
                }
                evaluation.transitions.extend(changes);
                let may_write = self.is_restored;
                Ok(if may_write { alerts::samples(&self.alerts, moment.at_ms) } else { Vec::new() })
            }
        }
    }

    fn record(
        &self,
        name: &str,
        elements: Vec<VectorSample>,
        moment: &Moment<'_>,
    ) -> Result<Vec<(Labels, Sample)>, String> {
        let own = || self.labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        let sample = |element: VectorSample| {
            let labels = element.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
            let labels = Labels::new(labels.chain([(METRIC_NAME.into(), name.into())]).chain(own()));
            (labels, Sample { timestamp_ms: moment.at_ms, value: element.sample.value })
        };
        let samples: Vec<_> = elements.into_iter().map(sample).collect();
        let different: BTreeSet<&Labels> = samples.iter().map(|(labels, _)| labels).collect();
        if different.len() < samples.len() {
            return Err(
                "vector contains metrics with the same labelset after applying rule labels".to_owned()
            );
        }
        if moment.limit > 0 && samples.len() > moment.limit {
            return Err(format!("exceeded limit of {} with {} series", moment.limit, samples.len()));
        }
        Ok(samples)
    }

    /// The alerts that elements of the result stand for.
    fn given(
        &self,
        name: &str,
        annotations: &Pairs,
        elements: &[VectorSample],
        moment: &Moment<'_>,
    ) -> Result<Alerts, String> {
        let ask = |text: &str| {
            let query =
                promql::Query::parse(text, self.spec.query.options()).map_err(|error| error.to_string())?;
            moment.ask(&query, moment.due.slot_ms)
        };
        let mut given = Alerts::new();
        for VectorSample { labels, sample } in elements {
            let data = Data {
                labels,
                value: sample.value,
                external_labels: &moment.options.external_labels,
                external_url: &moment.options.external_url,
                at_ms: moment.due.slot_ms,
            };
            let expand =
                |(key, text): &(String, String)| (key.clone(), template::expand(name, text, &data, &ask));
            let kept = labels.iter().filter(|(name, _)| &***name != METRIC_NAME);
            let kept = kept.map(|(name, value)| (name.to_string(), value.to_string()));
            let named = [(ALERT_NAME.to_owned(), name.to_owned())];
            let labels = Labels::new(kept.chain(self.labels.iter().map(expand)).chain(named));
            let annotations = annotations.iter().map(expand).collect();
            let alert = Alert::new(annotations, sample.value, moment.due.slot_ms);
            if given.insert(labels, alert).is_some() {
                return Err(
                    "vector contains metrics with the same labelset after applying alert labels".to_owned()
                );
            }
        }
        Ok(given)
    }

    /// The samples, and the ends of series that were there at the last evaluation and are no more.
    fn with_ends(&mut self, mut samples: Vec<(Labels, Sample)>, at_ms: i64) -> Vec<(Labels, Sample)> {
        let now: BTreeSet<Labels> = samples.iter().map(|(labels, _)| labels.clone()).collect();
        let before = std::mem::replace(&mut self.series, now);
        let gone = before.into_iter().filter(|labels| !self.series.contains(labels));
        samples.extend(gone.map(|labels| ends(labels, at_ms)));
        samples
    }
}

/// The first time after now at which a group is evaluated. Groups are spread over their intervals in the same way as
/// Prometheus does (by the hash of the labels `file` and `name`, `Group.EvalTimestamp`), so that both evaluate at the
/// same times.
pub(super) fn next_slot_ms(file: &str, name: &str, interval_ms: i64, now_ms: i64) -> i64 {
    let labels = ["file", file, "name", name].map(str::as_bytes);
    let hash = XxHash64::oneshot(0, &labels.map(|part| [part, b"\xff"].concat()).concat());
    let interval_ns = interval_ms.unsigned_abs().saturating_mul(1_000_000);
    let offset_ms = i64::try_from(hash % interval_ns / 1_000_000).unwrap_or(0);
    (now_ms - offset_ms).div_euclid(interval_ms) * interval_ms + offset_ms + interval_ms
}
