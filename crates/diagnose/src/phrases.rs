//! Sentences that several causes use.

use crate::cause::{Phrase, phrase};

/// They are looked up when a cause has no sentence of that code.
pub const SHARED: &[Phrase] = &[
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
