//! The name that is asked for is not one that the server has: its certificate or its site is another's.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Fault, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Check, Vary, Via};
use crate::openings::{self, Straight};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "tls-name-or-vhost-mismatch",
    number: 110,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the server answers for another name", "服务器以另一个名称应答"),
        symptoms: text(
            "`ERR_CERT_COMMON_NAME_INVALID`; or a valid certificate and another site's 404 or 421, often \
             when connecting by address or by an alias.",
            "`ERR_CERT_COMMON_NAME_INVALID`；或者证书有效，却得到另一站点的 404 或 421，常见于用 IP \
             地址或别名连接。",
        ),
        evidence: text(
            "The certificate's names lack the host; or the server refuses the name (alert \
             `unrecognized_name`, status 421); or the same request opens with another `Host`.",
            "证书的名称中没有该主机；或服务器拒绝该名称（告警 `unrecognized_name`、状态 421）；\
             或同一请求换一个 `Host` 即可打开。",
        ),
        look_alikes: text(
            "`ws-path-mismatch-404`: 404 whatever the host. `tls-cert-expired-or-untrusted`: the names \
             are right.",
            "`ws-path-mismatch-404`：与主机无关，均为 404；`tls-cert-expired-or-untrusted`：名称正确。",
        ),
        fix: text(
            "Add the host to the certificate (subjectAltName) and to the server's names (nginx \
             `server_name`), or let clients use a name that is there. A proxy that speaks TLS to the \
             service must send its name: nginx `proxy_ssl_server_name on` (it is off by default) and \
             `proxy_ssl_name`. Then run the diagnosis again.",
            "把该主机加入证书（subjectAltName）与服务器名称（nginx `server_name`），\
             或让客户端使用已有的名称。以 TLS 连接服务的代理必须发送名称：nginx `proxy_ssl_server_name \
             on`（默认关闭）与 `proxy_ssl_name`。然后重新诊断。",
        ),
        sources: &[
            "RFC 9525, section 6 (names in certificates)",
            "RFC 6066, section 3 (server name indication)",
            "RFC 9110, section 15.5.20 (421)",
            "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ssl_server_name",
        ],
    },
    phrases: &[
        phrase(
            "not_for_name",
            "The certificate is for {names}, not for {host}",
            "证书用于 {names}，而不是 {host}",
        ),
        phrase("no_names", "The certificate names no host at all", "证书没有包含任何主机名"),
        phrase(
            "unrecognized",
            "The server does not know the name {host} (TLS alert `unrecognized_name`)",
            "服务器不认识名称 {host}（TLS 告警 `unrecognized_name`）",
        ),
        phrase(
            "misdirected",
            "The answer is 421: the server does not answer for {host}",
            "应答为 421：服务器不为 {host} 提供服务",
        ),
        phrase("refused", "For {host} the answer is {status}", "对 {host} 的应答为 {status}"),
        phrase(
            "other_opens",
            "With `Host: {other}` the same request opens",
            "改用 `Host: {other}` 时同样的请求可以打开",
        ),
        phrase(
            "other_certificate",
            "Without a server name in TLS (SNI) another certificate comes: {names}",
            "TLS 不带服务器名称（SNI）时得到另一张证书：{names}",
        ),
        phrase(
            "without_name_agrees",
            "Without a server name in TLS (SNI) it is agreed on",
            "TLS 不带服务器名称（SNI）时可以建立",
        ),
        phrase(
            "straight_opens",
            "Straight to {upstream} the same `Host` opens",
            "直接连接 {upstream} 时同样的 `Host` 可以打开",
        ),
        phrase(
            "vary_name",
            "Try without SNI and with another `Host`: `--checks host`",
            "去掉 SNI、更换 `Host` 再试：`--checks host`",
        ),
        phrase(
            "add_name",
            "In what ends TLS: add {host} to the certificate and to the server's names",
            "在终止 TLS 的组件中：把 {host} 加入证书与服务器名称",
        ),
        phrase(
            "add_host",
            "In the hop that answers: add {host} to its names, or set the `Host` that it passes on to \
             {other}",
            "在应答的一跳：把 {host} 加入其名称，或将转发的 `Host` 设为 {other}",
        ),
        phrase("nginx", "server_name {host};", "server_name {host};"),
        phrase(
            "hop_answers",
            "The answer is {status}, and straight to {upstream} the same opens in TLS",
            "应答为 {status}，而直接以 TLS 连接 {upstream} 可以打开",
        ),
        phrase(
            "refuses_nameless",
            "Without a server name in TLS (SNI) {upstream} agrees on nothing",
            "TLS 不带服务器名称（SNI）时 {upstream} 拒绝建立",
        ),
        phrase(
            "other_reason",
            "the hop sends a name, and fails at the service for another reason",
            "该跳带有名称，而因其他原因无法连接服务",
        ),
        phrase(
            "read_hop",
            "Read the error log of the hop in between at that instant: it names the TLS alert",
            "查看中间一跳当时的错误日志：其中有 TLS 告警",
        ),
        phrase(
            "send_name",
            "In the hop in between: send the name of the service in TLS",
            "在中间一跳：在 TLS 中发送服务的名称",
        ),
        phrase(
            "nginx_name",
            "proxy_ssl_server_name on;\nproxy_ssl_name {host};",
            "proxy_ssl_server_name on;\nproxy_ssl_name {host};",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|plain| !plain.is_open())?;
    wrong_certificate(seen, plain)
        .or_else(|| refused_name(seen, plain))
        .or_else(|| other_host(seen, plain))
        .or_else(|| nameless_hop(seen, plain))
}

