//! Event streams that come compressed: whether their events come when they are made.

use model::finding::{Affected, Finding, Place, Said, Topic};
use model::record::{CloseRecord, EventStreamFacts};

use super::{BATCH, coding, median};
use crate::cause::Cause;
use crate::claim::Claim;
use crate::population::{ENDS_MIN, Population};

/// Shortest life of a stream whose pace is looked at, seconds.
const LIFE_MIN: f64 = 2.0;
/// Streams without compression that are enough to compare with.
const COMPARED_MIN: usize = 4;
/// How many times fewer reads a stream has that is held back.
const FEWER: f64 = 3.0;
/// Bytes of a read from which on it is a block of a compressor rather than an event that was compressed alone.
const BLOCK: u64 = 1024;
/// Reads of a stream of which nothing came but the head of its compression.
const HEAD_READS: u64 = 2;

/// Streams whose compressor is not flushed, or that come in fewer pieces than those which are not compressed.
pub(super) fn held(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let lives = |record: &CloseRecord| record.duration_seconds >= LIFE_MIN;
    let coded = seen.ends_where(|record| lives(record) && coding(record).is_some() && pace(record).is_some());
    if coded.len() < ENDS_MIN {
        return None;
    }
    let plain = seen.ends_where(|record| {
        lives(record) && coding(record).is_none() && record.messages.server_to_client > 0
    });
    let live: Vec<&CloseRecord> = plain.iter().copied().filter(|record| is_live(record)).collect();
    let is_compared = live.len() >= COMPARED_MIN && live.len() * 3 >= plain.len() * 2;
    let usual = median(live.iter().filter_map(|record| pace(record)));
    let is_slower = |record: &CloseRecord| pace(record).is_some_and(|pace| pace * FEWER <= usual);
    let is_held = |record: &CloseRecord| {
        if is_compared { is_slower(record) } else { is_unflushed(record) && comes_in_blocks(record) }
    };
    let held: Vec<&CloseRecord> = coded.iter().copied().filter(|record| is_held(record)).collect();
    if held.len() < ENDS_MIN || held.len() * 3 < coded.len() * 2 {
        return None;
    }
    let unflushed = held.iter().filter(|record| is_unflushed(record)).count();
    let is_unflushed = unflushed * 3 >= held.len() * 2;
    let coding = held.first().and_then(|record| coding(record)).unwrap_or_default();
    let counted = |code| {
        let reads = median(held.iter().filter_map(|record| pace(record)));
        let said = Said::new(code).with("count", held.len()).with("all", coded.len()).with("coding", coding);
        said.with("reads", format!("{reads:.2}"))
    };
    let plain_live = Said::new("plain_live").with("count", live.len()).with("reads", format!("{usual:.2}"));
    let claim = Claim::of(cause, Place::UpstreamLeg, counted("coded_reads"))
        .corroborated(is_compared.then_some(plain_live))
        .noted(is_unflushed.then(|| Said::new("never_flushed").with("count", unflushed)))
        .noted(Said::new("hop_or_service"))
        .unless((!is_compared).then(|| Said::new("maybe_quiet")))
        .unless((is_compared && !is_unflushed).then(|| Said::new("other_streams")))
        .next(Said::new("run_diagnose"))
        .fix_by(Said::new("exclude"), Said::new("nginx"))
        .fix(Said::new("flush"));
    let connections = (held.len() as f64 * seen.weight).round() as u64;
    let affected = Affected { connections, share_of_closes: None };
    let concerning = claim.concerns(seen.route.clone(), seen.since(&held), affected);
    Some(concerning.about(Topic::Delivery).selects(seen.selection(&held)).finding())
}

fn facts(record: &CloseRecord) -> Option<&EventStreamFacts> {
    record.event_stream.as_deref()
}

/// Reads a second.
fn pace(record: &CloseRecord) -> Option<f64> {
    Some(facts(record)?.reads as f64 / record.duration_seconds)
}

/// Its events come one by one.
fn is_live(record: &CloseRecord) -> bool {
    record.events_per_read.is_some_and(|events| events.mean < BATCH / 2.0)
}

