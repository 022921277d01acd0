//! A proxy lets so many through to a server at once; others wait, and are refused after a time.

use model::finding::{Finding, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::occupancy::{self, Straight};
use crate::openings;
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "upstream-queue-timeout-503",
    number: 510,
    severity: Severity::Warning,
    manual: Manual {
        title: text("requests wait in a proxy's queue and are refused", "请求在代理队列中等待后被拒绝"),
        symptoms: text(
            "At peaks 503 after exactly so many seconds.",
            "高峰时恰好在固定的若干秒之后得到 503。",
        ),
        evidence: text(
            "Of many connections at once so many open; each further one gets 503 after the same time \
             (HAProxy `timeout queue`, or `timeout connect` when that is not set; log flags `sQ`). One \
             alone opens at once.",
            "同时建立的多个连接中若干个打开，其余都在相同的时间后得到 503（HAProxy `timeout queue`，未设置\
             时为 `timeout connect`；日志标志 `sQ`）。单个连接立即打开。",
        ),
        look_alikes: text(
            "`edge-rate-limit-or-ban`: refused at once. `upstream-down-502-503`: one alone is refused \
             too. `upstream-handshake-hang-504`: one alone waits as long, and the status is 504.",
            "`edge-rate-limit-or-ban`：立即拒绝；`upstream-down-502-503`：单个连接也被拒绝；\
             `upstream-handshake-hang-504`：单个连接也等待同样长，且状态为 504。",
        ),
        fix: text(
            "In the proxy: raise the server's `maxconn` to what it can hold (a live stream holds its \
             place for hours), or add servers. Prove it: the diagnosis with `--checks concurrency` opens \
             all.",
            "在代理中：将该服务器的 `maxconn` 提高到其可承受的连接数（实时连接会占用名额数小时），或增加服\
             务器。验证：加上 `--checks concurrency` 重新诊断，应全部打开。",
        ),
        sources: &[
            "https://docs.haproxy.org/2.8/configuration.html (maxconn of a server, timeout queue; section 8.5)",
        ],
    },
    phrases: &[
        phrase(
            "limit_title",
            "a proxy lets {streams} connections through and refuses others after a wait",
            "代理只放行 {streams} 个连接，其余等待后被拒绝",
        ),
        phrase(
            "expired",
            "While {streams} were open, {refused} further ones got 503 after {least} to {seconds}",
            "已有 {streams} 个打开时，另外 {refused} 个在{least}到{seconds}后得到 503",
        ),
        phrase(
            "haproxy_says",
            "The body is HAProxy's: no server is available",
            "应答正文是 HAProxy 的：没有可用的服务器",
        ),
        phrase(
            "other_queue",
            "the service itself may queue them and give up",
            "也可能是服务自身让其排队后放弃",
        ),
        phrase(
            "access_log",
            "Look in HAProxy's log for the flags `sQ`, and at `scur` and `qcur` of the server in its statistics",
            "在 HAProxy 日志中查找标志 `sQ`，并在其统计中查看该服务器的 `scur` 与 `qcur`",
        ),
        phrase(
            "raise",
            "In the proxy: `maxconn` of the server to what it can hold, or more servers",
            "在代理中：将该服务器的 `maxconn` 提高到其可承受的连接数，或增加服务器",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// Wait that is no refusal at once, seconds.
const WAIT_MIN: f64 = 0.5;

fn probe(seen: &Examination) -> Option<Finding> {
    let is_refused = |attempt: &Attempt| {
        attempt.answer.as_ref().is_some_and(|answer| answer.status == 503 && answer.seconds > WAIT_MIN)
    };
    let limit = occupancy::compared(seen, is_refused).filter(|limit| limit.straight != Straight::Limited)?;
    let (least, most) = limit.waited();
    if most - least > (0.05 * most).max(0.3) {
        return None;
    }
    let answer = limit.limit.refused.first()?.answer.as_ref()?;
    let says = answer.says(&["no server is available"]).then(|| Said::new("haproxy_says"));
    Some(
        Claim::of(&CAUSE, limit.place(), limit.said("expired").seconds("least", least))
            .titled(limit.said("limit_title"))
            .corroborated(limit.opens_straight(seen))
            .corroborated(says)
            .noted(openings::product(answer))
            .unless((limit.straight == Straight::Unknown).then(|| Said::new("other_queue")))
            .next(openings::ask_straight(seen).unwrap_or(Said::new("access_log")))
            .fix(Said::new("raise"))
            .finding(),
    )
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::{Level, Place};

    use super::*;
    use crate::attempt::Answer;
    use crate::experiment::Via;
    use crate::scene::{Scene, answer, crowd, found, none, times};

    fn after(seconds: f64) -> Answer {
        Answer { seconds, ..answer(503).body("<html>No server is available to handle this request.") }
    }

    fn limited(others: Vec<Option<Answer>>) -> Scene {
        let scene = Scene::websocket().direct("10.0.3.7:80").plain(answer(101)).direct_opens();
        scene.attempt(crowd(Via::Url, [times(4, &answer(101)), others].concat()))
    }

    #[test]
    fn those_above_the_limit_are_refused_after_the_same_wait() {
        assert_eq!(found(probe, limited(times(16, &after(5.0))), Level::Medium).place, Place::Unknown);
        let compared = limited(times(16, &after(5.0))).attempt(crowd(Via::Direct, times(20, &answer(101))));
        assert_eq!(found(probe, compared, Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, limited(times(16, &after(0.01))));
        none(probe, limited([times(8, &after(1.0)), times(8, &after(4.0))].concat()));
        none(probe, limited(vec![None; 16]));
        let same = limited(times(16, &after(1.0)));
        none(
            probe,
            same.attempt(crowd(Via::Direct, [times(4, &answer(101)), times(16, &after(1.0))].concat())),
        );
        none(probe, Scene::websocket().plain(after(1.0)));
    }
}
