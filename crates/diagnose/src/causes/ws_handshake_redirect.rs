//! A WebSocket URL answers with a redirection, which WebSocket clients do not follow.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::{Examination, Target};
use crate::openings::{self, Straight};
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ws-handshake-redirect",
    number: 102,
    severity: Severity::Critical,
    manual: Manual {
        title: text(
            "the URL is redirected, and the client does not follow",
            "该 URL 会被重定向，而客户端不会跟随",
        ),
        symptoms: text(
            "Browsers report `Unexpected response code: 301` (302, 307, 308). The same address opens in a \
             tab.",
            "浏览器报告 `Unexpected response code: 301`（302、307、308）；在标签页中打开同一地址却正常。",
        ),
        evidence: text(
            "The handshake is answered 3xx with `Location`. What differs between the two addresses tells \
             why: the scheme, the host, a slash at the end, another path.",
            "握手得到 3xx 应答并带有 `Location`。两个地址的差别说明原因：协议、主机、末尾的斜杠或路径。",
        ),
        look_alikes: text(
            "`ws-auth-401`: `Location` leads to a login. `ws-path-mismatch-404`: 404.",
            "`ws-auth-401`：`Location` 指向登录页；`ws-path-mismatch-404`：404。",
        ),
        fix: text(
            "Give the client the final address, or exempt the path from the redirection. Then run the \
             diagnosis on the address that clients use: it must say 101.",
            "让客户端使用最终地址，或者把该路径排除在重定向之外。然后对客户端所用的地址重新诊断：应得到 \
             101。",
        ),
        sources: &[
            "RFC 6455, section 4.1 (clients may follow, and none must)",
            "WHATWG WebSockets, section 2 (browsers set the redirect mode `error`)",
        ],
    },
    phrases: &[
        phrase("redirected", "The answer is {status}, to {location}", "应答为 {status}，指向 {location}"),
        phrase("to_tls", "It leads from a plain connection to TLS", "它从明文连接转向 TLS"),
        phrase("to_plain", "It leads from TLS to a plain connection", "它从 TLS 转向明文连接"),
        phrase("to_host", "It leads to another host or port: {host}", "它指向另一个主机或端口：{host}"),
        phrase("to_slash", "Only the slash at the end differs", "差别只在末尾的斜杠"),
        phrase("to_path", "It leads to another path: {path}", "它指向另一个路径：{path}"),
        phrase("to_itself", "It leads to the very same address", "它指向完全相同的地址"),
        phrase("target_opens", "At {path} the stream opens", "在 {path} 可以建立连接"),
        phrase("use_final", "In the client: {url} in place of {old}", "在客户端中：把 {old} 改为 {url}"),
        phrase(
            "exempt",
            "In the hop that answers: no redirection for requests with `Upgrade: websocket` (nginx: an \
             own location for this path; Starlette: `redirect_slashes=False`)",
            "在发出该应答的一跳：对带 `Upgrade: websocket` 的请求不做重定向（nginx：为该路径单独设置 \
             location；Starlette：`redirect_slashes=False`）",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let is_concerned = seen.target.protocol != Protocol::Sse;
    let (_, answer) = openings::refused(seen).filter(|(_, answer)| {
        is_concerned && matches!(answer.status, 301 | 302 | 303 | 307 | 308) && !answer.is_login()
    })?;
    let location = answer.field("location")?;
    let way = Way::of(&seen.target, location);
    let place = match openings::straight(seen) {
        Straight::Opens(_) | Straight::Otherwise(_) => Place::UpstreamLeg,
        Straight::Alike(_) => Place::Upstream,
        Straight::NotAsked => Place::Unknown,
    };
    let opens_there =
        openings::other_paths(seen).find(|(path, attempt)| *path == way.path && attempt.is_open());
    let decisive = Said::new("redirected").with("status", answer.status).with("location", location);
    let claim = Claim::of(&CAUSE, place, decisive)
        .proven()
        .noted(way.said(&seen.target))
        .corroborated(opens_there.map(|(path, _)| Said::new("target_opens").with("path", path)))
        .corroborated(openings::opens_straight(seen))
        .corroborated(openings::fails_straight_too(seen))
        .noted(openings::product(answer));
    let client =
        Said::new("use_final").with("url", way.url(&seen.target)).with("old", seen.target.url.as_str());
    Some(claim.fix(client).fix(Said::new("exempt")).finding())
}

/// Where a `Location` leads.
struct Way<'a> {
    is_tls: bool,
    /// Host and port as written; none for the same.
    authority: Option<&'a str>,
    path: &'a str,
}

