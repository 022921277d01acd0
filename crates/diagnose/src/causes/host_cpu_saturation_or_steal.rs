//! A machine has no CPU time left, or its hypervisor takes it.

use model::finding::{Affected, Finding, Place, Said, Severity, Topic};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::Population;
use crate::population::machines::Machine;

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
    phrases: &[
        phrase(
            "stolen",
            "Of the CPU time of {whose} the hypervisor gave {share} to others over the last minute (steal)",
            "最近一分钟内，虚拟化层把 {whose} 的 {share} CPU 时间给了他人（steal）",
        ),
        phrase(
            "busy",
            "All CPUs of {whose} together were busy for {share} of the last minute",
            "{whose} 的所有 CPU 最近一分钟共有 {share} 的时间忙碌",
        ),
        phrase(
            "throttled",
            "The limit of its control group (`cpu.max`) held this gateway back for {share} of the last minute",
            "控制组限额（`cpu.max`）在最近一分钟内有 {share} 的时间限制了本网关",
        ),
        phrase(
            "tasks_waited",
            "For {share} of it at least one task waited for a CPU (pressure stall information)",
            "其中 {share} 的时间至少有一个任务在等待 CPU（压力停滞信息 PSI）",
        ),
        phrase(
            "one_process",
            "The process at {upstream} alone took the time of {cpus} CPUs",
            "{upstream} 处的进程独占了 {cpus} 个 CPU 的时间",
        ),
        phrase(
            "unfelt",
            "connections may not feel it: their round trips are not known to have grown",
            "连接可能感觉不到：尚不知道其往返时间是否变长",
        ),
        phrase(
            "compare_peaks",
            "Compare delays of messages with the pressure of `cpu` over a day",
            "在一天内对比消息延迟与 `cpu` 压力",
        ),
    ],
    signs: Signs::population(population),
};

/// Least share of a minute that the hypervisor takes, or a control group's limit.
const TAKEN: f64 = 0.05;
/// Share of a minute for which all CPUs are busy, and for which tasks wait for one.
const BUSY: f64 = 0.9;
const WAITING: f64 = 0.2;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    seen.machines().filter_map(|machine| found(seen, machine)).collect()
}

fn found(seen: &Population<'_>, machine: Machine<'_>) -> Option<Finding> {
    let minute = machine.facts.cpu.last_minute?;
    let is_own = machine.place == Place::Gateway;
    let cgroup = seen.host.and_then(|host| host.cgroup.as_ref()).filter(|_| is_own);
    let throttled = cgroup.and_then(|cgroup| cgroup.cpu_throttled_last_minute_ratio);
    let waiting = minute.waiting_ratio.filter(|ratio| *ratio >= WAITING);
    let said = |code, share| Said::new(code).with("whose", machine.whose).share("share", share);
    let decisive = if minute.steal_ratio >= TAKEN {
        said("stolen", minute.steal_ratio)
    } else if let Some(throttled) = throttled.filter(|ratio| *ratio >= TAKEN) {
        Said::new("throttled").share("share", throttled)
    } else if minute.busy_ratio >= BUSY && waiting.is_some() {
        // Busy CPUs for which nobody waits are well used.
        said("busy", minute.busy_ratio)
    } else {
        return None;
    };
    let claim = Claim::of(&CAUSE, machine.place, decisive)
        .corroborated(waiting.map(|share| Said::new("tasks_waited").share("share", share)))
        .noted(one_process(seen, &machine))
        .unless(Said::new("unfelt"))
        .next(Said::new("compare_peaks"))
        .fix(Said::new("see_manual").with("id", CAUSE.id));
    let affected = Affected { connections: seen.open.len() as u64, share_of_closes: None };
    let concerning = claim.concerns(seen.route.clone(), seen.now, affected);
    Some(concerning.about(Topic::Delivery).finding())
}

