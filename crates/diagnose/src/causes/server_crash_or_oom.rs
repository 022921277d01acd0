//! The service's process dies.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::holds::{Manner, clump};
use crate::population::{Population, departures};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "server-crash-or-oom",
    number: 209,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the service's process died", "服务进程异常退出"),
        symptoms: text(
            "Everybody on one node drops at once with 1006, often at peaks; connecting fails for a while.",
            "同一节点上的所有人同时以 1006 掉线，常发生在高峰；一段时间内无法连接。",
        ),
        evidence: text(
            "Streams of different ages end at one moment without a Close frame, straight at the service as \
             well, and new connections are refused (or a proxy answers 502 or 503) right after. A killed \
             process sends FIN, or RST where it had not read all.",
            "存活时长不同的连接在同一时刻结束且没有 Close 帧，直连服务也一样，随后新连接被拒绝（或代理应答 502/503）。被杀死的进程发送 FIN，若有未读数据则为 RST。",
        ),
        look_alikes: text(
            "`rolling-deploy-or-restart`: a planned restart; 1001 or 1012 if it is graceful. \
             `proxy-reload-drain`: streams straight at the service live on, and so do the youngest. `clump-of-closes`: \
             new ones open at once, and all old ones are gone.",
            "`rolling-deploy-or-restart`：计划内重启，优雅时为 1001 或 1012；`proxy-reload-drain`：直连服务的连接继续存活，\
             最新建立的连接也继续存活；`clump-of-closes`：旧连接全部消失，而新连接立即可以建立。",
        ),
        fix: text(
            "Look at the process's start time, its exit code (137: killed) and `oom_kill` in `/proc/vmstat` or \
             the cgroup's `memory.events`. Bound the memory of each connection (send queues above all), set a \
             memory limit with room, restart automatically. Then the process must outlive the next peak.",
            "查看进程启动时间、退出码（137：被杀死）以及 `/proc/vmstat` 或 cgroup `memory.events` 中的 `oom_kill`。限制每连接内存（首先是发送队列），内存上限留有余量，并自动重启。之后进程应能撑过下一次高峰。",
        ),
        sources: &[
            "https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.events)",
            "RFC 9293, section 3.10.4",
        ],
    },
    phrases: &[
        phrase(
            "clump",
            "{count} streams of different ages ended within one second",
            "{count} 条存活时长不同的连接在一秒内同时结束",
        ),
        phrase("no_word", "None of them got a Close frame", "它们都没有收到 Close 帧"),
        phrase("refused_after", "{seconds} later a new connection failed", "{seconds}后新连接失败"),
        phrase("planned", "a planned restart without a drain", "没有排空的计划内重启"),
        phrase(
            "ask_host",
            "Look at the process's start time and exit code, and at `oom_kill` of its host",
            "查看进程的启动时间与退出码，以及主机的 `oom_kill`",
        ),
        phrase(
            "bound",
            "Bound the memory of each connection and let the process be restarted; the next probe over a peak \
             must see no such moment",
            "限制每连接内存并自动重启进程；下次在高峰期探测时不应再出现这样的时刻",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let clump = clump(seen).filter(|clump| clump.manner() == Some(Manner::Wordless))?;
    let after = clump.after(seen).filter(|attempt| !attempt.is_open())?;
    let count = clump.at_url.len() + clump.direct.len();
    let waited = after.began - clump.moment;
    let place = if clump.direct.is_empty() { Place::Unknown } else { Place::Upstream };
    let claim = Claim::of(&CAUSE, place, Said::new("clump").with("count", count))
        .noted(Said::new("no_word"))
        .corroborated(Said::new("refused_after").seconds("seconds", waited))
        .unless(Said::new("planned"))
        .next(Said::new("ask_host"));
    Some(claim.fix(Said::new("bound")).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    departures::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Fault, Sign, StageName};
    use crate::scene::{SILENT, Scene, URL, close, cut_at, fails, found, lives, none, talked};

    fn ends(sign: &Sign) -> Scene {
        let ends =
            [cut_at(URL, SILENT, 0.0, 9.0, sign.clone()), cut_at(URL, talked(1.0), 2.3, 6.8, sign.clone())];
        Scene::opened().attempts(ends)
    }

    #[test]
    fn all_end_and_nobody_answers() {
        let mut refused = fails(URL, None, StageName::Tcp, Fault::Refused, 0.001);
        refused.began = 10.0;
        found(probe, ends(&Sign::Fin).attempt(refused.clone()), Level::Medium);
        none(probe, ends(&close(1001, "")).attempt(refused));
        let mut opens = lives(URL, SILENT, 0.0, 1.0);
        opens.began = 10.0;
        none(probe, ends(&Sign::Fin).attempt(opens));
        none(probe, ends(&Sign::Fin));
    }
}
