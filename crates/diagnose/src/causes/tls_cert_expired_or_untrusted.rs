//! The certificate is out of its time, or its chain leads to nobody who is trusted.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Certificate, Fault, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "tls-cert-expired-or-untrusted",
    number: 109,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the certificate is expired or not trusted", "证书已过期或不受信任"),
        symptoms: text(
            "Everything fails from one moment on (`ERR_CERT_DATE_INVALID`, close code 1006 in browsers); \
             or browsers connect and Node, Java and mobile clients do not, since desktop browsers fetch a \
             missing intermediate by themselves.",
            "从某一时刻起全部失败（浏览器显示 `ERR_CERT_DATE_INVALID`，关闭码 1006）；\
             或者浏览器可以连接而 Node、Java、移动客户端不行，因为桌面浏览器会自行补全缺失的中间证书。",
        ),
        evidence: text(
            "TLS fails on the certificate: its time is over or has not begun, it signed itself, or no \
             trusted issuer is found for the chain that was sent.",
            "TLS 在证书处失败：证书已过期或尚未生效、为自签名，或根据所发送的证书链找不到受信任的签发者。",
        ),
        look_alikes: text(
            "The clock of one machine is wrong: only there it fails. A private authority: its root is \
             missing in this machine's store, not in the clients'. `tls-name-or-vhost-mismatch`: the \
             names differ.",
            "某台机器的时钟错误：只在该机失败；私有 CA：根证书不在本机的信任库中，而客户端有；\
             `tls-name-or-vhost-mismatch`：名称不符。",
        ),
        fix: text(
            "Renew the certificate and reload each place that ends TLS; serve the full chain (nginx: \
             `ssl_certificate` with leaf and intermediates in that order). Watch the end of each \
             certificate: warn 21 days before. Then run the diagnosis again: TLS must be agreed on.",
            "更新证书并重新加载每一处终止 TLS 的组件；发送完整证书链（nginx：`ssl_certificate` \
             依次包含叶证书与中间证书）。监控证书到期时间，提前 21 天告警。然后重新诊断：TLS 应能建立。",
        ),
        sources: &[
            "RFC 5280, sections 4.1.2.5 and 6",
            "RFC 8446, section 4.4.2 (the chain that a server sends)",
            "https://nginx.org/en/docs/http/configuring_https_servers.html#chains",
        ],
    },
    phrases: &[
        phrase("expired_title", "the certificate has expired", "证书已过期"),
        phrase("early_title", "the certificate is not valid yet", "证书尚未生效"),
        phrase("self_signed_title", "the certificate signed itself", "证书为自签名"),
        phrase("chain_title", "the chain of the certificate is incomplete", "证书链不完整"),
        phrase("issuer_title", "nobody trusted issued the certificate", "证书的签发者不受信任"),
        phrase("expired", "The certificate ended {ago} ago", "证书已于 {ago}前到期"),
        phrase("early", "The certificate begins in {ahead}", "证书将在 {ahead}后生效"),
        phrase("self_signed", "The certificate was issued by itself: {issuer}", "证书由自身签发：{issuer}"),
        phrase(
            "chain",
            "The certificate came alone, without its issuer {issuer}",
            "证书单独发送，没有附带签发者 {issuer} 的证书",
        ),
        phrase(
            "issuer",
            "{count} certificates came, and none leads to a trusted root; the issuer is {issuer}",
            "收到 {count} 张证书，均不能通向受信任的根；签发者为 {issuer}",
        ),
        phrase("verifier", "Verifying said: {refused}", "校验结果：{refused}"),
        phrase("clock", "the clock of this machine may be slow", "本机时钟可能偏慢"),
        phrase(
            "private",
            "the issuer may be a private authority that clients trust and this machine does not",
            "签发者可能是客户端信任而本机不信任的私有 CA",
        ),
        phrase(
            "compare_clock",
            "Compare this machine's clock with another (`timedatectl`, or the `Date` of any answer)",
            "与其他来源核对本机时钟（`timedatectl`，或任一应答的 `Date`）",
        ),
        phrase(
            "show_chain",
            "See the chain as it is sent: `openssl s_client -connect {address} -servername {host} \
             -showcerts`",
            "查看实际发送的证书链：`openssl s_client -connect {address} -servername {host} -showcerts`",
        ),
        phrase(
            "renew",
            "In what ends TLS for {host}: renew the certificate and reload",
            "在为 {host} 终止 TLS 的组件中：更新证书并重新加载",
        ),
        phrase(
            "full_chain",
            "In what ends TLS for {host}: serve the full chain, leaf first",
            "在为 {host} 终止 TLS 的组件中：发送完整证书链，叶证书在前",
        ),
        phrase(
            "trusted",
            "In what ends TLS for {host}: a certificate of an authority that clients trust, or the \
             authority's root in the clients' stores",
            "在为 {host} 终止 TLS 的组件中：使用客户端信任的 CA 所签发的证书，或把该 CA \
             的根证书加入客户端信任库",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain =
        seen.plain().filter(|plain| openings::failed(plain, StageName::Tls) == Some(Fault::Certificate))?;
    let certificate = plain.tls.as_ref()?.certificate.as_ref()?;
    let host = seen.target.host.as_str();
    let issuer = certificate.issuer.as_str();
    let show =
        || Said::new("show_chain").with("host", host).with("address", format!("{host}:{}", seen.target.port));
    let verifier =
        certificate.refused.as_deref().map(|refused| Said::new("verifier").with("refused", refused));
    let claim = |title: &'static str, decisive: Said| {
        Claim::of(&CAUSE, Place::Upstream, decisive).titled(Said::new(title)).noted(verifier.clone())
    };
    let claim = match certificate {
        Certificate { ends_in_seconds: left, .. } if *left < 0.0 => {
            claim("expired_title", Said::new("expired").seconds("ago", -left))
                .proven()
                .fix(Said::new("renew").with("host", host))
        }
        Certificate { began_seconds_ago: since, .. } if *since < 0.0 => {
            claim("early_title", Said::new("early").seconds("ahead", -since))
                .unless(Said::new("clock"))
                .next(Said::new("compare_clock"))
                .fix(Said::new("renew").with("host", host))
        }
        Certificate { is_self_signed: true, .. } => {
            claim("self_signed_title", Said::new("self_signed").with("issuer", issuer))
                .proven()
                .fix(Said::new("trusted").with("host", host))
        }
        _ if is_about_the_name(certificate) => return None,
        Certificate { chain: 1, .. } => claim("chain_title", Said::new("chain").with("issuer", issuer))
            .unless(Said::new("private"))
            .next(show())
            .fix(Said::new("full_chain").with("host", host)),
        Certificate { chain, .. } => {
            claim("issuer_title", Said::new("issuer").with("count", u64::from(*chain)).with("issuer", issuer))
                .unless(Said::new("private"))
                .next(show())
                .fix(Said::new("trusted").with("host", host))
        }
    };
    Some(claim.finding())
}

