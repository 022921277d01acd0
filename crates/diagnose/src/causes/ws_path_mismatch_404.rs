//! The path that arrives at the service is not the one that it serves.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Check, Vary, Via};
use crate::openings::{self, Straight};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ws-path-mismatch-404",
    number: 104,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the path is not the one that the service serves", "请求路径与服务所提供的路径不一致"),
        symptoms: text(
            "404 in the handshake, often only through the proxy; socket.io says `xhr poll error`; gRPC \
             UNIMPLEMENTED.",
            "握手得到 404，往往只在经过代理时出现；socket.io 报告 `xhr poll error`；gRPC 报告 \
             UNIMPLEMENTED。",
        ),
        evidence: text(
            "The same path straight to the service opens, through the proxy it is 404; or a neighbouring \
             path opens where the given one is 404.",
            "同一路径直接连接服务可以打开，经过代理为 404；或者给定路径为 404，而相近的路径可以打开。",
        ),
        look_alikes: text(
            "`tls-name-or-vhost-mismatch`: depends on `Host`. `ws-upgrade-stripped`: the service itself \
             answers a plain GET of this path with the same 404.",
            "`tls-name-or-vhost-mismatch`：取决于 `Host`；`ws-upgrade-stripped`：服务对该路径的普通 GET \
             也返回同样的 404。",
        ),
        fix: text(
            "Make the public path and the path of the service agree: in nginx a `proxy_pass` with a path \
             after the address replaces what the location matched, one without keeps it; in other proxies \
             look for strip-prefix rules; in socket.io set `path` alike on both sides. Then run the \
             diagnosis again: it must open.",
            "使公开路径与服务路径一致：nginx 中 `proxy_pass` 的地址后带路径时会替换 location 匹配的部分，\
             不带则保留原样；其他代理请检查去前缀规则；socket.io 两端的 `path` 要相同。然后重新诊断：\
             应能打开。",
        ),
        sources: &[
            "RFC 9110, section 15.5.5",
            "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_pass",
            "https://socket.io/docs/v4/troubleshooting-connection-issues/",
        ],
    },
    phrases: &[
        phrase(
            "not_found",
            "{path} is answered {status}: nothing is known there",
            "{path} 的应答为 {status}：该路径不存在",
        ),
        phrase("path_opens", "{path} opens the stream", "{path} 可以建立连接"),
        phrase("host_unchanged", "Another `Host` changes nothing", "更换 `Host` 没有变化"),
        phrase(
            "host",
            "`tls-name-or-vhost-mismatch`: another `Host` may be wanted",
            "`tls-name-or-vhost-mismatch`：可能需要另一个 `Host`",
        ),
        phrase(
            "upgrade_stripped",
            "`ws-upgrade-stripped`: the service may answer a plain GET of this path with 404",
            "`ws-upgrade-stripped`：服务可能对该路径的普通 GET 返回 404",
        ),
        phrase(
            "same_for_unknown",
            "A path that nobody serves gets the very same answer",
            "一个不存在的路径得到完全相同的应答",
        ),
        phrase(
            "compare_get",
            "Ask {upstream} for {path} with a plain GET: the same 404 means that the upgrade is lost, \
             another answer that the path is",
            "用普通 GET 向 {upstream} 请求 {path}：同样的 404 说明升级字段丢失，不同的应答说明路径被改",
        ),
        phrase("list_paths", "Look up the path in the service's routes", "在服务的路由表中核对路径"),
        phrase(
            "use_path",
            "In the client: path {path} in place of {old}",
            "在客户端中：把路径 {old} 改为 {path}",
        ),
        phrase(
            "keep_path",
            "In the proxy: let {path} arrive at the service as it is (nginx: `proxy_pass \
             http://UPSTREAM;` without anything after the address)",
            "在代理中：让 {path} 原样到达服务（nginx：`proxy_pass http://UPSTREAM;`，地址后不带任何路径）",
        ),
    ],
    signs: Signs::probe(probe),
};

/// What a probe asks for to see how a path that nobody serves is answered.
const UNKNOWN: &str = "/heartline-no-such-path";