/// Its compression is one whose flushes can be seen, and hardly any is.
fn is_unflushed(record: &CloseRecord) -> bool {
    let of_deflate = ["gzip", "x-gzip", "deflate"];
    let is_known =
        coding(record).is_some_and(|coding| of_deflate.iter().any(|it| coding.eq_ignore_ascii_case(it)));
    is_known && facts(record).is_some_and(|facts| facts.flushed_reads * 4 < facts.reads)
}

/// It comes in blocks, or not at all.
fn comes_in_blocks(record: &CloseRecord) -> bool {
    facts(record).is_some_and(|facts| {
        facts.reads <= HEAD_READS || record.bytes.server_to_client >= BLOCK * facts.reads
    })
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::record::{EventsPerRead, What};
    use model::{Leg, Protocol, Reason};

    use super::*;
    use crate::population::tests::{Made, end, judged, random, told_of};

    const ID: &str = "sse-gzip-buffering";

    /// A stream of ten seconds that a client left.
    fn stream(number: u64, reads: u64, bytes: u64) -> Made {
        let made = end(number).by(Leg::Client, What::Fin, Reason::Abnormal);
        made.lived(100.0 * random(number), 10.0 + random(number), 0.2 + random(number + 7)).with(|record| {
            record.protocol = Protocol::Sse;
            record.bytes.server_to_client = bytes;
            record.event_stream = Some(Box::new(EventStreamFacts { reads, ..EventStreamFacts::default() }));
        })
    }

    fn plain(number: u64, reads: u64, per_read: f64) -> Made {
        stream(number, reads, 5000).with(|record| {
            record.messages.server_to_client = (reads as f64 * per_read) as u64;
            record.events_per_read = Some(EventsPerRead { mean: per_read, max: 3 });
        })
    }

    fn coded(number: u64, coding: &'static str, reads: u64, flushed: u64, bytes: u64) -> Made {
        stream(number, reads, bytes).with(|record| {
            let facts = record.event_stream.as_mut().expect("there are");
            (facts.coding, facts.flushed_reads) = (Some(coding.into()), flushed);
        })
    }

    #[test]
    fn those_that_are_not_compressed_are_live() {
        let live = || (100..110).map(|number| plain(number, 50, 1.0));
        let gzip = (0..20).map(|number| coded(number, "gzip", 3, 0, 9000));
        assert_eq!(told_of(ID, gzip.chain(live())), Some((Level::High, Place::UpstreamLeg)));
        let br = (0..20).map(|number| coded(number, "br", 3, 0, 9000));
        assert_eq!(told_of(ID, br.chain(live())).map(|told| told.0), Some(Level::Medium));
    }

    #[test]
    fn a_compressor_that_is_never_flushed_is_seen_alone() {
        let blocks = (0..20).map(|number| coded(number, "gzip", 4, 0, 16_000));
        assert_eq!(told_of(ID, blocks).map(|told| told.0), Some(Level::Medium));
        let nothing = (0..20).map(|number| coded(number, "gzip", 1, 0, 10));
        assert_eq!(told_of(ID, nothing).map(|told| told.0), Some(Level::Medium));
    }

    #[test]
    fn look_alikes_are_others() {
        let live = || (100..110).map(|number| plain(number, 50, 1.0));
        let flushed = (0..20).map(|number| coded(number, "gzip", 50, 49, 3000));
        assert_eq!(told_of(ID, flushed.chain(live())), None, "each event is flushed");
        let alone = (0..20).map(|number| coded(number, "gzip", 4, 4, 16_000));
        assert_eq!(told_of(ID, alone), None, "large events, each flushed");
        let each = (0..20).map(|number| coded(number, "gzip", 40, 0, 3000));
        assert_eq!(told_of(ID, each), None, "each event is compressed by itself");
        let held = (100..110).map(|number| plain(number, 5, 10.0));
        let both = (0..20).map(|number| coded(number, "br", 1, 0, 9000));
        assert_eq!(told_of(ID, both.chain(held)), None, "without compression it is the same");
        let some = (0..30).map(|number| coded(number, "gzip", if number < 12 { 3 } else { 50 }, 0, 9000));
        assert_eq!(told_of(ID, some.chain(live())), None, "most of them are as live");
    }

    #[test]
    fn what_is_compressed_is_not_called_malformed() {
        let found = judged((0..20).map(|number| coded(number, "gzip", 50, 50, 9000)));
        assert!(found.iter().all(|finding| finding.id != "sse-malformed-framing"), "{found:?}");
    }
}
