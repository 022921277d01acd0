//! The service's process may open no more files, so it accepts no more connections.

use model::finding::{Affected, Finding, Place, Said, Severity, Topic};
use model::host::ProcessFacts;

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::Population;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "fd-limit-app",
    number: 501,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the service has reached its limit of open files", "服务已达到打开文件数上限"),
        symptoms: text(
            "Above a certain number of users nobody new gets in, while those inside are fine. The \
             service's log says `EMFILE` or `too many open files`, and one of its CPUs may spin.",
            "用户数达到某个值后新用户无法接入，已连接的用户正常。服务日志中有 `EMFILE` 或 `too many open \
             files`，可能有一个 CPU 空转。",
        ),
        evidence: text(
            "The open files of the service's process are within 5 % of its limit (`RLIMIT_NOFILE`). New \
             TCP connections are made by the kernel, wait in the accept queue, and get no answer.",
            "服务进程的打开文件数与其上限（`RLIMIT_NOFILE`）相差不到 5 %。新的 TCP 连接由内核建立，停留在\
             接受队列中，得不到应答。",
        ),
        look_alikes: text(
            "`accept-queue-overflow`: the process has files left and accepts too slowly. \
             `fd-limit-proxy`: straight to the service it works. `upstream-handshake-hang-504`: hangs at \
             any number of connections. A leak: the open files grow with churn, not with users.",
            "`accept-queue-overflow`：进程仍有可用文件，只是接受过慢；`fd-limit-proxy`：直接连接服务正常；\
             `upstream-handshake-hang-504`：与连接数无关；文件泄漏：打开文件数随连接更替增长，而非随用户数\
             增长。",
        ),
        fix: text(
            "For the service: raise the limit (systemd `LimitNOFILE=`, Docker `--ulimit nofile=`, \
             Kubernetes: the container runtime's), to at least twice the connections that are planned. \
             Look for a leak first: the files must fall again when users leave. Prove it: \
             `/proc/PID/limits` shows the new limit, and connections pass the old one.",
            "针对服务：提高上限（systemd `LimitNOFILE=`、Docker `--ulimit nofile=`、Kubernetes 则为容器运\
             行时的设置），至少为计划连接数的两倍。先排查泄漏：用户离开后文件数应下降。验证：\
             `/proc/PID/limits` 显示新上限，且连接数能超过旧上限。",
        ),
        sources: &["getrlimit(2), RLIMIT_NOFILE", "accept(2), EMFILE", "systemd.exec(5), LimitNOFILE="],
    },
    phrases: &[
        phrase(
            "files_used",
            "The process of {upstream} has {open} files open and may have {limit}",
            "{upstream} 的进程已打开 {open} 个文件，上限为 {limit}",
        ),
        phrase(
            "have_waited",
            "{count} attempts waited and got no answer meanwhile",
            "同时有 {count} 次尝试等待而得不到应答",
        ),
        phrase("nobody_waits", "nobody has waited in vain yet", "尚无连接因此等待"),
        phrase(
            "raise_files",
            "Raise the limit of open files of the service, after a look for a leak",
            "先排查泄漏，再提高服务的打开文件数上限",
        ),
    ],
    signs: Signs::population(population),
};

/// Attempts that show that the limit is felt.
const COUNT_MIN: usize = 3;

/// Only of a service on this machine: the files of others are seen by nobody here.
fn population(seen: &Population<'_>) -> Vec<Finding> {
    let failed = seen.failed_by(CAUSE.id);
    let told = |(upstream, usage): (&str, ProcessFacts)| {
        let said = Said::new("files_used")
            .with("upstream", upstream)
            .with("open", usage.open_fds.unwrap_or_default())
            .with("limit", usage.max_fds.unwrap_or_default());
        let have_waited =
            (failed.len() >= COUNT_MIN).then(|| Said::new("have_waited").with("count", failed.len()));
        let is_felt = have_waited.is_some();
        let claim = Claim::of(&CAUSE, Place::Upstream, said).corroborated(have_waited);
        let claim = if is_felt { claim } else { claim.suspected().unless(Said::new("nobody_waits")) };
        let affected = Affected { share_of_closes: None, ..seen.affected(&failed) };
        claim
            .fix(Said::new("raise_files"))
            .concerns(seen.route.clone(), seen.since(&failed), affected)
            .about(Topic::Openings)
            .selects(seen.selection(&failed))
            .finding()
    };
    seen.out_of_files().map(told).collect()
}

#[cfg(test)]
mod tests {
    use model::HandshakeResult;
    use model::finding::Level;
    use model::host::{HostFacts, ListeningProcess, UpstreamFacts};

    use super::*;
    use crate::population::tests::{failed, judged_on};

    fn host(open: u64) -> HostFacts {
        let usage = ProcessFacts { open_fds: Some(open), max_fds: Some(64), ..ProcessFacts::default() };
        let process = Some(ListeningProcess { usage, ..ListeningProcess::default() });
        let (route, upstream) = ("chat".into(), "http://a".into());
        let upstreams = vec![UpstreamFacts { route, upstream, process, ..UpstreamFacts::default() }];
        HostFacts { upstreams, ..HostFacts::default() }
    }

    #[test]
    fn a_service_without_files_answers_nobody() {
        let hang = |count| {
            (0..count).map(|n| failed(n, HandshakeResult::Timeout, 5.0, "http://a: no answer in time"))
        };
        let found = |count, open| {
            let found = judged_on(hang(count), host(open));
            found.iter().map(|finding| (finding.id.to_string(), finding.level)).collect::<Vec<_>>()
        };
        assert_eq!(found(12, 63), [(CAUSE.id.to_owned(), Level::High)]);
        assert_eq!(found(1, 63), [(CAUSE.id.to_owned(), Level::Low)]);
        assert_eq!(found(12, 30)[0].0, "upstream-handshake-hang-504");
    }
}
