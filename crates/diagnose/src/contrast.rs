//! What sets the ends, or the openings, of connections in a window apart from those of the time before.
//!
//! Each value of each [`Dimension`] is a two by two table: with and without the value, in the window and before. The
//! tables are ranked by G², the log-likelihood ratio of independence (Dunning, "Accurate methods for the statistics of
//! surprise and coincidence", 1993): unlike Pearson's χ² it holds where counts are small, and unlike the bare ratio of
//! the shares it does not put what was seen once on top. Ends come in clumps and dimensions tell of each other, so G²
//! is an order, not a probability: a value also needs a minimum count and a ratio that is worth a look.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use model::Word;
use model::live::LiveConnection;
use model::record::CloseRecord;
use serde::Serialize;

/// Values of a dimension that are told apart in one tally; others are counted together.
pub const VALUES_MAX: usize = 2_000;
/// Differences that are told.
pub const DIFFERENCES_MAX: usize = 20;
/// Connections with a value that there must be (for a value that has become rare: that there would be at its old share).
const COUNT_MIN: f64 = 5.0;
/// G² of a difference that is told: chance passes it once in a thousand tables of one degree of freedom.
const G2_MIN: f64 = 10.83;
/// How many times greater or smaller a share must be.
const RATIO_MIN: f64 = 1.5;

/// What connections are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum Dimension {
    /// Why they ended.
    Reason,
    /// Who ended them.
    Initiator,
    /// Code of a Close frame, from either side.
    Code,
    /// Outcome of the handshake.
    Result,
    /// URL of the upstream.
    Upstream,
    /// Name of the route.
    Route,
    /// Protocol.
    Protocol,
    /// Code of the client's country.
    Country,
    /// What the client's program calls itself.
    UserAgent,
}

/// How many connections have which values.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    connections: u64,
    counts: BTreeMap<Dimension, BTreeMap<Arc<str>, u64>>,
    unlisted: u64,
}

impl Tally {
    /// Connections that were counted.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Values beyond [`VALUES_MAX`] that were left out, once for each connection that has one.
    pub fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// Counts the end of a connection; an attempt that was never established has none.
    pub fn end(&mut self, record: &CloseRecord) {
        let (Some(reason), Some(initiator)) = (record.reason, record.initiator) else { return };
        self.common(&Common::of(record));
        self.count(Dimension::Reason, reason.as_str());
        self.count(Dimension::Initiator, initiator.as_str());
        let (one, other) = (record.codes.from_client, record.codes.from_upstream);
        for code in one.into_iter().chain(other.filter(|_| one != other)) {
            self.count(Dimension::Code, &code.0.to_string());
        }
    }

    /// Counts an opening of which the end, or the failure, is known.
    pub fn opening(&mut self, record: &CloseRecord) {
        self.common(&Common::of(record));
        self.count(Dimension::Result, record.handshake.result.as_str());
    }

    /// Counts the opening of a connection that is still open.
    pub fn open(&mut self, open: &LiveConnection) {
        self.common(&Common {
            upstream: Some(&open.upstream),
            route: &open.route,
            protocol: open.protocol.as_str(),
            country: open.client.country.map(String::from),
            user_agent: open.user_agent.as_deref(),
        });
        self.count(Dimension::Result, model::HandshakeResult::Success.as_str());
    }

    fn common(&mut self, common: &Common<'_>) {
        self.connections += 1;
        self.count(Dimension::Route, common.route);
        self.count(Dimension::Protocol, common.protocol);
        let some = [
            (Dimension::Upstream, common.upstream),
            (Dimension::Country, common.country.as_deref()),
            (Dimension::UserAgent, common.user_agent),
        ];
        for (dimension, value) in some {
            if let Some(value) = value {
                self.count(dimension, value);
            }
        }
    }

    fn count(&mut self, dimension: Dimension, value: &str) {
        let values = self.counts.entry(dimension).or_default();
        if let Some(count) = values.get_mut(value) {
            *count += 1;
        } else if values.len() < VALUES_MAX {
            values.insert(value.into(), 1);
        } else {
            self.unlisted += 1;
        }
    }
}

/// What openings and ends have in common.
struct Common<'a> {
    upstream: Option<&'a str>,
    route: &'a str,
    protocol: &'static str,
    country: Option<String>,
    user_agent: Option<&'a str>,
}

