//! Event streams end at once and are opened again at once.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Stream};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::population::{Population, streams};

/// See the module. A probe sees what one client is told, a gateway the clients that come back.
pub const CAUSE: Cause = Cause {
    id: "sse-retry-storm",
    number: 610,
    severity: Severity::Warning,
    manual: Manual {
        title: text("clients open event streams again and again", "客户端不断重新建立事件流"),
        symptoms: text(
            "The service is flooded with reconnections of EventSource.",
            "服务被 EventSource 的重连请求淹没。",
        ),
        evidence: text(
            "The time between two requests of one client is its `retry` value, or the browser's own few \
             seconds; each stream is short; clients times that rate is the load. A probe sees what one client \
             is told: each stream ends at once, and `retry` calls it back within a second.",
            "同一客户端两次请求的间隔等于其 `retry` 值，或浏览器自身的几秒；每条流都很短；\
             客户端数乘以该频率即为负载。探测看到的是单个客户端得到的指示：每条流立即结束，而 `retry` 让它在一秒内重连。",
        ),
        look_alikes: text(
            "`reconnect-storm`: follows one mass close, in waves. Polling on purpose: each stream brings \
             events.",
            "`reconnect-storm`：发生在一次大规模断开之后，呈波浪形；有意轮询：每条流都带来事件。",
        ),
        fix: text(
            "In the service: find why streams end at once; send `retry: 5000` and more with a random \
             part; answer 204 to clients that are to stay away. Prove it: the rate of new streams falls \
             below one a minute for each client.",
            "在服务中：找出流立即结束的原因；发送 `retry: 5000` 以上并带随机部分；\
             对不应再连接的客户端应答 204。验证：每个客户端新建流的频率降到每分钟一次以下。",
        ),
        sources: &["WHATWG HTML, sections 9.2.3 and 9.2.6 (reconnection time, retry, 204)"],
    },
    phrases: &[
        phrase(
            "called_back",
            "Each of {count} streams ended within {seconds}, and `retry` calls clients back after {retry}",
            "{count} 条流都在 {seconds}内结束，而 `retry` 让客户端在 {retry}后重连",
        ),
        phrase("nothing_came", "None of them brought an event", "它们都没有带来任何事件"),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase(
            "polling",
            "polling on purpose: each stream brings what is new",
            "有意轮询：每条流带来最新内容",
        ),
        phrase(
            "count_requests",
            "Count the requests of one client in the service's log: more than a few a minute?",
            "在服务日志中统计单个客户端的请求：是否每分钟超过几次？",
        ),
        phrase(
            "keep_open",
            "In the service: keep the stream open, send `retry: 5000` or more, and answer 204 to clients that are to \
             stay away",
            "在服务中：保持流打开，发送 `retry: 5000` 或更大的值，对不应再连接的客户端应答 204",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// Streams that are over sooner are no streams, seconds.
const SHORT: f64 = 1.0;
/// Clients that come back sooner make a storm, milliseconds.
const SOON_MS: u64 = 1000;

fn probe(seen: &Examination) -> Option<Finding> {
    let is_left = |attempt: &Attempt| attempt.peer_end().is_none() && attempt.lived() < SHORT;
    let streams = |via| {
        seen.of_open(via)
            .filter(|_| seen.target.protocol == Protocol::Sse)
            .filter(move |attempt| !is_left(attempt))
    };
    let is_short = |attempt: &Attempt| attempt.peer_end().is_some_and(|end| end.age < SHORT);
    let told = |attempt: &Attempt| attempt.stream.as_ref().and_then(|stream: &Stream| stream.retry_ms);
    let all: Vec<&Attempt> = streams(Via::Url).collect();
    let retry = all.iter().filter_map(|attempt| told(attempt)).min().filter(|retry| *retry < SOON_MS)?;
    if all.len() < 2 || !all.iter().all(|attempt| is_short(attempt)) {
        return None;
    }
    let longest = all.iter().map(|attempt| attempt.lived()).fold(0.0, f64::max);
    let events: u64 = all.iter().filter_map(|attempt| Some(attempt.stream.as_ref()?.messages_seen)).sum();
    let is_straight = streams(Via::Direct).next().is_some_and(is_short);
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let decisive = Said::new("called_back")
        .with("count", all.len())
        .seconds("seconds", longest.max(0.001))
        .seconds("retry", retry as f64 / 1000.0);
    Some(
        Claim::of(&CAUSE, if is_straight { Place::Upstream } else { Place::Unknown }, decisive)
            .corroborated((events == 0).then(|| Said::new("nothing_came")))
            .corroborated(is_straight.then(|| Said::new("straight_too").with("upstream", upstream)))
            .unless((events > 0).then(|| Said::new("polling")))
            .next((events > 0).then(|| Said::new("count_requests")))
            .fix(Said::new("keep_open"))
            .finding(),
    )
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    streams::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::record::{Reconnect, What};
    use model::{Leg, Reason};

    use super::*;
    use crate::attempt::{End, Sign};
    use crate::population::tests::{end as ended, random, told_of};
    use crate::scene::{Scene, URL, end, found, greeted_by, none};

    fn ends(age: f64, retry_ms: Option<u64>, messages_seen: u64) -> [Attempt; 2] {
        let stream =
            Stream { retry_ms, messages_seen, end: Some(end(age, Sign::BodyEnd)), ..Stream::default() };
        [greeted_by(URL, stream.clone()), greeted_by(URL, stream)]
    }

    #[test]
    fn streams_that_end_at_once_and_call_clients_back() {
        found(probe, Scene::sse().attempts(ends(0.01, Some(50), 0)), Level::High);
        found(probe, Scene::sse().attempts(ends(0.01, Some(0), 1)), Level::Medium);
    }

    #[test]
    fn short_streams_that_clients_come_back_to_at_once() {
        let stream = |head: f64| {
            (0..60).map(move |number| {
                let made = ended(number).lived(100.0 * random(number), 0.01, 0.01);
                made.by(Leg::Upstream, What::BodyEnd, Reason::Complete).with(|record| {
                    record.protocol = Protocol::Sse;
                    record.handshake.seconds = head;
                    record.reconnect = Some(Reconnect { interval_seconds: 0.05, resumed: false });
                })
            })
        };
        assert_eq!(told_of(CAUSE.id, stream(0.01)).map(|told| told.0), Some(Level::High));
        assert_eq!(told_of(CAUSE.id, stream(3.0)), None, "each answer took its time");
    }

    #[test]
    fn streams_that_last_and_clients_that_wait_are_healthy() {
        none(probe, Scene::sse().attempts(ends(20.0, Some(50), 9)));
        none(probe, Scene::sse().attempts(ends(0.01, Some(5000), 0)));
        none(probe, Scene::sse().attempts(ends(0.01, None, 0)));
        let left = |age| {
            let stream =
                Stream { end: Some(End { is_ours: true, ..end(age, Sign::Fin) }), ..Stream::default() };
            greeted_by(URL, stream)
        };
        none(probe, Scene::sse().attempts(ends(0.04, Some(0), 1)).attempt(left(5.0)));
        found(probe, Scene::sse().attempts(ends(0.04, Some(0), 1)).attempt(left(0.01)), Level::Medium);
    }
}
