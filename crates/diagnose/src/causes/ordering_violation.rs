//! Messages are handled in another order than they were made in.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ordering-violation",
    number: 407,
    severity: Severity::Warning,
    manual: Manual {
        title: text("messages are handled in another order", "消息的处理顺序与产生顺序不一致"),
        symptoms: text("A later update is overwritten by an earlier one.", "较新的更新被较旧的覆盖。"),
        evidence: text(
            "TCP cannot reorder within a connection. When the order on the wire is wrong already, several \
             threads of the service write; when it is right there, handlers of the client that wait for \
             something overtake each other.",
            "TCP 在一个连接内不会乱序。若链路上的顺序已经错误，说明服务的多个线程同时写入；若链路上正确，\
             则是客户端的异步处理函数互相超越。",
        ),
        look_alikes: text(
            "Two connections of one client (`duplicate-connections-client`): no order holds between them. \
             `missed-while-disconnected`: an old state is sent again after a reconnect.",
            "同一客户端有两个连接（`duplicate-connections-client`）：二者之间没有顺序保证；\
             `missed-while-disconnected`：重连后重新发送了旧状态。",
        ),
        fix: text(
            "In the service: one queue for each key or connection, and one writer. In the client: handle \
             messages one after the other, and drop what has a lower number than what was seen. Prove it: \
             record numbers where they are sent and where they are handled.",
            "在服务中：每个键或连接使用一个队列和一个写入者。在客户端：逐条处理消息，丢弃编号低于已处理编\
             号的消息。验证：在发送处与处理处记录编号并对比。",
        ),
        sources: &["RFC 9293, section 2.2 (in-order byte stream)", "RFC 6455, section 5.4"],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: the order that messages were made in stands in payloads, which Heartline does not \
         read. What it relays keeps its order; so compare the numbers at the service with those in the \
         client.",
        "无法检测：消息的产生顺序写在内容中，而 Heartline 不读取内容。它转发的数据保持原有顺序，因此请对比\
         服务端与客户端的编号。",
    )),
};
