//! A page for people comes in place of the stream: the request went to a fallback for static files.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use super::sse_wrong_content_type_or_status::is_markup;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Vary;
use crate::openings::{self, Straight};
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ws-handshake-200-html",
    number: 103,
    severity: Severity::Critical,
    manual: Manual {
        title: text("a web page answers in place of the stream", "返回的是网页，而不是数据流"),
        symptoms: text(
            "Browsers report `Unexpected response code: 200`; EventSource complains of the MIME type \
             `text/html`; gRPC of the content type.",
            "浏览器报告 `Unexpected response code: 200`；EventSource 报告 MIME 类型为 `text/html`；gRPC \
             报告 content-type 错误。",
        ),
        evidence: text(
            "Status 200 with an HTML page, the same one that other paths get, such as `/`. Straight to \
             the service the stream opens.",
            "状态 200 加上 HTML 页面，且与其他路径（如 `/`）得到的页面相同；直接连接服务可以建立数据流。",
        ),
        look_alikes: text(
            "`ws-upgrade-stripped`: the page is the service's own answer to a plain GET of this path. \
             `ws-auth-401`: the page asks for a password. `sse-wrong-content-type-or-status`: the body is \
             no page.",
            "`ws-upgrade-stripped`：页面是服务对该路径普通 GET 的应答；`ws-auth-401`：页面要求输入密码；\
             `sse-wrong-content-type-or-status`：正文不是网页。",
        ),
        fix: text(
            "Route the path of the stream before the catch-all of the single-page application, in each \
             hop that has one (also in a development server's proxy rules). Then run the diagnosis again: \
             the stream must open.",
            "在每个带有单页应用兜底规则的环节（包括开发服务器的代理规则）中，\
             把数据流的路径放在兜底规则之前。然后重新诊断：应能建立数据流。",
        ),
        sources: &[
            "https://nginx.org/en/docs/http/ngx_http_core_module.html#try_files",
            "WHATWG HTML, section 9.2.3 (an event stream has the type text/event-stream)",
        ],
    },
    phrases: &[
        phrase("page", "The answer is an HTML page ({status})", "应答是一个 HTML 页面（{status}）"),
        phrase("same_elsewhere", "{path} gets the very same page", "{path} 得到完全相同的页面"),
        phrase(
            "upgrade_stripped",
            "`ws-upgrade-stripped`: the page may be the service's own answer to a plain GET",
            "`ws-upgrade-stripped`：页面可能是服务对普通 GET 的应答",
        ),
        phrase("wrong_url", "the URL may simply not be that of the stream", "URL 可能本来就不是数据流的地址"),
        phrase(
            "compare_root",
            "Compare with the page at `/`: run with `--checks path`",
            "与 `/` 的页面对比：加上 `--checks path`",
        ),
        phrase(
            "route",
            "In the hop that serves the page: a location of its own for {path}, above the catch-all",
            "在返回该页面的一跳：为 {path} 单独设置 location，放在兜底规则之前",
        ),
        phrase(
            "nginx",
            "location {path} {\n    proxy_pass http://UPSTREAM;\n    proxy_http_version 1.1;\n    \
             proxy_set_header Upgrade $http_upgrade;\n    proxy_set_header Connection \"upgrade\";\n}",
            "location {path} {\n    proxy_pass http://UPSTREAM;\n    proxy_http_version 1.1;\n    \
             proxy_set_header Upgrade $http_upgrade;\n    proxy_set_header Connection \"upgrade\";\n}",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let (plain, answer) = openings::refused(seen)
        .filter(|(_, answer)| answer.status == 200 && answer.is_page() && !answer.is_login())?;
    if seen.target.protocol == Protocol::Sse && !is_markup(answer) {
        return None;
    }
    let is_own_page = seen.direct_with(&Vary::NoUpgrade).is_some_and(|get| openings::is_alike(get, plain));
    let straight = openings::straight(seen);
    if is_own_page && straight.opens() {
        return None;
    }
    let elsewhere = openings::other_paths(seen).find(|(_, attempt)| openings::is_alike(attempt, plain));
    let place = match straight {
        Straight::Alike(_) => Place::Upstream,
        Straight::Opens(_) | Straight::Otherwise(_) => Place::UpstreamLeg,
        Straight::NotAsked => Place::Unknown,
    };
    let is_upgrade = seen.target.protocol == Protocol::WebSocket;
    let is_compared =
        elsewhere.is_some() || seen.direct_with(&Vary::NoUpgrade).is_some() || straight.is_alike();
    let next =
        openings::ask_straight(seen).or_else(|| elsewhere.is_none().then(|| Said::new("compare_root")));
    let path = seen.target.path.split('?').next().unwrap_or_default();
    let route = Said::new("route").with("path", path);
    Some(
        Claim::of(&CAUSE, place, Said::new("page").with("status", answer.status))
            .corroborated(elsewhere.map(|(path, _)| Said::new("same_elsewhere").with("path", path)))
            .corroborated(openings::opens_straight(seen))
            .noted(openings::fails_straight_too(seen))
            .noted(openings::product(answer))
            .unless((is_upgrade && !is_compared).then(|| Said::new("upgrade_stripped")))
            .unless((!straight.opens()).then(|| Said::new("wrong_url")))
            .next(next)
            .fix_by(route, Said::new("nginx").with("path", path))
            .finding(),
    )
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Answer;
    use crate::experiment::Check;
    use crate::scene::{Scene, answer, found, none};

    fn page() -> Answer {
        answer(200)
            .and("content-type", "text/html; charset=utf-8")
            .body("<!doctype html><title>Shop</title><div id=root>")
    }

    fn root(scene: Scene) -> Scene {
        scene.with(Check::Path, Vary::Path("/".into()), page())
    }

    #[test]
    fn a_fallback_answers_where_the_service_opens() {
        for protocol in [Protocol::WebSocket, Protocol::Sse, Protocol::Grpc] {
            let scene = root(Scene::of(protocol).plain(page())).direct("10.0.3.7:80").direct_answers(
                if protocol == Protocol::WebSocket {
                    answer(101)
                } else {
                    answer(200).and("content-type", "text/event-stream")
                },
            );
            assert_eq!(found(probe, scene, Level::High).place, Place::UpstreamLeg);
        }
    }

    #[test]
    fn without_a_comparison_it_is_not_sure() {
        assert_eq!(found(probe, Scene::websocket().plain(page()), Level::Medium).not_excluded.len(), 2);
        assert_eq!(found(probe, root(Scene::websocket().plain(page())), Level::Medium).not_excluded.len(), 1);
    }

    #[test]
    fn a_service_that_shows_the_page_for_a_plain_get_saw_no_upgrade() {
        let scene = Scene::websocket().direct("10.0.3.7:80").plain(page()).direct_opens();
        none(probe, scene.direct_with(Check::Handshake, Vary::NoUpgrade, page()));
    }

    #[test]
    fn a_login_and_a_body_that_is_no_page_are_another_matter() {
        none(probe, Scene::websocket().plain(page().body("<html><input type=\"password\">")));
        none(probe, Scene::websocket().plain(answer(200).and("content-type", "application/json").body("{}")));
        none(probe, Scene::websocket().plain(answer(101)));
    }
}
