//! The service writes events and does not send them.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::flows::{self, Flow, Holding};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "sse-app-not-flushing",
    number: 603,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the service does not flush its events", "服务没有刷新（flush）事件"),
        symptoms: text(
            "Nothing for minutes, then all at once, straight to the service as well.",
            "几分钟没有任何内容，然后一次全部到达；直接连接服务也一样。",
        ),
        evidence: text(
            "Straight to the service, events that were made at different times arrive together, in blocks \
             of its buffer (often 4 or 8 KiB) or at the end.",
            "直接连接服务时，不同时间产生的事件一起到达，按其缓冲区大小（常为 4 或 8 KiB）成块，\
             或在结束时到达。",
        ),
        look_alikes: text(
            "`sse-proxy-buffering`: straight to the service they are live. `sse-gzip-buffering`: live \
             without compression. Events that are made together.",
            "`sse-proxy-buffering`：直接连接服务时实时到达；`sse-gzip-buffering`：不压缩时实时到达；\
             本来就一起产生的事件。",
        ),
        fix: text(
            "In the service: flush after each event (Go `http.Flusher`, Node `res.flush()` behind a \
             compression middleware, PHP `output_buffering=0` and `flush()`, Python a generator without \
             buffering middleware). Then run the diagnosis with `--upstream` and `--checks flush`: each \
             event must come alone.",
            "在服务中：每个事件后刷新（Go `http.Flusher`；Node 在压缩中间件之后用 `res.flush()`；PHP \
             `output_buffering=0` 与 `flush()`；Python 使用不经缓冲中间件的生成器）。然后加上 \
             `--upstream` 与 `--checks flush` 重新诊断：每个事件都应单独到达。",
        ),
        sources: &[
            "https://pkg.go.dev/net/http#Flusher",
            "https://www.php.net/manual/en/outcontrol.configuration.php",
            "WHATWG HTML, section 9.2",
        ],
    },
    phrases: &[
        phrase(
            "held",
            "Straight to {upstream} {messages} events came in {reads} reads; the longest waited {seconds} \
             for others",
            "直接连接 {upstream} 时 {messages} 个事件分 {reads} 次读取到达；等待最久的为 {seconds}",
        ),
        phrase(
            "blocks",
            "Straight to {upstream} events come in blocks of {bytes} that end inside an event: when a buffer of that \
             size is full",
            "直接连接 {upstream} 时事件以 {bytes}为块到达，且块在事件中间结束：即该大小的缓冲区写满之时",
        ),
        phrase("blocks_too", "Through the proxy it is the same", "经过代理时也一样"),
        phrase(
            "same_through_proxy",
            "Through the proxy it is the same ({messages} events in {reads} reads)",
            "经过代理时也一样（{messages} 个事件分 {reads} 次读取）",
        ),
        phrase(
            "coded",
            "the answer is compressed ({coding}): the compressor may hold them",
            "应答已压缩（{coding}）：可能是压缩器造成滞留",
        ),
        phrase(
            "repeat",
            "Listen to both ways: `--upstream` with `--checks flush`",
            "同时监听两条路径：`--upstream` 加 `--checks flush`",
        ),
        phrase("flush", "In the service: flush after each event", "在服务中：每个事件后刷新"),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let straight = flows::flow(seen, Via::Direct, false).filter(|_| seen.target.protocol == Protocol::Sse)?;
    let block = |via| match flows::holding(seen, via) {
        Some(Holding::BySize(bytes)) => Some(bytes),
        _ => None,
    };
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let claim = match block(Via::Direct) {
        Some(bytes) => {
            let decisive = Said::new("blocks").with("upstream", upstream).bytes("bytes", bytes);
            let too = block(Via::Url).map(|_| Said::new("blocks_too"));
            Claim::of(&CAUSE, Place::Upstream, decisive).corroborated(too)
        }
        None if straight.is_held() == Some(true) => {
            let counted = |code: &'static str, flow: &Flow<'_>| {
                Said::new(code).with("messages", flow.messages).with("reads", flow.reads)
            };
            let through = flows::flow(seen, Via::Url, false).filter(|flow| flow.is_held() == Some(true));
            let decisive =
                counted("held", &straight).with("upstream", upstream).seconds("seconds", straight.longest());
            Claim::of(&CAUSE, Place::Upstream, decisive)
                .corroborated(through.map(|flow| counted("same_through_proxy", &flow)))
        }
        None => return None,
    };
    Some(
        claim
            .unless(straight.coding().map(|coding| Said::new("coded").with("coding", coding)))
            .next(Said::new("repeat"))
            .fix(Said::new("flush"))
            .finding(),
    )
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, flushed, found, in_bursts, listened, none, untimed};

    fn straight(batch: u32) -> Scene {
        let scene = Scene::of(Protocol::Sse).direct("10.0.3.7:80");
        scene.attempt(listened(Via::Direct, None, flushed(8, batch, 0.4)))
    }

    #[test]
    fn held_straight_at_the_service() {
        let both = straight(4).attempt(listened(Via::Url, None, flushed(8, 4, 0.4)));
        assert_eq!(found(probe, both, Level::High).place, Place::Upstream);
        found(probe, straight(4), Level::Medium);
    }

    #[test]
    fn full_buffers_straight_at_the_service() {
        let blocks = |via| {
            let mut attempt = in_bursts(&[(1.0, 4096, true), (3.0, 8192, true), (5.0, 12_288, true)]);
            attempt.experiment.via = via;
            attempt.stream_with(|stream| stream.messages = untimed(stream.messages.clone()))
        };
        let scene = || Scene::of(Protocol::Sse).direct("10.0.3.7:80").attempt(blocks(Via::Direct));
        found(probe, scene(), Level::Medium);
        found(probe, scene().attempt(blocks(Via::Url)), Level::High);
        let hop = Scene::of(Protocol::Sse).direct("10.0.3.7:80").attempt(blocks(Via::Url));
        none(probe, hop.attempt(listened(Via::Direct, None, flushed(8, 1, 0.4))));
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, straight(1).attempt(listened(Via::Url, None, flushed(8, 4, 0.4))));
        none(probe, Scene::of(Protocol::Sse).attempt(listened(Via::Url, None, flushed(8, 4, 0.4))));
        let bursts = listened(Via::Direct, None, untimed(flushed(8, 4, 0.4)));
        none(probe, Scene::of(Protocol::Sse).attempt(bursts));
    }
}
