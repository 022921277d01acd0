//! The answer of an examination: all causes are asked, then what another finding explains is dropped, and the rest is
//! ordered.

use std::ops::RangeInclusive;

use model::finding::{Finding, Level, Severity};
pub use model::probe::Outcome;

use crate::cause::Signs;
use crate::causes;
use crate::examination::Examination;

/// Causes that say only how an opening failed. They speak when no cause says why.
const GENERAL: [&str; 6] = [
    "connections-limited",
    "handshake-refused",
    "handshake-invalid",
    "intermittent-handshake",
    "tls-failed",
    "not-the-protocol",
];

/// Causes that say only how a stream ended or failed. They speak when no cause says why.
const GENERAL_STREAM: [&str; 8] = [
    "closed-early",
    "cut-after-bytes",
    "echo-altered",
    "ends-unexplained",
    "message-size-limit",
    "messages-lost",
    "stream-deviates",
    "stream-stalls",
];

/// Causes by number that are about what comes after the opening, and so say nothing of how that failed: drops,
/// delay, loss, events that are held or cut, and calls that end.
const AFTER_OPENING: [RangeInclusive<u16>; 6] =
    [200..=499, 601..=603, 605..=608, 701..=705, 709..=710, 951..=960];

/// A cause, and what is a symptom of it.
const EXPLAINS: [(&str, &[&str]); 9] = [
    ("accept-queue-overflow", &["upstream-handshake-hang-504"]),
    ("cut-after-bytes", &["ends-unexplained"]),
    ("event-loop-stall-or-gc-pause", &["server-processing-slow"]),
    (
        "grpc-deadline-on-stream",
        &["grpc-proxy-read-timeout", "http-server-timeout-applied-to-stream", "max-lifetime"],
    ),
    ("mtu-blackhole", &["nat-or-firewall-silent-drop", "packet-loss-retransmission"]),
    ("protocol-version-mismatch", &["handler-exits-early"]),
    ("sse-gzip-buffering", &["sse-proxy-buffering"]),
    ("sse-idle-cut-no-comment-heartbeat", &["idle-timeout-l7-proxy"]),
    ("ws-auth-401", &["handler-exits-early", "token-expiry-close"]),
];

/// What an examination comes to, with its findings: surest first, and those that only inform behind the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// In one word.
    pub outcome: Outcome,
    /// Why.
    pub findings: Vec<Finding>,
}

/// Asks all causes.
pub fn verdict(seen: &Examination) -> Verdict {
    let seen = &seen.settled();
    let mut findings: Vec<Finding> = causes::ALL
        .iter()
        .filter_map(|cause| match &cause.signs {
            Signs::Seen { probe: Some(probe), .. } => probe(seen),
            _ => None,
        })
        .collect();
    drop_explained(&mut findings);
    findings.sort_by(|a, b| is_note(a).cmp(&is_note(b)).then(b.confidence.total_cmp(&a.confidence)));
    let outcome = match seen.plain() {
        None => Outcome::CouldNotTest,
        Some(_) if findings.iter().any(is_sure) => Outcome::Problem,
        Some(plain) if plain.is_open() && !seen.is_cut && findings.iter().all(is_note) => Outcome::Healthy,
        Some(_) => Outcome::Inconclusive,
    };
    Verdict { outcome, findings }
}

/// Drops what another finding explains.
fn drop_explained(findings: &mut Vec<Finding>) {
    let sure: Vec<String> =
        findings.iter().filter(|finding| is_sure(finding)).map(|finding| finding.id.to_string()).collect();
    let is_general = |id: &str| GENERAL.contains(&id);
    let says_why = sure.iter().any(|id| !is_general(id) && is_about_opening(id));
    let is_general_stream = |id: &str| GENERAL_STREAM.contains(&id);
    let says_why_later = sure.iter().any(|id| !is_general_stream(id) && !is_about_opening(id));
    let symptoms: Vec<&str> = EXPLAINS
        .iter()
        .filter(|(cause, _)| sure.iter().any(|id| id == cause))
        .flat_map(|(_, symptoms)| symptoms.iter().copied())
        .collect();
    findings.retain(|finding| {
        let id = finding.id.as_ref();
        let is_explained = symptoms.contains(&id)
            || (says_why && is_general(id))
            || (says_why_later && is_general_stream(id));
        !is_explained
    });
}

/// It says that something is wrong, and is likely.
fn is_sure(finding: &Finding) -> bool {
    !is_note(finding) && matches!(finding.level, Level::High | Level::Medium)
}

/// It only informs: nothing is wrong.
fn is_note(finding: &Finding) -> bool {
    finding.severity == Severity::Info
}

/// Whether a cause, by its name, is about how an opening failed.
pub fn is_about_opening(id: &str) -> bool {
    causes::by_id(id)
        .is_some_and(|cause| !AFTER_OPENING.iter().any(|numbers| numbers.contains(&cause.number)))
}

#[cfg(test)]
mod tests;
