//! The service sends in steps of a timer.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::flows::{self, Holding};
use crate::roundtrips::RoundTrips;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "timer-batching",
    number: 310,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the service sends in steps of a timer", "服务按定时器批量发送"),
        symptoms: text(
            "Updates come in steps, each 100, 250 or 1000 ms.",
            "更新按 100、250 或 1000 毫秒一步到来。",
        ),
        evidence: text(
            "What is sent right after an answer waits a whole period P; what is sent at another moment waits \
             less; Pings do not wait. Straight at the service it is the same. Events: whole ones come together each \
             P, and the first of them had waited longest.",
            "紧跟应答之后发送的消息要等整个周期 P，其他时刻发送的等待较短；Ping 不等待；直连服务也一样。事件：每隔 P 有若干完整事件一起到达，其中最早的等待最久。",
        ),
        look_alikes: text(
            "`server-processing-slow`: each message takes as long, whenever it is sent. `sse-proxy-buffering`: \
             held by bytes, not by time, so that blocks end inside events.",
            "`server-processing-slow`：无论何时发送都同样慢；`sse-proxy-buffering`：按字节而非时间积压，块在事件中间结束。",
        ),
        fix: text(
            "Flush more often or at once for what is urgent, or accept it: batching saves packets. Then echoes \
             must vary within the shorter period.",
            "更频繁地刷新，紧急内容立即发送；或接受它：批量可以节省数据包。之后回显应在更短的周期内。",
        ),
        sources: &["RFC 6455, section 5.5.3"],
    },
    phrases: &[
        phrase("title", "the service sends in steps of {period}", "服务以 {period}为步长发送"),
        phrase(
            "steps",
            "{share} of the echoes that followed an answer waited {period}; others came after {least}",
            "紧跟应答的回显有 {share}等待了 {period}，其他的在 {least}后到来",
        ),
        phrase("pings_at_once", "Pings come back in {ping}", "Ping 在 {ping}内返回"),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase(
            "events_in_steps",
            "{messages} events came in steps of {period}, whole ones each time; the longest had waited {longest}",
            "{messages} 个事件以 {period}为步长到达，每次都是完整事件；等待最久的为 {longest}",
        ),
        phrase(
            "straight_at_once",
            "Straight at {upstream} they come one by one",
            "直连 {upstream} 时逐个到达",
        ),
        phrase("flushing_proxy", "a proxy that flushes at an interval", "按间隔刷新的代理"),
        phrase("varies", "a handler whose time varies", "耗时不定的处理函数"),
        phrase(
            "flush",
            "In the service: flush what is urgent at once, or lower the interval of {period}",
            "在服务中：紧急内容立即发送，或缩短 {period}的间隔",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    echoes(seen).or_else(|| events(seen))
}

/// Events that wait for the next step, whole ones each time.
fn events(seen: &Examination) -> Option<Finding> {
    let by_clock = |via| {
        let flow = flows::flow(seen, via, false).filter(|_| seen.target.protocol == Protocol::Sse)?;
        match flows::holding(seen, via) {
            Some(Holding::ByTime(period)) => Some((flow, Some(period))),
            _ => Some((flow, None)),
        }
    };
    let (flow, period) = by_clock(Via::Url)?;
    let period = period?;
    let straight = by_clock(Via::Direct);
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let said = Said::new("events_in_steps")
        .with("messages", flow.messages)
        .seconds("period", period)
        .seconds("longest", flow.longest());
    let compared = |code: &'static str| Said::new(code).with("upstream", upstream);
    let claim = match &straight {
        Some((_, Some(_))) => Claim::of(&CAUSE, Place::Upstream, said).corroborated(compared("straight_too")),
        Some((flow, None)) if flow.is_live() => {
            Claim::of(&CAUSE, Place::UpstreamLeg, said).corroborated(compared("straight_at_once"))
        }
        Some(_) => return None,
        None => Claim::of(&CAUSE, Place::Unknown, said)
            .unless(Said::new("flushing_proxy"))
            .next(Said::new("pass_upstream")),
    };
    let claim = claim.titled(Said::new("title").seconds("period", period));
    Some(claim.fix(Said::new("flush").seconds("period", period)).finding())
}

fn echoes(seen: &Examination) -> Option<Finding> {
    let trips = RoundTrips::of(seen, Via::Url).filter(RoundTrips::is_batched)?;
    let (period, ping) = (trips.echo(), trips.ping()?);
    let least = trips.firsts.first().into_iter().chain(trips.large.first()).copied().fold(period, f64::min);
    let straight = RoundTrips::of(seen, Via::Direct);
    if straight.as_ref().is_some_and(|straight| !straight.is_batched()) {
        return None;
    }
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let share = trips.share(0.9 * period, 1.1 * period);
    let said = Said::new("steps").share("share", share).seconds("period", period).seconds("least", least);
    let place = if straight.is_some() { Place::Upstream } else { Place::Unknown };
    let claim = Claim::of(&CAUSE, place, said)
        .titled(Said::new("title").seconds("period", period))
        .noted(Said::new("pings_at_once").seconds("ping", ping))
        .corroborated(straight.as_ref().map(|_| Said::new("straight_too").with("upstream", upstream)));
    let claim = if straight.is_some() {
        claim
    } else {
        claim.unless(Said::new("varies")).next(Said::new("pass_upstream"))
    };
    Some(claim.fix(Said::new("flush").seconds("period", period)).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{DIRECT, Scene, URL, echoed, flushed, found, in_bursts, listened, none};

    /// After the first, each echo waits for the next step.
    fn steps(via: Via, period: f64, first: f64) -> crate::attempt::Attempt {
        let echoes: Vec<f64> = std::iter::once(first).chain([period - 0.003; 9]).collect();
        echoed(via, &echoes, &[0.001; 10])
    }

    #[test]
    fn echoes_in_steps() {
        let scene = || Scene::opened().direct("10.0.3.7:80").attempt(steps(URL, 0.25, 0.07));
        found(probe, scene(), Level::Medium);
        found(probe, scene().attempt(steps(DIRECT, 0.25, 0.11)), Level::High);
    }

    #[test]
    fn events_in_steps() {
        let steps =
            || in_bursts(&[(1.0, 400, false), (2.0, 900, false), (3.0, 1300, false), (4.0, 1800, false)]);
        assert_eq!(found(probe, Scene::sse().attempt(steps()), Level::Medium).place, Place::Unknown);
        let scene = || Scene::sse().direct("10.0.3.7:80").attempt(steps());
        let live = listened(Via::Direct, None, flushed(8, 1, 0.4));
        assert_eq!(found(probe, scene().attempt(live), Level::High).place, Place::UpstreamLeg);
        let same =
            crate::attempt::Attempt { experiment: listened(DIRECT, None, Vec::new()).experiment, ..steps() };
        assert_eq!(found(probe, scene().attempt(same), Level::High).place, Place::Upstream);
        let blocks =
            in_bursts(&[(1.0, 3900, true), (2.0, 7996, true), (3.0, 12_092, true), (4.0, 16_188, true)]);
        none(probe, Scene::sse().attempt(blocks));
        none(probe, Scene::sse().attempt(steps().coded("gzip")));
        none(probe, scene().attempt(listened(Via::Direct, None, flushed(8, 4, 0.4))));
    }

    #[test]
    fn look_alikes_are_others() {
        none(probe, Scene::opened().attempt(steps(URL, 0.25, 0.25)));
        none(probe, Scene::opened().attempt(steps(URL, 0.004, 0.001)));
    }
}
