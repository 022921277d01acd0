//! The same request opens at one time and not at another.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::occupancy;
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "intermittent-handshake",
    number: 903,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the same handshake succeeds only sometimes", "同样的握手有时成功、有时失败"),
        symptoms: text("It connects after some tries.", "多试几次才能连接。"),
        evidence: text(
            "The same request was made several times, and some opened and some did not, in no order that \
             a limit would explain. Straight to the service all open, or it is the same there.",
            "同样的请求做了多次，有的打开、有的没有，且其顺序不能用限制来解释；直接连接服务时全部打开，\
             或情况相同。",
        ),
        look_alikes: text(
            "`sticky-session-missing`: the answer speaks of a session. `edge-rate-limit-or-ban`: the \
             first ones open. One of several backends or of several addresses is broken: the share of \
             failures is near 1/n.",
            "`sticky-session-missing`：应答提到会话；`edge-rate-limit-or-ban`：最先的能打开；\
             多个后端或地址中有一个损坏：失败比例接近 1/n。",
        ),
        fix: text(
            "In the balancer: look which backend the failed ones went to, and take it out; switch on \
             health checks (nginx `max_fails`, HAProxy `check`). Then run the diagnosis again: all must \
             open.",
            "在负载均衡中：查看失败的请求到了哪个后端并将其移除；启用健康检查（nginx `max_fails`，HAProxy \
             `check`）。然后重新诊断：应全部打开。",
        ),
        sources: &[
            "https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server (max_fails, fail_timeout)",
            "https://docs.haproxy.org/2.8/configuration.html#5.2-check",
        ],
    },
    phrases: &[
        phrase(
            "sometimes",
            "Of {count} same requests {opened} opened and {failed} failed: {how}",
            "{count} 次同样的请求中 {opened} 次打开，{failed} 次失败：{how}",
        ),
        phrase(
            "at_once",
            "Of {count} connections at once {opened} opened and {failed} failed, in no order: {how}",
            "同时 {count} 个连接中 {opened} 个打开，{failed} 个失败，没有规律：{how}",
        ),
        phrase(
            "straight_all",
            "Straight to {upstream} all {count} opened",
            "直接连接 {upstream} 时 {count} 次全部打开",
        ),
        phrase(
            "straight_too",
            "Straight to {upstream} it is the same: {failed} of {count} failed",
            "直接连接 {upstream} 也一样：{count} 次中 {failed} 次失败",
        ),
        phrase("limit", "a limit of connections at once may be reached", "可能达到了并发连接的限制"),
        phrase(
            "ask_backends",
            "Ask each backend alone with `--upstream`, some times each",
            "用 `--upstream` 逐个后端单独测试，各重复几次",
        ),
        phrase(
            "take_out",
            "In the balancer: take the backend out that fails, and check the health of each",
            "在负载均衡中：移除失败的后端，并对每个后端做健康检查",
        ),
        phrase(
            "service",
            "In the service: its log of the failed ones says why",
            "在服务中：其日志会说明失败的原因",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let is_refused = |attempt: &Attempt| !attempt.is_open() && attempt.is_over();
    if occupancy::limit(occupancy::at_url(seen), is_refused).is_some() {
        return None;
    }
    let varied = || counted(seen.unsteady.iter().filter(|attempt| attempt.experiment.via == Via::Url));
    let (decisive, is_crowd) = match counted(openings::repeats(seen, Via::Url)).or_else(varied) {
        Some(count) => (count.said("sometimes"), false),
        None => (counted(openings::crowd(seen, Via::Url)?.iter())?.said("at_once"), true),
    };
    let straight: Vec<_> = openings::repeats(seen, Via::Direct).collect();
    let failed = straight.iter().filter(|attempt| !attempt.is_open()).count();
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let compared =
        |code: &'static str| Said::new(code).with("upstream", upstream).with("count", straight.len());
    let is_well = straight.len() >= ENOUGH && failed == 0;
    let is_same = failed > 0 && failed < straight.len();
    let place = match (is_well, is_same) {
        (true, _) => Place::UpstreamLeg,
        (_, true) => Place::Upstream,
        _ => Place::Unknown,
    };
    Some(
        Claim::of(&CAUSE, place, decisive)
            .corroborated(is_well.then(|| compared("straight_all")))
            .corroborated(is_same.then(|| compared("straight_too").with("failed", failed)))
            .unless(is_crowd.then(|| Said::new("limit")))
            .next(Said::new("ask_backends"))
            .fix(Said::new(if is_same { "service" } else { "take_out" }))
            .finding(),
    )
}

/// So many that all are well is no chance, when a share of them fails elsewhere.
const ENOUGH: usize = 5;

struct Count {
    opened: usize,
    failed: usize,
    how: String,
}

impl Count {
    fn said(&self, code: &'static str) -> Said {
        let all = self.opened + self.failed;
        let said = Said::new(code).with("count", all).with("opened", self.opened);
        said.with("failed", self.failed).with("how", self.how.as_str())
    }
}

/// How many opened and how many did not, when both happened.
fn counted<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> Option<Count> {
    let (opened, others): (Vec<&Attempt>, Vec<&Attempt>) = attempts.partition(|attempt| attempt.is_open());
    let failed: Vec<&Attempt> = others.into_iter().filter(|other| other.is_over()).collect();
    let how = openings::how(failed.first()?);
    (!opened.is_empty()).then_some(Count { opened: opened.len(), failed: failed.len(), how })
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, answer, crowd, found, none, times};

    fn sometimes() -> Scene {
        let scene = Scene::websocket().direct("10.0.3.7:80").plain(answer(502)).plain(answer(101));
        scene.plain(answer(502)).plain(answer(101))
    }

    #[test]
    fn the_same_request_came_to_both() {
        assert_eq!(found(probe, sometimes(), Level::Medium).place, Place::Unknown);
        let well = (0..ENOUGH).fold(sometimes(), |scene, _| scene.direct_opens());
        assert_eq!(found(probe, well, Level::High).place, Place::UpstreamLeg);
        let same = sometimes().direct_opens().direct_answers(answer(502));
        assert_eq!(found(probe, same, Level::High).place, Place::Upstream);
    }

    #[test]
    fn at_once_in_no_order() {
        let mixed: Vec<_> =
            (0..20).map(|number| Some(answer(if number % 2 == 0 { 101 } else { 502 }))).collect();
        found(probe, Scene::websocket().plain(answer(101)).attempt(crowd(Via::Url, mixed)), Level::Medium);
    }

    #[test]
    fn a_limit_is_another_matter() {
        let limited = [times(3, &answer(101)), times(17, &answer(500))].concat();
        none(probe, Scene::websocket().plain(answer(101)).attempt(crowd(Via::Url, limited)));
    }

    #[test]
    fn a_constant_failure_and_a_constant_success_are_another_matter() {
        none(probe, Scene::websocket().plain(answer(502)).plain(answer(502)));
        none(probe, Scene::websocket().plain(answer(101)).attempt(crowd(Via::Url, times(20, &answer(101)))));
    }
}
