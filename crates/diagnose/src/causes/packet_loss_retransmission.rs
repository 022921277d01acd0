//! Segments are lost on one leg.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::Leg;
use model::finding::{Affected, Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::occupancy;
use crate::population::{Population, Slow, SlowLeg};
use crate::roundtrips::RoundTrips;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "packet-loss-retransmission",
    number: 301,
    severity: Severity::Warning,
    manual: Manual {
        title: text("segments are lost on one leg", "一侧链路丢包"),
        symptoms: text(
            "Messages lag in bursts: the median is fine and the 99th percentile jumps by 200 ms and more.",
            "消息成批滞后：中位数正常，而 99 分位跳增 200 毫秒以上。",
        ),
        evidence: text(
            "The kernel has sent more than 1 % of the segments again, on one leg alone, while the peer's window was open.",
            "内核在某一侧重传了超过 1 % 的报文段，而对端窗口是打开的。",
        ),
        look_alikes: text(
            "A reader that does not read makes probes of its closed window, which count as retransmissions: here the window was open. A full queue delays without loss.",
            "不读取数据的对端会引发零窗口探测，它们也计入重传：而这里窗口是打开的。队列拥塞只增加时延而不丢包。",
        ),
        fix: text(
            "The owner of that network; smaller messages; a point of presence nearer to the clients. Then the share of segments sent again must fall below 1 %.",
            "联系该网络的负责人；减小消息；在离客户端更近的地方接入。之后重传比例应降到 1 % 以下。",
        ),
        sources: &["tcp(7), TCP_INFO", "RFC 6298"],
    },
    phrases: &[
        phrase("title", "segments are lost on the {leg} leg", "{leg}侧链路丢包"),
        phrase(
            "lost",
            "{count} of {all} connections have sent {share} of their segments again",
            "{all} 个连接中有 {count} 个重传了 {share} 的报文段",
        ),
        phrase(
            "window_open",
            "The peer's window held sending back for {share} of the time alone",
            "对端窗口只在 {share} 的时间里限制了发送",
        ),
        phrase(
            "owner",
            "Look for loss on the {leg} leg: counters of interfaces and switches, Wi-Fi, the carrier",
            "在{leg}侧查找丢包：接口与交换机计数器、Wi-Fi、运营商",
        ),
        phrase(
            "resent",
            "{count} segments were sent again over {connections} connections of this probe",
            "本次探测的 {connections} 个连接共重传 {count} 个报文段",
        ),
        phrase(
            "late_trips",
            "{late} of {all} round trips took {least} and more, as long as a lost segment is waited for; the middle one took {middle}",
            "{all} 次往返中有 {late} 次耗时 {least}以上，与等待重传的时间相当；中位数为 {middle}",
        ),
        phrase(
            "straight_clean",
            "Straight to {upstream} none of {all} round trips was late, and nothing was sent again",
            "直接连接 {upstream} 时 {all} 次往返均未迟到，也没有重传",
        ),
        phrase("own_network", "the network of this machine may lose them", "也可能是本机所在网络丢包"),
        phrase(
            "elsewhere",
            "Run the diagnosis from a machine in another network",
            "从另一网络中的机器运行诊断",
        ),
        phrase("probe_title", "segments are lost on the way", "途中丢包"),
        phrase(
            "on_the_way",
            "Look for loss on the way: counters of interfaces and switches, Wi-Fi, the carrier",
            "在途中查找丢包：接口与交换机计数器、Wi-Fi、运营商",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// Segments sent again, and late round trips, that are no chance.
const RESENT_MIN: u32 = 3;
const LATE_MIN: usize = 2;
/// Who waits so long for the peer's window asks for it again, and that is counted as a segment sent again.
const SHUT_SECONDS: f32 = 0.1;

fn probe(seen: &Examination) -> Option<Finding> {
    let sent = |via: Via| occupancy::attempts(seen).filter(move |attempt| attempt.experiment.via == via);
    let lossy = || sent(Via::Url).filter(|attempt| resent(attempt) > 0);
    let count: u32 = lossy().map(resent).sum();
    let late = RoundTrips::of(seen, Via::Url)?.late().filter(|late| late.count >= LATE_MIN)?;
    if count < RESENT_MIN {
        return None;
    }
    let straight = RoundTrips::of(seen, Via::Direct).filter(|trips| trips.late().is_none());
    let straight = straight.filter(|_| sent(Via::Direct).all(|attempt| resent(attempt) == 0));
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let clean = straight.map(|trips| {
        let all = trips.echoes.len() + trips.pings.len();
        Said::new("straight_clean").with("upstream", upstream).with("all", all)
    });
    let is_compared = clean.is_some();
    let decisive = Said::new("resent").with("count", u64::from(count)).with("connections", lossy().count());
    let late_trips = Said::new("late_trips")
        .with("late", late.count)
        .with("all", late.all)
        .seconds("least", late.least)
        .seconds("middle", late.middle);
    Some(
        Claim::of(&CAUSE, Place::UpstreamLeg, decisive)
            .titled(Said::new("probe_title"))
            .corroborated(late_trips)
            .corroborated(clean)
            .unless((!is_compared).then(|| Said::new("own_network")))
            .next(Said::new("elsewhere"))
            .fix(Said::new("on_the_way"))
            .finding(),
    )
}

/// Segments that were sent again since they were lost: none where a window was shut, nothing was ever acknowledged, or
/// acknowledgements waited in a queue for longer than the kernel does.
fn resent(attempt: &Attempt) -> u32 {
    let is_lost = |tcp: &model::tcp::TcpSample| {
        let is_queued = tcp.rtt_seconds.is_some_and(|rtt| rtt > 0.2);
        let was_shut = tcp.zero_window || tcp.rwnd_limited_seconds > SHUT_SECONDS;
        !was_shut && !is_queued && tcp.unanswered < 3
    };
    attempt.tcp.filter(is_lost).map_or(0, |tcp| tcp.retransmits)
}

/// Connections that it is told for.
const COUNT_MIN: usize = 3;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [Leg::Client, Leg::Upstream].into_iter().filter_map(|leg| on(seen, leg)).collect()
}

fn on(seen: &Population<'_>, leg: Leg) -> Option<Finding> {
    let (slow, all) = seen.slow_legs(leg);
    // Where others of the same network fill a queue, it is that queue which loses.
    let full: BTreeSet<IpAddr> =
        slow.iter().filter(|slow| slow.why == Slow::Queue).map(|slow| slow.network).collect();
    let is_lost = |slow: &SlowLeg| slow.why == Slow::Loss && !full.contains(&slow.network);
    let slow: Vec<SlowLeg> = slow.into_iter().filter(is_lost).collect();
    if slow.len() < COUNT_MIN {
        return None;
    }
    let of = |value: fn(&SlowLeg) -> f64| median(slow.iter().map(value).collect());
    let place = if leg == Leg::Client { Place::ClientLeg } else { Place::UpstreamLeg };
    let lost =
        Said::new("lost").with("count", slow.len()).with("all", all).share("share", of(|slow| slow.loss));
    let open = Said::new("window_open").share("share", of(|slow| slow.window_share));
    Some(
        Claim::of(&CAUSE, place, lost)
            .titled(Said::new("title").with("leg", leg.to_string()))
            .corroborated(open)
            .fix(Said::new("owner").with("leg", leg.to_string()))
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
    use crate::population::tests::{end, told_of};
    use crate::scene::{Scene, echoed, found, none};

    fn echoes(via: Via, late: usize, retransmits: u32, rtt: f32) -> Attempt {
        let trips: Vec<f64> = (0..20).map(|number| if number < late { 0.21 } else { 0.0002 }).collect();
        let tcp = TcpSample { retransmits, rtt_seconds: Some(rtt), ..TcpSample::default() };
        Attempt { tcp: Some(tcp), ..echoed(via, &trips, &trips) }
    }

    #[test]
    fn segments_sent_again_and_round_trips_as_late_as_that() {
        let scene = || Scene::opened().direct("10.0.3.7:80").attempt(echoes(Via::Url, 3, 4, 0.03));
        found(probe, scene(), Level::Medium);
        found(probe, scene().attempt(echoes(Via::Direct, 0, 0, 0.001)), Level::High);
        found(probe, scene().attempt(echoes(Via::Direct, 3, 4, 0.03)), Level::Medium);
    }

    #[test]
    fn what_a_full_queue_loses_is_the_queues() {
        let loses = TcpSample {
            retransmits: 40,
            bytes_acked: 400_000,
            rtt_seconds: Some(0.02),
            ..TcpSample::default()
        };
        let queued =
            TcpSample { rtt_seconds: Some(0.9), min_rtt_seconds: Some(0.001), notsent_bytes: 9000, ..loses };
        let told = |network: u8| {
            let client = |number: u64, third: u8, sample| {
                end(number)
                    .tcp(Leg::Client, sample)
                    .with(|record| record.client.ip = [10, 7, third, 9].into())
            };
            let lossy = (0..6).map(|number| client(number, 1, loses));
            told_of(CAUSE.id, lossy.chain((6..9).map(|number| client(number, network, queued))))
                .map(|(level, _)| level)
        };
        assert_eq!((told(1), told(2)), (None, Some(Level::High)));
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, Scene::opened().attempt(echoes(Via::Url, 3, 0, 0.001)));
        none(probe, Scene::opened().attempt(echoes(Via::Url, 0, 4, 0.03)));
        none(probe, Scene::opened().attempt(echoes(Via::Url, 3, 4, 0.4)));
        none(probe, Scene::opened().attempt(echoes(Via::Url, 20, 4, 0.03)));
        let mut shut = echoes(Via::Url, 3, 4, 0.001);
        found(probe, Scene::opened().attempt(shut.clone()), Level::Medium);
        shut.tcp.as_mut().expect("sampled").rwnd_limited_seconds = 0.4;
        none(probe, Scene::opened().attempt(shut));
    }
}
