//! Connections come faster than a process accepts them, and its queue is full.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "accept-queue-overflow",
    number: 504,
    severity: Severity::Critical,
    manual: Manual {
        title: text("a listener's accept queue is full", "监听套接字的接受队列已满"),
        symptoms: text(
            "Connecting times out in bursts, after a deploy or in a storm; some connections take 1, 3 or \
             7 s.",
            "部署之后或重连风暴中，连接成批超时；部分连接耗时 1、3 或 7 秒。",
        ),
        evidence: text(
            "`ListenOverflows` of the kernel counts up, and more wait at the listener (`ss -ltn`, Recv-Q) \
             than may (Send-Q). The time of TCP itself is 1, 3 or 7 s: the kernel sends SYN again after 1 \
             s, then 2 s, then 4 s.",
            "内核的 `ListenOverflows` 增加，监听套接字上等待的连接数（`ss -ltn` 的 Recv-Q）超过上限（\
             Send-Q）。TCP 建立本身耗时 1、3 或 7 秒：内核在 1 秒、2 秒、4 秒后重发 SYN。",
        ),
        look_alikes: text(
            "`network-unreachable-or-filtered`, `packet-loss-retransmission`: the same waits without \
             overflows. `conntrack-table-full`: the firewall's table is full. `fd-limit-app`: the process \
             has no files left, and this follows from it.",
            "`network-unreachable-or-filtered`、`packet-loss-retransmission`：同样的等待但没有溢出；\
             `conntrack-table-full`：防火墙的连接表已满；`fd-limit-app`：进程没有可用文件，溢出是其后果。",
        ),
        fix: text(
            "In the service: a longer backlog of `listen`, with `net.core.somaxconn` as long; several \
             workers with SO_REUSEPORT; nothing slow in the loop that accepts. In clients: reconnect with \
             jitter. Prove it: `nstat -z TcpExtListenOverflows` stands still at the next peak.",
            "在服务中：增大 `listen` 的 backlog，并相应增大 `net.core.somaxconn`；用 SO_REUSEPORT 运行多个\
             工作进程；接受连接的循环中不做耗时操作。在客户端：重连加随机抖动。验证：下一次高峰时 `nstat \
             -z TcpExtListenOverflows` 不再增加。",
        ),
        sources: &[
            "listen(2)",
            "tcp(7), tcp_abort_on_overflow",
            "RFC 6298, section 2 (1 s before the first SYN is sent again)",
        ],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: None },
};
