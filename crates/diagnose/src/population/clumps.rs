//! Many ends at one moment: a process that went, a proxy that was reloaded.

use std::sync::Arc;

use model::record::CloseRecord;
use model::{HandshakeResult, Initiator, WallTime};

use super::timers::{code, common, is_one_moment};
use super::{Manner, Population, Told, between};

/// Ends within so many seconds are at one moment.
const MOMENT: f64 = 5.0;
/// Least part of an upstream's connections that ends with it.
const SHARE_MIN: f64 = 0.3;
/// How many times more ends a second than at other times.
const DENSER: f64 = 5.0;
/// So long after the moment it is seen who comes back and who cannot, and so long before it is seen what was told.
const AFTER: f64 = 30.0;
const BEFORE: f64 = 120.0;

/// Ends at one moment.
#[derive(Debug)]
pub struct Clump<'a> {
    /// The upstream that they were at; none when they were at several.
    pub upstream: Option<Arc<str>>,
    /// Who ended most of them, and how.
    pub manner: Manner,
    /// The code that most of them have.
    pub code: Option<u16>,
    /// The ends, oldest first.
    pub ends: Vec<&'a CloseRecord>,
    /// Their part of the connections that were there.
    pub share: f64,
    /// From the first to the last, seconds.
    pub seconds: f64,
    /// When the first one ended.
    pub at: WallTime,
    /// Attempts that found nobody there soon after.
    pub refused_after: usize,
    /// Connections that were established there soon after.
    pub opened_after: usize,
    /// Of these, reconnects of clients that were there before.
    pub back_after: usize,
    /// What people told shortly before or at the moment.
    pub told: Option<&'a Told>,
    /// The upstream's process was started about then, as this machine tells; none when it tells nothing.
    pub is_new_process: Option<bool>,
    /// The connections were of the same age: opened together, they end together by any timer.
    pub is_of_one_age: bool,
}

impl<'a> Population<'a> {
    /// The largest clump of each upstream, or of all when several have theirs at the same moment.
    pub fn clumps(&self) -> &[Clump<'a>] {
        self.known.clumps.get_or_init(|| self.find_clumps())
    }

