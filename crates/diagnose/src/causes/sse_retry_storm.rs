//! Event streams end at once and are opened again at once.

use crate::cause::{Cause, Manual, Signs, text};
use crate::population::{Population, streams};
use model::finding::{Finding, Severity};

/// See the module. Only a gateway sees the clients that come back.
pub const CAUSE: Cause = Cause {
    id: "sse-retry-storm",
    number: 610,
    severity: Severity::Warning,
    manual: Manual {
        title: text("clients open event streams again and again", "客户端不断重新建立事件流"),
        symptoms: text(
            "The service is flooded with reconnections of EventSource.",
            "服务被 EventSource 的重连请求淹没。",
        ),
        evidence: text(
            "The time between two requests of one client is its `retry` value, or the browser's own few \
             seconds; each stream is short; clients times that rate is the load. Seen by a gateway in its \
             connections; a probe connects once and sees no other client.",
            "同一客户端两次请求的间隔等于其 `retry` 值，或浏览器自身的几秒；每条流都很短；\
             客户端数乘以该频率即为负载。由网关从其连接中看到；探测只连接一次，看不到其他客户端。",
        ),
        look_alikes: text(
            "`reconnect-storm`: follows one mass close, in waves. Polling on purpose: each stream brings \
             events.",
            "`reconnect-storm`：发生在一次大规模断开之后，呈波浪形；有意轮询：每条流都带来事件。",
        ),
        fix: text(
            "In the service: find why streams end at once; send `retry: 5000` and more with a random \
             part; answer 204 to clients that are to stay away. Prove it: the rate of new streams falls \
             below one a minute for each client.",
            "在服务中：找出流立即结束的原因；发送 `retry: 5000` 以上并带随机部分；\
             对不应再连接的客户端应答 204。验证：每个客户端新建流的频率降到每分钟一次以下。",
        ),
        sources: &["WHATWG HTML, sections 9.2.3 and 9.2.6 (reconnection time, retry, 204)"],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: Some(population) },
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    streams::findings(&CAUSE, seen)
}
