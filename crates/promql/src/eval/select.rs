//! Reading series, and the value that each has at each step.

use model::series::{Labels, Sample, Series, TimeRange, is_stale_marker};

use super::{ABSENT, Column, Evaluator, Steps};
use crate::ast::{Duration, Selector, TimeShift};
use crate::error::{Error, Span};
use crate::options::Compat;
use crate::parse::DURATION_MAX_MS;

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
        let times = self.times(&selector.shift, steps)?;
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

    /// The times that are looked at, one for each step.
    pub fn times(&self, shift: &TimeShift, steps: Steps) -> Result<Vec<i64>, Error> {
        let offset_ms = shift.offset.as_ref().map_or(Ok(0), |offset| self.duration_ms(offset))?;
        Ok(steps.iter().map(|ms| shift.base(ms, self.range).saturating_sub(offset_ms)).collect())
    }

    /// A duration that must be longer than zero, in milliseconds.
    pub fn length_ms(&self, duration: &Duration) -> Result<i64, Error> {
        match (self.duration_ms(duration)?, duration) {
            (..=0, Duration::Computed(node)) => {
                Err(Error::execution(&node.span, "a range and its step must be longer than zero"))
            }
            (ms, _) => Ok(ms),
        }
    }

    fn duration_ms(&self, duration: &Duration) -> Result<i64, Error> {
        let node = match duration {
            Duration::Fixed(ms) => return Ok(*ms),
            Duration::Computed(node) => node,
        };
        let seconds = self.scalar(node, Steps::one(self.range.start_ms))?[0];
        let ms = seconds * 1000.0;
        if ms.abs() <= DURATION_MAX_MS as f64 {
            return Ok(ms as i64);
        }
        let message = format!("the duration is {seconds} s; the longest is 292y");
        Err(Error::execution(&node.span, message))
    }

    /// The series of a range selector at one time, without stale markers.
    pub fn matrix(
        &self,
        selector: &Selector,
        span: &Span,
        range: &Duration,
        at_ms: i64,
    ) -> Result<Vec<(Labels, Vec<Sample>)>, Error> {
        let times = self.times(&selector.shift, Steps::one(at_ms))?;
        let mut series = self.read(selector, span, &times, self.length_ms(range)?)?;
        series.iter_mut().for_each(|series| series.samples.retain(|sample| !is_stale_marker(sample.value)));
        series.retain(|series| !series.samples.is_empty());
        Ok(series.into_iter().map(|series| (series.labels, series.samples)).collect())
    }
}
