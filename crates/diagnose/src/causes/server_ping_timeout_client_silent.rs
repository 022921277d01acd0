//! A service gives up a client that does not answer its Pings.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, text};
use crate::population::{Population, codes, timed};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "server-ping-timeout-client-silent",
    number: 207,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "the service gave up a client that did not answer its Pings",
            "服务放弃了未应答 Ping 的客户端",
        ),
        symptoms: text(
            "“ping timeout” in the service's log; Close 1011 `keepalive ping timeout`.",
            "服务日志出现“ping timeout”；Close 1011 `keepalive ping timeout`。",
        ),
        evidence: text(
            "A Ping of the service passed the gateway, no Pong came back before the service closed. The \
             client's kernel acknowledged it: the client is stalled. It did not: the path is dead. The Pong \
             came after the Close: the timeout is shorter than the path's delay.",
            "服务的 Ping 经过了网关，而服务关闭之前没有 Pong 返回。客户端内核已确认：客户端停滞；未确认：路径中断；Pong 在 Close 之后到达：超时短于路径延迟。",
        ),
        look_alikes: text(
            "`event-loop-block-late-pong`: the Pong came in time, and the service read it late.",
            "`event-loop-block-late-pong`：Pong 及时到达，但服务读取得太晚。",
        ),
        fix: text(
            "A stalled client: move work off its main thread. A dead path: see `nat-or-firewall-silent-drop`. \
             A late Pong: raise the service's ping timeout to twice the slowest round trip and at least 20 s \
             (websockets `ping_timeout`, socket.io `pingTimeout`). Then the closes with 1011 must stop.",
            "客户端停滞：把工作移出主线程。路径中断：见 `nat-or-firewall-silent-drop`。Pong 迟到：把服务的 ping 超时调到最慢往返的两倍且不小于 20 秒（websockets `ping_timeout`、socket.io `pingTimeout`）。之后不应再出现 1011 关闭。",
        ),
        sources: &[
            "RFC 6455, section 5.5.2",
            "https://websockets.readthedocs.io/en/stable/topics/keepalive.html",
        ],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: Some(population) },
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [timed::findings(&CAUSE, seen), codes::findings(&CAUSE, seen)].concat()
}
