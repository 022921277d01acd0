//! A page handles messages more slowly than they come.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "slow-event-handler",
    number: 805,
    severity: Severity::Info,
    manual: Manual {
        title: text("a page handles messages more slowly than they come", "页面处理消息的速度跟不上到达速度"),
        symptoms: text(
            "The page freezes and messages lag, on weak devices first.",
            "页面卡顿、消息滞后，首先出现在性能较弱的设备上。",
        ),
        evidence: text(
            "The time of handling a message times their rate is near 1 or above, tasks take more than 50 \
             ms; the receiver's window then holds sending back on the connections of such devices.",
            "单条消息处理时间乘以到达速率接近或超过 1，任务耗时超过 50 毫秒；随后这些设备的连接因接收窗口\
             而限制发送。",
        ),
        look_alikes: text(
            "`slow-consumer-client`: what is seen of it here, whatever the reason. \
             `narrow-link-or-bufferbloat`: the window is open and the round trip long. \
             `background-throttle-or-freeze`: hidden pages.",
            "`slow-consumer-client`：在链路上看到的结果，不论原因；`narrow-link-or-bufferbloat`：窗口打开\
             而往返时间长；`background-throttle-or-freeze`：隐藏页面。",
        ),
        fix: text(
            "In the page: collect messages and draw once for each frame (`requestAnimationFrame`), draw \
             only what is visible, parse in a Web Worker; in the service: merge updates before sending. \
             Prove it: no task above 50 ms in the browser's performance panel at the usual rate.",
            "在页面中：汇集消息，每帧绘制一次（`requestAnimationFrame`），只绘制可见部分，在 Web Worker 中\
             解析；在服务中：发送前合并更新。验证：正常速率下浏览器性能面板中没有超过 50 毫秒的任务。",
        ),
        sources: &[
            "https://www.w3.org/TR/longtasks-1/",
            "https://developer.mozilla.org/docs/Web/API/Window/requestAnimationFrame",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: what a page does with a message is not on the wire. Its effect is: \
         `slow-consumer-client`. Profile the page to tell it from a slow device or a slow disk.",
        "无法检测：页面如何处理消息不在链路上；其结果可见：`slow-consumer-client`。请对页面做性能剖析，以\
         区分设备慢还是代码慢。",
    )),
};
