//! TLS is spoken on both sides and not agreed on.

use model::Word as _;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Fault, Stage, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "tls-failed",
    number: 904,
    severity: Severity::Critical,
    manual: Manual {
        title: text("TLS is not agreed on", "TLS 未能建立"),
        symptoms: text(
            "`handshake_failure`, `protocol_version`, `certificate_required`; or the connection ends, or \
             hangs, in the middle of TLS.",
            "`handshake_failure`、`protocol_version`、`certificate_required`；或连接在 TLS \
             过程中结束或卡住。",
        ),
        evidence: text(
            "TCP is made, and TLS fails: the server's alert says why, or it ends the connection, or \
             nothing comes.",
            "TCP 已建立而 TLS 失败：服务器的告警说明原因，或它结束了连接，或没有任何回应。",
        ),
        look_alikes: text(
            "`tls-cert-expired-or-untrusted`, `tls-name-or-vhost-mismatch`: the certificate. \
             `tls-plaintext-mismatch`: the port does not speak TLS. `mtu-blackhole`: large packets \
             vanish, TLS hangs.",
            "`tls-cert-expired-or-untrusted`、`tls-name-or-vhost-mismatch`：证书问题；\
             `tls-plaintext-mismatch`：端口不使用 TLS；`mtu-blackhole`：大报文丢失，TLS 卡住。",
        ),
        fix: text(
            "By the alert: `protocol_version`, `handshake_failure`, `insufficient_security`: allow TLS \
             1.2 and 1.3 with current suites; `certificate_required`, `bad_certificate`: the server wants \
             a certificate of the client; `internal_error`: its log. Then run the diagnosis again.",
            "按告警处理：`protocol_version`、`handshake_failure`、`insufficient_security`：允许 TLS 1.2 \
             与 1.3 及现行套件；`certificate_required`、`bad_certificate`：服务器要求客户端证书；\
             `internal_error`：查看其日志。然后重新诊断。",
        ),
        sources: &["RFC 8446, section 6.2 (alerts)"],
    },
    phrases: &[
        phrase("alert", "The server refuses with the alert {alert}", "服务器以告警 {alert} 拒绝"),
        phrase(
            "ended",
            "The connection ended in the middle of TLS after {seconds} ({fault})",
            "连接在 TLS 过程中于{seconds}后结束（{fault}）",
        ),
        phrase(
            "silent",
            "TCP was made, and TLS was not answered in {seconds}",
            "TCP 已建立，但 TLS 在{seconds}内没有回应",
        ),
        phrase("other", "TLS failed: {detail}", "TLS 失败：{detail}"),
        phrase("agreed_without", "With another {field} TLS is agreed on", "改变 {field} 后 TLS 可以建立"),
        phrase(
            "filter",
            "something on the way may end it, by the name that is asked for",
            "途中的设备可能按所请求的名称将其结束",
        ),
        phrase("mtu", "`mtu-blackhole`: large packets may vanish", "`mtu-blackhole`：大报文可能丢失"),
        phrase("hang", "what listens there may hang, or not speak TLS", "监听的程序可能卡住，或不使用 TLS"),
        phrase(
            "client",
            "the client's offer may be too old or too new",
            "客户端所提供的版本或套件可能过旧或过新",
        ),
        phrase(
            "show",
            "See it step by step: `openssl s_client -connect {address} -servername {host} -state`",
            "逐步查看：`openssl s_client -connect {address} -servername {host} -state`",
        ),
        phrase(
            "fix_offer",
            "In what ends TLS for {host}: allow TLS 1.2 and 1.3 with current suites",
            "在为 {host} 终止 TLS 的组件中：允许 TLS 1.2 与 1.3 及现行套件",
        ),
        phrase(
            "fix_client_certificate",
            "In the client: send the certificate that the server asks for",
            "在客户端：发送服务器要求的证书",
        ),
        phrase(
            "fix_log",
            "In what ends TLS for {host}: its log says why",
            "在为 {host} 终止 TLS 的组件中：其日志会说明原因",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain()?;
    let stage = plain.failed().filter(|stage| stage.name == StageName::Tls)?;
    let fault = stage.fault?;
    let host = seen.target.host.as_str();
    let about = |code: &'static str| Said::new(code).with("host", host);
    let alert = plain.tls.as_ref().and_then(|tls| tls.alert.as_deref());
    let agreeing = agreeing(seen).map(|field| Said::new("agreed_without").with("field", field));
    let is_explained = agreeing.is_some();
    let ended = || Said::new("ended").seconds("seconds", stage.seconds).with("fault", fault.as_str());
    let claim = |decisive: Said| Claim::of(&CAUSE, Place::Upstream, decisive).corroborated(agreeing.clone());
    let claim = match (fault, alert) {
        (Fault::Alert, Some(alert)) => {
            let fix = if alert.to_ascii_lowercase().contains("certificate") {
                "fix_client_certificate"
            } else {
                "fix_offer"
            };
            let claim = claim(Said::new("alert").with("alert", alert))
                .unless((!is_explained).then(|| Said::new("client")));
            if fix == "fix_offer" { claim.fix(about(fix)) } else { claim.fix(Said::new(fix)) }
        }
        (Fault::Ended | Fault::Reset, _) => {
            claim(ended()).unless((!is_explained).then(|| Said::new("filter")))
        }
        (Fault::Timeout, _) => claim(Said::new("silent").seconds("seconds", stage.seconds))
            .unless(Said::new("mtu"))
            .unless(Said::new("hang"))
            .suspected(),
        (Fault::OtherProtocol, _) => return None,
        _ => claim(Said::new("other").with("detail", said_by(stage))).unless(Said::new("client")),
    };
    let address = format!("{host}:{}", seen.target.port);
    Some(claim.next(about("show").with("address", address)).fix(about("fix_log")).finding())
}

/// The part of the request that differs in an attempt whose TLS was agreed on.
fn agreeing(seen: &Examination) -> Option<&'static str> {
    let agreed =
        |attempt: &&Attempt| attempt.stage(StageName::Tls).is_some_and(|stage| stage.fault.is_none());
    let attempts = seen.attempts.iter().filter(|attempt| attempt.experiment.via == Via::Url).filter(agreed);
    attempts.filter_map(|attempt| attempt.experiment.vary.as_ref()?.field()).next()
}

