//! Segments are lost on one leg.

use model::finding::{Affected, Finding, Place, Said, Severity};
use model::Leg;
use model::tcp::TcpSample;

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::attempt::Attempt;
use crate::claim::Claim;
use crate::examination::Examination;
use crate::occupancy;
use crate::population::{Population, Slow, SlowLeg};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "packet-loss-retransmission",
    number: 301,
    severity: Severity::Warning,
    manual: Manual {
        title: text("segments are lost on one leg", "一侧链路丢包"),
        symptoms: text("Messages lag in bursts: the median is fine and the 99th percentile jumps by 200 ms and more.", "消息成批滞后：中位数正常，而 99 分位跳增 200 毫秒以上。"),
        evidence: text("The kernel has sent more than 1 % of the segments again, on one leg alone, while the peer's window was open.", "内核在某一侧重传了超过 1 % 的报文段，而对端窗口是打开的。"),
        look_alikes: text("A reader that does not read makes probes of its closed window, which count as retransmissions: here the window was open. A full queue delays without loss.", "不读取数据的对端会引发零窗口探测，它们也计入重传：而这里窗口是打开的。队列拥塞只增加时延而不丢包。"),
        fix: text("The owner of that network; smaller messages; a point of presence nearer to the clients. Then the share of segments sent again must fall below 1 %.", "联系该网络的负责人；减小消息；在离客户端更近的地方接入。之后重传比例应降到 1 % 以下。"),
        sources: &["tcp(7), TCP_INFO", "RFC 6298"],
    },
    phrases: &[
        phrase("title", "segments are lost on the {leg} leg", "{leg} 侧链路丢包"),
        phrase(
            "lost",
            "{count} of {all} connections have sent {share} of their segments again",
            "{all} 个连接中有 {count} 个重传了 {share} 的报文段",
        ),
        phrase(
            "sent_again",
            "On {streams} of {all} streams the probe's kernel sent {count} segments again: {share} of all",
            "{all} 条连接中有 {streams} 条上，探测端内核重传了 {count} 个报文段：占 {share}",
        ),
        phrase(
            "late",
            "{late} of {count} round trips took {seconds} or more longer than the quickest: a time after which TCP sends again",
            "{count} 次往返中有 {late} 次比最快的多用 {seconds}以上：正是 TCP 重传的时间",
        ),
        phrase("by_chance", "few segments in all: this may be chance", "报文段总数不多：可能是偶然"),
        phrase("measure_longer", "Repeat with `--checks latency`, some times", "用 `--checks latency` 重复数次"),
        phrase("window_open", "The peer's window held sending back for {share} of the time alone", "对端窗口只在 {share} 的时间里限制了发送"),
        phrase("owner", "Look for loss on the {leg} leg: counters of interfaces and switches, Wi-Fi, the carrier", "在 {leg} 侧查找丢包：接口与交换机计数器、Wi-Fi、运营商"),
        phrase("reordering", "packets that come in another order", "报文乱序"),
    ],
    signs: Signs::both(probe, population),
};

/// Connections that it is told for.
const COUNT_MIN: usize = 3;

/// Least wait of TCP before it sends a segment again on Linux (TCP_RTO_MIN; RFC 6298 asks for 1 s), seconds.
const RESENT_AFTER: f64 = 0.19;
/// Bytes of a full segment, as good as it is known.
const SEGMENT: u64 = 1400;

fn probe(seen: &Examination) -> Option<Finding> {
    let all: Vec<_> = occupancy::at_url(seen).filter(|attempt| is_telling(attempt)).collect();
    let again = |attempt: &&&Attempt| attempt.tcp.is_some_and(|tcp| tcp.retransmits > 0);
    let count: u32 = all.iter().filter_map(|attempt| Some(attempt.tcp?.retransmits)).sum();
    let segments: u64 = all.iter().map(|attempt| segments(attempt)).sum::<u64>() + u64::from(count);
    let trips: Vec<f64> = all.iter().flat_map(|attempt| round_trips(attempt)).collect();
    let quickest = trips.iter().copied().fold(f64::INFINITY, f64::min);
    let late = trips.iter().filter(|trip| **trip >= quickest + RESENT_AFTER).count();
    let share = f64::from(count) / segments.max(1) as f64;
    // Answers that are lost are sent again by the other side: they are late, and nothing more is known of them.
    if count == 0 || late == 0 || count as usize + late < EVENTS_MIN || late * 2 > trips.len() || share < 0.01 {
        return None;
    }
    let said = Said::new("sent_again")
        .with("streams", all.iter().filter(again).count())
        .with("all", all.len())
        .with("count", u64::from(count))
        .share("share", share);
    let late = Said::new("late").with("late", late).with("count", trips.len()).seconds("seconds", RESENT_AFTER);
    let is_few = (count < 5).then(|| Said::new("by_chance"));
    Some(
        Claim::of(&CAUSE, Place::ClientLeg, said)
            .titled(Said::new("title").with("leg", Leg::Client.to_string()))
            .corroborated(late)
            .next(is_few.as_ref().map(|_| Said::new("measure_longer")))
            .unless(is_few)
            .fix(Said::new("owner").with("leg", Leg::Client.to_string()))
            .finding(),
    )
}

