//! A proxy holds events back until there are enough of them.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use super::upstream_handshake_hang_504::is_hanging;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::flows::{self, Flow, Holding};
use crate::openings;
use crate::population::{Population, streams};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "sse-proxy-buffering",
    number: 601,
    severity: Severity::Critical,
    manual: Manual {
        title: text("a proxy holds events back", "代理缓冲了事件"),
        symptoms: text(
            "Nothing for minutes, then all at once; straight to the service each event comes at once.",
            "几分钟没有任何内容，然后一次全部到达；直接连接服务时每个事件立即到达。",
        ),
        evidence: text(
            "Events that were made at different times arrive in one read, the oldest having waited \
             longest (a sawtooth), often in blocks of 4096 or 8192 bytes or at the end only. Straight to \
             the service they come one by one. A missing `X-Accel-Buffering` alone proves nothing: nginx \
             passes a chunked HTTP/1.1 answer on at once.",
            "不同时间产生的事件在同一次读取中到达，最早的等待最久（锯齿形），常以 4096 或 8192 字节为块，\
             或只在结束时到达；直接连接服务时逐个到达。仅缺少 `X-Accel-Buffering` 不能说明问题：nginx \
             会立即转发分块的 HTTP/1.1 应答。",
        ),
        look_alikes: text(
            "`sse-gzip-buffering`: only with `Accept-Encoding`. `sse-app-not-flushing`: straight to the \
             service it is the same. A service that makes several events at once.",
            "`sse-gzip-buffering`：仅在带 `Accept-Encoding` 时出现；`sse-app-not-flushing`：\
             直接连接服务也一样；服务本来就一次产生多个事件。",
        ),
        fix: text(
            "In the service: `X-Accel-Buffering: no`. In the proxy: nginx `proxy_buffering off` and \
             `proxy_http_version 1.1` for this location; Apache `flushpackets=on`; IIS ARR \
             `responseBufferLimit=\"0\"`. Then run the diagnosis with `--checks flush`: each event must \
             come alone.",
            "在服务中：`X-Accel-Buffering: no`。在代理中：nginx 为该 location 设置 `proxy_buffering off` \
             与 `proxy_http_version 1.1`；Apache `flushpackets=on`；IIS ARR `responseBufferLimit=\"0\"`。\
             然后加上 `--checks flush` 重新诊断：每个事件都应单独到达。",
        ),
        sources: &[
            "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering",
            "https://httpd.apache.org/docs/2.4/mod/mod_proxy.html#proxypass (flushpackets)",
        ],
    },
    phrases: &[
        phrase(
            "no_head",
            "Through the proxy not even the head of the answer came in {seconds}",
            "经过代理时，{seconds}内连应答头都没有到达",
        ),
        phrase(
            "stale",
            "`stale-upstream-address`: the proxy may not get through to the service",
            "`stale-upstream-address`：代理可能无法连通服务",
        ),
        phrase(
            "wait_longer",
            "Wait until some KiB of events are made: `curl -N` through the proxy, and straight to {upstream}",
            "等待产生数 KiB 的事件：分别经过代理与直接向 {upstream} 执行 `curl -N`",
        ),
        phrase(
            "held",
            "{messages} events came in {reads} reads; the longest waited {seconds} for others",
            "{messages} 个事件分 {reads} 次读取到达；等待最久的为 {seconds}",
        ),
        phrase(
            "bunched",
            "{messages} events came in {reads} reads",
            "{messages} 个事件分 {reads} 次读取到达",
        ),
        phrase(
            "in_blocks",
            "They come in blocks of {bytes} that end inside an event: when a buffer of that size is full",
            "它们以 {bytes}为块到达，且块在事件中间结束：即该大小的缓冲区写满之时",
        ),
        phrase("until_end", "They come with the end of the answer", "它们在应答结束时才到达"),
        phrase("nothing", "No event came while the stream was listened to", "监听期间没有任何事件到达"),
        phrase(
            "straight_live",
            "Straight to {upstream} {messages} events came in {reads} reads, each when it was made",
            "直接连接 {upstream} 时 {messages} 个事件分 {reads} 次读取到达，产生即到达",
        ),
        phrase(
            "straight_brings",
            "Straight to {upstream} {messages} events came in {reads} reads in that time",
            "直接连接 {upstream} 时，同一时间内 {messages} 个事件分 {reads} 次读取到达",
        ),
        phrase(
            "not_chunked",
            "The answer is not chunked: some proxies hold such bodies",
            "应答不是分块传输：部分代理会缓冲这样的正文",
        ),
        phrase(
            "app",
            "`sse-app-not-flushing`: the service itself may hold them",
            "`sse-app-not-flushing`：可能是服务自身没有刷新",
        ),
        phrase(
            "no_buffering",
            "In the service: send `X-Accel-Buffering: no` with the stream; in the proxy: no buffering for \
             this path",
            "在服务中：随数据流发送 `X-Accel-Buffering: no`；在代理中：对该路径关闭缓冲",
        ),
        phrase(
            "nginx",
            "proxy_http_version 1.1;\nproxy_buffering off;",
            "proxy_http_version 1.1;\nproxy_buffering off;",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    held_head(seen).or_else(|| held_events(seen))
}

/// Not even the head comes: it is held together with the events.
fn held_head(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|plain| seen.target.protocol == Protocol::Sse && is_hanging(plain))?;
    let opens = openings::opens_straight(seen)?;
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let claim = Claim::of(
        &CAUSE,
        Place::UpstreamLeg,
        Said::new("no_head").seconds("seconds", plain.failed()?.seconds),
    )
    .corroborated(opens)
    .unless(Said::new("stale"))
    .next(Said::new("wait_longer").with("upstream", upstream));
    Some(claim.fix_by(Said::new("no_buffering"), Said::new("nginx")).finding())
}

