//! Something else speaks on this port.

use model::Word as _;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Fault;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Vary;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "not-the-protocol",
    number: 905,
    severity: Severity::Critical,
    manual: Manual {
        title: text("something else speaks on this port", "该端口上是另一种协议"),
        symptoms: text(
            "`Invalid HTTP response`, `malformed`, `bad record`.",
            "`Invalid HTTP response`、`malformed`、`bad record`。",
        ),
        evidence: text(
            "The first bytes that come belong to no HTTP and no TLS.",
            "收到的首批字节既不属于 HTTP 也不属于 TLS。",
        ),
        look_alikes: text(
            "`tls-plaintext-mismatch`: the other scheme is answered.",
            "`tls-plaintext-mismatch`：另一种协议可以得到应答。",
        ),
        fix: text(
            "Correct the port in the URL, or in the rule that forwards it. Then run the diagnosis again.",
            "改正 URL 或转发规则中的端口。然后重新诊断。",
        ),
        sources: &["RFC 9112, section 4 (status line)", "RFC 8446, section 5.1"],
    },
    phrases: &[
        phrase(
            "first_bytes",
            "What came first on port {port} is not what was spoken ({stage}): {detail}",
            "端口 {port} 上首先收到的内容与所用协议（{stage}）不符：{detail}",
        ),
        phrase("other_scheme_too", "The other scheme is not answered either", "另一种协议同样得不到应答"),
        phrase(
            "other_scheme",
            "`tls-plaintext-mismatch`: the other scheme may be meant",
            "`tls-plaintext-mismatch`：可能应使用另一种协议",
        ),
        phrase(
            "look",
            "See what is there: `nc {host} {port}`, and on the machine `ss -ltnp`",
            "查看该端口上是什么：`nc {host} {port}`，并在目标机器上执行 `ss -ltnp`",
        ),
        phrase(
            "port",
            "In the client, or in the hop that forwards: correct the port {port}",
            "在客户端或转发的一跳中：改正端口 {port}",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain()?;
    let stage = plain.failed().filter(|stage| stage.fault == Some(Fault::OtherProtocol))?;
    let other = seen.with(&Vary::OtherScheme);
    let is_other_scheme = other.is_some_and(|other| other.answer.is_some() || other.is_open());
    if is_other_scheme {
        return None;
    }
    let detail = if stage.detail.is_empty() { "-" } else { &stage.detail };
    let port = seen.target.port;
    let decisive =
        Said::new("first_bytes").with("port", port).with("stage", stage.name.as_str()).with("detail", detail);
    Some(
        Claim::of(&CAUSE, Place::Upstream, decisive)
            .corroborated(other.map(|_| Said::new("other_scheme_too")))
            .unless(other.is_none().then(|| Said::new("other_scheme")))
            .next(Said::new("look").with("host", seen.target.host.as_str()).with("port", port))
            .fix(Said::new("port").with("port", port))
            .finding(),
    )
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::StageName;
    use crate::experiment::{Check, Via};
    use crate::scene::{Scene, answer, fails, found, none};

    fn strange() -> Scene {
        let plain = fails(Via::Url, None, StageName::Http, Fault::OtherProtocol, 0.01);
        Scene::websocket().attempt(plain.detail("invalid HTTP version: SSH-2.0-OpenSSH_9.6"))
    }

    #[test]
    fn neither_scheme_is_answered() {
        found(probe, strange(), Level::Medium);
        let other = fails(Via::Url, Some(Vary::OtherScheme), StageName::Tls, Fault::OtherProtocol, 0.01);
        found(probe, strange().attempt(other), Level::High);
    }

    #[test]
    fn the_other_scheme_is_another_matter() {
        none(probe, strange().with(Check::Http, Vary::OtherScheme, answer(101)));
        none(probe, Scene::websocket().plain_fails(StageName::Http, Fault::Ended, 0.01));
        none(probe, Scene::websocket().plain(answer(101)));
    }
}
