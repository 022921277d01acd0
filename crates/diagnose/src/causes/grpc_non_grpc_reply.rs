//! Something that does not speak gRPC answers a call.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::Protocol;

use crate::attempt::{Attempt, Sign};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::population::{Population, calls};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-non-grpc-reply",
    number: 708,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the answer to the call is not gRPC", "对调用的应答不是 gRPC"),
        symptoms: text(
            "UNAVAILABLE or UNKNOWN `Received http2 header with status: 502`, `unexpected content-type \
             text/html`, `closed the stream without sending trailers`.",
            "UNAVAILABLE 或 UNKNOWN：`Received http2 header with status: 502`、`unexpected content-type text/html`、`closed the stream without sending trailers`。",
        ),
        evidence: text(
            "`:status` is not 200, or the type is not `application/grpc`, or the call ends without trailers. \
             Its body or `server` names who answered.",
            "`:status` 不是 200，或类型不是 `application/grpc`，或调用没有 trailers 就结束；正文或 `server` 指出是谁应答。",
        ),
        look_alikes: text(
            "`ws-path-mismatch-404`: gRPC's UNIMPLEMENTED is an answer of gRPC.",
            "`ws-path-mismatch-404`：UNIMPLEMENTED 是 gRPC 的应答。",
        ),
        fix: text(
            "Route calls to the service: nginx `grpc_pass`, ingress-nginx `backend-protocol: GRPC`; start the \
             service behind it; let the hop pass trailers. Then the call must end with `grpc-status`.",
            "把调用路由到服务：nginx `grpc_pass`、ingress-nginx `backend-protocol: GRPC`；启动其后的服务；让途中各跳传递 trailers。之后调用应以 `grpc-status` 结束。",
        ),
        sources: &[
            "https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md",
            "https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md",
        ],
    },
    phrases: &[
        phrase("not_grpc", "The answer is {status} with type `{type}`", "应答为 {status}，类型 `{type}`"),
        phrase(
            "no_trailers",
            "The call ended without trailers: no `grpc-status` came",
            "调用没有 trailers 就结束：没有收到 `grpc-status`",
        ),
        phrase("straight_is_grpc", "Straight at {upstream} gRPC answers", "直连 {upstream} 时由 gRPC 应答"),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase(
            "route",
            "In the proxy: route the call to the service by `grpc_pass`, and see that the service is up; then \
             the call must end with `grpc-status`",
            "在代理中：用 `grpc_pass` 把调用路由到服务，并确认服务已启动；之后调用应以 `grpc-status` 结束",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    calls::findings(&CAUSE, seen)
}

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|_| seen.target.protocol == Protocol::Grpc)?;
    let decisive = foreign(plain)?;
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let (place, compared) = match seen.direct() {
        Some(direct) if foreign(direct).is_some() => (Place::Upstream, Some("straight_too")),
        Some(direct) if direct.is_open() => (Place::UpstreamLeg, Some("straight_is_grpc")),
        _ => (Place::Unknown, None),
    };
    let answer = plain.answer.as_ref();
    let product = answer
        .and_then(|answer| answer.proxy())
        .map(|product| Said::new("server_field").with("product", product));
    let body = answer.map(|answer| answer.body.as_str()).filter(|body| !body.is_empty());
    let claim = Claim::of(&CAUSE, place, decisive)
        .proven()
        .corroborated(compared.map(|code| Said::new(code).with("upstream", upstream)))
        .noted(product)
        .noted(body.map(|body| Said::new("body_says").with("body", body)));
    Some(claim.fix(Said::new("route")).finding())
}

/// How the answer is not gRPC's, in a sentence.
fn foreign(attempt: &Attempt) -> Option<Said> {
    let answer = attempt.answer.as_ref()?;
    let media = answer.media_type();
    if answer.status != 200 || !media.starts_with("application/grpc") {
        return Some(Said::new("not_grpc").with("status", answer.status).with("type", media));
    }
    let stream = attempt.stream.as_ref()?;
    let ended = attempt.peer_end().is_some_and(|end| end.sign == Sign::BodyEnd);
    let has_status =
        stream.grpc.as_ref().is_some_and(|end| end.code.is_some()) || answer.field("grpc-status").is_some();
    (ended && !has_status).then(|| Said::new("no_trailers"))
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Stream;
    use crate::experiment::Via;
    use crate::scene::{Scene, answer, end, found, greeted_by, none};

    fn call(code: Option<u32>) -> Attempt {
        let mut call =
            greeted_by(Via::Url, Stream { end: Some(end(0.1, Sign::BodyEnd)), ..Stream::default() });
        call.answer = Some(answer(200).and("content-type", "application/grpc+proto"));
        match code {
            Some(code) => call.grpc(code, ""),
            None => call,
        }
    }

    #[test]
    fn answers_that_are_not_of_grpc() {
        found(probe, Scene::grpc().plain(answer(502).and("server", "nginx").body("<html>")), Level::High);
        found(probe, Scene::grpc().plain(answer(200).and("content-type", "text/html")), Level::High);
        found(probe, Scene::grpc().attempt(call(None)), Level::High);
    }

    #[test]
    fn calls_that_end_with_a_status_are_healthy() {
        none(probe, Scene::grpc().attempt(call(Some(0))));
        none(probe, Scene::grpc().attempt(call(Some(12))));
    }
}