impl<'a> Common<'a> {
    fn of(record: &'a CloseRecord) -> Common<'a> {
        Common {
            upstream: record.upstream.as_deref(),
            route: &record.route,
            protocol: record.protocol.as_str(),
            country: record.client.country.map(String::from),
            user_agent: record.user_agent.as_deref(),
        }
    }
}

/// A value that more, or fewer, connections of the window have.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Difference {
    /// Of what.
    pub dimension: Dimension,
    /// The value.
    pub value: Arc<str>,
    /// Connections of the window that have it.
    pub count: u64,
    /// Connections of the time before that have it.
    pub count_before: u64,
    /// Share of the window's connections that have it, from 0 to 1.
    pub share: f64,
    /// Share of those before.
    pub share_before: f64,
    /// How many times greater the share is than before: below 1 it is smaller; none when there was none before.
    pub lift: Option<f64>,
    /// Log-likelihood ratio of its two by two table; the greater, the less it is chance.
    pub g2: f64,
}

impl Difference {
    fn of(
        dimension: Dimension,
        value: &Arc<str>,
        [count, count_before]: [u64; 2],
        [all, before]: [u64; 2],
    ) -> Option<Difference> {
        let [share, share_before] = [ratio(count, all), ratio(count_before, before)];
        let is_more = share > share_before;
        let [more, less] = if is_more { [share, share_before] } else { [share_before, share] };
        let seen = if is_more { count as f64 } else { share_before * all as f64 };
        let g2 = g2([count, all - count], [count_before, before - count_before]);
        let is_told = seen >= COUNT_MIN && g2 >= G2_MIN && more >= RATIO_MIN * less;
        let lift = (count_before > 0).then(|| share / share_before);
        let value = Arc::clone(value);
        is_told.then_some(Difference { dimension, value, count, count_before, share, share_before, lift, g2 })
    }
}

/// What sets the connections of a window apart from those before, the greatest difference first; at most
/// [`DIFFERENCES_MAX`]. Nothing when there is nothing to compare with.
pub fn differences(window: &Tally, before: &Tally) -> Vec<Difference> {
    let all = [window.connections, before.connections];
    if all.contains(&0) {
        return Vec::new();
    }
    let mut pairs: BTreeMap<(Dimension, &Arc<str>), [u64; 2]> = BTreeMap::new();
    for (side, tally) in [window, before].into_iter().enumerate() {
        for (dimension, values) in &tally.counts {
            for (value, count) in values {
                match pairs.entry((*dimension, value)) {
                    Entry::Occupied(mut pair) => pair.get_mut()[side] = *count,
                    Entry::Vacant(pair) => pair.insert([0, 0])[side] = *count,
                }
            }
        }
    }
    let told = pairs
        .into_iter()
        .filter_map(|((dimension, value), counts)| Difference::of(dimension, value, counts, all));
    let mut told: Vec<Difference> = told.collect();
    told.sort_by(|a, b| b.g2.total_cmp(&a.g2));
    told.truncate(DIFFERENCES_MAX);
    told
}

/// 2 Σ O ln (O / E) over the four cells, E what independence would expect.
fn g2(window: [u64; 2], before: [u64; 2]) -> f64 {
    let rows = [window, before];
    let total: u64 = rows.iter().flatten().sum();
    let cells = rows.iter().flat_map(|row| {
        let sum: u64 = row.iter().sum();
        row.iter().enumerate().map(move |(column, &seen)| (seen, sum, column))
    });
    let terms = cells.filter(|(seen, ..)| *seen > 0).map(|(seen, sum, column)| {
        let expected = sum as f64 * (window[column] + before[column]) as f64 / total as f64;
        seen as f64 * (seen as f64 / expected).ln()
    });
    2.0 * terms.sum::<f64>()
}

