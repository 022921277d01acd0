//! Connections end with a code of the application.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, text};
use crate::population::{Population, codes};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "unexplained-codes",
    number: 974,
    severity: Severity::Warning,
    manual: Manual {
        title: text("connections end with a code of the application", "连接以应用自定义的代码结束"),
        symptoms: text(
            "Many connections end with a Close code that has no registered meaning, or one that does not say what is wrong.",
            "大量连接以没有注册含义或无法说明问题的 Close 代码结束。",
        ),
        evidence: text(
            "The same side ends many connections with the same code.",
            "同一侧以相同代码结束大量连接。",
        ),
        look_alikes: text(
            "Codes with a meaning of their own are told as their own causes.",
            "有明确含义的代码会作为各自的原因报告。",
        ),
        fix: text("Look for the code in the application that sends it.", "在发送该代码的应用中查找它。"),
        sources: &[],
    },
    phrases: &[],
    signs: Signs::population(population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    codes::findings(&CAUSE, seen)
}
