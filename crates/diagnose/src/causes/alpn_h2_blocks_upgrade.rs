//! HTTP/2 is agreed on where WebSocket works over HTTP/1.1 alone.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Fault, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Alpn, Vary};
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "alpn-h2-blocks-upgrade",
    number: 111,
    severity: Severity::Critical,
    manual: Manual {
        title: text("HTTP/2 stands in the way of the upgrade", "HTTP/2 阻碍了升级"),
        symptoms: text(
            "Since HTTP/2 was enabled, WebSocket fails over TLS, or in some clients only.",
            "启用 HTTP/2 之后，WebSocket 在 TLS 上失败，或只在部分客户端失败。",
        ),
        evidence: text(
            "The server agrees on `h2` alone, where an upgrade does not exist. Or it opens over \
             `http/1.1`, tells SETTINGS_ENABLE_CONNECT_PROTOCOL = 1 and then refuses the extended CONNECT \
             that browsers send because of it.",
            "服务器只接受不存在升级机制的 `h2`。或者在 `http/1.1` 上可以打开，但它声明 \
             SETTINGS_ENABLE_CONNECT_PROTOCOL = 1，却拒绝浏览器据此发送的扩展 CONNECT。",
        ),
        look_alikes: text(
            "`ws-upgrade-stripped`: fails over `http/1.1` too. HTTP/2 without \
             SETTINGS_ENABLE_CONNECT_PROTOCOL is no fault: browsers then open a connection of their own \
             with `http/1.1`.",
            "`ws-upgrade-stripped`：在 `http/1.1` 上同样失败。HTTP/2 不带 \
             SETTINGS_ENABLE_CONNECT_PROTOCOL 不是故障：浏览器会另开 `http/1.1` 连接。",
        ),
        fix: text(
            "Let the server accept `http/1.1` in ALPN beside `h2`; in clients offer `http/1.1` alone for \
             `wss`. Where extended CONNECT is told but does not work: stop telling it (HAProxy: `option \
             h2-workaround-bogus-websocket-clients`), or speak HTTP/1.1 to the service (HAProxy: `ws h1` \
             on the server line). Then run the diagnosis with `--checks http`.",
            "让服务器在 ALPN 中除 `h2` 外也接受 `http/1.1`；客户端对 `wss` 只提供 `http/1.1`。\
             若声明了扩展 CONNECT 却不可用：停止声明（HAProxy：`option \
             h2-workaround-bogus-websocket-clients`），或以 HTTP/1.1 连接服务（HAProxy：server 行加 `ws \
             h1`）。然后加上 `--checks http` 重新诊断。",
        ),
        sources: &[
            "RFC 9113, section 8.6 (HTTP/2 has no Upgrade)",
            "RFC 8441, sections 3 to 5",
            "https://docs.haproxy.org/2.8/configuration.html (h2-workaround-bogus-websocket-clients; ws)",
        ],
    },
    phrases: &[
        phrase("broken_title", "extended CONNECT is told, and does not work", "声明了扩展 CONNECT，却不可用"),
        phrase("only_h2_title", "the server speaks HTTP/2 alone", "服务器只支持 HTTP/2"),
        phrase(
            "told_and_refused",
            "The server tells SETTINGS_ENABLE_CONNECT_PROTOCOL = 1 and refuses an extended CONNECT ({how})",
            "服务器声明 SETTINGS_ENABLE_CONNECT_PROTOCOL = 1，却拒绝扩展 CONNECT（{how}）",
        ),
        phrase(
            "opens_http1",
            "Over `http/1.1` the same handshake opens",
            "在 `http/1.1` 上同样的握手可以打开",
        ),
        phrase(
            "mute",
            "TLS agrees on no protocol when `http/1.1` is offered, and a request of HTTP/1.1 gets no answer",
            "提供 `http/1.1` 时 TLS 未协商出任何协议，HTTP/1.1 请求也得不到应答",
        ),
        phrase(
            "refuses_http1",
            "The server agrees on no protocol when `http/1.1` alone is offered",
            "只提供 `http/1.1` 时，服务器不同意任何协议",
        ),
        phrase("chooses_h2", "When `h2` is offered it agrees on that", "提供 `h2` 时它会选择 `h2`"),
        phrase("other_alpn", "it may want another protocol than these two", "它可能需要这两者之外的协议"),
        phrase(
            "vary_alpn",
            "Try each offer in ALPN: `--checks http`",
            "逐一尝试 ALPN 的各种组合：`--checks http`",
        ),
        phrase(
            "stop_telling",
            "In what ends TLS: stop telling RFC 8441, or speak HTTP/1.1 to the service (HAProxy: `ws h1`)",
            "在终止 TLS 的组件中：停止声明 RFC 8441，或以 HTTP/1.1 连接服务（HAProxy：`ws h1`）",
        ),
        phrase(
            "haproxy",
            "option h2-workaround-bogus-websocket-clients",
            "option h2-workaround-bogus-websocket-clients",
        ),
        phrase(
            "accept_http1",
            "In what ends TLS: accept `http/1.1` in ALPN beside `h2`",
            "在终止 TLS 的组件中：ALPN 除 `h2` 外也接受 `http/1.1`",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|_| seen.target.protocol == Protocol::WebSocket)?;
    told_and_refused(seen, plain).or_else(|| only_h2(seen, plain)).or_else(|| mute(seen, plain))
}

