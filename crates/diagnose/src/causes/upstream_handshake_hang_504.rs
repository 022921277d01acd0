//! The service accepts the connection, and answers the handshake late or never.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Fault, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Vary, Via};
use crate::openings as opened;
use crate::population::{Population, openings, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "upstream-handshake-hang-504",
    number: 114,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the handshake is never answered, or late", "握手始终得不到应答，或很晚才得到"),
        symptoms: text(
            "A spinner, then 504 after exactly the proxy's timeout, or the client's own.",
            "一直转圈，随后恰好在代理超时（或客户端自身超时）后得到 504。",
        ),
        evidence: text(
            "TCP and TLS are quick, the request is taken, and no byte of an answer comes; straight to the \
             service it is the same. In traffic also: the answer comes long after the connection stands, while \
             Pongs on the same connections, or other upstreams, are quick.",
            "TCP 与 TLS 都很快，请求已被接收，却没有任何应答字节；直接连接服务也一样。在流量中还包括：连接建立很久之后才有应答，而同样连接上的 Pong \
             或其他上游都很快。",
        ),
        look_alikes: text(
            "`accept-queue-overflow`: nobody accepts; the listening socket's Recv-Q is full. \
             `upstream-queue-timeout-503`: the proxy holds the request. `stale-upstream-address`: \
             straight to the service it opens. Event streams and gRPC calls whose head comes with the \
             first message only.",
            "`accept-queue-overflow`：无人接受连接，监听套接字的 Recv-Q 已满；\
             `upstream-queue-timeout-503`：请求滞留在代理；`stale-upstream-address`：\
             直接连接服务可以打开；事件流与 gRPC 调用可能在首条消息时才发出应答头。",
        ),
        fix: text(
            "In the service: find what the handshake waits for (authentication, a database, a lock, a \
             worker), and give it a timeout of its own. An event stream should send its head at once. \
             Then run the diagnosis again: an answer must come at once.",
            "在服务中：找出握手在等待什么（认证、数据库、锁、工作线程），并设置独立的超时。\
             事件流应立即发送应答头。然后重新诊断：应立即得到应答。",
        ),
        sources: &[
            "RFC 9110, section 15.6.5",
            "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout (60 s unless set)",
        ],
    },
    phrases: &[
        phrase(
            "no_answer",
            "The connection stands, the request is sent, and no answer came in {seconds}",
            "连接已建立，请求已发送，{seconds}内没有应答",
        ),
        phrase(
            "gateway_timeout",
            "The answer is {status} after {seconds}: the gateway waited for the service in vain",
            "{seconds}后应答 {status}：网关等不到服务的应答",
        ),
        phrase(
            "straight_silent",
            "Straight to {upstream} no answer comes either",
            "直接连接 {upstream} 也没有应答",
        ),
        phrase(
            "get_answered",
            "A plain GET is answered ({status}): only the handshake waits",
            "普通 GET 有应答（{status}）：只有握手在等待",
        ),
        phrase(
            "unreachable",
            "a gateway may not get through to the service at all",
            "网关可能根本无法连通服务",
        ),
        phrase("held_by_proxy", "a proxy may hold the request", "请求可能滞留在代理"),
        phrase(
            "first_message",
            "the head of the answer may come with the first message",
            "应答头可能在首条消息时才发出",
        ),
        phrase("title_slow", "handshakes are answered after {seconds}", "握手在 {seconds}后才得到应答"),
        phrase(
            "slow_answers",
            "{count} handshakes at {upstream} were answered {seconds} after the connection stood, which took {connect} (medians)",
            "{upstream} 的 {count} 次握手在连接建立（耗时 {connect}）后 {seconds}才得到应答（中位数）",
        ),
        phrase(
            "pongs_quick",
            "On the same connections Pongs came within {ping}: only the handshake is slow",
            "同样的连接上 Pong 在 {ping}内到达：慢的只是握手",
        ),
        phrase(
            "way_quick",
            "The way to it and back takes {rtt}, by the kernel",
            "按内核测量，往返用时 {rtt}",
        ),
        phrase(
            "others_quick",
            "{count} handshakes at other upstreams of the route were answered within {seconds} (median)",
            "该路由其他上游的 {count} 次握手在 {seconds}内得到应答（中位数）",
        ),
        phrase(
            "left_unanswered",
            "{count} of {all} clients left after {seconds} (median) without an answer",
            "{all} 个客户端中有 {count} 个在 {seconds}（中位数）后离开，从未得到应答",
        ),
        phrase("own_will", "they had other reasons to leave", "它们因其他原因离开"),
        phrase("slow_in_all", "the service may be slow in all that it does", "服务可能做什么都慢"),
        phrase(
            "look_inside",
            "On the service's machine: what its threads wait for, and `ss -tn` for requests that are not \
             read (Recv-Q)",
            "在服务所在机器上：查看线程在等待什么，并用 `ss -tn` 查看未读取的请求（Recv-Q）",
        ),
        phrase(
            "unblock",
            "In the service: answer the handshake before anything slow, with a timeout for each step",
            "在服务中：先应答握手再做耗时操作，并为每一步设置超时",
        ),
        phrase(
            "send_head",
            "In the service: send the head of the answer at once, before the first message",
            "在服务中：在首条消息之前立即发送应答头",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|plain| !plain.is_open())?;
    let answered = plain.answer.as_ref().filter(|answer| answer.status == 504);
    let decisive = match answered {
        Some(answer) => {
            Said::new("gateway_timeout").with("status", answer.status).seconds("seconds", answer.seconds)
        }
        None if is_hanging(plain) => Said::new("no_answer").seconds("seconds", plain.failed()?.seconds),
        None => return None,
    };
    if opened::repeats(seen, Via::Url).any(Attempt::is_open) {
        return None;
    }
    let direct = seen.direct();
    if direct.is_some_and(|direct| !is_hanging(direct)) {
        return None;
    }
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let is_plain_of_service = |status: u16| !matches!(status, 502..=504);
    let comes_with_message = seen.target.protocol != Protocol::WebSocket;
    let get = seen.with(&Vary::NoUpgrade).filter(|_| !comes_with_message).and_then(Attempt::status);
    let get = get.filter(|status| is_plain_of_service(*status));
    let compared = direct.map(|_| Said::new("straight_silent").with("upstream", upstream));
    let is_unknown = compared.is_none() && get.is_none();
    let place = if is_unknown { Place::Unknown } else { Place::Upstream };
    let claim = Claim::of(&CAUSE, place, decisive)
        .corroborated(compared)
        .corroborated(get.map(|status| Said::new("get_answered").with("status", status)))
        .unless((is_unknown && answered.is_some()).then(|| Said::new("unreachable")))
        .unless((direct.is_none() && answered.is_none()).then(|| Said::new("held_by_proxy")))
        .unless(comes_with_message.then(|| Said::new("first_message")))
        .next(opened::ask_straight(seen).unwrap_or(Said::new("look_inside")));
    let claim = if comes_with_message { claim.fix(Said::new("send_head")) } else { claim };
    // The head of a call is not due before its first message, and a proxy may hold that of an event stream.
    let is_call = seen.target.protocol == Protocol::Grpc;
    let is_due = answered.is_some() || !(is_call || (comes_with_message && direct.is_none()));
    let claim = if is_due { claim } else { claim.suspected() };
    Some(claim.fix(Said::new("unblock")).finding())
}

