//! A service drops messages for a client above a limit of what waits for it.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "backpressure-drop",
    number: 403,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the service drops messages for slow clients", "服务为慢客户端丢弃消息"),
        symptoms: text(
            "Fast streams skip updates, for slow users alone; their connections stay up.",
            "高速数据流会跳过部分更新，但只影响慢用户，且其连接保持不断。",
        ),
        evidence: text(
            "Numbers are missing within a connection while what waits for its client is level at a limit, \
             such as 64 KiB or 1 MiB; clients that read at once miss none.",
            "连接存续期间缺少编号，同时待发给该客户端的数据停在某个上限（如 64 KiB 或 1 MiB）；及时读取的\
             客户端没有缺失。",
        ),
        look_alikes: text(
            "`missed-while-disconnected`: the gap spans an end. A hop that drops as a policy says: its \
             counters tell; Heartline itself drops none. Conflation on purpose: the newest state always \
             arrives.",
            "`missed-while-disconnected`：缺口跨越一次断开；中间节点按策略丢弃：其计数器会显示；Heartline \
             自身不丢弃消息；有意合并：最新状态总会到达。",
        ),
        fix: text(
            "In the service: tell the client of a gap so that it asks again, merge updates of the same \
             key, or close with 1013 in place of dropping. In the client: read faster \
             (`slow-consumer-client`). Prove it: a client that pauses for 5 s learns that it missed \
             something.",
            "在服务中：告知客户端存在缺口以便其重新请求，合并同一键的更新，或以 1013 关闭而不是丢弃。在客\
             户端：加快读取（`slow-consumer-client`）。验证：暂停 5 秒的客户端能得知自己漏收了消息。",
        ),
        sources: &[
            "https://github.com/uNetworking/uWebSockets/blob/master/misc/READMORE.md (backpressure)",
            "https://websockets.spec.whatwg.org/#dom-websocket-bufferedamount",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: what a service drops never comes to the wire, and numbers stand in payloads, which \
         Heartline does not read. `slow-consumer-client` names the connections on which it is to be \
         looked for.",
        "无法检测：服务丢弃的消息不会出现在链路上，编号又在消息内容中，而 Heartline 不读取内容。\
         `slow-consumer-client` 会指出应在哪些连接上查找。",
    )),
};
