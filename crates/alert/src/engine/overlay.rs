//! The store with what the rules of a pass have written so far.

use std::collections::BTreeMap;

use model::series::{Labels, Matcher, ReadError, Sample, Series, SeriesSource, TimeRange};
use promql::Query;

use crate::memory;

/// Series that are read through, with samples that are newer than all of theirs.
pub(super) struct Overlay<'a> {
    below: &'a dyn SeriesSource,
    written: BTreeMap<Labels, Vec<Sample>>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(below: &'a dyn SeriesSource) -> Overlay<'a> {
        Overlay { below, written: BTreeMap::new() }
    }

    /// Whether a query reads any of what is written here, as far as its selectors can tell.
    pub(super) fn is_read_by(&self, query: &Query) -> bool {
        let always = TimeRange { from_ms: i64::MIN, to_ms: i64::MAX };
        let is_any = |matchers: &[Matcher]| {
            let found = memory::select(self.written.iter(), matchers, always);
            found.is_ok_and(|found| !found.is_empty())
        };
        query.selectors().iter().any(|selector| is_any(&selector.matchers))
    }

    /// Adds samples. Of several for a series and time the first counts.
    pub(super) fn write(&mut self, samples: &[(Labels, Sample)]) {
        for (labels, sample) in samples {
            let written = self.written.entry(labels.clone()).or_default();
            if written.last().is_none_or(|last| last.timestamp_ms < sample.timestamp_ms) {
                written.push(*sample);
            }
        }
    }
}

impl SeriesSource for Overlay<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        samples_max: usize,
    ) -> Result<Vec<Series>, ReadError> {
        let mut found = self.below.select(matchers, range, samples_max)?;
        let above = memory::select(self.written.iter(), matchers, range)?;
        let count: usize = found.iter().chain(&above).map(|series| series.samples.len()).sum();
        if count > samples_max {
            return Err(ReadError::TooManySamples);
        }
        for series in above {
            match found.binary_search_by(|known| known.labels.cmp(&series.labels)) {
                Ok(at) => {
                    let last = found[at].samples.last().map_or(i64::MIN, |last| last.timestamp_ms);
                    let newer = series.samples.into_iter().filter(|sample| sample.timestamp_ms > last);
                    found[at].samples.extend(newer);
                }
                Err(at) => found.insert(at, series),
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
        let mut found = self.below.identities(matchers, range, limit)?;
        let above = memory::select(self.written.iter(), matchers, range)?;
        found.extend(above.into_iter().map(|series| series.labels));
        found.sort();
        found.dedup();
        found.truncate(limit);
        Ok(found)
    }
}
