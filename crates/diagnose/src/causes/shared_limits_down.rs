//! Nobody counts the limits that several gateways hold together.

use model::finding::{Affected, Finding, Place, Said, Severity};
use model::{WallTime, system::SharedLimits};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::{Own, between};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "shared-limits-down",
    number: 978,
    severity: Severity::Warning,
    manual: Manual {
        title: text("The Redis that counts shared limits cannot be asked", "无法询问统计共享限额的 Redis"),
        symptoms: text(
            "With `on_failure: open` more clients come in than the limits of all gateways allow together; with `closed` new \
             ones get 503 or UNAVAILABLE at once, whatever is open. What is open goes on.",
            "`on_failure: open` 时，进入的客户端多于所有网关合计的限额；`closed` 时，无论打开多少连接，新客户端都立即得到 503 或 \
             UNAVAILABLE。已打开的连接不受影响。",
        ),
        evidence: text(
            "This gateway has no connection to it, or no answer within `shared_limits.timeout`; the reason is what the last \
             attempt said. `heartline_shared_limits_up` is 0, and \
             `heartline_shared_limit_asks_total{result=\"unknown\"}` counts the openings that were decided without it.",
            "本网关与其没有连接，或在 `shared_limits.timeout` 内没有得到应答；原因为最近一次尝试的结果。`heartline_shared_limits_up` 为 0，\
             `heartline_shared_limit_asks_total{result=\"unknown\"}` 统计未经询问而作出的决定。",
        ),
        look_alikes: text(
            "`own-admission`: the limit itself was met. There the record names that limit, here `shared_limits.on_failure`.",
            "`own-admission`：触及的是限额本身。那时记录给出该限额，此处为 `shared_limits.on_failure`。",
        ),
        fix: text(
            "Bring Redis back, or correct its URL: the gateway tries again within 2 s and writes what it has open. When all \
             gateways say so, it is Redis; when one does, it is the way there. When it is well and slow, raise \
             `shared_limits.timeout` above a few round trips.",
            "恢复 Redis，或更正其 URL：网关会在 2 秒内重试，并写入自己打开的连接数。所有网关都如此则问题在 Redis，只有一个则在其网络。\
             Redis 正常但较慢时，把 `shared_limits.timeout` 调到若干次往返时间以上。",
        ),
        sources: &["docs/shared-limits.md"],
    },
    phrases: &[
        phrase(
            "title",
            "Redis does not answer: shared limits are not held together",
            "Redis 没有应答：共享限额没有共同执行",
        ),
        phrase("unanswered", "For {seconds} it could not be asked: {why}", "已有 {seconds}无法询问：{why}"),
        phrase(
            "let_in",
            "{count} openings were let in without it meanwhile, within what this gateway holds by itself",
            "其间有 {count} 个连接未经询问而放行，仍受本网关自身限额约束",
        ),
        phrase(
            "refused",
            "{count} openings were refused meanwhile, since nobody knows what is open (`on_failure: closed`)",
            "其间有 {count} 个连接被拒绝，因为无法得知已打开多少（`on_failure: closed`）",
        ),
        phrase(
            "bring_back",
            "Bring Redis back, or correct its URL or the way there; nothing else is to be done",
            "恢复 Redis，或更正其 URL 或网络；此外无需其他操作",
        ),
    ],
    signs: Signs::Gateway(gateway),
};

/// Time that a Redis may be away, seconds: it may be restarted.
const GRACE: f64 = 5.0;

fn gateway(own: &Own, now: WallTime) -> Option<Finding> {
    let SharedLimits { on_failure, outage, .. } = own.shared_limits.as_ref()?;
    let outage = outage.as_ref()?;
    let seconds = between(outage.since, now);
    if seconds < GRACE {
        return None;
    }
    let code = if &**on_failure == "closed" { "refused" } else { "let_in" };
    let unanswered = Said::new("unanswered").seconds("seconds", seconds).with("why", &*outage.why);
    let affected = Affected { connections: outage.unknown, share_of_closes: None };
    Some(
        Claim::of(&CAUSE, Place::Gateway, unanswered)
            .proven()
            .noted(Said::new(code).with("count", outage.unknown))
            .fix(Said::new("bring_back"))
            .of_all(outage.since, affected)
            .finding(),
    )
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::system::SharedLimitsOutage;

    use super::*;
    use crate::population::tests::{NOW, at};
    use crate::population::{Watch, WatchOptions};

    fn told(on_failure: &str, outage: Option<f64>) -> Vec<Finding> {
        let outage = outage.map(|seconds| SharedLimitsOutage {
            since: at(NOW - seconds),
            unknown: 12,
            why: "Connection refused (os error 111)".to_owned(),
        });
        let limits = SharedLimits { on_failure: on_failure.to_owned(), outage, ..SharedLimits::default() };
        let mut watch = Watch::new(WatchOptions::default());
        watch.know(Own { shared_limits: Some(limits), ..Own::default() });
        let findings = watch.judge(at(NOW));
        findings.iter().for_each(crate::scene::can_be_told);
        findings
    }

    #[test]
    fn it_is_told_without_any_connection() {
        let found = told("open", Some(60.0));
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&*finding.id, finding.level), ("shared-limits-down", Level::High));
        assert_eq!(
            (finding.since, finding.affected.map(|it| it.connections)),
            (Some(at(NOW - 60.0)), Some(12))
        );
        assert_eq!(finding.evidence[1].code, "let_in");
        assert_eq!(told("closed", Some(60.0))[0].evidence[1].code, "refused");
    }

    #[test]
    fn a_redis_that_answers_or_is_only_just_away_is_no_finding() {
        assert!(told("open", None).is_empty() && told("open", Some(4.0)).is_empty());
    }
}
