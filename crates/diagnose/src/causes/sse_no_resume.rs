//! After a reconnection the events in between are lost: the service does not go on where the client stopped.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Vary, Via};
use crate::population::{Population, streams};

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
             that alone is no fault, since not all streams need it. In traffic: streams are cut, clients come \
             back, and the numbers of ids leave out what was made meanwhile, or there are no ids.",
            "事件带有 `id`；带 `Last-Event-ID` 的请求得不到其间产生的任何事件。没有 `id` 的事件，或不发送 \
             `Last-Event-ID` 的客户端，同样无法续传；但仅此并非故障，因为并非所有流都需要续传。在流量中：流被切断、客户端重连，而 \
             id 的编号跳过了其间产生的事件，或根本没有 id。",
        ),
        look_alikes: text(
            "A quiet time: nothing was made in between. A service that keeps events for a shorter time \
             than the gap. Events that each say the whole state: none is missed.",
            "安静时段：其间没有产生事件；服务保留事件的时间短于中断时间；每个事件都给出完整状态：不会缺失。",
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
            "from_start",
            "With `Last-Event-ID: {id}` the first event is {first}, which had come before that one",
            "带 `Last-Event-ID: {id}` 请求时，第一个事件是 {first}，而它早在该事件之前就已到达",
        ),
        phrase(
            "ignored",
            "With `Last-Event-ID: {id}` none of {missed} events that had come behind it comes again",
            "带 `Last-Event-ID: {id}` 请求时，其后曾到达的 {missed} 个事件一个也没有再来",
        ),
        phrase(
            "title_no_ids",
            "events have no `id`: what {count} clients missed while they were away does not come again",
            "事件没有 `id`：{count} 个客户端在断开期间错过的内容不会再来",
        ),
        phrase(
            "skip_events",
            "{count} of {all} streams that were asked for with `Last-Event-ID` leave out {events} events behind it (median)",
            "{all} 条带 `Last-Event-ID` 请求的流中有 {count} 条跳过了其后的 {events} 个事件（中位数）",
        ),
        phrase(
            "bring_again",
            "{count} of {all} streams that were asked for with `Last-Event-ID` bring {events} events again (median)",
            "{all} 条带 `Last-Event-ID` 请求的流中有 {count} 条重复发送了 {events} 个事件（中位数）",
        ),
        phrase(
            "as_many_as_made",
            "That is about as many as were made while the clients were away, {seconds} (median)",
            "这与客户端断开期间（中位数 {seconds}）产生的数量大致相同",
        ),
        phrase(
            "no_ids",
            "{cut} streams were ended by others than their clients; {count} clients came back after {seconds}, in which about {events} events were made, and no event has an `id`",
            "{cut} 条流不是由客户端结束的；{count} 个客户端在 {seconds}后重连，其间约产生 {events} 个事件，而所有事件都没有 `id`",
        ),
        phrase(
            "state_again",
            "each event may say the whole state, so that none is missed",
            "每个事件可能都给出完整状态，因此不会缺失",
        ),
        phrase(
            "compare_clients",
            "Listen with a second client through a reconnect of the first, and compare what both got",
            "让第二个客户端在第一个重连期间持续监听，并对比两者收到的内容",
        ),
        phrase("live_goes_on", "Other events come: the stream itself works", "其他事件会到达：流本身正常"),
        phrase(
            "kept_shorter",
            "the service may keep events for a shorter time",
            "服务保留事件的时间可能更短",
        ),
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
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let (id, resumed) = seen.of_open(Via::Url).find_map(|attempt| match &attempt.experiment.vary {
        Some(Vary::LastEventId(id)) => Some((id, ids(attempt))),
        _ => None,
    })?;
    let first = resumed.first()?;
    let before = seen.of_open(Via::Url).map(ids).filter(|ids| resumed.as_ptr() != ids.as_ptr());
    let (earlier, later) = before.filter_map(|ids| at(ids, id)).max_by_key(|(_, later)| later.len())?;
    if later.is_empty() || later.contains(first) {
        return None;
    }
    let is_from_start = earlier.contains(first);
    let decisive = if is_from_start {
        Said::new("from_start").with("id", id.as_str()).with("first", first.as_str())
    } else {
        Said::new("ignored").with("id", id.as_str()).with("missed", later.len())
    };
    Some(
        Claim::of(&CAUSE, Place::Upstream, decisive)
            .noted(Said::new("live_goes_on"))
            .unless(Said::new("kept_shorter"))
            .next(Said::new("compare_ids"))
            .fix(Said::new("ring"))
            .finding(),
    )
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    streams::findings(&CAUSE, seen)
}

fn ids(attempt: &Attempt) -> &[String] {
    attempt.stream.as_ref().map_or(&[], |stream| &stream.ids)
}

/// The ids up to this one, and those behind it.
fn at<'a>(ids: &'a [String], id: &str) -> Option<(&'a [String], &'a [String])> {
    Some(ids.split_at(ids.iter().rposition(|other| other == id)? + 1))
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, found, listened, none};

    fn brought(vary: Option<Vary>, ids: impl IntoIterator<Item = u32>) -> Attempt {
        let ids = ids.into_iter().map(|id| id.to_string()).collect();
        listened(Via::Url, vary, Vec::new()).stream_with(|stream| stream.ids = ids)
    }

    fn scene() -> Scene {
        Scene::sse().attempt(brought(None, 1..=12))
    }

    fn resumed(ids: impl IntoIterator<Item = u32>) -> Attempt {
        brought(Some(Vary::LastEventId("7".into())), ids)
    }

    #[test]
    fn what_was_made_in_between_is_lost() {
        found(probe, scene().attempt(resumed(1..=6)), Level::Medium);
        found(probe, scene().attempt(resumed(31..=36)), Level::Medium);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, scene().attempt(resumed(8..=13)));
        none(probe, scene().attempt(resumed([])));
        none(probe, Scene::sse().attempt(brought(None, 1..=7)).attempt(resumed(1..=6)));
        none(probe, scene());
    }
}
