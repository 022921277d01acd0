//! A proxy lets so many through to a server at once; others wait, and are refused after a time.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "upstream-queue-timeout-503",
    number: 510,
    severity: Severity::Warning,
    manual: Manual {
        title: text("requests wait in a proxy's queue and are refused", "请求在代理队列中等待后被拒绝"),
        symptoms: text(
            "At peaks 503 after exactly so many seconds.",
            "高峰时恰好在固定的若干秒之后得到 503。",
        ),
        evidence: text(
            "Of many connections at once so many open; each further one gets 503 after the same time \
             (HAProxy `timeout queue`, or `timeout connect` when that is not set; log flags `sQ`). One \
             alone opens at once.",
            "同时建立的多个连接中若干个打开，其余都在相同的时间后得到 503（HAProxy `timeout queue`，未设置\
             时为 `timeout connect`；日志标志 `sQ`）。单个连接立即打开。",
        ),
        look_alikes: text(
            "`edge-rate-limit-or-ban`: refused at once. `upstream-down-502-503`: one alone is refused \
             too. `upstream-handshake-hang-504`: one alone waits as long, and the status is 504.",
            "`edge-rate-limit-or-ban`：立即拒绝；`upstream-down-502-503`：单个连接也被拒绝；\
             `upstream-handshake-hang-504`：单个连接也等待同样长，且状态为 504。",
        ),
        fix: text(
            "In the proxy: raise the server's `maxconn` to what it can hold (a live stream holds its \
             place for hours), or add servers. Prove it: the diagnosis with `--checks concurrency` opens \
             all.",
            "在代理中：将该服务器的 `maxconn` 提高到其可承受的连接数（实时连接会占用名额数小时），或增加服\
             务器。验证：加上 `--checks concurrency` 重新诊断，应全部打开。",
        ),
        sources: &[
            "https://docs.haproxy.org/2.8/configuration.html (maxconn of a server, timeout queue; section 8.5)",
        ],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: None },
};
