//! Each event stream holds a worker of the service, and there are no more.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use super::upstream_handshake_hang_504::is_hanging;
use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::occupancy::{self, waited};
use crate::openings;
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "sse-worker-pool-exhaustion",
    number: 609,
    severity: Severity::Critical,
    manual: Manual {
        title: text(
            "each event stream holds a worker, and there are no more",
            "每条事件流占用一个工作线程，且已全部占满",
        ),
        symptoms: text(
            "The whole site hangs when so many have a dashboard open, while the CPU is idle.",
            "打开仪表盘的人数达到一定数量后整个网站卡住，而 CPU 空闲。",
        ),
        evidence: text(
            "Of many streams at once exactly so many open (often 4, 10, 32 or 150), and the next ones are \
             connected and never answered, until one ends.",
            "同时建立多条流时恰好有若干条打开（常为 4、10、32 或 150），其余能连接但得不到应答，\
             直到某条结束。",
        ),
        look_alikes: text(
            "`edge-rate-limit-or-ban`: those above the limit are refused at once. \
             `upstream-queue-timeout-503`: a proxy holds them. `fd-limit-app`: the number is near a limit \
             of files. `event-loop-block-late-pong`: the CPU is busy.",
            "`edge-rate-limit-or-ban`：超出限制的立即被拒绝；`upstream-queue-timeout-503`：滞留在代理；\
             `fd-limit-app`：数量接近文件描述符限制；`event-loop-block-late-pong`：CPU 繁忙。",
        ),
        fix: text(
            "In the service: asynchronous workers for streams (gunicorn `--worker-class` of an \
             asynchronous kind; PHP: not FPM), or a pool of their own, and 503 when it is full in place \
             of waiting. Prove it: the diagnosis with `--checks concurrency` opens all.",
            "在服务中：为流使用异步工作进程（gunicorn 使用异步的 `--worker-class`；PHP：不用 FPM），\
             或使用独立的池，池满时应答 503 而不是等待。验证：加上 `--checks concurrency` 重新诊断，\
             应全部打开。",
        ),
        sources: &[
            "https://docs.gunicorn.org/en/stable/design.html#choosing-a-worker-type",
            "https://www.php.net/manual/en/install.fpm.configuration.php (pm.max_children)",
        ],
    },
    phrases: &[
        phrase(
            "limit_title",
            "the service answers no more than {streams} streams at once",
            "服务同时最多应答 {streams} 条流",
        ),
        phrase(
            "stuck",
            "With {streams} streams open, {waiting} more were connected and waited at least {seconds} for \
             an answer; with fewer open, each was answered at once",
            "已有 {streams} 条流时，另外 {waiting} 条已连接但至少等待了{seconds}；更少时均立即得到应答",
        ),
        phrase("straight_too", "Straight to {upstream} it is the same", "直接连接 {upstream} 也一样"),
        phrase(
            "proxy_queue",
            "`upstream-queue-timeout-503`: a proxy may hold them",
            "`upstream-queue-timeout-503`：可能滞留在代理",
        ),
        phrase(
            "other_limit",
            "another limit of the service may be reached, such as its files",
            "也可能达到服务的其他限制，例如文件描述符",
        ),
        phrase(
            "look_inside",
            "On the service's machine: count its workers and its open files while the streams stand, and \
             see whether the CPU is idle",
            "在服务所在机器上：在流保持期间统计工作线程与打开的文件，并观察 CPU 是否空闲",
        ),
        phrase(
            "asynchronous",
            "In the service: workers that are not held by a stream, or a pool of its own for streams",
            "在服务中：使用不被流占用的工作进程，或为流设置独立的池",
        ),
        phrase(
            "refuse",
            "In the service: answer 503 when all workers are taken, in place of waiting",
            "在服务中：工作进程占满时应答 503，而不是等待",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|plain| plain.is_open() && seen.target.protocol == Protocol::Sse)?;
    let usual = waited(plain)?;
    let is_waiting = |attempt: &Attempt| {
        let is_late = waited(attempt).is_some_and(|waited| waited > LATE_SECONDS + 5.0 * usual);
        is_hanging(attempt) || (attempt.is_open() && is_late)
    };
    let limit = occupancy::limit(occupancy::attempts(seen), is_waiting)?;
    if !limit.refused.iter().any(|attempt| attempt.experiment.via == Via::Url) {
        return None;
    }
    let straight: Vec<&Attempt> =
        occupancy::attempts(seen).filter(|attempt| attempt.experiment.via == Via::Direct).collect();
    let is_same = straight.iter().any(|attempt| is_waiting(attempt));
    let is_well_straight =
        openings::crowd(seen, Via::Direct).is_some_and(|crowd| !crowd.iter().any(is_waiting));
    if is_well_straight {
        return None;
    }
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let least = limit.refused.iter().filter_map(|attempt| waited(attempt)).fold(f64::INFINITY, f64::min);
    let decisive = Said::new("stuck")
        .with("streams", limit.streams)
        .with("waiting", limit.refused.len())
        .seconds("seconds", least);
    Some(
        Claim::of(&CAUSE, if is_same { Place::Upstream } else { Place::Unknown }, decisive)
            .titled(Said::new("limit_title").with("streams", limit.streams))
            .corroborated(is_same.then(|| Said::new("straight_too").with("upstream", upstream)))
            .unless((!is_same).then(|| Said::new("proxy_queue")))
            .unless((limit.streams > 200).then(|| Said::new("other_limit")))
            .next(openings::ask_straight(seen).unwrap_or(Said::new("look_inside")))
            .fix(Said::new("asynchronous"))
            .fix(Said::new("refuse"))
            .finding(),
    )
}

/// An answer that came so much later than usual came when another stream had ended.
const LATE_SECONDS: f64 = 1.0;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Answer;
    use crate::scene::{Scene, answer, crowd, event_stream, found, none, times};

    fn open() -> Scene {
        Scene::of(Protocol::Sse).direct("10.0.3.7:80").plain(event_stream())
    }

    fn stuck_after(opened: usize) -> Vec<Option<Answer>> {
        [times(opened, &event_stream()), vec![None; 20 - opened]].concat()
    }

    #[test]
    fn so_many_open_and_the_others_wait() {
        let scene = open().attempt(crowd(Via::Url, stuck_after(4)));
        found(probe, scene, Level::Medium);
        let both =
            open().attempt(crowd(Via::Url, stuck_after(4))).attempt(crowd(Via::Direct, stuck_after(4)));
        assert_eq!(found(probe, both, Level::High).place, Place::Upstream);
    }

    #[test]
    fn those_that_wait_for_an_end_are_late() {
        let late = Answer { seconds: 2.0, ..event_stream() };
        let answers = [times(4, &event_stream()), times(16, &late)].concat();
        found(probe, open().attempt(crowd(Via::Url, answers)), Level::Medium);
        let slow = Answer { seconds: 2.0, ..event_stream() };
        let all = times(20, &Answer { seconds: 2.5, ..event_stream() });
        none(probe, Scene::of(Protocol::Sse).plain(slow).attempt(crowd(Via::Url, all)));
    }

    #[test]
    fn look_alikes_are_another_matter() {
        let refused = [times(4, &event_stream()), times(16, &answer(503))].concat();
        none(probe, open().attempt(crowd(Via::Url, refused)));
        let proxy = open().attempt(crowd(Via::Url, stuck_after(4)));
        none(probe, proxy.attempt(crowd(Via::Direct, times(20, &event_stream()))));
        none(probe, open().attempt(crowd(Via::Url, times(20, &event_stream()))));
        none(probe, open());
    }
}
