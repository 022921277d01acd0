//! A client loses or changes its network.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, text};
use crate::population::{Population, paths};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "client-network-loss",
    number: 213,
    severity: Severity::Info,
    manual: Manual {
        title: text("the client lost or changed its network", "客户端失去或切换了网络"),
        symptoms: text(
            "“Reconnecting…” in the lift, in the tunnel, from Wi-Fi to mobile.",
            "电梯、隧道里或从 Wi-Fi 切到移动网络时显示“正在重连…”。",
        ),
        evidence: text(
            "One client at a time: round trips and retransmissions climb, then silence without FIN; soon after \
             the same client comes from another address.",
            "每次只有一个客户端：往返时间与重传攀升，然后静默且没有 FIN；不久同一客户端从另一个地址到来。",
        ),
        look_alikes: text(
            "`nat-or-firewall-silent-drop`: only after a silence. `rolling-deploy-or-restart`: many at once.",
            "`nat-or-firewall-silent-drop`：只在静默之后；`rolling-deploy-or-restart`：许多连接同时。",
        ),
        fix: text(
            "Nothing at the service but to see it sooner: a heartbeat of 25 s, TCP_USER_TIMEOUT of 20 to 30 s, \
             and resumption in the client. Compare with the same networks a week ago before acting.",
            "服务端只能更早发现：25 秒心跳、20 至 30 秒的 TCP_USER_TIMEOUT，以及客户端续传。行动前先与一周前的同类网络比较。",
        ),
        sources: &["RFC 5482", "https://websockets.readthedocs.io/en/stable/faq/common.html"],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: Some(population) },
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    paths::findings(&CAUSE, seen)
}
