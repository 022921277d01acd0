//! TLS is spoken to a plain port, or the reverse.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Answer, Attempt, Fault, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Vary;
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "tls-plaintext-mismatch",
    number: 112,
    severity: Severity::Critical,
    manual: Manual {
        title: text("TLS is spoken to a plain port, or the reverse", "对明文端口使用了 TLS，或者相反"),
        symptoms: text(
            "`wrong version number`, `record layer failure`, `ERR_SSL_PROTOCOL_ERROR`; `The plain HTTP \
             request was sent to HTTPS port`.",
            "`wrong version number`、`record layer failure`、`ERR_SSL_PROTOCOL_ERROR`；`The plain HTTP \
             request was sent to HTTPS port`。",
        ),
        evidence: text(
            "What was spoken gets no answer in kind, and the other one does on the same port.",
            "所用协议得不到相应的应答，而在同一端口上用另一种协议可以。",
        ),
        look_alikes: text(
            "`not-the-protocol`: neither of the two is understood there. `tls-failed`: TLS is spoken on \
             both sides and not agreed on.",
            "`not-the-protocol`：两种协议在该端口都无效；`tls-failed`：双方都使用 TLS 但未能建立。",
        ),
        fix: text(
            "Correct the scheme or the port in the client (`wss` and 443, `ws` and 80), or end TLS where \
             the port promises it (nginx: `listen 443 ssl`). A proxy must speak to the service what the \
             service speaks (`proxy_pass http:` or `https:`). Then run the diagnosis again.",
            "在客户端改正协议或端口（`wss` 对 443，`ws` 对 80），或在该端口终止 TLS（nginx：`listen 443 \
             ssl`）。代理与服务之间也要使用服务所用的协议（`proxy_pass http:` 或 `https:`）。然后重新诊断。",
        ),
        sources: &["RFC 8446, section 5.1 (the first byte of a record)", "RFC 6455, section 3 (ws and wss)"],
    },
    phrases: &[
        phrase("no_tls", "Port {port} does not answer TLS with TLS", "端口 {port} 对 TLS 没有以 TLS 应答"),
        phrase("no_http", "Port {port} does not answer plain HTTP", "端口 {port} 对明文 HTTP 没有应答"),
        phrase(
            "says_so",
            "The answer ({status}) says that the port wants TLS",
            "应答（{status}）说明该端口需要 TLS",
        ),
        phrase(
            "speaks_plain",
            "In the clear the same port answers HTTP ({status})",
            "同一端口以明文应答 HTTP（{status}）",
        ),
        phrase("speaks_tls", "With TLS the same port answers", "同一端口以 TLS 应答"),
        phrase(
            "other_protocol",
            "`not-the-protocol`: something else may listen there",
            "`not-the-protocol`：该端口上可能是其他协议",
        ),
        phrase("try_other", "Try the other scheme: {url}", "尝试另一种协议：{url}"),
        phrase(
            "use_other",
            "In the client: {url} in place of {old}; or change what the port speaks",
            "在客户端中：把 {old} 改为 {url}；或改变该端口所用的协议",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|plain| !plain.is_open())?;
    let target = &seen.target;
    let other = seen.with(&Vary::OtherScheme);
    let port = |code: &'static str| Said::new(code).with("port", target.port);
    let wants_tls = plain.answer.as_ref().filter(|answer| says_tls(answer));
    let (decisive, flip) = if target.is_tls {
        let fault = openings::failed(plain, StageName::Tls)?;
        let spoken = other.and_then(|other| other.answer.as_ref()).filter(|answer| !says_tls(answer));
        let is_strange = fault == Fault::OtherProtocol;
        let may_be = matches!(fault, Fault::Protocol | Fault::Ended | Fault::Reset | Fault::Timeout);
        let is_concerned = is_strange || (may_be && spoken.is_some());
        if !is_concerned {
            return None;
        }
        (port("no_tls"), spoken.map(|answer| Said::new("speaks_plain").with("status", answer.status)))
    } else {
        let fault =
            [StageName::Http, StageName::Http2].into_iter().find_map(|stage| openings::failed(plain, stage));
        let is_unanswered = plain.answer.is_none() && fault.is_some();
        let spoken = other.is_some_and(speaks_tls);
        match wants_tls {
            Some(answer) => {
                (Said::new("says_so").with("status", answer.status), spoken.then(|| Said::new("speaks_tls")))
            }
            None if is_unanswered && spoken => (port("no_http"), Some(Said::new("speaks_tls"))),
            None => return None,
        }
    };
    let url = other_url(target.protocol, target.is_tls, &target.url);
    let is_open_question = flip.is_none() && wants_tls.is_none();
    Some(
        Claim::of(&CAUSE, Place::Client, decisive)
            .corroborated(flip)
            .unless(is_open_question.then(|| Said::new("other_protocol")))
            .next(Said::new("try_other").with("url", url.as_str()))
            .fix(Said::new("use_other").with("url", url).with("old", target.url.as_str()))
            .finding(),
    )
}

