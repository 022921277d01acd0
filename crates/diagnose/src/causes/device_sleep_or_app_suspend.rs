//! The operating system puts the device or the app to sleep.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "device-sleep-or-app-suspend",
    number: 803,
    severity: Severity::Info,
    manual: Manual {
        title: text("the device or the app was put to sleep", "设备休眠或应用被挂起"),
        symptoms: text(
            "After unlocking, the screen shows old data for up to minutes.",
            "解锁后屏幕在最长数分钟内仍显示旧数据。",
        ),
        evidence: text(
            "One client alone falls silent, at any age and after any time: no Pong, then no \
             acknowledgement. It comes back from the same network with a new connection, or with a packet \
             on the old one that is answered by RST.",
            "单个客户端在任意时刻静默：没有 Pong，随后也没有确认。之后它从同一网络建立新连接，或在旧连接上\
             发来数据包而得到 RST。",
        ),
        look_alikes: text(
            "`nat-or-firewall-silent-drop`: after a sharp time of silence, whole networks. \
             `client-network-loss`: it comes back from another address. `background-throttle-or-freeze`: \
             heartbeats go on, more slowly.",
            "`nat-or-firewall-silent-drop`：固定静默时间之后，影响整个网络；`client-network-loss`：从另一\
             地址返回；`background-throttle-or-freeze`：心跳仍在，只是变慢。",
        ),
        fix: text(
            "In the app: when it comes to the front, send a Ping and reconnect if no answer comes within \
             2 s; use push notifications while it sleeps. In the service: end silent clients by a \
             heartbeat, so that nothing is queued for them. Prove it: lock the device for two minutes; \
             the state is new within 3 s.",
            "在应用中：回到前台时发送 Ping，2 秒内没有应答则重连；休眠期间使用推送通知。在服务中：用心跳结\
             束静默的客户端，避免为其排队。验证：锁屏两分钟后，3 秒内显示最新状态。",
        ),
        sources: &[
            "https://developer.chrome.com/docs/web-platform/page-lifecycle-api",
            "https://developer.android.com/training/monitoring-device-state/doze-standby",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: on the wire it is a client that fell silent, as with a lost network. The close \
         record tells the silence and what was not acknowledged; only the device knows that it slept.",
        "无法检测：在链路上它只是一个静默的客户端，与失去网络相同。关闭记录会给出静默时间和未确认的数据；\
         是否休眠只有设备自己知道。",
    )),
};
