//! Series in memory: what tests of rules are evaluated on.

use std::collections::BTreeMap;

use model::series::{Labels, MatchOp, Matcher, ReadError, Sample, Series, SeriesSource, TimeRange};
use promql::Pattern;

/// Series with their samples, as a store keeps them but without bound.
#[derive(Clone, Debug, Default)]
pub struct Memory(BTreeMap<Labels, Vec<Sample>>);

impl Memory {
    /// Takes samples; those that do not advance their series' time are dropped.
    pub fn append(&mut self, samples: &[(Labels, Sample)]) {
        for (labels, sample) in samples {
            let known = self.0.entry(labels.clone()).or_default();
            if known.last().is_none_or(|last| last.timestamp_ms < sample.timestamp_ms) {
                known.push(*sample);
            }
        }
    }
}

/// Of series in the order of labels those that all matchers hold for, with their samples within the range.
pub(crate) fn select<'a>(
    series: impl Iterator<Item = (&'a Labels, &'a Vec<Sample>)>,
    matchers: &[Matcher],
    range: TimeRange,
) -> Result<Vec<Series>, ReadError> {
    // Patterns cost more than all else, and most series fall out before.
    let (plain, by_pattern): (Vec<&Matcher>, Vec<&Matcher>) =
        matchers.iter().partition(|matcher| matches!(matcher.op, MatchOp::Equal | MatchOp::NotEqual));
    let mut candidates = series
        .filter(|(labels, _)| {
            plain
                .iter()
                .all(|matcher| (labels.get(&matcher.name) == matcher.value) == (matcher.op == MatchOp::Equal))
        })
        .peekable();
    if candidates.peek().is_none() {
        return Ok(Vec::new());
    }
    let compile = |matcher: &&Matcher| Pattern::new(&matcher.value).map_err(ReadError::Regex);
    let patterns = by_pattern.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
    let matching = candidates.filter(|(labels, _)| {
        by_pattern.iter().zip(&patterns).all(|(matcher, pattern)| {
            pattern.is_match(labels.get(&matcher.name)) == (matcher.op == MatchOp::Regex)
        })
    });
    let within = matching.map(|(labels, samples)| {
        let from = samples.partition_point(|sample| sample.timestamp_ms < range.from_ms);
        let to = samples.partition_point(|sample| sample.timestamp_ms <= range.to_ms);
        let samples = samples.get(from..to).unwrap_or_default().to_vec();
        Series { labels: labels.clone(), samples }
    });
    Ok(within.filter(|series| !series.samples.is_empty()).collect())
}

impl SeriesSource for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        samples_max: usize,
    ) -> Result<Vec<Series>, ReadError> {
        let found = select(self.0.iter(), matchers, range)?;
        let count: usize = found.iter().map(|series| series.samples.len()).sum();
        if count > samples_max { Err(ReadError::TooManySamples) } else { Ok(found) }
    }

    fn identities(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Labels>, ReadError> {
        let found = select(self.0.iter(), matchers, range)?;
        Ok(found.into_iter().map(|series| series.labels).take(limit).collect())
    }
}
