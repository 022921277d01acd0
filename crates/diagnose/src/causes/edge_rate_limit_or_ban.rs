//! A hop before the service refuses what comes too often, or too much at once.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::occupancy;
use crate::openings::{self, Straight};
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "edge-rate-limit-or-ban",
    number: 119,
    severity: Severity::Warning,
    manual: Manual {
        title: text("connections above a limit are refused", "超过限制的连接被拒绝"),
        symptoms: text(
            "429, 503 or 403 when many connect at once, or for one office whose people share an address.",
            "大量客户端同时连接时，或对共用一个地址的某个办公室，出现 429、503 或 403。",
        ),
        evidence: text(
            "Of many connections at once exactly so many open, and each further one is refused within \
             milliseconds; one alone opens. Status 429, `Retry-After`. Straight to the service all open.",
            "同时建立的多个连接中恰好有若干个打开，其余均在毫秒内被拒绝；单个连接可以打开。状态 429、\
             `Retry-After`。直接连接服务时全部打开。",
        ),
        look_alikes: text(
            "`upstream-queue-timeout-503`: the refusal comes after a wait. `upstream-down-502-503`: one \
             alone is refused too. `sse-worker-pool-exhaustion`: those above the limit hang.",
            "`upstream-queue-timeout-503`：等待之后才被拒绝；`upstream-down-502-503`：单个连接也被拒绝；\
             `sse-worker-pool-exhaustion`：超出限制的连接会一直等待。",
        ),
        fix: text(
            "In the edge: raise the limit for this path (nginx `limit_conn`, `limit_req`), count by user \
             or token in place of the address, exempt known networks. In clients: wait as `Retry-After` \
             says, with jitter. Prove it: the diagnosis with `--checks concurrency` opens all.",
            "在边缘：提高该路径的限制（nginx `limit_conn`、`limit_req`），按用户或令牌而非地址计数，\
             豁免已知网络。在客户端：按 `Retry-After` 等待并加随机抖动。验证：加上 `--checks concurrency` \
             重新诊断，应全部打开。",
        ),
        sources: &[
            "RFC 6585, section 4 (429)",
            "https://nginx.org/en/docs/http/ngx_http_limit_conn_module.html",
            "https://nginx.org/en/docs/http/ngx_http_limit_req_module.html",
        ],
    },
    phrases: &[
        phrase(
            "limit_title",
            "no more than {streams} connections at once are let in",
            "同时最多接受 {streams} 个连接",
        ),
        phrase(
            "limited",
            "With {streams} connections open, {failed} more were refused with {status} within {seconds}; \
             with fewer open, each opened",
            "已有 {streams} 个连接时，另外 {failed} 个在{seconds}内被以 {status} 拒绝；更少时均能打开",
        ),
        phrase("too_many", "The answer is 429 (Too Many Requests)", "应答为 429（请求过多）"),
        phrase("retry_after", "It says `Retry-After: {value}`", "应答带有 `Retry-After: {value}`"),
        phrase(
            "straight_all",
            "Straight to {upstream} all {connections} open",
            "直接连接 {upstream} 时 {connections} 个全部打开",
        ),
        phrase("says_429", "The status itself (429) says that it is a limit", "状态 429 本身就表示限制"),
        phrase("capacity", "the service itself may have room for no more", "服务本身可能已没有余量"),
        phrase(
            "second_address",
            "Repeat from a second address at the same time: a limit for each address lets as many in there",
            "同时从另一个地址重试：若按地址限制，那里也能接受同样数量",
        ),
        phrase(
            "raise",
            "In the hop that refuses: raise the limit for this path, or count by user in place of the \
             address",
            "在拒绝的一跳：提高该路径的限制，或按用户而非地址计数",
        ),
        phrase(
            "wait",
            "In clients: wait as `Retry-After` says, with jitter, before connecting again",
            "在客户端：重连前按 `Retry-After` 等待并加随机抖动",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain()?;
    if plain.is_open() { limited(seen) } else { too_many(seen, plain) }
}

/// One request alone gets 429.
fn too_many(seen: &Examination, plain: &Attempt) -> Option<Finding> {
    let answer = plain.answer.as_ref().filter(|answer| answer.status == 429)?;
    let place = match openings::straight(seen) {
        Straight::Opens(_) => Place::UpstreamLeg,
        Straight::Alike(_) => Place::Upstream,
        _ => Place::Unknown,
    };
    let retry = answer.field("retry-after").map(|value| Said::new("retry_after").with("value", value));
    let claim = Claim::of(&CAUSE, place, Said::new("too_many"))
        .proven()
        .noted(retry)
        .corroborated(openings::opens_straight(seen))
        .corroborated(openings::fails_straight_too(seen))
        .noted(openings::product(answer));
    Some(claim.next(Said::new("second_address")).fix(Said::new("raise")).fix(Said::new("wait")).finding())
}

/// Some open, and when so many are open all others are refused at once with the same status.
fn limited(seen: &Examination) -> Option<Finding> {
    let is_refusal = |attempt: &Attempt| {
        attempt.answer.as_ref().is_some_and(|answer| {
            matches!(answer.status, 403 | 429 | 503) && answer.seconds < AT_ONCE_SECONDS
        })
    };
    let status = occupancy::at_url(seen).find(|attempt| is_refusal(attempt))?.status()?;
    let limit = occupancy::limit(occupancy::at_url(seen), |attempt| {
        is_refusal(attempt) && attempt.status() == Some(status)
    })?;
    let straight = openings::crowd(seen, Via::Direct);
    if straight.is_some_and(|straight| !straight.iter().all(Attempt::is_open)) {
        return None;
    }
    let straight = straight.filter(|straight| straight.len() > limit.streams);
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let all = straight
        .map(|all| Said::new("straight_all").with("upstream", upstream).with("connections", all.len()));
    let answers = || limit.refused.iter().filter_map(|attempt| attempt.answer.as_ref());
    let is_told = status == 429;
    let decisive = Said::new("limited")
        .with("streams", limit.streams)
        .with("failed", limit.refused.len())
        .with("status", status)
        .seconds("seconds", answers().map(|answer| answer.seconds).fold(0.0, f64::max));
    let is_compared = all.is_some();
    let claim = Claim::of(&CAUSE, if is_compared { Place::UpstreamLeg } else { Place::Unknown }, decisive)
        .titled(Said::new("limit_title").with("streams", limit.streams))
        .corroborated(all)
        .corroborated(is_told.then(|| Said::new("says_429")))
        .noted(answers().find_map(openings::product))
        .unless((!is_compared && !is_told).then(|| Said::new("capacity")));
    Some(claim.next(Said::new("second_address")).fix(Said::new("raise")).fix(Said::new("wait")).finding())
}

/// A refusal that nobody waited for.
const AT_ONCE_SECONDS: f64 = 0.5;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Answer;
    use crate::scene::{Scene, answer, crowd, found, none, times};

    fn cut(open: usize, refused: usize, refusal: &Answer) -> Vec<Option<Answer>> {
        [times(open, &answer(101)), times(refused, refusal)].concat()
    }

    fn open() -> Scene {
        Scene::websocket().direct("10.0.3.7:80").plain(answer(101))
    }

    #[test]
    fn attempts_beside_held_streams_come_up_against_it_too() {
        let mut seen = open().plain(answer(101)).plain(answer(503)).plain(answer(503)).seen();
        for (number, attempt) in seen.attempts.iter_mut().enumerate() {
            attempt.began = number as f64;
        }
        let finding = probe(&seen).expect("it is found");
        assert_eq!(finding.title, Said::new("limit_title").with("streams", 2_u64));
    }

    #[test]
    fn exactly_so_many_at_once() {
        let at_url = crowd(Via::Url, cut(3, 17, &answer(503)));
        assert_eq!(found(probe, open().attempt(at_url.clone()), Level::Medium).place, Place::Unknown);
        let scene = open().attempt(at_url).attempt(crowd(Via::Direct, times(20, &answer(101))));
        assert_eq!(found(probe, scene, Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn a_status_that_says_it() {
        found(probe, open().attempt(crowd(Via::Url, cut(5, 15, &answer(429)))), Level::High);
        found(probe, Scene::websocket().plain(answer(429).and("retry-after", "30")), Level::High);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        let slow = Answer { seconds: 1.0, ..answer(503) };
        none(probe, open().attempt(crowd(Via::Url, cut(3, 17, &slow))));
        let hanging = [times(4, &answer(101)), vec![None; 16]].concat();
        none(probe, open().attempt(crowd(Via::Url, hanging)));
        let scattered = [times(2, &answer(101)), times(9, &answer(503)), times(2, &answer(101))].concat();
        none(probe, open().attempt(crowd(Via::Url, scattered)));
        let own = open().attempt(crowd(Via::Url, cut(3, 17, &answer(503))));
        none(probe, own.attempt(crowd(Via::Direct, cut(3, 17, &answer(503)))));
        none(probe, open().attempt(crowd(Via::Url, times(20, &answer(101)))));
        none(probe, Scene::websocket().plain(answer(503)));
    }
}
