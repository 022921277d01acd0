//! Connections that last stay where they were opened, so that an upstream that came later has few.

use model::Leg;
use model::finding::{Affected, Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::{Clump, Population, between};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "long-lived-imbalance",
    number: 508,
    severity: Severity::Warning,
    manual: Manual {
        title: text("long-lived connections never rebalance", "长连接不会自动重新均衡"),
        symptoms: text(
            "One node is hot and another one is idle after a scale-out or a restart.",
            "扩容或重启之后，一个节点很忙，另一个节点空闲。",
        ),
        evidence: text(
            "Open connections differ by more than twice between upstreams, while those opened lately are spread evenly; \
             those of the full upstream are older.",
            "各上游的打开连接数相差两倍以上，而最近新建的连接分布均匀；连接多的上游上的连接更老。",
        ),
        look_alikes: text(
            "Affinity or hashing skews new connections too; an upstream that fails loses its own.",
            "会话粘滞或哈希会使新连接也不均匀；出故障的上游会丢失自己的连接。",
        ),
        fix: text(
            "Balance by least connections; give connections a maximum age with jitter; on scale-out close a share of the \
             old ones in small groups.",
            "按最少连接数均衡；给连接设置带随机抖动的最大存活时间；扩容时分批关闭一部分旧连接。",
        ),
        sources: &["https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md"],
    },
    phrases: &[
        phrase(
            "skewed",
            "{full} has {most} open connections and {empty} has {least}",
            "{full} 有 {most} 个打开的连接，{empty} 只有 {least} 个",
        ),
        phrase(
            "new_are_even",
            "Of those opened in the last {seconds} they have {new_full} and {new_empty}",
            "最近 {seconds}内新建的连接分别为 {new_full} 和 {new_empty}",
        ),
        phrase("older", "The oldest ones are {old} and {young} old", "最老的连接分别已存活 {old} 和 {young}"),
        phrase("weights", "the upstreams are meant to have different parts", "各上游本来就应承担不同的比例"),
        phrase(
            "least",
            "Balance the route by `least_connections`",
            "将该路由的均衡方式设为 `least_connections`",
        ),
        phrase(
            "max_age",
            "In the service: a maximum age of connections, with jitter",
            "在服务中：为连接设置带抖动的最大存活时间",
        ),
    ],
    signs: Signs::population(population),
};

/// Open connections that it takes, and how far apart the upstreams must be.
const OPEN_MIN: usize = 30;
const RATIO_MIN: f64 = 2.0;
/// New connections that show how new ones are spread, and over how long.
const NEW_MIN: usize = 6;
const NEW_SECONDS: f64 = 600.0;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    let mut upstreams: Vec<(std::sync::Arc<str>, usize, f64)> = Vec::new();
    for (upstream, _) in seen.upstreams() {
        let there = seen.open.iter().filter(|open| open.upstream == upstream);
        let oldest = there.clone().map(|open| open.age_seconds).fold(0.0, f64::max);
        upstreams.push((upstream.clone(), there.count(), oldest));
    }
    upstreams.sort_by_key(|(_, count, _)| *count);
    let (Some(least), Some(most)) = (upstreams.first(), upstreams.last()) else { return Vec::new() };
    let is_skewed =
        upstreams.len() > 1 && seen.open.len() >= OPEN_MIN && most.1 as f64 >= RATIO_MIN * least.1 as f64;
    // Since when both had a chance: the younger one's oldest connection.
    let since = least.2.clamp(1.0, NEW_SECONDS);
    let opened = |upstream: &str| {
        let open =
            seen.open.iter().filter(|open| *open.upstream == *upstream && open.age_seconds <= since + 0.5);
        let ended = seen.ends.iter().chain(&seen.orderly).filter(|record| {
            record.upstream.as_deref() == Some(upstream) && between(record.opened_at, seen.now) <= since + 0.5
        });
        open.count() + ended.count()
    };
    let (new_full, new_empty) = (opened(&most.0), opened(&least.0));
    let are_new_even = new_empty >= NEW_MIN && new_full as f64 <= 1.6 * new_empty as f64;
    // One that has just lost all of its connections is empty for that, and fills again.
    let has_left = |upstream: &str| {
        let is_there = |clump: &&Clump<'_>| clump.upstream.as_deref().is_none_or(|at| at == upstream);
        seen.clumps().iter().filter(is_there).any(|clump| clump.manner.leg() == Some(Leg::Upstream))
    };
    if !is_skewed || has_left(&least.0) || !are_new_even || most.2 < 1.5 * least.2 {
        return Vec::new();
    }
    let skewed = Said::new("skewed")
        .with("full", &*most.0)
        .with("empty", &*least.0)
        .with("most", most.1)
        .with("least", least.1);
    let even = Said::new("new_are_even")
        .seconds("seconds", since)
        .with("new_full", new_full)
        .with("new_empty", new_empty);
    let affected = Affected { connections: most.1 as u64, share_of_closes: None };
    vec![
        Claim::of(&CAUSE, Place::Gateway, skewed)
            .corroborated(even)
            .unless(Said::new("weights"))
            .noted(Said::new("older").seconds("old", most.2).seconds("young", least.2))
            .fix(Said::new("least"))
            .fix(Said::new("max_age"))
            .concerns(seen.route.clone(), seen.now, affected)
            .finding(),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::PerLeg;
    use model::record::CloseRecord;

    use super::*;
    use crate::population::Open;
    use crate::population::tests::{NOW, at, end};

    fn open(number: u64, upstream: &str, age: f64) -> Open {
        let record = end(number).made();
        Open {
            route: record.route.clone(),
            protocol: record.protocol,
            client: record.client.clone(),
            user_agent: None,
            upstream: upstream.into(),
            opened_at: at(NOW - age),
            age_seconds: age,
            idle_seconds: 0.1,
            messages: record.messages,
            reconnect: None,
            heartbeat: PerLeg::default(),
            tcp: None,
            queue: None,
        }
    }

    /// Forty old connections at one upstream, ten younger ones at the other, and as many new ones at both.
    fn judged(ends: &[Arc<CloseRecord>]) -> usize {
        let old = (0..40).map(|number| open(number, "http://a", 300.0 + number as f64));
        let new = (40..60).map(|number| {
            let upstream = if number % 2 == 0 { "http://a" } else { "http://b" };
            open(number, upstream, 2.0 * (number - 39) as f64)
        });
        let open: Vec<Open> = old.chain(new).collect();
        population(&Population {
            route: "chat".into(),
            protocol: model::Protocol::WebSocket,
            now: at(NOW),
            ends: ends.iter().map(AsRef::as_ref).collect(),
            orderly: Vec::new(),
            failed: Vec::new(),
            given_up: Vec::new(),
            refused: Vec::new(),
            weight: 1.0,
            claimed: std::cell::RefCell::default(),
            known: crate::population::Known::default(),
            open: &open,
            told: &[],
            host: None,
            own_heartbeat: None,
        })
        .len()
    }

    #[test]
    fn an_upstream_that_came_later_stays_empty() {
        assert_eq!(judged(&[]), 1);
    }

    #[test]
    fn one_that_was_just_restarted_is_empty_for_that() {
        let restart = |number: u64| {
            let age = 60.0 + 9.0 * number as f64;
            end(number)
                .upstream("http://b")
                .lived(41.0 - 0.01 * number as f64, age, 1.0)
                .close(Leg::Upstream, 1001)
        };
        let ends: Vec<_> = (0..40).map(|number| restart(number).made()).collect();
        assert_eq!(judged(&ends), 0);
    }
}
