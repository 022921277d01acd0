//! The kernel has given its sockets all the memory that it may.

use model::finding::{Affected, Finding, Said, Severity, Topic};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::machines::Machine;
use crate::population::{Open, Population};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "tcp-memory-pressure",
    number: 511,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the kernel's memory for TCP is used up", "内核的 TCP 内存已用尽"),
        symptoms: text(
            "With very many sockets throughput collapses everywhere at once, and connections are reset \
             now and then.",
            "套接字极多时，所有连接的吞吐同时骤降，并偶尔有连接被重置。",
        ),
        evidence: text(
            "The buffers of all sockets (`/proc/net/sockstat`, `TCP: mem`) are above the second figure of \
             `net.ipv4.tcp_mem`; `TCPMemoryPressures` and `PruneCalled` count up, at the third figure \
             `TCPAbortOnMemory`.",
            "所有套接字的缓冲区（`/proc/net/sockstat` 的 `TCP: mem`）超过 `net.ipv4.tcp_mem` 的第二个值；\
             `TCPMemoryPressures`、`PruneCalled` 增加，达到第三个值时 `TCPAbortOnMemory` 增加。",
        ),
        look_alikes: text(
            "`slow-consumer-client`: some connections alone; many of them together cause this. \
             `packet-loss-retransmission`: one leg or network alone. `host-cpu-saturation-or-steal`: the \
             CPUs are busy.",
            "`slow-consumer-client`：只涉及部分连接，但大量慢客户端会导致本问题；\
             `packet-loss-retransmission`：只涉及某一侧或某一网络；`host-cpu-saturation-or-steal`：CPU 繁\
             忙。",
        ),
        fix: text(
            "On that machine: find who does not read first (`ss -tm`, large Recv-Q or Send-Q); then raise \
             `net.ipv4.tcp_mem`, or lower the third figures of `tcp_rmem` and `tcp_wmem`. Prove it: `TCP: \
             mem` stays below the second figure at the peak.",
            "在该机器上：先找出谁没有读取（`ss -tm`，Recv-Q 或 Send-Q 较大）；然后提高 \
             `net.ipv4.tcp_mem`，或降低 `tcp_rmem`、`tcp_wmem` 的第三个值。验证：高峰时 `TCP: mem` 低于第\
             二个值。",
        ),
        sources: &[
            "tcp(7), tcp_mem, tcp_rmem, tcp_wmem",
            "https://docs.kernel.org/networking/ip-sysctl.html",
        ],
    },
    phrases: &[
        phrase(
            "memory_used",
            "The sockets on the machine of {whose} hold {used} of buffers; from {pressure} on the kernel takes them away",
            "{whose} 所在机器的套接字缓冲区占用 {used}；达到 {pressure} 后内核开始回收",
        ),
        phrase(
            "beyond_limit",
            "That is beyond the limit of {limit}, from which on connections are reset",
            "已超过上限 {limit}，超过后连接会被重置",
        ),
        phrase(
            "held_back",
            "{count} connections wait for what they have sent to be taken meanwhile",
            "同时有 {count} 个连接的已发送数据滞留",
        ),
        phrase("nobody_slow", "no connection of this route is held back", "本路由没有连接受阻"),
        phrase(
            "find_readers",
            "On that machine: find who does not read (`ss -tm`), then raise `net.ipv4.tcp_mem`",
            "在该机器上：先找出谁没有读取（`ss -tm`），再提高 `net.ipv4.tcp_mem`",
        ),
    ],
    signs: Signs::population(population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    let is_held_back = |open: &&Open| {
        let legs = open.tcp.as_ref().map(|tcp| [&tcp.client, &tcp.upstream]);
        let newest = legs.into_iter().flatten().filter_map(|leg| leg.as_ref()?.last);
        newest.into_iter().any(|sample| sample.notsent_bytes > 0 || sample.unread_bytes > 0)
    };
    let held_back = seen.open.iter().filter(is_held_back).count();
    let told = |machine: Machine<'_>| {
        let tcp = machine.facts.tcp;
        let (used, pressure) = (tcp.memory_bytes?, tcp.memory_pressure_bytes?);
        let beyond = tcp.memory_limit_bytes.filter(|limit| used >= *limit);
        let said = Said::new("memory_used")
            .with("whose", machine.whose)
            .bytes("used", used)
            .bytes("pressure", pressure);
        let claim = Claim::of(&CAUSE, machine.place, said)
            .corroborated(beyond.map(|limit| Said::new("beyond_limit").bytes("limit", limit)))
            .corroborated((held_back > 0).then(|| Said::new("held_back").with("count", held_back)))
            .unless((held_back == 0).then(|| Said::new("nobody_slow")))
            .fix(Said::new("find_readers"));
        let affected = Affected { connections: held_back as u64, share_of_closes: None };
        let finding = claim.concerns(seen.route.clone(), seen.now, affected).about(Topic::Delivery).finding();
        (used >= pressure).then_some(finding)
    };
    seen.machines().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::host::HostFacts;

    use super::*;
    use crate::population::tests::{end, judged_on};

    #[test]
    fn buffers_of_all_sockets_are_beyond_the_second_figure() {
        let levels = |used| {
            let mut host = HostFacts::default();
            let tcp = &mut host.machine.tcp;
            (tcp.memory_bytes, tcp.memory_pressure_bytes, tcp.memory_limit_bytes) =
                (Some(used), Some(1 << 30), Some(2 << 30));
            let found = judged_on([end(1)].into_iter(), host);
            found.iter().map(|finding| (finding.id.to_string(), finding.level)).collect::<Vec<_>>()
        };
        assert_eq!(levels(1 << 29), []);
        assert_eq!(levels(3 << 29), [(CAUSE.id.to_owned(), Level::Medium)]);
        assert_eq!(levels(2 << 30), [(CAUSE.id.to_owned(), Level::Medium)]);
    }
}
