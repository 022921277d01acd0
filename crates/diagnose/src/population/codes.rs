//! What words that end connections mean: Close codes and statuses, whose sender owns the reason.

use std::collections::BTreeMap;

use model::event::CloseCode;
use model::finding::{Finding, Place, Said};
use model::heartbeat::Heartbeat;
use model::record::CloseRecord;
use model::{Initiator, Protocol};

use super::{Clock, ENDS_MIN, Population, code};
use crate::cause::Cause;
use crate::claim::Claim;

/// Least number of ends with a code that says what is wrong.
const COUNT_MIN: usize = 3;
/// Least share of the ends for codes that say nothing by themselves.
const SHARE_MIN: f64 = 0.3;
/// Codes that say, at a certain age, that credentials are over.
const TIMED: [u16; 6] = super::timed::CREDENTIAL_CODES;
/// Youngest age that is no handler that ends at once, seconds.
const AT_ONCE: f64 = 1.0;

/// The findings of codes that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    if seen.protocol != Protocol::WebSocket {
        return Vec::new();
    }
    let mut groups: BTreeMap<(Initiator, u16), Vec<&CloseRecord>> = BTreeMap::new();
    for record in &seen.ends {
        let Some(initiator) = record.initiator else { continue };
        if let Some(code) = code(record, initiator) {
            groups.entry((initiator, code)).or_default().push(record);
        }
    }
    let decided = groups
        .into_iter()
        .filter(|((initiator, code), ends)| decided(seen, *initiator, *code, ends) == Some(cause.id));
    decided.map(|((initiator, code), ends)| told(cause, seen, initiator, code, &ends)).collect()
}

/// Which cause a code is, when its ends are enough to say so.
fn decided(
    seen: &Population<'_>,
    initiator: Initiator,
    code: u16,
    ends: &[&CloseRecord],
) -> Option<&'static str> {
    let share = ends.len() as f64 / seen.connections().max(1) as f64;
    let is_clump = seen
        .clumps()
        .iter()
        .any(|clump| clump.code == Some(code) && clump.ends.len() * 2 > ends.len() && !clump.is_of_one_age);
    let is_timed = seen.timers().iter().any(|timer| {
        timer.code == Some(code) && timer.manner.initiator == initiator && timer.clock != Clock::Either
    });
    let at_once = ends.iter().filter(|record| record.duration_seconds < AT_ONCE).count();
    let is_at_once = ends.len() >= ENDS_MIN && at_once * 10 >= ends.len() * 9;
    // A ping timeout that python's websockets, and others, tell as an internal error.
    let unanswered = ends.iter().filter(|record| has_unanswered(record, initiator)).count();
    let is_ping_timeout = unanswered * 2 > ends.len() && ends.len() >= COUNT_MIN;
    match code {
        1001 | 1002 | 1006 | 1008 | 1011 | 3000..=4999 if is_ping_timeout => match initiator {
            Initiator::Upstream if seen.dead_paths().len() * 2 > ends.len() => None,
            Initiator::Upstream => Some("server-ping-timeout-client-silent"),
            _ => Some("event-loop-block-late-pong"),
        },
        1009 if ends.len() >= COUNT_MIN => Some("message-too-big-1009"),
        1007 if ends.len() >= COUNT_MIN => Some("invalid-utf8-1007"),
        1002 if ends.len() >= COUNT_MIN => Some("frame-protocol-error-1002-rsv-deflate"),
        _ if is_clump => None,
        1008 | 4001 | 4003 | 4401 | 4403 if is_at_once => Some("ws-auth-401"),
        1011..=1013 if ends.len() >= COUNT_MIN => Some("server-exception-1011-or-overload-1012-1013"),
        1000 | 1005 if is_at_once && initiator == Initiator::Upstream && share >= SHARE_MIN => {
            Some("handler-exits-early")
        }
        // A service that ends its own connections in an orderly way says all there is to say.
        1000 | 1001 | 1005 => None,
        _ if is_timed && TIMED.contains(&code) => None,
        _ if ends.len() >= ENDS_MIN && share >= SHARE_MIN => Some("unexplained-codes"),
        _ => None,
    }
}

/// Whether Pings were not answered: those of the side that ended it, as far as the gateway can tell whose they were.
fn has_unanswered(record: &CloseRecord, initiator: Initiator) -> bool {
    let missed =
        |heartbeat: &Option<Heartbeat>| heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.missed > 0);
    match initiator {
        Initiator::Upstream => missed(&record.heartbeat.client),
        _ => missed(&record.heartbeat.upstream),
    }
}

fn told(
    cause: &'static Cause,
    seen: &Population<'_>,
    initiator: Initiator,
    code: u16,
    ends: &[&CloseRecord],
) -> Finding {
    let sender = if initiator == Initiator::Client { "client" } else { "upstream" };
    let place = if initiator == Initiator::Client { Place::Client } else { Place::Upstream };
    let share = ends.len() as f64 / seen.ends.len().max(1) as f64;
    let counted = |said| {
        Said::new(said).with("count", ends.len()).with("code", code).with("leg", sender).share("share", share)
    };
    let unanswered = ends.iter().filter(|record| has_unanswered(record, initiator)).count();
    let is_about_pings =
        matches!(cause.id, "server-ping-timeout-client-silent" | "event-loop-block-late-pong");
    let place = match cause.id {
        "server-ping-timeout-client-silent" => Place::Client,
        "event-loop-block-late-pong" => Place::Upstream,
        _ => place,
    };
    let mut claim = Claim::of(cause, place, counted("ended_by_code"));
    if is_about_pings {
        claim = claim.corroborated(Said::new("pings_unanswered").with("count", unanswered));
    }
    let is_registered = !matches!(code, 3000..=4999) && CloseCode(code).is_sendable();
    if is_registered {
        claim = claim.corroborated(Said::new("code_is_registered").with("code", code).with("leg", sender));
    } else {
        claim = claim
            .unless(Said::new("own_meaning").with("code", code))
            .next(Said::new("look_up_code").with("code", code));
    }
    let young = ends.iter().filter(|record| record.duration_seconds < AT_ONCE).count();
    if young * 10 >= ends.len() * 9 {
        claim = claim.corroborated(Said::new("ended_at_once").with("count", young));
    }
    claim
        .titled(counted("title_code"))
        .fix(Said::new("ask_sender").with("leg", sender).with("code", code))
        .concerns(seen.route.clone(), seen.since(ends), seen.affected(ends))
        .selects(seen.selection(ends))
        .finding()
}
