//! Many ends at one moment: a process that went, a proxy that was reloaded.

use std::sync::Arc;

use model::host::ListeningProcess;
use model::record::CloseRecord;
use model::{HandshakeResult, Initiator, WallTime};

use super::timers::{code, common, is_one_moment, spread};
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
/// Connections that end so soon after the last one of a clump may be of it, seconds.
const MARGIN: f64 = 0.5;
/// Greatest probability that those who lived on are the youngest by chance.
const CHANCE_MAX: f64 = 0.001;
/// An address at which nobody gets a connection for so long, seconds, while so many get one elsewhere, was away; one at
/// which so many get one within that time was there all along.
const AWAY: f64 = 0.5;
const MEANWHILE_MIN: usize = 5;
const THERE_MIN: usize = 3;
/// Answers of a hop that reaches nobody behind it (RFC 9110, sections 15.6.3 to 15.6.5), least number of them.
const UNREACHED: [u16; 3] = [502, 503, 504];
const UNREACHED_MIN: usize = 3;
/// So long after it, seconds, a moment is over: what ends with it has ended, and who comes back has tried.
const SETTLED: f64 = 3.0;
/// A process that takes no new connections for a while before it ends leaves no connection as young as this, seconds.
pub const YOUNG: f64 = 1.0;
/// What programs call themselves that pass connections on to others.
const PROXIES: [&str; 9] =
    ["nginx", "openresty", "angie", "haproxy", "envoy", "caddy", "traefik", "httpd", "apache2"];

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
    /// Connections that lived on, when they are the youngest and that is no chance: whoever ended the others had taken no
    /// new ones for a while. 0 when they are not.
    pub spared_youngest: usize,
    /// Age of the youngest that ended, seconds.
    pub youngest: f64,
    /// How long nobody got a connection there, seconds, and how many got one elsewhere meanwhile; none when it was not away.
    pub away: Option<(f64, usize)>,
    /// New connections were established there at once.
    pub is_there_throughout: bool,
    /// Attempts soon after to which a hop there answered that it reaches nobody, when there were none before.
    pub unreached_after: usize,
    /// The program that listens there, when it is known to be a proxy.
    pub proxy: Option<&'a str>,
    /// What people told shortly before or at the moment.
    pub told: Option<&'a Told>,
    /// The upstream's process was started about then, as this machine tells; none when it tells nothing.
    pub is_new_process: Option<bool>,
    /// It is over.
    pub is_settled: bool,
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
        let opened: Vec<WallTime> = reopened
            .clone()
            .map(|record| record.opened_at)
            .chain(open.clone().map(|open| open.opened_at))
            .collect();
        let at_once = opened.iter().filter(|at| between(first, **at) <= AWAY).count();
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
            opened_after: opened.len(),
            spared_youngest: self.spared_youngest(upstream, &ends),
            youngest,
            away: self.away(upstream, first, &opened),
            is_there_throughout: at_once >= THERE_MIN,
            unreached_after: self.unreached_after(first),
            proxy: upstream.and_then(|upstream| self.proxy_at(upstream)),
            told: self.told.iter().rev().find(|told| is_about(told.at, first)),
            is_new_process: upstream.and_then(|upstream| self.is_new_process(upstream, first)),
            is_settled: between(last, self.now) >= SETTLED,
            is_of_one_age: (oldest - youngest <= (0.1 * oldest).max(0.3) && !is_one_moment(&ends))
                || !is_nearer(&ends),
            ends,
        })
    }

    /// How many lived on that were opened before the moment, when all of them are younger than all that ended.
    fn spared_youngest(&self, upstream: Option<&Arc<str>>, ends: &[&CloseRecord]) -> usize {
        let (Some(first), Some(last)) = (ends.first(), ends.last()) else { return 0 };
        let is_there = |at: Option<&Arc<str>>| upstream.is_none_or(|upstream| at == Some(upstream));
        let closed = self.ends.iter().chain(&self.orderly).filter(|record| {
            is_there(record.upstream.as_ref())
                && record.closed_at > last.closed_at
                && between(last.closed_at, record.closed_at) > MARGIN
        });
        let open = self.open.iter().filter(|open| is_there(Some(&open.upstream)));
        let opened = closed.map(|record| record.opened_at).chain(open.map(|open| open.opened_at));
        let spared: Vec<WallTime> = opened.filter(|at| *at < first.closed_at).collect();
        let newest = ends.iter().map(|record| record.opened_at).max();
        let are_younger = spared.iter().min().copied() > newest;
        let is_chance = chance_of_youngest(spared.len(), ends.len()) > CHANCE_MAX;
        if are_younger && !is_chance { spared.len() } else { 0 }
    }

    /// Whether an address was away after a moment: how long, and how many were let in at others meanwhile.
    fn away(&self, upstream: Option<&Arc<str>>, at: WallTime, opened: &[WallTime]) -> Option<(f64, usize)> {
        let upstream = upstream?;
        let until = opened.iter().min().copied().unwrap_or(self.now);
        let is_meanwhile = |other: Option<&Arc<str>>, opened: WallTime| {
            other.is_some_and(|other| other != upstream) && opened > at && opened < until
        };
        let closed = self.ends.iter().chain(&self.orderly);
        let closed = closed.filter(|record| is_meanwhile(record.upstream.as_ref(), record.opened_at)).count();
        let open = self.open.iter().filter(|open| is_meanwhile(Some(&open.upstream), open.opened_at)).count();
        let seconds = between(at, until);
        (seconds >= AWAY && closed + open >= MEANWHILE_MIN).then_some((seconds, closed + open))
    }

    fn unreached_after(&self, at: WallTime) -> usize {
        let unreached = self.failed.iter().filter(|record| {
            record.handshake.result == HandshakeResult::ServerError
                && record.handshake.status.is_some_and(|status| UNREACHED.contains(&status))
        });
        let near = unreached.filter(|record| {
            between(at, record.closed_at) <= AFTER && between(record.closed_at, at) <= AFTER
        });
        let (all, before) =
            near.fold((0, 0), |(all, before), record| (all + 1, before + usize::from(record.closed_at < at)));
        if before == 0 && all >= UNREACHED_MIN { all } else { 0 }
    }

    fn process_at(&self, upstream: &str) -> Option<&'a ListeningProcess> {
        self.host?.upstreams.iter().find(|facts| *facts.upstream == *upstream)?.process.as_ref()
    }

    fn proxy_at(&self, upstream: &str) -> Option<&'a str> {
        let name = &*self.process_at(upstream)?.name;
        PROXIES.contains(&name).then_some(name)
    }

    /// Whether the process that serves this upstream was started about that moment.
    fn is_new_process(&self, upstream: &str, at: WallTime) -> Option<bool> {
        let started = self.process_at(upstream)?.usage.start_time_seconds?;
        Some(started > at.as_secs_f64() - MOMENT)
    }
}

