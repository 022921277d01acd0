//! What ends have in common: values of a group that they concentrate in, moments that they fall together at.

use std::collections::BTreeMap;

use model::finding::Said;
use model::record::CloseRecord;

use super::{ENDS_MIN, Population, between, network};

/// Ends that fall on one value of a group far more often than its part of the connections explains.
#[derive(Clone, Debug, PartialEq)]
pub struct Concentration<K> {
    /// The value.
    pub value: K,
    /// Ends with it.
    pub count: usize,
    /// Their share of all ends that were looked at.
    pub share: f64,
    /// Part of the connections that have it.
    pub exposure: f64,
    /// Bound of the probability that this is chance.
    pub chance: f64,
}

impl<K> Concentration<K> {
    /// How many times more often than by its part of the connections.
    pub fn lift(&self) -> f64 {
        self.share / self.exposure.max(f64::MIN_POSITIVE)
    }

    /// How many times greater the odds are than by its part of the connections.
    fn odds_ratio(&self) -> f64 {
        let odds = |share: f64| share / (1.0 - share).max(f64::MIN_POSITIVE);
        odds(self.share) / odds(self.exposure).max(f64::MIN_POSITIVE)
    }
}

/// Least lift, or ratio of the odds where the part of the connections is too large for such a lift (one of two
/// upstreams), and greatest probability of chance, of a concentration.
const LIFT_MIN: f64 = 3.0;
const ODDS_MIN: f64 = 10.0;
const CHANCE_MAX: f64 = 0.001;
/// Group-bys that are made over the same ends, for which the probability is corrected.
const GROUPS: f64 = 6.0;

/// An upper bound (Chernoff) of the probability that at least `count` of `all` fall on what has the part `exposure` of
/// the connections.
pub fn chance(count: usize, all: usize, exposure: f64) -> f64 {
    let share = count as f64 / all.max(1) as f64;
    if share <= exposure || exposure >= 1.0 {
        return 1.0;
    }
    let exposure = exposure.max(1e-9);
    let miss = if share < 1.0 { (1.0 - share) * ((1.0 - share) / (1.0 - exposure)).ln() } else { 0.0 };
    (-(all as f64) * (share * (share / exposure).ln() + miss)).exp()
}

impl<'a> Population<'a> {
    /// The value that these ends concentrate in, beside the connections that have it.
    pub fn concentration<K: Ord + Clone>(
        &self,
        ends: &[&CloseRecord],
        key: impl Fn(&CloseRecord) -> Option<K>,
        open: impl Fn(&super::Open) -> Option<K>,
    ) -> Option<Concentration<K>> {
        let mut counts: BTreeMap<K, (usize, usize)> = BTreeMap::new();
        for value in ends.iter().filter_map(|record| key(record)) {
            counts.entry(value).or_default().0 += 1;
        }
        let closed = self.ends.iter().chain(&self.orderly).filter_map(|record| key(record));
        let mut all = 0;
        for value in closed.chain(self.open.iter().filter_map(open)) {
            all += 1;
            if let Some((_, exposed)) = counts.get_mut(&value) {
                *exposed += 1;
            }
        }
        let (value, (count, exposed)) = counts.into_iter().max_by_key(|(_, (count, _))| *count)?;
        let found = Concentration {
            value,
            count,
            share: count as f64 / ends.len().max(1) as f64,
            exposure: exposed as f64 / f64::from(u32::try_from(all.max(1)).unwrap_or(u32::MAX)),
            chance: chance(count, ends.len(), exposed as f64 / all.max(1) as f64) * GROUPS,
        };
        let is_far = found.lift() >= LIFT_MIN || found.odds_ratio() >= ODDS_MIN;
        (count >= ENDS_MIN && is_far && found.chance < CHANCE_MAX).then_some(found)
    }

    /// Upstreams, networks and programs that these ends concentrate at, in words.
    pub fn mostly(&self, ends: &[&'a CloseRecord]) -> Vec<Said> {
        let at = self
            .concentration(ends, |record| record.upstream.clone(), |open| Some(open.upstream.clone()))
            .map(|at| Said::new("mostly_at").with("upstream", &*at.value).share("share", at.share));
        let from = self
            .concentration(
                ends,
                |record| Some(network(record.client.ip)),
                |open| Some(network(open.client.ip)),
            )
            .map(|from| {
                let said = Said::new("mostly_from").with("network", from.value.to_string());
                said.share("share", from.share).share("exposure", from.exposure)
            });
        let of = self
            .concentration(ends, |record| record.user_agent.clone(), |open| open.user_agent.clone())
            .map(|of| {
                let said = Said::new("mostly_of").with("agent", &*of.value);
                said.share("share", of.share).share("exposure", of.exposure)
            });
        [at, from, of].into_iter().flatten().collect()
    }

    /// The most ends that fall within `seconds`, when they are at least the given share of `of` connections.
    pub fn clump(
        &self,
        ends: &[&'a CloseRecord],
        seconds: f64,
        of: usize,
        share_min: f64,
    ) -> Option<Vec<&'a CloseRecord>> {
        let mut ends = ends.to_vec();
        ends.sort_by_key(|record| record.closed_at);
        let mut best = 0..0;
        let mut end = 0;
        for start in 0..ends.len() {
            while end < ends.len() && between(ends[start].closed_at, ends[end].closed_at) <= seconds {
                end += 1;
            }
            if end - start > best.len() {
                best = start..end;
            }
        }
        let is_clear = best.len() >= ENDS_MIN && best.len() as f64 >= share_min * of as f64;
        is_clear.then(|| ends[best].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_bounded() {
        assert!(chance(10, 10, 0.1) < 1e-9);
        assert!((chance(1, 10, 0.1) - 1.0).abs() < 1e-9);
        assert!(chance(8, 10, 0.5) > 0.05, "{}", chance(8, 10, 0.5));
        assert!((chance(10, 10, 1.0) - 1.0).abs() < 1e-9);
    }
}
