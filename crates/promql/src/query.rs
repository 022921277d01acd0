//! A query: parsed once, evaluated at a time or over a range of times, on anything readable as series.

use model::series::{METRIC_NAME, MatchOp, Matcher, Sample, SeriesSource};

use crate::ast::{Aggregate, Expr, Group, Grouping, Input, MatchLabels, Node, Type, Window};
use crate::error::{Error, ErrorKind, Span};
use crate::eval::{Column, Data, Evaluator, Steps, has_duplicates, is_present, joined};
use crate::options::{Limits, Options};
use crate::value::{Answer, Matrix, MatrixSeries, Value, VectorSample};
use crate::{labels, parse, prepare};

/// A query that has been understood and can be evaluated.
#[derive(Clone, Debug)]
pub struct Query {
    text: String,
    options: Options,
    root: Node,
}

/// A selector of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectorInfo {
    /// What series must match; the metric's name is among it.
    pub matchers: Vec<Matcher>,
    /// Its range, if it has one that does not depend on the query's times, in milliseconds.
    pub range_ms: Option<i64>,
    /// Its place in the text.
    pub position: Span,
}

/// When a range query is evaluated, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first step.
    pub start_ms: i64,
    /// No step is later.
    pub end_ms: i64,
    /// Between steps.
    pub step_ms: i64,
}

impl Query {
    /// Understands a query. What cannot be evaluated is refused here.
    ///
    /// # Errors
    /// [`ErrorKind::Parse`], [`ErrorKind::Unsupported`] and [`ErrorKind::Limit`], with their place.
    pub fn parse(text: &str, options: &Options) -> Result<Query, Error> {
        let mut root = parse::parse(text, options)?;
        prepare::prepare(&mut root)?;
        Ok(Query { text: text.to_owned(), options: options.clone(), root })
    }

    /// The text that it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How its text was understood.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether it evaluates to a scalar or an instant vector, so that a range query or a rule may hold it.
    pub fn has_value_at_each_step(&self) -> bool {
        matches!(self.root.value_type(), Type::Scalar | Type::Instant)
    }

    /// Its selectors, in the order of the text.
    pub fn selectors(&self) -> Vec<SelectorInfo> {
        let mut found = Vec::new();
        visit(&self.root, &mut |node| {
            let (selector, range_ms) = match &node.expr {
                Expr::Selector(selector) => (selector, None),
                Expr::Window(window) => match &window.input {
                    Input::Samples(selector) => (selector, window.range.fixed_ms()),
                    Input::Subquery { .. } => return,
                },
                _ => return,
            };
            found.push(SelectorInfo {
                matchers: selector.matchers.clone(),
                range_ms,
                position: node.span.clone(),
            });
        });
        found
    }

    /// Names of metrics that it selects by name, each once, sorted.
    pub fn metric_names(&self) -> Vec<String> {
        let matchers = self.selectors().into_iter().flat_map(|selector| selector.matchers);
        let named = matchers.filter(|matcher| matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal);
        sorted(named.map(|matcher| matcher.value).collect())
    }

