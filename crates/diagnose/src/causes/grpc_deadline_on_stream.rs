//! A client's deadline covers a call that is meant to live long.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Manner, holds, tolerance};
use crate::population::{Population, calls::aged};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "grpc-deadline-on-stream",
    number: 710,
    severity: Severity::Info,
    manual: Manual {
        title: text("a deadline of the client ends a long call", "客户端的截止时间结束了长调用"),
        symptoms: text(
            "A subscription ends with DEADLINE_EXCEEDED at a constant age.",
            "订阅在固定时长后以 DEADLINE_EXCEEDED 结束。",
        ),
        evidence: text(
            "The request has `grpc-timeout`, the call ends at that age, and the client resets it with CANCEL, or the service, \
             which was told of it, answers DEADLINE_EXCEEDED. Calls with other deadlines end at theirs.",
            "请求带有 `grpc-timeout`，调用在该时长结束，并由客户端以 CANCEL 重置，或由得知该期限的服务以 DEADLINE_EXCEEDED 应答。\
             期限不同的调用各自在其期限结束。",
        ),
        look_alikes: text(
            "`max-lifetime`, `grpc-proxy-read-timeout`, `http-server-timeout-applied-to-stream`: no `grpc-timeout`, or a \
             longer one, and the peer ends the call. A service that is slow: no answer ever comes.",
            "`max-lifetime`、`grpc-proxy-read-timeout`、`http-server-timeout-applied-to-stream`：没有 `grpc-timeout` 或其更长，\
             由对端结束调用；服务过慢：从未有应答。",
        ),
        fix: text(
            "Set no deadline on subscriptions; watch for missing messages instead. Then the call must outlive \
             the old deadline.",
            "订阅不设截止时间；改为监视消息是否缺失。之后调用应存活超过原来的截止时间。",
        ),
        sources: &[
            "https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md",
            "https://grpc.io/docs/guides/deadlines/",
        ],
    },
    phrases: &[
        phrase(
            "at_deadline",
            "{count} held calls ended at {seconds}, which is the `grpc-timeout` that they were sent with",
            "{count} 个保持的调用在 {seconds}时结束，与其携带的 `grpc-timeout` 一致",
        ),
        phrase("says_deadline", "Their status is DEADLINE_EXCEEDED", "其状态为 DEADLINE_EXCEEDED"),
        phrase("same_timer", "another timer of the same length", "另一个同样时长的超时"),
        phrase(
            "without_deadline",
            "Repeat without the field `grpc-timeout`: the calls must live longer",
            "去掉 `grpc-timeout` 字段重试：调用应存活更久",
        ),
        phrase(
            "title_live",
            "{count} calls ended at the deadline that their clients had set",
            "{count} 个调用在其客户端设定的截止时间结束",
        ),
        phrase(
            "ended_at_own_deadline",
            "{count} of {all} calls with `grpc-timeout` ended at just that age ({low} to {high})",
            "{all} 个带 `grpc-timeout` 的调用中有 {count} 个恰好在该时长（{low} 到 {high}）结束",
        ),
        phrase("client_resets", "{count} of them were reset by the client", "其中 {count} 个由客户端重置"),
        phrase(
            "told_deadline",
            "{count} of them ended with the status DEADLINE_EXCEEDED",
            "其中 {count} 个以状态 DEADLINE_EXCEEDED 结束",
        ),
        phrase(
            "deadlines_differ",
            "Their deadlines differ, and each ended at its own",
            "它们的截止时间不同，而各自在自己的时间结束",
        ),
        phrase(
            "in_flow",
            "Messages flowed over {count} of them until then",
            "其中 {count} 个在此之前一直有消息传输",
        ),
        phrase(
            "outlived_deadline",
            "{count} calls lived on behind their deadlines",
            "有 {count} 个调用在截止时间之后仍然存活",
        ),
        phrase(
            "slow_answer",
            "a service that is slow: to most of them no answer had come",
            "服务过慢：其中大多数从未收到应答",
        ),
        phrase(
            "no_deadline",
            "In the client: no deadline on a subscription; watch for missing messages instead",
            "在客户端：订阅不设截止时间；改为监视消息是否缺失",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let deadline = seen.target.deadline?;
    let manners: Vec<Manner> = holds(seen, Via::Url)
        .filter_map(|(attempt, _)| {
            let end = attempt.peer_end().filter(|end| (end.age - deadline).abs() <= tolerance(deadline))?;
            Some(Manner::of(attempt, end))
        })
        .filter(|manner| *manner != Manner::Announced)
        .collect();
    let says = manners.contains(&Manner::Status(4));
    let said = Said::new("at_deadline").with("count", manners.len()).seconds("seconds", deadline);
    (!manners.is_empty()).then(|| {
        Claim::of(&CAUSE, Place::Client, said)
            .weighing(Severity::Warning)
            .corroborated(says.then(|| Said::new("says_deadline")))
            .unless((!says).then(|| Said::new("same_timer")))
            .next(Said::new("without_deadline"))
            .fix(Said::new("no_deadline"))
            .finding()
    })
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    aged::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::words::Http2Error;

    use super::*;
    use crate::attempt::Sign;
    use crate::examination::deadline;
    use crate::scene::{SILENT, Scene, URL, cut_at, found, none};

    fn ends(age: f64, code: u32) -> Scene {
        let end = |began| cut_at(URL, SILENT, began, age, Sign::BodyEnd).grpc(code, "");
        Scene::grpc().attempts([end(0.0), end(2.3)])
    }

    #[test]
    fn calls_end_at_the_deadline_that_they_were_given() {
        found(probe, ends(3.0, 4).deadline(3.0), Level::High);
        let reset = cut_at(URL, SILENT, 0.0, 3.0, Sign::RstStream(Http2Error::Cancel));
        found(probe, Scene::grpc().deadline(3.0).attempt(reset), Level::Medium);
        none(probe, ends(3.0, 4));
        none(probe, ends(3.0, 4).deadline(30.0));
        none(probe, ends(3.0, 0).deadline(3.0));
    }

    #[test]
    fn deadlines_are_read() {
        let read = ["3S", "250m", "2M", "1H", "", "S", "3", "x3S", "123456789S"].map(deadline);
        assert_eq!(read, [Some(3.0), Some(0.25), Some(120.0), Some(3600.0), None, None, None, None, None]);
    }
}
