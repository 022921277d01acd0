//! A proxy may open no more files: it cannot dial the service, or accepts nobody.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "fd-limit-proxy",
    number: 502,
    severity: Severity::Critical,
    manual: Manual {
        title: text("a proxy has reached its limit of open files", "代理已达到打开文件数上限"),
        symptoms: text(
            "Through the proxy, connections above a fixed number get 500, or hang; straight to the \
             service they work.",
            "经过代理时，超过固定数量的连接得到 500 或一直等待；直接连接服务则正常。",
        ),
        evidence: text(
            "Of many connections at once so many open, near half of the limit, since each takes two \
             files; the others get 500 within milliseconds (nginx: `socket() failed (24: Too many open \
             files)`), or no answer when the limit is met at accept.",
            "同时建立的多个连接中，约为上限一半的连接打开（每个连接占用两个文件），其余在毫秒内得到 500（\
             nginx：`socket() failed (24: Too many open files)`）；若在接受连接时达到上限，则没有应答。",
        ),
        look_alikes: text(
            "`nginx-worker-connections`: the connection ends without a byte. `edge-rate-limit-or-ban`: \
             429, 503 or 403, and counts by address. `fd-limit-app`: the same straight to the service. \
             `server-exception-1011-or-overload-1012-1013`: the page of the 500 is the application's.",
            "`nginx-worker-connections`：连接在没有任何字节的情况下结束；`edge-rate-limit-or-ban`：429、\
             503 或 403，且按地址计数；`fd-limit-app`：直接连接服务也一样；\
             `server-exception-1011-or-overload-1012-1013`：500 页面来自应用。",
        ),
        fix: text(
            "In the proxy: more than two files for each connection (nginx `worker_rlimit_nofile`, HAProxy \
             `ulimit-n` follows `maxconn`, systemd `LimitNOFILE=`). Prove it: the diagnosis with \
             `--checks concurrency` opens all.",
            "在代理中：为每个连接预留两个以上的文件（nginx `worker_rlimit_nofile`，HAProxy 的 `ulimit-n` \
             由 `maxconn` 推得，systemd `LimitNOFILE=`）。验证：加上 `--checks concurrency` 重新诊断，应全\
             部打开。",
        ),
        sources: &[
            "getrlimit(2), RLIMIT_NOFILE",
            "https://nginx.org/en/docs/ngx_core_module.html#worker_rlimit_nofile",
        ],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: None },
};
