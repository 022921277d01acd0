//! After a reconnection the events in between are lost: the service does not go on where the client stopped.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Message};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Vary, Via};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "sse-no-resume",
    number: 608,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the service ignores `Last-Event-ID`", "服务忽略 `Last-Event-ID`"),
        symptoms: text("Gaps after each reconnection.", "每次重连后都有缺失。"),
        evidence: text(
            "Events carry an `id`; a request with `Last-Event-ID` gets none of those that were made in \
             between. Events without `id`, or clients that send no `Last-Event-ID`, cannot resume either; \
             that alone is no fault, since not all streams need it.",
            "事件带有 `id`；带 `Last-Event-ID` 的请求得不到其间产生的任何事件。没有 `id` 的事件，或不发送 \
             `Last-Event-ID` 的客户端，同样无法续传；但仅此并非故障，因为并非所有流都需要续传。",
        ),
        look_alikes: text(
            "A quiet time: nothing was made in between. A service that keeps events for a shorter time \
             than the gap.",
            "安静时段：其间没有产生事件；服务保留事件的时间短于中断时间。",
        ),
        fix: text(
            "In the service: ids that grow, a ring of the last events, and a start behind \
             `Last-Event-ID`. In clients: the same EventSource object, which sends it by itself. Prove \
             it: break the connection, and count the events.",
            "在服务中：使用递增的 id，保留最近的事件，并从 `Last-Event-ID` 之后开始发送。在客户端：\
             使用同一个 EventSource 对象，它会自动发送该字段。验证：断开连接后核对事件数量。",
        ),
        sources: &["WHATWG HTML, sections 9.2.3 and 9.2.4 (last event ID)"],
    },
    phrases: &[
        phrase(
            "ignored",
            "With `Last-Event-ID`, {seconds} after that event, none of about {missed} events in between came",
            "在该事件{seconds}之后带 `Last-Event-ID` 请求，其间约 {missed} 个事件一个也没有到达",
        ),
        phrase(
            "live_goes_on",
            "New events came at once: the stream itself works",
            "新事件立即到达：流本身正常",
        ),
        phrase(
            "kept_shorter",
            "the service may keep events for a shorter time",
            "服务保留事件的时间可能更短",
        ),
        phrase("quiet", "nothing may have been made in between", "其间可能没有产生事件"),
        phrase(
            "compare_ids",
            "Listen with a second client through the gap, and compare the ids",
            "让第二个客户端在中断期间持续监听，并对比 id",
        ),
        phrase(
            "ring",
            "In the service: keep the last events, and begin behind `Last-Event-ID`",
            "在服务中：保留最近的事件，并从 `Last-Event-ID` 之后开始",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let resumed = seen.attempts.iter().filter(|_| seen.target.protocol == Protocol::Sse).find(|attempt| {
        matches!(attempt.experiment.vary, Some(Vary::LastEventId(_))) && attempt.experiment.via == Via::Url
    })?;
    let before =
        seen.of_open(Via::Url).filter(|attempt| attempt.began < resumed.began && attempt != &resumed);
    let (before, earlier) = before
        .map(|attempt| (attempt, messages(attempt)))
        .max_by(|(a, _), (b, _)| a.began.total_cmp(&b.began))?;
    let period = period(earlier)?;
    let last = earlier.last().filter(|_| earlier.iter().all(|message| message.has_id))?;
    let gap = resumed.began - (before.began + last.at);
    let missed = (gap / period).floor();
    let came = messages(resumed);
    if missed < 2.0 || came.is_empty() || replays(came, period) {
        return None;
    }
    let decisive = Said::new("ignored").seconds("seconds", gap).with("missed", missed as u64);
    Some(
        Claim::of(&CAUSE, Place::Upstream, decisive)
            .noted(Said::new("live_goes_on"))
            .unless(Said::new("kept_shorter"))
            .unless(Said::new("quiet"))
            .next(Said::new("compare_ids"))
            .fix(Said::new("ring"))
            .finding(),
    )
}

fn messages(attempt: &Attempt) -> &[Message] {
    attempt.stream.as_ref().map_or(&[], |stream| &stream.messages)
}

/// The usual time between two events; none for a stream without a rhythm.
fn period(messages: &[Message]) -> Option<f64> {
    let mut gaps: Vec<f64> = messages.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    gaps.sort_by(f64::total_cmp);
    let middle = *gaps.get(gaps.len() / 2).filter(|_| gaps.len() >= 3)?;
    let is_steady = gaps.iter().all(|gap| (gap - middle).abs() < 0.5 * middle);
    (middle > 0.0 && is_steady).then_some(middle)
}

/// The first events came faster than they are made.
fn replays(messages: &[Message], period: f64) -> bool {
    messages.windows(2).any(|pair| pair[1].at - pair[0].at < 0.3 * period)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, flushed, found, listened, none};

    fn resumed(began: f64, replayed: u32) -> Attempt {
        let mut came = flushed(replayed, replayed.max(1), 0.001);
        came.extend(
            flushed(3, 1, 0.4).into_iter().map(|message| Message { at: message.at + 0.3, ..message }),
        );
        let vary = Some(Vary::LastEventId("7".into()));
        Attempt { began, ..listened(Via::Url, vary, came) }
    }

    fn scene() -> Scene {
        Scene::of(Protocol::Sse).attempt(listened(Via::Url, None, flushed(8, 1, 0.4)))
    }

    #[test]
    fn what_was_made_in_between_is_lost() {
        found(probe, scene().attempt(resumed(8.0, 0)), Level::Medium);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, scene().attempt(resumed(8.0, 5)));
        none(probe, scene().attempt(resumed(3.0, 0)));
        let mut plain = flushed(8, 1, 0.4);
        plain.iter_mut().for_each(|message| message.has_id = false);
        none(
            probe,
            Scene::of(Protocol::Sse).attempt(listened(Via::Url, None, plain)).attempt(resumed(8.0, 0)),
        );
        none(probe, scene());
    }
}
