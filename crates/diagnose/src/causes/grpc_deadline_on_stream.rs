//! A client's deadline covers a call that is meant to live long.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Manner, holds, tolerance};
use crate::population::{Population, timed};

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
            "The request has `grpc-timeout`, the call ends at that age, and the client resets it with CANCEL.",
            "请求带有 `grpc-timeout`，调用在该时长结束，并由客户端以 CANCEL 重置。",
        ),
        look_alikes: text(
            "`max-lifetime`, `grpc-proxy-read-timeout`: no `grpc-timeout`, and the peer ends the call.",
            "`max-lifetime`、`grpc-proxy-read-timeout`：没有 `grpc-timeout`，由对端结束调用。",
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
    timed::findings(&CAUSE, seen)
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
