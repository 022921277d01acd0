//! Event streams that come compressed: whether their events come when they are made.

use model::finding::{Affected, Finding, Place, Said, Topic};
use model::record::{CloseRecord, EventStreamFacts, What};

use super::{BATCH, coding, median};
use crate::cause::Cause;
use crate::claim::Claim;
use crate::population::{ENDS_MIN, Population};

/// Shortest life of a stream whose pace is looked at, seconds, the time to its head included.
const LIFE_MIN: f64 = 2.0;
/// Streams without compression that are enough to compare with.
const COMPARED_MIN: usize = 4;
/// How many times fewer reads a stream has that is held back.
const FEWER: f64 = 3.0;
/// Bytes of a read from which on it is a block of a compressor rather than an event that was compressed alone.
const BLOCK: u64 = 1024;
/// Reads of a stream of which nothing came but the head of its compression.
const HEAD_READS: u64 = 2;
/// Bytes of the head of gzip (RFC 1952, section 2.3), which zlib writes when it is given something, and of a chunk around it.
const HEAD_BYTES: u64 = 10 + 5;
/// An answer whose head comes this long after the request, seconds, and all of its body within so long of the head, was
/// kept until it was complete.
const LATE: f64 = 1.0;
const AT_ONCE: f64 = 0.25;

/// Compression holds events back, or the whole answer.
pub(super) fn found(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    held(cause, seen).or_else(|| unanswered(cause, seen))
}

/// Streams whose compressor is not flushed, or that come in fewer pieces than those which are not compressed.
fn held(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let lives = |record: &CloseRecord| lived(record) >= LIFE_MIN;
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
        if is_compared {
            is_slower(record)
        } else {
            is_late_whole(record) || (is_unflushed(record) && comes_in_blocks(record))
        }
    };
    let held: Vec<&CloseRecord> = coded.iter().copied().filter(|record| is_held(record)).collect();
    if held.len() < ENDS_MIN || held.len() * 3 < coded.len() * 2 {
        return None;
    }
    let unflushed = held.iter().filter(|record| is_unflushed(record)).count();
    let is_unflushed = unflushed * 3 >= held.len() * 2;
    let heads = held.iter().filter(|record| is_head_alone(record)).count();
    let whole = held.iter().filter(|record| is_late_whole(record)).count();
    let coding = held.first().and_then(|record| coding(record)).unwrap_or_default();
    let counted = |code| {
        let reads = median(held.iter().filter_map(|record| pace(record)));
        let said = Said::new(code).with("count", held.len()).with("all", coded.len()).with("coding", coding);
        said.with("reads", format!("{reads:.2}"))
    };
    let plain_live = Said::new("plain_live").with("count", live.len()).with("reads", format!("{usual:.2}"));
    let claim = Claim::of(cause, Place::UpstreamLeg, counted("coded_reads"))
        .corroborated(is_compared.then_some(plain_live))
        .noted((unflushed > 0).then(|| Said::new("never_flushed").with("count", unflushed)))
        .noted((heads > 0).then(|| Said::new("head_alone").with("count", heads)))
        .corroborated((whole >= ENDS_MIN).then(|| Said::new("whole_at_the_end").with("count", whole)))
        .noted(Said::new("hop_or_service"))
        .unless((!is_compared).then(|| Said::new(if whole >= ENDS_MIN { "buffered" } else { "maybe_quiet" })))
        .unless((is_compared && !is_unflushed).then(|| Said::new("other_streams")))
        .next(Said::new("run_diagnose"))
        .fix_by(Said::new("exclude"), Said::new("nginx"))
        .fix(Said::new("flush"));
    let connections = (held.len() as f64 * seen.weight).round() as u64;
    let affected = Affected { connections, share_of_closes: None };
    let concerning = claim.concerns(seen.route.clone(), seen.since(&held), affected);
    Some(concerning.about(Topic::Delivery).selects(seen.selection(&held)).finding())
}

/// Clients that accept compression get no answer until they leave, while others are answered at once.
fn unanswered(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let accepts = |record: &CloseRecord| record.handshake.accepts_coding;
    let is_late = |record: &CloseRecord| record.handshake.seconds >= LATE;
    let left: Vec<&CloseRecord> = seen.given_up.iter().copied().filter(|record| is_late(record)).collect();
    let (waiting, others): (Vec<&CloseRecord>, Vec<&CloseRecord>) =
        left.into_iter().partition(|it| accepts(it));
    let answered = seen.ends_where(|record| accepts(record) && !is_late(record)).len();
    let live = seen.ends_where(|record| !accepts(record) && !is_late(record) && is_live(record));
    let is_contrast = live.len() >= COMPARED_MIN && others.len() * 10 <= live.len();
    if waiting.len() < ENDS_MIN || answered * 10 > waiting.len() || !is_contrast {
        return None;
    }
    let waited = median(waiting.iter().map(|record| record.handshake.seconds));
    let answer = median(live.iter().map(|record| record.handshake.seconds));
    let decisive = Said::new("no_head_for_many").with("count", waiting.len()).seconds("seconds", waited);
    let claim = Claim::of(cause, Place::UpstreamLeg, decisive)
        .corroborated(Said::new("others_answered").with("count", live.len()).seconds("seconds", answer))
        .noted(Said::new("hop_or_service"))
        .unless(Said::new("other_streams"))
        .next(Said::new("run_diagnose"))
        .fix_by(Said::new("exclude"), Said::new("nginx"))
        .fix(Said::new("flush"));
    let connections = (waiting.len() as f64 * seen.weight).round() as u64;
    let affected = Affected { connections, share_of_closes: None };
    let concerning = claim.concerns(seen.route.clone(), seen.since(&waiting), affected);
    Some(concerning.about(Topic::Openings).selects(seen.selection(&waiting)).finding())
}

