//! Client and server speak different versions of the protocol above the handshake, or of WebSocket itself.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Answer, Sign};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "protocol-version-mismatch",
    number: 117,
    severity: Severity::Warning,
    manual: Manual {
        title: text("client and server speak different versions", "客户端与服务器的协议版本不一致"),
        symptoms: text(
            "400 with `Unsupported protocol version`; or it connects and drops each 30 s: a client of \
             socket.io 2 at a server of version 3 or later waits for a pong that the server never sends \
             (25 s + 5 s).",
            "400 并提示 `Unsupported protocol version`；或者能连接但每 30 秒断开：socket.io 2 的客户端在 \
             3 及以上版本的服务器上等不到 pong（25 秒 + 5 秒）。",
        ),
        evidence: text(
            "The answer lists other versions (`Sec-WebSocket-Version` without 13), or says that the \
             version is not supported; with another version in the query (`EIO=3`, `EIO=4`) the same \
             request opens.",
            "应答列出其他版本（`Sec-WebSocket-Version` 不含 13），或说明版本不受支持；\
             在查询串中换一个版本（`EIO=3`、`EIO=4`）时同一请求可以打开。",
        ),
        look_alikes: text(
            "`ws-upgrade-stripped`: no version is spoken of. `idle-timeout-l7-proxy`: nothing flows \
             before the cut.",
            "`ws-upgrade-stripped`：没有提到版本；`idle-timeout-l7-proxy`：断开前没有任何流量。",
        ),
        fix: text(
            "Use the same major version of the library on both sides, or let the server accept the older \
             one (socket.io `allowEIO3: true`, off by default). Then run the diagnosis with the client's \
             URL: it must open and stay open for a minute.",
            "两端使用相同主版本的库，或让服务器接受旧版本（socket.io `allowEIO3: true`，默认关闭）。\
             然后用客户端的 URL 重新诊断：应能打开并保持一分钟。",
        ),
        sources: &[
            "RFC 6455, section 4.4",
            "https://socket.io/docs/v4/troubleshooting-connection-issues/",
            "https://socket.io/docs/v4/server-options/#alloweio3",
        ],
    },
    phrases: &[
        phrase(
            "lists",
            "The answer ({status}) lists the versions {versions}; version 13 was sent",
            "应答（{status}）列出的版本为 {versions}；发送的是 13",
        ),
        phrase(
            "says",
            "The answer ({status}) says that the version is not supported",
            "应答（{status}）说明版本不受支持",
        ),
        phrase(
            "closed",
            "It opens and is closed with {code}: {reason}",
            "连接建立后以 {code} 关闭：{reason}",
        ),
        phrase(
            "other_opens",
            "{path} opens: only the version in the query differs",
            "{path} 可以打开：差别只在查询串中的版本",
        ),
        phrase("asked_version", "The request asks for version {version}", "请求的版本为 {version}"),
        phrase(
            "other_reason",
            "the text may speak of another version than that of the protocol",
            "文字提到的可能不是协议的版本",
        ),
        phrase(
            "try_version",
            "Repeat with the other version in the URL, such as `EIO=4`",
            "在 URL 中换用另一个版本重试，例如 `EIO=4`",
        ),
        phrase(
            "align",
            "In the client: the major version of the library that the server has; or in the server allow \
             the older one (socket.io `allowEIO3: true`)",
            "在客户端中：使用与服务器相同主版本的库；或在服务器允许旧版本（socket.io `allowEIO3: true`）",
        ),
        phrase(
            "version_13",
            "In the server: speak version 13 (RFC 6455)",
            "在服务器中：支持版本 13（RFC 6455）",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    listed(seen).or_else(|| told(seen))
}

/// The server lists the versions that it speaks, and 13 is not among them.
fn listed(seen: &Examination) -> Option<Finding> {
    let (_, answer) = openings::refused(seen)?;
    let versions = answer.lists_other_versions()?;
    let decisive = Said::new("lists").with("status", answer.status).with("versions", versions);
    Some(Claim::of(&CAUSE, Place::Upstream, decisive).proven().fix(Said::new("version_13")).finding())
}

/// The server says that the version is wrong.
fn told(seen: &Examination) -> Option<Finding> {
    // What opens straight speaks the version that the service speaks.
    let plain = seen.plain().filter(|_| !openings::straight(seen).opens())?;
    let decisive = match (&plain.answer, plain.peer_end().map(|end| &end.sign)) {
        (Some(answer), _) if !plain.is_open() && is_about_version(answer) => {
            Said::new("says").with("status", answer.status)
        }
        (_, Some(Sign::Close(Some(code), reason))) if says_version(reason) => {
            Said::new("closed").with("code", code.0).with("reason", reason.as_str())
        }
        _ => return None,
    };
    let path = seen.target.path.as_str();
    let other = openings::other_paths(seen).find(|(other, attempt)| {
        attempt.is_open() && attempt.peer_end().is_none() && without_query(other) == without_query(path)
    });
    let version = query(path, "EIO").or_else(|| query(path, "version")).or_else(|| query(path, "v"));
    let claim = Claim::of(&CAUSE, Place::Client, decisive)
        .corroborated(other.map(|(path, _)| Said::new("other_opens").with("path", path)))
        .noted(version.map(|version| Said::new("asked_version").with("version", version)))
        .unless(other.is_none().then(|| Said::new("other_reason")))
        .next(Said::new("try_version"))
        .fix(Said::new("align"));
    Some(claim.finding())
}

fn is_about_version(answer: &Answer) -> bool {
    matches!(answer.status, 400 | 404 | 406 | 426 | 501)
        && !answer.body.starts_with('<')
        && says_version(&answer.body)
}

/// It speaks of a version, and that it is wrong.
fn says_version(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let wrong = ["unsupported", "not supported", "mismatch", "incompatible", "too old"];
    lower.contains("version") && wrong.iter().any(|word| lower.contains(word))
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

/// The value of a parameter of the query.
fn query<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use model::event::CloseCode;
    use model::finding::Level;

    use super::*;
    use crate::attempt::{End, Stream};
    use crate::experiment::{Check, Vary};
    use crate::scene::{Scene, answer, found, none};

    fn old() -> Scene {
        let body = r#"{"code":5,"message":"Unsupported protocol version"}"#;
        Scene::websocket().path("/socket.io/?EIO=3&transport=websocket").plain(answer(400).body(body))
    }

    #[test]
    fn the_server_lists_other_versions() {
        found(probe, Scene::websocket().plain(answer(426).and("sec-websocket-version", "8, 7")), Level::High);
        none(probe, Scene::websocket().plain(answer(400).and("sec-websocket-version", "13")));
    }

    #[test]
    fn the_server_says_so() {
        let finding = found(probe, old(), Level::Medium);
        assert!(finding.evidence.iter().any(|said| said.code == "asked_version"));
        let newer = Vary::Path("/socket.io/?EIO=4&transport=websocket".into());
        found(probe, old().with(Check::Path, newer, answer(101)), Level::High);
    }

    #[test]
    fn a_close_that_says_so() {
        let closed = |reason: &str| {
            let sign = Sign::Close(Some(CloseCode(4000)), reason.to_owned());
            let stream = Stream {
                end: Some(End { at: 0.1, age: 0.1, silence: 0.0, is_ours: false, sign }),
                ..Stream::default()
            };
            let mut seen = Scene::websocket().plain(answer(101)).seen();
            Scene::websocket().attempt(seen.attempts.remove(0).streamed(stream))
        };
        found(probe, closed("client version unsupported"), Level::Medium);
        none(probe, closed("version 3 says goodbye"));
        none(probe, closed("invalid token, server version 3"));
    }

    #[test]
    fn other_refusals_are_another_matter() {
        none(probe, Scene::websocket().plain(answer(400).body("Bad Request")));
        none(probe, Scene::websocket().plain(answer(101)));
    }
}
