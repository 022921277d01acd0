//! What was made while a client was away is lost for it.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "missed-while-disconnected",
    number: 401,
    severity: Severity::Warning,
    manual: Manual {
        title: text("messages made while a client is away are lost", "客户端离线期间产生的消息丢失"),
        symptoms: text(
            "Some messages never arrive, mostly around reconnects.",
            "部分消息始终没有到达，多发生在重连前后。",
        ),
        evidence: text(
            "The numbers that are missing all lie between the end of a connection and the opening of the \
             client's next one; within a connection none is missing.",
            "缺失的序号全部落在某次断开与该客户端下一次建立连接之间；连接存续期间没有缺失。",
        ),
        look_alikes: text(
            "`backpressure-drop`: numbers are missing while connected. `no-backplane-multi-node`: a share \
             of users misses all the time. `sse-no-resume`: the same for event streams, where the client \
             asks and the service does not answer. `late-listener-or-wrong-event-name`: they were on the \
             wire.",
            "`backpressure-drop`：连接期间也有缺失；`no-backplane-multi-node`：一部分用户一直收不到；\
             `sse-no-resume`：事件流的同类问题，客户端请求续传而服务不支持；\
             `late-listener-or-wrong-event-name`：消息已在链路上送达。",
        ),
        fix: text(
            "In the service: number messages, keep the last minutes of them, and send from the number \
             that a client names when it comes back (`Last-Event-ID`, socket.io connection state \
             recovery). In the client: ask for the present state after each reconnect. Prove it: cut a \
             client off for 5 s; no number may be missing.",
            "在服务中：给消息编号，保留最近几分钟的消息，客户端回来时从其给出的编号起补发（\
             `Last-Event-ID`、socket.io 连接状态恢复）。在客户端：每次重连后拉取当前状态。验证：断开客户\
             端 5 秒，不应缺少任何编号。",
        ),
        sources: &[
            "WHATWG HTML, section 9.2.4 (Last-Event-ID)",
            "https://socket.io/docs/v4/delivery-guarantees",
            "https://socket.io/docs/v4/connection-state-recovery",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: Heartline reads no payload, so it does not know which messages were meant for a \
         client. It shows when each client was away: reconnects and their intervals, in `heartline \
         connections --closed` and `websocket_reconnect_interval_seconds`.",
        "无法检测：Heartline 不读取消息内容，不知道哪些消息本应送达。它能显示每个客户端离线的时间：\
         `heartline connections --closed` 中的重连及其间隔，以及 `websocket_reconnect_interval_seconds`。",
    )),
};
