//! Calls that end at an age: at the deadline that they were sent with, or at one that all of them have in common, whatever
//! flows over them.

use model::finding::{Finding, Place, Said, Severity};
use model::record::{CloseRecord, GrpcFacts, What};
use model::{GrpcCode, Initiator, Leg, Protocol};

use super::decided;
use crate::cause::Cause;
use crate::claim::Claim;
use crate::population::tenths::Tenths;
use crate::population::timers::is_one_moment;
use crate::population::{ENDS_MIN, Population, Spike, spike};

/// How far from its deadline a call ends that ends by it: two clocks, and the way between them.
const NEAR: f64 = 0.3;
const NEAR_SHARE: f64 = 0.05;
/// How many times more calls end at their deadlines than in as much time before them.
const DENSER: usize = 3;
/// Deadlines that differ by so much of their median are no common age.
const DIFFER: f64 = 0.2;
/// Messages of a call in which a pace shows.
const PACE_MIN: u64 = 3;

/// Statuses of a service whose own time for a call is over, and of one that a client's credentials are no longer good for.
pub const OVER: [GrpcCode; 1] = [GrpcCode::DeadlineExceeded];
const CREDENTIALS: [GrpcCode; 2] = [GrpcCode::Unauthenticated, GrpcCode::PermissionDenied];

/// The findings of calls that end at an age and are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    if seen.protocol != Protocol::Grpc {
        return Vec::new();
    }
    let found = match cause.id {
        "grpc-deadline-on-stream" => at_deadlines(cause, seen),
        "max-lifetime" => at_an_age(cause, seen, What::RstStream, &[]),
        "http-server-timeout-applied-to-stream" => at_an_age(cause, seen, What::BodyEnd, &OVER),
        "token-expiry-close" => at_an_age(cause, seen, What::BodyEnd, &CREDENTIALS),
        _ => None,
    };
    found.into_iter().collect()
}

/// Whether a call ended by the deadline that it was sent with.
pub fn is_at_deadline(record: &CloseRecord) -> bool {
    let Some(grpc) = record.grpc.as_deref() else { return false };
    let is_near = grpc.deadline_seconds.is_some_and(|deadline| nearness(record, deadline).abs() <= 1.0);
    is_near && is_by_deadline(record, grpc)
}

/// Whether messages flowed when it ended: it had been silent for no longer than between two of them.
pub fn is_in_flow(record: &CloseRecord) -> bool {
    let messages = record.messages.client_to_server + record.messages.server_to_client;
    let idle = record.idle_seconds.data;
    let gap = (record.duration_seconds - idle) / messages.max(1) as f64;
    messages >= PACE_MIN && idle <= 1.5 * gap + 0.05
}

/// How long behind its deadline it ended, in tolerances.
fn nearness(record: &CloseRecord, deadline: f64) -> f64 {
    (record.handshake.seconds + record.duration_seconds - deadline) / (NEAR + NEAR_SHARE * deadline)
}

/// A client resets what it waits for no longer; a service that is told of the deadline says that it is over.
fn is_by_deadline(record: &CloseRecord, grpc: &GrpcFacts) -> bool {
    let is_reset = record.causes.first().is_some_and(|first| first.what == What::RstStream);
    (record.initiator == Some(Initiator::Client) && is_reset) || grpc.code == GrpcCode::DeadlineExceeded
}

fn at_deadlines(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let of = |record: &CloseRecord| record.grpc.as_deref()?.deadline_seconds;
    let with_deadline = seen.ends_where(|record| of(record).is_some());
    let ends = seen.ends_where(is_at_deadline);
    let is_soon_before = |record: &&&CloseRecord| {
        of(record).is_some_and(|deadline| (-3.0..-1.0).contains(&nearness(record, deadline)))
    };
    let before = with_deadline.iter().filter(is_soon_before).count();
    if ends.len() < ENDS_MIN || ends.len() < DENSER * before {
        return None;
    }
    let deadlines = Tenths::of(ends.iter().filter_map(|record| of(record)));
    let by_client = ends.iter().filter(|record| record.initiator == Some(Initiator::Client)).count();
    let told = ends.len() - by_client;
    let flowing = ends.iter().filter(|record| is_in_flow(record)).count();
    let answered = ends.iter().filter(|record| record.messages.server_to_client > 0).count();
    let outlived = with_deadline
        .iter()
        .filter(|record| of(record).is_some_and(|deadline| nearness(record, deadline) > 2.0));
    let outlived = outlived.count();
    let decisive = Said::new("ended_at_own_deadline")
        .with("count", ends.len())
        .with("all", with_deadline.len())
        .seconds("low", deadlines.low)
        .seconds("high", deadlines.high);
    let is_stream = flowing * 2 >= ends.len();
    let claim = Claim::of(cause, Place::Client, decisive)
        .titled(Said::new("title_live").with("count", ends.len()))
        .weighing(if is_stream { Severity::Warning } else { Severity::Info })
        .corroborated((by_client > 0).then(|| Said::new("client_resets").with("count", by_client)))
        .corroborated((told > 0).then(|| Said::new("told_deadline").with("count", told)))
        .corroborated((deadlines.spread() > DIFFER).then(|| Said::new("deadlines_differ")))
        .noted((flowing > 0).then(|| Said::new("in_flow").with("count", flowing)))
        .against((outlived > 0).then(|| Said::new("outlived_deadline").with("count", outlived)))
        .unless((answered * 2 < ends.len()).then(|| Said::new("slow_answer")))
        .next(Said::new("without_deadline"))
        .fix(Said::new("no_deadline"));
    let told = claim.concerns(seen.route.clone(), seen.since(&ends), seen.affected(&ends));
    Some(told.selects(seen.selection(&ends)).finding())
}

