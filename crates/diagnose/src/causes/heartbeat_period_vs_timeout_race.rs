//! The service's heartbeat is no shorter than an idle timeout on the way.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Clock, Manner, Owner, compared, late_heartbeat, owner, timer};
use crate::population::{Population, timed};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "heartbeat-period-vs-timeout-race",
    number: 203,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "the heartbeat races an idle timeout of the same length",
            "心跳周期与空闲超时几乎相等，形成竞争",
        ),
        symptoms: text(
            "Some idle clients drop, apparently at random; others live for hours. There is a heartbeat.",
            "部分空闲客户端看似随机地掉线，其他的则存活数小时；心跳是有的。",
        ),
        evidence: text(
            "Pings (or comments of an event stream) come with a period P. Streams end without a word when the silence \
             since the last one reaches T, and P lies between 0.85 T and 1.1 T: whichever comes first wins.",
            "Ping（或事件流的注释行）以周期 P 到来；距上一次的静默达到 T 时连接无声结束，而 P 在 0.85T 到 1.1T 之间：谁先到谁赢。",
        ),
        look_alikes: text(
            "`idle-timeout-l7-proxy`: no heartbeat before the end. `client-network-loss`: ends after any silence.",
            "`idle-timeout-l7-proxy`：结束前没有心跳；`client-network-loss`：任意静默后都可能结束。",
        ),
        fix: text(
            "Set the heartbeat's interval to a third of the timeout, or the timeout to three intervals (nginx \
             `proxy_read_timeout`, HAProxy `timeout tunnel`). Then silent streams must outlive ten intervals.",
            "把心跳周期设为超时的三分之一，或把超时设为三个周期（nginx `proxy_read_timeout`、HAProxy `timeout tunnel`）。然后静默连接应存活超过十个周期。",
        ),
        sources: &[
            "RFC 6455, section 5.5.2",
            "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout",
        ],
    },
    phrases: &[
        phrase(
            "race",
            "The service's heartbeat comes each {period}, and streams end {seconds} after the last one",
            "服务的心跳每 {period}一次，而连接在最后一次之后 {seconds}结束",
        ),
        phrase("won_before", "They survived {count} heartbeats before", "此前它们经受了 {count} 次心跳"),
        phrase("stops_beating", "the service itself stops and ends the stream", "服务自身停止心跳并结束连接"),
        phrase(
            "shorten",
            "Set the service's heartbeat to {third} (now {period}), or raise the timeout to three times the heartbeat",
            "把服务的心跳周期设为 {third}（现为 {period}），或把超时调到心跳周期的三倍",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let timer = timer(seen, Via::Url)
        .filter(|timer| timer.manner == Manner::Wordless && timer.clock != Clock::Age)?;
    let period = late_heartbeat(&timer)?;
    let owner = owner(seen, &timer);
    let beats = |attempt: &crate::attempt::Attempt| {
        attempt.stream.as_ref().map_or(0, |stream| stream.server_pings.len().max(stream.comments.len()))
    };
    let won = timer.ends.iter().map(|(attempt, _)| beats(attempt)).max().unwrap_or(0);
    let third = Said::new("shorten").seconds("third", timer.seconds / 3.0).seconds("period", period);
    let claim = timer
        .claim(&CAUSE, if owner == Owner::Hop { Place::UpstreamLeg } else { Place::Unknown })
        .noted(Said::new("race").seconds("period", period).seconds("seconds", timer.seconds))
        .noted(Said::new("won_before").with("count", won))
        .corroborated(compared(seen, owner, timer.seconds).filter(|_| owner == Owner::Hop));
    let claim = if owner == Owner::Hop {
        claim
    } else {
        claim.unless(Said::new("stops_beating")).next(Said::new("pass_upstream"))
    };
    Some(claim.fix(third).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    timed::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Attempt, End, Sign};
    use crate::scene::{DIRECT, SILENT, Scene, URL, can_be_told, cut_at, lives, silent_end};

    /// Cut a timeout after the last of so many heartbeats.
    fn raced(began: f64, period: f64, beats: u32, timeout: f64) -> Attempt {
        let pings: Vec<f64> = (1..=beats).map(|nth| f64::from(nth) * period).collect();
        let age = f64::from(beats) * period + timeout;
        let end = End { at: age, age, silence: timeout, is_ours: false, sign: Sign::Fin };
        cut_at(URL, SILENT, began, age, Sign::Fin).stream_with(|stream| {
            (stream.server_pings, stream.end) = (pings, Some(end));
        })
    }

    fn races() -> Scene {
        Scene::opened().direct("10.0.3.7:8080").attempts([raced(0.0, 3.0, 3, 3.01), raced(1.0, 3.0, 5, 3.0)])
    }

    #[test]
    fn a_heartbeat_as_long_as_the_timeout() {
        let finding = probe(&races().attempt(lives(DIRECT, SILENT, 0.0, 30.0)).seen()).expect("it is found");
        assert_eq!((finding.level, finding.place), (Level::High, Place::UpstreamLeg));
        can_be_told(&finding);
    }

    #[test]
    fn without_the_service_it_may_be_the_service() {
        let finding = probe(&races().seen()).expect("it is found");
        assert_eq!(finding.level, Level::Medium);
        assert_eq!(finding.next_measurement, Some(Said::new("pass_upstream")));
        can_be_told(&finding);
    }

    #[test]
    fn a_timeout_without_a_heartbeat_is_another() {
        assert_eq!(probe(&Scene::opened().attempts(silent_end(URL, 3.0, &Sign::Fin)).seen()), None);
        let slow = [raced(0.0, 1.0, 3, 3.0), raced(1.0, 1.0, 9, 3.0)];
        assert_eq!(probe(&Scene::opened().attempts(slow).seen()), None, "a heartbeat that stopped");
    }
}
