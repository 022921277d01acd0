//! What the ends of gRPC calls say of themselves: GOAWAY, statuses, windows, resets.

pub mod aged;
pub mod statuses;

use std::collections::BTreeSet;

use model::finding::{Finding, Place, Said};
use model::record::{CloseRecord, GrpcFacts, What};
use model::{ConnectionId, GrpcCode, Http2Error, Initiator, Protocol, Word as _};

use super::tenths::Tenths;
use super::{ENDS_MIN, Manner, Population, between};
use crate::cause::Cause;
use crate::claim::Claim;

/// Calls that it takes.
const COUNT_MIN: usize = 3;
/// Seconds for which data waited for a window.
const STALLED: f64 = 3.0;
/// Ends that are further apart than so many seconds came at two moments; a connection's calls end within one.
const MOMENT: f64 = 1.0;
/// Moments that are no one restart.
const MOMENTS_MIN: usize = 3;
/// Least silence that a proxy's timer ends, seconds, and how far silences may spread around their median: proxies move
/// their timers in steps, and what is not a message may move them too.
const SILENCE_MIN: f64 = 1.0;
const SPREAD_MAX: f64 = 0.5;

/// The findings of calls that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let ends = seen
        .ends_where(|record| record.grpc.as_ref().and_then(|grpc| decided(record, grpc)) == Some(cause.id));
    if ends.len() < COUNT_MIN {
        return Vec::new();
    }
    let facts: Vec<&GrpcFacts> = ends.iter().filter_map(|record| record.grpc.as_deref()).collect();
    if cause.id == "grpc-max-age-goaway" && are_one_departure(seen, &ends) {
        return Vec::new();
    }
    let mut claim = Claim::of(cause, place(cause), Said::new("calls_ended").with("count", ends.len()));
    if let Some(goaway) = facts.iter().find_map(|grpc| grpc.upstream.goaway.as_ref()) {
        let said =
            Said::new("calls_goaway_says").with("error", goaway.error.as_str()).with("debug", &*goaway.debug);
        claim = claim.corroborated(said);
    }
    if let Some(message) =
        facts.iter().find_map(|grpc| grpc.message.as_deref()).filter(|text| !text.is_empty())
    {
        claim = claim.corroborated(Said::new("calls_status_says").with("message", message));
    }
    let mut stalls: Vec<f64> =
        facts.iter().map(|grpc| stalled(grpc)).filter(|seconds| *seconds > 0.0).collect();
    stalls.sort_by(f64::total_cmp);
    if let Some(median) = stalls.get(stalls.len() / 2).filter(|_| cause.id == "grpc-flow-control-stall") {
        claim = claim.corroborated(Said::new("calls_stalled_for").seconds("seconds", *median));
    }
    claim = match cause.id {
        "grpc-non-grpc-reply" => not_grpc(claim, &facts),
        "grpc-max-age-goaway" => recycled(claim, &ends, &facts),
        _ => claim,
    };
    let fixed = claim.fix(Said::new("see_manual").with("id", cause.id));
    let concerning = fixed.concerns(seen.route.clone(), seen.since(&ends), seen.affected(&ends));
    vec![concerning.selects(seen.selection(&ends)).finding()]
}

/// Which cause an end of a call is.
fn decided(record: &CloseRecord, grpc: &GrpcFacts) -> Option<&'static str> {
    let goaway = grpc.upstream.goaway.as_ref().filter(|goaway| goaway.initiator == Initiator::Upstream);
    let says = |part: &str| grpc.message.as_deref().is_some_and(|message| message.contains(part));
    match grpc.code {
        _ if goaway.is_some_and(|goaway| goaway.error == Http2Error::EnhanceYourCalm) => {
            Some("grpc-too-many-pings")
        }
        _ if grpc.not_grpc.is_some() => Some("grpc-non-grpc-reply"),
        GrpcCode::ResourceExhausted if says("larger than max") => Some("grpc-message-too-large"),
        _ if stalled(grpc) >= STALLED && stalled(grpc) * 2.0 > record.duration_seconds => {
            Some("grpc-flow-control-stall")
        }
        GrpcCode::Unavailable if goaway.is_some_and(|goaway| goaway.error == Http2Error::NoError) => {
            Some("grpc-max-age-goaway")
        }
        _ => None,
    }
}

