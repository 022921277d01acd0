//! Functions over windows that slide along each series: of samples, or of a subquery's values.

use model::series::{Labels, Sample, is_stale_marker};

use super::{ABSENT, Column, Data, Evaluator, Steps, duplicate, has_duplicates, is_present};
use crate::ast::{Call, Expr, Input, Node, Window};
use crate::error::{Error, ErrorKind, Span};
use crate::functions::Slice;
use crate::options::{Compat, Feature};
use crate::value::Notes;

/// A series that windows slide over.
pub(crate) struct Track {
    pub labels: Labels,
    pub drops_name: bool,
    pub samples: Vec<Sample>,
}

impl Evaluator<'_> {
    /// Applies a function to the window of each series at each step.
    pub fn over(
        &self,
        node: &Node,
        call: &Call,
        steps: Steps,
        function: fn(&Slice<'_>, &[f64]) -> Option<f64>,
        keeps_name: bool,
    ) -> Result<Data, Error> {
        let mut columns = self.windows(call, steps, function)?;
        if matches!(call.function.name, "rate" | "increase") {
            self.expect_counters(&columns, &call.arguments[0].span);
        }
        if !keeps_name {
            columns.iter_mut().for_each(|column| self.drop_name(column));
        }
        if !self.options.delayed_name_removal && has_duplicates(&columns) {
            return Err(duplicate(&columns[0].labels, &node.span));
        }
        Ok(Data::Columns(columns))
    }

    /// Says of metrics that their names, or their types where these are known, are not those of counters.
    fn expect_counters(&self, columns: &[Column], span: &Span) {
        if self.options.features.has(Feature::TypeAndUnitLabels) {
            let others = columns.iter().map(|column| &column.labels).filter(|labels| {
                !labels.metric_name().is_empty() && !matches!(labels.get("__type__"), "counter" | "histogram")
            });
            for labels in others.take(Notes::COUNT_MAX) {
                let (name, found) = (labels.metric_name(), labels.get("__type__"));
                self.inform(&format!("metric might not be a counter, __type__ is {found:?}: {name:?}"), span);
            }
            return;
        }
        let is_counter =
            |name: &str| ["_total", "_sum", "_count", "_bucket"].iter().any(|end| name.ends_with(end));
        let names = columns.iter().map(|column| column.labels.metric_name()).filter(|name| !name.is_empty());
        for name in names.filter(|name| !is_counter(name)).take(Notes::COUNT_MAX) {
            let ends = "name does not end in _total/_sum/_count/_bucket";
            self.inform(&format!("metric might not be a counter, {ends}: {name:?}"), span);
        }
    }

    /// As [`Evaluator::over`], with the labels of the input.
    pub fn windows(
        &self,
        call: &Call,
        steps: Steps,
        function: fn(&Slice<'_>, &[f64]) -> Option<f64>,
    ) -> Result<Vec<Column>, Error> {
        let scalars = self.scalars(call, steps)?;
        let (window, span) = window_of(call);
        let (tracks, times) = self.tracks(window, span, steps)?;
        let range_ms = self.length_ms(&window.range)?;
        let mut columns = Vec::with_capacity(tracks.len());
        for track in tracks {
            self.check_time(span)?;
            self.charge(steps.count, span)?;
            let values = self.slide(&track.samples, range_ms, steps, &times, |index, slice| {
                function(slice, &scalars[index])
            });
            columns.push(Column { labels: track.labels, drops_name: track.drops_name, values });
        }
        columns.retain(Column::has_any);
        Ok(columns)
    }

    fn slide(
        &self,
        samples: &[Sample],
        range_ms: i64,
        steps: Steps,
        times: &[i64],
        function: impl Fn(usize, &Slice<'_>) -> Option<f64>,
    ) -> Vec<f64> {
        let compat = self.options.compat;
        let (mut from, mut to) = (0, 0);
        let at = |(index, time): (usize, &i64)| {
            let from_ms = time.saturating_sub(range_ms);
            let is_before = |sample: &&Sample| {
                sample.timestamp_ms < from_ms || (compat == Compat::V3 && sample.timestamp_ms == from_ms)
            };
            from += samples[from..].iter().take_while(is_before).count();
            to = to.max(from);
            to += samples[to..].iter().take_while(|sample| sample.timestamp_ms <= *time).count();
            let slice = Slice {
                samples: &samples[from..to],
                from_ms,
                to_ms: *time,
                step_ms: steps.at(index),
                compat,
            };
            if slice.samples.is_empty() { None } else { function(index, &slice) }
        };
        times.iter().enumerate().map(at).map(|value| value.unwrap_or(ABSENT)).collect()
    }

    /// What the windows of all steps need, and where each window ends.
    pub fn tracks(
        &self,
        window: &Window,
        span: &Span,
        steps: Steps,
    ) -> Result<(Vec<Track>, Vec<i64>), Error> {
        if steps.count == 0 {
            return Ok((Vec::new(), Vec::new()));
        }
        let range_ms = self.length_ms(&window.range)?;
        match &window.input {
            Input::Samples(selector) => {
                let times = self.times(&selector.shift, steps)?;
                let series = self.read(selector, span, &times, range_ms)?;
                let tracks = series.into_iter().map(|series| {
                    let mut samples = series.samples;
                    samples.retain(|sample| !is_stale_marker(sample.value));
                    Track { labels: series.labels, drops_name: false, samples }
                });
                Ok((tracks.collect(), times))
            }
            Input::Subquery { inner, step, shift } => {
                let times = self.times(shift, steps)?;
                let step_ms = step.as_ref().map(|step| self.length_ms(step)).transpose()?;
                let grid = self.grid(&times, range_ms, step_ms, span)?;
                let columns = self.columns(inner, grid)?;
                self.charge(columns.len().saturating_mul(grid.count), span)?;
                Ok((columns.into_iter().map(|column| Track::of(column, grid)).collect(), times))
            }
        }
    }

    /// The steps of a subquery: multiples of its step, whatever the outer steps are.
    fn grid(&self, times: &[i64], range_ms: i64, step_ms: Option<i64>, span: &Span) -> Result<Steps, Error> {
        let step_ms = step_ms.unwrap_or(self.options.subquery_step_ms).max(1);
        let before = times[0].saturating_sub(range_ms);
        let mut first_ms = before / step_ms * step_ms;
        if first_ms < before || (first_ms == before && self.options.compat == Compat::V3) {
            first_ms = first_ms.saturating_add(step_ms);
        }
        let grid = Steps::between(first_ms, times[times.len() - 1], step_ms);
        if grid.count > self.samples_left() {
            let message = "the subquery has too many steps; give it a longer step or a shorter range";
            return Err(Error::new(ErrorKind::Limit, span, message));
        }
        Ok(grid)
    }
}

impl Track {
    fn of(column: Column, grid: Steps) -> Track {
        let present = column.values.iter().enumerate().filter(|(_, value)| is_present(**value));
        let samples =
            present.map(|(index, value)| Sample { timestamp_ms: grid.at(index), value: *value }).collect();
        Track { labels: column.labels, drops_name: column.drops_name, samples }
    }
}

/// The window among the arguments of a call, with its place.
pub(crate) fn window_of(call: &Call) -> (&Window, &Span) {
    let windows = call.arguments.iter().find_map(|argument| match &argument.unwrapped().expr {
        Expr::Window(window) => Some((&**window, &argument.span)),
        _ => None,
    });
    windows.expect("preparing the query has checked that there is a range vector")
}
