//! A server recycles connections that have reached an age.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::Protocol;
use model::words::Http2Error;

use crate::attempt::Sign;
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Beat, EARLY_SECONDS, Manner, holds, recycles, timer};
use crate::population::{Population, calls, timed};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-max-age-goaway",
    number: 702,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "the server ends connections at a maximum age (GOAWAY)",
            "服务器在连接达到最大存活时间时将其结束（GOAWAY）",
        ),
        symptoms: text(
            "Streams end with UNAVAILABLE each so many minutes.",
            "流每隔若干分钟以 UNAVAILABLE 结束。",
        ),
        evidence: text(
            "GOAWAY NO_ERROR comes at the same age, give or take the 10 % that gRPC varies it by; after a \
             grace the connection closes with all its streams.",
            "GOAWAY NO_ERROR 在相同的存活时长到来（gRPC 会随机浮动 10 %）；宽限期后连接及其所有流被关闭。",
        ),
        look_alikes: text(
            "`rolling-deploy-or-restart`: one moment, different ages. `grpc-too-many-pings`: \
             ENHANCE_YOUR_CALM.",
            "`rolling-deploy-or-restart`：同一时刻、不同存活时长；`grpc-too-many-pings`：ENHANCE_YOUR_CALM。",
        ),
        fix: text(
            "Take it as routine: let streams resume on a new connection; set `MaxConnectionAgeGrace` above the \
             longest stream, or `MaxConnectionAge` up. Then a held call must outlive the old age.",
            "视为常态：让流在新连接上续传；把 `MaxConnectionAgeGrace` 设为大于最长的流，或调大 `MaxConnectionAge`。之后保持的调用应存活超过原来的时长。",
        ),
        sources: &[
            "https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md",
            "RFC 9113, section 6.8",
        ],
    },
    phrases: &[
        phrase(
            "goaway_ages",
            "{count} calls were ended by GOAWAY NO_ERROR at ages around {seconds}",
            "{count} 个调用在存活约 {seconds}时被 GOAWAY NO_ERROR 结束",
        ),
        phrase(
            "gone_ages",
            "{count} connections ended whole at ages around {seconds}, busy or not",
            "{count} 条连接在存活约 {seconds}时整条结束，无论忙闲",
        ),
        phrase(
            "no_goaway",
            "a timer that ends connections without GOAWAY: a balancer of TCP, or the service's HTTP server",
            "不发送 GOAWAY 就结束连接的超时：四层负载均衡或服务的 HTTP 服务器",
        ),
        phrase(
            "look_for_goaway",
            "Look for GOAWAY before the end: `GRPC_TRACE=http` in a client",
            "查看结束之前是否有 GOAWAY：在客户端设置 `GRPC_TRACE=http`",
        ),
        phrase("debug", "Its debug data says: {debug}", "其调试数据：{debug}"),
        phrase("apart", "They ended at different moments", "它们结束的时刻不同"),
        phrase("restart", "a restart of the server, or of a proxy", "服务器或代理的重启"),
        phrase(
            "resume",
            "Let clients resume on a new connection; or in the server: `MaxConnectionAge` (now about \
             {seconds}) or its grace up",
            "让客户端在新连接上续传；或在服务器：调大 `MaxConnectionAge`（现约 {seconds}）或其宽限期",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// The greatest of ages over the least: gRPC varies them by 10 % either way (A9).
const JITTER: f64 = 1.25;

fn probe(seen: &Examination) -> Option<Finding> {
    going_away(seen).or_else(|| gone(seen))
}

/// Whole connections end around an age, busy or not, though no GOAWAY was seen before.
fn gone(seen: &Examination) -> Option<Finding> {
    let timer = timer(seen, Via::Url).filter(|_| seen.target.protocol == Protocol::Grpc);
    let is_silence = timer.as_ref().is_some_and(|timer| !recycles(seen, timer));
    let ends = || {
        holds(seen, Via::Url).filter_map(|(attempt, beat)| {
            let end = attempt.peer_end().filter(|end| end.age >= EARLY_SECONDS)?;
            let is_whole = matches!(Manner::of(attempt, end), Manner::Wordless | Manner::Status(14));
            // What the service says keeps it busy as well.
            let is_fed = attempt.stream.as_ref().is_some_and(|it| it.messages_seen > 2)
                && end.silence < 0.25 * end.age;
            is_whole.then_some((attempt.began + end.at, end.age, beat != Beat::None || is_fed))
        })
    };
    let (least, most) =
        ends().fold((f64::MAX, 0.0_f64), |(least, most), (_, age, _)| (least.min(age), most.max(age)));
    let (first, ..) = ends().next()?;
    let apart = ends().any(|(moment, ..)| (moment - first).abs() > 1.0);
    let is_busy_too = ends().any(|(.., is_busy)| is_busy);
    let outlived =
        seen.silent(Via::Direct).any(|hold| hold.peer_end().is_none() && hold.lived() > 1.5 * most);
    let is_grpc = seen.target.protocol == Protocol::Grpc;
    if !is_grpc || is_silence || !apart || !is_busy_too || outlived || most > least * JITTER + 0.2 {
        return None;
    }
    let seconds = f64::midpoint(least, most);
    let decisive = Said::new("gone_ages").with("count", ends().count()).seconds("seconds", seconds);
    let claim = Claim::of(&CAUSE, Place::Unknown, decisive)
        .corroborated(Said::new("apart"))
        .unless(Said::new("no_goaway"))
        .next(Said::new("look_for_goaway"));
    Some(claim.fix(Said::new("resume").seconds("seconds", seconds)).finding())
}

fn going_away(seen: &Examination) -> Option<Finding> {
    let away = holds(seen, Via::Url).filter_map(|(attempt, _)| {
        let end = attempt.peer_end().filter(|end| end.age >= EARLY_SECONDS)?;
        let Sign::GoAway(Http2Error::NoError, debug) = &end.sign else { return None };
        Some((attempt.began + end.at, end.age, debug.as_str()))
    });
    let away: Vec<_> = away.collect();
    let ages = away.iter().map(|(_, age, _)| *age);
    let (least, most) = (ages.clone().fold(f64::MAX, f64::min), ages.fold(0.0, f64::max));
    let &(first, _, debug) = away.first()?;
    if most > least * JITTER + 0.2 {
        return None;
    }
    let seconds = f64::midpoint(least, most);
    let apart = away.iter().any(|(moment, ..)| (moment - first).abs() > 1.0);
    let says = debug.contains("age").then(|| Said::new("debug").with("debug", debug));
    let is_known = apart || says.is_some();
    let decisive = Said::new("goaway_ages").with("count", away.len()).seconds("seconds", seconds);
    let claim = Claim::of(&CAUSE, Place::Upstream, decisive)
        .corroborated(apart.then(|| Said::new("apart")))
        .corroborated(says);
    let claim =
        if is_known { claim } else { claim.unless(Said::new("restart")).next(Said::new("repeat_hold")) };
    Some(claim.fix(Said::new("resume").seconds("seconds", seconds)).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [timed::findings(&CAUSE, seen), calls::findings(&CAUSE, seen)].concat()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{SILENT, Scene, URL, cut_at, found, lives, none, silent_end, talked};

    fn away(error: Http2Error, debug: &str, ages: &[f64]) -> Scene {
        let ends = ages
            .iter()
            .zip([0.0, 2.3, 5.0])
            .map(|(age, began)| cut_at(URL, SILENT, began, *age, Sign::GoAway(error, debug.to_owned())));
        Scene::grpc().attempts(ends)
    }

    #[test]
    fn connections_of_an_age_go_away() {
        found(probe, away(Http2Error::NoError, "max_age", &[3.1]), Level::High);
        found(probe, away(Http2Error::NoError, "", &[28.0, 33.0]), Level::High);
        found(probe, away(Http2Error::NoError, "", &[28.0]), Level::Medium);
    }

    #[test]
    fn connections_that_end_at_an_age_are_recycled() {
        let ends = silent_end(URL, 3.0, &Sign::Fin);
        let heard =
            cut_at(URL, talked(1.0), 1.0, 3.05, Sign::Fin).stream_with(|stream| stream.messages_seen = 2);
        found(probe, Scene::grpc().attempts(ends.clone()).attempt(heard), Level::Medium);
        let varied = [(0.0, 2.9), (2.3, 3.2)].map(|(began, age)| cut_at(URL, SILENT, began, age, Sign::Fin));
        let varied = Scene::grpc().attempts(varied).attempt(cut_at(URL, talked(1.0), 1.0, 3.05, Sign::Fin));
        found(probe, varied, Level::Medium);
        let heard = |silence: f64| {
            [(0.0, 2.9), (2.3, 3.2)].map(|(began, age)| {
                cut_at(URL, SILENT, began, age, Sign::Fin).stream_with(|stream| {
                    stream.messages_seen = 9;
                    stream.end.as_mut().expect("it ends").silence = silence;
                })
            })
        };
        found(probe, Scene::grpc().attempts(heard(0.1)), Level::Medium);
        none(probe, Scene::grpc().attempts(ends.clone()).attempt(lives(URL, talked(1.0), 0.0, 9.0)));
        none(probe, Scene::opened().attempts(ends).attempt(cut_at(URL, talked(1.0), 1.0, 3.05, Sign::Fin)));
    }

    #[test]
    fn other_errors_and_one_moment_are_others() {
        none(probe, away(Http2Error::EnhanceYourCalm, "too_many_pings", &[3.1, 3.2]));
        none(probe, away(Http2Error::NoError, "", &[9.0, 6.7]));
    }
}
