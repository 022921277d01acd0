//! A proxy may open no more files: it cannot dial the service, or accepts nobody.

use model::finding::{Finding, Said, Severity};

use super::upstream_handshake_hang_504::is_hanging;
use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::occupancy::{self, Straight};
use crate::openings;
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "fd-limit-proxy",
    number: 502,
    severity: Severity::Critical,
    manual: Manual {
        title: text("a proxy has reached its limit of open files", "代理已达到打开文件数上限"),
        symptoms: text(
            "Through the proxy, connections above a fixed number get 500, or hang; straight to the \
             service they work.",
            "经过代理时，超过固定数量的连接得到 500 或一直等待；直接连接服务则正常。",
        ),
        evidence: text(
            "Of many connections at once so many open, near half of the limit, since each takes two \
             files; the others get 500 within milliseconds (nginx: `socket() failed (24: Too many open \
             files)`), or no answer when the limit is met at accept.",
            "同时建立的多个连接中，约为上限一半的连接打开（每个连接占用两个文件），其余在毫秒内得到 500（\
             nginx：`socket() failed (24: Too many open files)`）；若在接受连接时达到上限，则没有应答。",
        ),
        look_alikes: text(
            "`nginx-worker-connections`: the connection ends without a byte. `edge-rate-limit-or-ban`: \
             429, 503 or 403, and counts by address. `fd-limit-app`: the same straight to the service. \
             `server-exception-1011-or-overload-1012-1013`: the page of the 500 is the application's.",
            "`nginx-worker-connections`：连接在没有任何字节的情况下结束；`edge-rate-limit-or-ban`：429、\
             503 或 403，且按地址计数；`fd-limit-app`：直接连接服务也一样；\
             `server-exception-1011-or-overload-1012-1013`：500 页面来自应用。",
        ),
        fix: text(
            "In the proxy: more than two files for each connection (nginx `worker_rlimit_nofile`, HAProxy \
             `ulimit-n` follows `maxconn`, systemd `LimitNOFILE=`). Prove it: the diagnosis with \
             `--checks concurrency` opens all.",
            "在代理中：为每个连接预留两个以上的文件（nginx `worker_rlimit_nofile`，HAProxy 的 `ulimit-n` \
             由 `maxconn` 推得，systemd `LimitNOFILE=`）。验证：加上 `--checks concurrency` 重新诊断，应全\
             部打开。",
        ),
        sources: &[
            "getrlimit(2), RLIMIT_NOFILE",
            "https://nginx.org/en/docs/ngx_core_module.html#worker_rlimit_nofile",
        ],
    },
    phrases: &[
        phrase(
            "limit_title",
            "a proxy has files for no more than {streams} of these connections",
            "代理的文件数只够 {streams} 个这样的连接",
        ),
        phrase(
            "internal_error",
            "While {streams} were open, {refused} further ones got 500 within {seconds}",
            "已有 {streams} 个打开时，另外 {refused} 个在{seconds}内得到 500",
        ),
        phrase(
            "not_accepted",
            "While {streams} were open, {refused} further ones were connected and got no answer in {seconds}",
            "已有 {streams} 个打开时，另外 {refused} 个已连接但{seconds}内没有应答",
        ),
        phrase("page", "The page of the 500 is the proxy's", "500 页面来自代理"),
        phrase(
            "hop",
            "The hop in between is {product}, which has no queue for what it has accepted",
            "中间节点是 {product}，它不会让已接受的连接排队",
        ),
        phrase(
            "worker_connections",
            "`nginx-worker-connections`: a limit of connections of one worker, which nginx answers in the same way",
            "`nginx-worker-connections`：单个工作进程的连接数限制，nginx 的应答相同",
        ),
        phrase(
            "own_failure",
            "the service itself fails with so many connections, and the 500 is its own",
            "服务自身在这么多连接时失败，500 由其发出",
        ),
        phrase(
            "count_files",
            "On the hop that answers 500: its error log, and open files of its processes against `/proc/PID/limits`",
            "在应答 500 的一跳：查看其错误日志，并对比其进程的打开文件数与 `/proc/PID/limits`",
        ),
        phrase(
            "maxconn",
            "a limit of connections in a proxy, such as HAProxy's `maxconn`",
            "代理的连接数限制，例如 HAProxy 的 `maxconn`",
        ),
        phrase(
            "crash",
            "a fault of the proxy's own code, such as a script",
            "代理自身代码（例如脚本）的故障",
        ),
        phrase(
            "error_log",
            "Look in the proxy's error log for `Too many open files` (24)",
            "在代理的错误日志中查找 `Too many open files`（24）",
        ),
        phrase(
            "raise",
            "In the proxy: a limit of open files of more than two for each connection",
            "在代理中：打开文件数上限应为连接数的两倍以上",
        ),
        phrase("nginx", "worker_rlimit_nofile 65536;", "worker_rlimit_nofile 65536;"),
    ],
    signs: Signs::both(probe, population),
};

