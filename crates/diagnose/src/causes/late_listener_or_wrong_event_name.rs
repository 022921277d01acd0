//! Messages arrive, and no code listens for them.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "late-listener-or-wrong-event-name",
    number: 408,
    severity: Severity::Warning,
    manual: Manual {
        title: text("messages arrive and nothing listens for them", "消息已送达但没有代码监听"),
        symptoms: text(
            "Connected, and nothing happens; or the first events are missing.",
            "已连接却没有反应；或缺少最初的事件。",
        ),
        evidence: text(
            "The messages were delivered on the wire, and the page handled none: an event has a name \
             (`event:`) that no listener has, or it came before the handler was registered.",
            "消息已在链路上送达，而页面一条也没有处理：事件带有名称（`event:`）但没有相应的监听器，或在注\
             册处理函数之前到达。",
        ),
        look_alikes: text(
            "`sse-malformed-framing`: events never end. `no-backplane-multi-node`, `backpressure-drop`: \
             nothing was on the wire.",
            "`sse-malformed-framing`：事件没有正确结束；`no-backplane-multi-node`、`backpressure-drop`：链\
             路上没有消息。",
        ),
        fix: text(
            "In the client: register handlers before anything that waits, and for each name of an event \
             (`addEventListener('TICKER', …)`; `onmessage` gets only those without a name). Prove it: the \
             browser's network panel shows the events, and the page handles each.",
            "在客户端：在任何异步等待之前注册处理函数，并为每个事件名注册（`addEventListener('TICKER', \
             …)`；`onmessage` 只接收没有名称的事件）。验证：浏览器网络面板显示事件，且页面逐一处理。",
        ),
        sources: &[
            "WHATWG HTML, section 9.2.6 (dispatching an event)",
            "https://socket.io/docs/v4/troubleshooting-connection-issues/",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: it happens in the client's code, after delivery. That messages were delivered to \
         that client shows in `heartline show ID` (`messages`); look for the rest in the browser.",
        "无法检测：问题发生在送达之后的客户端代码中。`heartline show ID` 中的 `messages` 可说明消息是否已\
         送达该客户端；其余请在浏览器中查找。",
    )),
};
