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
            "The peer's window holds sending back nearly all the time; it is shut, or by the mean rate the way stands empty \
             mostly, while bytes wait to be sent; and the round trip is short.",
            "对端窗口几乎一直限制发送：窗口关闭，或按平均速率链路大多空闲，同时有数据等待发送；而往返时间很短。",
        ),
        look_alikes: text(
            "`narrow-link-or-bufferbloat`: the round trip is long under load, and the way is always full; a small window is \
             full there, too, but never shut. A window too small for a long way: what is acknowledged is replaced at once. \
             `packet-loss-retransmission`: retransmissions with an open window.",
            "`narrow-link-or-bufferbloat`：负载下往返时间长且链路始终占满；较小的窗口在此也会占满，但不会关闭。窗口相对长链路过小：确认后立即补满。`packet-loss-retransmission`：窗口打开时有重传。",
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
            "way_is_empty",
            "Its window is shut, or the way to it stands empty most of the time: it is not the link that is full",
            "其窗口关闭，或通往它的链路大多空闲：占满的不是链路",
        ),
        phrase(
            "narrow_too",
            "the link is narrow as well: the round trip grows from {least}",
            "链路也可能过窄：往返时间由 {least} 增大",
        ),
        phrase(
            "small_window",
            "its window is too small for the way, and it does read",
            "其窗口相对链路过小，而它确实在读取",
        ),
        phrase(
            "ask_receiver",
            "At the receiver while it lags: `ss -tm`. Much in Recv-Q: it does not read; nothing there: the link or the size of its window",
            "在接收方滞后时执行 `ss -tm`：Recv-Q 很大说明其未读取；为空则是链路或窗口大小",
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
/// Connections whose window limits, and nothing more is known, that it is suspected for.
const WINDOWS_MIN: usize = 5;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [Leg::Client, Leg::Upstream].into_iter().filter_map(|leg| on(seen, leg)).collect()
}

fn on(seen: &Population<'_>, leg: Leg) -> Option<Finding> {
    let (slow, all) = seen.slow_legs(leg);
    let of = |why: Slow| -> Vec<SlowLeg> { slow.iter().filter(|slow| slow.why == why).copied().collect() };
    let (shut, limited) = (of(Slow::Reader), of(Slow::Window));
    let is_seen = shut.len() >= COUNT_MIN;
    if !is_seen && limited.len() < WINDOWS_MIN {
        return None;
    }
    let slow = if is_seen { shut } else { limited };
    let is_clear = is_seen && slow.iter().any(|slow| slow.is_clear);
    let of = |value: fn(&SlowLeg) -> f64| median(slow.iter().map(value).collect());
    let place = if leg == Leg::Client { Place::Client } else { Place::Upstream };
    let held = Said::new("window_shut")
        .with("count", slow.len())
        .with("all", all)
        .share("share", of(|slow| slow.window_share));
    let waiting = slow.iter().map(|slow| slow.waiting).max().unwrap_or_default();
    let waits = Said::new("waits").bytes("bytes", waiting).seconds("rtt", of(|slow| slow.rtt));
    let claim = Claim::of(&CAUSE, place, held).corroborated(waits);
    let claim = if is_seen { claim.corroborated(Said::new("way_is_empty")) } else { claim.suspected() };
    let narrow = is_seen && !is_clear;
    Some(
        claim
            .unless(narrow.then(|| Said::new("narrow_too").seconds("least", of(|slow| slow.min_rtt))))
            .unless((!is_seen).then(|| Said::new("small_window")))
            .next((!is_clear).then(|| Said::new("ask_receiver")))
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

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::tcp::TcpSample;

    use super::*;
    use crate::population::tests::{Made, end, told_of};

    const QUEUE: &str = "narrow-link-or-bufferbloat";

    fn clients(sample: TcpSample) -> impl Iterator<Item = Made> {
        (0..12).map(move |number| end(number).tcp(Leg::Client, sample))
    }

    /// Its window is shut, and limits for most of the time.
    fn shut() -> TcpSample {
        TcpSample {
            rtt_seconds: Some(0.004),
            min_rtt_seconds: Some(0.002),
            notsent_bytes: 90_000,
            zero_window: true,
            bytes_acked: 200_000,
            busy_seconds: 10.0,
            rwnd_limited_seconds: 9.0,
            ..TcpSample::default()
        }
    }

    fn levels(sample: TcpSample) -> [Option<Level>; 2] {
        [CAUSE.id, QUEUE].map(|id| told_of(id, clients(sample)).map(|(level, _)| level))
    }

    #[test]
    fn it_takes_the_measurement_that_tells_a_reader_from_a_link() {
        assert_eq!(levels(shut()), [Some(Level::High), None]);
        let narrow_too = TcpSample { rtt_seconds: Some(0.9), ..shut() };
        assert_eq!(levels(narrow_too), [Some(Level::Medium), None]);
        let full = TcpSample { zero_window: false, unacked_bytes: 18_000, ..narrow_too };
        assert_eq!(levels(full), [None, Some(Level::Medium)], "a small window, always full in the queue");
        let open = TcpSample { rwnd_limited_seconds: 0.0, ..full };
        assert_eq!(levels(open), [None, Some(Level::High)]);
        let far =
            TcpSample { rtt_seconds: Some(0.11), min_rtt_seconds: Some(0.1), unacked_bytes: 2_300, ..full };
        assert_eq!(levels(far), [Some(Level::Low), None], "a small window on a long way");
    }

    #[test]
    fn some_readers_beside_full_queues_leave_the_link_a_suspicion() {
        let full = TcpSample { rtt_seconds: Some(0.9), zero_window: false, unacked_bytes: 18_000, ..shut() };
        let mixed = || {
            clients(TcpSample { rtt_seconds: Some(0.9), ..shut() })
                .enumerate()
                .map(move |(number, made)| if number % 3 == 0 { made.tcp(Leg::Client, full) } else { made })
        };
        assert_eq!(told_of(CAUSE.id, mixed()).map(|(level, _)| level), Some(Level::Medium));
        assert_eq!(told_of(QUEUE, mixed()).map(|(level, _)| level), Some(Level::Low));
    }
}
