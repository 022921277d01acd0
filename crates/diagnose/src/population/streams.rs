//! What event streams of many clients have in common: no event at all, clients that come back at once, batches,
//! compression that holds back, reconnects that lose what was made meanwhile.

mod compressed;
mod resume;

use model::Protocol;
use model::finding::{Affected, Finding, Place, Said, Topic};
use model::record::CloseRecord;

use super::{ENDS_MIN, Population};
use crate::cause::Cause;
use crate::claim::Claim;

/// Bytes that should have held an event.
const BYTES_MIN: u64 = 512;
/// Longest life, and longest time to the reconnect, of a stream whose clients storm, seconds.
const SHORT: f64 = 2.0;
const BACK: f64 = 1.0;
/// Streams that make a storm.
const STORM: usize = 40;
/// Events with each read that make batches.
const BATCH: f64 = 3.0;

/// The findings of event streams that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    if seen.protocol != Protocol::Sse {
        return Vec::new();
    }
    let found = match cause.id {
        "sse-malformed-framing" => unterminated(cause, seen),
        "sse-retry-storm" => storm(cause, seen),
        "sse-proxy-buffering" => batches(cause, seen),
        "sse-gzip-buffering" => compressed::found(cause, seen),
        "sse-no-resume" => resume::lost(cause, seen),
        _ => None,
    };
    found.into_iter().collect()
}

fn unterminated(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let is_so = |record: &CloseRecord| {
        // What is compressed is not looked into.
        coding(record).is_none()
            && record.messages.server_to_client == 0
            && record.bytes.server_to_client >= BYTES_MIN
    };
    let ends = seen.ends_where(is_so);
    if ends.len() < ENDS_MIN || ends.len() * 2 < seen.ends.len() {
        return None;
    }
    let bytes = ends.iter().map(|record| record.bytes.server_to_client).max().unwrap_or_default();
    let said = Said::new("unterminated").with("count", ends.len()).bytes("bytes", bytes);
    let share = Said::new("ended_share").share("share", ends.len() as f64 / seen.ends.len().max(1) as f64);
    Some(concerning(Claim::of(cause, Place::Upstream, said).corroborated(share), cause, seen, &ends))
}

fn storm(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    // An answer that is kept until it is complete has no life of its own, and took its time.
    let lived = |record: &CloseRecord| record.handshake.seconds + record.duration_seconds;
    let is_so = |record: &CloseRecord| {
        lived(record) < SHORT && record.reconnect.is_some_and(|reconnect| reconnect.interval_seconds < BACK)
    };
    let ends = seen.ends_where(is_so);
    if ends.len() < STORM || ends.len() * 2 < seen.ends.len() {
        return None;
    }
    let life = median(ends.iter().map(|record| lived(record)));
    let back = median(ends.iter().filter_map(|record| Some(record.reconnect?.interval_seconds)));
    let said =
        Said::new("short_and_back").with("count", ends.len()).seconds("seconds", life).seconds("back", back);
    let share = Said::new("ended_share").share("share", ends.len() as f64 / seen.ends.len().max(1) as f64);
    Some(concerning(Claim::of(cause, Place::Upstream, said).corroborated(share), cause, seen, &ends))
}

fn batches(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let all = seen.ends_where(|record| record.events_per_read.is_some());
    let ends = seen.ends_where(|record| record.events_per_read.is_some_and(|events| events.mean >= BATCH));
    if ends.len() < ENDS_MIN || ends.len() * 3 < all.len() * 2 {
        return None;
    }
    let mean = median(ends.iter().filter_map(|record| Some(record.events_per_read?.mean)));
    let said = Said::new("in_batches")
        .with("count", ends.len())
        .with("all", all.len())
        .with("mean", format!("{mean:.1}"));
    let claim = Claim::of(cause, Place::UpstreamLeg, said).unless(Said::new("maybe_other_batch"));
    Some(concerning(claim.next(Said::new("run_diagnose")), cause, seen, &ends))
}

fn concerning(claim: Claim, cause: &Cause, seen: &Population<'_>, ends: &[&CloseRecord]) -> Finding {
    let affected = Affected { share_of_closes: None, ..seen.affected(ends) };
    let fixed = claim.fix(Said::new("see_manual").with("id", cause.id));
    let concerning = fixed.concerns(seen.route.clone(), seen.since(ends), affected);
    let topic = if cause.id == "sse-retry-storm" { Topic::Ends } else { Topic::Delivery };
    concerning.about(topic).selects(seen.selection(ends)).finding()
}

/// How its body is coded, when it is.
fn coding(record: &CloseRecord) -> Option<&str> {
    record.event_stream.as_ref()?.coding.as_deref()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
