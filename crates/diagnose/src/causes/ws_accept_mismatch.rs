//! The answer does not prove that the server read the handshake: its hash of the key is wrong.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ws-accept-mismatch",
    number: 108,
    severity: Severity::Critical,
    manual: Manual {
        title: text("`Sec-WebSocket-Accept` does not belong to the key", "`Sec-WebSocket-Accept` 与密钥不符"),
        symptoms: text(
            "`Incorrect 'Sec-WebSocket-Accept' header value`: each client that follows the standard \
             closes after 101.",
            "`Incorrect 'Sec-WebSocket-Accept' header value`：遵守标准的客户端在 101 之后都会关闭。",
        ),
        evidence: text(
            "The answer is 101, and `Sec-WebSocket-Accept` is absent or not base64(SHA-1(key + GUID)). \
             The same value for different keys means a stored or constant answer.",
            "应答为 101，但 `Sec-WebSocket-Accept` 缺失，或不等于 base64(SHA-1(key + GUID))。\
             不同密钥得到相同的值，说明应答是缓存的或固定的。",
        ),
        look_alikes: text(
            "`handshake-invalid`: `Upgrade` or `Connection` is wrong. `ws-subprotocol-mismatch`: the hash \
             is right.",
            "`handshake-invalid`：`Upgrade` 或 `Connection` 错误；`ws-subprotocol-mismatch`：散列值正确。",
        ),
        fix: text(
            "Use a maintained WebSocket library in what answers. A proxy that makes a handshake of its \
             own towards the service must sign its answer for the client's key; nothing may store a 101. \
             Then run the diagnosis again: it must open.",
            "在应答方使用维护良好的 WebSocket 库。自行与服务重新握手的代理必须用客户端的密钥计算应答；\
             任何环节都不得缓存 101。然后重新诊断：应能打开。",
        ),
        sources: &["RFC 6455, sections 1.3, 4.1 and 4.2.2"],
    },
    phrases: &[
        phrase(
            "wrong",
            "The answer is 101 with a `Sec-WebSocket-Accept` that is not that of the key",
            "应答为 101，但 `Sec-WebSocket-Accept` 不是该密钥的值",
        ),
        phrase(
            "absent",
            "The answer is 101 without `Sec-WebSocket-Accept`",
            "应答为 101，但没有 `Sec-WebSocket-Accept`",
        ),
        phrase(
            "constant",
            "{count} handshakes with different keys got the same value",
            "{count} 次不同密钥的握手得到相同的值",
        ),
        phrase("straight_right", "Straight to {upstream} it is right", "直接连接 {upstream} 时正确"),
        phrase(
            "straight_wrong",
            "Straight to {upstream} it is wrong as well",
            "直接连接 {upstream} 时同样错误",
        ),
        phrase(
            "server",
            "In the server: leave the handshake to a maintained library",
            "在服务器中：由维护良好的库处理握手",
        ),
        phrase(
            "proxy",
            "In the proxy: pass the handshake through, or sign for the client's key; store no 101",
            "在代理中：原样转发握手，或用客户端的密钥计算；不要缓存 101",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain =
        seen.plain().filter(|plain| seen.target.protocol == Protocol::WebSocket && is_wrong(plain))?;
    let accept =
        |attempt: &Attempt| attempt.answer.as_ref()?.field("sec-websocket-accept").map(str::to_owned);
    let own = accept(plain);
    let ways = seen.attempts.iter().filter(|attempt| attempt.experiment.via == Via::Url);
    let alike = ways.filter(|attempt| own.is_some() && accept(attempt) == own).count();
    let direct = seen.direct().filter(|direct| direct.status() == Some(101));
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let (place, compared) = match direct {
        Some(direct) if is_wrong(direct) => (Place::Upstream, Some("straight_wrong")),
        Some(_) => (Place::UpstreamLeg, Some("straight_right")),
        None => (Place::Unknown, None),
    };
    let claim = Claim::of(&CAUSE, place, Said::new(if own.is_some() { "wrong" } else { "absent" }))
        .proven()
        .corroborated(compared.map(|code| Said::new(code).with("upstream", upstream)))
        .corroborated((alike > 1).then(|| Said::new("constant").with("count", alike)));
    let claim = if place == Place::Upstream { claim } else { claim.fix(Said::new("proxy")) };
    let claim = if place == Place::UpstreamLeg { claim } else { claim.fix(Said::new("server")) };
    Some(claim.finding())
}

fn is_wrong(attempt: &Attempt) -> bool {
    attempt.answer.as_ref().is_some_and(|answer| {
        let is_absent = answer.is_accept_right.is_none() && answer.field("sec-websocket-accept").is_none();
        answer.status == 101 && (answer.is_accept_right == Some(false) || (is_absent && !attempt.is_open()))
    })
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Answer;
    use crate::scene::{Scene, answer, found, none};

    fn accept(value: &str, is_right: bool) -> Answer {
        Answer { is_accept_right: Some(is_right), ..answer(101).and("sec-websocket-accept", value) }
    }

    #[test]
    fn a_wrong_hash_is_a_fact() {
        let scene = || Scene::websocket().direct("10.0.3.7:80").plain(accept("c29ycnk=", false));
        assert_eq!(
            found(probe, Scene::websocket().plain(accept("c29ycnk=", false)), Level::High).place,
            Place::Unknown
        );
        assert_eq!(
            found(probe, scene().direct_answers(accept("cmlnaHQ=", true)), Level::High).place,
            Place::UpstreamLeg
        );
        assert_eq!(
            found(probe, scene().direct_answers(accept("d3Jvbmc=", false)), Level::High).place,
            Place::Upstream
        );
    }

    #[test]
    fn the_same_value_for_each_key_is_told() {
        let scene = Scene::websocket().plain(accept("c29ycnk=", false)).plain(accept("c29ycnk=", false));
        assert!(found(probe, scene, Level::High).evidence.iter().any(|said| said.code == "constant"));
    }

    #[test]
    fn an_absent_one_fails_too() {
        let mut seen = Scene::websocket().plain(answer(101)).seen();
        seen.attempts[0].stream = None;
        assert_eq!(probe(&seen).expect("it is found").evidence[0].code, "absent");
    }

    #[test]
    fn a_right_one_is_healthy() {
        none(probe, Scene::websocket().plain(accept("cmlnaHQ=", true)));
        none(probe, Scene::websocket().plain(answer(101)));
        none(probe, Scene::websocket().plain(answer(400)));
    }
}
