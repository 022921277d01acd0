//! The way is narrower than the stream.

use model::finding::{Affected, Finding, Place, Said, Severity};
use model::Leg;

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::attempt::Attempt;
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::population::{Population, Slow, SlowLeg};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "narrow-link-or-bufferbloat",
    number: 306,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the way is narrower than the stream", "链路带宽小于数据流"),
        symptoms: text("The lag grows while much is sent and goes away when it is quiet.", "发送量大时滞后增大，安静时恢复。"),
        evidence: text("The round trip is many times the least one and bytes wait to be sent, with few retransmissions and an open window.", "往返时间是最小值的许多倍且有数据等待发送，重传很少，窗口打开。"),
        look_alikes: text("A reader that does not read closes its window; loss has retransmissions.", "不读取数据的对端会关闭窗口；丢包会有重传。"),
        fix: text("Send less: merge, compress, pace. Then the round trip must come back to the least one.", "减少发送：合并、压缩、限速。之后往返时间应回到最小值附近。"),
        sources: &["tcp(7), TCP_INFO"],
    },
    phrases: &[
        phrase(
            "queued",
            "On {count} of {all} connections the round trip is {rtt}, and the least one {least}",
            "{all} 个连接中有 {count} 个的往返时间为 {rtt}，而最小值为 {least}",
        ),
        phrase(
            "fills",
            "While {bytes} came, the kernel's round trip grew from {least} to {rtt} on {count} of {all} streams",
            "在收到 {bytes} 期间，{all} 条连接中有 {count} 条的内核往返时间从 {least}增加到 {rtt}",
        ),
        phrase(
            "pings_wait",
            "A Ping took {ping}: Pongs wait behind what was sent before",
            "一次 Ping 用了 {ping}：Pong 排在先前发送的数据之后",
        ),
        phrase(
            "others_fill",
            "others fill the same link",
            "其他流量占满同一链路",
        ),
        phrase(
            "alone",
            "Ping the host while no stream is open: is the round trip short then?",
            "在没有任何连接时 ping 该主机：往返时间是否变短？",
        ),
        phrase("waits", "{bytes} wait to be sent, with {share} of the segments sent again", "有 {bytes} 等待发送，重传比例为 {share}"),
        phrase("send_less", "Send less to these clients: merge, compress, pace", "减少向这些客户端的发送：合并、压缩、限速"),
    ],
    signs: Signs::both(probe, population),
};

/// Connections that it is told for.
const COUNT_MIN: usize = 2;

/// Round trips that nobody calls a queue, seconds, and how many times the least one a queue makes it.
const RTT_MIN: f32 = 0.2;
const TIMES: f32 = 4.0;
/// Bytes below which a stream fills nothing.
const BYTES_MIN: u64 = 32 << 10;

fn probe(seen: &Examination) -> Option<Finding> {
    let all: Vec<_> = seen.of_open(Via::Url).filter_map(|attempt| Some((attempt, queued(attempt)?))).collect();
    let slow: Vec<_> = all.iter().filter_map(|(attempt, queued)| Some((attempt, (*queued)?))).collect();
    let &(attempt, (least, rtt)) = slow.iter().max_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b))?;
    // A long way is long for all streams, a link that is full for those that fill it.
    let bytes = attempt.stream.as_ref().map_or(0, |stream| stream.bytes_seen);
    let said = Said::new("fills")
        .bytes("bytes", bytes)
        .seconds("least", least.into())
        .seconds("rtt", rtt.into())
        .with("count", slow.len())
        .with("all", all.len());
    let pings = slow.iter().filter_map(|(attempt, _)| attempt.stream.as_ref()).flat_map(|stream| &stream.pings);
    let ping = pings.flatten().copied().fold(0.0, f64::max);
    let waits = (ping > f64::from(least) * f64::from(TIMES) && ping > f64::from(RTT_MIN))
        .then(|| Said::new("pings_wait").seconds("ping", ping));
    Some(
        Claim::of(&CAUSE, Place::ClientLeg, said)
            .corroborated(waits)
            .unless(Said::new("others_fill"))
            .next(Said::new("alone"))
            .fix(Said::new("send_less"))
            .finding(),
    )
}

/// Of a stream that brings much: its least round trip and the one at its end, when a queue has grown between them.
/// Segments that were sent again are no part of either (RFC 6298, section 3).
#[allow(clippy::option_option, reason = "streams that bring little tell nothing, others whether there is a queue")]
fn queued(attempt: &Attempt) -> Option<Option<(f32, f32)>> {
    let tcp = attempt.tcp.filter(|_| attempt.stream.as_ref().is_some_and(|it| it.bytes_seen >= BYTES_MIN))?;
    let (least, rtt) = tcp.min_rtt_seconds.zip(tcp.rtt_seconds)?;
    let is_queue = rtt >= RTT_MIN && rtt >= TIMES * least;
    Some(is_queue.then_some((least, rtt)))
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [Leg::Client, Leg::Upstream].into_iter().filter_map(|leg| on(seen, leg)).collect()
}

fn on(seen: &Population<'_>, leg: Leg) -> Option<Finding> {
    let (slow, all) = seen.slow_legs(leg);
    let slow: Vec<SlowLeg> = slow.into_iter().filter(|slow| slow.why == Slow::Queue).collect();
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
    Some(
        Claim::of(&CAUSE, place, queued)
            .corroborated(waits)
            .fix(Said::new("send_less"))
            .concerns(seen.route.clone(), seen.now, Affected { connections: slow.len() as u64, share_of_closes: None })
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
    use crate::attempt::Stream;
    use crate::scene::{Scene, URL, found, greeted_by, none};

    fn brought(bytes_seen: u64, least: f32, rtt: f32, retransmits: u32) -> Attempt {
        let sample =
            TcpSample { min_rtt_seconds: Some(least), rtt_seconds: Some(rtt), retransmits, ..TcpSample::default() };
        let stream = Stream { bytes_seen, pings: vec![Some(f64::from(rtt) * 1.1)], ..Stream::default() };
        Attempt { tcp: Some(sample), ..greeted_by(URL, stream) }
    }

    #[test]
    fn a_round_trip_that_grows_with_what_is_sent() {
        found(probe, Scene::websocket().attempt(brought(200_000, 0.03, 0.8, 0)), Level::Medium);
    }

    #[test]
    fn long_ways_loss_and_quiet_streams_are_others() {
        none(probe, Scene::websocket().attempt(brought(200_000, 0.3, 0.35, 0)));
        none(probe, Scene::websocket().attempt(brought(200_000, 0.03, 0.04, 9)));
        none(probe, Scene::websocket().attempt(brought(400, 0.03, 0.8, 0)));
        none(probe, Scene::websocket().attempt(brought(200_000, 0.002, 0.05, 0)));
    }
}
