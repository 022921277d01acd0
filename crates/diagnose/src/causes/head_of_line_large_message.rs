//! Small messages wait behind a large one on the same connection.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "head-of-line-large-message",
    number: 308,
    severity: Severity::Info,
    manual: Manual {
        title: text("small messages wait behind a large one", "小消息排在大消息之后等待"),
        symptoms: text(
            "Chat lags while somebody uploads; heartbeats come late.",
            "有人上传时聊天变慢，心跳迟到。",
        ),
        evidence: text(
            "The latency of a small message is about what is left of the large one before it, divided by \
             the throughput; other connections of the same client are fine at that moment.",
            "小消息的延迟约等于其前面大消息的剩余字节除以吞吐；同一客户端的其他连接此时正常。",
        ),
        look_alikes: text(
            "`narrow-link-or-bufferbloat`: other connections of that client are slow too. \
             `slow-consumer-client`: the receiver's window is shut. `server-ping-timeout-client-silent`: \
             the late heartbeat then ends the connection.",
            "`narrow-link-or-bufferbloat`：该客户端的其他连接也慢；`slow-consumer-client`：接收方窗口已关\
             闭；`server-ping-timeout-client-silent`：迟到的心跳随后导致断开。",
        ),
        fix: text(
            "In the sender: cut large messages into messages of some 16 KiB and send others in between, \
             or use a second connection or plain HTTP for them. Fragments alone help control frames only: \
             those of one message may not be mixed with another's. Prove it: Ping round trips stay flat \
             during an upload.",
            "在发送方：将大消息切成约 16 KiB 的消息，并在其间发送其他消息；或用另一连接、普通 HTTP 传输。\
             仅分片只对控制帧有效：一条消息的分片之间不能插入另一条消息。验证：上传期间 Ping 往返保持平\
             稳。",
        ),
        sources: &["RFC 6455, section 5.4", "RFC 9113, section 5.2"],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: Heartline times messages by route and direction and does not keep which one came \
         before which on a connection. `websocket_message_latency_seconds` shows the tail, and the \
         connection's Ping round trips beside its bytes show the moment.",
        "无法检测：Heartline 按路由与方向统计消息耗时，不保留同一连接上消息的先后。\
         `websocket_message_latency_seconds` 可显示尾部延迟，该连接的 Ping 往返与字节数可显示发生的时刻。",
    )),
};