/// Extended CONNECT is sent only to a server that has told that it takes it; whatever then fails is its
/// refusal.
fn told_and_refused(seen: &Examination, plain: &Attempt) -> Option<Finding> {
    let over_h2 = [Vary::ExtendedConnect, Vary::Alpn(Alpn::Both), Vary::Alpn(Alpn::Http2)];
    let how =
        over_h2.iter().filter_map(|vary| seen.with(vary)).find_map(refusal).filter(|_| plain.is_open())?;
    let claim = Claim::of(&CAUSE, Place::UpstreamLeg, Said::new("told_and_refused").with("how", how))
        .titled(Said::new("broken_title"))
        .corroborated(Said::new("opens_http1"))
        .fix_by(Said::new("stop_telling"), Said::new("haproxy"));
    Some(claim.finding())
}

/// How an extended CONNECT was refused.
fn refusal(attempt: &Attempt) -> Option<String> {
    let is_refused = match &attempt.answer {
        Some(answer) => answer.connect_protocol == Some(true) && answer.status != 101,
        None => {
            let fault = openings::failed(attempt, StageName::Http);
            agreed(attempt) == Some("h2")
                && matches!(fault, Some(Fault::Reset | Fault::Protocol | Fault::Ended))
        }
    };
    (!attempt.is_open() && is_refused).then(|| openings::how(attempt))
}

/// `http/1.1` alone is refused.
/// It agrees on HTTP/2 when that is offered, and on nothing when HTTP/1.1 is, to which it gives no answer.
fn mute(seen: &Examination, plain: &Attempt) -> Option<Finding> {
    let is_mute = matches!(
        openings::failed(plain, StageName::Http)?,
        Fault::Ended | Fault::Reset | Fault::OtherProtocol | Fault::Protocol
    );
    let offered = seen.with(&Vary::Alpn(Alpn::Both))?;
    (is_mute && agreed(plain).is_none() && agreed(offered) == Some("h2")).then(|| {
        Claim::of(&CAUSE, Place::Upstream, Said::new("mute"))
            .titled(Said::new("only_h2_title"))
            .corroborated(Said::new("chooses_h2"))
            .fix(Said::new("accept_http1"))
            .finding()
    })
}

fn only_h2(seen: &Examination, plain: &Attempt) -> Option<Finding> {
    let alert =
        plain.tls.as_ref().and_then(|tls| tls.alert.as_deref()).unwrap_or_default().to_ascii_lowercase();
    let is_refused = match openings::failed(plain, StageName::Tls)? {
        Fault::Alpn => true,
        Fault::Alert => alert.replace('_', "") == "noapplicationprotocol",
        _ => false,
    };
    let chooses = [Alpn::Both, Alpn::Http2].map(|offer| seen.with(&Vary::Alpn(offer)));
    let chooses_h2 = chooses.iter().flatten().any(|attempt| agreed(attempt) == Some("h2"));
    is_refused.then(|| {
        Claim::of(&CAUSE, Place::Upstream, Said::new("refuses_http1"))
            .titled(Said::new("only_h2_title"))
            .corroborated(chooses_h2.then(|| Said::new("chooses_h2")))
            .unless((!chooses_h2).then(|| Said::new("other_alpn")))
            .next(Said::new("vary_alpn"))
            .fix(Said::new("accept_http1"))
            .finding()
    })
}

fn agreed(attempt: &Attempt) -> Option<&str> {
    attempt.tls.as_ref()?.alpn.as_deref()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Answer, Tls};
    use crate::experiment::{Check, Via};
    use crate::scene::{Scene, answer, fails, found, none};

    fn connect(status: u16, told: bool) -> Answer {
        Answer { connect_protocol: Some(told), version: "2".into(), ..answer(status) }
    }

    fn extended(answer: Answer) -> Scene {
        Scene::websocket().tls().plain(crate::scene::answer(101)).with(
            Check::Http,
            Vary::ExtendedConnect,
            answer,
        )
    }

    #[test]
    fn extended_connect_is_told_and_does_not_work() {
        assert_eq!(found(probe, extended(connect(502, true)), Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn a_stream_that_is_reset_is_refused_too() {
        let reset =
            fails(Via::Url, Some(Vary::Alpn(Alpn::Both)), StageName::Http, Fault::Reset, 0.01).agreed("h2");
        found(probe, Scene::websocket().tls().plain(answer(101)).attempt(reset), Level::High);
    }

    #[test]
    fn http2_without_extended_connect_is_healthy() {
        none(probe, extended(connect(405, false)));
        let both = fails(Via::Url, Some(Vary::Alpn(Alpn::Both)), StageName::Upgrade, Fault::Answer, 0.01)
            .agreed("h2");
        none(probe, Scene::websocket().tls().plain(answer(101)).attempt(both));
    }

    #[test]
    fn a_server_that_gives_http1_no_answer() {
        let scene = || Scene::websocket().tls().plain_fails(StageName::Http, Fault::Ended, 0.01);
        let both = |alpn| {
            fails(Via::Url, Some(Vary::Alpn(Alpn::Both)), StageName::Upgrade, Fault::Answer, 0.01)
                .agreed(alpn)
        };
        found(probe, scene().attempt(both("h2")), Level::High);
        none(probe, scene().attempt(both("http/1.1")));
        none(probe, scene());
    }

    #[test]
    fn a_server_without_http1() {
        let tls = Some(Tls { alert: Some("NoApplicationProtocol".into()), ..Tls::default() });
        let refused = Attempt { tls, ..fails(Via::Url, None, StageName::Tls, Fault::Alert, 0.01) };
        let scene = || Scene::websocket().tls().attempt(refused.clone());
        found(probe, scene(), Level::Medium);
        let both =
            fails(Via::Url, Some(Vary::Alpn(Alpn::Both)), StageName::Http, Fault::Answer, 0.01).agreed("h2");
        found(probe, scene().attempt(both), Level::High);
        none(probe, Scene::websocket().tls().plain_fails(StageName::Tls, Fault::Alert, 0.01));
        none(probe, Scene::websocket().tls().plain_fails(StageName::Tcp, Fault::Refused, 0.01));
    }
}
