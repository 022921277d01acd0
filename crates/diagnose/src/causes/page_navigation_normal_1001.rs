//! Pages are left and programs end: connections end with them, as they should.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "page-navigation-normal-1001",
    number: 808,
    severity: Severity::Info,
    manual: Manual {
        title: text("pages are left, and their connections end as they should", "页面被离开，其连接正常结束"),
        symptoms: text(
            "Dashboards are full of 1001, and they are taken for errors.",
            "仪表盘上充满 1001，并被误认为错误。",
        ),
        evidence: text(
            "The client itself sends Close 1001 (or 1000), or ends its stream, and does not come back at \
             once.",
            "客户端自己发送 1001（或 1000）关闭帧，或结束其数据流，且不会立即重连。",
        ),
        look_alikes: text(
            "`rolling-deploy-or-restart`: 1001 from the service. `client-network-loss`, \
             `nat-or-firewall-silent-drop`: no Close frame, and the client comes back.",
            "`rolling-deploy-or-restart`：1001 来自服务；`client-network-loss`、\
             `nat-or-firewall-silent-drop`：没有关闭帧，且客户端会重连。",
        ),
        fix: text(
            "Nothing is to be fixed. Count such ends apart: in Heartline's metrics they have \
             `initiator='client'` and the reason `going_away` or `normal`; leave them out of error \
             budgets.",
            "无需修复。请将此类结束单独统计：在 Heartline 的指标中，其 `initiator='client'`，原因为 \
             `going_away` 或 `normal`；不要计入错误预算。",
        ),
        sources: &["RFC 6455, section 7.4.1"],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "No finding is made of it: it is no fault. Heartline counts these ends apart before it looks for \
         causes in the others.",
        "不会为此产生结论：这不是故障。Heartline 在分析其他断开的原因之前，已将此类结束单独计数。",
    )),
};