/// A server of TLS explains why it does not answer in the clear.
fn says_tls(answer: &Answer) -> bool {
    let names = answer.says(&["https", "tls", "ssl"]);
    answer.status == 400 && names && answer.says(&["plain http", "http request", "non-tls", "plaintext"])
}

/// TLS was understood there, whether or not it was agreed on.
fn speaks_tls(attempt: &Attempt) -> bool {
    let tls = attempt.stage(StageName::Tls);
    let is_answer = |fault| matches!(fault, None | Some(Fault::Certificate | Fault::Alert | Fault::Alpn));
    attempt.answer.is_some() || tls.is_some_and(|stage| is_answer(stage.fault))
}

fn other_url(protocol: Protocol, is_tls: bool, url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let scheme = match (protocol, is_tls) {
        (Protocol::WebSocket, true) => "ws",
        (Protocol::WebSocket, false) => "wss",
        (Protocol::Sse, true) => "http",
        (Protocol::Sse, false) => "https",
        (Protocol::Grpc, true) => "grpc",
        (Protocol::Grpc, false) => "grpcs",
    };
    format!("{scheme}://{rest}")
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::experiment::{Check, Via};
    use crate::scene::{Scene, answer, fails, found, none};

    const PAGE: &str = "<html>The plain HTTP request was sent to HTTPS port";

    fn in_tls(fault: Fault) -> Scene {
        Scene::websocket().tls().plain_fails(StageName::Tls, fault, 0.01)
    }

    #[test]
    fn tls_to_a_plain_port() {
        let plainly = |scene: Scene, status| scene.with(Check::Http, Vary::OtherScheme, answer(status));
        found(probe, plainly(in_tls(Fault::OtherProtocol), 101), Level::High);
        found(probe, plainly(in_tls(Fault::Ended), 404), Level::High);
        assert_eq!(
            found(probe, in_tls(Fault::OtherProtocol), Level::Medium).not_excluded[0].code,
            "other_protocol"
        );
        none(probe, in_tls(Fault::Ended));
    }

    #[test]
    fn plain_to_a_port_of_tls() {
        let secret = fails(Via::Url, Some(Vary::OtherScheme), StageName::Tls, Fault::Certificate, 0.01);
        let silent = || Scene::websocket().plain_fails(StageName::Http, Fault::Ended, 0.01);
        found(probe, silent().attempt(secret), Level::High);
        none(probe, silent());
        assert!(
            found(probe, Scene::websocket().plain(answer(400).body(PAGE)), Level::Medium)
                .not_excluded
                .is_empty()
        );
        let says = answer(400).body("Client sent an HTTP request to an HTTPS server.");
        found(
            probe,
            Scene::websocket().plain(says).with(Check::Http, Vary::OtherScheme, answer(101)),
            Level::High,
        );
    }

    #[test]
    fn tls_that_fails_is_another_matter() {
        let still_tls = in_tls(Fault::Reset).with(Check::Http, Vary::OtherScheme, answer(400).body(PAGE));
        none(probe, still_tls);
        none(probe, in_tls(Fault::Certificate).with(Check::Http, Vary::OtherScheme, answer(301)));
        none(probe, Scene::websocket().plain(answer(400).body("Bad Request")));
        none(probe, Scene::websocket().plain(answer(101)).with(Check::Http, Vary::OtherScheme, answer(301)));
    }
}
