//! Openings that succeed and take long: whether the connection comes late or the answer, and at which upstream.

use std::sync::Arc;

use model::finding::{Affected, Finding, Place, Said, Severity, Topic};
use model::record::CloseRecord;
use model::{Leg, Protocol};

use super::{ENDS_MIN, Population};
use crate::cause::Cause;
use crate::claim::Claim;

/// From the connection to the answer, seconds, from which on it is slow; most of an upstream's are then.
const SLOW: f64 = 0.75;
const SLOW_SHARE: f64 = 0.8;
/// An answer is quick that takes so many times less, as is a Pong.
const QUICKER: f64 = 5.0;
/// Shortest wait of clients that leave without an answer, seconds, and least share of all attempts.
const WAITED: f64 = 2.0;
const WAITED_SHARE: f64 = 0.2;
/// Least time to a connection for which SYN was sent again (RFC 6298, section 2.1: 1 s), and least share of such ones.
const SYN_AGAIN: f64 = 0.95;
const SYN_AGAIN_SHARE: f64 = 0.1;

/// The findings of slow openings that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    match cause.id {
        "upstream-handshake-hang-504" => {
            slow_answers(cause, seen).into_iter().chain(left_unanswered(cause, seen)).collect()
        }
        "accept-queue-overflow" => late_connections(cause, seen).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Openings whose connection was made for them.
fn opened<'a>(seen: &Population<'a>) -> Vec<&'a CloseRecord> {
    let all = seen.ends.iter().chain(&seen.orderly).copied();
    all.filter(|record| record.handshake.connect_seconds.is_some()).collect()
}

/// From the connection with the upstream to its answer.
fn answered_in(record: &CloseRecord) -> f64 {
    record.handshake.seconds - record.handshake.connect_seconds.unwrap_or(record.handshake.seconds)
}

fn slow_answers(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let opened = opened(seen);
    let of = |upstream: &Arc<str>| -> Vec<&CloseRecord> {
        opened.iter().copied().filter(|record| record.upstream.as_ref() == Some(upstream)).collect()
    };
    let mut slow: Vec<(Arc<str>, Vec<&CloseRecord>)> = Vec::new();
    let mut quick: Vec<&CloseRecord> = Vec::new();
    for (upstream, _) in seen.upstreams() {
        let all = of(&upstream);
        let late = all.iter().filter(|record| answered_in(record) >= SLOW).count();
        if late >= ENDS_MIN && late as f64 >= SLOW_SHARE * all.len() as f64 {
            slow.push((upstream, all));
        } else {
            quick.extend(all);
        }
    }
    let told = slow.into_iter().map(|(upstream, all)| slow_at(cause, seen, &upstream, &all, &quick));
    told.flatten().collect()
}

fn slow_at(
    cause: &'static Cause,
    seen: &Population<'_>,
    upstream: &str,
    all: &[&CloseRecord],
    others: &[&CloseRecord],
) -> Option<Finding> {
    let answer = median(all.iter().map(|record| answered_in(record)))?;
    let connect = median(all.iter().filter_map(|record| record.handshake.connect_seconds))?;
    let pong = median(all.iter().filter_map(|record| record.ping_rtt_seconds[Leg::Upstream]));
    let way = median(all.iter().filter_map(|record| way(record)));
    // Whoever is slow in all that it does, or far away, is not slow at handshakes.
    if pong.is_some_and(|pong| pong * QUICKER > answer) || way.is_some_and(|way| way * QUICKER > answer) {
        return None;
    }
    let elsewhere = median(others.iter().map(|record| answered_in(record)))
        .filter(|elsewhere| others.len() >= ENDS_MIN && elsewhere * QUICKER < answer);
    let comes_with_message = seen.protocol != Protocol::WebSocket;
    let decisive = Said::new("slow_answers")
        .with("count", all.len())
        .with("upstream", upstream)
        .seconds("seconds", answer)
        .seconds("connect", connect);
    let claim =
        Claim::of(cause, Place::Upstream, decisive)
            .titled(Said::new("title_slow").seconds("seconds", answer))
            .weighing(Severity::Warning)
            .corroborated(pong.map(|pong| Said::new("pongs_quick").seconds("ping", pong)))
            .noted(way.map(|way| Said::new("way_quick").seconds("rtt", way)))
            .corroborated(elsewhere.map(|seconds| {
                Said::new("others_quick").with("count", others.len()).seconds("seconds", seconds)
            }))
            .unless((pong.is_none() && !comes_with_message).then(|| Said::new("slow_in_all")))
            .unless(comes_with_message.then(|| Said::new("first_message")))
            .next(Said::new("look_inside"));
    let claim = if comes_with_message { claim.suspected().fix(Said::new("send_head")) } else { claim };
    Some(concerning(claim.fix(Said::new("unblock")), seen, all))
}