/// Retransmissions and late round trips that are no chance.
const EVENTS_MIN: usize = 4;

/// Its stream worked, and its numbers are of the way alone: no path that died, no peer that does not read, and no queue,
/// behind which an acknowledgement comes too late.
fn is_telling(attempt: &Attempt) -> bool {
    let is_queued = |tcp: &TcpSample| tcp.rtt_seconds > tcp.min_rtt_seconds.map(|least| least + 0.1);
    attempt.tcp.is_some_and(|tcp| {
        tcp.unanswered < 2 && !tcp.zero_window && tcp.rwnd_limited_seconds < 0.1 && !is_queued(&tcp)
    })
        && attempt.is_open()
}

/// About how many segments it sent: the request, and each frame or what fills segments.
fn segments(attempt: &Attempt) -> u64 {
    let bytes = attempt.tcp.map_or(0, |tcp| tcp.bytes_acked);
    let frames = attempt.stream.as_ref().map_or(0, |it| it.sent.len() + it.pings.len() + it.server_pings.len());
    (2 + frames as u64).max(bytes / SEGMENT)
}

fn round_trips(attempt: &Attempt) -> impl Iterator<Item = f64> {
    let stream = attempt.stream.iter();
    stream.flat_map(|stream| stream.echoes.iter().chain(&stream.pings)).filter_map(|trip| *trip)
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [Leg::Client, Leg::Upstream].into_iter().filter_map(|leg| on(seen, leg)).collect()
}

fn on(seen: &Population<'_>, leg: Leg) -> Option<Finding> {
    let (slow, all) = seen.slow_legs(leg);
    let slow: Vec<SlowLeg> = slow.into_iter().filter(|slow| slow.why == Slow::Loss).collect();
    if slow.len() < COUNT_MIN {
        return None;
    }
    let of = |value: fn(&SlowLeg) -> f64| median(slow.iter().map(value).collect());
    let place = if leg == Leg::Client { Place::ClientLeg } else { Place::UpstreamLeg };
    let lost = Said::new("lost").with("count", slow.len()).with("all", all).share("share", of(|slow| slow.loss));
    let open = Said::new("window_open").share("share", of(|slow| slow.window_share));
    Some(
        Claim::of(&CAUSE, place, lost)
            .titled(Said::new("title").with("leg", leg.to_string()))
            .corroborated(open)
            .fix(Said::new("owner").with("leg", leg.to_string()))
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

    use super::*;
    use crate::scene::{Scene, URL, echoed, found, none};

    fn row(retransmits: u32, late: usize) -> Attempt {
        let mut echoes = vec![0.001; 20];
        echoes[..late].fill(0.21);
        let tcp = Some(TcpSample { retransmits, bytes_acked: 900, ..TcpSample::default() });
        Attempt { tcp, ..echoed(URL, &echoes, &[0.001; 20]) }
    }

    #[test]
    fn segments_that_are_sent_again_and_round_trips_that_wait_for_it() {
        found(probe, Scene::opened().attempt(row(6, 4)), Level::High);
        found(probe, Scene::opened().attempts([row(1, 2), row(1, 2)]), Level::Medium);
    }

    #[test]
    fn look_alikes_are_others() {
        none(probe, Scene::opened().attempt(row(0, 8)));
        none(probe, Scene::opened().attempt(row(6, 0)));
        none(probe, Scene::opened().attempt(row(1, 1)));
        let queue = |tcp: TcpSample| TcpSample { rtt_seconds: Some(0.4), min_rtt_seconds: Some(0.03), ..tcp };
        let queued = row(6, 4);
        none(probe, Scene::opened().attempt(Attempt { tcp: queued.tcp.map(queue), ..queued }));
        let gone = |tcp: TcpSample| TcpSample { unanswered: 4, ..tcp };
        let row_gone = row(6, 4);
        none(probe, Scene::opened().attempt(Attempt { tcp: row_gone.tcp.map(gone), ..row_gone }));
    }
}
