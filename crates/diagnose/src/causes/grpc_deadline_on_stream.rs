//! A client's deadline covers a call that is meant to live long.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, text};
use crate::population::{Population, timed};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-deadline-on-stream",
    number: 710,
    severity: Severity::Info,
    manual: Manual {
        title: text("a deadline of the client ends a long call", "客户端的截止时间结束了长调用"),
        symptoms: text(
            "A subscription ends with DEADLINE_EXCEEDED at a constant age.",
            "订阅在固定时长后以 DEADLINE_EXCEEDED 结束。",
        ),
        evidence: text(
            "The request has `grpc-timeout`, the call ends at that age, and the client resets it with CANCEL.",
            "请求带有 `grpc-timeout`，调用在该时长结束，并由客户端以 CANCEL 重置。",
        ),
        look_alikes: text(
            "`max-lifetime`, `grpc-proxy-read-timeout`: no `grpc-timeout`, and the peer ends the call.",
            "`max-lifetime`、`grpc-proxy-read-timeout`：没有 `grpc-timeout`，由对端结束调用。",
        ),
        fix: text(
            "Set no deadline on subscriptions; watch for missing messages instead. Then the call must outlive \
             the old deadline.",
            "订阅不设截止时间；改为监视消息是否缺失。之后调用应存活超过原来的截止时间。",
        ),
        sources: &[
            "https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md",
            "https://grpc.io/docs/guides/deadlines/",
        ],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: Some(population) },
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    timed::findings(&CAUSE, seen)
}
