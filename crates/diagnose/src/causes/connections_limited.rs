//! Something lets in so many connections at once and no more; what it is no cause says.

use model::finding::{Finding, Said, Severity};

use crate::attempt::{Attempt, End, Fault};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::holds::{EARLY_SECONDS, Manner};
use crate::occupancy::{self, Straight};
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "connections-limited",
    number: 906,
    severity: Severity::Warning,
    manual: Manual {
        title: text("only so many connections get in at once", "同时只能进入有限数量的连接"),
        symptoms: text(
            "Some users get in and others do not, at the same time; later others do.",
            "同一时间部分用户可以接入而其他人不行；过后情况又不同。",
        ),
        evidence: text(
            "Of many connections at once the first ones open, and all that began after them fail in the \
             same way; one alone opens.",
            "同时建立的多个连接中，最先的若干个打开，其后的全部以同样的方式失败；单个连接可以打开。",
        ),
        look_alikes: text(
            "With an answer: `edge-rate-limit-or-ban`, `fd-limit-proxy`, `upstream-queue-timeout-503`. \
             Ended without a byte: `nginx-worker-connections`. Connected and not answered: \
             `fd-limit-app`, `sse-worker-pool-exhaustion`, `accept-queue-overflow`. Failing at random: \
             `intermittent-handshake`.",
            "有应答：`edge-rate-limit-or-ban`、`fd-limit-proxy`、`upstream-queue-timeout-503`；没有任何字\
             节就被结束：`nginx-worker-connections`；已连接但没有应答：`fd-limit-app`、\
             `sse-worker-pool-exhaustion`、`accept-queue-overflow`；随机失败：`intermittent-handshake`。",
        ),
        fix: text(
            "Where the limit is: find what is counted (sessions of a licence, workers, files, connections \
             of an address) and raise it, or answer 503 with `Retry-After` above it. Prove it: the \
             diagnosis with `--checks concurrency` opens all.",
            "在存在限制的位置：找出计数的对象（许可证会话、工作进程、文件、单个地址的连接）并提高上限，或\
             在超限时应答 503 与 `Retry-After`。验证：加上 `--checks concurrency` 重新诊断，应全部打开。",
        ),
        sources: &["RFC 9110, sections 10.2.3 and 15.6.4"],
    },
    phrases: &[
        phrase(
            "limit_title",
            "{streams} connections at once get in and no more",
            "同时只能进入 {streams} 个连接",
        ),
        phrase(
            "limited",
            "While {streams} were open, {refused} further ones did not open or were ended at once: {how}, after at most {seconds}",
            "已有 {streams} 个打开时，另外 {refused} 个未能打开或立即被结束：{how}，最长{seconds}",
        ),
        phrase(
            "straight_too",
            "Straight to {upstream} some of as many do not open either",
            "直接连接 {upstream} 时同样数量中也有未能打开的",
        ),
        phrase(
            "rate",
            "a limit of new connections in a time, in place of one of their number",
            "可能是对单位时间内新建连接的限制，而不是对数量的限制",
        ),
        phrase("files", "`fd-limit-app`: the process has no files left", "`fd-limit-app`：进程没有可用文件"),
        phrase(
            "workers",
            "each connection holds a worker, and there are no more",
            "每个连接占用一个工作进程，且已全部占满",
        ),
        phrase(
            "one_more",
            "Keep {streams} open for a minute, then open one more: when it opens, the limit is one of rate",
            "保持 {streams} 个打开一分钟后再建立一个：若能打开，则是速率限制",
        ),
        phrase(
            "look_inside",
            "On the service's machine, while {streams} are open: open files of the process against `/proc/PID/limits`, its workers, and Recv-Q in `ss -ltn`",
            "在服务所在机器上，保持 {streams} 个打开时：对比进程的打开文件数与 `/proc/PID/limits`，查看其工作进程，以及 `ss -ltn` 的 Recv-Q",
        ),
        phrase(
            "raise",
            "Where the limit is: find what is counted and raise it, or refuse with 503 and `Retry-After`",
            "在存在限制的位置：找出计数的对象并提高上限，或以 503 与 `Retry-After` 拒绝",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let limit = occupancy::compared(seen, is_turned_away)?;
    let refused = &limit.limit.refused;
    let are_waiting = refused.iter().all(|attempt| is_waiting(attempt));
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let same =
        (limit.straight == Straight::Limited).then(|| Said::new("straight_too").with("upstream", upstream));
    let next =
        Said::new(if are_waiting { "look_inside" } else { "one_more" }).with("streams", limit.limit.streams);
    let is_inside = are_waiting && !matches!(limit.straight, Straight::Open(_));
    Some(
        Claim::of(&CAUSE, limit.place(), limit.said("limited").with("how", openings::how(refused.first()?)))
            .titled(limit.said("limit_title"))
            .corroborated(limit.opens_straight(seen))
            .corroborated(same)
            .unless((!are_waiting).then(|| Said::new("rate")))
            .unless(is_inside.then(|| Said::new("files")))
            .unless(is_inside.then(|| Said::new("workers")))
            .next(openings::ask_straight(seen).unwrap_or(next))
            .fix(Said::new("raise"))
            .finding(),
    )
}

/// It does not open, or is ended at once: who counts sessions may do so behind the handshake.
fn is_turned_away(attempt: &Attempt) -> bool {
    let is_ended = |end: &End| end.age < EARLY_SECONDS && Manner::of(attempt, end) != Manner::Announced;
    match attempt.is_open() {
        true => attempt.peer_end().is_some_and(is_ended),
        false => attempt.is_over(),
    }
}

/// It is connected, and nothing comes.
fn is_waiting(attempt: &Attempt) -> bool {
    attempt.failed().is_some_and(|failed| failed.fault == Some(Fault::Timeout))
}

#[cfg(test)]
mod tests {
    use model::finding::{Level, Place};

    use super::*;
    use crate::attempt::Answer;
    use crate::experiment::Via;
    use crate::scene::{Scene, answer, close, crowd, end, found, none, times};

    fn open() -> Scene {
        Scene::websocket().direct("10.0.3.7:80").plain(answer(101)).direct_opens()
    }

    fn limited(via: Via, other: Option<&Answer>) -> Attempt {
        let others = other.map_or_else(|| vec![None; 16], |other| times(16, other));
        crowd(via, [times(4, &answer(101)), others].concat())
    }

    #[test]
    fn so_many_get_in_and_no_more() {
        let teapot = answer(418);
        for other in [None, Some(&teapot)] {
            let url = || open().attempt(limited(Via::Url, other));
            assert_eq!(found(probe, url(), Level::Medium).place, Place::Unknown);
            let same = url().attempt(limited(Via::Direct, other));
            let finding = found(probe, same, Level::Medium);
            assert_eq!(finding.place, Place::Upstream);
            assert!(finding.evidence.iter().any(|said| said.code == "straight_too"), "{finding:?}");
        }
    }

    #[test]
    fn those_beyond_it_may_be_ended_behind_the_handshake() {
        let ended = |via| {
            let mut made = crowd(via, times(20, &answer(101)));
            for (number, attempt) in made.crowd.iter_mut().enumerate() {
                let peer = end(0.05, close(1013, "too many sessions"));
                attempt.stream.get_or_insert_default().end = (number >= 4).then_some(peer);
            }
            made
        };
        let finding = found(probe, open().attempt(ended(Via::Url)), Level::Medium);
        let how = finding.evidence[0].params.get("how").cloned();
        assert_eq!(how, Some(model::finding::Param::Text("Close 1013 too many sessions".into())));
        let finding =
            found(probe, open().attempt(ended(Via::Url)).attempt(ended(Via::Direct)), Level::Medium);
        assert_eq!(finding.place, Place::Upstream);
    }

    #[test]
    fn what_all_or_nobody_gets_is_another_matter() {
        none(probe, open().attempt(crowd(Via::Url, times(20, &answer(101)))));
        none(probe, open());
        none(probe, Scene::websocket().plain(answer(418)).attempt(limited(Via::Url, None)));
        let spread: Vec<_> =
            (0..20).map(|number| Some(answer(if number % 3 == 0 { 418 } else { 101 }))).collect();
        none(probe, open().attempt(crowd(Via::Url, spread)));
    }
}
