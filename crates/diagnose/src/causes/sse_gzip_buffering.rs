//! Compression holds events back until its block is full.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use super::upstream_handshake_hang_504::is_hanging;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Check, Vary, Via};
use crate::flows::{self, Flow};
use crate::openings;
use crate::population::{Population, streams};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "sse-gzip-buffering",
    number: 602,
    severity: Severity::Critical,
    manual: Manual {
        title: text("compression holds events back", "压缩导致事件滞留"),
        symptoms: text(
            "It works with curl and not in a browser, which sends `Accept-Encoding`.",
            "curl 正常，而会发送 `Accept-Encoding` 的浏览器不正常。",
        ),
        evidence: text(
            "With `Accept-Encoding: gzip` the answer has `Content-Encoding`, and events come in bunches \
             or at the end; without, each comes when it is made. In traffic: streams with `Content-Encoding` \
             come in far fewer reads than those without, and their reads do not end with the mark of a \
             compressor that is flushed (an empty block of deflate, `00 00 ff ff`). Where the head is kept too, clients \
             that accept compression get no answer until the stream ends, while others are answered at once.",
            "带 `Accept-Encoding: gzip` 时应答有 `Content-Encoding`，事件成批或在结束时到达；\
             不带时产生即到达。在流量中：带 `Content-Encoding` 的流的读取次数远少于不带的，且读取不以刷新压缩器\
             的标记（deflate 空块 `00 00 ff ff`）结尾。若应答头也被滞留，则接受压缩的客户端在流结束前得不到应答，\
             而其他客户端立即得到应答。",
        ),
        look_alikes: text(
            "`sse-proxy-buffering`, `sse-app-not-flushing`: held without compression too.",
            "`sse-proxy-buffering`、`sse-app-not-flushing`：不压缩时同样滞留。",
        ),
        fix: text(
            "Leave `text/event-stream` out of compression (nginx `gzip_types`, a filter of the \
             middleware), or send `Cache-Control: no-transform`; where the service compresses by itself, \
             flush the compressor after each event. Then run the diagnosis with `--checks flush,deflate`: \
             both must be live.",
            "不要压缩 `text/event-stream`（nginx `gzip_types`、中间件的过滤器），或发送 `Cache-Control: \
             no-transform`；若服务自行压缩，则在每个事件后刷新压缩器。然后加上 `--checks flush,deflate` \
             重新诊断：两者都应实时到达。",
        ),
        sources: &[
            "RFC 9111, section 5.2.2.6 (no-transform)",
            "RFC 1951, section 3.2.4 (a block without compression)",
            "https://nginx.org/en/docs/http/ngx_http_gzip_module.html#gzip_types",
            "https://github.com/expressjs/compression#server-sent-events",
        ],
    },
    phrases: &[
        phrase(
            "no_head",
            "With `Accept-Encoding: gzip` not even the head of the answer came in {seconds}",
            "带 `Accept-Encoding: gzip` 时，{seconds}内连应答头都没有到达",
        ),
        phrase(
            "held",
            "With `Accept-Encoding: gzip` ({coding}) {messages} events came in {reads} reads",
            "带 `Accept-Encoding: gzip`（{coding}）时 {messages} 个事件分 {reads} 次读取到达",
        ),
        phrase(
            "identity_live",
            "Without it {messages} events came in {reads} reads, each when it was made",
            "不带时 {messages} 个事件分 {reads} 次读取到达，产生即到达",
        ),
        phrase(
            "identity_brings",
            "Without it {messages} events came in {reads} reads in that time",
            "不带时，同一时间内 {messages} 个事件分 {reads} 次读取到达",
        ),
        phrase(
            "straight_held",
            "Straight to {upstream} compression holds them too",
            "直接连接 {upstream} 时压缩同样造成滞留",
        ),
        phrase(
            "straight_live",
            "Straight to {upstream} they are live with compression too",
            "直接连接 {upstream} 时即使压缩也实时到达",
        ),
        phrase(
            "coded_reads",
            "{count} of {all} streams with `Content-Encoding: {coding}` come in {reads} reads a second (median)",
            "{all} 条带 `Content-Encoding: {coding}` 的流中有 {count} 条每秒仅 {reads} 次读取（中位数）",
        ),
        phrase(
            "plain_live",
            "{count} without compression on the same route come in {reads} reads a second, event by event",
            "同一路由上未压缩的 {count} 条每秒 {reads} 次读取，逐个事件到达",
        ),
        phrase(
            "never_flushed",
            "On {count} hardly any read ends as a compressor ends it that is flushed (`00 00 ff ff`)",
            "其中 {count} 条几乎没有一次读取以刷新压缩器的标记（`00 00 ff ff`）结尾",
        ),
        phrase(
            "head_alone",
            "On {count} the head of the compression came and nothing behind it: its compressor was given something, and \
             keeps it",
            "其中 {count} 条只收到压缩格式的头部，之后再无内容：压缩器已收到数据，却未输出",
        ),
        phrase(
            "whole_at_the_end",
            "{count} came whole at their end: not even the head of the answer came before the last event",
            "其中 {count} 条在结束时才整体到达：在最后一个事件之前，连应答头都没有到达",
        ),
        phrase(
            "no_head_for_many",
            "{count} clients that accept compression left after {seconds} (median) without an answer",
            "有 {count} 个接受压缩的客户端在 {seconds}（中位数）后离开，从未得到应答",
        ),
        phrase(
            "others_answered",
            "{count} that do not accept it were answered after {seconds} (median), and their events came one by one",
            "{count} 个不接受压缩的客户端在 {seconds}（中位数）后得到应答，且事件逐个到达",
        ),
        phrase("maybe_quiet", "nothing may have been sent meanwhile", "其间可能没有发送任何内容"),
        phrase(
            "other_streams",
            "clients that do not ask for compression may listen to busier streams",
            "不请求压缩的客户端可能监听更繁忙的流",
        ),
        phrase("buffered", "they may be held without compression too", "不压缩时也可能滞留"),
        phrase(
            "try_identity",
            "Repeat without compression: `--checks flush,deflate`",
            "去掉压缩重试：`--checks flush,deflate`",
        ),
        phrase(
            "exclude",
            "In the hop that compresses: leave text/event-stream out, or send `Cache-Control: \
             no-transform` with the stream",
            "在进行压缩的一跳：排除 text/event-stream，或随数据流发送 `Cache-Control: no-transform`",
        ),
        phrase("nginx", "gzip off;", "gzip off;"),
        phrase(
            "flush",
            "In the service: flush the compressor after each event, or do not compress event streams",
            "在服务中：每个事件后刷新压缩器，或不压缩事件流",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    held_events(seen).or_else(|| held_head(seen))
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    streams::findings(&CAUSE, seen)
}

/// With compression not even the head comes.
fn held_head(seen: &Examination) -> Option<Finding> {
    let live = flows::flow(seen, Via::Url, false).filter(Flow::is_live)?;
    let coded = seen
        .of(Check::Compression, Via::Url)
        .find(|attempt| attempt.experiment.vary == Some(Vary::Compression(true)) && is_hanging(attempt))?;
    let straight = flows::flow(seen, Via::Direct, true);
    let is_live_straight = straight.as_ref().is_some_and(Flow::is_live);
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let place = if is_live_straight { Place::UpstreamLeg } else { Place::Unknown };
    let claim = Claim::of(&CAUSE, place, Said::new("no_head").seconds("seconds", coded.failed()?.seconds))
        .corroborated(identity_live(&live))
        .noted(is_live_straight.then(|| Said::new("straight_live").with("upstream", upstream)))
        .fix_by(Said::new("exclude"), Said::new("nginx"));
    Some(claim.fix(Said::new("flush")).finding())
}

fn identity_live(live: &Flow<'_>) -> Said {
    let code = if live.is_live() { "identity_live" } else { "identity_brings" };
    Said::new(code).with("messages", live.messages).with("reads", live.reads)
}

fn held_events(seen: &Examination) -> Option<Finding> {
    let identity = flows::flow(seen, Via::Url, false).filter(|_| seen.target.protocol == Protocol::Sse);
    let coded = flows::flow(seen, Via::Url, true)
        .or_else(|| identity.clone().filter(|flow| flow.coding().is_some()))?;
    let coding = coded.coding()?;
    let live = identity.filter(|identity| identity.coding().is_none());
    if !coded.is_held_against(live.as_ref()) || live.as_ref().is_some_and(|live| live.is_held() == Some(true))
    {
        return None;
    }
    let straight = flows::flow(seen, Via::Direct, true).filter(|flow| flow.coding().is_some());
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let (place, compared) = match &straight {
        Some(straight) if straight.is_held_against(live.as_ref()) => (Place::Upstream, Some("straight_held")),
        Some(straight) if straight.is_live() => (Place::UpstreamLeg, Some("straight_live")),
        _ => (Place::Unknown, None),
    };
    let decisive =
        Said::new("held").with("coding", coding).with("messages", coded.messages).with("reads", coded.reads);
    let is_alone = live.is_none();
    let live = live.as_ref().map(identity_live);
    let claim = Claim::of(&CAUSE, place, decisive)
        .corroborated(live)
        .noted(compared.map(|code| Said::new(code).with("upstream", upstream)))
        .noted(coded.attempt.answer.as_ref().and_then(openings::product))
        .unless(is_alone.then(|| Said::new("buffered")))
        .next(Said::new("try_identity"));
    let claim =
        if place == Place::Upstream { claim } else { claim.fix_by(Said::new("exclude"), Said::new("nginx")) };
    let claim = if place == Place::UpstreamLeg { claim } else { claim.fix(Said::new("flush")) };
    Some(claim.finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Attempt, Fault, StageName};
    use crate::scene::{Scene, fails, flushed, found, listened, none, untimed};

    fn gzip(via: Via, batch: u32) -> Attempt {
        listened(via, Some(Vary::Compression(true)), flushed(8, batch, 0.4)).coded("gzip")
    }

    fn live() -> Scene {
        let scene = Scene::of(Protocol::Sse).direct("10.0.3.7:80");
        scene.attempt(listened(Via::Url, None, flushed(8, 1, 0.4)))
    }

    #[test]
    fn only_with_compression() {
        assert_eq!(found(probe, live().attempt(gzip(Via::Url, 8)), Level::High).place, Place::Unknown);
        let app = live().attempt(gzip(Via::Url, 8)).attempt(gzip(Via::Direct, 8));
        assert_eq!(found(probe, app, Level::High).place, Place::Upstream);
        let proxy = live().attempt(gzip(Via::Url, 8)).attempt(gzip(Via::Direct, 1));
        assert_eq!(found(probe, proxy, Level::High).place, Place::UpstreamLeg);
        let mut empty = gzip(Via::Url, 8);
        empty.stream = Some(crate::attempt::Stream::default());
        found(probe, live().attempt(empty.clone()), Level::High);
        let pairs = listened(Via::Url, None, untimed(flushed(8, 2, 0.1)));
        found(probe, Scene::of(Protocol::Sse).attempt(pairs).attempt(empty), Level::High);
    }

    #[test]
    fn the_head_may_be_held_too() {
        let hang = |vary| Attempt {
            experiment: listened(Via::Url, vary, Vec::new()).experiment,
            ..fails(Via::Url, None, StageName::Http, Fault::Timeout, 10.0)
        };
        found(probe, live().attempt(hang(Some(Vary::Compression(true)))), Level::High);
        none(probe, live().attempt(hang(None)));
        none(probe, Scene::of(Protocol::Sse).attempt(hang(Some(Vary::Compression(true)))));
    }

    #[test]
    fn without_a_comparison_it_is_not_sure() {
        found(probe, Scene::of(Protocol::Sse).attempt(gzip(Via::Url, 8)), Level::Medium);
        let unasked = listened(Via::Url, None, flushed(8, 8, 0.4)).coded("br");
        found(probe, Scene::of(Protocol::Sse).attempt(unasked), Level::Medium);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        let held = Scene::of(Protocol::Sse).attempt(listened(Via::Url, None, flushed(8, 8, 0.4)));
        none(probe, held.attempt(gzip(Via::Url, 8)));
        none(probe, live().attempt(gzip(Via::Url, 1)));
        none(probe, live().attempt(listened(Via::Url, Some(Vary::Compression(true)), flushed(8, 8, 0.4))));
        none(probe, live());
    }
}
