//! Unclean ends fall on one upstream or one network far more often than its part of the connections explains.

use std::collections::BTreeSet;

use model::ConnectionId;
use model::finding::{Finding, Place, Said, Severity};
use model::record::CloseRecord;

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::{Manner, Population, network};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "closes-concentrated",
    number: 971,
    severity: Severity::Warning,
    manual: Manual {
        title: text("unclean ends concentrate in one place", "异常断开集中在一处"),
        symptoms: text(
            "Users of one office or one carrier are hurt, or those that one node serves; the others are not.",
            "某个办公室、某个运营商的用户，或由某个节点服务的用户受影响，其他用户正常。",
        ),
        evidence: text(
            "The share of unclean ends there is three times its share of the connections or more, and chance is below one \
             in a thousand.",
            "该处的异常断开占比是其连接占比的三倍以上，偶然发生的概率低于千分之一。",
        ),
        look_alikes: text(
            "A place with more connections has more ends: the shares are compared with what is and was connected.",
            "连接多的地方断开自然也多：这里按已有和曾有的连接比例做了归一化。",
        ),
        fix: text(
            "Compare that node with the others (version, limits, host), or look at the network of these clients.",
            "把该节点与其他节点对比（版本、限制、主机），或检查这些客户端所在的网络。",
        ),
        sources: &[],
    },
    phrases: &[
        phrase("title_at", "unclean ends concentrate at {value}", "异常断开集中在 {value}"),
        phrase(
            "concentrated",
            "{count} of {all} unclean ends ({share}) are at {value}, which has {exposure} of the connections",
            "{all} 次异常断开中有 {count} 次（{share}）发生在 {value}，而其连接只占 {exposure}",
        ),
        phrase(
            "not_by_chance",
            "By chance that comes less than once in a thousand times",
            "偶然发生的概率低于千分之一",
        ),
        phrase("why_there", "what is different there is not seen from here", "从这里看不出该处有何不同"),
        phrase(
            "compare_node",
            "Compare {value} with the other upstreams: version, limits, host",
            "将 {value} 与其他上游对比：版本、限制、主机",
        ),
        phrase(
            "compare_network",
            "Run `heartline diagnose` from within {value}",
            "在 {value} 内运行 `heartline diagnose`",
        ),
    ],
    signs: Signs::population(population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    // What ended together, or by a timer, is told as that.
    let clumps = seen.clumps().iter().flat_map(|clump| &clump.ends);
    let timers = seen.timers().iter().flat_map(|timer| &timer.ends);
    let told: BTreeSet<ConnectionId> = clumps.chain(timers).map(|end| end.id).collect();
    let is_told = |record: &CloseRecord| told.contains(&record.id);
    let unclean = seen
        .ends_where(|record| Manner::of(record).is_some_and(|manner| !manner.is_told) && !is_told(record));
    let node =
        seen.concentration(&unclean, |record| record.upstream.clone(), |open| Some(open.upstream.clone()));
    let net = seen.concentration(
        &unclean,
        |record| Some(network(record.client.ip)),
        |open| Some(network(open.client.ip)),
    );
    let node = node
        .map(|found| (found.value.to_string(), found.count, found.share, found.exposure, Place::Upstream));
    let net = net
        .map(|found| (found.value.to_string(), found.count, found.share, found.exposure, Place::ClientLeg));
    let told = |(value, count, share, exposure, place): (String, usize, f64, f64, Place)| {
        let is_there = |record: &&&CloseRecord| match place {
            Place::Upstream => record.upstream.as_deref() == Some(&*value),
            _ => network(record.client.ip).to_string() == value,
        };
        let there: Vec<&CloseRecord> = unclean.iter().filter(is_there).copied().collect();
        let concentrated = Said::new("concentrated")
            .with("count", count)
            .with("all", unclean.len())
            .with("value", value.clone())
            .share("share", share)
            .share("exposure", exposure);
        let fix = if place == Place::Upstream { "compare_node" } else { "compare_network" };
        Claim::of(&CAUSE, place, concentrated)
            .titled(Said::new("title_at").with("value", value.clone()))
            .corroborated(Said::new("not_by_chance"))
            .unless(Said::new("why_there"))
            .fix(Said::new(fix).with("value", value))
            .concerns(seen.route.clone(), seen.since(&unclean), seen.affected(&unclean))
            .selects(seen.selection(&there))
            .finding()
    };
    node.into_iter().chain(net).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::tests::{Made, end, judged, random};

    fn places(records: impl Iterator<Item = Made>) -> Vec<Place> {
        let found = judged(records).into_iter().filter(|finding| finding.id == CAUSE.id);
        found.map(|finding| finding.place).collect()
    }

    /// Ends at random times: unclean ones where `is_unclean` says so, Close frames else.
    fn ends(
        count: u64,
        upstream: impl Fn(u64) -> &'static str,
        is_unclean: impl Fn(u64) -> bool,
    ) -> Vec<Made> {
        let made = |number: u64| {
            let age = 10.0 + 400.0 * random(number);
            let made = end(number).lived(500.0 * random(number + 77), age, age * random(number + 3));
            let made = made.upstream(upstream(number));
            if is_unclean(number) { made } else { made.close(model::Leg::Client, 1000) }
        };
        (0..count).map(made).collect()
    }

    #[test]
    fn a_bad_node_among_ten() {
        const NODES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let node = |number: u64| NODES[(number % 10) as usize];
        let bad = ends(400, node, |number| node(number) == "c" || number.is_multiple_of(97));
        assert_eq!(places(bad.into_iter()), [Place::Upstream]);
    }

    #[test]
    fn a_busy_node_is_not_a_bad_one() {
        let node = |number: u64| if number.is_multiple_of(10) { "small" } else { "large" };
        let even = ends(400, node, |number| random(number + 5) < 0.3);
        assert!(places(even.into_iter()).is_empty());
    }
}
