//! The kernel has given its sockets all the memory that it may.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

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
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: None },
};
