//! The service takes long for each message.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::roundtrips::RoundTrips;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "server-processing-slow",
    number: 303,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the service takes long to answer a message", "服务应答消息很慢"),
        symptoms: text("Answers are slow while the network is fast.", "网络很快，应答却很慢。"),
        evidence: text(
            "Pings come back at once and echoes late, straight at the service too: the loop runs, the handler \
             is slow.",
            "Ping 立即返回而回显很慢，直连服务也一样：事件循环正常，处理函数慢。",
        ),
        look_alikes: text(
            "`event-loop-stall-or-gc-pause`: Pings are late too. `nagle-delayed-ack-40ms`: 40 ms, and large \
             messages are faster. `timer-batching`: the first echo of a stream may be early. A gateway that \
             answers Pings itself.",
            "`event-loop-stall-or-gc-pause`：Ping 也会迟到；`nagle-delayed-ack-40ms`：40 毫秒，且大消息更快；`timer-batching`：连接的第一个回显可能较早；自行应答 Ping 的网关。",
        ),
        fix: text(
            "Profile the handler: blocking calls, queries of a database, locks; answer first and work \
             afterwards. Then echoes must come within a few times the Ping's round trip.",
            "分析处理函数：阻塞调用、数据库查询、锁；先应答后处理。之后回显应在 Ping 往返时间的数倍以内。",
        ),
        sources: &["RFC 6455, section 5.5.3"],
    },
    phrases: &[
        phrase(
            "slow_echo",
            "Echoes take {echo} (median of {count}), Pings {ping}",
            "回显耗时 {echo}（{count} 次的中位数），Ping 耗时 {ping}",
        ),
        phrase(
            "straight_too",
            "Straight at {upstream} echoes take {echo} as well",
            "直连 {upstream} 时回显同样耗时 {echo}",
        ),
        phrase(
            "ping_by_gateway",
            "a gateway answers Pings itself, and the way behind it is slow",
            "网关自行应答 Ping，而其后的路径很慢",
        ),
        phrase(
            "profile",
            "In the service: profile the handler of messages (database, locks, blocking calls); then echoes \
             must come about as fast as Pings",
            "在服务中：分析消息处理函数（数据库、锁、阻塞调用）；之后回显应与 Ping 差不多快",
        ),
    ],
    signs: Signs::probe(probe),
};

/// Below it nobody calls a handler slow.
const SLOW_SECONDS: f64 = 0.15;

fn probe(seen: &Examination) -> Option<Finding> {
    let trips = RoundTrips::of(seen, Via::Url).filter(is_slow)?;
    let (echo, ping) = (trips.echo(), trips.ping()?);
    let straight = RoundTrips::of(seen, Via::Direct);
    if straight.as_ref().is_some_and(|straight| !is_slow(straight)) {
        return None;
    }
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let said =
        Said::new("slow_echo").seconds("echo", echo).seconds("ping", ping).with("count", trips.echoes.len());
    let too = straight.as_ref().map(|straight| {
        Said::new("straight_too").with("upstream", upstream).seconds("echo", straight.echo())
    });
    let place = if straight.is_some() { Place::Upstream } else { Place::Unknown };
    let claim = Claim::of(&CAUSE, place, said).corroborated(too);
    let claim = if straight.is_some() {
        claim
    } else {
        claim.unless(Said::new("ping_by_gateway")).next(Said::new("pass_upstream"))
    };
    Some(claim.fix(Said::new("profile")).finding())
}

/// Echoes are slow, Pings are not, and no clock of batches makes the echoes late.
fn is_slow(trips: &RoundTrips) -> bool {
    let echo = trips.echo();
    // What is lost now and then makes some late and leaves others quick.
    let is_slow_mostly = trips.share(0.5 * echo, f64::INFINITY) >= 0.8;
    echo >= SLOW_SECONDS
        && is_slow_mostly
        && trips.ping().is_some_and(|ping| ping <= 0.2 * echo)
        && !trips.is_batched()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{DIRECT, Scene, URL, echoed, found, none};

    fn echoes(via: Via, echo: f64, ping: f64) -> crate::attempt::Attempt {
        let echoes: Vec<f64> = (0..10).map(|nth| echo + f64::from(nth) * 0.002).collect();
        echoed(via, &echoes, &[ping; 10])
    }

    fn scene() -> Scene {
        Scene::opened().direct("10.0.3.7:80").attempt(echoes(URL, 0.3, 0.001))
    }

    #[test]
    fn a_handler_that_is_slow() {
        found(probe, scene(), Level::Medium);
        assert_eq!(
            found(probe, scene().attempt(echoes(DIRECT, 0.3, 0.001)), Level::High).place,
            Place::Upstream
        );
    }

    #[test]
    fn look_alikes_are_others() {
        none(probe, Scene::opened().attempt(echoes(URL, 0.3, 0.28)));
        none(probe, Scene::opened().attempt(echoes(URL, 0.042, 0.001)));
        none(probe, scene().attempt(echoes(DIRECT, 0.002, 0.001)));
        none(probe, scene().attempt(echoed(URL, &[0.08], &[])));
        let some_lost = [0.207, 0.001, 0.0, 0.41, 0.207, 0.001, 0.208, 0.0, 0.21, 0.207];
        none(probe, Scene::opened().attempt(echoed(URL, &some_lost, &[0.001; 10])));
    }
}