/// Whether most ends are nearer to each other than the openings were: what was opened within a moment ends within one by
/// its age, or by its work.
fn is_nearer(ends: &[&CloseRecord]) -> bool {
    2.0 * spread(ends, |record| record.closed_at) < spread(ends, |record| record.opened_at)
}

/// The probability that a random choice of those who live on takes the youngest: one of all choices of so many.
fn chance_of_youngest(spared: usize, ended: usize) -> f64 {
    let part = |nth: usize| (spared - nth) as f64 / (spared + ended - nth) as f64;
    (0..spared).map(part).product()
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
    use model::finding::Level;
    use model::record::What;
    use model::{HandshakeResult, Leg, Reason};

    use crate::population::tests::{Made, end, evidence_of, failed, judged, random, told_of};

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

    /// Forty connections at one upstream, opened long before, that end within a moment half a minute ago.
    fn gone() -> impl Iterator<Item = Made> {
        (0..40).map(|number| {
            let age = 4.0 + 200.0 * random(number);
            let made =
                end(number).lived(MOMENT_AGO - 0.1 * random(number + 50), age, age * random(number + 99));
            made.by(Leg::Upstream, What::Fin, Reason::Abnormal)
        })
    }

    const MOMENT_AGO: f64 = 30.0;

    /// One that was opened so long before the moment, and whose client left later; less than nothing: after it.
    fn left(number: u64, before: f64) -> Made {
        let ago = 20.0 * random(number);
        end(number).lived(ago, MOMENT_AGO + before - ago, 0.2).close(Leg::Client, 1000)
    }

    fn told(others: impl Iterator<Item = Made>) -> Vec<(String, Level)> {
        const IDS: [&str; 4] =
            ["clump-of-closes", "proxy-reload-drain", "rolling-deploy-or-restart", "server-crash-or-oom"];
        let found = judged(gone().chain(others)).into_iter();
        let found = found.filter(|finding| IDS.contains(&&*finding.id));
        found.map(|finding| (finding.id.to_string(), finding.level)).collect()
    }

    #[test]
    fn a_process_that_takes_no_new_connections_before_it_goes_spares_the_youngest() {
        let young = (100..108).map(|number| left(number, 3.0 * random(number + 1)));
        assert_eq!(told(young), [("proxy-reload-drain".into(), Level::Medium)]);
        let few = (100..102).map(|number| left(number, 3.0 * random(number + 1)));
        assert_eq!(told(few), [("server-crash-or-oom".into(), Level::Medium)], "it may be chance");
        let of_all_ages = (100..120).map(|number| left(number, 200.0 * random(number + 1)));
        assert_eq!(
            told(of_all_ages),
            [("server-crash-or-oom".into(), Level::Medium)],
            "one process of several"
        );
    }

    #[test]
    fn a_moment_is_not_judged_before_it_is_over() {
        let just = |ago: f64| {
            gone().map(move |made| {
                made.with(|record| {
                    let later = ((MOMENT_AGO - ago) * 1e9) as u64;
                    record.opened_at.0 += later;
                    record.closed_at.0 += later;
                })
            })
        };
        assert_eq!(told_of("server-crash-or-oom", just(1.0)), None, "others may follow");
        assert!(told_of("server-crash-or-oom", just(5.0)).is_some());
    }

    #[test]
    fn who_is_there_as_before_is_not_said_to_have_died() {
        let at_once = (100..110).map(|number| left(number, -0.15 - 0.3 * random(number + 1)));
        assert_eq!(told(at_once), [("clump-of-closes".into(), Level::Low)]);
        let later = (100..110).map(|number| left(number, -3.0 - 5.0 * random(number + 1)));
        assert_eq!(told(later), [("server-crash-or-oom".into(), Level::Medium)]);
    }

    #[test]
    fn a_proxy_that_reaches_nobody_tells_that_what_is_behind_it_died() {
        let unreached = |from: f64, to: f64| {
            (200..212).map(move |number| {
                let ago = from + (to - from) * random(number);
                failed(number, HandshakeResult::ServerError, 0.002, "").lived(ago, 0.0, 0.0)
            })
        };
        let young = || (100..108).map(|number| left(number, 3.0 * random(number + 1)));
        let dead = [("server-crash-or-oom".into(), Level::Medium)];
        assert_eq!(told(young().chain(unreached(29.0, 20.0))), dead);
        let reload = [("proxy-reload-drain".into(), Level::Medium)];
        assert_eq!(told(young().chain(unreached(45.0, 15.0))), reload, "it was so before");
    }

    #[test]
    fn what_was_opened_within_a_second_and_ends_at_one_moment_has_no_age() {
        let ends = |closed: f64| {
            (0..60).map(move |number| {
                let late = if number == 7 { 0.7 } else { closed * random(number + 50) };
                let opened = 40.0 + random(number);
                end(number).lived(30.0 - late, opened - 30.0 + late, random(number + 99))
            })
        };
        assert_eq!(told_of("max-lifetime", ends(0.3)), None);
        let aged = (0..60).map(|number| {
            end(number).lived(
                30.0 - 20.0 * random(number),
                10.0 + 0.2 * random(number + 1),
                random(number + 99),
            )
        });
        assert!(told_of("max-lifetime", aged).is_some(), "each at its own moment");
    }

    #[test]
    fn an_address_that_was_away_while_others_were_there() {
        let elsewhere =
            (100..110).map(|number| left(number, -0.2 - 2.0 * random(number + 1)).upstream("http://b"));
        let back = (120..130).map(|number| left(number, -3.0 - random(number + 1)));
        let all = || gone().chain(elsewhere.clone()).chain(back.clone());
        assert!(evidence_of("server-crash-or-oom", all()).contains(&"let_in_elsewhere".into()));
    }
}
