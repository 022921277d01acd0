//! The service reads Pongs too late, since its event loop is blocked.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Sign};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::holds;
use crate::population::{Population, codes};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "event-loop-block-late-pong",
    number: 210,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "the service missed Pongs that were sent in time: its event loop is blocked",
            "服务错过了及时发送的 Pong：其事件循环被阻塞",
        ),
        symptoms: text(
            "“ping timeout” in waves under load; one thread is at 100 % CPU.",
            "负载下成批出现“ping timeout”；有一个线程 CPU 达 100 %。",
        ),
        evidence: text(
            "The service ends the stream for a missing Pong, though each of its Pings was answered at once; \
             straight at the service it is the same.",
            "服务以缺少 Pong 为由结束连接，尽管它的每个 Ping 都立即得到了应答；直连服务也一样。",
        ),
        look_alikes: text(
            "`server-ping-timeout-client-silent`: the Pong was not sent, or came late. A hop that drops Pongs: \
             straight at the service it does not happen.",
            "`server-ping-timeout-client-silent`：Pong 没有发出或迟到；途中丢弃 Pong：直连服务时不会发生。",
        ),
        fix: text(
            "Move blocking work off the loop (threads, processes, async clients of databases), then more \
             processes; raise `ping_timeout` only after that. Then a held stream must outlive ten heartbeats \
             under load.",
            "把阻塞工作移出事件循环（线程、进程、异步数据库客户端），然后增加进程；最后才调大 `ping_timeout`。之后在负载下保持的连接应存活超过十次心跳。",
        ),
        sources: &["https://websockets.readthedocs.io/en/stable/faq/server.html", "RFC 6455, section 5.5.3"],
    },
    phrases: &[
        phrase(
            "timed_out",
            "The service ended the stream for a missing Pong: {reason}",
            "服务以缺少 Pong 为由结束了连接：{reason}",
        ),
        phrase(
            "answered_all",
            "Each of its {count} Pings was answered at once",
            "它的 {count} 个 Ping 都立即得到了应答",
        ),
        phrase("pongs_lost", "a hop on the way drops Pong frames", "途中某一跳丢弃了 Pong 帧"),
        phrase(
            "unblock",
            "In the service: move blocking work off the event loop; raise the ping timeout only afterwards",
            "在服务中：把阻塞工作移出事件循环；之后才考虑调大 ping 超时",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let timed_out = |via| holds(seen, via).find_map(|(attempt, _)| missing_pong(attempt));
    let (reason, pings) = timed_out(Via::Url)?;
    let straight = timed_out(Via::Direct);
    let place = if straight.is_some() { Place::Upstream } else { Place::Unknown };
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let claim = Claim::of(&CAUSE, place, Said::new("timed_out").with("reason", reason))
        .noted(Said::new("answered_all").with("count", pings))
        .corroborated(straight.map(|_| Said::new("direct_same_time").with("upstream", upstream)));
    let claim = if straight.is_some() {
        claim
    } else {
        claim.unless(Said::new("pongs_lost")).next(Said::new("pass_upstream"))
    };
    Some(claim.fix(Said::new("unblock")).finding())
}

/// The reason of an end for want of a Pong, and how many Pings the service had sent.
fn missing_pong(attempt: &Attempt) -> Option<(&str, usize)> {
    let Sign::Close(_, reason) = &attempt.peer_end()?.sign else { return None };
    let pings = attempt.stream.as_ref()?.server_pings.len();
    let said = reason.to_ascii_lowercase();
    let is_for_pong = said.contains("pong") || (said.contains("ping") && said.contains("time"));
    (is_for_pong && pings > 0).then_some((reason, pings))
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    codes::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{DIRECT, SILENT, Scene, URL, close, cut_at, found, none};

    fn ends(via: Via, pings: Vec<f64>) -> Attempt {
        let sign = close(1011, "keepalive ping timeout");
        cut_at(via, SILENT, 0.0, 8.0, sign).stream_with(|stream| stream.server_pings = pings)
    }

    #[test]
    fn a_pong_that_was_sent_and_not_read() {
        let scene = || Scene::opened().direct("10.0.3.7:80").attempt(ends(URL, vec![2.0, 4.0]));
        found(probe, scene(), Level::Medium);
        found(probe, scene().attempt(ends(DIRECT, vec![2.0])), Level::High);
    }

    #[test]
    fn a_heartbeat_of_the_application_is_another_matter() {
        none(probe, Scene::opened().attempt(ends(URL, Vec::new())));
    }
}
