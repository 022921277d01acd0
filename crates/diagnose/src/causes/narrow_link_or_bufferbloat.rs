//! The way is narrower than the stream.

use model::Leg;
use model::finding::{Affected, Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Check, Via};
use crate::population::{Population, Slow, SlowLeg};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "narrow-link-or-bufferbloat",
    number: 306,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the way is narrower than the stream", "链路带宽小于数据流"),
        symptoms: text(
            "The lag grows while much is sent and goes away when it is quiet.",
            "发送量大时滞后增大，安静时恢复。",
        ),
        evidence: text(
            "The round trip is many times the least one and bytes wait to be sent, with few retransmissions and an open window.",
            "往返时间是最小值的许多倍且有数据等待发送，重传很少，窗口打开。",
        ),
        look_alikes: text(
            "`slow-consumer-client`: the window is shut, and the way stands empty while bytes wait. Loss has retransmissions.",
            "`slow-consumer-client`：窗口关闭，有数据等待发送而链路空闲。丢包会有重传。",
        ),
        fix: text(
            "Send less: merge, compress, pace. Then the round trip must come back to the least one.",
            "减少发送：合并、压缩、限速。之后往返时间应回到最小值附近。",
        ),
        sources: &["tcp(7), TCP_INFO"],
    },
    phrases: &[
        phrase(
            "queued",
            "On {count} of {all} connections the round trip is {rtt}, and the least one {least}",
            "{all} 个连接中有 {count} 个的往返时间为 {rtt}，而最小值为 {least}",
        ),
        phrase(
            "waits",
            "{bytes} wait to be sent, with {share} of the segments sent again",
            "有 {bytes} 等待发送，重传比例为 {share}",
        ),
        phrase(
            "grown",
            "While {rate} a second came in, the kernel's round trip grew to {rtt}; the least one was {least}",
            "在每秒接收 {rate} 期间，内核测得的往返时间增大到 {rtt}，而最小值为 {least}",
        ),
        phrase("pings_wait", "Pings took up to {ping} beside it", "同时 Ping 耗时最长达 {ping}"),
        phrase(
            "straight_quick",
            "Straight to {upstream} the same stream leaves it at {rtt}",
            "直接连接 {upstream} 时同样的数据流下往返时间为 {rtt}",
        ),
        phrase(
            "reader_too",
            "`slow-consumer-client`: the window limits as well, and {count} receivers of this side do not read",
            "`slow-consumer-client`：窗口也在限制发送，且该侧有 {count} 个接收方未读取",
        ),
        phrase(
            "ask_receiver",
            "At the receiver while it lags: `ss -tm`. Nothing in Recv-Q: the link; much there: it does not read",
            "在接收方滞后时执行 `ss -tm`：Recv-Q 为空则是链路；很大则是其未读取",
        ),
        phrase("own_link", "the link of this machine may be the narrow one", "也可能是本机的链路过窄"),
        phrase(
            "elsewhere",
            "Run the diagnosis from a machine with another link",
            "从使用其他链路的机器运行诊断",
        ),
        phrase(
            "feed_less",
            "In the service: send less for each client: merge what is stale, compress, pace",
            "在服务中：减少向每个客户端发送的数据：合并过时数据、压缩、限速",
        ),
        phrase(
            "send_less",
            "Send less to these clients: merge, compress, pace",
            "减少向这些客户端的发送：合并、压缩、限速",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// Least round trip that a queue makes, and how many times the least one it is.
const RTT_MIN: f32 = 0.2;
const RATIO_MIN: f32 = 5.0;
/// Bytes that a stream must have brought to fill a queue.
const BYTES_MIN: u64 = 64 << 10;

fn probe(seen: &Examination) -> Option<Finding> {
    let fed = |via| seen.of(Check::Latency, via).filter_map(queue);
    let queue = fed(Via::Url).filter(Queue::is_full).max_by(|a, b| a.rtt.total_cmp(&b.rtt))?;
    let quick = fed(Via::Direct).find(|straight| !straight.is_full());
    let is_compared = quick.is_some();
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let decisive = Said::new("grown")
        .bytes("rate", queue.rate)
        .seconds("rtt", queue.rtt.into())
        .seconds("least", queue.least.into());
    let pings = queue
        .ping
        .filter(|ping| *ping > RTT_MIN.into())
        .map(|ping| Said::new("pings_wait").seconds("ping", ping));
    let straight = quick
        .map(|quick| Said::new("straight_quick").with("upstream", upstream).seconds("rtt", quick.rtt.into()));
    Some(
        Claim::of(&CAUSE, Place::UpstreamLeg, decisive)
            .corroborated(pings)
            .corroborated(straight)
            .unless((!is_compared).then(|| Said::new("own_link")))
            .next(Said::new("elsewhere"))
            .fix(Said::new("feed_less"))
            .finding(),
    )
}

/// What a stream that comes by itself makes of the round trip.
struct Queue {
    rate: u64,
    rtt: f32,
    least: f32,
    /// The longest Ping.
    ping: Option<f64>,
}

impl Queue {
    fn is_full(&self) -> bool {
        self.rtt > RTT_MIN && self.rtt > RATIO_MIN * self.least
    }
}

fn queue(attempt: &Attempt) -> Option<Queue> {
    let (stream, tcp) = (attempt.stream.as_ref()?, attempt.tcp?);
    let seconds = attempt.lived().max(1.0);
    (stream.bytes_seen > BYTES_MIN).then_some(Queue {
        rate: (stream.bytes_seen as f64 / seconds) as u64,
        rtt: tcp.rtt_seconds?,
        least: tcp.min_rtt_seconds?,
        ping: stream.pings.iter().flatten().copied().reduce(f64::max),
    })
}

/// Connections that it is told for.
const COUNT_MIN: usize = 2;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [Leg::Client, Leg::Upstream].into_iter().filter_map(|leg| on(seen, leg)).collect()
}

fn on(seen: &Population<'_>, leg: Leg) -> Option<Finding> {
    let (slow, all) = seen.slow_legs(leg);
    let readers = slow.iter().filter(|slow| slow.why == Slow::Reader).count();
    let queued: Vec<SlowLeg> = slow.into_iter().filter(|slow| slow.why == Slow::Queue).collect();
    let clear: Vec<SlowLeg> = queued.iter().filter(|slow| slow.is_clear).copied().collect();
    let is_clear = clear.len() >= COUNT_MIN;
    let slow = if is_clear { clear } else { queued };
    if slow.len() < COUNT_MIN {
        return None;
    }
    let of = |value: fn(&SlowLeg) -> f64| median(slow.iter().map(value).collect());
    let place = if leg == Leg::Client { Place::ClientLeg } else { Place::UpstreamLeg };
    let queued = Said::new("queued")
        .with("count", slow.len())
        .with("all", all)
        .seconds("rtt", of(|slow| slow.rtt))
        .seconds("least", of(|slow| slow.min_rtt));
    let waiting = slow.iter().map(|slow| slow.waiting).max().unwrap_or_default();
    let waits = Said::new("waits").bytes("bytes", waiting).share("share", of(|slow| slow.loss));
    // Where others of this side do not read, what they take at once makes a queue of its own.
    let are_readers = readers > slow.len() || (!is_clear && readers > 0);
    let claim = Claim::of(&CAUSE, place, queued).corroborated(waits);
    let claim = if are_readers { claim.suspected() } else { claim };
    Some(
        claim
            .unless((are_readers || !is_clear).then(|| Said::new("reader_too").with("count", readers)))
            .next((are_readers || !is_clear).then(|| Said::new("ask_receiver")))
            .fix(Said::new("send_less"))
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
    use crate::scene::{Scene, echoed, found, none};

    fn fed(via: Via, bytes_seen: u64, rtt: f32, least: f32) -> Attempt {
        let pings = [0.02, 0.9 * f64::from(rtt)];
        let mut attempt = echoed(via, &[], &pings);
        attempt.stream.get_or_insert_default().bytes_seen = bytes_seen;
        let tcp = TcpSample { rtt_seconds: Some(rtt), min_rtt_seconds: Some(least), ..TcpSample::default() };
        Attempt { tcp: Some(tcp), ..attempt }
    }

    #[test]
    fn the_round_trip_grows_under_the_stream() {
        let scene = || Scene::opened().direct("10.0.3.7:80").attempt(fed(Via::Url, 600_000, 1.5, 0.02));
        found(probe, scene(), Level::Medium);
        found(probe, scene().attempt(fed(Via::Direct, 600_000, 0.002, 0.001)), Level::High);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, Scene::opened().attempt(fed(Via::Url, 600_000, 0.3, 0.25)));
        none(probe, Scene::opened().attempt(fed(Via::Url, 4_000, 1.5, 0.02)));
        none(probe, Scene::opened().attempt(fed(Via::Url, 600_000, 0.05, 0.001)));
    }
}
