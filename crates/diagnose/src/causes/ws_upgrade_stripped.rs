//! A proxy does not forward the hop-by-hop fields of an upgrade.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Answer;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Vary;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ws-upgrade-stripped",
    number: 101,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the upgrade never reaches your server", "升级请求没有到达服务器"),
        symptoms: text(
            "Browsers report `Unexpected response code: 400` or `426`. Straight to the service's port it works. \
             socket.io stays on polling.",
            "浏览器报告 `Unexpected response code: 400` 或 `426`；直接连接服务端口正常；socket.io 一直停留在轮询。",
        ),
        evidence: text(
            "Through the proxy the application answers as if it had got a plain GET; straight to it the same request is \
             answered 101. The same request without the fields of an upgrade gets the very same answer.",
            "经过代理时，应用的应答与收到普通 GET 时一样；直接连接时，同一请求得到 101。去掉升级字段后的请求得到完全相同的应答。",
        ),
        look_alikes: text(
            "`ws-origin-403`: depends on `Origin`. `ws-path-mismatch-404`: 404. `upstream-down-502-503`: the page is the \
             proxy's.",
            "`ws-origin-403`：取决于 `Origin`；`ws-path-mismatch-404`：404；`upstream-down-502-503`：页面来自代理。",
        ),
        fix: text(
            "Let the proxy speak HTTP/1.1 to the service and pass `Upgrade` and `Connection`. Then run the diagnosis \
             again: it must say 101.",
            "让代理以 HTTP/1.1 连接服务，并转发 `Upgrade` 与 `Connection`。然后重新诊断：应得到 101。",
        ),
        sources: &["RFC 9110, section 7.6.1", "RFC 6455, section 4.2.1", "https://nginx.org/en/docs/http/websocket.html"],
    },
    phrases: &[
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
            "service_ignores",
            "the service itself does not know WebSocket on this path",
            "服务本身在该路径上不支持 WebSocket",
        ),
        phrase(
            "forward",
            "In the proxy, for the location that serves this path: forward the upgrade",
            "在代理中，为该路径所在的 location 转发升级字段",
        ),
        phrase(
            "nginx",
            "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection \"upgrade\";",
            "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection \"upgrade\";",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|_| seen.target.protocol == Protocol::WebSocket)?;
    let answer = plain.answer.as_ref().filter(|answer| matches!(answer.status, 200 | 400 | 404 | 405 | 426))?;
    let status = |said: Said| said.with("status", answer.status);
    let same = seen.with(&Vary::NoUpgrade).and_then(|attempt| attempt.answer.as_ref());
    let is_same = same.is_some_and(|other| is_alike(other, answer));
    let asks = answer.status == 426 || answer.body.to_ascii_lowercase().contains("upgrade");
    if !is_same && !asks {
        return None;
    }
    let decisive = if asks { Said::new("asks_for_upgrade") } else { Said::new("as_plain_get") };
    let direct = seen.direct();
    if direct.is_some_and(|direct| !direct.is_open()) {
        return None;
    }
    let opens = direct.map(|direct| {
        Said::new("direct_opens")
            .with("upstream", seen.target.direct.as_deref().unwrap_or_default())
            .with("status", direct.status().unwrap_or_default())
    });
    let claim = Claim::of(&CAUSE, Place::UpstreamLeg, status(decisive));
    let claim = match (opens, asks) {
        (Some(opens), _) => claim.corroborated(opens),
        (None, true) => claim.unless(Said::new("service_ignores")).next(Said::new("pass_upstream")),
        (None, false) => claim.suspected().unless(Said::new("service_ignores")).next(Said::new("pass_upstream")),
    };
    let product = answer.proxy().map(|product| Said::new("server_field").with("product", product));
    Some(claim.noted(product).fix_by(Said::new("forward"), Said::new("nginx")).finding())
}

/// Two answers that the same code gave for the same reason.
fn is_alike(a: &Answer, b: &Answer) -> bool {
    a.status == b.status && a.body == b.body
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, answer, can_be_told};

    #[test]
    fn a_proxy_that_forwards_no_upgrade() {
        let seen = Scene::websocket()
            .direct("10.0.3.7:8080")
            .plain(answer(400).body("Can \"Upgrade\" only to \"WebSocket\".").and("server", "nginx/1.24.0"))
            .direct_opens()
            .seen();
        let finding = probe(&seen).expect("it is found");
        assert_eq!((finding.level, finding.place), (Level::High, Place::UpstreamLeg));
        can_be_told(&finding);
    }

    #[test]
    fn without_a_comparison_it_is_not_sure() {
        let seen = Scene::websocket().plain(answer(426).body("Upgrade Required")).seen();
        let finding = probe(&seen).expect("it is found");
        assert_eq!(finding.level, Level::Medium);
        assert!(finding.next_measurement.is_some());
        can_be_told(&finding);
    }

    #[test]
    fn a_service_that_fails_straight_too_is_another_matter() {
        let seen = Scene::websocket()
            .direct("10.0.3.7:8080")
            .plain(answer(426).body("Upgrade Required"))
            .direct_answers(answer(426).body("Upgrade Required"))
            .seen();
        assert_eq!(probe(&seen), None);
    }
}
