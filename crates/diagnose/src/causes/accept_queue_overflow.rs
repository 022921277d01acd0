//! Connections come faster than a process accepts them, and its queue is full.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Fault, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::openings;
use crate::population::{Population, openings as slow, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "accept-queue-overflow",
    number: 504,
    severity: Severity::Critical,
    manual: Manual {
        title: text("a listener's accept queue is full", "监听套接字的接受队列已满"),
        symptoms: text(
            "Connecting times out in bursts, after a deploy or in a storm; some connections take 1, 3 or \
             7 s.",
            "部署之后或重连风暴中，连接成批超时；部分连接耗时 1、3 或 7 秒。",
        ),
        evidence: text(
            "`ListenOverflows` of the kernel counts up, and more wait at the listener (`ss -ltn`, Recv-Q) \
             than may (Send-Q). TCP itself takes 1, 3 or 7 s, since Linux 6.5 also 2, 4 or 5 s: the \
             client's kernel sends SYN again then.",
            "内核的 `ListenOverflows` 增加，监听套接字上等待的连接数（`ss -ltn` 的 Recv-Q）超过上限（\
             Send-Q）。TCP 建立本身耗时 1、3 或 7 秒，自 Linux 6.5 起还可能为 2、4 或 5 秒：客户端内核在这\
             些时刻重发 SYN。",
        ),
        look_alikes: text(
            "`network-unreachable-or-filtered`, `packet-loss-retransmission`: the same waits without \
             overflows. `conntrack-table-full`: the firewall's table is full. `fd-limit-app`: the process \
             has no files left, and this follows from it.",
            "`network-unreachable-or-filtered`、`packet-loss-retransmission`：同样的等待但没有溢出；\
             `conntrack-table-full`：防火墙的连接表已满；`fd-limit-app`：进程没有可用文件，溢出是其后果。",
        ),
        fix: text(
            "In the service: a longer backlog of `listen`, with `net.core.somaxconn` as long; several \
             workers with SO_REUSEPORT; nothing slow in the loop that accepts. In clients: reconnect with \
             jitter. Prove it: `nstat -z TcpExtListenOverflows` stands still at the next peak.",
            "在服务中：增大 `listen` 的 backlog，并相应增大 `net.core.somaxconn`；用 SO_REUSEPORT 运行多个\
             工作进程；接受连接的循环中不做耗时操作。在客户端：重连加随机抖动。验证：下一次高峰时 `nstat \
             -z TcpExtListenOverflows` 不再增加。",
        ),
        sources: &[
            "listen(2)",
            "tcp(7), tcp_abort_on_overflow",
            "RFC 6298, sections 2 and 5 (when SYN is sent again)",
        ],
    },
    phrases: &[
        phrase(
            "syn_again",
            "Of {connections} connections at once {late} were connected only when SYN was sent again ({times}), or not at all; the others within {seconds}",
            "同时 {connections} 个连接中 {late} 个在重发 SYN（{times}）后才建立，或始终未建立；其余在{seconds}内建立",
        ),
        phrase(
            "first_ones",
            "Those that were connected at once were the first ones",
            "立即建立的正是最先发起的那些",
        ),
        phrase(
            "straight_too",
            "Straight to {upstream} {late} of {connections} wait in the same way",
            "直接连接 {upstream} 时 {connections} 个中有 {late} 个同样等待",
        ),
        phrase(
            "lost",
            "`packet-loss-retransmission`: SYN segments that are lost by chance",
            "`packet-loss-retransmission`：SYN 报文段偶然丢失",
        ),
        phrase(
            "conntrack",
            "`conntrack-table-full`, or a firewall that limits new connections",
            "`conntrack-table-full`，或限制新建连接的防火墙",
        ),
        phrase(
            "connected_late",
            "{count} of {all} connections with upstreams stood after {seconds} only (median); for {again} the kernel counts segments that were sent again by then: SYN",
            "{all} 个与上游的连接中有 {count} 个在 {seconds}后才建立（中位数）；其中 {again} 个到那时内核已计有重传报文：SYN",
        ),
        phrase(
            "overflows_counted",
            "On a machine of the upstreams a listener's queue was full {count} times within a minute",
            "在上游所在机器上，监听队列一分钟内溢出 {count} 次",
        ),
        phrase(
            "filled",
            "{count} connections came about and got no answer; after them SYN is not answered any more",
            "{count} 个连接建立后没有得到应答；此后 SYN 不再得到应答",
        ),
        phrase(
            "filled_again",
            "{count} attempts after them came to the same",
            "之后的 {count} 次尝试结果相同",
        ),
        phrase(
            "counters",
            "On the machine of the listener: `nstat -az TcpExtListenOverflows` before and after, and Recv-Q in `ss -ltn`",
            "在监听所在机器上：前后对比 `nstat -az TcpExtListenOverflows`，并查看 `ss -ltn` 的 Recv-Q",
        ),
        phrase(
            "accept_sooner",
            "In the program that listens: a longer backlog with `net.core.somaxconn` as long, and nothing slow in the loop that accepts",
            "在监听的程序中：增大 backlog 与 `net.core.somaxconn`，接受连接的循环中不做耗时操作",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// Connections of a crowd that must be late.
const LATE_MIN: usize = 3;
/// Connecting that needs no second SYN, seconds.
const SOON: f64 = 0.8;
/// When SYN is sent again, seconds after the first: each time after twice as long (RFC 6298, section 5), on Linux 6.5 and
/// later five times after 1 s before that (`tcp_syn_linear_timeouts`); and how much later the answer may come.
const AGAIN: [f64; 7] = [1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 11.0];
const ANSWER: f64 = 0.25;

fn probe(seen: &Examination) -> Option<Finding> {
    overflowing(seen).or_else(|| filled(seen))
}

/// Nobody accepts: connections wait in the queue unanswered until it is full, and from then on SYN is dropped.
fn filled(seen: &Examination) -> Option<Finding> {
    let mut attempts: Vec<&Attempt> = openings::repeats(seen, Via::Url).collect();
    attempts.sort_by(|a, b| a.began.total_cmp(&b.began));
    let is = |attempt: &Attempt, stage| openings::failed(attempt, stage) == Some(Fault::Timeout);
    let waiting = attempts.iter().take_while(|attempt| is(attempt, StageName::Http)).count();
    let dropped = attempts.iter().skip(waiting).filter(|attempt| is(attempt, StageName::Tcp)).count();
    if waiting == 0 || dropped == 0 || waiting + dropped < attempts.len() {
        return None;
    }
    let claim = Claim::of(&CAUSE, Place::Upstream, Said::new("filled").with("count", waiting))
        .corroborated((dropped > 1).then(|| Said::new("filled_again").with("count", dropped)))
        .unless(Said::new("conntrack"))
        .next(Said::new("counters"));
    Some(claim.fix(Said::new("accept_sooner")).finding())
}

/// Connections of a crowd whose SYN was dropped, beside others that got in.
fn overflowing(seen: &Examination) -> Option<Finding> {
    seen.plain()?.stage(StageName::Tcp).filter(|tcp| tcp.fault.is_none() && tcp.seconds < SOON)?;
    let crowd = openings::crowd(seen, Via::Url)?;
    let late = late(crowd)?;
    let straight = openings::crowd(seen, Via::Direct);
    let same = straight.and_then(|straight| Some((self::late(straight)?, straight.len())));
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let straight_too = |(late, all): (Late, usize)| {
        Said::new("straight_too").with("upstream", upstream).with("late", late.count).with("connections", all)
    };
    let decisive = Said::new("syn_again")
        .with("connections", crowd.len())
        .with("late", late.count)
        .with("times", late.times)
        .seconds("seconds", late.soonest);
    let place = match (straight, &same) {
        (_, Some(_)) => Place::Upstream,
        (Some(_), None) => Place::UpstreamLeg,
        (None, _) => Place::Unknown,
    };
    Some(
        Claim::of(&CAUSE, place, decisive)
            .noted(late.is_cut.then(|| Said::new("first_ones")))
            .corroborated(same.map(straight_too))
            .unless((!late.is_cut).then(|| Said::new("lost")))
            .unless(Said::new("conntrack"))
            .next(Said::new("counters"))
            .fix(Said::new("accept_sooner"))
            .finding(),
    )
}

/// Connections of a crowd whose SYN was dropped.
struct Late {
    count: usize,
    /// When those that came late came, in words.
    times: String,
    /// The slowest of the others.
    soonest: f64,
    /// None of those that began after the first late one was soon.
    is_cut: bool,
}

fn late(crowd: &[Attempt]) -> Option<Late> {
    let took = |attempt: &Attempt| {
        let tcp = attempt.stage(StageName::Tcp)?;
        (tcp.fault.is_none() || tcp.fault == Some(Fault::Timeout))
            .then_some((tcp.seconds, tcp.fault.is_some()))
    };
    let times: Vec<(f64, bool)> = crowd.iter().filter_map(took).collect();
    let is_soon = |(seconds, failed): &(f64, bool)| !failed && *seconds < SOON;
    let again = |seconds: f64| AGAIN.into_iter().find(|at| (0.0..ANSWER).contains(&(seconds - at + 0.02)));
    let late: Vec<&(f64, bool)> = times.iter().filter(|time| !is_soon(time)).collect();
    let are_again = late.iter().all(|(seconds, failed)| *failed || again(*seconds).is_some());
    if times.len() < crowd.len() || late.len() < LATE_MIN || late.len() == times.len() || !are_again {
        return None;
    }
    let mut seen: Vec<f64> = late.iter().filter_map(|(seconds, _)| again(*seconds)).collect();
    seen.sort_by(f64::total_cmp);
    seen.dedup();
    let soon = times.iter().filter(|time| is_soon(time));
    Some(Late {
        count: late.len(),
        times: seen.iter().map(|at| format!("{at} s")).collect::<Vec<_>>().join(", "),
        soonest: soon.map(|(seconds, _)| *seconds).fold(0.0, f64::max),
        is_cut: times.iter().skip_while(|time| is_soon(time)).all(|time| !is_soon(time)),
    })
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    let late = slow::findings(&CAUSE, seen);
    refusals::findings(&CAUSE, seen).into_iter().chain(late).collect()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::experiment::Check;
    use crate::scene::{Scene, answer, crowd_of, fails, found, greeting, none};

    fn connected(via: Via, after: [f64; 3], soon: usize) -> Attempt {
        let members = (0..20_usize).map(|number| {
            let mut attempt = fails(via, None, StageName::Http, Fault::Timeout, 10.0);
            let seconds = if number < soon { 0.001 } else { after[number % 3] };
            attempt.stages.iter_mut().find(|stage| stage.name == StageName::Tcp)?.seconds = seconds;
            Some(attempt)
        });
        crowd_of(via, members)
    }

    fn open() -> Scene {
        Scene::websocket().direct("10.0.3.7:80").plain(answer(101)).direct_opens()
    }

    #[test]
    fn those_above_the_backlog_are_connected_when_syn_is_sent_again() {
        let url = connected(Via::Url, [1.01, 3.03, 7.1], 5);
        assert_eq!(found(probe, open().attempt(url.clone()), Level::Medium).place, Place::Unknown);
        let both = open().attempt(url).attempt(connected(Via::Direct, [1.01, 3.03, 7.1], 5));
        assert_eq!(found(probe, both, Level::Medium).place, Place::Upstream);
    }

    #[test]
    fn a_queue_that_nobody_accepts_from() {
        let waits = |began, stage| Attempt { began, ..fails(Via::Url, None, stage, Fault::Timeout, 10.0) };
        let all = |stages: &[StageName]| {
            let attempts =
                stages.iter().zip(0_u32..).map(|(stage, nth)| waits(10.0 * f64::from(nth), *stage));
            Scene::websocket().attempts(attempts)
        };
        use StageName::{Http, Tcp};
        assert_eq!(found(probe, all(&[Http, Http, Tcp, Tcp]), Level::Medium).place, Place::Upstream);
        none(probe, all(&[Http, Http, Http]));
        none(probe, all(&[Tcp, Tcp]));
        none(probe, all(&[Tcp, Http, Tcp]));
        none(
            probe,
            all(&[Http, Tcp])
                .attempt(Attempt { began: 30.0, ..greeting(Check::Handshake, Via::Url, None, answer(101)) }),
        );
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, open().attempt(connected(Via::Url, [0.002, 0.001, 0.003], 5)));
        none(probe, open().attempt(connected(Via::Url, [1.7, 2.2, 5.0], 5)));
        none(probe, Scene::websocket().plain_fails(StageName::Tcp, Fault::Timeout, 10.0));
    }
}
