//! The answer names no subprotocol that the client offered.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Vary, Via};
use crate::openings::{self, Straight};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ws-subprotocol-mismatch",
    number: 107,
    severity: Severity::Critical,
    manual: Manual {
        title: text("client and server do not agree on a subprotocol", "客户端与服务器未能就子协议达成一致"),
        symptoms: text(
            "Browsers close at once: `Sent non-empty 'Sec-WebSocket-Protocol' header but no response was \
             received`. Command-line clients that offer none connect.",
            "浏览器立即关闭：`Sent non-empty 'Sec-WebSocket-Protocol' header but no response was \
             received`；不提供子协议的命令行客户端可以连接。",
        ),
        evidence: text(
            "The answer is 101, and `Sec-WebSocket-Protocol` is absent although subprotocols were \
             offered, or names one that was not. Or the handshake is refused with one set of subprotocols \
             and opens with another.",
            "应答为 101，但虽然提供了子协议，`Sec-WebSocket-Protocol` 却缺失，或给出了未提供的值；\
             或者用一组子协议握手被拒绝，而换一组可以打开。",
        ),
        look_alikes: text(
            "`ws-accept-mismatch`: `Sec-WebSocket-Accept` is wrong. `ws-auth-401`: the server closes, and \
             says why.",
            "`ws-accept-mismatch`：`Sec-WebSocket-Accept` 错误；`ws-auth-401`：由服务器关闭并说明原因。",
        ),
        fix: text(
            "In the server: answer with exactly one of the offered subprotocols. In the client: offer \
             what the server knows; a token in the list must be echoed as well. Then run the diagnosis \
             with `--subprotocol`: it must be agreed on.",
            "在服务器：只回应所提供子协议中的一个。在客户端：提供服务器支持的子协议；\
             放在列表中的令牌也必须被回显。然后加上 `--subprotocol` 重新诊断：应达成一致。",
        ),
        sources: &[
            "RFC 6455, sections 4.1 (step 6 of the client's checks) and 11.3.4",
            "WHATWG WebSockets, section 2 (offered and none answered: the connection fails)",
        ],
    },
    phrases: &[
        phrase("offered", "Offered: {offered}", "提供的子协议：{offered}"),
        phrase("absent", "The answer is 101 and names no subprotocol", "应答为 101，但没有给出子协议"),
        phrase(
            "foreign",
            "The answer is 101 and names {name}, which was not offered",
            "应答为 101，但给出了未提供的 {name}",
        ),
        phrase(
            "refused_with",
            "With these subprotocols the answer is {status}",
            "提供这些子协议时应答为 {status}",
        ),
        phrase("opens_without", "Without a subprotocol it opens", "不提供子协议时可以打开"),
        phrase("opens_with", "With the subprotocol {name} it opens", "提供子协议 {name} 时可以打开"),
        phrase(
            "straight_names",
            "Straight to {upstream} the answer names {name}",
            "直接连接 {upstream} 时应答给出 {name}",
        ),
        phrase(
            "server",
            "In the server: select one of {offered} in the handshake",
            "在服务器中：握手时从 {offered} 中选择一个",
        ),
        phrase("client", "In the client: offer {name}", "在客户端中：提供 {name}"),
        phrase(
            "client_none",
            "In the client: offer no subprotocol, or one that the server knows",
            "在客户端中：不提供子协议，或提供服务器支持的子协议",
        ),
        phrase(
            "proxy",
            "In the proxy: pass `Sec-WebSocket-Protocol` in both directions",
            "在代理中：双向转发 `Sec-WebSocket-Protocol`",
        ),
        phrase(
            "repeat",
            "Repeat with another subprotocol: `--subprotocol NAME`",
            "换一个子协议重试：`--subprotocol 名称`",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|_| seen.target.protocol == Protocol::WebSocket)?;
    let answer = plain.answer.as_ref()?;
    if answer.status == 101 { wrong_choice(seen) } else { wrong_offer(seen) }
}

