//! Small messages wait for an acknowledgement that is held back.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::roundtrips::RoundTrips;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "nagle-delayed-ack-40ms",
    number: 307,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "small messages wait 40 ms: Nagle's algorithm and a delayed acknowledgement",
            "小消息要等 40 毫秒：Nagle 算法与延迟确认",
        ),
        symptoms: text(
            "A constant 40 ms (Linux; 200 ms elsewhere) on each small message; larger ones are faster.",
            "每条小消息固定多出 40 毫秒（Linux；其他系统 200 毫秒）；较大的消息反而更快。",
        ),
        evidence: text(
            "Echoes take 40 to 45 ms while Pings take a fraction, and messages of several segments, or the \
             first of a stream, come at once: a second small write waits until the first is acknowledged.",
            "回显耗时 40 至 45 毫秒而 Ping 只需零头，多段的大消息或连接的首条消息立即返回：第二次小写入要等第一次得到确认。",
        ),
        look_alikes: text(
            "`packet-loss-retransmission`: there are retransmissions. `timer-batching`: from 0 to the period. \
             `server-processing-slow`: large messages and first ones take as long.",
            "`packet-loss-retransmission`：有重传；`timer-batching`：从 0 到整个周期；`server-processing-slow`：大消息与首条消息也同样慢。",
        ),
        fix: text(
            "Set TCP_NODELAY on the sender's socket (Go and Node.js do by default), and write header and \
             payload at once (`writev`, a buffered writer). Then echoes must come within a few milliseconds of \
             a Ping.",
            "在发送方套接字设置 TCP_NODELAY（Go 与 Node.js 默认设置），并把帧头与载荷一次写出（`writev` 或带缓冲的写入）。之后回显与 Ping 应只差几毫秒。",
        ),
        sources: &[
            "RFC 896",
            "RFC 9293, section 3.8.6.3",
            "https://man7.org/linux/man-pages/man7/tcp.7.html (TCP_NODELAY)",
        ],
    },
    phrases: &[
        phrase(
            "forty",
            "{share} of the echoes took 36 to 50 ms, Pings {ping}",
            "{share}的回显耗时 36 至 50 毫秒，Ping 耗时 {ping}",
        ),
        phrase(
            "others_fast",
            "Larger messages, or the first of a stream, came back in {fast}",
            "较大的消息或连接的首条消息在 {fast}内返回",
        ),
        phrase(
            "slow_handler",
            "a handler that takes as long for each message",
            "每条消息都同样耗时的处理函数",
        ),
        phrase(
            "try_sizes",
            "Send a message of 4 KiB and look whether it comes back faster: `--checks size`",
            "发送 4 KiB 的消息，看是否更快返回：`--checks size`",
        ),
        phrase(
            "nodelay",
            "In the service: set TCP_NODELAY, and write a frame's header and payload in one call; then echoes \
             must come as fast as Pings",
            "在服务中：设置 TCP_NODELAY，并用一次调用写出帧头与载荷；之后回显应与 Ping 一样快",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let trips = RoundTrips::of(seen, Via::Url)?;
    let ping = trips.ping().filter(|ping| *ping < 0.015)?;
    let (held, quick) = (trips.share(0.036, 0.050), trips.share(0.0, 0.015));
    if held < 0.5 || held + quick < 0.9 {
        return None;
    }
    let fastest = trips
        .large
        .first()
        .copied()
        .into_iter()
        .chain(trips.firsts.first().copied())
        .fold(f64::MAX, f64::min);
    let is_fast = fastest < 0.02;
    if !is_fast && !trips.large.is_empty() {
        return None;
    }
    let said = Said::new("forty").share("share", held).seconds("ping", ping);
    let claim = Claim::of(&CAUSE, Place::Upstream, said)
        .corroborated(is_fast.then(|| Said::new("others_fast").seconds("fast", fastest)));
    let claim =
        if is_fast { claim } else { claim.unless(Said::new("slow_handler")).next(Said::new("try_sizes")) };
    Some(claim.fix(Said::new("nodelay")).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, URL, echoed, found, none, sent};

    fn scene(echo: f64, ping: f64) -> Scene {
        Scene::opened().attempt(echoed(URL, &[echo; 12], &[ping; 12]))
    }

    #[test]
    fn small_messages_wait_for_an_acknowledgement() {
        found(probe, scene(0.0421, 0.0004).attempt(sent(URL, 16_384, Ok(0.002))), Level::High);
        found(probe, scene(0.0421, 0.0004), Level::Medium);
    }

    #[test]
    fn look_alikes_are_others() {
        none(probe, scene(0.0421, 0.0004).attempt(sent(URL, 16_384, Ok(0.043))));
        none(probe, scene(0.0421, 0.041));
        none(probe, scene(0.3, 0.0004));
        none(probe, scene(0.002, 0.0004));
    }
}
