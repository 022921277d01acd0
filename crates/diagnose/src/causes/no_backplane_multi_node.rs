//! A broadcast reaches only the clients of the node that it was made on.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "no-backplane-multi-node",
    number: 402,
    severity: Severity::Critical,
    manual: Manual {
        title: text("a broadcast stays on the node that it was made on", "广播只停留在产生它的节点上"),
        symptoms: text(
            "With n replicas or workers about one n-th of the users see each other; with one all is well.",
            "有 n 个副本或工作进程时，大约只有 1/n 的用户能互相看到；只有一个时一切正常。",
        ),
        evidence: text(
            "A message to a channel is delivered on the connections of one upstream alone, that of its \
             sender, and lastingly so. Two clients on one upstream hear each other; on different ones \
             they do not.",
            "发往某频道的消息始终只在发送者所在上游的连接上送达。同一上游的两个客户端能互相收到，不同上游\
             的则不能。",
        ),
        look_alikes: text(
            "`sticky-session-missing`: requests fail with 400. `backpressure-drop`: slow clients alone. \
             `missed-while-disconnected`: around reconnects alone.",
            "`sticky-session-missing`：请求以 400 失败；`backpressure-drop`：仅限慢客户端；\
             `missed-while-disconnected`：仅在重连前后。",
        ),
        fix: text(
            "In the service: publish by something that all nodes listen to (socket.io Redis adapter, \
             SignalR backplane, NATS). Until then: one replica, one worker. Prove it: two clients, each \
             straight at another node, in one channel.",
            "在服务中：通过所有节点都监听的通道发布（socket.io Redis 适配器、SignalR 底板、NATS）。在此之\
             前：只运行一个副本、一个工作进程。验证：两个客户端分别直连不同节点，加入同一频道。",
        ),
        sources: &[
            "https://socket.io/docs/v4/using-multiple-nodes/",
            "https://learn.microsoft.com/aspnet/core/signalr/scale",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: who belongs to a channel stands in payloads, which Heartline does not read. \
         `messages` of the connections by upstream is a hint: with a sender on one node alone, those of \
         the others get none.",
        "无法检测：谁属于哪个频道写在消息内容中，而 Heartline 不读取内容。按上游比较各连接的 `messages` 可\
         作线索：若只有一个节点上有发送者，其他节点的连接收不到消息。",
    )),
};
