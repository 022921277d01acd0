//! This gateway's own limit of time ends connections.

use model::finding::{Finding, Place, Said, Severity};
use model::record::What;

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::Population;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "own-limit",
    number: 970,
    severity: Severity::Warning,
    manual: Manual {
        title: text("Heartline's own limit ends connections", "Heartline 自身的限制结束了连接"),
        symptoms: text(
            "Connections end after the same silence; the close records say `proxy`.",
            "连接在同样的静默时间后结束；关闭记录中的发起方为 `proxy`。",
        ),
        evidence: text(
            "The first cause of each end is a decision of this gateway: `idle_timeout` or `half_close_timeout`.",
            "每次结束的首个原因都是本网关的决定：`idle_timeout` 或 `half_close_timeout`。",
        ),
        look_alikes: text(
            "A timer of another hop ends connections by FIN or RST on a leg; here nothing came on either leg before.",
            "其他节点的超时会在某一侧表现为 FIN 或 RST；而这里在此之前两侧都没有任何结束信号。",
        ),
        fix: text(
            "Raise the limit of the route, or let the service or the client send a heartbeat more often than that.",
            "调大该路由的限制，或让服务/客户端以更短的间隔发送心跳。",
        ),
        sources: &["docs/configuration.md"],
    },
    phrases: &[
        phrase("title", "Heartline's own {limit} ends connections", "Heartline 自身的 {limit} 结束了连接"),
        phrase(
            "decided",
            "{count} connections were ended by the route's {limit}, and nothing came on either leg before",
            "{count} 个连接被该路由的 {limit} 结束，此前两侧都没有结束信号",
        ),
        phrase(
            "recorded",
            "Each close record names this gateway as the initiator",
            "每条关闭记录的发起方都是本网关",
        ),
        phrase(
            "raise",
            "Raise `{limit}` of the route, or send a heartbeat more often",
            "调大该路由的 `{limit}`，或更频繁地发送心跳",
        ),
    ],
    signs: Signs::population(population),
};

/// Least number of ends that it is told for.
const COUNT_MIN: usize = 3;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    let limits = [(What::IdleTimeout, "timeouts.idle"), (What::HalfCloseTimeout, "timeouts.half_close")];
    let told = |(what, limit): (What, &'static str)| {
        let ends = seen.ends_where(|record| record.causes.first().is_some_and(|cause| cause.what == what));
        (ends.len() >= COUNT_MIN).then(|| {
            let said = |code| Said::new(code).with("limit", limit);
            Claim::of(&CAUSE, Place::Gateway, said("decided").with("count", ends.len()))
                .titled(said("title"))
                .corroborated(Said::new("recorded"))
                .fix(said("raise"))
                .concerns(seen.route.clone(), seen.since(&ends), seen.affected(&ends))
                .selects(seen.selection(&ends))
                .finding()
        })
    };
    limits.into_iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::{Initiator, Leg, Reason};

    use super::*;
    use crate::population::tests::{end, judged};

    #[test]
    fn an_idle_timeout_of_the_route_is_ours() {
        let records = (0..20).map(|number| {
            end(number)
                .lived(number as f64, 30.0, 10.0)
                .by(Leg::Client, What::IdleTimeout, Reason::Timeout)
                .with(|record| {
                    record.initiator = Some(Initiator::Proxy);
                    record.causes[0].leg = None;
                })
        });
        let findings = judged(records);
        let ids: Vec<_> =
            findings.iter().map(|finding| (finding.id.as_ref(), finding.level, finding.place)).collect();
        assert_eq!(ids, [("own-limit", Level::High, Place::Gateway)]);
    }
}