/// Calls that the upstream side ends so while messages flow, at the same age, and not by a deadline of their own.
pub fn of_one_age<'a>(
    seen: &Population<'a>,
    how: What,
    codes: &[GrpcCode],
) -> Option<(Spike, Vec<&'a CloseRecord>)> {
    let is_so = |record: &CloseRecord| {
        let is_how = record.causes.first().is_some_and(|first| first.what == how);
        let is_of = |grpc: &GrpcFacts| {
            decided(record, grpc).is_none() && (codes.is_empty() || codes.contains(&grpc.code))
        };
        is_how
            && record.initiator == Some(Initiator::Upstream)
            && record.grpc.as_deref().is_some_and(is_of)
            && !is_at_deadline(record)
    };
    let alike = seen.ends_where(is_so);
    let age = spike(alike.iter().map(|record| record.duration_seconds))?;
    let ends: Vec<&CloseRecord> =
        alike.into_iter().filter(|record| age.holds(record.duration_seconds)).collect();
    let flowing = ends.iter().filter(|record| is_in_flow(record)).count();
    (flowing * 3 >= ends.len() * 2 && !is_one_moment(&ends)).then_some((age, ends))
}

fn at_an_age(cause: &'static Cause, seen: &Population<'_>, how: What, codes: &[GrpcCode]) -> Option<Finding> {
    let (age, ends) = of_one_age(seen, how, codes)?;
    let flowing = ends.iter().filter(|record| is_in_flow(record)).count();
    let deadlines = ends.iter().filter(|record| has_deadline(record)).count();
    let counted = |code| {
        Said::new(code)
            .with("count", ends.len())
            .share("share", age.share)
            .seconds("seconds", age.at)
            .with("leg", Leg::Upstream.to_string())
    };
    let is_reset = how == What::RstStream;
    let place = if is_reset { Place::UpstreamLeg } else { Place::Upstream };
    let code =
        ends.first().and_then(|record| record.grpc.as_deref()).map_or(GrpcCode::Unknown, |grpc| grpc.code);
    let claim = Claim::of(cause, place, counted("ended_at_same_age"))
        .titled(counted("title_timer"))
        .corroborated(Said::new("calls_in_flow").with("count", flowing))
        .noted(if is_reset {
            Said::new("no_status")
        } else {
            Said::new("calls_status_is").with("status", model::Word::as_str(code))
        })
        .noted(match deadlines {
            0 => Said::new("calls_no_deadline"),
            _ => Said::new("calls_other_deadline").with("count", deadlines),
        })
        .unless(Said::new(if is_reset { "calls_own_timer" } else { "calls_hop_timer" }))
        .next(Said::new("run_diagnose"))
        .fix(Said::new("outlive_age").seconds("seconds", age.at));
    let told = claim.concerns(seen.route.clone(), seen.since(&ends), seen.affected(&ends));
    Some(told.selects(seen.selection(&ends)).finding())
}

fn has_deadline(record: &CloseRecord) -> bool {
    record.grpc.as_deref().is_some_and(|grpc| grpc.deadline_seconds.is_some())
}

#[cfg(test)]
mod tests {
    use model::Reason;
    use model::finding::Level;

    use super::super::tests::facts;
    use super::*;
    use crate::population::tests::{Made, end, evidence_of, random, said_of, told_of};

    const DEADLINE: &str = "grpc-deadline-on-stream";
    const LIFETIME: &str = "max-lifetime";
    const SERVICE: &str = "http-server-timeout-applied-to-stream";

    /// A call of so many seconds over which a message comes five times a second.
    fn call(number: u64, leg: Leg, what: What, age: f64, deadline: Option<f64>, code: GrpcCode) -> Made {
        let idle = 0.2 * random(number + 7);
        let made = end(number).lived(500.0 * random(number + 70), age, idle).by(leg, what, Reason::Complete);
        made.with(|record| {
            record.protocol = Protocol::Grpc;
            record.messages.server_to_client = (5.0 * age) as u64;
            record.grpc = Some(Box::new(GrpcFacts { deadline_seconds: deadline, ..facts(code) }));
        })
    }

