//! A worker of nginx has as many connections as it may have, and drops further ones.

use model::finding::{Finding, Said, Severity};

use crate::attempt::{Attempt, Fault, Stage, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::occupancy::{self, Straight};
use crate::openings;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "nginx-worker-connections",
    number: 503,
    severity: Severity::Critical,
    manual: Manual {
        title: text(
            "a proxy's worker has no room for another connection",
            "代理的工作进程没有空余的连接名额",
        ),
        symptoms: text(
            "At some 500 or 1000 users further ones fail at once; sooner after many reloads.",
            "用户数约 500 或 1000 时，新用户立即失败；多次重新加载之后更早出现。",
        ),
        evidence: text(
            "TCP is accepted and ended within milliseconds, without a byte of an answer, above a fixed \
             number of connections. nginx logs `worker_connections are not enough`. Each relayed \
             connection counts twice, and old workers keep theirs.",
            "超过固定连接数后，TCP 被接受并在毫秒内结束，没有任何应答字节。nginx 日志中有 \
             `worker_connections are not enough`。每个转发的连接计两次，旧工作进程仍占用自己的名额。",
        ),
        look_alikes: text(
            "`fd-limit-proxy`: 500. `edge-rate-limit-or-ban`: an answer, by address. \
             `accept-queue-overflow`, `fd-limit-app`: a wait in place of the end. \
             `tls-plaintext-mismatch`: one connection alone is ended too.",
            "`fd-limit-proxy`：500；`edge-rate-limit-or-ban`：有应答，按地址计数；\
             `accept-queue-overflow`、`fd-limit-app`：等待而不是结束；`tls-plaintext-mismatch`：单个连接也\
             会被结束。",
        ),
        fix: text(
            "In nginx: `worker_connections` to more than twice the users of a worker, \
             `worker_rlimit_nofile` above it; reload less often, or set `worker_shutdown_timeout`. Prove \
             it: the diagnosis with `--checks concurrency` opens all.",
            "在 nginx 中：将 `worker_connections` 设为每个工作进程用户数的两倍以上，\
             `worker_rlimit_nofile` 更大；减少重新加载，或设置 `worker_shutdown_timeout`。验证：加上 \
             `--checks concurrency` 重新诊断，应全部打开。",
        ),
        sources: &[
            "https://nginx.org/en/docs/ngx_core_module.html#worker_connections",
            "https://nginx.org/en/docs/ngx_core_module.html#worker_shutdown_timeout",
        ],
    },
    phrases: &[
        phrase(
            "limit_title",
            "a proxy's worker has no room for more than {streams} of these connections",
            "代理的工作进程只能容纳 {streams} 个这样的连接",
        ),
        phrase(
            "ended",
            "While {streams} were open, {refused} further ones were ended within {seconds} without a byte",
            "已有 {streams} 个打开时，另外 {refused} 个在{seconds}内没有任何字节就被结束",
        ),
        phrase(
            "other_hop",
            "another hop that drops connections above a limit, such as a balancer of TCP",
            "其他丢弃超限连接的节点，例如 TCP 负载均衡器",
        ),
        phrase(
            "error_log",
            "Look in the proxy's error log for `worker_connections are not enough`",
            "在代理的错误日志中查找 `worker_connections are not enough`",
        ),
        phrase(
            "raise",
            "In the proxy: more than two connections of a worker for each user, and files for them",
            "在代理中：每个用户预留两个以上的工作进程连接名额，以及相应的文件数",
        ),
        phrase(
            "nginx",
            "worker_rlimit_nofile 65536;\nevents {\n    worker_connections 32768;\n}",
            "worker_rlimit_nofile 65536;\nevents {\n    worker_connections 32768;\n}",
        ),
    ],
    signs: Signs::probe(probe),
};

/// What nobody has waited for.
const AT_ONCE_SECONDS: f64 = 0.5;

fn probe(seen: &Examination) -> Option<Finding> {
    let limit = occupancy::compared(seen, is_dropped).filter(|limit| limit.straight != Straight::Limited)?;
    let is_nginx = openings::hop(seen) == Some("nginx");
    Some(
        Claim::of(&CAUSE, limit.place(), limit.said("ended"))
            .titled(limit.said("limit_title"))
            .corroborated(limit.opens_straight(seen))
            .noted(seen.plain()?.answer.as_ref().and_then(openings::product))
            .unless((!is_nginx).then(|| Said::new("other_hop")))
            .unless((limit.straight == Straight::Unknown).then(|| Said::new("service_itself")))
            .next(openings::ask_straight(seen).unwrap_or(Said::new("error_log")))
            .fix_by(Said::new("raise"), Said::new("nginx"))
            .finding(),
    )
}

/// Accepted, and ended at once without an answer.
fn is_dropped(attempt: &Attempt) -> bool {
    let is_end = |failed: &&Stage| matches!(failed.fault, Some(Fault::Ended | Fault::Reset));
    let is_then = |failed: &&Stage| matches!(failed.name, StageName::Tls | StageName::Http);
    attempt.failed().filter(is_end).filter(is_then).is_some_and(|failed| failed.seconds < AT_ONCE_SECONDS)
}

#[cfg(test)]
mod tests {
    use model::finding::{Level, Place};

    use super::*;
    use crate::experiment::Via;
    use crate::scene::{Scene, answer, crowd, crowd_of, fails, found, none, times};

    fn ended(seconds: f64) -> Scene {
        let members = (0..20).map(|number| match number {
            0..7 => None,
            _ => Some(fails(Via::Url, None, StageName::Http, Fault::Ended, seconds)),
        });
        let nginx = answer(101).and("server", "nginx/1.24.0");
        Scene::websocket()
            .direct("10.0.3.7:80")
            .plain(nginx)
            .direct_opens()
            .attempt(crowd_of(Via::Url, members))
    }

    #[test]
    fn those_above_the_limit_are_ended_without_a_byte() {
        assert_eq!(found(probe, ended(0.002), Level::Medium).place, Place::Unknown);
        let compared = ended(0.002).attempt(crowd(Via::Direct, times(20, &answer(101))));
        assert_eq!(found(probe, compared, Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, ended(3.0));
        none(
            probe,
            ended(0.002).attempt(crowd(Via::Direct, [times(7, &answer(101)), vec![None; 13]].concat())),
        );
        let refused = [times(7, &answer(101)), times(13, &answer(503))].concat();
        none(probe, Scene::websocket().plain(answer(101)).attempt(crowd(Via::Url, refused)));
        none(probe, Scene::websocket().plain_fails(StageName::Http, Fault::Ended, 0.01));
    }
}
