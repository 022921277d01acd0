//! A machine has no CPU time left, or its hypervisor takes it.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "host-cpu-saturation-or-steal",
    number: 309,
    severity: Severity::Warning,
    manual: Manual {
        title: text("a machine has no CPU time left", "主机 CPU 已耗尽"),
        symptoms: text(
            "At peaks everything is slow, TLS handshakes first.",
            "高峰时一切都变慢，首先是 TLS 握手。",
        ),
        evidence: text(
            "The CPUs are busy for more than 90 % of the time, tasks wait for one for more than 20 % of \
             it (pressure stall information), or the hypervisor takes more than 5 % (steal). All \
             processes of the machine are concerned, while the round trip of TCP, which the kernel \
             answers, stays flat.",
            "CPU 忙碌超过 90 %，任务等待 CPU 的时间超过 20 %（压力停滞信息 PSI），或被虚拟化层占用超过 5 %\
             （steal）。该机器上的所有进程都受影响，而由内核应答的 TCP 往返保持平稳。",
        ),
        look_alikes: text(
            "`event-loop-stall-or-gc-pause`: one process alone, other CPUs idle. A limit of the control \
             group (`cpu.max`): throttled time grows while the machine has CPUs idle. \
             `compression-cpu-memory`: what the time goes to.",
            "`event-loop-stall-or-gc-pause`：只有一个进程，其他 CPU 空闲；控制组限额（`cpu.max`）：被限流\
             时间增长，而机器仍有空闲 CPU；`compression-cpu-memory`：CPU 时间的去向之一。",
        ),
        fix: text(
            "On that machine: find who takes the time (`top`, `pidstat 5`); resume TLS sessions, do \
             without compression, spread over more machines; with steal, another kind of instance. Prove \
             it: pressure of `cpu` stays below 10 % at the next peak.",
            "在该机器上：找出占用 CPU 的进程（`top`、`pidstat 5`）；启用 TLS 会话恢复、关闭压缩、分散到更\
             多机器；若为 steal，换用其他实例类型。验证：下一次高峰时 `cpu` 压力低于 10 %。",
        ),
        sources: &["https://docs.kernel.org/accounting/psi.html", "proc(5), /proc/stat"],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: None },
};