/// What was refused is its name alone.
fn is_about_the_name(certificate: &Certificate) -> bool {
    let refused = certificate.refused.as_deref().unwrap_or_default().to_ascii_lowercase();
    !certificate.is_for_name && (refused.contains("name") || refused.is_empty())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, answer, found, none, shows};

    fn valid() -> Certificate {
        Certificate {
            issuer: "CN=Intermediate 3".to_owned(),
            ends_in_seconds: 5e6,
            began_seconds_ago: 2e6,
            chain: 2,
            is_for_name: true,
            refused: Some("UnknownIssuer".to_owned()),
            ..Certificate::default()
        }
    }

    fn title(certificate: Certificate, level: Level) -> String {
        let scene = Scene::websocket().tls().attempt(shows(certificate, None));
        found(probe, scene, level).title.code.to_string()
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(title(Certificate { ends_in_seconds: -60.0, ..valid() }, Level::High), "expired_title");
        assert_eq!(title(Certificate { began_seconds_ago: -60.0, ..valid() }, Level::Medium), "early_title");
        assert_eq!(
            title(Certificate { is_self_signed: true, chain: 1, ..valid() }, Level::High),
            "self_signed_title"
        );
        assert_eq!(title(Certificate { chain: 1, ..valid() }, Level::Medium), "chain_title");
        assert_eq!(title(valid(), Level::Medium), "issuer_title");
    }

    #[test]
    fn another_name_is_another_matter() {
        let other =
            Certificate { is_for_name: false, refused: Some("NotValidForName".to_owned()), ..valid() };
        none(probe, Scene::websocket().tls().attempt(shows(other, None)));
        let both = Certificate { is_for_name: false, ..valid() };
        assert_eq!(title(both, Level::Medium), "issuer_title");
        none(probe, Scene::websocket().tls().plain_fails(StageName::Tls, Fault::Alert, 0.1));
        none(probe, Scene::websocket().tls().plain(answer(101)));
    }
}
