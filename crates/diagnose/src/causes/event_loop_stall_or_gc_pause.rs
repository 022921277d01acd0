//! A process stands still as a whole: a collection of garbage, a blocking call.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::population::{Population, codes, heartbeats};
use crate::stalls::{period, stalls, straight};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "event-loop-stall-or-gc-pause",
    number: 304,
    severity: Severity::Warning,
    manual: Manual {
        title: text("a process of the service stands still for moments", "服务进程整体短暂停顿"),
        symptoms: text(
            "Everybody on one node freezes at the same moments, often at regular intervals, and then gets \
             everything at once.",
            "同一节点上的所有人同时卡住（往往间隔固定），随后一次收到全部内容。",
        ),
        evidence: text(
            "All connections of one upstream are silent over the same stretch of time and then flush \
             together; Pongs are late by the same amount. The kernel acknowledges what was sent \
             meanwhile, and the round trip of TCP stays flat.",
            "同一上游的所有连接在同一段时间内静默，随后一起送出数据；Pong 也迟到同样的时间。期间发送的数据\
             仍被内核确认，TCP 往返时间平稳。",
        ),
        look_alikes: text(
            "`event-loop-block-late-pong`: the pause is longer than the heartbeat allows, and connections \
             end. `narrow-link-or-bufferbloat`, `packet-loss-retransmission`: acknowledgements are late \
             too. `host-cpu-saturation-or-steal`: several processes of one machine at once.",
            "`event-loop-block-late-pong`：停顿超过心跳允许的时间，连接因此结束；\
             `narrow-link-or-bufferbloat`、`packet-loss-retransmission`：确认也迟到；\
             `host-cpu-saturation-or-steal`：同一机器上的多个进程同时停顿。",
        ),
        fix: text(
            "In the service: log pauses of its runtime (Java `-Xlog:gc`, Go `GODEBUG=gctrace=1`, Node.js \
             `monitorEventLoopDelay`, asyncio debug mode); cut long work into pieces or move it off the \
             loop; give the heap room. Prove it: the 99th percentile of Ping round trips falls to that of \
             TCP.",
            "在服务中：记录运行时停顿（Java `-Xlog:gc`、Go `GODEBUG=gctrace=1`、Node.js \
             `monitorEventLoopDelay`、asyncio 调试模式）；把耗时工作拆分或移出事件循环；给堆留出余量。验\
             证：Ping 往返的 99 分位降到与 TCP 往返相当。",
        ),
        sources: &[
            "https://nodejs.org/en/learn/asynchronous-work/dont-block-the-event-loop",
            "https://docs.python.org/3/library/asyncio-dev.html",
            "https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md",
        ],
    },
    phrases: &[
        phrase(
            "pongs_late",
            "{count} of {all} connections of {upstream} waited up to {seconds} for a Pong",
            "{upstream} 的 {all} 个连接中有 {count} 个等待 Pong 长达 {seconds}",
        ),
        phrase(
            "way_is_short",
            "Its kernel acknowledged within {rtt} meanwhile: the way is not slow",
            "期间其内核在 {rtt}内确认：网络并不慢",
        ),
        phrase(
            "others_answer",
            "On {count} connections of other upstreams Pongs came at once",
            "其他上游的 {count} 个连接上，Pong 立即到达",
        ),
        phrase("maybe_gateway", "this gateway itself stands still", "本网关自身停顿"),
        phrase(
            "log_pauses",
            "Let the service log its pauses, and compare the CPU of its machine at these moments",
            "让服务记录自身停顿，并比对其机器在这些时刻的 CPU",
        ),
        phrase(
            "stood_still",
            "{count} times nothing was answered on any stream for up to {seconds}, and then on all of them together",
            "有 {count} 次在长达 {seconds}内所有连接都得不到应答，随后同时全部得到应答",
        ),
        phrase("each_so_often", "That comes each {period}", "每隔 {period}出现一次"),
        phrase(
            "nothing_resent",
            "Its kernel acknowledged all that was sent meanwhile: nothing was sent again",
            "期间发送的数据均被其内核确认：没有重传",
        ),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase("straight_not", "Straight at {upstream} it is not so", "直连 {upstream} 则不是如此"),
        phrase("by_chance", "a single pause, which may be chance", "只有一次停顿，可能是偶然"),
        phrase("own_machine", "the machine of this probe stands still", "本探测所在的机器停顿"),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let found = stalls(seen, Via::Url);
    let longest = found.iter().map(|stall| stall.to - stall.from).reduce(f64::max)?;
    let (place, compared) = match straight(seen, &found) {
        Some(true) => (Place::Upstream, Some("straight_too")),
        Some(false) => (Place::UpstreamLeg, Some("straight_not")),
        None => (Place::Unknown, None),
    };
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let resent: u32 =
        seen.of_open(Via::Url).filter_map(|attempt| attempt.tcp).map(|tcp| tcp.retransmits).sum();
    let said = Said::new("stood_still").with("count", found.len()).seconds("seconds", longest);
    let compared = compared.map(|code| Said::new(code).with("upstream", upstream));
    Some(
        Claim::of(&CAUSE, place, said)
            .corroborated((resent == 0).then(|| Said::new("nothing_resent")))
            .corroborated(period(&found).map(|period| Said::new("each_so_often").seconds("period", period)))
            .noted(compared)
            .unless((found.len() < 2).then(|| Said::new("by_chance")))
            .unless(Said::new("own_machine"))
            .next(Said::new("log_pauses"))
            .fix(Said::new("see_manual").with("id", CAUSE.id))
            .finding(),
    )
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    // When it costs connections, the code that they end with says it.
    if codes::are_for_want_of_pongs(seen) {
        return Vec::new();
    }
    heartbeats::stalls(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, found, none};
    use crate::stalls::tests::watched;

    const STILLS: [(f64, f64); 2] = [(1.0, 1.8), (4.0, 4.8)];

    fn stands_still(via: Via) -> [crate::attempt::Attempt; 2] {
        [watched(via, 0.0, &STILLS), watched(via, 0.11, &STILLS)]
    }

    #[test]
    fn all_streams_wait_together() {
        let scene = || Scene::opened().direct("10.0.3.7:80").attempts(stands_still(Via::Url));
        assert_eq!(found(probe, scene(), Level::Medium).place, Place::Unknown);
        let place = |stills| {
            let straight = watched(Via::Direct, 0.2, stills);
            found(probe, scene().attempt(straight), Level::Medium).place
        };
        assert_eq!((place(&STILLS), place(&[])), (Place::Upstream, Place::UpstreamLeg));
    }

    #[test]
    fn one_that_waits_alone_is_another_matter() {
        none(probe, Scene::opened().attempts([watched(Via::Url, 0.0, &STILLS), watched(Via::Url, 0.1, &[])]));
    }
}
