//! A client believes in a connection that is dead, since nothing tells it.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "client-no-heartbeat-half-open",
    number: 804,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the client does not notice that its connection is dead", "客户端没有发觉连接已失效"),
        symptoms: text(
            "The page says connected and gets no updates until it is reloaded.",
            "页面显示已连接，但刷新之前收不到任何更新。",
        ),
        evidence: text(
            "The client holds a connection as open that has ended on this side, and its last message is \
             much older than what the service sends regularly. Browsers give pages neither a Ping nor the \
             Pongs that they answer.",
            "客户端认为仍然打开的连接在这一侧早已结束，其最后一条消息远早于服务的定期发送间隔。浏览器既不\
             向页面提供 Ping，也不通知其自动应答的 Pong。",
        ),
        look_alikes: text(
            "`late-listener-or-wrong-event-name`: the messages arrive. `event-loop-stall-or-gc-pause`: \
             all clients of a node. `nat-or-firewall-silent-drop`: why the connection died.",
            "`late-listener-or-wrong-event-name`：消息确实到达；`event-loop-stall-or-gc-pause`：影响某节点\
             的所有客户端；`nat-or-firewall-silent-drop`：连接失效的原因。",
        ),
        fix: text(
            "In the client: a watchdog that reconnects when no message came for two to three times the \
             service's interval. In the service: a small message each 20 to 30 s, since a page does not \
             see Pings. Prove it: drop all packets of a client; it reconnects within a minute.",
            "在客户端：设置看门狗，若在服务发送间隔的两到三倍时间内没有消息则重连。在服务中：每 20 至 30 \
             秒发送一条小消息，因为页面看不到 Ping。验证：丢弃某客户端的所有数据包，它应在一分钟内重连。",
        ),
        sources: &[
            "RFC 6455, section 5.5.2",
            "https://websockets.spec.whatwg.org/",
            "https://websockets.readthedocs.io/en/stable/topics/keepalive.html",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: that a client believes in a dead connection shows nowhere but in the client. \
         Heartline shows that the connection ended, how, and that no other followed within a minute.",
        "无法检测：客户端误以为连接仍然有效，只有客户端自身可见。Heartline 能显示该连接已经结束、如何结\
         束，以及其后一分钟内没有新连接。",
    )),
};