/// Clients that waited for long and went, for nobody answered them: they may have had other reasons.
fn left_unanswered(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let waited = |record: &&CloseRecord| record.handshake.seconds >= WAITED;
    let left: Vec<&CloseRecord> = seen.given_up.iter().copied().filter(waited).collect();
    let all = seen.connections() + seen.failed.len() + seen.given_up.len();
    if left.len() < ENDS_MIN || (left.len() as f64) < WAITED_SHARE * all as f64 {
        return None;
    }
    let seconds = median(left.iter().map(|record| record.handshake.seconds))?;
    let decisive =
        Said::new("left_unanswered").with("count", left.len()).with("all", all).seconds("seconds", seconds);
    let mut claim = Claim::of(cause, Place::UpstreamLeg, decisive).suspected().unless(Said::new("own_will"));
    for said in seen.mostly(&left) {
        claim = claim.noted(said);
    }
    Some(concerning(claim.next(Said::new("run_diagnose")).fix(Said::new("send_head")), seen, &left))
}

/// The way's round trip, by the kernel.
fn way(record: &CloseRecord) -> Option<f64> {
    let facts = record.tcp.as_ref()?.leg(Leg::Upstream)?;
    Some(f64::from(facts.close.or(facts.last).unwrap_or(facts.open).min_rtt_seconds?))
}

/// Connections for which SYN was sent again: nobody took the first one.
fn late_connections(cause: &'static Cause, seen: &Population<'_>) -> Option<Finding> {
    let opened = opened(seen);
    let late: Vec<&CloseRecord> = opened
        .iter()
        .copied()
        .filter(|record| record.handshake.connect_seconds.is_some_and(|seconds| seconds >= SYN_AGAIN))
        .collect();
    let again = late.iter().filter(|record| has_sent_syn_again(record)).count();
    // Without the kernel's word a connection may have waited for something else, such as a turn.
    if again < ENDS_MIN || (late.len() as f64) < SYN_AGAIN_SHARE * opened.len() as f64 {
        return None;
    }
    let seconds = median(late.iter().filter_map(|record| record.handshake.connect_seconds))?;
    let overflows = overflows(seen);
    let decisive = Said::new("connected_late")
        .with("count", late.len())
        .with("all", opened.len())
        .seconds("seconds", seconds)
        .with("again", again);
    let mut claim = Claim::of(cause, Place::Upstream, decisive)
        .corroborated(overflows.map(|count| Said::new("overflows_counted").with("count", count)))
        .unless(overflows.is_none().then(|| Said::new("maybe_firewall")))
        .next(Said::new("look_at_queue"));
    for said in seen.mostly(&late) {
        claim = claim.noted(said);
    }
    Some(concerning(claim.fix(Said::new("accept_sooner")), seen, &late))
}

fn has_sent_syn_again(record: &CloseRecord) -> bool {
    let facts = record.tcp.as_ref().and_then(|tcp| tcp.leg(Leg::Upstream));
    facts.is_some_and(|facts| !facts.shared && facts.open.retransmits > 0)
}

/// Times within a minute that a listener's queue was full on a machine where an upstream is; none where nobody counted.
fn overflows(seen: &Population<'_>) -> Option<u64> {
    let host = seen.host?;
    let is_here = |upstream: &&model::host::UpstreamFacts| {
        upstream.route == seen.route && upstream.is_local == Some(true)
    };
    let own = host.upstreams.iter().any(|upstream| is_here(&upstream)).then_some(&host.machine);
    let elsewhere = seen.machines().filter(|machine| machine.place == Place::Upstream).map(|it| it.facts);
    let counted = own.into_iter().chain(elsewhere).filter_map(|facts| facts.accept.overflows_last_minute);
    Some(counted.sum()).filter(|count| *count > 0)
}