/// The upstream's process that takes most of this machine's time.
fn one_process(seen: &Population<'_>, machine: &Machine<'_>) -> Option<Said> {
    let count = machine.facts.cpu.count.filter(|_| machine.place == Place::Gateway)? as f64;
    let of_route = seen.host?.upstreams.iter().filter(|upstream| upstream.route == seen.route);
    let used = of_route.filter_map(|it| Some((&it.upstream, it.process.as_ref()?.usage.cpu_ratio?)));
    let (upstream, cpus) = used.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, cpus)| *cpus > count / 2.0)?;
    Some(Said::new("one_process").with("upstream", &**upstream).with("cpus", format!("{cpus:.1}")))
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::host::{
        CgroupFacts, CpuMinute, ExporterFacts, HostFacts, ListeningProcess, MachineFacts, ProcessFacts,
        UpstreamFacts,
    };

    use super::*;
    use crate::population::tests::{end, judged_on};

    fn level(busy: f64, steal: f64, waiting: Option<f64>, throttled: Option<f64>) -> Option<(Level, String)> {
        let mut host = HostFacts::default();
        let minute = CpuMinute { busy_ratio: busy, steal_ratio: steal, waiting_ratio: waiting };
        host.machine.cpu.last_minute = Some(minute);
        host.cgroup =
            Some(CgroupFacts { cpu_throttled_last_minute_ratio: throttled, ..CgroupFacts::default() });
        let found = judged_on((0..3).map(end), host).into_iter().find(|finding| finding.id == CAUSE.id);
        found.map(|finding| (finding.level, finding.evidence[0].code.to_string()))
    }

    #[test]
    fn what_is_taken_and_what_is_waited_for() {
        let medium = |code: &str| Some((Level::Medium, code.to_owned()));
        assert_eq!(level(0.6, 0.12, Some(0.4), None), medium("stolen"));
        assert_eq!(level(0.6, 0.12, None, None), medium("stolen"), "steal speaks for itself");
        assert_eq!(level(0.3, 0.0, Some(0.4), Some(0.2)), medium("throttled"));
        assert_eq!(level(0.97, 0.0, Some(0.6), None), medium("busy"));
    }

    #[test]
    fn machines_of_upstreams_and_their_processes() {
        let busy = CpuMinute { busy_ratio: 0.97, steal_ratio: 0.0, waiting_ratio: Some(0.6) };
        let quiet = CpuMinute { busy_ratio: 0.1, steal_ratio: 0.0, waiting_ratio: Some(0.0) };
        let told = |elsewhere: CpuMinute, here: CpuMinute, cpus: f64| {
            let mut upstream = UpstreamFacts {
                route: "chat".into(),
                upstream: "http://a".into(),
                ..UpstreamFacts::default()
            };
            let mut machine = MachineFacts::default();
            machine.cpu.last_minute = Some(elsewhere);
            upstream.exporter = Some(ExporterFacts { machine: Some(machine), ..ExporterFacts::default() });
            let usage = ProcessFacts { cpu_ratio: Some(cpus), ..ProcessFacts::default() };
            upstream.process = Some(ListeningProcess { usage, ..ListeningProcess::default() });
            let throttled =
                CgroupFacts { cpu_throttled_last_minute_ratio: Some(0.2), ..CgroupFacts::default() };
            let mut host =
                HostFacts { upstreams: vec![upstream], cgroup: Some(throttled), ..HostFacts::default() };
            (host.machine.cpu.last_minute, host.machine.cpu.count) = (Some(here), Some(4));
            let found = judged_on((0..3).map(end), host).into_iter().filter(|finding| finding.id == CAUSE.id);
            let codes =
                |finding: Finding| finding.evidence.iter().map(|said| said.code.to_string()).collect();
            found.map(|finding| (finding.place, codes(finding))).collect::<Vec<(Place, Vec<String>)>>()
        };
        let codes = |codes: &[&str]| codes.iter().map(|&code| code.to_owned()).collect::<Vec<_>>();
        let limit_of_ours = || (Place::Gateway, codes(&["throttled"]));
        assert_eq!(told(quiet, quiet, 0.0), [limit_of_ours()], "its limit is no other machine's");
        let elsewhere = (Place::Upstream, codes(&["busy", "tasks_waited"]));
        assert_eq!(told(busy, quiet, 0.0), [limit_of_ours(), elsewhere]);
        let one = told(quiet, CpuMinute { steal_ratio: 0.2, ..quiet }, 3.0);
        assert_eq!(one, [(Place::Gateway, codes(&["stolen", "one_process"]))]);
        let others = told(quiet, CpuMinute { steal_ratio: 0.2, ..quiet }, 1.0);
        assert_eq!(others, [(Place::Gateway, codes(&["stolen"]))]);
    }

    #[test]
    fn look_alikes_are_others() {
        assert_eq!(level(0.97, 0.0, Some(0.05), None), None, "busy, and nobody waits");
        assert_eq!(level(0.97, 0.0, None, None), None, "whether anybody waits is not known");
        assert_eq!(
            level(0.55, 0.01, Some(0.5), None),
            None,
            "one process of several CPUs, and its own threads"
        );
        assert_eq!(level(0.3, 0.0, Some(0.02), Some(0.01)), None);
    }
}
