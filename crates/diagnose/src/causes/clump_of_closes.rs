//! Many connections end at one moment, and nothing here tells why.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, text};
use crate::population::{Population, departures};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "clump-of-closes",
    number: 972,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "many connections end at one moment, and nothing here tells why",
            "大量连接在同一时刻结束，而现有信息不足以判断原因",
        ),
        symptoms: text("Everybody drops at once.", "所有人同时掉线。"),
        evidence: text(
            "A large part of the connections ends within seconds, though they are of different ages.",
            "大部分连接在数秒内结束，尽管它们的存活时间不同。",
        ),
        look_alikes: text(
            "A crash, a deploy and a reload have signs of their own; here they are missing or contradict each other.",
            "崩溃、部署与重载各有其特征；这里缺少这些特征或相互矛盾。",
        ),
        fix: text(
            "Tell of deploys and reloads by `POST /api/v1/events`, so that the next one can be told apart.",
            "通过 `POST /api/v1/events` 通报部署与重载，以便下次能够区分。",
        ),
        sources: &[],
    },
    phrases: &[],
    signs: Signs::population(population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    departures::findings(&CAUSE, seen)
}
