//! The firewall follows as many connections as it may, and drops packets of further ones.

use model::finding::{Affected, Finding, Said, Severity, Topic};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::Population;
use crate::population::machines::{Machine, has_full_conntrack};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "conntrack-table-full",
    number: 506,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the firewall's table of connections is full", "防火墙的连接跟踪表已满"),
        symptoms: text(
            "New connections to or through a host time out, while old ones work; other programs on it \
             lose packets at random.",
            "与某主机（或经过它）的新连接超时，而已有连接正常；该主机上的其他程序随机丢包。",
        ),
        evidence: text(
            "`nf_conntrack_count` is within 5 % of `nf_conntrack_max`; the kernel logs `nf_conntrack: \
             table full, dropping packet`. Listeners are healthy: no `ListenOverflows`.",
            "`nf_conntrack_count` 与 `nf_conntrack_max` 相差不到 5 %；内核日志有 `nf_conntrack: table \
             full, dropping packet`。监听套接字正常：没有 `ListenOverflows`。",
        ),
        look_alikes: text(
            "`accept-queue-overflow`: the same waits, with `ListenOverflows`. \
             `network-unreachable-or-filtered`: at any number of connections. \
             `packet-loss-retransmission`: old connections lose packets too.",
            "`accept-queue-overflow`：同样的等待，但有 `ListenOverflows`；\
             `network-unreachable-or-filtered`：与连接数无关；`packet-loss-retransmission`：已有连接也丢\
             包。",
        ),
        fix: text(
            "On that host: raise `net.netfilter.nf_conntrack_max` (and the buckets of its hash), lower \
             `nf_conntrack_tcp_timeout_established` from 5 days, or do not follow this traffic \
             (`notrack`). Prove it: the count stays below 80 % of the limit at the peak.",
            "在该主机上：提高 `net.netfilter.nf_conntrack_max`（以及哈希桶数），将 \
             `nf_conntrack_tcp_timeout_established` 从 5 天调低，或不跟踪此类流量（`notrack`）。验证：高峰\
             时条目数低于上限的 80 %。",
        ),
        sources: &["https://docs.kernel.org/networking/nf_conntrack-sysctl.html"],
    },
    phrases: &[
        phrase(
            "table_full",
            "The machine of {whose} follows {entries} connections of {limit}",
            "{whose} 所在机器的连接跟踪表有 {entries} 条，上限 {limit}",
        ),
        phrase(
            "connects_wait",
            "{count} attempts to connect waited in vain meanwhile",
            "同时有 {count} 次连接尝试等待而未成功",
        ),
        phrase(
            "overflows",
            "accept queues overflow on the same machine ({count} in the last minute): `accept-queue-overflow`",
            "同一机器上接受队列溢出（最近一分钟 {count} 次）：`accept-queue-overflow`",
        ),
        phrase("no_wait", "no attempt to connect has waited in vain yet", "尚无连接尝试因此等待"),
        phrase(
            "raise_table",
            "On that machine: raise `net.netfilter.nf_conntrack_max`, or do not follow this traffic",
            "在该机器上：提高 `net.netfilter.nf_conntrack_max`，或不跟踪此类流量",
        ),
    ],
    signs: Signs::population(population),
};

/// Attempts that show that the limit is felt.
const COUNT_MIN: usize = 3;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    let failed = seen.failed_by(CAUSE.id);
    let full = seen.machines().filter(|machine| has_full_conntrack(machine.facts));
    let told = |machine: Machine<'_>| {
        let said = Said::new("table_full")
            .with("whose", machine.whose)
            .with("entries", machine.facts.conntrack.entries.unwrap_or_default())
            .with("limit", machine.facts.conntrack.limit.unwrap_or_default());
        let overflows = machine.facts.accept.overflows_last_minute.filter(|count| *count > 0);
        let have_waited =
            (failed.len() >= COUNT_MIN).then(|| Said::new("connects_wait").with("count", failed.len()));
        let is_felt = have_waited.is_some();
        let claim = Claim::of(&CAUSE, machine.place, said)
            .corroborated(have_waited)
            .unless(overflows.map(|count| Said::new("overflows").with("count", count)));
        let claim = if is_felt { claim } else { claim.suspected().unless(Said::new("no_wait")) };
        let affected = Affected { share_of_closes: None, ..seen.affected(&failed) };
        claim
            .fix(Said::new("raise_table"))
            .concerns(seen.route.clone(), seen.since(&failed), affected)
            .about(Topic::Openings)
            .selects(seen.selection(&failed))
            .finding()
    };
    full.map(told).collect()
}

#[cfg(test)]
mod tests {
    use model::HandshakeResult;
    use model::finding::Level;
    use model::host::HostFacts;

    use super::*;
    use crate::population::tests::{failed, judged_on};

    #[test]
    fn a_full_table_makes_connects_wait() {
        let found = |count, entries, overflows| {
            let mut host = HostFacts::default();
            (host.machine.conntrack.entries, host.machine.conntrack.limit) = (Some(entries), Some(1000));
            host.machine.accept.overflows_last_minute = Some(overflows);
            let wait = (0..count)
                .map(|n| failed(n, HandshakeResult::Unreachable, 5.0, "http://a: not connected in 5s"));
            let found = judged_on(wait, host);
            found.iter().map(|finding| (finding.id.to_string(), finding.level)).collect::<Vec<_>>()
        };
        assert_eq!(found(12, 990, 0), [(CAUSE.id.to_owned(), Level::High)]);
        assert_eq!(found(12, 990, 7), [(CAUSE.id.to_owned(), Level::Medium)]);
        assert_eq!(found(1, 990, 0), [(CAUSE.id.to_owned(), Level::Low)]);
        assert_eq!(found(12, 500, 0)[0].0, "accept-queue-overflow");
    }
}
