//! Pongs that did not come, or came late though the way is short: a process that stands still.

use std::sync::Arc;

use model::finding::{Finding, Place, Said};
use model::heartbeat::Heartbeat;
use model::record::CloseRecord;
use model::tcp::{TcpLegs, TcpSample};
use model::{Initiator, Leg, PerLeg, Protocol};

use super::{ENDS_MIN, Population};
use crate::cause::Cause;
use crate::claim::Claim;

/// Round trip from which a Pong is late, seconds, and so many of TCP's, which a peer that stands still does not slow down.
const LATE: f64 = 1.0;
const LATE_RTTS: f64 = 10.0;
/// Least share of an upstream's connections that wait when its process stands still, and greatest one elsewhere.
const SHARE_MIN: f64 = 0.3;
const SHARE_ELSEWHERE: f64 = 0.05;

/// Whether Pings were not answered, or late: those of the side that ended it, as far as the gateway can tell whose they
/// were.
pub fn has_unanswered(record: &CloseRecord, initiator: Initiator) -> bool {
    let leg = if initiator == Initiator::Upstream { Leg::Client } else { Leg::Upstream };
    let missed = record.heartbeat[leg].as_ref().map_or(0, |heartbeat| heartbeat.missed);
    missed > 0 || record.ping_rtt_seconds[leg].is_some_and(|rtt| is_late(rtt, record.tcp.as_deref(), leg))
}

/// Whether the kernel of the peer on this leg acknowledged at once, to the end, what was sent to it.
pub fn is_way_well(record: &CloseRecord, leg: Leg) -> bool {
    newest(record.tcp.as_deref(), leg).is_some_and(|sample| {
        sample.unanswered == 0 && sample.rtt_seconds.is_some_and(|rtt| f64::from(rtt) < LATE / LATE_RTTS)
    })
}

/// Whether a round trip of this length is the peer's and not the way's.
fn is_late(rtt: f64, tcp: Option<&TcpLegs>, leg: Leg) -> bool {
    let way = newest(tcp, leg).and_then(|sample| sample.rtt_seconds).unwrap_or_default();
    rtt >= LATE.max(LATE_RTTS * f64::from(way))
}

fn newest(tcp: Option<&TcpLegs>, leg: Leg) -> Option<TcpSample> {
    let facts = tcp?.leg(leg)?;
    facts.close.or(facts.last)
}

/// How an upstream answers Pings.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    /// Connections whose Pings it answered.
    all: usize,
    /// Those that waited for a Pong.
    late: usize,
    /// The longest.
    slowest: f64,
    /// Round trip of TCP meanwhile, the longest.
    way: f64,
}

/// The findings of Pongs that are this cause: a process that stands still, and whose connections go on.
pub fn stalls(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    if seen.protocol != Protocol::WebSocket {
        return Vec::new();
    }
    let answers: Vec<(Arc<str>, Answers)> = seen
        .upstreams()
        .into_iter()
        .map(|(upstream, _)| (upstream.clone(), answers(seen, &upstream)))
        .collect();
    let stalled =
        answers.iter().filter(|(_, of)| of.late >= ENDS_MIN && of.late as f64 >= SHARE_MIN * of.all as f64);
    stalled.map(|(upstream, of)| stalled_at(cause, seen, upstream, *of, &answers)).collect()
}

fn answers(seen: &Population<'_>, upstream: &str) -> Answers {
    let closed =
        seen.ends.iter().chain(&seen.orderly).filter(|record| record.upstream.as_deref() == Some(upstream));
    let open = seen.open.iter().filter(|open| *open.upstream == *upstream);
    let heartbeats = closed
        .map(|record| (&record.heartbeat, record.tcp.as_deref()))
        .chain(open.map(|open| (&open.heartbeat, open.tcp.as_deref())));
    let slowest = |heartbeat: &PerLeg<Option<Heartbeat>>| heartbeat.upstream.as_ref()?.slowest_rtt_seconds;
    let mut answers = Answers::default();
    for (rtt, tcp) in heartbeats.filter_map(|(heartbeat, tcp)| Some((slowest(heartbeat)?, tcp))) {
        answers.all += 1;
        if is_late(rtt, tcp, Leg::Upstream) {
            let way = newest(tcp, Leg::Upstream).and_then(|sample| sample.rtt_seconds).unwrap_or_default();
            answers.late += 1;
            answers.slowest = answers.slowest.max(rtt);
            answers.way = answers.way.max(f64::from(way));
        }
    }
    answers
}

