//! The answer is not one that EventSource accepts, and it does not try again.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Answer;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::openings::{self, Straight};
use crate::population::{Population, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "sse-wrong-content-type-or-status",
    number: 604,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the answer is no event stream", "应答不是事件流"),
        symptoms: text(
            "EventSource fires `error`, its `readyState` is 2, and it never connects again; the console \
             speaks of the MIME type.",
            "EventSource 触发 `error`，`readyState` 为 2，且不再重连；控制台提示 MIME 类型错误。",
        ),
        evidence: text(
            "Status 200 with another type than `text/event-stream`, or 204, which tells EventSource to stop.",
            "状态 200 但类型不是 `text/event-stream`；或状态 204，它会让 EventSource 停止。",
        ),
        look_alikes: text(
            "`ws-handshake-200-html`: the body is a web page, the request went elsewhere. `ws-auth-401`, \
             `upstream-down-502-503`: the status says why.",
            "`ws-handshake-200-html`：正文是网页，请求去了别处；`ws-auth-401`、`upstream-down-502-503`：\
             状态码说明了原因。",
        ),
        fix: text(
            "In the service: `Content-Type: text/event-stream` and status 200. End a stream with 204 only \
             when clients are to stay away. Then run the diagnosis again: the stream must open.",
            "在服务中：`Content-Type: text/event-stream`，状态 200。只有希望客户端不再连接时才以 204 \
             结束。然后重新诊断：应能打开数据流。",
        ),
        sources: &["WHATWG HTML, section 9.2.3 (processing model: type and status; 204)"],
    },
    phrases: &[
        phrase(
            "wrong_type",
            "The answer is 200 with `Content-Type: {media_type}`",
            "应答为 200，但 `Content-Type: {media_type}`",
        ),
        phrase("no_type", "The answer is 200 without `Content-Type`", "应答为 200，但没有 `Content-Type`"),
        phrase(
            "no_content",
            "The answer is 204: EventSource stops for good",
            "应答为 204：EventSource 会永久停止",
        ),
        phrase("is_stream", "Its body is an event stream", "其正文是事件流"),
        phrase(
            "set_type",
            "In the service: send `Content-Type: text/event-stream`",
            "在服务中：发送 `Content-Type: text/event-stream`",
        ),
        phrase(
            "set_status",
            "In the service: answer 200 where clients are to stay connected",
            "在服务中：需要客户端保持连接时应答 200",
        ),
        phrase(
            "keep_type",
            "In the proxy: leave `Content-Type` as the service sends it",
            "在代理中：保留服务发送的 `Content-Type`",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let (_, answer) = openings::refused(seen).filter(|_| seen.target.protocol == Protocol::Sse)?;
    let is_stream = is_event_stream(&answer.body);
    let media_type = answer.media_type();
    let decisive = match answer.status {
        204 => Said::new("no_content"),
        200 if media_type == "text/event-stream" || answer.is_login() => return None,
        200 if is_markup(answer) => return None,
        200 if media_type.is_empty() => Said::new("no_type"),
        200 => Said::new("wrong_type").with("media_type", media_type),
        _ => return None,
    };
    let straight = openings::straight(seen);
    let place = match straight {
        Straight::Opens(_) => Place::UpstreamLeg,
        Straight::Alike(_) => Place::Upstream,
        _ => Place::Unknown,
    };
    let claim = Claim::of(&CAUSE, place, decisive)
        .proven()
        .corroborated(is_stream.then(|| Said::new("is_stream")))
        .corroborated(openings::opens_straight(seen))
        .corroborated(openings::fails_straight_too(seen))
        .noted(openings::body(answer));
    let claim = match answer.status {
        204 => claim.fix(Said::new("set_status")),
        _ if straight.opens() => claim.fix(Said::new("keep_type")),
        _ => claim.fix(Said::new("set_type")),
    };
    Some(claim.finding())
}

/// The body is a page for people, whatever its type says.
pub(super) fn is_markup(answer: &Answer) -> bool {
    answer.is_page() && answer.body.trim_start().starts_with('<')
}

/// The text begins with lines of an event stream (WHATWG HTML, section 9.2.5).
fn is_event_stream(body: &str) -> bool {
    let first = body.trim_start_matches('\u{feff}').trim_start().lines().next().unwrap_or_default();
    ["data:", "event:", "id:", "retry:"].iter().any(|field| first.starts_with(field))
        || first.starts_with(':')
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    refusals::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, answer, event_stream, found, none};

    fn events(media_type: &str) -> Answer {
        answer(200).and("content-type", media_type).body("data: 1\n\ndata: 2")
    }

    fn plain(answer: Answer) -> Scene {
        Scene::of(Protocol::Sse).direct("10.0.3.7:80").plain(answer)
    }

    #[test]
    fn the_type_is_wrong() {
        for media_type in ["text/html", "text/plain", "application/json"] {
            found(probe, plain(events(media_type)), Level::High);
        }
        assert_eq!(found(probe, plain(answer(200).body("data: 1")), Level::High).evidence[0].code, "no_type");
        assert_eq!(
            found(probe, plain(events("text/plain")).direct_answers(event_stream()), Level::High).place,
            Place::UpstreamLeg
        );
        assert_eq!(
            found(probe, plain(events("text/plain")).direct_answers(events("text/plain")), Level::High).place,
            Place::Upstream
        );
    }

    #[test]
    fn a_type_of_pages_is_no_page() {
        for body in ["", ":ok\n\n", "\u{feff}retry: 9\n", "hello"] {
            let html = answer(200).and("content-type", "text/html; charset=utf-8").body(body);
            found(probe, plain(html), Level::High);
        }
    }

    #[test]
    fn a_status_that_ends_it_for_good() {
        assert_eq!(found(probe, plain(answer(204)), Level::High).fixes[0].text.code, "set_status");
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(
            probe,
            plain(answer(200).and("content-type", "text/html").body("<!doctype html><title>Shop</title>")),
        );
        none(probe, plain(answer(404)));
        none(probe, plain(event_stream()));
        none(probe, Scene::websocket().plain(events("text/plain")));
    }
}