    fn find_clumps(&self) -> Vec<Clump<'a>> {
        let upstreams = self.upstreams();
        let by = |initiator, upstream: Option<&Arc<str>>| {
            self.ends_where(|record| {
                record.initiator == Some(initiator)
                    && upstream.is_none_or(|is| record.upstream.as_ref() == Some(is))
            })
        };
        let mut found = Vec::new();
        for initiator in [Initiator::Upstream, Initiator::Client] {
            let several = self.clump(&by(initiator, None), MOMENT, self.connections(), SHARE_MIN);
            let several =
                several.filter(|ends| upstreams_of(ends) > 1 && upstreams.len() > 1 && self.is_dense(ends));
            if let Some(ends) = several {
                found.extend(self.of_clump(None, ends, self.connections()));
                continue;
            }
            for (upstream, connections) in &upstreams {
                let ends = self.clump(&by(initiator, Some(upstream)), MOMENT, *connections, SHARE_MIN);
                let ends = ends.filter(|ends| self.is_dense(ends));
                found.extend(ends.and_then(|ends| self.of_clump(Some(upstream), ends, *connections)));
            }
        }
        found
    }

    /// Whether so many end at no other time: where connections are short, many end at any moment.
    fn is_dense(&self, ends: &[&CloseRecord]) -> bool {
        let (Some(first), Some(last)) = (ends.first(), ends.last()) else { return false };
        let others = self.ends.iter().chain(&self.orderly);
        let is_other = |at: WallTime| at < first.closed_at || at > last.closed_at;
        let outside: Vec<WallTime> =
            others.map(|record| record.closed_at).filter(|at| is_other(*at)).collect();
        let inside = ends.len() as f64 / between(first.closed_at, last.closed_at).max(0.5);
        let began = outside.iter().copied().min().unwrap_or(self.now);
        let around = (between(began, self.now) - MOMENT).max(MOMENT);
        inside >= DENSER * outside.len() as f64 / around
    }

    fn of_clump(
        &self,
        upstream: Option<&Arc<str>>,
        ends: Vec<&'a CloseRecord>,
        of: usize,
    ) -> Option<Clump<'a>> {
        let (first, last) = (ends.first()?.closed_at, ends.last()?.closed_at);
        let is_soon = |at: WallTime| at >= first && between(first, at) <= AFTER;
        let is_there = |at: Option<&Arc<str>>| upstream.is_none_or(|upstream| at == Some(upstream));
        let is_refused = |record: &&&CloseRecord| {
            record.handshake.result == HandshakeResult::Unreachable && is_soon(record.closed_at)
        };
        let closed = self.ends.iter().chain(&self.orderly);
        let reopened =
            closed.filter(|record| is_soon(record.opened_at) && is_there(record.upstream.as_ref()));
        let open = self.open.iter().filter(|open| is_soon(open.opened_at) && is_there(Some(&open.upstream)));
        let manner = common(ends.iter().map(|record| Manner::of(record)))?;
        let (youngest, oldest) = ends.iter().fold((f64::MAX, 0.0_f64), |(low, high), record| {
            (low.min(record.duration_seconds), high.max(record.duration_seconds))
        });
        Some(Clump {
            upstream: upstream.cloned(),
            manner,
            code: common(ends.iter().map(|record| code(record, manner.initiator))),
            share: (ends.len() as f64 / of.max(1) as f64).min(1.0),
            seconds: between(first, last),
            at: first,
            refused_after: self.failed.iter().filter(is_refused).count(),
            back_after: reopened.clone().filter(|record| record.reconnect.is_some()).count()
                + open.clone().filter(|open| open.reconnect.is_some()).count(),
            opened_after: reopened.count() + open.count(),
            told: self.told.iter().rev().find(|told| is_about(told.at, first)),
            is_new_process: upstream.and_then(|upstream| self.is_new_process(upstream, first)),
            is_of_one_age: (oldest - youngest <= (0.1 * oldest).max(0.3) && !is_one_moment(&ends))
                || !is_nearer(&ends),
            ends,
        })
    }

    /// Whether the process that serves this upstream was started about that moment.
    fn is_new_process(&self, upstream: &str, at: WallTime) -> Option<bool> {
        let facts = self.host?.upstreams.iter().find(|facts| *facts.upstream == *upstream)?;
        let started = facts.process.as_ref()?.usage.start_time_seconds?;
        Some(started > at.as_secs_f64() - MOMENT)
    }
}

/// Whether most ends are nearer to each other than the openings were: what was opened within a moment ends within one by
/// its age, or by its work.
fn is_nearer(ends: &[&CloseRecord]) -> bool {
    let spread = |at: fn(&CloseRecord) -> WallTime| {
        let mut times: Vec<WallTime> = ends.iter().map(|record| at(record)).collect();
        times.sort_unstable();
        let tenth = times.len() / 10;
        times
            .get(tenth)
            .zip(times.get(times.len() - 1 - tenth))
            .map_or(0.0, |(low, high)| between(*low, *high))
    };
    2.0 * spread(|record| record.closed_at) < spread(|record| record.opened_at)
}

fn is_about(told: WallTime, at: WallTime) -> bool {
    between(told, at) <= BEFORE && between(at, told) <= AFTER
}

fn upstreams_of(ends: &[&CloseRecord]) -> usize {
    let mut names: Vec<&str> = ends.iter().filter_map(|record| record.upstream.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

#[cfg(test)]
mod tests {
    use model::Leg;
    use model::Reason;
    use model::record::What;

    use crate::population::tests::{end, random, told_of};

    #[test]
    fn what_was_opened_within_a_moment_ends_within_one_by_itself() {
        let ends = |opened: f64| {
            (0..40).map(move |number| {
                let closed = 10.0 + 4.0 * random(number);
                let age = (20.0 + opened * random(number + 50)) - closed;
                end(number).lived(closed, age, age * random(number + 99)).by(
                    Leg::Upstream,
                    What::Fin,
                    Reason::Abnormal,
                )
            })
        };
        assert!(told_of("server-crash-or-oom", ends(100.0)).is_some());
        assert_eq!(told_of("server-crash-or-oom", ends(4.0)), None);
    }
}