fn stalled_at(
    cause: &'static Cause,
    seen: &Population<'_>,
    upstream: &Arc<str>,
    of: Answers,
    all: &[(Arc<str>, Answers)],
) -> Finding {
    let late = Said::new("pongs_late")
        .with("count", of.late)
        .with("all", of.all)
        .with("upstream", &**upstream)
        .seconds("seconds", of.slowest);
    let mut claim = Claim::of(cause, Place::Upstream, late)
        .corroborated((of.way > 0.0).then(|| Said::new("way_is_short").seconds("rtt", of.way)))
        .unless(Said::new("maybe_machine"));
    let (answered, late) = all
        .iter()
        .filter(|(other, _)| other != upstream)
        .fold((0, 0), |(answered, late), (_, of)| (answered + of.all, late + of.late));
    claim = if answered >= ENDS_MIN && late as f64 <= SHARE_ELSEWHERE * answered as f64 {
        claim.corroborated(Said::new("others_answer").with("count", answered))
    } else {
        claim.unless(Said::new("maybe_gateway"))
    };
    let at = seen.ends_where(|record| record.upstream.as_ref() == Some(upstream));
    let affected = model::finding::Affected { connections: of.late as u64, share_of_closes: None };
    claim
        .next(Said::new("log_pauses"))
        .fix(Said::new("see_manual").with("id", cause.id))
        .concerns(seen.route.clone(), seen.since(&at), affected)
        .finding()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::population::tests::{Made, end, evidence_of, random, told_of};

    const STALL: &str = "event-loop-stall-or-gc-pause";

    /// Clients that leave as they should, of two upstreams; each waited so long for a Pong once.
    fn left(slowest: impl Fn(u64) -> f64, way: f32) -> impl Iterator<Item = Made> {
        (0..60).map(move |number| {
            let heartbeat = Heartbeat { slowest_rtt_seconds: Some(slowest(number)), ..Heartbeat::default() };
            let made = end(number).lived(500.0 * random(number), 60.0, 1.0).close(Leg::Client, 1000);
            made.upstream(if number % 2 == 0 { "http://a" } else { "http://b" })
                .tcp(Leg::Upstream, TcpSample { rtt_seconds: Some(way), ..TcpSample::default() })
                .with(|record| record.heartbeat.upstream = Some(heartbeat))
        })
    }

    #[test]
    fn a_process_that_stands_still_lets_all_of_its_connections_wait() {
        let stalls = |number: u64| if number.is_multiple_of(2) { 1.9 } else { 0.01 };
        assert_eq!(told_of(STALL, left(stalls, 0.001)), Some((Level::Medium, Place::Upstream)));
        let evidence = evidence_of(STALL, left(stalls, 0.001));
        assert!(evidence.contains(&"others_answer".to_owned()), "{evidence:?}");
        let everywhere = evidence_of(STALL, left(|_| 1.9, 0.001));
        assert!(!everywhere.contains(&"others_answer".to_owned()), "{everywhere:?}");
    }

    #[test]
    fn a_long_way_and_a_few_late_pongs_are_no_stall() {
        assert_eq!(told_of(STALL, left(|_| 1.9, 0.8)), None);
        assert_eq!(told_of(STALL, left(|number| if number < 6 { 1.9 } else { 0.01 }, 0.001)), None);
    }
}