fn held_events(seen: &Examination) -> Option<Finding> {
    let flow = flows::flow(seen, Via::Url, false).filter(|_| seen.target.protocol == Protocol::Sse)?;
    let straight = flows::flow(seen, Via::Direct, false);
    let holding = flows::holding(seen, Via::Url);
    let block = match holding {
        Some(Holding::BySize(bytes)) => Some(bytes),
        // A clock is no buffer.
        Some(Holding::ByTime(_)) => return None,
        _ => None,
    };
    let is_held = block.is_some() || flow.is_held_against(straight.as_ref());
    if !is_held || flow.coding().is_some() {
        return None;
    }
    let is_app = straight.as_ref().is_some_and(|straight| straight.is_held() == Some(true))
        || matches!(flows::holding(seen, Via::Direct), Some(Holding::BySize(_)));
    if is_app || straight.as_ref().is_some_and(|straight| !straight.is_live() && flow.messages > 0) {
        return None;
    }
    let answer = flow.attempt.answer.as_ref();
    let product = answer.and_then(openings::product);
    let is_chunked =
        answer.is_some_and(|answer| answer.version == "2" || answer.field("transfer-encoding").is_some());
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let code = |straight: &Flow<'_>| if straight.is_live() { "straight_live" } else { "straight_brings" };
    let live = straight.map(|straight| counted(code(&straight), &straight).with("upstream", upstream));
    let is_compared = live.is_some();
    let is_located = is_compared || product.is_some();
    let place = if is_located { Place::UpstreamLeg } else { Place::Unknown };
    let claim = Claim::of(&CAUSE, place, said(&flow))
        .noted(block.map(|bytes| Said::new("in_blocks").bytes("bytes", bytes)))
        .noted((holding == Some(Holding::UntilEnd)).then(|| Said::new("until_end")))
        .corroborated(live)
        .unless((!is_compared).then(|| Said::new("app")))
        .next(openings::ask_straight(seen))
        .fix_by(Said::new("no_buffering"), Said::new("nginx"));
    let claim = if is_located { claim } else { claim.suspected() };
    Some(claim.noted(product).noted((!is_chunked).then(|| Said::new("not_chunked"))).finding())
}

fn said(flow: &Flow<'_>) -> Said {
    match flow.messages {
        0 => Said::new("nothing"),
        _ if flow.lags.is_empty() => counted("bunched", flow),
        _ => counted("held", flow).seconds("seconds", flow.longest()),
    }
}

