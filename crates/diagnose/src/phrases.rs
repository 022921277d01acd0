//! Sentences that several causes use.

use crate::cause::{Phrase, phrase};

/// They are looked up when a cause has no sentence of that code.
pub const SHARED: &[Phrase] = &[
    phrase(
        "timer_silence",
        "{count} held streams ended after the same silence, {seconds}",
        "{count} 条保持的连接都在静默 {seconds}后结束",
    ),
    phrase(
        "timer_age",
        "{count} held streams ended at the same age, {seconds}, whatever went over them",
        "{count} 条保持的连接都在存活 {seconds}时结束，与其上的流量无关",
    ),
    phrase(
        "timer_unknown",
        "{count} held streams ended after {seconds}",
        "{count} 条保持的连接都在 {seconds}后结束",
    ),
    phrase(
        "heartbeat_survives",
        "With something sent each {period} a stream lived {lived}, more than twice as long",
        "每 {period}发送一次数据的连接存活了 {lived}，超过两倍时长",
    ),
    phrase(
        "not_one_moment",
        "They ended at different moments, or others lived on: it was not one event",
        "它们结束的时刻不同，或同时有其他连接存活：不是同一次事件",
    ),
    phrase(
        "direct_outlives",
        "Straight to {upstream} a stream outlives {seconds}",
        "直接连接 {upstream} 时，连接存活超过 {seconds}",
    ),
    phrase(
        "direct_same_time",
        "Straight to {upstream} it ends after the same time",
        "直接连接 {upstream} 也在同样的时长后结束",
    ),
    phrase(
        "some_outlived",
        "{count} silent streams lived clearly longer",
        "有 {count} 条静默的连接存活得明显更久",
    ),
    phrase("one_end_only", "a single end, which may be chance", "只有一次结束，可能是偶然"),
    phrase("one_event", "one event that ended all of them at once", "一次事件使它们同时结束"),
    phrase(
        "try_heartbeat",
        "Hold a stream with a Ping each half of that time: if it lives on, it is silence that counts",
        "以该时长的一半为周期发送 Ping 并保持连接：若能存活，则说明计的是静默时间",
    ),
    phrase(
        "repeat_hold",
        "Hold several silent streams that begin at different moments",
        "在不同时刻开始保持多条静默连接",
    ),
    phrase(
        "says_close",
        "A Close frame with code {code} ended it; its reason: {reason}",
        "Close 帧结束了连接，代码 {code}，原因：{reason}",
    ),
    phrase(
        "direct_opens",
        "The same request straight to {upstream} opens the stream ({status})",
        "同样的请求直接发到 {upstream} 可以建立连接（{status}）",
    ),
    phrase(
        "direct_fails_too",
        "Straight to {upstream} it fails in the same way",
        "直接连接 {upstream} 也以同样的方式失败",
    ),
    phrase(
        "pass_upstream",
        "Compare with the service itself: pass `--upstream HOST:PORT`",
        "与服务本身对比：加上 `--upstream 主机:端口`",
    ),
    phrase(
        "server_field",
        "The answer names {product}: a proxy stands in between",
        "应答中出现了 {product}：中间有代理",
    ),
    phrase("answered", "The answer is {status} after {seconds}", "{seconds}后应答 {status}"),
    phrase("body_says", "Its body says: {body}", "应答正文：{body}"),
];
