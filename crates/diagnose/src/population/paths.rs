//! Connections whose client's side fell silent without an end: a flow that a middlebox forgot, a network that was lost,
//! a way that large packets do not pass.

use model::finding::{Finding, Place, Said, Severity};
use model::record::CloseRecord;

use super::{Population, Slow};
use crate::cause::Cause;
use crate::claim::Claim;

/// Connections that it takes.
const COUNT_MIN: usize = 5;
/// Silence before the first byte without acknowledgement that makes a forgotten flow likelier, seconds.
const IDLE: f64 = 1.5;
/// Part of the ends from which on it is no everyday loss of mobile networks.
const SHARE_MANY: f64 = 0.2;

/// The findings of dead paths that are this cause.
pub fn findings(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let dead = seen.dead_paths();
    if dead.len() < COUNT_MIN {
        return Vec::new();
    }
    let mut gaps: Vec<f64> = dead.iter().filter_map(|record| silent_before(record)).collect();
    gaps.sort_by(f64::total_cmp);
    // A network is lost at any moment, a flow is forgotten only after a silence: nearly all of them were silent.
    let least = gaps.get(gaps.len() / 10).copied().unwrap_or_default();
    let (decided, before) = if least > IDLE {
        ("nat-or-firewall-silent-drop", Said::new("silent_before").seconds("seconds", least))
    } else {
        ("client-network-loss", Said::new("busy_before"))
    };
    if decided != cause.id {
        return Vec::new();
    }
    let are_many = dead.len() as f64 >= SHARE_MANY * seen.ends.len() as f64;
    let severity = if are_many { cause.severity.min(Severity::Warning) } else { cause.severity };
    let claim = Claim::of(cause, Place::ClientLeg, Said::new("unacked_at_end").with("count", dead.len()))
        .weighing(severity)
        .corroborated(before)
        .unless(Said::new("maybe_other_loss"))
        .fix(Said::new("watch_and_beat"));
    vec![concerning(claim, seen, &dead)]
}

/// The findings of ways that large packets do not pass.
pub fn holes(cause: &'static Cause, seen: &Population<'_>) -> Vec<Finding> {
    let stuck = seen.ended_by(Slow::Hole);
    if stuck.len() < COUNT_MIN {
        return Vec::new();
    }
    let claim = Claim::of(cause, Place::ClientLeg, Said::new("heard_but_stuck").with("count", stuck.len()))
        .corroborated(Said::new("resent_alone"))
        .unless(Said::new("loss"))
        .next(Said::new("ping").with("host", stuck[0].client.ip.to_string()))
        .fix(Said::new("probing"));
    vec![concerning(claim, seen, &stuck)]
}

fn concerning<'a>(mut claim: Claim, seen: &Population<'a>, ends: &[&'a CloseRecord]) -> Finding {
    for said in seen.mostly(ends) {
        claim = claim.noted(said);
    }
    claim
        .concerns(seen.route.clone(), seen.since(ends), seen.affected(ends))
        .selects(seen.selection(ends))
        .finding()
}

/// How long at least nothing was on its way to the client between its last acknowledgement and the first byte that it
/// did not acknowledge.
fn silent_before(record: &CloseRecord) -> Option<f64> {
    let close = record.tcp.as_ref()?.client.as_ref()?.close?;
    Some((f64::from(close.last_ack_seconds) - f64::from(close.busy_seconds)).max(0.0))
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::tcp::TcpSample;
    use model::{Leg, Reason};

    use super::*;
    use crate::population::tests::{Made, end, random, said_of, told_of};
    use model::record::What;

    /// Twelve ends; the kernel told this of the client's side.
    fn ends(close: impl Fn(u64) -> TcpSample) -> impl Iterator<Item = Made> {
        (0..12).map(move |number| {
            let made = end(number).lived(500.0 * random(number), 60.0, 9.0).by(
                Leg::Client,
                What::Fin,
                Reason::Abnormal,
            );
            made.tcp(Leg::Client, close(number))
        })
    }

    /// Four bytes' retransmissions were not answered; since then so many seconds, of which so many with bytes on the way.
    fn unanswered(last_ack_seconds: f32, busy_seconds: f32) -> TcpSample {
        TcpSample {
            retransmits: 5,
            unanswered: 4,
            unacked_bytes: 90,
            last_ack_seconds,
            busy_seconds,
            ..TcpSample::default()
        }
    }

    #[test]
    fn a_flow_is_forgotten_only_after_a_silence() {
        let nat = "nat-or-firewall-silent-drop";
        let silent = |_| unanswered(9.6, 5.6);
        assert_eq!(told_of(nat, ends(silent)), Some((Level::Medium, Place::ClientLeg)));
        let any = |number: u64| unanswered(5.0 + 4.0 * random(number) as f32, 5.6);
        assert_eq!(told_of(nat, ends(any)), None);
        assert_eq!(told_of("client-network-loss", ends(any)), Some((Level::Medium, Place::ClientLeg)));
    }

    #[test]
    fn the_word_of_who_waited_for_them_is_no_finding() {
        let gone = ends(|_| unanswered(5.0, 5.6)).enumerate().map(|(number, made)| {
            let made = made.lived(500.0 * random(number as u64), 60.0 + 9.0 * number as f64, 2.5);
            made.close(Leg::Upstream, 1011)
        });
        assert_eq!(told_of("server-ping-timeout-client-silent", gone), None);
    }

    #[test]
    fn networks_that_are_lost_now_and_then_only_inform() {
        let severity = |others: u64| {
            let others =
                (100..100 + others).map(|number| end(number).lived(500.0 * random(number), 60.0, 1.0));
            let lost = ends(|_| unanswered(5.0, 5.6));
            said_of("client-network-loss", lost.chain(others)).map(|finding| finding.severity)
        };
        assert_eq!([20, 200].map(severity), [Some(Severity::Warning), Some(Severity::Info)]);
    }

    #[test]
    fn a_client_that_is_heard_and_does_not_acknowledge_large_segments() {
        let hole = |unacked_bytes, retransmits| {
            ends(move |_| TcpSample { unacked_bytes, retransmits, ..unanswered(0.3, 2.0) })
        };
        let told = |records| told_of("mtu-blackhole", records);
        assert_eq!(told(hole(7204, 4)), Some((Level::Medium, Place::ClientLeg)));
        assert_eq!(told(hole(90, 4)).or(told(hole(7204, 40))), None, "small ones, and loss by chance");
        assert_eq!(told_of("client-network-loss", hole(7204, 4)), None);
    }
}