fn counted(code: &'static str, flow: &Flow<'_>) -> Said {
    Said::new(code).with("messages", flow.messages).with("reads", flow.reads)
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    streams::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Fault, StageName};
    use crate::scene::{Scene, event_stream, flushed, found, in_bursts, listened, none, untimed};

    fn held() -> Scene {
        Scene::of(Protocol::Sse).direct("10.0.3.7:80").attempt(listened(Via::Url, None, flushed(8, 8, 0.4)))
    }

    fn live() -> crate::attempt::Attempt {
        listened(Via::Direct, None, flushed(8, 1, 0.4))
    }

    #[test]
    fn held_through_the_proxy_and_live_straight() {
        assert_eq!(found(probe, held().attempt(live()), Level::High).place, Place::UpstreamLeg);
        let untimed = |via, batch| listened(via, None, untimed(flushed(8, batch, 0.4)));
        let scene = || Scene::of(Protocol::Sse).direct("10.0.3.7:80").attempt(untimed(Via::Direct, 1));
        found(probe, scene().attempt(untimed(Via::Url, 4)), Level::High);
        found(probe, scene().attempt(listened(Via::Url, None, Vec::new())), Level::High);
    }

    #[test]
    fn blocks_tell_a_buffer_and_not_whose() {
        let blocks = || in_bursts(&[(1.0, 3900, true), (3.0, 7996, true), (5.1, 12_092, true)]);
        let alone = found(probe, Scene::of(Protocol::Sse).attempt(blocks()), Level::Low);
        assert_eq!(alone.place, Place::Unknown);
        let untold = blocks().stream_with(|stream| stream.messages = untimed(stream.messages.clone()));
        found(probe, Scene::of(Protocol::Sse).attempt(untold), Level::Low);
        let scene = Scene::of(Protocol::Sse).direct("10.0.3.7:80").attempt(blocks());
        assert_eq!(found(probe, scene.attempt(live()), Level::High).place, Place::UpstreamLeg);
        let mut of_the_app = blocks();
        of_the_app.experiment.via = Via::Direct;
        none(probe, Scene::of(Protocol::Sse).direct("10.0.3.7:80").attempt(blocks()).attempt(of_the_app));
        let nothing = listened(Via::Url, None, Vec::new());
        let brings = listened(Via::Direct, None, untimed(flushed(8, 2, 0.1)));
        let scene = Scene::of(Protocol::Sse).direct("10.0.3.7:80").attempt(nothing).attempt(brings);
        found(probe, scene, Level::High);
    }

    #[test]
    fn a_clock_is_no_buffer() {
        let steps =
            in_bursts(&[(1.0, 400, false), (2.0, 900, false), (3.0, 1300, false), (4.0, 1800, false)]);
        none(probe, Scene::of(Protocol::Sse).attempt(steps));
    }

    #[test]
    fn the_head_may_be_held_too() {
        let scene = || {
            Scene::of(Protocol::Sse).direct("10.0.3.7:80").plain_fails(StageName::Http, Fault::Timeout, 10.0)
        };
        found(probe, scene().direct_answers(event_stream()), Level::Medium);
        none(probe, scene().direct_fails(StageName::Http, Fault::Timeout, 10.0));
        none(probe, scene());
    }

    #[test]
    fn without_a_comparison_it_is_not_sure() {
        let attempt = listened(Via::Url, None, flushed(8, 8, 0.4));
        found(probe, Scene::of(Protocol::Sse).attempt(attempt.clone()), Level::Low);
        let mut proxied = attempt;
        proxied.answer = proxied.answer.map(|answer| answer.and("server", "nginx"));
        found(probe, Scene::of(Protocol::Sse).attempt(proxied), Level::Medium);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, held().attempt(listened(Via::Direct, None, flushed(8, 4, 0.4))));
        let coded = listened(Via::Url, None, flushed(8, 8, 0.4)).coded("gzip");
        none(probe, Scene::of(Protocol::Sse).attempt(coded));
        none(probe, Scene::of(Protocol::Sse).attempt(listened(Via::Url, None, untimed(flushed(8, 4, 0.4)))));
        none(probe, Scene::of(Protocol::Sse).attempt(listened(Via::Url, None, flushed(8, 1, 0.4))));
        none(probe, Scene::of(Protocol::Sse).attempt(listened(Via::Url, None, Vec::new())));
    }
}
