//! A server takes a client's keepalive for an attack.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::words::Http2Error;

use crate::attempt::Attempt;
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Beat, Manner, holds};
use crate::population::{Population, calls};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-too-many-pings",
    number: 701,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "the server allows fewer keepalive PINGs than are sent",
            "服务器允许的 keepalive PING 少于实际发送",
        ),
        symptoms: text(
            "UNAVAILABLE `too_many_pings`; streams are cut each few keepalive intervals.",
            "UNAVAILABLE `too_many_pings`；每隔几个 keepalive 周期连接就被切断。",
        ),
        evidence: text(
            "GOAWAY with ENHANCE_YOUR_CALM (11) and `too_many_pings` comes after PINGs more frequent than the \
             server's minimum: 5 min by default, 2 h without streams; more than two strikes end the \
             connection.",
            "PING 比服务器允许的最小间隔更频繁时收到带 ENHANCE_YOUR_CALM（11）与 `too_many_pings` 的 GOAWAY：默认最小 5 分钟，没有流时 2 小时；超过两次即结束连接。",
        ),
        look_alikes: text(
            "`grpc-max-age-goaway`: NO_ERROR. PINGs each second or faster, as `--checks keepalive` sends them, \
             are refused by healthy servers too and are no finding.",
            "`grpc-max-age-goaway`：NO_ERROR。像 `--checks keepalive` 那样每秒或更频繁的 PING，健康的服务器也会拒绝，不算发现。",
        ),
        fix: text(
            "Set the client's keepalive time to 5 min or more, or the server's minimum below it: grpc-go \
             `EnforcementPolicy{MinTime, PermitWithoutStream: true}`, C core \
             `GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS`. Then a held call must outlive ten \
             keepalive intervals.",
            "把客户端 keepalive 时间设为 5 分钟以上，或把服务器的最小值调到其下：grpc-go `EnforcementPolicy{MinTime, PermitWithoutStream: true}`、C core `GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS`。之后保持的调用应存活超过十个 keepalive 周期。",
        ),
        sources: &[
            "https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md",
            "https://github.com/grpc/grpc-go/blob/master/Documentation/keepalive.md",
            "RFC 9113, section 7",
        ],
    },
    phrases: &[
        phrase(
            "calm",
            "GOAWAY ENHANCE_YOUR_CALM ended the call after {seconds}, with a PING each {period}",
            "每 {period}发送一次 PING，{seconds}后 GOAWAY ENHANCE_YOUR_CALM 结束了调用",
        ),
        phrase(
            "silent_lives",
            "A call without PINGs lived for {seconds}",
            "没有 PING 的调用存活了 {seconds}",
        ),
        phrase("other_load", "another limit on load that has this code", "使用该代码的其他负载限制"),
        phrase("hold_silent", "Hold a call without PINGs as long", "同样长时间地保持一个没有 PING 的调用"),
        phrase(
            "less_often",
            "In the client: keepalive time 5 min (now {period}); or in the server: `MinTime` below it; then a \
             call must outlive ten intervals",
            "在客户端：keepalive 时间设为 5 分钟（现为 {period}）；或在服务器：`MinTime` 调到其下；之后调用应存活超过十个周期",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// Clients of gRPC keep to at least 10 s (grpc-go raises what is less); servers may well refuse what is faster.
const CLIENTS_LEAST_SECONDS: f64 = 10.0;

fn probe(seen: &Examination) -> Option<Finding> {
    let calm = |attempt: &Attempt, beat: Beat| {
        let period = beat.period().filter(|period| *period >= CLIENTS_LEAST_SECONDS)?;
        let end = attempt.peer_end()?;
        (Manner::of(attempt, end) == Manner::Away(Http2Error::EnhanceYourCalm)).then_some((period, end.age))
    };
    let (period, age) = holds(seen, Via::Url).find_map(|(attempt, beat)| calm(attempt, beat))?;
    let silent = seen.silent(Via::Url).map(Attempt::lived).fold(0.0, f64::max);
    let lives = silent > 1.5 * age;
    let claim = Claim::of(
        &CAUSE,
        Place::Upstream,
        Said::new("calm").seconds("seconds", age).seconds("period", period),
    )
    .corroborated(lives.then(|| Said::new("silent_lives").seconds("seconds", silent)));
    let claim =
        if lives { claim } else { claim.unless(Said::new("other_load")).next(Said::new("hold_silent")) };
    Some(claim.fix(Said::new("less_often").seconds("period", period)).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    calls::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Sign;
    use crate::scene::{SILENT, Scene, URL, cut_at, found, lives, none, pinged};

    fn calm(period: f64) -> Scene {
        let sign = Sign::GoAway(Http2Error::EnhanceYourCalm, "too_many_pings".to_owned());
        Scene::grpc().attempt(cut_at(URL, pinged(period), 0.0, period * 3.0, sign))
    }

    #[test]
    fn a_keepalive_that_clients_have_is_refused() {
        found(probe, calm(20.0), Level::Medium);
        found(probe, calm(20.0).attempt(lives(URL, SILENT, 0.0, 200.0)), Level::High);
    }

    #[test]
    fn servers_that_refuse_a_flood_are_healthy() {
        none(probe, calm(0.2));
    }
}
