//! Streams end when a number of messages or bytes has gone over them.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, End};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Manner, ends_inside_alike};
use crate::population::{Population, amounts};
use crate::sizes::sent;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "cut-after-bytes",
    number: 952,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "streams end after a fixed number of messages or bytes",
            "连接在固定数量的消息或字节后结束",
        ),
        symptoms: text("Busy streams drop sooner than quiet ones.", "繁忙的连接比安静的更早断开。"),
        evidence: text(
            "Streams that talk at different speeds end after the same number of messages, or the same number \
             of bytes, at different ages; or each ends inside a message, at the same byte: who cuts by a clock cuts \
             between two messages. In traffic: many connections that the upstream side cuts end after the same number.",
            "以不同速度收发的连接在不同存活时长、但同样的消息数或字节数后结束；或每条都在同一字节处、一条消息中间结束：按时钟切断的一方会在两条消息之间切断。在流量中：上游一侧切断的大量连接在同一数量后结束。",
        ),
        look_alikes: text(
            "`max-lifetime`: one age. `message-size-limit`: one message is too large. A limit of rate: slow \
             streams live on.",
            "`max-lifetime`：存活时长相同；`message-size-limit`：单条消息过大；速率限制：慢的连接继续存活。",
        ),
        fix: text(
            "Find what counts: a quota of the service, a limit of a proxy for requests or bytes (nginx \
             `keepalive_requests` on HTTP/2 before 1.19.7, `client_max_body_size` for calls of gRPC), a bug in \
             a buffer. Then a stream must outlive that number.",
            "找出计数者：服务的配额、代理的请求数或字节数上限（1.19.7 之前 HTTP/2 的 nginx `keepalive_requests`、gRPC 调用的 `client_max_body_size`）、缓冲区缺陷。之后连接应超过该数量仍存活。",
        ),
        sources: &["https://nginx.org/en/docs/http/ngx_http_core_module.html#client_max_body_size"],
    },
    phrases: &[
        phrase(
            "after_messages",
            "{count} streams ended after {number} messages of the probe, at ages from {least} to {most}",
            "{count} 条连接在探测发送 {number} 条消息后结束，存活时长从 {least}到 {most}",
        ),
        phrase(
            "after_bytes",
            "{count} streams ended after {bytes} had come, at ages from {least} to {most}",
            "{count} 条连接在收到 {bytes}后结束，存活时长从 {least}到 {most}",
        ),
        phrase("by_chance", "a coincidence of two ends", "两次结束的巧合"),
        phrase(
            "repeat",
            "Repeat, and talk at a third speed: the number must be the same",
            "重复并以第三种速度收发：数量应相同",
        ),
        phrase(
            "straight_lives",
            "Straight at {upstream} more went over a stream",
            "直连 {upstream} 时连接承载了更多",
        ),
        phrase(
            "ended_after_messages",
            "{count} connections ended after {messages} messages of the {leg} side, at ages from {low} to {high}",
            "{count} 个连接在{leg}一侧发送 {messages} 条消息后结束，存活时长从 {low}到 {high}",
        ),
        phrase(
            "ended_after_bytes",
            "{count} connections ended after {bytes} of the {leg} side, at ages from {low} to {high}",
            "{count} 个连接在{leg}一侧发送 {bytes}后结束，存活时长从 {low}到 {high}",
        ),
        phrase(
            "ages_differ_only",
            "Their ages differ: it is no limit of time",
            "它们的存活时长不同：不是时间限制",
        ),
        phrase(
            "others_older",
            "{count} that carry less are older and still open",
            "另有 {count} 个流量较少的连接存活更久且仍然打开",
        ),
        phrase(
            "maybe_bytes",
            "a number of bytes that so many messages have in common, which a hop may count too",
            "也可能是这些消息共同的字节数，途中的代理也可能统计",
        ),
        phrase(
            "maybe_service",
            "the service itself, which counts bytes or runs out of what it has to say",
            "服务自身：统计字节数，或已无内容可发",
        ),
        phrase(
            "find_counter",
            "Hold a stream straight at the service until more has gone over it: `heartline diagnose URL --upstream HOST:PORT`",
            "直连服务保持连接直到超过该数量：`heartline diagnose URL --upstream 主机:端口`",
        ),
        phrase(
            "find",
            "Find what counts on the way and in the service: a quota, a limit of messages or bytes; then a \
             stream must outlive it",
            "查找途中与服务中的计数者：配额、消息数或字节数上限；之后连接应超过它仍存活",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn population(seen: &Population<'_>) -> Vec<Finding> {
    amounts::finding(&CAUSE, seen).into_iter().collect()
}

fn probe(seen: &Examination) -> Option<Finding> {
    let ends: Vec<(&Attempt, &End)> = seen
        .of_open(Via::Url)
        .filter_map(|attempt| Some((attempt, attempt.peer_end()?)))
        .filter(|(attempt, end)| !Manner::of(attempt, end).is_normal() && sent(attempt).is_none())
        .collect();
    let by_messages = same(&ends, |attempt| attempt.sent_while_open().len() as u64, 3);
    let by_bytes = same(&ends, |attempt| attempt.stream.as_ref().map_or(0, |it| it.bytes_seen), 1024);
    let by_place = ends_inside_alike(&ends).map(|bytes| (bytes, ends.clone()));
    let (code, number, alike) = by_messages
        .map(|(n, it)| ("after_messages", n, it))
        .or(by_bytes.or(by_place).map(|(n, it)| ("after_bytes", n, it)))?;
    let ages = alike.iter().map(|(_, end)| end.age);
    let (least, most) = (ages.clone().fold(f64::MAX, f64::min), ages.fold(0.0, f64::max));
    let said = Said::new(code).with("count", alike.len()).seconds("least", least).seconds("most", most);
    let said = if code == "after_bytes" { said.bytes("bytes", number) } else { said.with("number", number) };
    let carried = |attempt: &Attempt| {
        let stream = attempt.stream.as_ref();
        match code {
            "after_bytes" => stream.is_some_and(|it| it.bytes_seen > number),
            _ => attempt.sent_while_open().len() as u64 > number,
        }
    };
    let is_more_straight = seen.of_open(Via::Direct).any(carried);
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let straight = is_more_straight.then(|| Said::new("straight_lives").with("upstream", upstream));
    let place = if is_more_straight { Place::UpstreamLeg } else { Place::Unknown };
    let claim = Claim::of(&CAUSE, place, said).corroborated(straight);
    let claim = claim.unless((alike.len() < 3).then(|| Said::new("by_chance"))).next(Said::new("repeat"));
    Some(claim.fix(Said::new("find")).finding())
}

/// The number that at least two ends have in common though their ages are not alike, and these ends. No stream that
/// lived on may have carried more.
fn same<'a>(
    ends: &[(&'a Attempt, &'a End)],
    number: impl Fn(&Attempt) -> u64,
    least: u64,
) -> Option<(u64, Vec<(&'a Attempt, &'a End)>)> {
    let first = ends.iter().map(|(attempt, _)| number(attempt)).filter(|number| *number >= least).max()?;
    let alike: Vec<_> = ends.iter().filter(|(attempt, _)| number(attempt) == first).copied().collect();
    let ages: Vec<f64> = alike.iter().map(|(_, end)| end.age).collect();
    let spread =
        ages.iter().copied().fold(0.0, f64::max) / ages.iter().copied().fold(f64::MAX, f64::min).max(0.001);
    (alike.len() > 1 && spread > 1.5).then_some((first, alike))
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::record::What;
    use model::{Leg, Protocol, Reason};

    use super::*;
    use crate::attempt::Sign;
    use crate::holds;
    use crate::population::tests::{Made, end as ended, random, told_of};
    use crate::scene::{SILENT, Scene, URL, close, cut_at, echoed, end, found, none, talked};

    fn talks(messages: u32, age: f64, sign: Sign) -> Attempt {
        cut_at(URL, talked(1.0), 0.0, age, sign).stream_with(|stream| {
            stream.sent = (0..messages).map(f64::from).collect();
        })
    }

    fn chats(messages: u32, sign: Sign) -> Attempt {
        echoed(URL, &[0.01; 5], &[]).stream_with(|stream| {
            stream.sent = (0..messages).map(|nth| f64::from(nth) * 0.01).collect();
            stream.end = Some(end(0.1, sign));
        })
    }

    #[test]
    fn streams_that_end_after_a_number_of_messages() {
        let scene = Scene::opened().attempts([talks(5, 5.1, Sign::Fin), chats(5, Sign::Fin)]);
        found(probe, scene, Level::Medium);
    }

    #[test]
    fn streams_that_end_at_one_byte_inside_a_message() {
        let cut = |began, bytes_seen, is_end_inside| {
            cut_at(URL, SILENT, began, 4.0, Sign::BodyCut)
                .stream_with(|it| (it.bytes_seen, it.is_end_inside) = (bytes_seen, is_end_inside))
        };
        let cuts =
            |is_end_inside| Scene::opened().attempts([0.0, 2.5].map(|began| cut(began, 3000, is_end_inside)));
        found(probe, cuts(true), Level::Medium);
        assert!(holds::timer(&cuts(true).seen(), URL).is_none(), "no clock");
        let together = |inside| {
            Scene::opened().attempts([(0.0, 4.5), (2.3, 2.2)].map(|(began, age)| {
                cut_at(URL, SILENT, began, age, Sign::BodyCut)
                    .stream_with(|it| (it.bytes_seen, it.is_end_inside) = (3000, inside))
            }))
        };
        assert!(holds::clump(&together(true).seen()).is_none(), "no moment");
        assert!(holds::clump(&together(false).seen()).is_some());
        none(probe, cuts(false));
        none(probe, Scene::opened().attempts([cut(0.0, 3000, true), cut(2.5, 2990, true)]));
        assert!(holds::timer(&cuts(false).seen(), URL).is_some());
    }

    #[test]
    fn ends_without_a_number_in_common_are_others() {
        none(probe, Scene::opened().attempts([talks(9, 9.1, Sign::Fin), chats(5, Sign::Fin)]));
        none(probe, Scene::opened().attempts([talks(5, 5.1, Sign::Fin), talks(5, 5.0, Sign::Fin)]));
        let normal = || close(1000, "");
        none(probe, Scene::opened().attempts([talks(5, 5.1, normal()), chats(5, normal())]));
    }

    /// Event streams that something behind cuts: one event each 0.1 s to 2 s.
    fn stream(number: u64, events: u64, bytes: u64) -> Made {
        let gap = 0.1 + 1.9 * random(number);
        let made = ended(number).by(Leg::Upstream, What::BodyTruncated, Reason::Truncated);
        made.lived(300.0 * random(number + 9), gap * events as f64, gap * random(number + 5)).with(|record| {
            record.protocol = Protocol::Sse;
            record.messages.server_to_client = events;
            record.bytes.server_to_client = bytes;
        })
    }

    #[test]
    fn event_streams_that_are_cut_after_so_many_events_or_bytes() {
        let counted = (0..30).map(|number| stream(number, 20 + number % 4 / 3, 900 * number));
        assert_eq!(told_of(CAUSE.id, counted), Some((Level::Medium, Place::Upstream)));
        let measured = |number| stream(number, 5 + number, 65_536 + 40 * (number % 9));
        assert_eq!(told_of(CAUSE.id, (0..30).map(measured)), Some((Level::Medium, Place::UpstreamLeg)));
        let neither = (0..30).map(|number| stream(number, 5 + number, 900 * (5 + number)));
        assert_eq!(told_of(CAUSE.id, neither), None);
    }

    #[test]
    fn what_ends_at_an_age_or_as_announced_is_another_matter() {
        let at_an_age = |number| {
            stream(number, 20, 9000).lived(300.0 * random(number), 10.0 + 0.1 * random(number + 1), 0.3)
        };
        assert_eq!(told_of(CAUSE.id, (0..30).map(at_an_age)), None);
        let done = |number| stream(number, 20, 9000).by(Leg::Upstream, What::BodyEnd, Reason::Complete);
        assert_eq!(told_of(CAUSE.id, (0..30).map(done)), None);
    }
}
