//! A process stands still as a whole: a collection of garbage, a blocking call.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "event-loop-stall-or-gc-pause",
    number: 304,
    severity: Severity::Warning,
    manual: Manual {
        title: text("a process of the service stands still for moments", "服务进程整体短暂停顿"),
        symptoms: text(
            "Everybody on one node freezes at the same moments, often at regular intervals, and then gets \
             everything at once.",
            "同一节点上的所有人同时卡住（往往间隔固定），随后一次收到全部内容。",
        ),
        evidence: text(
            "All connections of one upstream are silent over the same stretch of time and then flush \
             together; Pongs are late by the same amount. The kernel acknowledges what was sent \
             meanwhile, and the round trip of TCP stays flat.",
            "同一上游的所有连接在同一段时间内静默，随后一起送出数据；Pong 也迟到同样的时间。期间发送的数据\
             仍被内核确认，TCP 往返时间平稳。",
        ),
        look_alikes: text(
            "`event-loop-block-late-pong`: the pause is longer than the heartbeat allows, and connections \
             end. `narrow-link-or-bufferbloat`, `packet-loss-retransmission`: acknowledgements are late \
             too. `host-cpu-saturation-or-steal`: several processes of one machine at once.",
            "`event-loop-block-late-pong`：停顿超过心跳允许的时间，连接因此结束；\
             `narrow-link-or-bufferbloat`、`packet-loss-retransmission`：确认也迟到；\
             `host-cpu-saturation-or-steal`：同一机器上的多个进程同时停顿。",
        ),
        fix: text(
            "In the service: log pauses of its runtime (Java `-Xlog:gc`, Go `GODEBUG=gctrace=1`, Node.js \
             `monitorEventLoopDelay`, asyncio debug mode); cut long work into pieces or move it off the \
             loop; give the heap room. Prove it: the 99th percentile of Ping round trips falls to that of \
             TCP.",
            "在服务中：记录运行时停顿（Java `-Xlog:gc`、Go `GODEBUG=gctrace=1`、Node.js \
             `monitorEventLoopDelay`、asyncio 调试模式）；把耗时工作拆分或移出事件循环；给堆留出余量。验\
             证：Ping 往返的 99 分位降到与 TCP 往返相当。",
        ),
        sources: &[
            "https://nodejs.org/en/learn/asynchronous-work/dont-block-the-event-loop",
            "https://docs.python.org/3/library/asyncio-dev.html",
            "https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md",
        ],
    },
    phrases: &[],
    signs: Signs::Seen { probe: None, connection: None, population: None },
};
