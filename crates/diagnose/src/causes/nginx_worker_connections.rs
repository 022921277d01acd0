//! A worker of nginx has as many connections as it may have, and drops further ones.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "nginx-worker-connections",
    number: 503,
    severity: Severity::Critical,
    manual: Manual {
        title: text(
            "a proxy's worker has no room for another connection",
            "代理的工作进程没有空余的连接名额",
        ),
        symptoms: text(
            "At some 500 or 1000 users further ones fail at once; sooner after many reloads.",
            "用户数约 500 或 1000 时，新用户立即失败；多次重新加载之后更早出现。",
        ),
        evidence: text(
            "TCP is accepted and ended within milliseconds, without a byte of an answer, above a fixed \
             number of connections. nginx logs `worker_connections are not enough`. Each relayed \
             connection counts twice, and old workers keep theirs.",
            "超过固定连接数后，TCP 被接受并在毫秒内结束，没有任何应答字节。nginx 日志中有 \
             `worker_connections are not enough`。每个转发的连接计两次，旧工作进程仍占用自己的名额。",
        ),
        look_alikes: text(
            "`fd-limit-proxy`: 500. `edge-rate-limit-or-ban`: an answer, by address. \
             `accept-queue-overflow`, `fd-limit-app`: a wait in place of the end. \
             `tls-plaintext-mismatch`: one connection alone is ended too.",
            "`fd-limit-proxy`：500；`edge-rate-limit-or-ban`：有应答，按地址计数；\
             `accept-queue-overflow`、`fd-limit-app`：等待而不是结束；`tls-plaintext-mismatch`：单个连接也\
             会被结束。",
        ),
        fix: text(
            "In nginx: `worker_connections` to more than twice the users of a worker, \
             `worker_rlimit_nofile` above it; reload less often, or set `worker_shutdown_timeout`. Prove \
             it: the diagnosis with `--checks concurrency` opens all.",
            "在 nginx 中：将 `worker_connections` 设为每个工作进程用户数的两倍以上，\
             `worker_rlimit_nofile` 更大；减少重新加载，或设置 `worker_shutdown_timeout`。验证：加上 \
             `--checks concurrency` 重新诊断，应全部打开。",
        ),
        sources: &[
            "https://nginx.org/en/docs/ngx_core_module.html#worker_connections",
            "https://nginx.org/en/docs/ngx_core_module.html#worker_shutdown_timeout",
        ],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: None },
};
