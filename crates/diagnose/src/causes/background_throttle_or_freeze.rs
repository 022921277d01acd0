//! A browser slows the timers of a hidden page, and its heartbeat comes too late.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "background-throttle-or-freeze",
    number: 802,
    severity: Severity::Info,
    manual: Manual {
        title: text("the browser slows the heartbeat of hidden pages", "浏览器降低了隐藏页面的心跳频率"),
        symptoms: text(
            "Connections drop when a tab was hidden or minimised for some minutes, and come back when it \
             is shown.",
            "标签页隐藏或最小化几分钟后断开，显示时恢复。",
        ),
        evidence: text(
            "The client's own heartbeats come once a minute in place of each 25 s after about five \
             minutes hidden; the service then ends the connection for want of a heartbeat, and a new one \
             comes when the page is visible.",
            "隐藏约五分钟后，客户端自身的心跳由每 25 秒一次变为每分钟一次；随后服务因心跳超时结束连接，页\
             面可见时立即重新建立。",
        ),
        look_alikes: text(
            "`device-sleep-or-app-suspend`: nothing comes at all. `server-ping-timeout-client-silent`: \
             visible pages too. `idle-timeout-l7-proxy`: the end has no code and comes after the same \
             silence.",
            "`device-sleep-or-app-suspend`：完全没有数据；`server-ping-timeout-client-silent`：可见页面也\
             会发生；`idle-timeout-l7-proxy`：结束时没有关闭码，且静默时间固定。",
        ),
        fix: text(
            "In the service: send the Pings from there, which browsers answer by themselves, and wait for \
             90 s and more. In the page: a timer in a Web Worker, and reconnect on `visibilitychange`. \
             Prove it: a tab that is hidden for ten minutes stays connected.",
            "在服务中：由服务端发送 Ping（浏览器会自动应答），并等待 90 秒以上。在页面中：在 Web Worker 中\
             计时，并在 `visibilitychange` 时重连。验证：标签页隐藏十分钟后仍保持连接。",
        ),
        sources: &[
            "https://developer.chrome.com/blog/timer-throttling-in-chrome-88",
            "https://socket.io/docs/v4/troubleshooting-connection-issues/",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: whether a page is hidden is known to the browser alone, and heartbeats of \
         applications are messages that Heartline does not read. It shows the end and its code; log \
         `document.visibilityState` with it in the client.",
        "无法检测：页面是否隐藏只有浏览器知道，而应用层心跳是 Heartline 不读取的消息。它能显示断开及其关闭\
         码；请在客户端同时记录 `document.visibilityState`。",
    )),
};
