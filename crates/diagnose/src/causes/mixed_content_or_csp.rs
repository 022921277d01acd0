//! The browser forbids the connection before it is made.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "mixed-content-or-csp",
    number: 801,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the page's own policy forbids the connection", "页面自身的策略禁止了该连接"),
        symptoms: text(
            "The console says `SecurityError`, `insecure WebSocket connection`, or `Refused to connect … \
             Content Security Policy`, at once.",
            "控制台立即报告 `SecurityError`、`insecure WebSocket connection` 或 `Refused to connect … \
             Content Security Policy`。",
        ),
        evidence: text(
            "The connection fails when it is made, without any packet, for pages of one origin alone; \
             other clients connect. The page is `https:` and the URL `ws:`, or the `connect-src` of its \
             policy does not name the host.",
            "连接在创建时即失败，没有任何数据包，且只影响某一来源的页面；其他客户端可以连接。页面为 \
             `https:` 而地址为 `ws:`，或其策略的 `connect-src` 未包含该主机。",
        ),
        look_alikes: text(
            "`ws-origin-403`: the request is sent and answered. `network-unreachable-or-filtered`: it \
             takes time and a packet. An extension that blocks: it works in a private window without \
             extensions.",
            "`ws-origin-403`：请求已发出并得到应答；`network-unreachable-or-filtered`：需要时间并有数据\
             包；浏览器扩展拦截：在没有扩展的隐私窗口中正常。",
        ),
        fix: text(
            "In the page: a `wss:` URL. In the server of the page: `Content-Security-Policy: connect-src \
             'self' wss://HOST`, since `'self'` alone does not cover another host. Prove it: the console \
             is quiet and the network panel shows the request.",
            "在页面中：使用 `wss:` 地址。在提供页面的服务器上：`Content-Security-Policy: connect-src \
             'self' wss://主机`，仅有 `'self'` 不包括其他主机。验证：控制台没有报错，网络面板中出现该请\
             求。",
        ),
        sources: &[
            "https://www.w3.org/TR/mixed-content/",
            "https://www.w3.org/TR/CSP3/#directive-connect-src",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: no packet leaves the browser. That connections from pages of one origin are \
         missing altogether, while `heartline diagnose` opens the same URL, points to it; the browser's \
         console says it.",
        "无法检测：没有任何数据包离开浏览器。若 `heartline diagnose` 能打开同一地址，而来自某一来源页面的\
         连接完全没有，则指向此原因；浏览器控制台会明确说明。",
    )),
};
