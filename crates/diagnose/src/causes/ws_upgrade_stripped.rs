//! A proxy does not forward the hop-by-hop fields of an upgrade.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Vary;
use crate::openings::{self, Straight};
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ws-upgrade-stripped",
    number: 101,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the upgrade never reaches your server", "升级请求没有到达服务器"),
        symptoms: text(
            "Browsers report `Unexpected response code: 400` or `426`. Straight to the service's port it \
             works. socket.io stays on polling.",
            "浏览器报告 `Unexpected response code: 400` 或 `426`；直接连接服务端口正常；socket.io \
             一直停留在轮询。",
        ),
        evidence: text(
            "Through the proxy the application answers as if it had got a plain GET; straight to it the \
             same request is answered 101. The same request without the fields of an upgrade gets the \
             very same answer.",
            "经过代理时，应用的应答与收到普通 GET 时一样；直接连接时，同一请求得到 101。\
             去掉升级字段后的请求得到完全相同的应答。",
        ),
        look_alikes: text(
            "`ws-origin-403`: depends on `Origin`. `ws-path-mismatch-404`, `ws-handshake-200-html`: \
             straight to the service a plain GET gets another answer. `protocol-version-mismatch`: the \
             answer names versions. `upstream-down-502-503`: the page is the proxy's.",
            "`ws-origin-403`：取决于 `Origin`；`ws-path-mismatch-404`、`ws-handshake-200-html`：\
             直接向服务发普通 GET 得到不同的应答；`protocol-version-mismatch`：应答中列出版本；\
             `upstream-down-502-503`：页面来自代理。",
        ),
        fix: text(
            "Let the proxy speak HTTP/1.1 to the service and pass `Upgrade` and `Connection`. Then run \
             the diagnosis again: it must say 101.",
            "让代理以 HTTP/1.1 连接服务，并转发 `Upgrade` 与 `Connection`。然后重新诊断：应得到 101。",
        ),
        sources: &[
            "RFC 9110, section 7.6.1",
            "RFC 6455, section 4.2.1",
            "https://nginx.org/en/docs/http/websocket.html",
        ],
    },
    phrases: &[
        phrase(
            "other_version",
            "the service may want another version of the protocol, or TLS, in place of an upgrade that it did not see",
            "服务可能需要协议的其他版本或 TLS，而不是没有看到升级请求",
        ),
        phrase(
            "saw_older_http",
            "The service saw another version of HTTP than the one that was spoken ({status}): a hop has changed it, and \
             with it the upgrade is gone",
            "服务看到的 HTTP 版本与发送的不同（{status}）：途中某一跳改变了版本，升级也随之丢失",
        ),
        phrase(
            "as_plain_get",
            "The answer ({status}) is the same as to a plain GET: the service saw no upgrade",
            "应答（{status}）与普通 GET 的应答相同：服务没有看到升级请求",
        ),
        phrase(
            "asks_for_upgrade",
            "The service asks for an upgrade ({status}), and the request had one",
            "服务要求升级（{status}），而请求中已经带有升级字段",
        ),
        phrase(
            "service_answers_get_so",
            "Straight to {upstream} a plain GET gets this very answer",
            "直接向 {upstream} 发普通 GET 得到完全相同的应答",
        ),
        phrase(
            "other_field",
            "the proxy may change something else that the service needs: its path, its `Host`, a field",
            "代理可能改动了服务所需的其他内容：路径、`Host` 或某个字段",
        ),
        phrase(
            "compare_get",
            "Ask {upstream} with a plain GET: the same answer ({status}) means that the upgrade is lost",
            "向 {upstream} 发普通 GET：应答相同（{status}）说明升级字段丢失",
        ),
        phrase(
            "service_ignores",
            "the service itself does not know WebSocket on this path",
            "服务本身在该路径上不支持 WebSocket",
        ),
        phrase(
            "hop_refuses",
            "With the fields of an upgrade the answer is {status}; without them the request reaches the service, which says \
             {get} as it does straight",
            "带升级字段时应答为 {status}；不带时请求可到达服务，其应答 {get} 与直连相同",
        ),
        phrase(
            "service_minds",
            "the service itself refuses the upgrade over what the hop changes beside (`Host`, `Origin`)",
            "服务因该跳改动的其他内容（`Host`、`Origin`）而自行拒绝升级",
        ),
        phrase(
            "read_service",
            "Look into the service's log whether the request with the upgrade arrives",
            "查看服务日志：带升级的请求是否到达",
        ),
        phrase(
            "allow",
            "In the hop in between: allow upgrades to WebSocket on this route, and forward them",
            "在中间一跳：在该路由上允许并转发 WebSocket 升级",
        ),
        phrase(
            "envoy",
            "upgrade_configs:\n- upgrade_type: websocket",
            "upgrade_configs:\n- upgrade_type: websocket",
        ),
        phrase(
            "forward",
            "In the proxy, for the location that serves this path: forward the upgrade",
            "在代理中，为该路径所在的 location 转发升级字段",
        ),
        phrase(
            "nginx",
            "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\nproxy_set_header \
             Connection \"upgrade\";",
            "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\nproxy_set_header \
             Connection \"upgrade\";",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}

/// What servers say of a request that is no upgrade, in lower case.
const ASKS: [&str; 9] = [
    "upgrade",
    "not a websocket",
    "not websocket",
    "expected websocket",
    "expected a websocket",
    "websocket only",
    "only websocket",
    "websocket handshake",
    "websocket request",
];

fn probe(seen: &Examination) -> Option<Finding> {
    lost(seen).or_else(|| refused_by_hop(seen))
}

/// A hop passes plain requests on and refuses the same as an upgrade, whatever else is varied.
fn refused_by_hop(seen: &Examination) -> Option<Finding> {
    let (plain, answer) = openings::refused(seen)?;
    let (get, straight_get) = (seen.with(&Vary::NoUpgrade)?, seen.direct_with(&Vary::NoUpgrade)?);
    let is_passed_on = openings::is_alike(get, straight_get) && !openings::is_alike(get, plain);
    let is_refusal = matches!(answer.status, 400 | 403 | 404 | 405 | 426 | 500 | 501);
    if !is_passed_on
        || !is_refusal
        || !openings::straight(seen).opens()
        || !openings::opening(seen).is_empty()
    {
        return None;
    }
    let said = Said::new("hop_refuses").with("status", answer.status).with("get", get.status()?);
    let claim = Claim::of(&CAUSE, Place::UpstreamLeg, said)
        .corroborated(openings::opens_straight(seen))
        .noted(openings::product(answer))
        .unless(Said::new("service_minds"))
        .next(Said::new("read_service"))
        .fix_by(Said::new("allow"), Said::new("envoy"));
    Some(claim.finding())
}

/// The answer is what the service says to a request without an upgrade.
fn lost(seen: &Examination) -> Option<Finding> {
    let (plain, answer) = openings::refused(seen).filter(|(_, answer)| {
        seen.target.protocol == Protocol::WebSocket && answer.lists_other_versions().is_none()
    })?;
    // The request spoke HTTP/1.1, and the service saw another version (RFC 9110, section 15.6.6): a hop has changed it.
    let is_older = answer.status == 505;
    let asks = answer.status == 426
        || is_older
        || (matches!(answer.status, 400 | 405) && !answer.is_page() && answer.says(&ASKS));
    let get = seen.with(&Vary::NoUpgrade).map(|get| openings::is_alike(get, plain));
    let straight_get = seen.direct_with(&Vary::NoUpgrade).map(|get| openings::is_alike(get, plain));
    let straight = openings::straight(seen);
    let is_another_matter = get == Some(false)
        || (straight_get == Some(false) && !asks)
        || matches!(straight, Straight::Alike(_) | Straight::Otherwise(_))
        || !((200..500).contains(&answer.status) || is_older);
    if is_another_matter {
        return None;
    }
    let is_own_answer = straight.opens() && straight_get == Some(true);
    // A page or a 404 may as well come from elsewhere, unless the service itself says the same to a plain
    // GET.
    let may_be = matches!(answer.status, 200 | 400 | 404 | 405) && get == Some(true);
    let is_from_elsewhere = answer.status == 404 || answer.is_page();
    if !asks && !is_own_answer && (!may_be || is_from_elsewhere) {
        return None;
    }
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let sentence = match (is_older, asks) {
        (true, _) => "saw_older_http",
        (false, true) => "asks_for_upgrade",
        (false, false) => "as_plain_get",
    };
    let decisive = Said::new(sentence).with("status", answer.status);
    let is_sure = asks || is_own_answer;
    let next = match straight {
        Straight::NotAsked => Said::new("pass_upstream"),
        _ => Said::new("compare_get").with("upstream", upstream).with("status", answer.status),
    };
    let claim = Claim::of(&CAUSE, Place::UpstreamLeg, decisive)
        .corroborated(openings::opens_straight(seen))
        .corroborated(is_own_answer.then(|| Said::new("service_answers_get_so").with("upstream", upstream)))
        .unless((!straight.opens()).then(|| Said::new("service_ignores")))
        .unless((straight.opens() && !is_sure).then(|| Said::new("other_field")))
        .next((!(straight.opens() && is_sure)).then_some(next));
    let claim = if is_sure || straight.opens() { claim } else { claim.suspected() };
    Some(claim.noted(openings::product(answer)).fix_by(Said::new("forward"), Said::new("nginx")).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Answer;
    use crate::experiment::Check;
    use crate::population::tests::{failed, told_of};
    use crate::scene::{Scene, answer, found, none};

    fn refused(answer: &Answer) -> Scene {
        Scene::websocket().direct("10.0.3.7:8080").plain(answer.clone())
    }

    #[test]
    fn all_are_told_to_upgrade_though_they_ask_for_it() {
        let told = |status| {
            let refused = move |number| {
                failed(number, model::HandshakeResult::NotUpgraded, 0.01, "-")
                    .with(|record| record.handshake.status = Some(status))
            };
            told_of(CAUSE.id, (0..20).map(refused))
        };
        assert_eq!(told(426), Some((Level::Medium, Place::UpstreamLeg)));
        assert_eq!(told(400), None);
    }

    #[test]
    fn a_proxy_that_speaks_an_older_http() {
        let older = answer(505).body("unsupported HTTP version: HTTP/1.0").and("server", "nginx/1.22.1");
        found(probe, refused(&older).direct_opens(), Level::High);
        found(probe, Scene::websocket().plain(older.clone()), Level::Medium);
        none(probe, refused(&older).direct_answers(older.clone()));
    }

    #[test]
    fn a_proxy_that_forwards_no_upgrade() {
        let says = answer(400).body("Can \"Upgrade\" only to \"WebSocket\".").and("server", "nginx/1.24.0");
        assert_eq!(found(probe, refused(&says).direct_opens(), Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn a_service_that_answers_so_to_a_plain_get_saw_no_upgrade() {
        for status in [200, 400, 403, 404] {
            let own = answer(status).body("<html>chat").and("content-type", "text/html");
            let scene =
                refused(&own).direct_opens().direct_with(Check::Handshake, Vary::NoUpgrade, own.clone());
            found(probe, scene, Level::High);
        }
    }

    #[test]
    fn without_a_comparison_it_is_not_sure() {
        found(probe, Scene::websocket().plain(answer(426).body("Upgrade Required")), Level::Medium);
        let bare = |scene: Scene| scene.with(Check::Handshake, Vary::NoUpgrade, answer(400));
        found(probe, bare(Scene::websocket().plain(answer(400))), Level::Low);
        found(probe, bare(refused(&answer(400)).direct_opens()), Level::Medium);
    }

    #[test]
    fn a_hop_that_refuses_upgrades_alone() {
        let scene = |straight_get| {
            let scene = Scene::websocket().direct("10.0.3.7:80").plain(answer(403)).direct_opens();
            let scene = scene.with(Check::Http, Vary::NoUpgrade, answer(426));
            scene.direct_with(Check::Http, Vary::NoUpgrade, answer(straight_get))
        };
        assert_eq!(found(probe, scene(426), Level::Medium).place, Place::UpstreamLeg);
        // The hop itself answers the plain request.
        none(probe, scene(404));
        // An origin of its own is what the service minds.
        none(probe, scene(426).with(Check::Origin, Vary::NoOrigin, answer(101)));
    }

    #[test]
    fn look_alikes_are_another_matter() {
        let asks = answer(426).body("Upgrade Required");
        none(probe, refused(&asks).direct_answers(asks.clone()));
        none(probe, refused(&asks).direct_opens().with(Check::Handshake, Vary::NoUpgrade, answer(200)));
        none(probe, Scene::websocket().plain(answer(400).body("websocket token is missing")));
        none(probe, Scene::websocket().plain(asks.and("sec-websocket-version", "8, 7")));
        let page = answer(404).body("Not Found");
        none(probe, refused(&page).direct_opens().with(Check::Handshake, Vary::NoUpgrade, page.clone()));
        let elsewhere = refused(&answer(400)).direct_opens();
        none(probe, elsewhere.direct_with(Check::Handshake, Vary::NoUpgrade, answer(426)));
        none(probe, refused(&answer(502)).direct_opens());
        none(probe, Scene::websocket().plain(answer(101)));
    }
}
