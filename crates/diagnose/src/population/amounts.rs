//! Ends after the same number of messages or bytes, at whatever age that is reached.

use model::finding::{Finding, Place, Said};
use model::record::{CloseRecord, What};
use model::{Direction, Initiator, Protocol, Word as _};

use super::tenths::Tenths;
use super::{ENDS_MIN, Manner, Population, common};
use crate::cause::Cause;
use crate::claim::Claim;

/// Least part of the ends that have the number in common.
const ALIKE_MIN: f64 = 0.8;
/// Messages that are counted, at least.
const MESSAGES_MIN: u64 = 3;
/// Bytes that are counted, at least, and how far what is cut at a number of bytes may be from it: by what was on its way.
const BYTES_MIN: f64 = 4096.0;
const BYTES_SPREAD: f64 = 0.03;
/// Ages that differ by so much of their median are no lifetime.
const AGES_DIFFER: f64 = 0.3;

/// The finding of ends that something else than time decides, when that is this cause.
pub fn finding(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let Counted { said, ends, is_by_messages } = counted(seen)?;
    let Tenths { low, high, .. } = ages(&ends);
    let longer = seen.open.iter().filter(|open| open.age_seconds > high).count();
    let (place, other) = match is_by_messages {
        true => (Place::Upstream, "maybe_bytes"),
        false => (Place::UpstreamLeg, "maybe_service"),
    };
    let decisive = said.with("count", ends.len()).seconds("low", low).seconds("high", high);
    let claim = Claim::of(cause, place, decisive)
        .corroborated(Said::new("ages_differ_only"))
        .noted((longer > 0).then(|| Said::new("others_older").with("count", longer)))
        .unless(Said::new(other))
        .next(Said::new("find_counter"))
        .fix(Said::new("find"));
    let told = claim.concerns(seen.route.clone(), seen.since(&ends), seen.affected(&ends));
    Some(told.selects(seen.selection(&ends)).finding())
}

/// Ends after the same number of messages or bytes.
#[derive(Debug)]
pub struct Counted<'a> {
    said: Said,
    ends: Vec<&'a CloseRecord>,
    is_by_messages: bool,
}

/// The ends that the upstream side made, when it counted.
pub fn counted<'a>(seen: &Population<'a>) -> Option<Counted<'a>> {
    let ends = seen.ends_where(is_cut);
    if ends.len() < ENDS_MIN || ages(&ends).spread() < AGES_DIFFER {
        return None;
    }
    let after_messages = messages(&ends).map(|(direction, messages)| {
        Said::new("ended_after_messages")
            .with("messages", messages)
            .with("leg", direction.sender().to_string())
    });
    // Frames of WebSocket that clients send are counted by `ends-unexplained`, which knows no other explanation then.
    let is_told = seen.protocol == Protocol::WebSocket
        && messages(&ends).is_some_and(|(direction, _)| direction == Direction::ClientToServer);
    let is_by_messages = after_messages.is_some();
    let after_bytes = || {
        bytes(&ends).map(|(direction, bytes)| {
            Said::new("ended_after_bytes").bytes("bytes", bytes).with("leg", direction.sender().to_string())
        })
    };
    let said = after_messages.or_else(after_bytes).filter(|_| !is_told)?;
    Some(Counted { said, ends, is_by_messages })
}

fn ages(ends: &[&CloseRecord]) -> Tenths {
    Tenths::of(ends.iter().map(|record| record.duration_seconds))
}

/// The upstream side ended it before it was done: without a word, or by a reset.
fn is_cut(record: &CloseRecord) -> bool {
    let is_reset = record.causes.first().is_some_and(|first| first.what == What::RstStream);
    let is_cut = |manner: Manner| manner.initiator == Initiator::Upstream && (!manner.is_told || is_reset);
    Manner::of(record).is_some_and(is_cut)
}

/// The number of messages of one direction after which nearly all ended; one more may have been on its way.
pub fn messages(ends: &[&CloseRecord]) -> Option<(Direction, u64)> {
    let alike = |direction: Direction| {
        let most = common(ends.iter().map(|record| Some(record.messages[direction])))?;
        let alike = ends.iter().filter(|record| record.messages[direction].abs_diff(most) <= 1).count();
        let is_alike = most >= MESSAGES_MIN && alike as f64 >= ALIKE_MIN * ends.len() as f64;
        is_alike.then_some((direction, most))
    };
    Direction::ALL.iter().find_map(|direction| alike(*direction))
}

fn bytes(ends: &[&CloseRecord]) -> Option<(Direction, u64)> {
    let alike = |direction: Direction| {
        let of = |record: &&CloseRecord| record.bytes[direction] as f64;
        let tenths = Tenths::of(ends.iter().map(of));
        let is_alike = tenths.median >= BYTES_MIN && tenths.spread() <= BYTES_SPREAD;
        is_alike.then_some((direction, tenths.median as u64))
    };
    Direction::ALL.iter().find_map(|direction| alike(*direction))
}
