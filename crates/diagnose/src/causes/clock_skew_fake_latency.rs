//! Delay is computed from two clocks that differ.

use model::finding::Severity;

use crate::cause::{Cause, Manual, Signs, text};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "clock-skew-fake-latency",
    number: 311,
    severity: Severity::Info,
    manual: Manual {
        title: text("a delay is measured with two clocks that differ", "延迟由两个不一致的时钟计算得出"),
        symptoms: text(
            "A dashboard shows 30 s or a negative latency for some users, and nobody feels it.",
            "仪表盘对部分用户显示 30 秒或负的延迟，而没有人有感觉。",
        ),
        evidence: text(
            "The time stamped by the receiver minus the one stamped by the sender differs by a constant, \
             while the round trip on one clock is short; a message that is read before it was made proves \
             it.",
            "接收方时间戳减去发送方时间戳相差一个常数，而用同一时钟测得的往返很短；消息在产生之前就被读到\
             即可证实。",
        ),
        look_alikes: text(
            "Events that are held (`sse-proxy-buffering`): the difference is not constant, it falls \
             within each batch. A backlog: the difference grows.",
            "事件被滞留（`sse-proxy-buffering`）：差值不是常数，在每一批内递减；积压：差值不断增长。",
        ),
        fix: text(
            "On the machines: keep time by NTP (`chronyc tracking` below 10 ms). In the measurement: \
             correct by half a round trip, or take times of one clock; alert on no difference of two \
             clocks. Prove it: the smallest delay seen is near half the round trip.",
            "在各机器上：用 NTP 校时（`chronyc tracking` 小于 10 毫秒）。在测量中：以半个往返时间校正，或\
             只用同一时钟；不要对两个时钟之差告警。验证：观察到的最小延迟接近半个往返时间。",
        ),
        sources: &["RFC 5905 (NTP)", "RFC 7679, section 3.7 (errors and uncertainties of one-way delay)"],
    },
    phrases: &[],
    signs: Signs::Hidden(text(
        "No finding is made of it: of messages that carry a time nobody knows that it is that of their \
         making. On a route with `event_time` Heartline shows it in figures: \
         `sse_event_clock_ahead_seconds` is how far a producer's clock is ahead at least, and \
         `sse_event_generation_delay_min_seconds` bounds the offset.",
        "不会为此产生结论：无法得知消息携带的时间是否就是其产生时间。对设置了 `event_time` 的路由，\
         Heartline 以数值显示：`sse_event_clock_ahead_seconds` 是生产者时钟至少超前的时间，\
         `sse_event_generation_delay_min_seconds` 给出偏差的上界。",
    )),
};