fn concerning(claim: Claim, seen: &Population<'_>, openings: &[&CloseRecord]) -> Finding {
    let connections = (openings.len() as f64 * seen.weight).round() as u64;
    let affected = Affected { connections, share_of_closes: None };
    let since = openings.iter().map(|record| record.opened_at).min().unwrap_or(seen.now);
    let concerning = claim.concerns(seen.route.clone(), since, affected);
    concerning.about(Topic::Openings).selects(seen.selection(openings)).finding()
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use model::HandshakeResult;
    use model::finding::Level;
    use model::tcp::TcpSample;

    use super::*;
    use crate::population::tests::{Made, end, failed, judged, random, said_of, told_of};

    const HANG: &str = "upstream-handshake-hang-504";
    const QUEUE: &str = "accept-queue-overflow";

    /// One that was connected and then answered after so many seconds, and whose last Pong took so long.
    fn opening(number: u64, connect: f64, answer: f64, pong: Option<f64>) -> Made {
        let made =
            end(number).lived(200.0 * random(number), 90.0 * random(number + 1), 9.0 * random(number + 2));
        made.close(Leg::Client, 1000).with(|record| {
            record.handshake.seconds = connect + answer;
            record.handshake.connect_seconds = Some(connect);
            record.ping_rtt_seconds.upstream = pong;
        })
    }

    fn slow(number: u64) -> Made {
        opening(number, 0.001, 2.0 + 0.1 * random(number), Some(0.002))
    }

    fn syn_again(number: u64, retransmits: u32) -> Made {
        let sample = TcpSample { retransmits, ..TcpSample::default() };
        opening(number, 1.03, 0.002, None).tcp(Leg::Upstream, sample).with(|record| {
            let facts = record.tcp.as_mut().and_then(|tcp| tcp.upstream.as_mut()).expect("there are");
            facts.open = sample;
        })
    }

    #[test]
    fn a_service_slow_at_handshakes_alone() {
        assert_eq!(told_of(HANG, (0..20).map(slow)), Some((Level::High, Place::Upstream)));
        let unknown = |number| slow(number).with(|record| record.ping_rtt_seconds.upstream = None);
        let alone = said_of(HANG, (0..20).map(unknown)).expect("told");
        assert_eq!((alone.level, alone.not_excluded[0].code.as_ref()), (Level::Medium, "slow_in_all"));
        let of_two = (0..20).map(|number| unknown(number).upstream("http://b"));
        let quick = (20..40).map(|number| opening(number, 0.001, 0.004, None));
        let found = judged(of_two.chain(quick));
        let finding = found.iter().find(|finding| finding.id == HANG).expect("one of two");
        assert!(finding.evidence.iter().any(|said| said.code == "others_quick"), "{finding:?}");
        assert_eq!(finding.affected.map(|affected| affected.connections), Some(20));
    }

    #[test]
    fn clients_that_leave_without_an_answer() {
        let left = |number| {
            let seconds = 2.5 + 6.0 * random(number);
            failed(number, HandshakeResult::ClientAborted, seconds, "").lived(
                200.0 * random(number + 1),
                0.0,
                0.0,
            )
        };
        let served = |count: u64| (100..100 + count).map(|number| opening(number, 0.001, 0.002, None));
        let told = told_of(HANG, (0..20).map(left).chain(served(40)));
        assert_eq!(told, Some((Level::Low, Place::UpstreamLeg)));
        assert_eq!(told_of(HANG, (0..20).map(left).chain(served(200))), None, "now and then");
    }

    #[test]
    fn syn_sent_again() {
        let late =
            |number| if number % 2 == 0 { syn_again(number, 1) } else { opening(number, 0.001, 0.002, None) };
        assert_eq!(told_of(QUEUE, (0..40).map(late)), Some((Level::Medium, Place::Upstream)));
        assert_eq!(told_of(HANG, (0..20).map(|number| syn_again(number, 1))), None, "the answer is quick");
        let few = |number| if number % 20 == 0 { syn_again(number, 1) } else { late(number | 1) };
        assert_eq!(told_of(QUEUE, (0..200).map(few)), None, "one in twenty");
        let shared = (0..40).map(|number| {
            syn_again(number, 1).with(|record| {
                let legs = record.tcp.as_mut().expect("there are");
                legs.upstream.as_mut().expect("there is one").shared = true;
            })
        });
        assert_eq!(told_of(QUEUE, shared), None, "others use the socket, too");
    }

    #[test]
    fn the_head_of_an_event_stream_may_wait_for_its_first_event() {
        let events = (0..20).map(|number| slow(number).with(|record| record.protocol = Protocol::Sse));
        assert_eq!(told_of(HANG, events).map(|told| told.0), Some(Level::Low));
    }

    #[test]
    fn look_alikes_are_others() {
        let in_all = (0..20).map(|number| opening(number, 0.001, 2.0, Some(1.5)));
        assert_eq!(told_of(HANG, in_all), None, "slow in all that it does");
        let far = (0..20).map(|number| {
            let sample = TcpSample { min_rtt_seconds: Some(0.6), ..TcpSample::default() };
            opening(number, 0.6, 0.9, None).tcp(Leg::Upstream, sample)
        });
        assert_eq!(told_of(HANG, far), None, "far away");
        let some =
            (0..40).map(|number| if number < 20 { slow(number) } else { opening(number, 0.001, 0.01, None) });
        assert_eq!(told_of(HANG, some), None, "of one upstream some are quick");
        assert_eq!(
            told_of(QUEUE, (0..20).map(|number| syn_again(number, 0))),
            None,
            "it waited for something else"
        );
    }
}
