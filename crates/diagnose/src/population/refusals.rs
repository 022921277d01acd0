//! What failed handshakes mean: by outcome and status, and where they fall together.

use std::collections::BTreeMap;

use model::finding::{Affected, Finding, Place, Said, Topic};
use model::record::CloseRecord;
use model::{HandshakeResult, Protocol};

use super::{Ceiling, ENDS_MIN, Population, spike};
use crate::cause::Cause;
use crate::claim::Claim;

/// Least share of the attempts of the window.
const SHARE_MIN: f64 = 0.1;

/// The findings of failed handshakes that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(HandshakeResult, Option<u16>), Vec<&CloseRecord>> = BTreeMap::new();
    for record in seen.failed.iter().filter(|record| seen.told_by_machine(record).is_none()) {
        // What an upstream that could not be reached was told to the client says nothing of it.
        let status = record.handshake.status.filter(|_| {
            !matches!(record.handshake.result, HandshakeResult::Unreachable | HandshakeResult::Timeout)
        });
        groups.entry((record.handshake.result, status)).or_default().push(record);
    }
    let attempts = seen.failed.len() + seen.connections();
    groups
        .into_iter()
        .filter(|(_, failed)| failed.len() >= ENDS_MIN && failed.len() as f64 >= SHARE_MIN * attempts as f64)
        .filter(|((result, status), failed)| decided(seen, *result, *status, failed) == cause.id)
        .map(|((_, status), failed)| told(cause, seen, status, &failed, attempts))
        .collect()
}

/// Longest time to a refusal, seconds: what takes longer was not refused but not answered.
const AT_ONCE: f64 = 0.5;

/// Which cause an outcome is.
fn decided(
    seen: &Population<'_>,
    result: HandshakeResult,
    status: Option<u16>,
    failed: &[&CloseRecord],
) -> &'static str {
    use HandshakeResult::*;
    let slow = failed.iter().filter(|record| record.handshake.seconds > AT_ONCE).count();
    let is_slow = slow * 2 > failed.len();
    let is_timed = spike(failed.iter().map(|record| record.handshake.seconds)).is_some();
    // Some are served all the while.
    let is_served = !seen.open.is_empty();
    let is_at_ceiling = || !is_slow && seen.ceiling(failed).is_some();
    match (result, status) {
        (Unreachable, _) if is_slow => "accept-queue-overflow",
        (Unreachable, _) => "upstream-down-502-503",
        (Timeout, _) if is_served && seen.protocol == Protocol::Sse => "sse-worker-pool-exhaustion",
        (Timeout, _) => "upstream-handshake-hang-504",
        (_, Some(503)) if is_timed => "upstream-queue-timeout-503",
        (_, Some(429)) => "edge-rate-limit-or-ban",
        (_, Some(503)) if is_at_ceiling() => "edge-rate-limit-or-ban",
        (_, Some(500)) if is_at_ceiling() => "fd-limit-proxy",
        (_, Some(401 | 407)) => "ws-auth-401",
        // What was sent to it does ask for an upgrade (RFC 9110, section 15.5.22).
        (_, Some(426)) if seen.protocol == Protocol::WebSocket => "ws-upgrade-stripped",
        (_, Some(301..=308)) => "ws-handshake-redirect",
        (NotEventStream, _) => "sse-wrong-content-type-or-status",
        (NotUpgraded, Some(200)) => "ws-handshake-200-html",
        (InvalidUpgrade, _) => "handshake-invalid",
        _ => "handshakes-fail",
    }
}

fn told<'a>(
    cause: &'static Cause,
    seen: &Population<'a>,
    status: Option<u16>,
    failed: &[&'a CloseRecord],
    attempts: usize,
) -> Finding {
    let share = failed.len() as f64 / attempts.max(1) as f64;
    let decisive =
        Said::new("attempts_failed").with("count", failed.len()).with("all", attempts).share("share", share);
    let ceiling = seen.ceiling(failed).filter(|_| matches!(status, Some(500 | 503)));
    let is_on_the_way =
        matches!(cause.id, "upstream-down-502-503" | "ws-upgrade-stripped") || ceiling.is_some();
    let place = if is_on_the_way { Place::UpstreamLeg } else { Place::Upstream };
    let mut claim = Claim::of(cause, place, decisive);
    if let Some(status) = status {
        claim = claim.corroborated(Said::new("all_answered").with("status", status));
    }
    let mut details: BTreeMap<&str, usize> = BTreeMap::new();
    for detail in failed.iter().filter_map(|record| record.handshake.detail.as_deref()) {
        *details.entry(detail).or_default() += 1;
    }
    if let Some((detail, count)) = details.into_iter().max_by_key(|(_, count)| *count) {
        claim = claim.corroborated(Said::new("said_so").with("count", count).with("detail", detail));
    }
    for said in seen.mostly(failed) {
        claim = claim.noted(said);
    }
    if let Some(Ceiling { connections, let_in }) = ceiling {
        claim = claim
            .corroborated(Said::new("at_ceiling").with("connections", connections).with("let_in", let_in));
    }
    match cause.id {
        "edge-rate-limit-or-ban" if ceiling.is_some() => {
            claim = claim.unless(Said::new("capacity")).next(Said::new("second_address"));
        }
        "fd-limit-proxy" => {
            claim = claim
                .unless(Said::new("worker_connections"))
                .unless(Said::new("own_failure"))
                .next(Said::new("count_files"));
        }
        "handshakes-fail" => {
            claim = claim.suspected().unless(Said::new("as_meant")).next(Said::new("run_diagnose"));
        }
        "accept-queue-overflow" => {
            claim = claim.unless(Said::new("maybe_firewall")).next(Said::new("look_at_queue"));
        }
        "ws-upgrade-stripped" => {
            claim = claim.unless(Said::new("other_version")).next(Said::new("run_diagnose"));
        }
        "upstream-handshake-hang-504" => claim = claim.unless(Said::new("maybe_workers")),
        "sse-worker-pool-exhaustion" => {
            claim = claim
                .noted(Said::new("some_are_served").with("count", seen.open.len()))
                .unless(Said::new("maybe_hang"));
        }
        _ => {}
    }
    let affected =
        Affected { connections: (failed.len() as f64 * seen.weight).round() as u64, share_of_closes: None };
    let since = failed.iter().map(|record| record.closed_at).min().unwrap_or(seen.now);
    claim
        .titled(Said::new("title_opening").with("count", failed.len()).share("share", share))
        .fix(Said::new("mend_opening"))
        .concerns(seen.route.clone(), since, affected)
        .about(Topic::Openings)
        .selects(seen.selection(failed))
        .finding()
}
