//! The service sends in steps of a timer.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
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
             less; Pings do not wait. Straight at the service it is the same.",
            "紧跟应答之后发送的消息要等整个周期 P，其他时刻发送的等待较短；Ping 不等待；直连服务也一样。",
        ),
        look_alikes: text(
            "`server-processing-slow`: each message takes as long, whenever it is sent. `sse-proxy-buffering`: \
             held by bytes, not by time.",
            "`server-processing-slow`：无论何时发送都同样慢；`sse-proxy-buffering`：按字节而非时间积压。",
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
    use crate::scene::{DIRECT, Scene, URL, echoed, found, none};

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
    fn look_alikes_are_others() {
        none(probe, Scene::opened().attempt(steps(URL, 0.25, 0.25)));
        none(probe, Scene::opened().attempt(steps(URL, 0.004, 0.001)));
    }
}