/// An answer that is not gRPC is the fault itself.
fn not_grpc(claim: Claim, facts: &[&GrpcFacts]) -> Claim {
    let status = super::common(facts.iter().map(|grpc| grpc.not_grpc));
    claim.proven().noted(status.map(|status| Said::new("http_status").with("status", status)))
}

/// All but some few ended with one departure, which is told as that; none of them says that it was too old.
fn are_one_departure(seen: &Population<'_>, ends: &[&CloseRecord]) -> bool {
    let departed = seen.clumps().iter().filter(|clump| !clump.is_of_one_age).flat_map(|clump| &clump.ends);
    let departed: BTreeSet<ConnectionId> = departed.map(|end| end.id).collect();
    let together = ends.iter().filter(|end| departed.contains(&end.id)).count();
    together * 10 >= ends.len() * 9 && !ends.iter().any(|end| end.grpc.as_deref().is_some_and(says_age))
}

fn says_age(grpc: &GrpcFacts) -> bool {
    grpc.upstream.goaway.as_ref().is_some_and(|goaway| goaway.debug.contains("max_age"))
}

/// A connection that is asked to go away one after the other is recycled; all of them at one moment go with their process.
fn recycled(claim: Claim, ends: &[&CloseRecord], facts: &[&GrpcFacts]) -> Claim {
    let moments =
        1 + ends.windows(2).filter(|two| between(two[0].closed_at, two[1].closed_at) > MOMENT).count();
    let named = facts.iter().filter(|grpc| says_age(grpc)).count();
    let claim = claim
        .corroborated((moments >= MOMENTS_MIN).then(|| Said::new("goaway_moments").with("count", moments)));
    if named * 2 > facts.len() {
        claim
    } else {
        claim.unless(Said::new("maybe_restarts")).next(Said::new("tell_deploys"))
    }
}

/// The findings of calls that something resets whenever they have been silent, which is this cause.
pub fn resets_in_silence(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let is_reset = |record: &CloseRecord| {
        let is_first = record.causes.first().is_some_and(|first| first.what == What::RstStream);
        is_first
            && record.initiator == Some(Initiator::Upstream)
            && record.grpc.as_ref().is_some_and(|grpc| decided(record, grpc).is_none())
            && !aged::is_in_flow(record)
            && !aged::is_at_deadline(record)
    };
    let ends = seen.ends_where(is_reset);
    let is_timed =
        seen.timers().iter().any(|timer| ends.iter().any(|end| Manner::of(end) == Some(timer.manner)));
    if seen.protocol != Protocol::Grpc || ends.len() < ENDS_MIN || is_timed {
        return Vec::new();
    }
    let silences = Tenths::of(ends.iter().map(|record| record.idle_seconds.data));
    if silences.low < SILENCE_MIN || silences.spread() > SPREAD_MAX {
        return Vec::new();
    }
    let ages = Tenths::of(ends.iter().map(|record| record.duration_seconds));
    let said = Said::new("reset_in_silence")
        .with("count", ends.len())
        .seconds("seconds", silences.median)
        .seconds("low", silences.low)
        .seconds("high", silences.high);
    let claim = Claim::of(cause, Place::UpstreamLeg, said)
        .titled(Said::new("title").seconds("seconds", silences.median))
        .corroborated(Said::new("no_status"));
    let claim = if ages.spread() > SPREAD_MAX {
        claim.corroborated(Said::new("ages_differ"))
    } else {
        claim.unless(Said::new("lifetime")).next(Said::new("let_talk"))
    };
    let fixed = claim.unless(Said::new("own_timer")).fix(Said::new("see_manual").with("id", cause.id));
    let told = fixed.concerns(seen.route.clone(), seen.since(&ends), seen.affected(&ends));
    vec![told.selects(seen.selection(&ends)).finding()]
}

