//! The service's process may open no more files, so it accepts no more connections.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

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
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: None },
};
