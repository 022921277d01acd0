//! Streams end, and nothing that was measured tells why.

use std::collections::BTreeSet;

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::ConnectionId;
use model::record::{CloseRecord, What};
use model::words::{Http2Error, Initiator, Protocol};

use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{EARLY_SECONDS, Manner, holds};
use crate::population::{self, ENDS_MIN, Population, amounts, calls::aged};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ends-unexplained",
    number: 954,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "streams end, and what was measured does not tell why",
            "连接会结束，而已有测量不能说明原因",
        ),
        symptoms: text("Streams drop now and then.", "连接时不时断开。"),
        evidence: text(
            "Held streams end without a word or by an error, at no common silence, age, moment, number of \
             messages or size.",
            "保持的连接无声结束或以错误结束，没有共同的静默、存活时长、时刻、消息数或大小。",
        ),
        look_alikes: text(
            "All causes of drops: more ends are needed to tell them apart.",
            "所有掉线原因：需要更多的结束样本才能区分。",
        ),
        fix: text(
            "Measure more: hold several streams at once for longer, straight at the service as well, or let \
             the gateway watch the real ones. Then a common silence, age or moment must show.",
            "继续测量：同时更久地保持多条连接，并直连服务对比，或让网关观察真实连接。之后应显现共同的静默、存活时长或时刻。",
        ),
        sources: &["RFC 6455, section 7.1.7"],
    },
    phrases: &[
        phrase(
            "ended",
            "{count} held streams ended by the peer, at ages from {least} to {most}",
            "{count} 条保持的连接被对端结束，存活时长从 {least}到 {most}",
        ),
        phrase(
            "how",
            "One of them: {how}, {silence} after the last byte",
            "其中之一：{how}，距最后一个字节 {silence}",
        ),
        phrase(
            "ended_wordless",
            "{count} connections were ended by the upstream side without a word (a Close frame, the end of a body, a status), at \
             no common silence, age or moment",
            "{count} 个连接被上游一侧结束，没有任何说明（Close 帧、正文结束或状态），也没有共同的静默、存活时长或时刻",
        ),
        phrase(
            "after_messages",
            "Nearly all of them ended after {messages} messages of the client: who ends them counts messages",
            "几乎都在客户端发送 {messages} 条消息之后结束：结束连接的一方在统计消息数",
        ),
        phrase(
            "by_bytes",
            "a number of bytes that these messages have in common",
            "也可能是按这些消息的总字节数限制",
        ),
        phrase(
            "service_log",
            "Look at the service's log at the end of one of them, and run `heartline diagnose URL --upstream HOST:PORT`",
            "查看其中一个连接结束时的服务日志，并运行 `heartline diagnose URL --upstream 主机:端口`",
        ),
        phrase("any_cause", "a cause that more ends would tell", "更多样本才能确定的原因"),
        phrase(
            "longer",
            "Hold several streams at once for longer, and straight at the service as well: `--checks idle \
             --upstream HOST:PORT`",
            "同时更久地保持多条连接，并直连服务对比：`--checks idle --upstream 主机:端口`",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// Least share of the connections of a gateway, and least part of the ends for a number of messages that all of them have.
const SHARE_MIN: f64 = 0.2;
const ALIKE_MIN: f64 = 0.8;
/// Ends of which something common would have shown by now.
const SUSPECT_MIN: usize = 30;

/// Ends that the upstream made without a word, and that no timer and no moment explains.
fn population(seen: &Population<'_>) -> Vec<Finding> {
    let timers = seen.timers();
    let clumps = seen.clumps();
    let departed = clumps.iter().filter(|clump| !clump.is_of_one_age).flat_map(|clump| &clump.ends);
    let departed: BTreeSet<ConnectionId> = departed.map(|end| end.id).collect();
    let aged = aged::of_one_age(seen, What::RstStream, &[]).map(|(_, ends)| ends).unwrap_or_default();
    let aged: BTreeSet<ConnectionId> = aged.iter().map(|end| end.id).collect();
    let is_unexplained = |manner: population::Manner| {
        let is_wordless =
            |manner: population::Manner| manner.initiator == Initiator::Upstream && !manner.is_told;
        is_wordless(manner) && !timers.iter().any(|timer| is_wordless(timer.manner))
    };
    let ends = seen.ends_where(|record| {
        let is_reset = is_reset_in_flow(record) && !aged.contains(&record.id);
        let is_wordless = population::Manner::of(record).is_some_and(is_unexplained);
        !departed.contains(&record.id) && (is_wordless || is_reset)
    });
    let is_rare = ends.len() < ENDS_MIN || (ends.len() as f64) < SHARE_MIN * seen.connections() as f64;
    if is_rare || amounts::counted(seen).is_some() {
        return Vec::new();
    }
    let said = Said::new("ended_wordless").with("count", ends.len());
    let counted = if seen.protocol == Protocol::WebSocket { common_messages(&ends) } else { None };
    let claim = match counted {
        Some(messages) => Claim::of(&CAUSE, Place::Upstream, said)
            .corroborated(Said::new("after_messages").with("messages", messages))
            .unless(Said::new("by_bytes")),
        None if ends.len() < SUSPECT_MIN => return Vec::new(),
        None => Claim::of(&CAUSE, Place::UpstreamLeg, said).suspected().unless(Said::new("any_cause")),
    };
    let told = claim
        .next(Said::new("service_log"))
        .concerns(seen.route.clone(), seen.since(&ends), seen.affected(&ends))
        .selects(seen.selection(&ends));
    vec![told.finding()]
}

/// A call that the upstream side resets while messages flow, instead of telling its status.
fn is_reset_in_flow(record: &CloseRecord) -> bool {
    let is_reset = record.causes.first().is_some_and(|first| first.what == What::RstStream);
    let is_call = record.protocol == Protocol::Grpc && record.initiator == Some(Initiator::Upstream);
    is_reset && is_call && aged::is_in_flow(record)
}

/// The number of messages of the clients after which nearly all ended; one more may have been on its way.
fn common_messages(ends: &[&CloseRecord]) -> Option<u64> {
    let messages = |record: &CloseRecord| record.messages.client_to_server;
    let most = population::common(ends.iter().map(|record| Some(messages(record))))?;
    let alike = ends.iter().filter(|record| messages(record).abs_diff(most) <= 1).count();
    (most > 2 && alike as f64 >= ALIKE_MIN * ends.len() as f64).then_some(most)
}

fn probe(seen: &Examination) -> Option<Finding> {
    let ends = holds(seen, Via::Url).filter_map(|(attempt, _)| {
        let end = attempt.peer_end().filter(|end| end.age >= EARLY_SECONDS)?;
        let manner = Manner::of(attempt, end);
        let is_told =
            manner.is_normal() || matches!(manner, Manner::Broken | Manner::Away(Http2Error::NoError));
        (!is_told).then_some(end)
    });
    let ends: Vec<_> = ends.collect();
    let last = ends.last()?;
    let ages = ends.iter().map(|end| end.age);
    let (least, most) = (ages.clone().fold(f64::MAX, f64::min), ages.fold(0.0, f64::max));
    let said = Said::new("ended").with("count", ends.len()).seconds("least", least).seconds("most", most);
    let how = Said::new("how").with("how", format!("{:?}", last.sign)).seconds("silence", last.silence);
    let claim = Claim::of(&CAUSE, Place::Unknown, said).suspected().noted(how);
    Some(claim.unless(Said::new("any_cause")).next(Said::new("longer")).finding())
}

#[cfg(test)]
mod tests {
    use model::Leg;
    use model::finding::Level;

    use super::*;
    use crate::attempt::Sign;
    use crate::population::tests::{end, random, told_of};
    use crate::scene::{SILENT, Scene, URL, close, cut_at, found, lives, none};

    #[test]
    fn ends_of_a_gateway_that_come_after_so_many_messages() {
        let cut = |messages: fn(u64) -> u64, others: u64| {
            let cut = (0..40).map(move |number| {
                let age = 5.0 + 300.0 * random(number);
                let made = end(number).lived(500.0 * random(number + 50), age, age * random(number + 99));
                made.with(|record| record.messages.client_to_server = messages(number))
            });
            let left =
                move |number| end(number).lived(500.0 * random(number), 60.0, 1.0).close(Leg::Client, 1000);
            told_of(CAUSE.id, cut.chain((100..100 + others).map(left)))
        };
        assert_eq!(cut(|number| 20 + number % 4 / 3, 0), Some((Level::Medium, Place::Upstream)));
        assert_eq!(cut(|number| 3 + number, 0), Some((Level::Low, Place::UpstreamLeg)));
        assert_eq!(cut(|_| 20, 200), None, "now and then");
    }

    #[test]
    fn event_streams_that_are_cut_at_any_time() {
        let cut = |number: u64| {
            let age = 5.0 + 300.0 * random(number);
            let made = end(number).lived(500.0 * random(number + 50), age, age * random(number + 99));
            made.by(Leg::Upstream, What::BodyTruncated, model::Reason::Truncated).with(|record| {
                record.protocol = Protocol::Sse;
                record.messages.server_to_client = number;
                record.bytes.server_to_client = 90 * number;
            })
        };
        assert_eq!(told_of(CAUSE.id, (0..40).map(cut)), Some((Level::Low, Place::UpstreamLeg)));
        let done = |number| cut(number).by(Leg::Upstream, What::BodyEnd, model::Reason::Complete);
        assert_eq!(told_of(CAUSE.id, (0..40).map(done)), None);
    }

    #[test]
    fn ends_of_any_age_are_told_as_they_are() {
        let ends = [(0.0, 31.0), (2.0, 12.5)].map(|(began, age)| cut_at(URL, SILENT, began, age, Sign::Fin));
        found(probe, Scene::opened().attempts(ends), Level::Low);
        none(probe, Scene::opened().attempt(lives(URL, SILENT, 0.0, 60.0)));
        none(probe, Scene::opened().attempt(cut_at(URL, SILENT, 0.0, 9.0, close(1000, "done"))));
        none(probe, Scene::sse().attempt(cut_at(URL, SILENT, 0.0, 9.0, Sign::BodyEnd)));
    }
}
