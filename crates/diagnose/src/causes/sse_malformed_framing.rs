//! Events are never ended by an empty line, or have no data: none is ever delivered.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Stream};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::population::{Population, streams};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "sse-malformed-framing",
    number: 605,
    severity: Severity::Critical,
    manual: Manual {
        title: text("events are not framed as events", "事件的格式不正确"),
        symptoms: text(
            "The request stays open, bytes flow, `onopen` fires and `onmessage` never.",
            "请求保持打开，有数据流动，`onopen` 触发而 `onmessage` 从不触发。",
        ),
        evidence: text(
            "Bytes of fields come, and no event is complete: the empty line behind each is missing, or \
             there is no `data` field.",
            "收到了字段的字节，却没有一个完整的事件：每个事件后缺少空行，或没有 `data` 字段。",
        ),
        look_alikes: text(
            "A quiet stream: no bytes, or comments only. `sse-proxy-buffering`: events are well formed, \
             and late.",
            "安静的流：没有字节，或只有注释；`sse-proxy-buffering`：事件格式正确，但迟到。",
        ),
        fix: text(
            "In the service: end each event with an empty line (`data: …\\n\\n`) and write each line of \
             the payload with its own `data:`. Then run the diagnosis again: messages must come.",
            "在服务中：每个事件以空行结束（`data: …\\n\\n`），负载的每一行都以 `data:` 开头。\
             然后重新诊断：应能收到消息。",
        ),
        sources: &["WHATWG HTML, sections 9.2.5 and 9.2.6"],
    },
    phrases: &[
        phrase(
            "no_event",
            "{bytes} came, and not one event was complete",
            "收到 {bytes}，却没有一个完整的事件",
        ),
        phrase(
            "blocks",
            "{count} blocks had no `data`, or did not end",
            "{count} 个数据块没有 `data`，或没有结束",
        ),
        phrase("again", "On {count} streams it was the same", "{count} 条流的情况相同"),
        phrase("straight_too", "Straight to {upstream} it is the same", "直接连接 {upstream} 也一样"),
        phrase("long_event", "one very long event may be under way", "可能正在传输一个很长的事件"),
        phrase(
            "listen_longer",
            "Listen longer, and look at the bytes: `curl -N {url}`",
            "延长监听并查看原始字节：`curl -N {url}`",
        ),
        phrase(
            "lost_lines",
            "Beside {events} events {lines} lines are neither a field nor a comment: clients drop them",
            "在 {events} 个事件之外有 {lines} 行既非字段也非注释：客户端会丢弃它们",
        ),
        phrase(
            "own_fields",
            "fields of the service's own, which only its own clients read",
            "服务自定义的字段，只有其自己的客户端读取",
        ),
        phrase(
            "read_lines",
            "Read the stream as it is (`curl -N {url}`): is each line of a text behind a `data:` of its own?",
            "查看原始流（`curl -N {url}`）：文本的每一行是否都有自己的 `data:`？",
        ),
        phrase(
            "each_line",
            "In the service: write `data: ` before each line of a text, or send it on one line",
            "在服务中：在文本的每一行前写 `data: `，或以单行发送",
        ),
        phrase(
            "end_events",
            "In the service: end each event with an empty line, and give it a `data` field",
            "在服务中：每个事件以空行结束，并带有 `data` 字段",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    if seen.target.protocol != Protocol::Sse {
        return None;
    }
    no_event(seen).or_else(|| lost_lines(seen))
}

/// Least lines without a field in a stream, and least part of its events that have one: what is no slip of the pen.
const LINES_MIN: u64 = 3;
const EVENTS_EACH: u64 = 2;

/// Events come, and a part of what they say stands on lines that clients ignore, as where only the first line of a text is
/// behind `data:`.
fn lost_lines(seen: &Examination) -> Option<Finding> {
    let lost = |via| -> Vec<&Stream> {
        let is_so = |stream: &&Stream| {
            stream.ignored_lines >= LINES_MIN && stream.ignored_lines * EVENTS_EACH >= stream.messages_seen
        };
        seen.of_open(via).filter_map(|attempt| attempt.stream.as_ref()).filter(is_so).collect()
    };
    let (at_url, direct) = (lost(Via::Url), lost(Via::Direct));
    let worst = at_url.iter().max_by_key(|stream| stream.ignored_lines)?;
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let place = if direct.is_empty() { Place::Unknown } else { Place::Upstream };
    let said = Said::new("lost_lines").with("lines", worst.ignored_lines).with("events", worst.messages_seen);
    Some(
        Claim::of(&CAUSE, place, said)
            .corroborated((at_url.len() > 1).then(|| Said::new("again").with("count", at_url.len())))
            .corroborated((!direct.is_empty()).then(|| Said::new("straight_too").with("upstream", upstream)))
            .unless(Said::new("own_fields"))
            .next(Said::new("read_lines").with("url", seen.target.url.as_str()))
            .fix(Said::new("each_line"))
            .finding(),
    )
}

fn no_event(seen: &Examination) -> Option<Finding> {
    let broken = |via| -> Vec<&Stream> {
        seen.attempts
            .iter()
            .filter(|attempt| attempt.experiment.via == via)
            .filter_map(broken_stream)
            .collect()
    };
    let at_url = broken(Via::Url);
    let brings_events =
        |attempt: &Attempt| attempt.stream.as_ref().is_some_and(|stream| stream.messages_seen > 0);
    let stream = at_url.iter().max_by_key(|stream| stream.bytes_seen)?;
    if seen.attempts.iter().any(|attempt| attempt.experiment.via == Via::Url && brings_events(attempt)) {
        return None;
    }
    let direct = broken(Via::Direct);
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let url = seen.target.url.as_str();
    let is_many = stream.malformed > 1;
    let place = if direct.is_empty() { Place::Unknown } else { Place::Upstream };
    let is_alone = direct.is_empty() && at_url.len() < 2 && !is_many;
    Some(
        Claim::of(&CAUSE, place, Said::new("no_event").bytes("bytes", stream.bytes_seen))
            .corroborated(is_many.then(|| Said::new("blocks").with("count", stream.malformed)))
            .corroborated((at_url.len() > 1).then(|| Said::new("again").with("count", at_url.len())))
            .corroborated((!direct.is_empty()).then(|| Said::new("straight_too").with("upstream", upstream)))
            .unless(is_alone.then(|| Said::new("long_event")))
            .next(Said::new("listen_longer").with("url", url))
            .fix(Said::new("end_events"))
            .finding(),
    )
}

/// A stream on which fields came and no event. A block or two without data may be a `retry` alone, which is
/// harmless.
fn broken_stream(attempt: &Attempt) -> Option<&Stream> {
    const BYTES_MIN: u64 = 64;
    const BLOCKS_MIN: u64 = 3;
    attempt.stream.as_ref().filter(|stream| {
        let is_little = stream.comments.is_empty() && stream.bytes_seen >= BYTES_MIN;
        stream.messages_seen == 0 && stream.malformed > 0 && (is_little || stream.malformed >= BLOCKS_MIN)
    })
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    streams::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, flushed, found, listened, none};

    fn broken(via: Via, bytes_seen: u64, malformed: u64) -> Attempt {
        listened(via, None, Vec::new()).streamed(Stream { bytes_seen, malformed, ..Stream::default() })
    }

    fn scene() -> Scene {
        Scene::of(Protocol::Sse).direct("10.0.3.7:80")
    }

    #[test]
    fn bytes_and_no_event() {
        found(probe, scene().attempt(broken(Via::Url, 400, 10)), Level::High);
        found(probe, scene().attempt(broken(Via::Url, 400, 1)), Level::Medium);
        let both = scene().attempt(broken(Via::Url, 400, 1)).attempt(broken(Via::Direct, 400, 1));
        assert_eq!(found(probe, both, Level::High).place, Place::Upstream);
    }

    #[test]
    fn lines_that_clients_drop() {
        let lines = |via, ignored_lines| {
            listened(via, None, flushed(8, 1, 0.3)).stream_with(|stream| stream.ignored_lines = ignored_lines)
        };
        let finding = found(probe, scene().attempt(lines(Via::Url, 16)), Level::Medium);
        assert_eq!((finding.place, finding.evidence[0].code.as_ref()), (Place::Unknown, "lost_lines"));
        let both = scene().attempt(lines(Via::Url, 16)).attempt(lines(Via::Direct, 16));
        assert_eq!(found(probe, both, Level::Medium).place, Place::Upstream);
        none(probe, scene().attempt(lines(Via::Url, 2)));
    }

    #[test]
    fn quiet_streams_are_healthy() {
        none(probe, scene().attempt(broken(Via::Url, 14, 1)));
        none(probe, scene().attempt(broken(Via::Url, 0, 0)));
        let padded = Stream { bytes_seen: 2100, malformed: 1, comments: vec![0.1], ..Stream::default() };
        none(probe, scene().attempt(listened(Via::Url, None, Vec::new()).streamed(padded)));
        none(
            probe,
            scene().attempt(broken(Via::Url, 400, 5)).attempt(listened(Via::Url, None, flushed(3, 1, 1.0))),
        );
    }
}
