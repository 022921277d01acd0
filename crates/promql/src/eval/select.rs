//! Reading series, and the value that each has at each step.

use model::series::{Labels, Sample, Series, TimeRange, is_stale_marker};

use super::{ABSENT, Column, Evaluator, Steps};
use crate::ast::Selector;
use crate::error::{Error, Span};
use crate::options::Compat;

impl Evaluator<'_> {
    /// The newest sample of each series at each step, within the look-back.
    pub fn instant(&self, selector: &Selector, span: &Span, steps: Steps) -> Result<Vec<Column>, Error> {
        self.instant_with(selector, span, steps, |sample| sample.value)
    }

    /// As [`Evaluator::instant`], with what is wanted of each sample.
    pub fn instant_with(
        &self,
        selector: &Selector,
        span: &Span,
        steps: Steps,
        wanted: fn(&Sample) -> f64,
    ) -> Result<Vec<Column>, Error> {
        if steps.count == 0 {
            return Ok(Vec::new());
        }
        let times: Vec<i64> = steps.iter().map(|ms| self.shifted(selector, ms)).collect();
        let series = self.read(selector, span, &times, self.options.lookback_ms)?;
        self.charge(series.len().saturating_mul(steps.count), span)?;
        let mut columns = Vec::with_capacity(series.len());
        for Series { labels, samples } in series {
            self.check_time(span)?;
            let values = self.newest(&samples, &times, wanted);
            columns.push(Column::new(labels, values));
        }
        columns.retain(Column::has_any);
        Ok(columns)
    }

    fn newest(&self, samples: &[Sample], times: &[i64], wanted: fn(&Sample) -> f64) -> Vec<f64> {
        let mut behind = 0;
        let at = |time: &i64| {
            behind += samples[behind..].iter().take_while(|sample| sample.timestamp_ms <= *time).count();
            let sample = samples[..behind].last()?;
            let oldest = time.saturating_sub(self.options.lookback_ms);
            let is_recent = sample.timestamp_ms > oldest
                || (self.options.compat == Compat::V2 && sample.timestamp_ms == oldest);
            (is_recent && !is_stale_marker(sample.value)).then(|| wanted(sample))
        };
        times.iter().map(at).map(|value| value.unwrap_or(ABSENT)).collect()
    }

    /// The raw samples of each series that windows of this length before these times need.
    pub fn read(
        &self,
        selector: &Selector,
        span: &Span,
        times: &[i64],
        length_ms: i64,
    ) -> Result<Vec<Series>, Error> {
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return Ok(Vec::new()) };
        let left_open = i64::from(self.options.compat == Compat::V3);
        let range =
            TimeRange { from_ms: first.saturating_sub(length_ms).saturating_add(left_open), to_ms: *last };
        let left = self.samples_left();
        let series = match self.source.select(&selector.matchers, range, left) {
            Ok(series) => series,
            Err(error) => return Err(Error::read(span, &error)),
        };
        self.charge(series.iter().map(|series| series.samples.len()).sum(), span)?;
        Ok(series)
    }

    pub fn shifted(&self, selector: &Selector, step_ms: i64) -> i64 {
        selector.shift.applied(step_ms, self.range)
    }

    /// The series of a range selector at one time, without stale markers.
    pub fn matrix(
        &self,
        selector: &Selector,
        span: &Span,
        range_ms: i64,
        at_ms: i64,
    ) -> Result<Vec<(Labels, Vec<Sample>)>, Error> {
        let mut series = self.read(selector, span, &[self.shifted(selector, at_ms)], range_ms)?;
        series.iter_mut().for_each(|series| series.samples.retain(|sample| !is_stale_marker(sample.value)));
        series.retain(|series| !series.samples.is_empty());
        Ok(series.into_iter().map(|series| (series.labels, series.samples)).collect())
    }
}