/// The connection stands, and the request gets no answer.
pub(super) fn is_hanging(attempt: &Attempt) -> bool {
    opened::failed(attempt, StageName::Http) == Some(Fault::Timeout)
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    let slow = openings::findings(&CAUSE, seen);
    refusals::findings(&CAUSE, seen).into_iter().chain(slow).collect()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::experiment::Check;
    use crate::scene::{Scene, answer, found, none};

    fn hang(scene: Scene) -> Scene {
        scene.plain_fails(StageName::Http, Fault::Timeout, 10.0)
    }

    #[test]
    fn the_service_itself_does_not_answer() {
        let both =
            |scene: Scene| scene.direct("10.0.3.7:80").direct_fails(StageName::Http, Fault::Timeout, 10.0);
        assert_eq!(found(probe, both(hang(Scene::websocket())), Level::High).place, Place::Upstream);
        found(probe, both(Scene::websocket().plain(answer(504))), Level::High);
        found(probe, both(hang(Scene::of(Protocol::Sse))), Level::Medium);
    }

    #[test]
    fn only_the_handshake_waits() {
        found(probe, hang(Scene::websocket()).with(Check::Http, Vary::NoUpgrade, answer(426)), Level::Medium);
        found(
            probe,
            Scene::websocket().plain(answer(504)).with(Check::Http, Vary::NoUpgrade, answer(426)),
            Level::High,
        );
    }

    #[test]
    fn without_a_comparison_it_is_not_sure() {
        found(probe, hang(Scene::websocket()), Level::Medium);
        found(probe, Scene::websocket().plain(answer(504)), Level::Medium);
        found(probe, hang(Scene::of(Protocol::Sse)), Level::Low);
        found(probe, hang(Scene::of(Protocol::Grpc)), Level::Low);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, hang(Scene::websocket()).direct("10.0.3.7:80").direct_opens());
        let unreached = Scene::websocket().direct("10.0.3.7:80").plain(answer(504));
        none(probe, unreached.direct_fails(StageName::Tcp, Fault::Timeout, 10.0));
        none(probe, hang(Scene::websocket()).plain(answer(101)));
        none(probe, Scene::websocket().plain_fails(StageName::Tcp, Fault::Timeout, 10.0));
        none(probe, Scene::websocket().plain(answer(101)));
    }
}