/// What nobody has waited for.
const AT_ONCE_SECONDS: f64 = 0.5;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}

fn probe(seen: &Examination) -> Option<Finding> {
    let claim = internal_error(seen).or_else(|| not_accepted(seen))?;
    let next = openings::ask_straight(seen).unwrap_or(Said::new("error_log"));
    Some(claim.next(next).fix_by(Said::new("raise"), Said::new("nginx")).finding())
}

/// The proxy accepts, and has no file for its own connection to the service.
fn internal_error(seen: &Examination) -> Option<Claim> {
    let is_refused = |attempt: &Attempt| {
        attempt.answer.as_ref().is_some_and(|answer| answer.status == 500 && answer.seconds < AT_ONCE_SECONDS)
    };
    let limit = occupancy::compared(seen, is_refused).filter(|limit| limit.straight != Straight::Limited)?;
    let answer = limit.limit.refused.first()?.answer.as_ref()?;
    let is_proxys = answer.is_page() && answer.proxy().is_some();
    let claim = Claim::of(&CAUSE, limit.place(), limit.said("internal_error"))
        .titled(limit.said("limit_title"))
        .corroborated(limit.opens_straight(seen))
        .corroborated(is_proxys.then(|| Said::new("page")))
        .unless((!is_proxys).then(|| Said::new("crash")));
    Some(claim.unless((limit.straight == Straight::Unknown).then(|| Said::new("service_itself"))))
}

/// The proxy has no file to accept with, so the kernel alone answers.
fn not_accepted(seen: &Examination) -> Option<Claim> {
    let limit =
        occupancy::compared(seen, is_hanging).filter(|limit| matches!(limit.straight, Straight::Open(_)))?;
    let hop = openings::hop(seen).filter(|hop| *hop == "nginx");
    let claim = Claim::of(&CAUSE, limit.place(), limit.said("not_accepted"))
        .titled(limit.said("limit_title"))
        .corroborated(limit.opens_straight(seen))
        .noted(hop.map(|hop| Said::new("hop").with("product", hop)))
        .unless(Said::new("maxconn"));
    Some(if hop.is_some() { claim } else { claim.suspected() })
}

#[cfg(test)]
mod tests {
    use model::finding::{Level, Place};

    use super::*;
    use crate::attempt::Answer;
    use crate::experiment::Via;
    use crate::scene::{Scene, answer, crowd, found, none, times};

    fn open() -> Scene {
        let nginx = answer(101).and("server", "nginx/1.24.0");
        Scene::websocket().direct("10.0.3.7:80").plain(nginx).direct_opens()
    }

    fn limited(scene: Scene, others: &[Option<Answer>]) -> Scene {
        scene.attempt(crowd(Via::Url, [&times(7, &answer(101)), others].concat()))
    }

    fn page() -> Answer {
        answer(500).and("server", "nginx/1.24.0").and("content-type", "text/html").body("<html>500")
    }

    #[test]
    fn an_internal_error_of_the_proxy_above_the_limit() {
        let scene = limited(open(), &times(13, &page()));
        assert_eq!(found(probe, scene, Level::Medium).place, Place::Unknown);
        let compared =
            limited(open(), &times(13, &page())).attempt(crowd(Via::Direct, times(20, &answer(101))));
        assert_eq!(found(probe, compared, Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn no_answer_above_the_limit_leaves_a_doubt() {
        let all_straight = || crowd(Via::Direct, times(20, &answer(101)));
        found(probe, limited(open(), &vec![None; 13]).attempt(all_straight()), Level::Medium);
        let unnamed = Scene::websocket().direct("10.0.3.7:80").plain(answer(101)).direct_opens();
        found(probe, limited(unnamed, &vec![None; 13]).attempt(all_straight()), Level::Low);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, limited(open(), &vec![None; 13]));
        none(probe, limited(open(), &times(13, &answer(503))));
        let own = limited(open(), &times(13, &answer(500)));
        let straight = [times(7, &answer(101)), times(13, &answer(500))].concat();
        none(probe, own.attempt(crowd(Via::Direct, straight)));
        none(probe, Scene::websocket().plain(page()));
    }
}