fn probe(seen: &Examination) -> Option<Finding> {
    let (plain, answer) = openings::refused(seen).filter(|(_, answer)| answer.status == 404)?;
    let hosts: Vec<_> = seen
        .of(Check::Host, Via::Url)
        .filter(|attempt| matches!(attempt.experiment.vary, Some(Vary::Host(_))))
        .collect();
    if hosts.iter().any(|attempt| attempt.is_open()) {
        return None;
    }
    let straight = openings::straight(seen);
    let path = seen.target.path.as_str();
    let right = openings::other_paths(seen).find(|(_, attempt)| attempt.is_open());
    let unknown = openings::other_paths(seen)
        .find(|(path, attempt)| *path == UNKNOWN && openings::is_alike(attempt, plain));
    let get = seen.direct_with(&Vary::NoUpgrade);
    if straight.opens() && right.is_none() && get.is_some_and(|get| openings::is_alike(get, plain)) {
        return None;
    }
    let is_upgrade_excluded = seen.target.protocol != Protocol::WebSocket
        || right.is_some()
        || straight.is_alike()
        || get.is_some()
        || seen.with(&Vary::NoUpgrade).is_some_and(|get| !openings::is_alike(get, plain));
    let place = match straight {
        Straight::Opens(_) | Straight::Otherwise(_) => Place::UpstreamLeg,
        _ if right.is_some() => Place::Client,
        Straight::Alike(_) => Place::Upstream,
        Straight::NotAsked => Place::Unknown,
    };
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let claim =
        Claim::of(&CAUSE, place, Said::new("not_found").with("path", path).with("status", answer.status))
            .corroborated(right.map(|(path, _)| Said::new("path_opens").with("path", path)))
            .corroborated(openings::opens_straight(seen))
            .corroborated(unknown.map(|_| Said::new("same_for_unknown")))
            .noted(openings::fails_straight_too(seen))
            .noted((!hosts.is_empty()).then(|| Said::new("host_unchanged")))
            .noted(openings::product(answer))
            .unless((!is_upgrade_excluded).then(|| Said::new("upgrade_stripped")))
            .unless((hosts.is_empty() && right.is_none() && !straight.opens()).then(|| Said::new("host")))
            .next(match straight {
                Straight::NotAsked => openings::ask_straight(seen),
                Straight::Opens(_) if !is_upgrade_excluded => {
                    Some(Said::new("compare_get").with("upstream", upstream).with("path", path))
                }
                _ => Some(Said::new("list_paths")),
            });
    let is_ambiguous = straight.opens() && !is_upgrade_excluded;
    let claim = if is_ambiguous { claim.suspected() } else { claim };
    let claim = match right {
        Some((right, _)) => claim.fix(Said::new("use_path").with("path", right).with("old", path)),
        None => claim,
    };
    Some(claim.fix(Said::new("keep_path").with("path", path)).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, answer, found, none};

    fn missing() -> Scene {
        Scene::websocket().plain(answer(404).body("Not Found"))
    }

    #[test]
    fn a_proxy_that_changes_the_path() {
        let scene = missing().direct("10.0.3.7:80").direct_opens();
        let ambiguous = found(probe, missing().direct("10.0.3.7:80").direct_opens(), Level::Low);
        assert_eq!(ambiguous.next_measurement.map(|said| said.code), Some("compare_get".into()));
        let scene =
            scene.direct_with(Check::Handshake, Vary::NoUpgrade, answer(426).body("Upgrade Required"));
        assert_eq!(found(probe, scene, Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn a_neighbouring_path_opens() {
        let finding = found(
            probe,
            missing().with(Check::Path, Vary::Path("/ws/chat".into()), answer(101)),
            Level::High,
        );
        assert_eq!((finding.place, finding.fixes[0].text.code.as_ref()), (Place::Client, "use_path"));
    }

    #[test]
    fn without_a_comparison_it_is_not_sure() {
        assert_eq!(found(probe, missing(), Level::Medium).not_excluded.len(), 2);
        let like = |vary| missing().with(Check::Path, vary, answer(404).body("Not Found"));
        found(probe, like(Vary::Host("x.example".into())), Level::Medium);
        let finding = found(probe, like(Vary::Path(UNKNOWN.into())), Level::Medium);
        assert!(finding.evidence.iter().any(|said| said.code == "same_for_unknown"));
        let both = like(Vary::Path(UNKNOWN.into())).direct("10.0.3.7:80");
        assert_eq!(
            found(probe, both.direct_answers(answer(404).body("Not Found")), Level::Medium).place,
            Place::Upstream
        );
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, missing().with(Check::Host, Vary::Host("chat.example.com".into()), answer(101)));
        let stripped = missing().direct("10.0.3.7:80").direct_opens();
        none(probe, stripped.direct_with(Check::Handshake, Vary::NoUpgrade, answer(404).body("Not Found")));
        none(probe, Scene::websocket().plain(answer(403)));
        none(probe, Scene::websocket().plain(answer(101)));
    }
}
