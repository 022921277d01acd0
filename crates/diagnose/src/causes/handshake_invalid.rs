//! The answer means to open the stream, and breaks the protocol.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Answer, Attempt, Fault, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::openings;
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "handshake-invalid",
    number: 902,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the answer to the handshake breaks the protocol", "握手应答违反协议"),
        symptoms: text(
            "`Invalid status line`, `'Upgrade' header is missing`, `'Connection' header value must \
             contain 'Upgrade'`, `Response must not include … extensions`.",
            "`Invalid status line`、`'Upgrade' header is missing`、`'Connection' header value must \
             contain 'Upgrade'`、`Response must not include … extensions`。",
        ),
        evidence: text(
            "Status 101 without `Upgrade: websocket` or without `Connection: Upgrade`, or with an \
             extension that nobody offered; or a head that is no HTTP.",
            "状态 101 却没有 `Upgrade: websocket` 或 `Connection: Upgrade`，或带有未提供的扩展；\
             或应答头不是 HTTP。",
        ),
        look_alikes: text(
            "`ws-accept-mismatch`, `ws-subprotocol-mismatch`: only that field is wrong. \
             `not-the-protocol`: nothing of HTTP came at all.",
            "`ws-accept-mismatch`、`ws-subprotocol-mismatch`：只有该字段错误；`not-the-protocol`：\
             完全没有 HTTP 内容。",
        ),
        fix: text(
            "In what answers: leave the handshake to a maintained library; in a proxy pass `Upgrade` and \
             `Connection` of the answer on. Then run the diagnosis again: it must open.",
            "在应答方：由维护良好的库处理握手；在代理中：转发应答的 `Upgrade` 与 `Connection`。\
             然后重新诊断：应能打开。",
        ),
        sources: &["RFC 6455, section 4.1 (the client's checks of the answer)", "RFC 9112, section 4"],
    },
    phrases: &[
        phrase(
            "wrong_field",
            "The answer is 101 with `{field}: {value}`, which must be {wanted}",
            "应答为 101，但 `{field}: {value}`，应为 {wanted}",
        ),
        phrase(
            "no_field",
            "The answer is 101 without `{field}`, which must be {wanted}",
            "应答为 101，但没有 `{field}`，应为 {wanted}",
        ),
        phrase(
            "extension",
            "The answer is 101 with an extension that was not offered: {value}",
            "应答为 101，但带有未提供的扩展：{value}",
        ),
        phrase(
            "not_opened",
            "The answer is 101 and opens nothing: {detail}",
            "应答为 101 却没有打开连接：{detail}",
        ),
        phrase("broken", "The answer breaks HTTP: {detail}", "应答违反 HTTP：{detail}"),
        phrase(
            "straight_right",
            "Straight to {upstream} it opens: the answer is changed on its way",
            "直接连接 {upstream} 可以打开：应答在途中被改动",
        ),
        phrase(
            "server",
            "In what answers: leave the handshake to a maintained library",
            "在应答方：由维护良好的库处理握手",
        ),
        phrase(
            "proxy",
            "In the proxy: pass the answer's `Upgrade` and `Connection` on",
            "在代理中：转发应答的 `Upgrade` 与 `Connection`",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|plain| !plain.is_open())?;
    let decisive = match &plain.answer {
        Some(answer) if answer.status == 101 && seen.target.protocol == Protocol::WebSocket => {
            wrong_head(plain, answer)?
        }
        Some(_) => return None,
        None => {
            let is_broken = openings::failed(plain, StageName::Http) == Some(Fault::Protocol);
            is_broken.then(|| Said::new("broken").with("detail", detail(plain)))?
        }
    };
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let straight = openings::straight(seen);
    let right = straight.opens().then(|| Said::new("straight_right").with("upstream", upstream));
    let place = match (straight.opens(), straight.is_alike()) {
        (true, _) => Place::UpstreamLeg,
        (_, true) => Place::Upstream,
        _ => Place::Unknown,
    };
    let claim = Claim::of(&CAUSE, place, decisive)
        .proven()
        .corroborated(right)
        .corroborated(openings::fails_straight_too(seen));
    Some(claim.fix(Said::new(if straight.opens() { "proxy" } else { "server" })).finding())
}

/// What of the head of a 101 is wrong; none when another cause names it.
fn wrong_head(plain: &Attempt, answer: &Answer) -> Option<Said> {
    let has = |name: &str, token: &str| {
        let tokens = answer.field(name).unwrap_or_default().split(',');
        tokens.map(str::trim).any(|value| value.eq_ignore_ascii_case(token))
    };
    let said = |field: &'static str, wanted: &'static str| match answer.field(&field.to_ascii_lowercase()) {
        Some(value) => {
            Said::new("wrong_field").with("field", field).with("value", value).with("wanted", wanted)
        }
        None => Said::new("no_field").with("field", field).with("wanted", wanted),
    };
    // The plain request offers none.
    let extensions = answer.field("sec-websocket-extensions").unwrap_or_default();
    if !has("upgrade", "websocket") {
        Some(said("Upgrade", "`websocket`"))
    } else if !has("connection", "upgrade") {
        Some(said("Connection", "`Upgrade`"))
    } else if !extensions.is_empty() {
        Some(Said::new("extension").with("value", extensions))
    } else if answer.is_accept_right == Some(true) && answer.field("sec-websocket-protocol").is_none() {
        Some(Said::new("not_opened").with("detail", detail(plain)))
    } else {
        None
    }
}

fn detail(attempt: &Attempt) -> String {
    attempt
        .failed()
        .map(|stage| stage.detail.clone())
        .filter(|detail| !detail.is_empty())
        .unwrap_or("-".to_owned())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::experiment::Via;
    use crate::scene::{Scene, answer, fails, found, none};

    fn head(answer: Answer) -> Scene {
        let plain = Attempt {
            answer: Some(answer),
            ..fails(Via::Url, None, StageName::Upgrade, Fault::Answer, 0.01)
        };
        Scene::websocket().direct("10.0.3.7:80").attempt(plain)
    }

    fn right() -> Answer {
        let fields = answer(101).and("upgrade", "WebSocket").and("connection", "keep-alive, Upgrade");
        Answer { is_accept_right: Some(true), ..fields }
    }

    #[test]
    fn the_wrong_field_is_named() {
        let code = |answer| found(probe, head(answer), Level::High).evidence[0].code.to_string();
        assert_eq!(code(answer(101).and("connection", "upgrade")), "no_field");
        assert_eq!(code(answer(101).and("upgrade", "h2c").and("connection", "upgrade")), "wrong_field");
        assert_eq!(code(answer(101).and("upgrade", "websocket").and("connection", "close")), "wrong_field");
        assert_eq!(code(right().and("sec-websocket-extensions", "x-webkit-deflate-frame")), "extension");
        assert_eq!(code(right()), "not_opened");
        assert_eq!(found(probe, head(answer(101)).direct_opens(), Level::High).place, Place::UpstreamLeg);
        let broken = Scene::websocket().plain_fails(StageName::Http, Fault::Protocol, 0.01);
        assert_eq!(found(probe, broken, Level::High).evidence[0].code, "broken");
    }

    #[test]
    fn other_causes_name_their_own_field() {
        none(probe, head(Answer { is_accept_right: Some(false), ..right() }));
        none(probe, head(right().and("sec-websocket-protocol", "chat")));
        none(probe, Scene::websocket().plain(answer(101)));
        none(probe, Scene::websocket().plain(answer(400)));
    }
}
