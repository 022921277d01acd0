//! Series in memory, to be queried.

use model::series::{Labels, MatchOp, Matcher, ReadError, Sample, Series, SeriesSource, TimeRange};
use promql::Pattern;

/// Series with all their samples, in the order of labels.
#[derive(Default)]
pub struct Memory(Vec<Series>);

impl Memory {
    /// Adds a series, or replaces one that has the same labels.
    pub fn insert(&mut self, labels: Labels, samples: Vec<Sample>) {
        self.0.retain(|series| series.labels != labels);
        self.0.push(Series { labels, samples });
        self.0.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
}

impl SeriesSource for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        samples_max: usize,
    ) -> Result<Vec<Series>, ReadError> {
        let patterns = compiled(matchers)?;
        let mut left = samples_max;
        let mut found = Vec::new();
        for series in self.0.iter().filter(|series| matches(&series.labels, matchers, &patterns)) {
            let inside = |sample: &&Sample| (range.from_ms..=range.to_ms).contains(&sample.timestamp_ms);
            let samples: Vec<Sample> = series.samples.iter().filter(inside).copied().collect();
            left = left.checked_sub(samples.len()).ok_or(ReadError::TooManySamples)?;
            if !samples.is_empty() {
                found.push(Series { labels: series.labels.clone(), samples });
            }
        }
        Ok(found)
    }

    fn identities(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Labels>, ReadError> {
        let series = self.select(matchers, range, usize::MAX)?;
        Ok(series.into_iter().map(|series| series.labels).take(limit).collect())
    }
}

fn compiled(matchers: &[Matcher]) -> Result<Vec<Option<Pattern>>, ReadError> {
    let compile = |matcher: &Matcher| match matcher.op {
        MatchOp::Equal | MatchOp::NotEqual => Ok(None),
        MatchOp::Regex | MatchOp::NotRegex => {
            Pattern::new(&matcher.value).map(Some).map_err(ReadError::Regex)
        }
    };
    matchers.iter().map(compile).collect()
}

fn matches(labels: &Labels, matchers: &[Matcher], patterns: &[Option<Pattern>]) -> bool {
    matchers.iter().zip(patterns).all(|(matcher, pattern)| {
        let value = labels.get(&matcher.name);
        let by_pattern = pattern.as_ref().is_some_and(|pattern| pattern.is_match(value));
        match matcher.op {
            MatchOp::Equal => value == matcher.value,
            MatchOp::NotEqual => value != matcher.value,
            MatchOp::Regex => by_pattern,
            MatchOp::NotRegex => !by_pattern,
        }
    })
}
