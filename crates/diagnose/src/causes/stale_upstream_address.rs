//! The proxy connects to where the service no longer is.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use super::upstream_down_502_503::{is_gateway_error, reaches_service};
use super::upstream_handshake_hang_504::is_hanging;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "stale-upstream-address",
    number: 115,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the service is well, and the proxy connects elsewhere", "服务正常，但代理连接到了别处"),
        symptoms: text(
            "502 after the service was deployed anew, until the proxy is reloaded; straight to the \
             service it works.",
            "服务重新部署后得到 502，直到代理重新加载；直接连接服务正常。",
        ),
        evidence: text(
            "Through the proxy each request ends in 502, 503 or 504, straight to the service it opens. On \
             the proxy's machine `ss -tn` shows an address that the name no longer has.",
            "经过代理时所有请求都是 502、503 或 504，直接连接服务可以打开。在代理所在机器上，`ss -tn` \
             显示的地址已不再是该名称的地址。",
        ),
        look_alikes: text(
            "A wrong address in the configuration. `upstream-down-502-503`: the service refuses as well. \
             `ephemeral-port-exhaustion`, `fd-limit-proxy`: the proxy itself has nothing left. \
             `edge-rate-limit-or-ban`: 503 above a number or a rate only.",
            "配置中的地址错误；`upstream-down-502-503`：服务同样拒绝；`ephemeral-port-exhaustion`、\
             `fd-limit-proxy`：代理自身资源耗尽；`edge-rate-limit-or-ban`：仅在超过数量或速率时出现 503。",
        ),
        fix: text(
            "Reload the proxy: when that helps, its address was stale. Then let it resolve the name as \
             long as it runs: nginx `resolver` with the name in a variable of `proxy_pass`, or `server … \
             resolve` in the upstream block (since 1.27.3); HAProxy a `resolvers` section and `resolvers` \
             on the server line. Prove it: deploy the service anew, run the diagnosis again.",
            "重新加载代理：若恢复，则说明地址已过期。然后让代理在运行中解析名称：nginx 使用 `resolver` \
             并在 `proxy_pass` 中以变量写名称，或在 upstream 中使用 `server … resolve`（1.27.3 起）；\
             HAProxy 使用 `resolvers` 段并在 server 行加 `resolvers`。验证：重新部署服务后再次诊断。",
        ),
        sources: &[
            "https://nginx.org/en/docs/http/ngx_http_core_module.html#resolver",
            "https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server",
            "https://docs.haproxy.org/2.8/configuration.html#5.3",
        ],
    },
    phrases: &[
        phrase(
            "gateway_says",
            "Through the proxy the answer is {status} after {seconds}",
            "经过代理时，{seconds}后应答 {status}",
        ),
        phrase(
            "no_answer",
            "Through the proxy no answer came in {seconds}",
            "经过代理时，{seconds}内没有应答",
        ),
        phrase(
            "wrong_address",
            "the address in the proxy's configuration may be wrong",
            "代理配置中的地址可能有误",
        ),
        phrase(
            "proxy_limits",
            "the proxy may have no port, no file or no place in its pool left",
            "代理可能已没有可用的端口、文件描述符或连接池位置",
        ),
        phrase(
            "edge",
            "`edge-rate-limit-or-ban`: the proxy may refuse on purpose",
            "`edge-rate-limit-or-ban`：代理可能有意拒绝",
        ),
        phrase(
            "compare_address",
            "On the proxy's machine: compare the address that it connects to (`ss -tn`, its error log) \
             with {upstream}; reload it and repeat",
            "在代理所在机器上：把它所连接的地址（`ss -tn`、错误日志）与 {upstream} 对比；重新加载后再试",
        ),
        phrase(
            "resolve",
            "In the proxy: resolve the service's name while running, not only at start",
            "在代理中：在运行期间解析服务名称，而不只在启动时解析",
        ),
        phrase(
            "nginx",
            "resolver RESOLVER valid=10s;\nset $service http://NAME:PORT;\nproxy_pass $service;",
            "resolver RESOLVER valid=10s;\nset $service http://NAME:PORT;\nproxy_pass $service;",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|plain| !plain.is_open())?;
    let opens = openings::opens_straight(seen)?;
    let answer = plain.answer.as_ref().filter(|answer| is_gateway_error(answer));
    let decisive = match answer {
        Some(answer) => {
            Said::new("gateway_says").with("status", answer.status).seconds("seconds", answer.seconds)
        }
        None if is_hanging(plain) && seen.target.protocol == Protocol::WebSocket => {
            Said::new("no_answer").seconds("seconds", plain.failed()?.seconds)
        }
        None => return None,
    };
    if reaches_service(seen, plain) {
        return None;
    }
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let is_503 = plain.status() == Some(503);
    Some(
        Claim::of(&CAUSE, Place::UpstreamLeg, decisive)
            .corroborated(opens)
            .noted(answer.and_then(openings::product))
            .noted(answer.and_then(openings::body))
            .unless(Said::new("wrong_address"))
            .unless(Said::new("proxy_limits"))
            .unless(is_503.then(|| Said::new("edge")))
            .next(Said::new("compare_address").with("upstream", upstream))
            .fix_by(Said::new("resolve"), Said::new("nginx"))
            .finding(),
    )
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Fault, StageName};
    use crate::experiment::{Check, Vary};
    use crate::scene::{Scene, answer, found, none};

    fn through(status: u16) -> Scene {
        Scene::websocket().direct("chat.internal:8080").plain(answer(status))
    }

    #[test]
    fn the_service_is_well_and_the_proxy_does_not_reach_it() {
        for status in [502, 503, 504] {
            assert_eq!(found(probe, through(status).direct_opens(), Level::Medium).place, Place::UpstreamLeg);
        }
        let hang = Scene::websocket().direct("chat.internal:8080").plain_fails(
            StageName::Http,
            Fault::Timeout,
            10.0,
        );
        found(probe, hang.direct_opens(), Level::Medium);
        let held = Scene::of(Protocol::Sse).direct("chat.internal:8080").plain_fails(
            StageName::Http,
            Fault::Timeout,
            10.0,
        );
        none(probe, held.direct_answers(crate::scene::event_stream()));
    }

    #[test]
    fn a_proxy_that_reaches_the_service_is_another_matter() {
        none(probe, through(502).direct_opens().with(Check::Http, Vary::NoUpgrade, answer(426)));
        none(probe, through(502).direct_opens().plain(answer(101)));
        none(probe, through(403).direct_opens());
        none(probe, through(502).direct_fails(StageName::Tcp, Fault::Refused, 0.01));
        none(probe, through(502));
        none(probe, through(101).direct_opens());
    }
}
