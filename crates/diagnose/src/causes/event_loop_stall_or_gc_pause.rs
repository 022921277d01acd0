//! A process stands still as a whole: a collection of garbage, a blocking call.

use model::finding::{Finding, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::population::{Population, codes, heartbeats};

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
    phrases: &[
        phrase(
            "pongs_late",
            "{count} of {all} connections of {upstream} waited up to {seconds} for a Pong",
            "{upstream} 的 {all} 个连接中有 {count} 个等待 Pong 长达 {seconds}",
        ),
        phrase(
            "way_is_short",
            "Its kernel acknowledged within {rtt} meanwhile: the way is not slow",
            "期间其内核在 {rtt}内确认：网络并不慢",
        ),
        phrase(
            "others_answer",
            "On {count} connections of other upstreams Pongs came at once",
            "其他上游的 {count} 个连接上，Pong 立即到达",
        ),
        phrase("maybe_gateway", "this gateway itself stands still", "本网关自身停顿"),
        phrase(
            "log_pauses",
            "Let the service log its pauses, and compare the CPU of its machine at these moments",
            "让服务记录自身停顿，并比对其机器在这些时刻的 CPU",
        ),
    ],
    signs: Signs::population(population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    // When it costs connections, the code that they end with says it.
    if codes::are_for_want_of_pongs(seen) {
        return Vec::new();
    }
    heartbeats::stalls(&CAUSE, seen)
}