/// It opens, and what was agreed on is not what was offered.
fn wrong_choice(seen: &Examination) -> Option<Finding> {
    let offered = &seen.target.subprotocols;
    let chosen = seen.plain()?.answer.as_ref()?.field("sec-websocket-protocol").map(str::trim);
    let is_offered = |name: &str| offered.iter().any(|offer| offer == name);
    let decisive = match chosen {
        None | Some("") if offered.is_empty() => return None,
        None | Some("") => Said::new("absent"),
        Some(name) if is_offered(name) => return None,
        Some(name) => Said::new("foreign").with("name", name),
    };
    let straight = seen.direct().and_then(|direct| direct.answer.as_ref()?.field("sec-websocket-protocol"));
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let straight = straight.filter(|name| is_offered(name));
    let place = match openings::straight(seen) {
        _ if straight.is_some() => Place::UpstreamLeg,
        Straight::NotAsked => Place::Unknown,
        _ => Place::Upstream,
    };
    let claim = Claim::of(&CAUSE, place, decisive)
        .proven()
        .noted((!offered.is_empty()).then(|| Said::new("offered").with("offered", offered.join(", "))))
        .corroborated(
            straight.map(|name| Said::new("straight_names").with("upstream", upstream).with("name", name)),
        );
    let claim = match straight {
        Some(_) => claim.fix(Said::new("proxy")),
        None if offered.is_empty() => claim.fix(Said::new("client").with("name", chosen.unwrap_or_default())),
        None => {
            claim.fix(Said::new("server").with("offered", offered.join(", "))).fix(Said::new("client_none"))
        }
    };
    Some(claim.finding())
}

/// It is refused, and opens with other subprotocols.
fn wrong_offer(seen: &Examination) -> Option<Finding> {
    let (_, answer) = openings::refused(seen)?;
    let opening = seen.attempts.iter().find_map(|attempt| match &attempt.experiment.vary {
        Some(Vary::Subprotocol(other)) if attempt.experiment.via == Via::Url && attempt.is_open() => {
            Some(other)
        }
        _ => None,
    })?;
    let offered = &seen.target.subprotocols;
    let flip = match opening {
        Some(name) => Said::new("opens_with").with("name", name.as_str()),
        None => Said::new("opens_without"),
    };
    let claim = Claim::of(&CAUSE, Place::Client, Said::new("refused_with").with("status", answer.status))
        .noted((!offered.is_empty()).then(|| Said::new("offered").with("offered", offered.join(", "))))
        .corroborated(flip)
        .corroborated(openings::fails_straight_too(seen));
    let claim = match opening {
        Some(name) => claim.fix(Said::new("client").with("name", name.as_str())),
        None => claim.fix(Said::new("client_none")),
    };
    Some(claim.next(Said::new("repeat")).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Answer;
    use crate::experiment::Check;
    use crate::scene::{Scene, answer, found, none};

    fn mqtt(answer: Answer) -> Scene {
        Scene::websocket().subprotocol("mqtt").plain(answer)
    }

    fn names(name: &str) -> Answer {
        answer(101).and("sec-websocket-protocol", name)
    }

    #[test]
    fn none_of_the_offered_is_chosen() {
        assert_eq!(found(probe, mqtt(answer(101)), Level::High).evidence[0].code, "absent");
        assert_eq!(found(probe, mqtt(names("chat")), Level::High).evidence[0].code, "foreign");
        assert_eq!(found(probe, mqtt(names("mqtt, chat")), Level::High).evidence[0].code, "foreign");
        assert_eq!(
            found(probe, Scene::websocket().plain(names("chat")), Level::High).evidence[0].code,
            "foreign"
        );
    }

    #[test]
    fn a_proxy_that_drops_the_field() {
        let scene = mqtt(answer(101)).direct("10.0.3.7:80").direct_answers(names("mqtt"));
        assert_eq!(found(probe, scene, Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn the_offer_alone_decides() {
        let scene = mqtt(answer(400)).with(Check::Handshake, Vary::Subprotocol(None), answer(101));
        assert_eq!(found(probe, scene, Level::High).place, Place::Client);
        let wants = Vary::Subprotocol(Some("mqtt".into()));
        found(
            probe,
            Scene::websocket().plain(answer(400)).with(Check::Handshake, wants, names("mqtt")),
            Level::High,
        );
    }

    #[test]
    fn agreement_and_none_on_both_sides_are_healthy() {
        none(probe, mqtt(names("mqtt")));
        none(probe, Scene::websocket().plain(answer(101)));
        none(probe, mqtt(answer(400)).with(Check::Handshake, Vary::Subprotocol(None), answer(400)));
    }
}
