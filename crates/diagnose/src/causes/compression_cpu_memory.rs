//! permessage-deflate costs the service CPU time and memory.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "compression-cpu-memory",
    number: 312,
    severity: Severity::Info,
    manual: Manual {
        title: text("compression costs the service CPU time and memory", "压缩消耗了服务的 CPU 与内存"),
        symptoms: text(
            "CPU time and memory of the service doubled when compression was turned on; messages to many \
             at once have a long tail.",
            "启用压缩后服务的 CPU 与内存翻倍；群发消息出现长尾延迟。",
        ),
        evidence: text(
            "permessage-deflate is agreed on with most clients, the service's CPU time for each message \
             is high, and each connection takes up to some 300 KiB more: a context of zlib has 32 KiB for \
             reading and 256 KiB for writing unless it is limited.",
            "与大多数客户端协商了 permessage-deflate，服务处理每条消息的 CPU 时间较高，每个连接最多多占约 \
             300 KiB 内存：不加限制时，zlib 上下文解压需 32 KiB，压缩需 256 KiB。",
        ),
        look_alikes: text(
            "`unbounded-send-buffer-memory`: grows with slow clients. `host-cpu-saturation-or-steal`: the \
             time goes elsewhere. `frame-protocol-error-1002-rsv-deflate`: compression breaks the \
             connection.",
            "`unbounded-send-buffer-memory`：随慢客户端增长；`host-cpu-saturation-or-steal`：CPU 时间另有\
             去向；`frame-protocol-error-1002-rsv-deflate`：压缩导致连接中断。",
        ),
        fix: text(
            "In the service: no compression below 1 KiB, `server_no_context_takeover` or smaller \
             `server_max_window_bits`, a lower level; one compressed copy for all receivers; or none. \
             Prove it: CPU time for each message and memory for each connection before and after.",
            "在服务中：小于 1 KiB 的消息不压缩，使用 `server_no_context_takeover` 或较小的 \
             `server_max_window_bits`，降低压缩级别；群发时只压缩一次；或不压缩。验证：对比前后每条消息的 \
             CPU 时间与每个连接的内存。",
        ),
        sources: &[
            "RFC 7692, sections 7.1.1 and 7.1.2",
            "https://github.com/websockets/ws#websocket-compression",
            "https://zlib.net/zlib_tech.html (memory footprint)",
        ],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "Not detected: what a service spends on a message is not on the wire. `heartline diagnose` tells \
         in its check `deflate` whether compression is agreed on; profile the service, or turn it off for \
         an hour and compare.",
        "无法检测：服务处理一条消息的开销不在链路上。`heartline diagnose` 的 `deflate` 检查可说明是否协商\
         了压缩；请对服务做性能剖析，或关闭压缩一小时进行对比。",
    )),
};