/// A gateway fails at a service that opens straight in TLS, and not without a server name: nginx sends none by default.
fn nameless_hop(seen: &Examination, plain: &Attempt) -> Option<Finding> {
    let status = plain.status().filter(|status| matches!(status, 500..=599))?;
    seen.direct().filter(|direct| direct.is_open() && direct.tls.is_some())?;
    openings::failed(seen.direct_with(&Vary::NoServerName)?, StageName::Tls)?;
    let (host, upstream) = (seen.target.host.as_str(), seen.target.direct.as_deref().unwrap_or_default());
    let answers = Said::new("hop_answers").with("status", status).with("upstream", upstream);
    let claim = Claim::of(&CAUSE, Place::UpstreamLeg, answers)
        .corroborated(Said::new("refuses_nameless").with("upstream", upstream))
        .noted(openings::product(plain.answer.as_ref()?))
        .unless(Said::new("other_reason"))
        .next(Said::new("read_hop"))
        .fix_by(Said::new("send_name"), Said::new("nginx_name").with("host", host));
    Some(claim.finding())
}

fn wrong_certificate(seen: &Examination, plain: &Attempt) -> Option<Finding> {
    let certificate = plain.tls.as_ref()?.certificate.as_ref()?;
    let is_refused = openings::failed(plain, StageName::Tls) == Some(Fault::Certificate);
    if !is_refused || certificate.is_for_name {
        return None;
    }
    let host = seen.target.host.as_str();
    let decisive = match certificate.names.as_slice() {
        [] => Said::new("no_names"),
        names => Said::new("not_for_name").with("names", listed(names)).with("host", host),
    };
    let unnamed =
        seen.with(&Vary::NoServerName).and_then(|attempt| attempt.tls.as_ref()?.certificate.as_ref());
    let other = unnamed.filter(|other| other.names != certificate.names && !other.names.is_empty());
    let other = other.map(|other| Said::new("other_certificate").with("names", listed(&other.names)));
    let claim = Claim::of(&CAUSE, Place::Upstream, decisive).proven().corroborated(other);
    Some(
        claim
            .fix_by(Said::new("add_name").with("host", host), Said::new("nginx").with("host", host))
            .finding(),
    )
}

fn refused_name(seen: &Examination, plain: &Attempt) -> Option<Finding> {
    let host = seen.target.host.as_str();
    let alert =
        plain.tls.as_ref().and_then(|tls| tls.alert.as_deref()).unwrap_or_default().to_ascii_lowercase();
    let decisive = match plain.status() {
        Some(421) => Said::new("misdirected"),
        _ if alert.replace('_', "") == "unrecognizedname" => Said::new("unrecognized"),
        _ => return None,
    };
    let unnamed =
        seen.with(&Vary::NoServerName).filter(|attempt| attempt.answer.is_some() || attempt.is_open());
    let claim = Claim::of(&CAUSE, Place::Upstream, decisive.with("host", host))
        .proven()
        .corroborated(unnamed.map(|_| Said::new("without_name_agrees")))
        .fix_by(Said::new("add_name").with("host", host), Said::new("nginx").with("host", host));
    Some(claim.finding())
}

