//! What machines say while openings fail: the gateway's own, and those of upstreams that have an exporter.

use model::HandshakeResult;
use model::finding::Place;
use model::host::{MachineFacts, ProcessFacts};
use model::record::CloseRecord;

use super::Population;

/// Part of a limit from which on it is reached.
const FULL: f64 = 0.95;
/// Longest time to a refusal, seconds: what takes longer waited.
const AT_ONCE: f64 = 0.5;
/// connect(2): no port, or no such source address (errno(3), Linux).
const EADDRNOTAVAIL: &str = "(os error 99)";

/// A machine beneath the connections.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// `heartline`, or the upstream's URL.
    pub whose: &'a str,
    /// Whose it is.
    pub place: Place,
    /// What it says.
    pub facts: &'a MachineFacts,
}

impl Population<'_> {
    /// The gateway's own machine and those of this route's upstreams, as far as they are known.
    pub fn machines(&self) -> impl Iterator<Item = Machine<'_>> {
        let own =
            self.host.map(|host| Machine { whose: "heartline", place: Place::Gateway, facts: &host.machine });
        let upstreams = self.host.into_iter().flat_map(|host| &host.upstreams);
        let others = upstreams.filter(|upstream| upstream.route == self.route).filter_map(|upstream| {
            let facts = upstream.exporter.as_ref()?.machine.as_ref()?;
            Some(Machine { whose: &upstream.upstream, place: Place::Upstream, facts })
        });
        own.into_iter().chain(others)
    }

    /// The upstreams on this machine whose process has hardly a file left.
    pub fn out_of_files(&self) -> impl Iterator<Item = (&str, ProcessFacts)> {
        let upstreams = self.host.into_iter().flat_map(|host| &host.upstreams);
        upstreams.filter(|upstream| upstream.route == self.route).filter_map(|upstream| {
            let usage = upstream.process.as_ref()?.usage;
            is_full(usage.open_fds?, usage.max_fds?).then_some((&*upstream.upstream, usage))
        })
    }

    /// The cause of a failed opening that a machine tells.
    pub fn told_by_machine(&self, record: &CloseRecord) -> Option<&'static str> {
        let result = record.handshake.result;
        let is_unreachable = result == HandshakeResult::Unreachable;
        let has_waited =
            result == HandshakeResult::Timeout || (is_unreachable && record.handshake.seconds > AT_ONCE);
        let is_there = |upstream: &str| record.upstream.as_deref().is_none_or(|at| at == upstream);
        if is_unreachable && record.handshake.detail.as_ref().is_some_and(|text| text.contains(EADDRNOTAVAIL))
        {
            return Some("ephemeral-port-exhaustion");
        }
        if has_waited && self.out_of_files().any(|(upstream, _)| is_there(upstream)) {
            return Some("fd-limit-app");
        }
        let is_tracked = is_unreachable && self.machines().any(|machine| has_full_conntrack(machine.facts));
        (has_waited && is_tracked).then_some("conntrack-table-full")
    }

    /// Failed openings of this cause.
    pub fn failed_by(&self, cause: &str) -> Vec<&CloseRecord> {
        self.failed.iter().copied().filter(|record| self.told_by_machine(record) == Some(cause)).collect()
    }
}

/// Whether a table of the firewall has hardly a place left.
pub fn has_full_conntrack(facts: &MachineFacts) -> bool {
    facts.conntrack.entries.zip(facts.conntrack.limit).is_some_and(|(entries, limit)| is_full(entries, limit))
}

fn is_full(used: u64, limit: u64) -> bool {
    limit > 0 && used as f64 >= FULL * limit as f64
}
