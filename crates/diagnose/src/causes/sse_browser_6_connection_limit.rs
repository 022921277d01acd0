//! A browser opens six connections of HTTP/1.1 to one origin, and event streams hold them all.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::population::{Population, clients};

/// See the module. Only a gateway sees the connections of one browser together.
pub const CAUSE: Cause = Cause {
    id: "sse-browser-6-connection-limit",
    number: 606,
    severity: Severity::Warning,
    manual: Manual {
        title: text("event streams hold all six connections of a browser", "事件流占满了浏览器的六个连接"),
        symptoms: text(
            "The seventh tab hangs, requests stay `pending`, and no error comes.",
            "第七个标签页卡住，请求一直为 `pending`，且没有任何错误。",
        ),
        evidence: text(
            "One client holds exactly six streams over HTTP/1.1 and nothing else of it gets on; within \
             milliseconds of one ending the next begins. Over HTTP/2 it does not occur. Seen by a gateway \
             in its connections; a probe is no browser and has no such limit.",
            "同一客户端在 HTTP/1.1 上恰好持有六条流，其余请求都无法推进；\
             其中一条结束后数毫秒内下一条开始。HTTP/2 上不会出现。由网关从其连接中看到；探测不是浏览器，\
             没有此限制。",
        ),
        look_alikes: text(
            "`nginx-worker-connections`, `accept-queue-overflow`: all clients are concerned. \
             `sse-worker-pool-exhaustion`: goes by the number of all streams.",
            "`nginx-worker-connections`、`accept-queue-overflow`：影响所有客户端；\
             `sse-worker-pool-exhaustion`：取决于所有流的总数。",
        ),
        fix: text(
            "In what ends TLS: HTTP/2 (nginx `http2 on`), where a connection carries 100 streams and \
             more. Or in the page: one stream for all tabs (SharedWorker, or BroadcastChannel with a \
             leader). Prove it: open eight tabs.",
            "在终止 TLS 的组件中启用 HTTP/2（nginx `http2 on`），一个连接可承载 100 条以上的流；\
             或在页面中让所有标签页共用一条流（SharedWorker，或带主节点的 BroadcastChannel）。验证：\
             打开八个标签页。",
        ),
        sources: &[
            "https://developer.mozilla.org/docs/Web/API/EventSource (warning on connections per browser \
             and domain)",
            "RFC 9113, section 6.5.2 (SETTINGS_MAX_CONCURRENT_STREAMS: no less than 100 recommended)",
        ],
    },
    phrases: &[
        phrase(
            "six",
            "{count} browsers (by address and program) have six event streams over HTTP/1.1, and none has more",
            "{count} 个浏览器（按地址与程序区分）在 HTTP/1.1 上各有六条事件流，且没有更多的",
        ),
        phrase(
            "next_waits",
            "{count} times the next stream of a full browser began right after one had ended",
            "占满的浏览器有 {count} 次在一条流结束后立即开始下一条",
        ),
        phrase(
            "comes_back",
            "pages that come back at once, six of each browser",
            "各浏览器的六个页面在断开后立即重连",
        ),
        phrase(
            "open_seven",
            "Open seven tabs in one browser: the seventh stays `pending`",
            "在一个浏览器中打开七个标签页：第七个一直为 `pending`",
        ),
        phrase(
            "speak_http2",
            "In what ends TLS: HTTP/2; or one stream for all tabs of a browser (SharedWorker)",
            "在终止 TLS 的组件中启用 HTTP/2；或让同一浏览器的所有标签页共用一条流（SharedWorker）",
        ),
    ],
    signs: Signs::population(population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    clients::full_browsers(&CAUSE, seen).into_iter().collect()
}