/// The same request opens with another `Host`.
fn other_host(seen: &Examination, plain: &Attempt) -> Option<Finding> {
    let status = plain.status()?;
    let other = seen.of(Check::Host, Via::Url).find_map(|attempt| match &attempt.experiment.vary {
        Some(Vary::Host(other)) if attempt.is_open() => Some(other.as_str()),
        _ => None,
    })?;
    let host = seen.target.host.as_str();
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let straight = openings::straight(seen);
    let place = if straight.is_alike() { Place::Upstream } else { Place::UpstreamLeg };
    let opens = matches!(straight, Straight::Opens(_))
        .then(|| Said::new("straight_opens").with("upstream", upstream));
    let answer = plain.answer.as_ref()?;
    let claim = Claim::of(&CAUSE, place, Said::new("refused").with("host", host).with("status", status))
        .corroborated(Said::new("other_opens").with("other", other))
        .noted(opens)
        .noted(openings::fails_straight_too(seen))
        .noted(openings::product(answer))
        .fix_by(
            Said::new("add_host").with("host", host).with("other", other),
            Said::new("nginx").with("host", host),
        );
    Some(claim.finding())
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut list = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        list.push_str(", …");
    }
    list
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Certificate, Tls};
    use crate::scene::{Scene, answer, fails, found, greeting, none, shows};

    fn of(name: &str) -> Certificate {
        Certificate {
            names: vec![name.to_owned()],
            ends_in_seconds: 5e6,
            refused: Some("NotValidForName".into()),
            ..Certificate::default()
        }
    }

    #[test]
    fn a_certificate_for_another_name() {
        found(probe, Scene::websocket().tls().attempt(shows(of("other.example"), None)), Level::High);
        found(probe, Scene::websocket().tls().attempt(shows(Certificate::default(), None)), Level::High);
        let scene = Scene::websocket().tls().attempt(shows(of("other.example"), None));
        let scene = scene.attempt(shows(of("fallback.example"), Some(Vary::NoServerName)));
        assert_eq!(found(probe, scene, Level::High).evidence.len(), 2);
    }

    #[test]
    fn a_server_that_refuses_the_name() {
        let tls = Some(Tls { alert: Some("UnrecognizedName".into()), ..Tls::default() });
        let alert = Attempt { tls, ..fails(Via::Url, None, StageName::Tls, Fault::Alert, 0.01) };
        found(probe, Scene::websocket().tls().attempt(alert), Level::High);
        found(probe, Scene::websocket().tls().plain(answer(421)), Level::High);
    }

    #[test]
    fn the_host_alone_decides() {
        let other = Vary::Host("chat.internal".into());
        let scene = || Scene::websocket().direct("10.0.3.7:80").plain(answer(404));
        assert_eq!(
            found(probe, scene().with(Check::Host, other.clone(), answer(101)), Level::High).place,
            Place::UpstreamLeg
        );
        none(probe, scene().with(Check::Host, other, answer(404)));
    }

    #[test]
    fn a_hop_that_does_not_tell_the_name() {
        let nameless = |stage, fault| fails(Via::Direct, Some(Vary::NoServerName), stage, fault, 0.01);
        let direct = || greeting(Check::Handshake, Via::Direct, None, answer(101)).agreed("http/1.1");
        let scene = || Scene::websocket().direct("10.0.3.7:443").plain(answer(502)).attempt(direct());
        let refused = scene().attempt(nameless(StageName::Tls, Fault::Alert));
        assert_eq!(found(probe, refused, Level::Medium).place, Place::UpstreamLeg);
        none(probe, scene().attempt(nameless(StageName::Http, Fault::Timeout)));
        none(probe, scene());
    }

    #[test]
    fn a_right_name_is_another_matter() {
        none(
            probe,
            Scene::websocket()
                .tls()
                .attempt(shows(Certificate { is_for_name: true, ..of("example.com") }, None)),
        );
        let tls = Some(Tls { alert: Some("HandshakeFailure".into()), ..Tls::default() });
        let alert = Attempt { tls, ..fails(Via::Url, None, StageName::Tls, Fault::Alert, 0.01) };
        none(probe, Scene::websocket().tls().attempt(alert));
        let other = Vary::Host("heartline.invalid".into());
        none(probe, Scene::websocket().plain(answer(101)).with(Check::Host, other, answer(404)));
    }
}
