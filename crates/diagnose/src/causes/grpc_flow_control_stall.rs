//! A receiver reads nothing, and HTTP/2's flow control stops the sender.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::expected::HELD_SECONDS;
use crate::experiment::Via;
use crate::openings::ask_straight;
use crate::population::{Population, calls};
use crate::sizes::sent;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-flow-control-stall",
    number: 704,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "a stream is not read, and HTTP/2 flow control stops its sender",
            "某个流没有被读取，HTTP/2 流控使发送方停止",
        ),
        symptoms: text(
            "One stream, or all of them, freeze; the connection lives and answers PINGs.",
            "一个或所有流冻结；连接存活并应答 PING。",
        ),
        evidence: text(
            "PINGs are answered while no WINDOW_UPDATE comes for more than 5 s and the window of the stream \
             (or of the connection: then all stall) is used up.",
            "PING 得到应答，但超过 5 秒没有 WINDOW_UPDATE，且流（或连接：则全部停滞）的窗口已用尽。",
        ),
        look_alikes: text(
            "`slow-consumer-client`: TCP's window is closed.",
            "`slow-consumer-client`：TCP 窗口关闭。",
        ),
        fix: text(
            "Read each stream to its end, cancel those that nobody reads, give slow consumers a channel of \
             their own. Then messages must flow while one stream is not read.",
            "把每个流读到末尾，取消无人读取的流，让慢消费者使用独立的通道。之后即使有一个流不被读取，消息也应继续流动。",
        ),
        sources: &["RFC 9113, section 5.2", "https://grpc.io/docs/guides/flow-control/"],
    },
    phrases: &[
        phrase(
            "held_back",
            "On {count} calls HTTP/2's flow control let {taken} of a message go, and for {seconds} no more",
            "有 {count} 个调用在 HTTP/2 流控放行消息的 {taken}之后，{seconds}内不再放行",
        ),
        phrase(
            "tcp_took_all",
            "TCP below has delivered all that was let go: it is the reader, not the way",
            "下层 TCP 已送达全部放行的数据：问题在读取方，而不在链路",
        ),
        phrase(
            "pings_answered",
            "The same connection answers PINGs meanwhile",
            "同一连接在此期间仍应答 PING",
        ),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase(
            "straight_takes",
            "Straight at {upstream} such a message is taken",
            "直连 {upstream} 时能接收这样的消息",
        ),
        phrase(
            "still_busy",
            "the service is busy with what it has, and reads on later",
            "服务正忙于处理已收到的数据，稍后会继续读取",
        ),
        phrase(
            "see_reads",
            "In the service: does the handler of this method read its requests, and what does it wait for instead?",
            "在服务中：该方法的处理函数是否读取请求，若没有，它在等什么？",
        ),
        phrase(
            "read_on",
            "Let the handler of this method read its requests to their end, or cancel the call; then a message of \
             {bytes} must be taken",
            "让该方法的处理函数把请求读完，或取消调用；之后 {bytes}的消息应能被接收",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    if seen.target.protocol != Protocol::Grpc {
        return None;
    }
    let held: Vec<_> = seen.of_open(Via::Url).filter_map(held_back).collect();
    let &(attempt, bytes, unsent, seconds) = held.iter().max_by_key(|(_, bytes, ..)| *bytes)?;
    let is_tcp_done = held
        .iter()
        .all(|(attempt, ..)| attempt.tcp.is_some_and(|tcp| tcp.unacked_bytes == 0 && tcp.notsent_bytes == 0));
    if !is_tcp_done {
        return None;
    }
    let answers = attempt.stream.as_ref()?.pings.iter().any(Option::is_some);
    let is_straight = seen.of_open(Via::Direct).any(|attempt| held_back(attempt).is_some());
    let takes = |attempt: &Attempt| sent(attempt).is_some_and(|(size, _)| size >= bytes) && attempt.is_well();
    let (place, compared) = match (is_straight, seen.of_open(Via::Direct).any(takes)) {
        (true, _) => (Place::Upstream, Some("straight_too")),
        (false, true) => (Place::UpstreamLeg, Some("straight_takes")),
        (false, false) => (Place::Unknown, None),
    };
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let said = Said::new("held_back")
        .with("count", held.len())
        .bytes("taken", bytes.saturating_sub(unsent))
        .seconds("seconds", seconds);
    let claim = Claim::of(&CAUSE, place, said)
        .corroborated(Said::new("tcp_took_all"))
        .corroborated(answers.then(|| Said::new("pings_answered")))
        .corroborated(compared.map(|code| Said::new(code).with("upstream", upstream)))
        .unless(Said::new("still_busy"))
        .next(ask_straight(seen).unwrap_or_else(|| Said::new("see_reads")));
    Some(claim.fix(Said::new("read_on").bytes("bytes", bytes)).finding())
}

/// A message of which a part was held back until the end: its bytes, those left, and for how long.
fn held_back(attempt: &Attempt) -> Option<(&Attempt, u64, u64, f64)> {
    let stream =
        attempt.stream.as_ref().filter(|stream| stream.unsent > 0 && stream.stalled >= HELD_SECONDS)?;
    attempt.peer_end().is_none().then_some((attempt, sent(attempt)?.0, stream.unsent, stream.stalled))
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    calls::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::tcp::TcpSample;

    use super::*;
    use crate::scene::{self, DIRECT, Scene, URL, found, none};

    fn held(via: Via, unacked_bytes: u32, stalled: f64) -> Attempt {
        let tcp = TcpSample { unacked_bytes, ..TcpSample::default() };
        let attempt = scene::sent(via, 1 << 20, Err(None)).stream_with(|stream| {
            (stream.unsent, stream.stalled, stream.pings) = (983_041, stalled, vec![Some(0.001)]);
        });
        Attempt { tcp: Some(tcp), ..attempt }
    }

    #[test]
    fn a_window_that_stays_shut() {
        let scene = || Scene::grpc().direct("10.0.3.7:80").attempt(held(URL, 0, 2.9));
        assert_eq!(found(probe, scene(), Level::Medium).place, Place::Unknown);
        assert_eq!(found(probe, scene().attempt(held(DIRECT, 0, 2.9)), Level::Medium).place, Place::Upstream);
        let taken = scene::sent(DIRECT, 1 << 20, Err(None));
        assert_eq!(found(probe, scene().attempt(taken), Level::Medium).place, Place::UpstreamLeg);
    }

    #[test]
    fn a_slow_way_and_a_slow_moment_are_others() {
        none(probe, Scene::grpc().attempt(held(URL, 14_480, 2.9)));
        none(probe, Scene::grpc().attempt(held(URL, 0, 0.3)));
        none(probe, Scene::grpc().attempt(scene::sent(URL, 1 << 20, Err(None))));
    }
}