fn ratio(part: u64, all: u64) -> f64 {
    part as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use model::event::CloseCode;
    use model::{HandshakeResult, Initiator, Reason};

    use super::*;
    use crate::population::tests::end;

    fn ends(counts: &[(u64, &str)]) -> Tally {
        let mut tally = Tally::default();
        for (count, upstream) in counts {
            for number in 0..*count {
                tally.end(&end(number).with(|record| record.upstream = Some((*upstream).into())).made());
            }
        }
        tally
    }

    fn told(window: &Tally, before: &Tally) -> Vec<(Dimension, String, u64, u64)> {
        let told = differences(window, before).into_iter();
        told.map(|one| (one.dimension, one.value.to_string(), one.count, one.count_before)).collect()
    }

    #[test]
    fn g2_is_that_of_the_textbooks() {
        assert!((g2([30, 70], [10, 90]) - 12.97).abs() < 0.05, "{}", g2([30, 70], [10, 90]));
        assert!(g2([10, 90], [100, 900]).abs() < 1e-9, "the same shares");
        assert!(g2([5, 0], [0, 5]).is_finite(), "empty cells");
    }

    #[test]
    fn what_became_frequent_and_what_became_rare_is_told() {
        let (window, before) = (ends(&[(60, "b"), (40, "a")]), ends(&[(50, "b"), (350, "a")]));
        let expected =
            [(Dimension::Upstream, "a".to_owned(), 40, 350), (Dimension::Upstream, "b".to_owned(), 60, 50)];
        let mut found = told(&window, &before);
        found.sort();
        assert_eq!(found, expected);
        let differences = differences(&window, &before);
        let b = differences.iter().find(|one| &*one.value == "b").expect("b");
        assert_eq!((b.share, b.share_before, b.lift), (0.6, 0.125, Some(4.8)));
    }

    #[test]
    fn what_is_new_has_no_lift_and_what_is_gone_is_told() {
        let found = differences(&ends(&[(20, "new"), (20, "a")]), &ends(&[(60, "gone"), (60, "a")]));
        let by_value = |value: &str| found.iter().find(|one| &*one.value == value).expect("told");
        assert_eq!(by_value("new").lift, None);
        assert_eq!((by_value("gone").count, by_value("gone").lift), (0, Some(0.0)));
    }

    #[test]
    fn few_and_small_differences_are_not_told() {
        assert_eq!(told(&ends(&[(4, "b"), (96, "a")]), &ends(&[(1000, "a")])), [], "fewer than five");
        assert_eq!(told(&ends(&[(7, "b"), (13, "a")]), &ends(&[(9, "b"), (31, "a")])), [], "chance");
        let (window, before) = (ends(&[(6000, "b"), (4000, "a")]), ends(&[(5000, "b"), (5000, "a")]));
        assert_eq!(told(&window, &before), [], "hardly more");
        assert_eq!(told(&window, &Tally::default()), [], "nothing to compare with");
    }

    #[test]
    fn a_code_that_both_sides_sent_counts_once() {
        let record = end(1).with(|record| {
            record.codes.from_client = Some(CloseCode(1001));
            record.codes.from_upstream = Some(CloseCode(1001));
        });
        let record = record.made();
        let mut tally = Tally::default();
        tally.end(&record);
        assert_eq!(tally.counts[&Dimension::Code].get("1001"), Some(&1));
        assert_eq!(tally.counts[&Dimension::Initiator].get(Initiator::Upstream.as_str()), Some(&1));
        assert_eq!(tally.counts[&Dimension::Reason].get(Reason::Abnormal.as_str()), Some(&1));
    }

    #[test]
    fn an_attempt_that_failed_is_an_opening_and_no_end() {
        let record = end(1).with(|record| {
            (record.reason, record.initiator) = (None, None);
            record.handshake.result = HandshakeResult::Timeout;
        });
        let record = record.made();
        let (mut ends, mut openings) = (Tally::default(), Tally::default());
        ends.end(&record);
        openings.opening(&record);
        assert_eq!((ends.connections(), openings.connections()), (0, 1));
        assert_eq!(openings.counts[&Dimension::Result].get(HandshakeResult::Timeout.as_str()), Some(&1));
    }

    #[test]
    fn values_are_bounded_and_what_is_left_out_is_counted() {
        let mut tally = Tally::default();
        for number in 0..VALUES_MAX as u64 + 3 {
            let agent = format!("agent {number}");
            tally.end(&end(number).with(|record| record.user_agent = Some(agent.as_str().into())).made());
        }
        assert_eq!(tally.counts[&Dimension::UserAgent].len(), VALUES_MAX);
        assert_eq!(tally.unlisted(), 3);
    }

    #[test]
    fn the_list_is_bounded_and_ordered() {
        let many: Vec<String> = (0..40).map(|number| format!("u{number:02}")).collect();
        let window: Vec<(u64, &str)> =
            many.iter().enumerate().map(|(at, name)| (20 + at as u64, name.as_str())).collect();
        let found = differences(&ends(&window), &ends(&[(1000, "a")]));
        assert_eq!(found.len(), DIFFERENCES_MAX);
        assert!(found.is_sorted_by(|a, b| a.g2 >= b.g2));
    }
}