impl<'a> Way<'a> {
    fn of(target: &Target, location: &'a str) -> Way<'a> {
        let (is_tls, rest) = match location.split_once("://") {
            Some((scheme, rest)) => (matches!(scheme, "https" | "wss"), Some(rest)),
            None => (target.is_tls, location.strip_prefix("//")),
        };
        let Some(rest) = rest else { return Way { is_tls, authority: None, path: location } };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        Way { is_tls, authority: Some(authority), path }
    }

    fn is_elsewhere(&self, target: &Target) -> bool {
        let default = if self.is_tls { 443 } else { 80 };
        let (host, port) = match self.authority.map(|authority| (authority, authority.rsplit_once(':'))) {
            None => return false,
            Some((_, Some((host, port)))) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
            Some((host, _)) => (host, Some(default)),
        };
        let is_other_port = self.is_tls == target.is_tls && port != Some(target.port);
        !host.trim_matches(['[', ']']).eq_ignore_ascii_case(&target.host) || is_other_port
    }

    /// What differs, the weightiest alone.
    fn said(&self, target: &Target) -> Said {
        let without_slash = |path: &'a str| path.trim_end_matches('/');
        match self {
            _ if self.is_elsewhere(target) => {
                Said::new("to_host").with("host", self.authority.unwrap_or_default())
            }
            _ if self.is_tls && !target.is_tls => Said::new("to_tls"),
            _ if target.is_tls && !self.is_tls => Said::new("to_plain"),
            _ if self.path == target.path => Said::new("to_itself"),
            _ if without_slash(self.path) == target.path.trim_end_matches('/') => Said::new("to_slash"),
            _ => Said::new("to_path").with("path", self.path),
        }
    }

    /// The address that a client of the target's protocol uses.
    fn url(&self, target: &Target) -> String {
        let scheme = match (target.protocol, self.is_tls) {
            (Protocol::Grpc, true) => "grpcs",
            (Protocol::Grpc, false) => "grpc",
            (Protocol::WebSocket, true) => "wss",
            (Protocol::WebSocket, false) => "ws",
            (Protocol::Sse, true) => "https",
            (Protocol::Sse, false) => "http",
        };
        let own = target
            .url
            .split_once("://")
            .map_or(target.host.as_str(), |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        format!("{scheme}://{}{slash}{}", self.authority.unwrap_or(own), self.path)
    }
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::experiment::{Check, Vary};
    use crate::scene::{Scene, answer, found, none};

    fn to(status: u16, location: &str) -> Scene {
        Scene::websocket().plain(answer(status).and("location", location))
    }

    fn difference(scene: Scene) -> String {
        found(probe, scene, Level::High).evidence[1].code.to_string()
    }

    #[test]
    fn what_differs_is_named() {
        assert_eq!(difference(to(308, "http://example.com/chat/")), "to_slash");
        assert_eq!(difference(to(307, "/chat/")), "to_slash");
        assert_eq!(difference(to(301, "https://example.com/chat")), "to_tls");
        assert_eq!(difference(to(301, "http://www.example.com/chat")), "to_host");
        assert_eq!(difference(to(302, "/v2/chat")), "to_path");
        assert_eq!(difference(to(302, "http://example.com:80/chat")), "to_itself");
    }

    #[test]
    fn the_final_address_is_proven_and_told() {
        let scene = to(308, "/chat/").with(Check::Path, Vary::Path("/chat/".into()), answer(101));
        let finding = found(probe, scene, Level::High);
        assert!(finding.evidence.iter().any(|said| said.code == "target_opens"));
        let told = crate::text::told(&finding, model::language::Language::English);
        assert!(told.fixes[0].sentence.text.contains("ws://example.com/chat/ in place"), "{told:?}");
    }

    #[test]
    fn the_hop_is_told_by_comparison() {
        assert_eq!(
            found(probe, to(301, "/chat/").direct("10.0.3.7:80").direct_opens(), Level::High).place,
            Place::UpstreamLeg
        );
        let both =
            to(301, "/chat/").direct("10.0.3.7:80").direct_answers(answer(301).and("location", "/chat/"));
        assert_eq!(found(probe, both, Level::High).place, Place::Upstream);
    }

    #[test]
    fn a_login_and_other_answers_are_another_matter() {
        none(probe, to(302, "https://idp.example.com/login?return=/chat"));
        none(probe, Scene::websocket().plain(answer(404)));
        none(probe, Scene::websocket().plain(answer(101)));
    }
}