fn stalled(grpc: &GrpcFacts) -> f64 {
    grpc.stalled_seconds.client_to_server.max(grpc.stalled_seconds.server_to_client)
}

fn place(cause: &Cause) -> Place {
    match cause.id {
        "grpc-too-many-pings" | "grpc-flow-control-stall" => Place::Client,
        _ => Place::Upstream,
    }
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::record::{GoAway, Http2Facts};
    use model::{Leg, Reason};

    use super::*;
    use crate::population::tests::{Made, end, random, told_of};

    /// Twenty calls that the upstream ended, each so long ago, and what is known of each.
    fn calls(
        what: What,
        ago: impl Fn(u64) -> f64,
        facts: impl Fn(u64) -> GrpcFacts,
    ) -> impl Iterator<Item = Made> {
        (0..20).map(move |number| {
            let age = 2.0 + 60.0 * random(number);
            let made = end(number).lived(ago(number), age, 0.1).by(Leg::Upstream, what, Reason::Complete);
            made.with(|record| {
                record.protocol = Protocol::Grpc;
                record.grpc = Some(Box::new(facts(number)));
            })
        })
    }

    pub(super) fn facts(code: GrpcCode) -> GrpcFacts {
        GrpcFacts {
            service: "shop.Orders".into(),
            method: "Watch".into(),
            code,
            message: None,
            not_grpc: None,
            deadline_seconds: None,
            first_message_seconds: None,
            stalled_seconds: model::PerDirection::default(),
            client: Http2Facts::default(),
            upstream: Http2Facts::default(),
        }
    }

    fn random_ago(number: u64) -> f64 {
        500.0 * random(number + 70)
    }

    #[test]
    fn an_answer_that_is_not_grpc() {
        let page = |_| GrpcFacts { not_grpc: Some(502), ..facts(GrpcCode::Unavailable) };
        let told = told_of("grpc-non-grpc-reply", calls(What::BodyEnd, random_ago, page));
        assert_eq!(told, Some((Level::High, Place::Upstream)));
        let refused = calls(What::BodyEnd, random_ago, |_| facts(GrpcCode::Unavailable));
        assert_eq!(told_of("grpc-non-grpc-reply", refused), None);
    }

    #[test]
    fn connections_that_are_recycled_one_after_the_other() {
        let gone = |debug: &'static str, error| {
            move |_| {
                let goaway = Some(GoAway { initiator: Initiator::Upstream, error, debug: debug.into() });
                let upstream = Http2Facts { goaway, ..Http2Facts::default() };
                GrpcFacts { upstream, ..facts(GrpcCode::Unavailable) }
            }
        };
        let told = |debug, error, ago: fn(u64) -> f64| {
            told_of("grpc-max-age-goaway", calls(What::BodyEnd, ago, gone(debug, error)))
                .map(|(level, _)| level)
        };
        assert_eq!(told("max_age", Http2Error::NoError, random_ago), Some(Level::High));
        assert_eq!(told("", Http2Error::NoError, random_ago), Some(Level::Medium), "or restarts");
        assert_eq!(told("", Http2Error::InternalError, random_ago), None);
    }

    #[test]
    fn calls_that_are_reset_whenever_they_are_silent() {
        let reset = |silence: fn(u64) -> f64| {
            let all = calls(What::RstStream, random_ago, |_| facts(GrpcCode::Internal));
            all.enumerate().map(move |(number, made)| {
                made.with(|record| {
                    let silence = silence(number as u64);
                    record.duration_seconds += silence;
                    record.idle_seconds.any = silence;
                    record.idle_seconds.data = silence;
                })
            })
        };
        let told = |silence| told_of("grpc-proxy-read-timeout", reset(silence)).map(|(level, _)| level);
        assert_eq!(told(|number| 1.8 + 0.8 * random(number)), Some(Level::Medium));
        assert_eq!(told(|number| 0.1 + 6.0 * random(number)), None);
    }
}