    fn by_client(number: u64, age: f64, deadline: f64) -> Made {
        call(number, Leg::Client, What::RstStream, age, Some(deadline), GrpcCode::Cancelled)
    }

    #[test]
    fn calls_that_end_at_their_own_deadlines() {
        let own = |number| 3.0 + 60.0 * random(number);
        let ends = || (0..30).map(move |number| by_client(number, own(number) + 0.02, own(number)));
        assert_eq!(told_of(DEADLINE, ends()), Some((Level::High, Place::Client)));
        assert!(evidence_of(DEADLINE, ends()).contains(&"deadlines_differ".into()));
        let severity = said_of(DEADLINE, ends()).map(|finding| finding.severity);
        assert_eq!(severity, Some(Severity::Warning), "they were in use");
        let alike = (0..30).map(|number| by_client(number, 4.0 + 0.05 * random(number), 4.0));
        assert_eq!(told_of(DEADLINE, alike), Some((Level::High, Place::Client)));
        let told = (0..30).map(|number| {
            call(number, Leg::Upstream, What::BodyEnd, 4.0, Some(4.0), GrpcCode::DeadlineExceeded)
        });
        assert_eq!(told_of(DEADLINE, told.clone()), Some((Level::High, Place::Client)));
        assert_eq!(told_of(SERVICE, told), None, "the service was told of it");
    }

    #[test]
    fn calls_that_end_before_their_deadlines_do_not_end_by_them() {
        let left = (0..60).map(|number| by_client(number, 2.0 + 3.0 * random(number), 5.0));
        assert_eq!(told_of(DEADLINE, left), None, "some are near by chance");
        let none =
            (0..30).map(|number| call(number, Leg::Client, What::RstStream, 4.0, None, GrpcCode::Cancelled));
        assert_eq!(told_of(DEADLINE, none), None);
    }

    #[test]
    fn calls_that_no_answer_came_to_may_wait_for_a_slow_service() {
        let silent = (0..30).map(|number| {
            by_client(number, 4.0, 4.0).with(|record| {
                record.messages.server_to_client = 0;
                record.idle_seconds.data = 4.0;
            })
        });
        let finding = said_of(DEADLINE, silent).expect("at their deadline");
        assert_eq!((finding.level, finding.severity), (Level::Medium, Severity::Info));
    }

    #[test]
    fn busy_calls_that_are_reset_at_one_age() {
        let reset = |deadline| {
            let age = |number| 15.0 + 0.1 * random(number + 1);
            (0..30).map(move |number| {
                call(number, Leg::Upstream, What::RstStream, age(number), deadline, GrpcCode::Internal)
            })
        };
        assert_eq!(told_of(LIFETIME, reset(None)), Some((Level::Medium, Place::UpstreamLeg)));
        assert_eq!(told_of(LIFETIME, reset(Some(40.0))), Some((Level::Medium, Place::UpstreamLeg)));
        assert_eq!(told_of(DEADLINE, reset(Some(40.0))), None, "they have longer");
        assert_eq!(told_of("grpc-proxy-read-timeout", reset(None)), None, "they were not silent");
    }

    #[test]
    fn a_beat_in_step_with_the_opening_is_no_silence() {
        let beating = || {
            (0..30).map(|number| {
                let made = call(number, Leg::Upstream, What::RstStream, 10.0, None, GrpcCode::Internal);
                made.with(|record| {
                    record.messages.server_to_client = 4;
                    record.idle_seconds.data = 2.0;
                    record.idle_seconds.any = 2.0;
                })
            })
        };
        assert_eq!(told_of(LIFETIME, beating()).map(|told| told.0), Some(Level::Medium));
        assert_eq!(told_of("grpc-proxy-read-timeout", beating()), None);
    }

    #[test]
    fn the_services_own_deadline_and_its_credentials() {
        let told = |code| {
            move |number| call(number, Leg::Upstream, What::BodyEnd, 6.0 + 0.1 * random(number), None, code)
        };
        let own = || (0..30).map(told(GrpcCode::DeadlineExceeded));
        assert_eq!(told_of(SERVICE, own()), Some((Level::Medium, Place::Upstream)));
        assert_eq!(told_of(DEADLINE, own()), None, "no client asked for it");
        let expired = (0..30).map(told(GrpcCode::Unauthenticated));
        assert_eq!(told_of("token-expiry-close", expired), Some((Level::Medium, Place::Upstream)));
        let done = || (0..30).map(told(GrpcCode::Ok));
        assert!(
            [SERVICE, LIFETIME, "grpc-proxy-read-timeout"].iter().all(|id| told_of(id, done()).is_none())
        );
    }
}
