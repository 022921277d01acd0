//! A balancer of TCP forgets a silent connection and answers what is sent later with RST.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{End, Sign};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Owner, compared, forgotten};
use crate::population::{Population, timed};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "idle-timeout-l4-cloud",
    number: 202,
    severity: Severity::Warning,
    manual: Manual {
        title: text("a TCP balancer forgets silent connections", "四层负载均衡遗忘静默的连接"),
        symptoms: text(
            "After a quiet time the first message fails with `connection reset`. Until then both sides think that the \
             connection is open.",
            "安静一段时间后，第一条消息以 `connection reset` 失败；在此之前双方都认为连接仍然打开。",
        ),
        evidence: text(
            "Nothing ends the stream while it is silent. The first packet after a silence longer than T is answered with \
             RST within a round trip; a stream that speaks more often lives on.",
            "静默期间没有任何一方结束连接；静默超过 T 后的第一个数据包在一个往返内得到 RST；更频繁发送数据的连接则一直存活。",
        ),
        look_alikes: text(
            "`idle-timeout-l7-proxy`: FIN comes at T by itself. `nat-or-firewall-silent-drop`: no RST, no acknowledgement.",
            "`idle-timeout-l7-proxy`：到 T 时自行发来 FIN；`nat-or-firewall-silent-drop`：既没有 RST 也没有确认。",
        ),
        fix: text(
            "Send a heartbeat more often than T, and raise the balancer's idle timeout: AWS NLB `tcp.idle_timeout.seconds` \
             (350 s by default), Azure `idleTimeoutInMinutes` (4 by default, with `enableTcpReset`). Then repeat the hold \
             with the long silence: its first message must be answered.",
            "以小于 T 的周期发送心跳，并调大负载均衡的空闲超时：AWS NLB `tcp.idle_timeout.seconds`（默认 350 秒）、Azure `idleTimeoutInMinutes`（默认 4，配合 `enableTcpReset`）。然后再次以长静默保持连接：第一条消息应得到应答。",
        ),
        sources: &[
            "RFC 9293, section 3.5.2 (reset generation)",
            "https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html",
            "https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-reset",
        ],
    },
    phrases: &[
        phrase(
            "reset_after_silence",
            "The first packet after {gap} of silence was answered with RST",
            "静默 {gap}后的第一个数据包得到 RST",
        ),
        phrase(
            "shorter_is_fine",
            "A stream that speaks each {bridged} lives on beyond that time",
            "每 {bridged}发送一次数据的连接存活超过该时长",
        ),
        phrase(
            "by_chance",
            "the service, or its host, went away in that time",
            "服务或其主机在这段时间内退出",
        ),
        phrase(
            "hold_shorter",
            "Hold a stream with a heartbeat each third of that time",
            "以该时长的三分之一为周期发送心跳并保持连接",
        ),
        phrase(
            "beat_faster",
            "Send a heartbeat more often than each {gap}, and raise the idle timeout of the TCP balancer or NAT gateway \
             above it",
            "以小于 {gap}的周期发送心跳，并把四层负载均衡或 NAT 网关的空闲超时调到大于该值",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let lost = forgotten(seen, Via::Url)?;
    let is_early = |end: &End| end.silence >= 1.0 || end.age < lost.gap * 0.9;
    if lost.sign() != Some(&Sign::Rst) || lost.lost.peer_end().is_some_and(is_early) {
        return None;
    }
    let outlives =
        |attempt: &crate::attempt::Attempt| attempt.peer_end().is_none() && attempt.lived() > lost.gap * 1.2;
    let is_fine_straight = forgotten(seen, Via::Direct).is_none() && seen.busy(Via::Direct).any(outlives);
    let owner = if is_fine_straight { Owner::Hop } else { Owner::Unknown };
    let bridged = lost.bridged.map(|bridged| Said::new("shorter_is_fine").seconds("bridged", bridged));
    let is_alone = bridged.is_none();
    let claim =
        Claim::of(&CAUSE, Place::UpstreamLeg, Said::new("reset_after_silence").seconds("gap", lost.gap))
            .corroborated(bridged)
            .corroborated(compared(seen, owner, lost.gap))
            .unless(is_alone.then(|| Said::new("by_chance")))
            .next(is_alone.then(|| Said::new("hold_shorter")));
    Some(claim.fix(Said::new("beat_faster").seconds("gap", lost.gap)).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    timed::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Attempt, Stream, Woken};
    use crate::experiment::Conduct;
    use crate::scene::{SILENT, Scene, URL, can_be_told, cut_at, lives, pinged};

    fn lost(gap: f64, sign: Sign) -> Attempt {
        let mut attempt = cut_at(URL, pinged(gap), 0.0, gap + 0.01, sign);
        attempt.stream.as_mut().expect("open").pings = vec![None];
        attempt
    }

    fn answered(conduct: Conduct, age: f64) -> Attempt {
        lives(URL, conduct, 0.0, age).stream_with(|stream| stream.pings = vec![Some(0.01); 4])
    }

    #[test]
    fn a_reset_after_silence() {
        let seen = Scene::opened().attempt(lost(4.0, Sign::Rst)).attempt(answered(pinged(1.0), 12.0)).seen();
        let finding = probe(&seen).expect("it is found");
        assert_eq!(finding.level, Level::High);
        can_be_told(&finding);
    }

    #[test]
    fn a_reset_in_answer_to_a_ping_after_silence() {
        let woken = |woken| {
            lives(URL, SILENT, 0.0, 12.0).stream_with(|stream: &mut Stream| stream.woken = Some(woken))
        };
        let busy = || Scene::opened().attempt(answered(pinged(1.0), 12.0));
        let seen = busy().attempt(woken(Woken::Ended(Sign::Rst))).seen();
        assert_eq!(probe(&seen).map(|finding| finding.level), Some(Level::High));
        for other in [Woken::Answered(0.01), Woken::Unanswered, Woken::Ended(Sign::Fin)] {
            assert_eq!(probe(&busy().attempt(woken(other)).seen()), None);
        }
    }

    #[test]
    fn one_reset_may_be_chance() {
        let finding = probe(&Scene::opened().attempt(lost(4.0, Sign::Rst)).seen()).expect("it is found");
        assert_eq!(finding.level, Level::Medium);
        assert!(finding.next_measurement.is_some());
        can_be_told(&finding);
    }

    #[test]
    fn an_end_by_fin_and_a_service_without_pong_are_others() {
        assert_eq!(probe(&Scene::opened().attempt(lost(4.0, Sign::Fin)).seen()), None);
        let mute = lives(URL, pinged(4.0), 0.0, 20.0).stream_with(|stream| stream.pings = vec![None; 5]);
        assert_eq!(probe(&Scene::opened().attempt(mute).seen()), None);
    }
}