fn said_by(stage: &Stage) -> &str {
    match stage.detail.as_str() {
        "" => stage.fault.map_or("-", |fault| fault.as_str()),
        detail => detail,
    }
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Tls;
    use crate::experiment::{Alpn, Vary};
    use crate::scene::{Scene, answer, fails, found, none};

    fn alert(name: &str) -> Scene {
        let tls = Some(Tls { alert: Some(name.to_owned()), ..Tls::default() });
        Scene::websocket()
            .tls()
            .attempt(Attempt { tls, ..fails(Via::Url, None, StageName::Tls, Fault::Alert, 0.01) })
    }

    fn failing(fault: Fault) -> Scene {
        Scene::websocket().tls().plain_fails(StageName::Tls, fault, 0.01)
    }

    #[test]
    fn how_it_failed_is_told() {
        assert_eq!(found(probe, alert("HandshakeFailure"), Level::Medium).fixes[0].text.code, "fix_offer");
        let wanted = found(probe, alert("CertificateRequired"), Level::Medium);
        assert_eq!(wanted.fixes[0].text.code, "fix_client_certificate");
        found(probe, failing(Fault::Reset), Level::Medium);
        found(probe, failing(Fault::Timeout), Level::Low);
        let detailed = fails(Via::Url, None, StageName::Tls, Fault::Protocol, 0.01).detail("decrypt error");
        found(probe, Scene::websocket().tls().attempt(detailed), Level::Medium);
    }

    #[test]
    fn one_thing_decides() {
        let agreed = fails(Via::Url, Some(Vary::Alpn(Alpn::None)), StageName::Http, Fault::Ended, 0.01);
        found(probe, failing(Fault::Reset).attempt(agreed), Level::High);
    }

    #[test]
    fn other_stages_are_another_matter() {
        none(probe, failing(Fault::OtherProtocol));
        none(probe, Scene::websocket().tls().plain_fails(StageName::Tcp, Fault::Refused, 0.01));
        none(probe, Scene::websocket().tls().plain(answer(101)));
    }
}
