//! The service sends Pings without need.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ping-flood",
    number: 959,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the service floods its clients with Pings", "服务向客户端发送大量 Ping"),
        symptoms: text(
            "Batteries and mobile data run down; both sides are busy while nothing is said.",
            "电量与流量消耗快；没有业务消息时两端仍很忙。",
        ),
        evidence: text(
            "Many Pings a second come on each stream. Each must be answered with a Pong (RFC 6455, section 5.5.2), so \
             that the load is that of twice as many frames from all clients.",
            "每条连接每秒收到大量 Ping。每个都必须用 Pong 应答（RFC 6455，第 5.5.2 节），因此负载是所有客户端两倍数量的帧。",
        ),
        look_alikes: text(
            "A heartbeat: one Ping each few seconds. A burst of Pings once, which measures the round trip.",
            "心跳：每几秒一个 Ping；一次性的一组 Ping：用于测量往返时间。",
        ),
        fix: text(
            "One timer for each connection, which is ended with it, of 15 to 30 s; look for timers that are begun anew \
             at each message or reconnection. Then the probe must see less than one Ping a second.",
            "每条连接一个 15 至 30 秒的定时器，并随连接结束；检查是否在每条消息或每次重连时重复启动定时器。之后探测看到的 Ping 应少于每秒一个。",
        ),
        sources: &["RFC 6455, section 5.5.2"],
    },
    phrases: &[
        phrase(
            "flood",
            "{rate} Pings a second came on a stream, {count} in all",
            "一条连接上每秒收到 {rate} 个 Ping，共 {count} 个",
        ),
        phrase("each_stream", "It is so on each of {streams} streams", "{streams} 条连接都如此"),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase(
            "straight_none",
            "Straight at {upstream} there is no flood",
            "直连 {upstream} 时没有大量 Ping",
        ),
        phrase("from_hop", "a hop on the way sends them", "由途中的一跳发送"),
        phrase(
            "one_timer",
            "In the service: one timer of 15 to 30 s for each connection, ended with it",
            "在服务中：每条连接一个 15 至 30 秒的定时器，并随连接结束",
        ),
    ],
    signs: Signs::probe(probe),
};

/// Pings of one stream that tell a rate, and the least rate that no heartbeat has.
const PINGS_MIN: usize = 20;
const RATE_MIN: f64 = 5.0;

fn probe(seen: &Examination) -> Option<Finding> {
    let rates = |via| seen.of_open(via).filter_map(rate);
    let (rate, count) = rates(Via::Url).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    let streams = rates(Via::Url).count();
    let is_straight = rates(Via::Direct).next().is_some();
    // What only passes frames on makes none: without a comparison the other end of the WebSocket is meant.
    let is_hop = !is_straight && seen.direct().is_some_and(Attempt::is_open);
    let place = if is_hop { Place::UpstreamLeg } else { Place::Upstream };
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let decisive = Said::new("flood").with("rate", rate.round() as u64).with("count", count);
    let claim = Claim::of(&CAUSE, place, decisive)
        .corroborated((streams > 1).then(|| Said::new("each_stream").with("streams", streams)))
        .corroborated(is_straight.then(|| Said::new("straight_too").with("upstream", upstream)))
        .corroborated(is_hop.then(|| Said::new("straight_none").with("upstream", upstream)));
    let claim = match is_straight || is_hop {
        true => claim,
        false => claim.unless(Said::new("from_hop")).next(Said::new("pass_upstream")),
    };
    Some(claim.fix(Said::new("one_timer")).finding())
}

/// Pings a second on a stream that is flooded with them, and how many were noted.
fn rate(attempt: &Attempt) -> Option<(f64, usize)> {
    let pings = &attempt.intact()?.server_pings;
    let seconds = pings.last()? - pings.first()?;
    let rate = pings.len() as f64 / seconds.max(0.5);
    (pings.len() >= PINGS_MIN && rate >= RATE_MIN).then_some((rate, pings.len()))
}

#[cfg(test)]
mod tests {
    use model::event::FrameViolation;
    use model::finding::Level;

    use super::*;
    use crate::attempt::Stream;
    use crate::scene::{DIRECT, Scene, URL, found, greeted_by, none};

    fn pinged(via: Via, count: u32, each: f64) -> Attempt {
        let server_pings = (0..count).map(|nth| f64::from(nth) * each).collect();
        greeted_by(via, Stream { server_pings, ..Stream::default() })
    }

    #[test]
    fn many_pings_a_second() {
        let scene = || Scene::websocket().direct("10.0.3.7:80").attempt(pinged(URL, 256, 0.0002));
        assert_eq!(found(probe, scene(), Level::Medium).place, Place::Upstream);
        assert_eq!(
            found(probe, scene().attempt(pinged(DIRECT, 100, 0.02)), Level::High).place,
            Place::Upstream
        );
        assert_eq!(found(probe, scene().direct_opens(), Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn heartbeats_are_healthy() {
        none(probe, Scene::websocket().attempt(pinged(URL, 60, 1.0)));
        none(probe, Scene::websocket().attempt(pinged(URL, 10, 0.001)));
        none(probe, Scene::websocket().attempt(pinged(URL, 0, 1.0)));
        let scrambled = pinged(URL, 256, 0.0002)
            .stream_with(|stream| stream.violations.push((FrameViolation::ReservedOpcode, 9)));
        none(probe, Scene::websocket().attempt(scrambled));
    }
}