fn facts(record: &CloseRecord) -> Option<&EventStreamFacts> {
    record.event_stream.as_deref()
}

/// From the request to the end, seconds.
fn lived(record: &CloseRecord) -> f64 {
    record.handshake.seconds + record.duration_seconds
}

/// Reads a second.
fn pace(record: &CloseRecord) -> Option<f64> {
    Some(facts(record)?.reads as f64 / lived(record))
}

/// Its events come one by one.
fn is_live(record: &CloseRecord) -> bool {
    record.events_per_read.is_some_and(|events| events.mean < BATCH / 2.0)
}

/// Its compression is one whose flushes can be seen.
fn shows_flushes(record: &CloseRecord) -> bool {
    let of_deflate = ["gzip", "x-gzip", "deflate"];
    coding(record).is_some_and(|coding| of_deflate.iter().any(|it| coding.eq_ignore_ascii_case(it)))
}

/// Flushes of its compression can be seen, and there is hardly any.
fn is_unflushed(record: &CloseRecord) -> bool {
    let are_few = |facts: &EventStreamFacts| facts.flushed_reads * 4 < facts.reads;
    shows_flushes(record) && facts(record).is_some_and(are_few)
}

/// The compressor was given something, for it has begun, and nothing of that came.
fn is_head_alone(record: &CloseRecord) -> bool {
    let has_begun = facts(record).is_some_and(|facts| facts.reads > 0);
    shows_flushes(record) && has_begun && record.bytes.server_to_client <= HEAD_BYTES
}

/// The head came late, and the body with it, to its end.
fn is_late_whole(record: &CloseRecord) -> bool {
    let is_complete = record.causes.first().is_some_and(|first| first.what == What::BodyEnd);
    let came = facts(record).is_some_and(|facts| facts.reads > 0);
    is_complete && came && record.handshake.seconds >= LATE && record.duration_seconds <= AT_ONCE
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
    use model::record::EventsPerRead;
    use model::{HandshakeResult, Leg, Protocol, Reason};

    use super::*;
    use crate::population::tests::{Made, end, failed, judged, random, told_of};

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

    /// A client that left after so many seconds without an answer.
    fn gave_up(number: u64, seconds: f64, accepts: bool) -> Made {
        failed(number, HandshakeResult::ClientAborted, seconds, "")
            .lived(100.0 * random(number), 0.0, 0.0)
            .with(|record| {
                record.protocol = Protocol::Sse;
                record.handshake.accepts_coding = accepts;
            })
    }

    #[test]
    fn an_answer_that_comes_when_it_is_complete() {
        let whole = |number: u64| {
            coded(number, "gzip", 1, 0, 400).lived(100.0 * random(number), 0.01, 0.01).with(|record| {
                record.handshake.seconds = 2.0 + 3.0 * random(number + 1);
                record.causes[0].what = What::BodyEnd;
                record.causes[0].leg = Some(Leg::Upstream);
            })
        };
        let live = || (100..110).map(|number| plain(number, 50, 1.0));
        let gzip = || (0..20).map(whole);
        assert_eq!(told_of(ID, gzip().chain(live())), Some((Level::High, Place::UpstreamLeg)));
        assert_eq!(told_of(ID, gzip()).map(|told| told.0), Some(Level::Medium), "or without compression too");
        let br = gzip().map(|made| {
            made.with(|record| record.event_stream.as_mut().expect("there are").coding = Some("br".into()))
        });
        assert_eq!(
            told_of(ID, br).map(|told| told.0),
            Some(Level::Medium),
            "of a coding that shows no flushes"
        );
        let quick = gzip().map(|made| made.with(|record| record.handshake.seconds = 0.01));
        assert_eq!(told_of(ID, quick), None, "short answers");
    }

    #[test]
    fn clients_that_accept_compression_and_get_no_answer() {
        let live = || (100..110).map(|number| plain(number, 50, 1.0));
        let left =
            |accepts| (0..20).map(move |number| gave_up(number, 3.0 + 5.0 * random(number + 1), accepts));
        assert_eq!(told_of(ID, left(true).chain(live())), Some((Level::Medium, Place::UpstreamLeg)));
        assert_eq!(told_of(ID, left(true)), None, "nothing to compare with");
        assert_eq!(told_of(ID, left(false).chain(live())), None, "they asked for no compression");
        let some_are_served = (200..210).map(|number| {
            coded(number, "gzip", 50, 49, 3000).with(|record| record.handshake.accepts_coding = true)
        });
        assert_eq!(told_of(ID, left(true).chain(live()).chain(some_are_served)), None);
        let at_once = (0..20).map(|number| gave_up(number, 0.2, true));
        assert_eq!(told_of(ID, at_once.chain(live())), None, "they left at once");
    }

    #[test]
    fn what_is_compressed_is_not_called_malformed() {
        let found = judged((0..20).map(|number| coded(number, "gzip", 50, 50, 9000)));
        assert!(found.iter().all(|finding| finding.id != "sse-malformed-framing"), "{found:?}");
    }
}
