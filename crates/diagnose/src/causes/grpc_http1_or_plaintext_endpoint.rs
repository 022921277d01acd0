//! What answers speaks HTTP/1.x where gRPC needs HTTP/2.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::Protocol;

use crate::attempt::{Fault, StageName};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Alpn, Vary};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-http1-or-plaintext-endpoint",
    number: 706,
    severity: Severity::Critical,
    manual: Manual {
        title: text(
            "the endpoint speaks HTTP/1.x, and gRPC needs HTTP/2",
            "该端点使用 HTTP/1.x，而 gRPC 需要 HTTP/2",
        ),
        symptoms: text(
            "UNAVAILABLE `Trying to connect an http1.x server`.",
            "UNAVAILABLE `Trying to connect an http1.x server`。",
        ),
        evidence: text(
            "The first bytes in answer to HTTP/2's preface are no frame of SETTINGS (`HTTP/1.1 400`); a \
             request of HTTP/1.1 is answered.",
            "对 HTTP/2 序言的应答首字节不是 SETTINGS 帧（`HTTP/1.1 400`）；HTTP/1.1 请求能得到应答。",
        ),
        look_alikes: text(
            "`grpc-alpn-missing`: HTTP/2 works, only TLS does not say so. `tls-plaintext-mismatch`: TLS on one \
             side alone.",
            "`grpc-alpn-missing`：HTTP/2 可用，只是 TLS 没有声明；`tls-plaintext-mismatch`：只有一侧使用 TLS。",
        ),
        fix: text(
            "Let the listener speak HTTP/2: nginx `http2 on;` with `grpc_pass grpc://…`, ingress-nginx `backend-protocol: GRPC`, or use the service's right port. Then the diagnosis must open the call.",
            "让监听端支持 HTTP/2：nginx `http2 on;` 并用 `grpc_pass grpc://…`，ingress-nginx `backend-protocol: GRPC`，或改用服务的正确端口。之后诊断应能打开调用。",
        ),
        sources: &["RFC 9113, section 3.4", "https://nginx.org/en/docs/http/ngx_http_grpc_module.html"],
    },
    phrases: &[
        phrase(
            "no_settings",
            "The answer to HTTP/2's preface is not HTTP/2: {detail}",
            "对 HTTP/2 序言的应答不是 HTTP/2：{detail}",
        ),
        phrase(
            "answers_http1",
            "A request of HTTP/{version} is answered ({status})",
            "HTTP/{version} 请求得到应答（{status}）",
        ),
        phrase("alpn_says", "TLS agreed on {alpn}", "TLS 协商为 {alpn}"),
        phrase("no_http", "nothing of HTTP is spoken there", "那里根本不是 HTTP"),
        phrase("try_http1", "Ask with HTTP/1.1: `--checks http`", "用 HTTP/1.1 请求：`--checks http`"),
        phrase(
            "enable",
            "At the listener in front of the service: switch HTTP/2 on",
            "在服务前面的监听端：启用 HTTP/2",
        ),
        phrase(
            "nginx",
            "http2 on;\nlocation / { grpc_pass grpc://127.0.0.1:50051; }",
            "http2 on;\nlocation / { grpc_pass grpc://127.0.0.1:50051; }",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|_| seen.target.protocol == Protocol::Grpc)?;
    let failed = plain.failed()?;
    let is_other =
        matches!(failed.fault, Some(Fault::OtherProtocol | Fault::Protocol | Fault::Ended | Fault::Reset));
    let is_first = matches!(failed.name, StageName::Http2 | StageName::Http);
    let speaks = seen.with(&Vary::Alpn(Alpn::Http1)).and_then(|attempt| attempt.answer.as_ref());
    let http1 = speaks.filter(|answer| answer.version.starts_with('1')).map(|answer| {
        Said::new("answers_http1").with("version", answer.version.as_str()).with("status", answer.status)
    });
    let alpn =
        plain.tls.as_ref().and_then(|tls| tls.alpn.as_deref()).filter(|alpn| alpn.starts_with("http/1"));
    let is_shown = failed.detail.contains("HTTP/1") || http1.is_some() || alpn.is_some();
    if !is_first || !is_other || (failed.fault != Some(Fault::OtherProtocol) && !is_shown) {
        return None;
    }
    let detail = if failed.detail.is_empty() { "-" } else { failed.detail.as_str() };
    let claim = Claim::of(&CAUSE, Place::UpstreamLeg, Said::new("no_settings").with("detail", detail))
        .corroborated(http1)
        .corroborated(alpn.map(|alpn| Said::new("alpn_says").with("alpn", alpn)));
    let claim = if is_shown { claim } else { claim.unless(Said::new("no_http")) };
    Some(
        claim
            .next((!is_shown).then(|| Said::new("try_http1")))
            .fix_by(Said::new("enable"), Said::new("nginx"))
            .finding(),
    )
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::experiment::Check;
    use crate::experiment::Via;
    use crate::scene::{Scene, answer, fails, found, none};

    fn no_http2(fault: Fault) -> Scene {
        Scene::grpc().attempt(fails(Via::Url, None, StageName::Http2, fault, 0.01))
    }

    #[test]
    fn an_endpoint_of_http1() {
        let http1 = || no_http2(Fault::OtherProtocol).with(Check::Http, Vary::Alpn(Alpn::Http1), answer(404));
        found(probe, http1(), Level::High);
        found(probe, no_http2(Fault::OtherProtocol), Level::Medium);
    }

    #[test]
    fn a_connection_that_only_breaks_is_another() {
        none(probe, no_http2(Fault::Reset));
        none(probe, no_http2(Fault::Timeout));
        none(probe, no_http2(Fault::Timeout).with(Check::Http, Vary::Alpn(Alpn::Http1), answer(404)));
        none(probe, Scene::grpc().plain(answer(200)));
    }
}