    /// Names of labels that it matches, groups or joins by, each once, sorted; the metric's name is not among them.
    pub fn label_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .selectors()
            .into_iter()
            .flat_map(|selector| selector.matchers)
            .map(|matcher| matcher.name)
            .collect();
        visit(&self.root, &mut |node| match &node.expr {
            Expr::Aggregate(aggregate) => names.extend(grouping_labels(aggregate).iter().cloned()),
            Expr::Binary(binary) => {
                let (MatchLabels::On(labels) | MatchLabels::Ignoring(labels)) = &binary.matching.labels;
                names.extend(labels.iter().cloned());
                if let Group::Left(taken) | Group::Right(taken) = &binary.matching.group {
                    names.extend(taken.iter().cloned());
                }
            }
            _ => {}
        });
        names.retain(|name| name != METRIC_NAME);
        sorted(names)
    }

    /// Its value at one time.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    pub fn instant(
        &self,
        source: &dyn SeriesSource,
        at_ms: i64,
        limits: &Limits<'_>,
    ) -> Result<Answer<Value>, Error> {
        let evaluator = Evaluator::new(
            &self.text,
            source,
            &self.options,
            limits,
            Range { start_ms: at_ms, end_ms: at_ms, step_ms: 0 },
        );
        let value = match &self.root.unwrapped().expr {
            Expr::Window(window) => Value::Matrix(self.window(&evaluator, window, at_ms)?),
            _ => self.value(&evaluator, at_ms)?,
        };
        Ok(Answer { value, notes: evaluator.into_notes() })
    }

    fn value(&self, evaluator: &Evaluator<'_>, at_ms: i64) -> Result<Value, Error> {
        let sample = |value: f64| Sample { timestamp_ms: at_ms, value };
        Ok(match evaluator.eval(&self.root, Steps::one(at_ms))? {
            Data::Scalar(values) => Value::Scalar(sample(values[0])),
            Data::Text(text) => Value::Text { timestamp_ms: at_ms, text },
            Data::Columns(columns) => {
                let columns = self.finished(columns)?.into_iter().filter(Column::has_any);
                Value::Vector(
                    columns
                        .map(|column| VectorSample {
                            labels: column.labels,
                            sample: sample(column.values[0]),
                        })
                        .collect(),
                )
            }
        })
    }

    /// A range vector: the samples themselves.
    fn window(&self, evaluator: &Evaluator<'_>, window: &Window, at_ms: i64) -> Result<Matrix, Error> {
        let span = &self.root.span;
        let mut series: Vec<MatrixSeries> = match &window.input {
            Input::Samples(selector) => evaluator
                .matrix(selector, span, &window.range, at_ms)?
                .into_iter()
                .map(|(labels, samples)| MatrixSeries { labels, samples })
                .collect(),
            Input::Subquery { .. } => {
                let (tracks, _) = evaluator.tracks(window, span, Steps::one(at_ms))?;
                let series = tracks.into_iter().filter(|track| !track.samples.is_empty()).map(|track| {
                    let labels = if track.drops_name {
                        labels::unnamed(&track.labels, self.options.features)
                    } else {
                        track.labels
                    };
                    MatrixSeries { labels, samples: track.samples }
                });
                series.collect()
            }
        };
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Matrix(series))
    }

    /// Its values at all steps of a range.
    ///
    /// # Errors
    /// See [`ErrorKind`]; range vectors and strings have no value at a step.
    pub fn range(
        &self,
        source: &dyn SeriesSource,
        range: Range,
        limits: &Limits<'_>,
    ) -> Result<Answer<Matrix>, Error> {
        let steps = self.steps(range, limits)?;
        let evaluator = Evaluator::new(&self.text, source, &self.options, limits, range);
        let columns = match evaluator.eval(&self.root, steps)? {
            Data::Scalar(values) => vec![Column::new(Default::default(), values)],
            Data::Columns(columns) => self.finished(columns)?,
            Data::Text(_) => Vec::new(),
        };
        let mut series: Vec<MatrixSeries> =
            columns.into_iter().filter(Column::has_any).map(|column| in_time(column, steps)).collect();
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Answer { value: Matrix(series), notes: evaluator.into_notes() })
    }

    fn steps(&self, range: Range, limits: &Limits<'_>) -> Result<Steps, Error> {
        let whole = 0..self.text.len();
        if !self.has_value_at_each_step() {
            let message = format!(
                "invalid expression type {:?} for range query, must be scalar or instant vector",
                self.root.value_type().name()
            );
            return Err(Error::parse(&whole, message));
        }
        check_times([range.start_ms, range.end_ms])?;
        if range.step_ms <= 0 {
            return out_of_bounds("the step must be longer than zero");
        }
        if range.end_ms < range.start_ms {
            return out_of_bounds("the end of the range must not be before its start");
        }
        let steps = Steps::between(range.start_ms, range.end_ms, range.step_ms);
        if steps.count > limits.steps_max {
            let max = limits.steps_max;
            return out_of_bounds(format!(
                "the range has {} steps, but at most {max} are allowed; choose a longer step or a shorter range",
                steps.count
            ));
        }
        Ok(steps)
    }

    /// Drops the names that are to be dropped at the end.
    fn finished(&self, mut columns: Vec<Column>) -> Result<Vec<Column>, Error> {
        if self.options.delayed_name_removal {
            let dropping = columns.iter_mut().filter(|column| column.drops_name);
            dropping
                .for_each(|column| column.labels = labels::unnamed(&column.labels, self.options.features));
        }
        if has_duplicates(&columns) { joined(columns, &self.root.span) } else { Ok(columns) }
    }
}

fn out_of_bounds<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error { position: None, kind: ErrorKind::Limit, message: message.into() })
}

/// Times that no sum with durations takes out of what an integer holds.
fn check_times<const N: usize>(times_ms: [i64; N]) -> Result<(), Error> {
    if times_ms.iter().any(|ms| ms.unsigned_abs() > parse::TIME_MAX_MS) {
        return out_of_bounds("the time is out of range; give seconds since 1970");
    }
    Ok(())
}

fn in_time(column: Column, steps: Steps) -> MatrixSeries {
    let samples = column.values.into_iter().zip(steps.iter()).filter(|(value, _)| is_present(*value));
    let samples = samples.map(|(value, timestamp_ms)| Sample { timestamp_ms, value }).collect();
    MatrixSeries { labels: column.labels, samples }
}

fn grouping_labels(aggregate: &Aggregate) -> &[String] {
    let (Grouping::By(labels) | Grouping::Without(labels)) = &aggregate.grouping;
    labels
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

/// Calls a function with each node, parents first, in the order of the text.
fn visit(node: &Node, see: &mut impl FnMut(&Node)) {
    see(node);
    node.children().into_iter().for_each(|child| visit(child, see));
}
