//! A stateful middlebox forgets a silent flow and drops what comes later.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Sign;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::forgotten;
use crate::population::{Population, paths};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "nat-or-firewall-silent-drop",
    number: 206,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "a NAT or firewall forgets silent flows and drops what comes later",
            "NAT 或防火墙遗忘静默的流，之后的数据被丢弃",
        ),
        symptoms: text(
            "“Connected, but nothing arrives until I reload.” The service thinks for a quarter of an hour that the client is there.",
            "“显示已连接，但刷新之前收不到任何东西。”服务在一刻钟内都认为客户端还在。",
        ),
        evidence: text(
            "After a silence longer than T what is sent is never acknowledged: unacknowledged bytes stay, \
             retransmissions follow each other at doubling intervals, and neither FIN nor RST comes. Streams that speak \
             more often live on.",
            "静默超过 T 之后发送的数据永远得不到确认：未确认字节不减，重传间隔不断加倍，既没有 FIN 也没有 RST；更频繁发送数据的连接继续存活。",
        ),
        look_alikes: text(
            "`client-network-loss`: traffic breaks off without a silence before. `slow-consumer-client`: acknowledgements \
             keep coming. `idle-timeout-l4-cloud`: RST comes.",
            "`client-network-loss`：中断之前没有静默；`slow-consumer-client`：确认不断到来；`idle-timeout-l4-cloud`：会收到 RST。",
        ),
        fix: text(
            "Send a heartbeat of the application more often than T (25 to 30 s for mobile networks), set TCP_USER_TIMEOUT to 20 \
             to 30 s at the service, and let clients give up after two missed beats. Linux NAT: \
             `nf_conntrack_tcp_timeout_established`. Then repeat the hold with the long silence: its first message must be \
             answered.",
            "以小于 T 的周期发送应用心跳（移动网络 25 至 30 秒），服务端把 TCP_USER_TIMEOUT 设为 20 至 30 秒，客户端错过两次心跳即放弃。Linux NAT：`nf_conntrack_tcp_timeout_established`。然后再次以长静默保持连接：第一条消息应得到应答。",
        ),
        sources: &[
            "RFC 5382, section 5 (at least 2 h 4 min, which many do not keep)",
            "RFC 5482 (TCP_USER_TIMEOUT)",
            "https://docs.kernel.org/networking/nf_conntrack-sysctl.html",
        ],
    },
    phrases: &[
        phrase(
            "never_acked",
            "What was sent after {gap} of silence was never acknowledged: {bytes} are outstanding after {retransmits} \
             retransmissions, and neither FIN nor RST came",
            "静默 {gap}后发送的数据从未得到确认：重传 {retransmits} 次后仍有 {bytes} 未确认，且没有 FIN 或 RST",
        ),
        phrase(
            "shorter_is_fine",
            "A stream that speaks each {bridged} lives on beyond that time",
            "每 {bridged}发送一次数据的连接存活超过该时长",
        ),
        phrase(
            "path_died",
            "the path broke in that time for another reason",
            "路径在这段时间内因其他原因中断",
        ),
        phrase(
            "hold_shorter",
            "Hold a stream with a heartbeat each third of that time",
            "以该时长的三分之一为周期发送心跳并保持连接",
        ),
        phrase(
            "beat_faster",
            "Send a heartbeat more often than each {gap}, from the application, and let both sides give up after two \
             missed ones",
            "由应用以小于 {gap}的周期发送心跳，错过两次后双方都应放弃",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let lost = forgotten(seen, Via::Url)?;
    if lost.sign().is_some_and(|sign| *sign != Sign::TcpTimeout) {
        return None;
    }
    let tcp =
        lost.lost.tcp.filter(|tcp| tcp.unacked_bytes > 0 && (tcp.retransmits > 0 || tcp.unanswered > 0))?;
    let decisive = Said::new("never_acked")
        .seconds("gap", lost.gap)
        .bytes("bytes", tcp.unacked_bytes.into())
        .with("retransmits", u64::from(tcp.retransmits.max(tcp.unanswered.into())));
    let bridged = lost.bridged.map(|bridged| Said::new("shorter_is_fine").seconds("bridged", bridged));
    let is_alone = bridged.is_none();
    let claim = Claim::of(&CAUSE, Place::UpstreamLeg, decisive)
        .corroborated(bridged)
        .unless(is_alone.then(|| Said::new("path_died")))
        .next(is_alone.then(|| Said::new("hold_shorter")));
    Some(claim.fix(Said::new("beat_faster").seconds("gap", lost.gap)).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    paths::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::tcp::TcpSample;

    use super::*;
    use crate::attempt::{Attempt, Woken};
    use crate::scene::{SILENT, Scene, URL, can_be_told, lives, pinged};

    fn lost(unacked_bytes: u32) -> Attempt {
        let mut attempt =
            lives(URL, pinged(5.0), 0.0, 12.0).stream_with(|stream| stream.pings = vec![None, None]);
        attempt.tcp =
            Some(TcpSample { unacked_bytes, retransmits: 4, unanswered: 4, ..TcpSample::default() });
        attempt
    }

    #[test]
    fn nothing_is_acknowledged_after_a_silence() {
        let lively =
            lives(URL, pinged(1.0), 0.0, 12.0).stream_with(|stream| stream.pings = vec![Some(0.01); 11]);
        let finding = probe(&Scene::opened().attempt(lost(12)).attempt(lively).seen()).expect("it is found");
        assert_eq!(finding.level, Level::High);
        can_be_told(&finding);
    }

    #[test]
    fn without_a_shorter_heartbeat_the_path_may_have_died() {
        let finding = probe(&Scene::opened().attempt(lost(12)).seen()).expect("it is found");
        assert_eq!(finding.level, Level::Medium);
        can_be_told(&finding);
    }

    #[test]
    fn a_ping_after_silence_that_nobody_acknowledges() {
        let mut silent =
            lives(URL, SILENT, 0.0, 12.0).stream_with(|stream| stream.woken = Some(Woken::Unanswered));
        let lively =
            lives(URL, pinged(1.0), 0.0, 12.0).stream_with(|stream| stream.pings = vec![Some(0.01); 11]);
        silent.tcp = lost(12).tcp;
        let seen = Scene::opened().attempt(silent.clone()).attempt(lively).seen();
        assert_eq!(probe(&seen).map(|finding| finding.level), Some(Level::High));
        silent.tcp = None;
        assert_eq!(probe(&Scene::opened().attempt(silent).seen()), None);
    }

    #[test]
    fn a_service_that_answers_no_ping_is_healthy() {
        assert_eq!(probe(&Scene::opened().attempt(lost(0)).seen()), None);
    }
}
