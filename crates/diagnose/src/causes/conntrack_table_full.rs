//! The firewall follows as many connections as it may, and drops packets of further ones.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

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
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: None },
};
