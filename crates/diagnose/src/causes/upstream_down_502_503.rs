//! Nothing listens where the proxy connects to.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Answer, Attempt, Fault, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Vary, Via};
use crate::openings;
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "upstream-down-502-503",
    number: 113,
    severity: Severity::Critical,
    manual: Manual {
        title: text(
            "the proxy does not reach the service: nothing listens there",
            "代理无法连接服务：目标地址没有监听",
        ),
        symptoms: text("502 or 503 at once, for each request.", "所有请求立即得到 502 或 503。"),
        evidence: text(
            "The proxy answers 502 or 503 within milliseconds, and the service's own address refuses \
             connections. A dropped SYN in place of a refusal shows as 502 or 504 after the proxy's \
             connect timeout.",
            "代理在数毫秒内应答 502 或 503，且服务自身的地址拒绝连接。若 SYN 被丢弃，\
             则在代理的连接超时之后得到 502 或 504。",
        ),
        look_alikes: text(
            "`stale-upstream-address`: straight to the service it opens. `ephemeral-port-exhaustion`: the \
             service listens. `edge-rate-limit-or-ban`: only above a number or a rate. A service that \
             says 503 itself.",
            "`stale-upstream-address`：直接连接服务可以打开；`ephemeral-port-exhaustion`：服务在监听；\
             `edge-rate-limit-or-ban`：仅在超过数量或速率时出现；服务自身应答 503。",
        ),
        fix: text(
            "Start the service, or correct the address and port in the proxy's configuration (nginx \
             `proxy_pass`, HAProxy `server`). Check with `ss -ltn` on the service's machine that it \
             listens on the address that the proxy uses, not on 127.0.0.1 alone. Then run the diagnosis \
             again.",
            "启动服务，或改正代理配置中的地址与端口（nginx `proxy_pass`，HAProxy `server`）。\
             在服务所在机器上用 `ss -ltn` 确认它监听代理所用的地址，而不只是 127.0.0.1。然后重新诊断。",
        ),
        sources: &[
            "RFC 9110, sections 15.6.3 to 15.6.5",
            "RFC 9293, section 3.10.7.1 (RST where nobody listens)",
        ],
    },
    phrases: &[
        phrase(
            "gateway_says",
            "The answer is {status} after {seconds}: the gateway got no answer from the service",
            "{seconds}后应答 {status}：网关没有得到服务的应答",
        ),
        phrase("refuses", "{upstream} refuses connections", "{upstream} 拒绝连接"),
        phrase("silent", "{upstream} does not answer connections", "{upstream} 不应答连接请求"),
        phrase("no_server", "The answer says that no server is available", "应答说明没有可用的服务器"),
        phrase(
            "stale",
            "`stale-upstream-address`: the service may listen, and the proxy connect elsewhere",
            "`stale-upstream-address`：服务可能在监听，而代理连接了别处",
        ),
        phrase("says_itself", "the service itself may answer {status}", "{status} 可能由服务自身给出"),
        phrase(
            "breaks_off",
            "the service may accept and break off without an answer",
            "服务可能接受连接后不应答就断开",
        ),
        phrase(
            "filtered",
            "the way from here to {upstream} may be filtered, and that of the proxy not",
            "从此处到 {upstream} 的路径可能被过滤，而代理的路径没有",
        ),
        phrase(
            "look_listening",
            "On the service's machine: `ss -ltn` shows whether its port is listened on",
            "在服务所在机器上：`ss -ltn` 查看端口是否在监听",
        ),
        phrase(
            "start",
            "On the service's machine: start the service, listening where the proxy connects to",
            "在服务所在机器上：启动服务，并监听代理所连接的地址",
        ),
        phrase(
            "address",
            "In the proxy: correct the address of the service (nginx `proxy_pass`, HAProxy `server`)",
            "在代理中：改正服务的地址（nginx `proxy_pass`，HAProxy `server`）",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let (plain, answer) = openings::refused(seen).filter(|(_, answer)| is_gateway_error(answer))?;
    if reaches_service(seen, plain) {
        return None;
    }
    let direct = seen.direct();
    let fault = direct.and_then(|direct| openings::failed(direct, StageName::Tcp));
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let about = |code: &'static str| Said::new(code).with("upstream", upstream);
    let named = answer.says(&[
        "no server is available",
        "no available server",
        "no healthy upstream",
        "connection refused",
    ]);
    let named = named.then(|| Said::new("no_server"));
    let is_vague = answer.status == 503 && named.is_none();
    let decisive = Said::new("gateway_says").with("status", answer.status).seconds("seconds", answer.seconds);
    let claim = Claim::of(&CAUSE, Place::Upstream, decisive);
    let claim = match (direct, fault) {
        (Some(_), Some(Fault::Refused)) => claim.corroborated(about("refuses")),
        (Some(_), Some(Fault::Timeout | Fault::Unreachable)) => {
            claim.corroborated(about("silent")).unless(about("filtered"))
        }
        (Some(_), _) => return None,
        (None, _) if answer.status == 504 => return None,
        (None, _) => {
            let itself = is_vague.then(|| Said::new("says_itself").with("status", answer.status));
            let claim = claim
                .unless(Said::new("stale"))
                .unless(itself)
                .unless((!is_vague).then(|| Said::new("breaks_off")));
            if is_vague { claim.suspected() } else { claim }
        }
    };
    Some(
        claim
            .noted(named)
            .noted(openings::product(answer))
            .next(openings::ask_straight(seen).unwrap_or(Said::new("look_listening")))
            .fix(Said::new("start"))
            .fix(Said::new("address"))
            .finding(),
    )
}

/// A gateway says that it got no good answer from the service.
pub(super) fn is_gateway_error(answer: &Answer) -> bool {
    matches!(answer.status, 502..=504)
}

/// Some request at the URL is answered by more than a gateway's error: the service is there.
pub(super) fn reaches_service(seen: &Examination, plain: &Attempt) -> bool {
    let get = seen.with(&Vary::NoUpgrade);
    let is_better = |attempt: &Attempt| {
        attempt.is_open()
            || attempt.answer.as_ref().is_some_and(|answer| !is_gateway_error(answer) && answer.status != 500)
    };
    get.is_some_and(is_better)
        || openings::repeats(seen, Via::Url).any(|again| again != plain && is_better(again))
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::experiment::Check;
    use crate::scene::{Scene, answer, found, none};

    fn gateway(status: u16) -> Scene {
        Scene::websocket().direct("10.0.3.7:80").plain(answer(status).body("Bad Gateway"))
    }

    #[test]
    fn nothing_listens() {
        for status in [502, 503, 504] {
            let scene = gateway(status).direct_fails(StageName::Tcp, Fault::Refused, 0.001);
            assert_eq!(found(probe, scene, Level::High).place, Place::Upstream);
        }
    }

    #[test]
    fn a_way_that_may_be_filtered_leaves_a_doubt() {
        found(probe, gateway(504).direct_fails(StageName::Tcp, Fault::Timeout, 10.0), Level::Medium);
    }

    #[test]
    fn without_a_comparison_it_is_not_sure() {
        found(probe, Scene::websocket().plain(answer(502)), Level::Medium);
        found(probe, Scene::websocket().plain(answer(503).body("No server is available")), Level::Medium);
        found(probe, Scene::websocket().plain(answer(503)), Level::Low);
        none(probe, Scene::websocket().plain(answer(504)));
    }

    #[test]
    fn a_service_that_is_there_is_another_matter() {
        none(probe, gateway(502).direct_opens());
        none(probe, gateway(503).direct_answers(answer(503)));
        none(probe, gateway(502).direct_fails(StageName::Http, Fault::Ended, 0.01));
        none(probe, Scene::websocket().plain(answer(502)).with(Check::Http, Vary::NoUpgrade, answer(404)));
        none(probe, Scene::websocket().plain(answer(502)).plain(answer(101)));
        none(probe, Scene::websocket().plain(answer(500)));
        none(probe, Scene::websocket().plain(answer(101)));
    }
}
