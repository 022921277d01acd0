//! Requests of one session reach different backends, of which one knows it.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Answer, Attempt};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "sticky-session-missing",
    number: 116,
    severity: Severity::Critical,
    manual: Manual {
        title: text("requests of one session reach different backends", "同一会话的请求到达了不同的后端"),
        symptoms: text(
            "400 now and then, with socket.io `{\"code\":1,\"message\":\"Session ID unknown\"}`; it \
             connects after some tries; since there is more than one replica.",
            "时而得到 400，socket.io 报告 `{\"code\":1,\"message\":\"Session ID unknown\"}`；\
             多试几次才能连接；自从副本数大于一以来出现。",
        ),
        evidence: text(
            "The same request with the same session is known at one time and unknown at another; of n \
             backends it fails with a share near (n - 1)/n. With WebSocket as the only transport it does \
             not occur. A gateway sees one session at several upstreams.",
            "携带同一会话的同一请求时而被识别、时而不被识别；有 n 个后端时失败比例约为 (n - 1)/n。只用 \
             WebSocket 传输时不会出现。网关可以看到同一会话出现在多个上游。",
        ),
        look_alikes: text(
            "A restart: all sessions are unknown at once, then none. A session that has simply expired: \
             it stays unknown. `intermittent-handshake`: no session is spoken of.",
            "重启：所有会话同时失效，之后恢复；会话过期：始终无法识别；`intermittent-handshake`：\
             应答中没有提到会话。",
        ),
        fix: text(
            "In the balancer: keep a client at one backend (nginx `ip_hash` or `hash $cookie_NAME`, \
             HAProxy `cookie`, ingress-nginx `nginx.ingress.kubernetes.io/affinity: cookie`), or in the \
             client `transports: [\"websocket\"]`. Prove it: 20 requests of one session, no 400.",
            "在负载均衡中：让同一客户端固定到一个后端（nginx `ip_hash` 或 `hash $cookie_NAME`，HAProxy \
             `cookie`，ingress-nginx `nginx.ingress.kubernetes.io/affinity: cookie`），或在客户端设置 \
             `transports: [\"websocket\"]`。验证：同一会话的 20 次请求均不出现 400。",
        ),
        sources: &[
            "https://socket.io/docs/v4/using-multiple-nodes/",
            "https://nginx.org/en/docs/http/ngx_http_upstream_module.html#ip_hash",
        ],
    },
    phrases: &[
        phrase(
            "unknown_session",
            "The answer is {status}, and says that the session is unknown",
            "应答为 {status}，并说明会话未知",
        ),
        phrase(
            "sometimes",
            "The same request was known {opened} times and unknown {failed} times",
            "同样的请求被识别 {opened} 次，未被识别 {failed} 次",
        ),
        phrase(
            "expired",
            "the session may have expired, or never been of this service",
            "会话可能已过期，或本不属于该服务",
        ),
        phrase(
            "repeat_fresh",
            "Take a fresh session and send its request several times",
            "取一个新会话，多次发送其请求",
        ),
        phrase(
            "affinity",
            "In the balancer: keep each client at one backend",
            "在负载均衡中：让每个客户端固定到一个后端",
        ),
        phrase(
            "nginx",
            "upstream NAME {\n    ip_hash;\n    server A:PORT;\n    server B:PORT;\n}",
            "upstream NAME {\n    ip_hash;\n    server A:PORT;\n    server B:PORT;\n}",
        ),
        phrase(
            "websocket_only",
            "In the client: `transports: [\"websocket\"]`",
            "在客户端中：`transports: [\"websocket\"]`",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    // What does not change the outcome each time is no more than the same request.
    let unsteady = seen.unsteady.iter().filter(|attempt| attempt.experiment.via == Via::Url);
    let all: Vec<&Attempt> = openings::repeats(seen, Via::Url).chain(unsteady).collect();
    let unknown = |attempt: &&&Attempt| attempt.answer.as_ref().is_some_and(session_is_unknown);
    let failed = all.iter().filter(unknown).count();
    let status = all.iter().find(unknown)?.status()?;
    let opened = all.iter().filter(|attempt| attempt.is_open()).count();
    let sometimes =
        (opened > 0).then(|| Said::new("sometimes").with("opened", opened).with("failed", failed));
    let claim = Claim::of(&CAUSE, Place::UpstreamLeg, Said::new("unknown_session").with("status", status))
        .unless(sometimes.is_none().then(|| Said::new("expired")))
        .next(Said::new("repeat_fresh"))
        .fix_by(Said::new("affinity"), Said::new("nginx"))
        .fix(Said::new("websocket_only"));
    let claim = if sometimes.is_some() { claim.corroborated(sometimes) } else { claim.suspected() };
    Some(claim.finding())
}

/// The answer refuses a request because of a session that it does not know.
fn session_is_unknown(answer: &Answer) -> bool {
    let names = answer.says(&["session", "\"sid\"", "connection id", "connectionid"]);
    matches!(answer.status, 400 | 404 | 410)
        && names
        && answer.says(&["unknown", "not found", "invalid", "does not exist", "no such", "no connection"])
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, answer, found, none};

    const BODY: &str = r#"{"code":1,"message":"Session ID unknown"}"#;

    fn session() -> Scene {
        Scene::websocket().path("/socket.io/?EIO=4&transport=websocket&sid=x7").plain(answer(400).body(BODY))
    }

    #[test]
    fn the_same_session_is_known_sometimes() {
        assert_eq!(found(probe, session().plain(answer(101)), Level::High).place, Place::UpstreamLeg);
        let other = answer(404).body("No Connection with that ID: connection id not found");
        found(probe, Scene::websocket().plain(other).plain(answer(101)), Level::High);
    }

    #[test]
    fn a_session_that_stays_unknown_may_have_expired() {
        found(probe, session().plain(answer(400).body(BODY)), Level::Low);
    }

    #[test]
    fn other_refusals_are_another_matter() {
        none(probe, Scene::websocket().plain(answer(400).body("Bad Request")).plain(answer(101)));
        none(probe, Scene::websocket().plain(answer(401).body("invalid session")));
        none(probe, Scene::websocket().plain(answer(101)));
    }
}
