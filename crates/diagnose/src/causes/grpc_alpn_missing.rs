//! TLS is terminated by something that does not agree on HTTP/2.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::Protocol;

use crate::attempt::{Fault, StageName};
use crate::claim::Claim;
use crate::examination::Examination;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-alpn-missing",
    number: 707,
    severity: Severity::Critical,
    manual: Manual {
        title: text("TLS does not agree on HTTP/2 (ALPN)", "TLS 没有协商 HTTP/2（ALPN）"),
        symptoms: text(
            "`missing selected ALPN property` since grpc-go 1.67.",
            "grpc-go 1.67 起出现 `missing selected ALPN property`。",
        ),
        evidence: text(
            "The client offers h2, TLS is agreed on, and the server selects no protocol.",
            "客户端提供 h2，TLS 协商成功，但服务器没有选择任何协议。",
        ),
        look_alikes: text(
            "`grpc-http1-or-plaintext-endpoint`: the server does select, http/1.1.",
            "`grpc-http1-or-plaintext-endpoint`：服务器选择了 http/1.1。",
        ),
        fix: text(
            "Let what terminates TLS offer h2: nginx `http2 on;` (stream: `ssl_alpn h2;`), HAProxy `bind … ssl alpn h2`, AWS NLB an ALPN policy. For the time between: `GRPC_ENFORCE_ALPN_ENABLED=false`. Then `openssl s_client -alpn h2` must say `ALPN protocol: h2`.",
            "让终止 TLS 的一端提供 h2：nginx `http2 on;`（stream：`ssl_alpn h2;`）、HAProxy `bind … ssl alpn h2`、AWS NLB 的 ALPN 策略。临时措施：`GRPC_ENFORCE_ALPN_ENABLED=false`。之后 `openssl s_client -alpn h2` 应显示 `ALPN protocol: h2`。",
        ),
        sources: &["RFC 9113, section 3.2", "RFC 7301", "https://github.com/grpc/grpc-go/issues/7922"],
    },
    phrases: &[
        phrase(
            "none_selected",
            "TLS was agreed on, h2 was offered, and the server selected no protocol",
            "TLS 协商成功且提供了 h2，但服务器没有选择协议",
        ),
        phrase(
            "offer_h2",
            "Where TLS ends: offer h2; then `openssl s_client -alpn h2 -connect HOST:PORT` must say `ALPN \
             protocol: h2`",
            "在终止 TLS 处：提供 h2；之后 `openssl s_client -alpn h2 -connect 主机:端口` 应显示 `ALPN protocol: h2`",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|_| seen.target.protocol == Protocol::Grpc && seen.target.is_tls)?;
    let is_selected = plain.tls.as_ref().is_none_or(|tls| tls.alpn.is_some());
    let is_agreed =
        plain.stage(StageName::Tls).is_some_and(|stage| matches!(stage.fault, None | Some(Fault::Alpn)));
    let is_refused = plain.tls.as_ref().is_some_and(|tls| tls.alert.is_some());
    if is_selected || !is_agreed || is_refused {
        return None;
    }
    Some(
        Claim::of(&CAUSE, Place::UpstreamLeg, Said::new("none_selected"))
            .proven()
            .fix(Said::new("offer_h2"))
            .finding(),
    )
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Tls;
    use crate::experiment::Via;
    use crate::scene::{Scene, fails, found, none};

    fn agreed_on(alpn: Option<&str>, fault: Fault) -> Scene {
        let mut attempt = fails(Via::Url, None, StageName::Tls, fault, 0.01);
        attempt.tls = Some(Tls { alpn: alpn.map(str::to_owned), ..Tls::default() });
        Scene::grpc().tls().attempt(attempt)
    }

    #[test]
    fn no_protocol_is_selected() {
        found(probe, agreed_on(None, Fault::Alpn), Level::High);
        none(probe, agreed_on(Some("http/1.1"), Fault::Alpn));
        none(probe, agreed_on(None, Fault::Timeout));
    }
}
