//! Packets above a size vanish, and nobody says so.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Conduct, Via};
use crate::population::{Population, paths};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "mtu-blackhole",
    number: 120,
    severity: Severity::Critical,
    manual: Manual {
        title: text("packets above a size vanish on the way", "超过某一大小的报文在途中丢失"),
        symptoms: text(
            "TCP connects, then TLS or the first large message hangs; curl works and a browser, whose \
             ClientHello is larger, does not; only over a VPN or an overlay network.",
            "TCP 可以连接，但 TLS 或首条大消息卡住；curl 正常，而 ClientHello 更大的浏览器不行；只在 VPN \
             或 overlay 网络中出现。",
        ),
        evidence: text(
            "Small messages are acknowledged, and from a size near one segment on none ever is: the same \
             bytes are sent again and again, each wait twice as long, and no error comes.",
            "小消息得到确认，而从接近一个报文段的大小起再无确认：同样的字节反复重传，每次等待加倍，\
             且没有任何错误。",
        ),
        look_alikes: text(
            "`packet-loss-retransmission`: sizes fail at random. `message-too-big-1009`: a close says so. \
             `nat-or-firewall-silent-drop`: small messages vanish too, after a silence.",
            "`packet-loss-retransmission`：失败的大小是随机的；`message-too-big-1009`：有关闭码说明；\
             `nat-or-firewall-silent-drop`：静默之后小消息同样丢失。",
        ),
        fix: text(
            "On the router or tunnel of that way: clamp the MSS to its MTU (`iptables … TCPMSS \
             --clamp-mss-to-pmtu`, nftables `tcp option maxseg size set rt mtu`), and let ICMP type 3 \
             code 4 (IPv6: type 2) pass; on the servers `net.ipv4.tcp_mtu_probing=1` (0 by default). \
             Prove it: `ping -M do -s 1472 HOST` is answered or says the MTU, and messages of 4 KiB pass.",
            "在该路径的路由器或隧道上：按 MTU 限制 MSS（`iptables … TCPMSS --clamp-mss-to-pmtu`，nftables \
             `tcp option maxseg size set rt mtu`），并放行 ICMP 类型 3 代码 4（IPv6：类型 2）；\
             在服务器上设置 `net.ipv4.tcp_mtu_probing=1`（默认 0）。验证：`ping -M do -s 1472 HOST` \
             有应答或报告 MTU，且 4 KiB 的消息可以通过。",
        ),
        sources: &[
            "RFC 2923, section 2.1 (black holes)",
            "RFC 4821 and RFC 8899 (probing for the path MTU)",
            "https://docs.kernel.org/networking/ip-sysctl.html (tcp_mtu_probing)",
        ],
    },
    phrases: &[
        phrase(
            "edge",
            "Messages up to {passed} pass; one of {failed} was never acknowledged",
            "不超过 {passed} 的消息可以通过；{failed} 的消息始终没有得到确认",
        ),
        phrase(
            "resent",
            "Its bytes were sent again {count} times without an answer, and no error came",
            "其字节重传 {count} 次均无应答，也没有错误",
        ),
        phrase(
            "others_vanish",
            "{count} other messages above the edge vanished too",
            "另有 {count} 条超过该大小的消息同样丢失",
        ),
        phrase(
            "straight_passes",
            "Straight to {upstream} a message of {bytes} passes",
            "直接连接 {upstream} 时 {bytes} 的消息可以通过",
        ),
        phrase(
            "loss",
            "`packet-loss-retransmission`: the loss may be by chance",
            "`packet-loss-retransmission`：可能只是偶然丢包",
        ),
        phrase(
            "ping",
            "On this machine: `ping -M do -s 1472 {host}`, then smaller, until one is answered",
            "在本机执行 `ping -M do -s 1472 {host}`，逐步减小，直到有应答",
        ),
        phrase(
            "clamp",
            "On the router or tunnel on the way to {host}: clamp the MSS to the path's MTU, and let ICMP \
             \"fragmentation needed\" pass",
            "在通往 {host} 的路由器或隧道上：把 MSS 限制到路径 MTU，并放行 ICMP “需要分片”",
        ),
        phrase(
            "nft",
            "nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu",
            "nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu",
        ),
        phrase(
            "heard_but_stuck",
            "On {count} connections the client was heard to the end and acknowledged none of the large segments sent last",
            "{count} 个连接上直到结束都能收到客户端的数据，但它从未确认最后发送的大报文段",
        ),
        phrase(
            "resent_alone",
            "Nothing else had been sent again: what was small arrived",
            "此前没有其他重传：小的数据都已到达",
        ),
        phrase(
            "probing",
            "On the servers: `sysctl -w net.ipv4.tcp_mtu_probing=1`",
            "在服务器上：`sysctl -w net.ipv4.tcp_mtu_probing=1`",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// Where the first segment that is full ends, on ways with an MTU between that of IPv4's minimum and of jumbo
/// frames.
const EDGE_BYTES: std::ops::Range<u64> = 500..9000;
/// A message that is well below any edge.
const SMALL_BYTES: u64 = 500;
/// Retransmissions in a row without an answer that are no chance.
const UNANSWERED: u8 = 3;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    paths::holes(&CAUSE, seen)
}

fn probe(seen: &Examination) -> Option<Finding> {
    let sent: Vec<_> = messages(seen, Via::Url).collect();
    let vanished: Vec<_> = sent.iter().filter(|(_, attempt)| is_vanished(attempt)).collect();
    let &&(failed, attempt) = vanished.iter().min_by_key(|(bytes, _)| *bytes)?;
    let passed = sent.iter().filter(|(_, attempt)| is_through(attempt)).map(|(bytes, _)| *bytes).max();
    let greeted =
        seen.plain().filter(|plain| plain.is_open() && plain.peer_end().is_none()).map(|_| SMALL_BYTES);
    let passed = passed.or(greeted).filter(|passed| *passed < failed)?;
    // The edge lies somewhere between the two.
    if passed >= EDGE_BYTES.end || failed < EDGE_BYTES.start {
        return None;
    }
    let straight =
        messages(seen, Via::Direct).find(|(bytes, attempt)| *bytes >= failed && is_through(attempt));
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let others = vanished.len() - 1;
    let host = seen.target.host.as_str();
    let is_chance = others == 0 && straight.is_none();
    let count = attempt.tcp.map_or(0, |tcp| u64::from(tcp.unanswered));
    Some(
        Claim::of(
            &CAUSE,
            Place::UpstreamLeg,
            Said::new("edge").bytes("passed", passed).bytes("failed", failed),
        )
        .noted(Said::new("resent").with("count", count))
        .corroborated((others > 0).then(|| Said::new("others_vanish").with("count", others)))
        .corroborated(
            straight.map(|(bytes, _)| {
                Said::new("straight_passes").with("upstream", upstream).bytes("bytes", bytes)
            }),
        )
        .unless(is_chance.then(|| Said::new("loss")))
        .next(Said::new("ping").with("host", host))
        .fix_by(Said::new("clamp").with("host", host), Said::new("nft"))
        .fix(Said::new("probing"))
        .finding(),
    )
}

/// Messages in one frame that were sent there, with their sizes.
fn messages(seen: &Examination, via: Via) -> impl Iterator<Item = (u64, &Attempt)> {
    seen.attempts.iter().filter_map(move |attempt| match attempt.experiment.conduct {
        Conduct::Send { bytes, .. } if attempt.experiment.via == via => Some((bytes, attempt)),
        _ => None,
    })
}

/// The peer's kernel has all of it.
fn is_through(attempt: &Attempt) -> bool {
    let echoed = attempt.stream.as_ref().is_some_and(|stream| stream.echoes.iter().any(Option::is_some));
    echoed
        || attempt.tcp.is_some_and(|tcp| {
            tcp.unacked_bytes == 0 && tcp.notsent_bytes == 0 && attempt.peer_end().is_none()
        })
}

/// Sent again and again, and never acknowledged; a closed window looks alike in the kernel's numbers.
fn is_vanished(attempt: &Attempt) -> bool {
    let tcp =
        attempt.tcp.filter(|tcp| tcp.unacked_bytes > 0 && tcp.unanswered >= UNANSWERED && !tcp.zero_window);
    let is_silent = match attempt.peer_end() {
        None => true,
        Some(end) => matches!(end.sign, crate::attempt::Sign::TcpTimeout),
    };
    tcp.is_some() && is_silent
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::tcp::TcpSample;

    use super::*;
    use crate::attempt::Stream;
    use crate::experiment::{Check, Experiment};
    use crate::scene::{Scene, answer, found, none};

    fn sent(via: Via, bytes: u64, tcp: TcpSample) -> Attempt {
        let mut seen = Scene::websocket().plain(answer(101)).seen();
        let conduct = Conduct::Send { bytes, frames: 1 };
        let experiment = Experiment { check: Check::Size, via, vary: None, conduct };
        Attempt { experiment, tcp: Some(tcp), ..seen.attempts.remove(0) }
    }

    fn through(via: Via, bytes: u64) -> Attempt {
        sent(via, bytes, TcpSample::default())
            .streamed(Stream { echoes: vec![Some(0.01)], ..Stream::default() })
    }

    fn vanished(bytes: u64) -> Attempt {
        sent(
            Via::Url,
            bytes,
            TcpSample { unacked_bytes: 1400, unanswered: 4, retransmits: 4, ..TcpSample::default() },
        )
    }

    fn open() -> Scene {
        Scene::websocket().direct("10.0.3.7:80").plain(answer(101))
    }

    #[test]
    fn all_above_an_edge_vanish() {
        found(
            probe,
            open().attempt(through(Via::Url, 1024)).attempt(vanished(4096)).attempt(vanished(2560)),
            Level::High,
        );
        let straight = open().attempt(vanished(4096)).attempt(through(Via::Direct, 4096));
        found(probe, straight, Level::High);
        found(probe, open().attempt(through(Via::Url, 1024)).attempt(vanished(4096)), Level::Medium);
        let taken = open().attempt(sent(Via::Url, 1024, TcpSample::default())).attempt(vanished(4096));
        assert_eq!(
            found(probe, taken, Level::Medium).evidence[0],
            Said::new("edge").bytes("passed", 1024).bytes("failed", 4096)
        );
    }

    #[test]
    fn look_alikes_are_another_matter() {
        let closed = TcpSample { unacked_bytes: 1, unanswered: 5, zero_window: true, ..TcpSample::default() };
        none(probe, open().attempt(sent(Via::Url, 4096, closed)));
        let once = TcpSample { unacked_bytes: 1400, unanswered: 1, ..TcpSample::default() };
        none(probe, open().attempt(sent(Via::Url, 4096, once)));
        none(probe, open().attempt(through(Via::Url, 65_536)).attempt(vanished(262_144)));
        none(probe, open().attempt(vanished(128)));
        none(probe, open().attempt(through(Via::Url, 4096)));
    }
}
