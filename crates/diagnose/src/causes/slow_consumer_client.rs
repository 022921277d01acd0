//! The receiver does not read fast enough.

use model::Leg;
use model::finding::{Affected, Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::{Population, Slow, SlowLeg};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "slow-consumer-client",
    number: 305,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the receiver does not read fast enough", "接收方读取过慢"),
        symptoms: text(
            "Some users are minutes behind, and the sender's memory grows.",
            "部分用户落后数分钟，发送方内存增长。",
        ),
        evidence: text(
            "The peer's window holds sending back nearly all the time, bytes wait to be sent, and the round trip is short.",
            "对端窗口几乎一直限制发送，有数据等待发送，而往返时间很短。",
        ),
        look_alikes: text(
            "A narrow link has a long round trip and an open window; loss has retransmissions with an open window.",
            "窄链路的往返时间长且窗口打开；丢包时窗口打开且有重传。",
        ),
        fix: text(
            "Make the handler of messages cheaper or move it off the thread that reads; merge or drop what is stale before it is sent; limit what waits for each connection.",
            "降低消息处理的开销或移出读取线程；发送前合并或丢弃过时数据；限制每个连接的待发送量。",
        ),
        sources: &["RFC 9293, section 3.8.6", "tcp(7), TCP_INFO"],
    },
    phrases: &[
        phrase(
            "window_shut",
            "On {count} of {all} connections the receiver's window held sending back for {share} of the time",
            "{all} 个连接中有 {count} 个，接收方窗口在 {share} 的时间里限制了发送",
        ),
        phrase(
            "waits",
            "{bytes} wait for it, and the round trip is {rtt}",
            "有 {bytes} 等待发送，往返时间为 {rtt}",
        ),
        phrase(
            "cheaper",
            "In the receiver: read without waiting for what is made of the messages",
            "在接收方：读取消息时不要等待其处理完成",
        ),
        phrase(
            "cap",
            "In the sender: bound what waits for each connection, and merge or drop what is stale",
            "在发送方：限制每个连接的待发送量，合并或丢弃过时数据",
        ),
    ],
    signs: Signs::population(population),
};

/// Connections that it is told for.
const COUNT_MIN: usize = 1;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [Leg::Client, Leg::Upstream].into_iter().filter_map(|leg| on(seen, leg)).collect()
}

fn on(seen: &Population<'_>, leg: Leg) -> Option<Finding> {
    let (slow, all) = seen.slow_legs(leg);
    let slow: Vec<SlowLeg> = slow.into_iter().filter(|slow| slow.why == Slow::Reader).collect();
    if slow.len() < COUNT_MIN {
        return None;
    }
    let of = |value: fn(&SlowLeg) -> f64| median(slow.iter().map(value).collect());
    let place = if leg == Leg::Client { Place::Client } else { Place::Upstream };
    let shut = Said::new("window_shut")
        .with("count", slow.len())
        .with("all", all)
        .share("share", of(|slow| slow.window_share));
    let waiting = slow.iter().map(|slow| slow.waiting).max().unwrap_or_default();
    let waits = Said::new("waits").bytes("bytes", waiting).seconds("rtt", of(|slow| slow.min_rtt));
    Some(
        Claim::of(&CAUSE, place, shut)
            .corroborated(waits)
            .fix(Said::new("cheaper"))
            .fix(Said::new("cap"))
            .concerns(
                seen.route.clone(),
                seen.now,
                Affected { connections: slow.len() as u64, share_of_closes: None },
            )
            .finding(),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
