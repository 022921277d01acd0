//! Handshakes fail, and nothing here tells why.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, text};
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "handshakes-fail",
    number: 975,
    severity: Severity::Warning,
    manual: Manual {
        title: text("handshakes fail, and nothing here tells why", "握手失败，而现有信息不足以判断原因"),
        symptoms: text("A part of the clients cannot connect.", "部分客户端无法建立连接。"),
        evidence: text(
            "Many attempts of the window fail with the same outcome and status.",
            "时间窗内大量尝试以相同的结果和状态失败。",
        ),
        look_alikes: text(
            "Each known cause of a refusal is asked first; this is what is left.",
            "先排除每个已知的拒绝原因，这里是剩余的情况。",
        ),
        fix: text(
            "Run `heartline diagnose` with the fields that these clients send: it varies one thing at a time.",
            "用这些客户端发送的字段运行 `heartline diagnose`：它每次只改变一个条件。",
        ),
        sources: &[],
    },
    phrases: &[],
    signs: Signs::population(population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}
