//! Messages do not arrive though the stream stays open.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::expected;
use crate::experiment::{Check, Via};
use crate::sizes::{Fate, bracket, whole};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "messages-lost",
    number: 956,
    severity: Severity::Warning,
    manual: Manual {
        title: text("messages are lost while the stream stays open", "连接保持打开，但消息丢失"),
        symptoms: text(
            "“Some messages never arrived”, and no disconnect.",
            "“有些消息始终没到”，而连接没有断开。",
        ),
        evidence: text(
            "Some echoes come and others do not, by size or by position, and the stream does not end.",
            "有的回显到来而有的没有，取决于大小或位置，而连接没有结束。",
        ),
        look_alikes: text(
            "A service that answers only what it likes. `backpressure-drop`: only slow readers miss messages. \
             `mtu-blackhole`: nothing is acknowledged any more.",
            "只应答部分消息的服务；`backpressure-drop`：只有慢的读取者丢消息；`mtu-blackhole`：之后不再有确认。",
        ),
        fix: text(
            "Compare with the service itself. Lost by size: raise the limit of what drops them (a bus or \
             broker behind the service, a proxy that inspects content). Lost by position: look for queues that \
             drop. Then all echoes must come.",
            "与服务本身对比。按大小丢失：调大丢弃者的上限（服务背后的消息总线、检查内容的代理）。按位置丢失：检查会丢弃的队列。之后所有回显都应到来。",
        ),
        sources: &["RFC 6455, section 5.4"],
    },
    phrases: &[
        phrase(
            "real_messages",
            "Send messages that the service is bound to answer: `--message`",
            "发送服务必须应答的消息：`--message`",
        ),
        phrase(
            "by_size",
            "Messages up to {passed} come back, one of {failed} does not, and the stream stays open",
            "{passed}以内的消息能够返回，{failed}的没有返回，而连接保持打开",
        ),
        phrase(
            "by_band",
            "Messages of {count} sizes from {failed} on do not come back, larger and smaller ones do, and the stream \
             stays open",
            "从 {failed}起有 {count} 种大小的消息没有返回，更大与更小的都能返回，而连接保持打开",
        ),
        phrase(
            "by_one",
            "A message of {failed} did not come back, larger and smaller ones did, and the stream stayed open",
            "一条 {failed}的消息没有返回，更大与更小的都返回了，而连接保持打开",
        ),
        phrase("once_only", "a loss by chance", "偶然丢失"),
        phrase(
            "by_position",
            "{lost} of {all} small messages did not come back, and the stream stayed open",
            "{all} 条小消息中有 {lost} 条没有返回，而连接保持打开",
        ),
        phrase("straight_all", "Straight at {upstream} they come back", "直连 {upstream} 时能够返回"),
        phrase("straight_too", "Straight at {upstream} they are lost as well", "直连 {upstream} 同样丢失"),
        phrase("is_late", "they are late rather than lost", "只是迟到而非丢失"),
        phrase("on_purpose", "the service does not answer each message", "服务并不应答每条消息"),
        phrase(
            "find",
            "Find the first hop that does not pass them on: straight at the service, then hop by hop; then all \
             must come back",
            "找到第一个不再转发的一跳：先直连服务，再逐跳比较；之后所有消息都应返回",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    if expected::mute(seen, Via::Url) > 0 {
        return None;
    }
    let (said, straight) = by_size(seen).or_else(|| by_band(seen)).or_else(|| by_position(seen))?;
    let once = (said.code == "by_one").then(|| Said::new("once_only"));
    let compared = |code: &'static str| Said::new(code).with("upstream", upstream);
    let claim = match straight {
        Some(true) => Claim::of(&CAUSE, Place::UpstreamLeg, said)
            .corroborated(compared("straight_all"))
            .next(once.is_some().then(|| Said::new("real_messages"))),
        Some(false) => Claim::of(&CAUSE, Place::Upstream, said)
            .corroborated(compared("straight_too"))
            .unless(Said::new("on_purpose"))
            .next(Said::new("real_messages")),
        None => Claim::of(&CAUSE, Place::Unknown, said)
            .unless(Said::new("is_late"))
            .next(Said::new("pass_upstream")),
    };
    let claim = if once.is_some() && straight.is_none() { claim.suspected() } else { claim };
    Some(claim.unless(once).fix(Said::new("find")).finding())
}

/// A size from which nothing comes back, and whether it does straight at the service.
fn by_size(seen: &Examination) -> Option<(Said, Option<bool>)> {
    let limit = bracket(seen, Via::Url).filter(|limit| limit.fate == Fate::Unanswered)?;
    let straight = whole(seen, Via::Direct).into_iter().find(|(bytes, _)| *bytes >= limit.failed);
    let straight = straight.map(|(_, fate)| fate == Fate::Echoed);
    Some((Said::new("by_size").bytes("passed", limit.passed).bytes("failed", limit.failed), straight))
}

/// Sizes at which nothing comes back though larger ones do, and whether they do straight at the service.
fn by_band(seen: &Examination) -> Option<(Said, Option<bool>)> {
    let all = whole(seen, Via::Url);
    let is = |wanted: Fate| all.iter().filter(move |(_, fate)| *fate == wanted).map(|(bytes, _)| *bytes);
    let largest = is(Fate::Echoed).max()?;
    let lost: Vec<u64> = is(Fate::Unanswered).filter(|bytes| *bytes < largest).collect();
    let failed = *lost.iter().min()?;
    let straight = whole(seen, Via::Direct).into_iter().find(|(bytes, _)| *bytes == failed);
    let code = if lost.len() > 1 { "by_band" } else { "by_one" };
    let said = Said::new(code).with("count", lost.len()).bytes("failed", failed);
    Some((said, straight.map(|(_, fate)| fate == Fate::Echoed)))
}

/// Small messages that did not come back among others that did.
fn by_position(seen: &Examination) -> Option<(Said, Option<bool>)> {
    let (lost, all) = lost(seen, Via::Url).filter(|(lost, all)| *lost > 0 && lost < all)?;
    let straight = self::lost(seen, Via::Direct).map(|(lost, _)| lost == 0);
    Some((Said::new("by_position").with("lost", lost).with("all", all), straight))
}

fn lost(seen: &Examination, via: Via) -> Option<(usize, usize)> {
    let rows = seen.of(Check::Latency, via).filter(|attempt| attempt.peer_end().is_none());
    let echoes: Vec<_> = rows
        .filter_map(|attempt| attempt.stream.as_ref())
        .filter(|it| it.altered == 0)
        .flat_map(|it| &it.echoes)
        .collect();
    (!echoes.is_empty()).then(|| (echoes.iter().filter(|echo| echo.is_none()).count(), echoes.len()))
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Stream;
    use crate::scene::{self, DIRECT, Scene, URL, echoed, found, greeted_by, none};

    #[test]
    fn lost_by_size() {
        let sizes = |via| [scene::sent(via, 1024, Ok(0.01)), scene::sent(via, 65_536, Err(None))];
        let scene = || Scene::opened().direct("10.0.3.7:80").attempts(sizes(URL));
        found(probe, scene(), Level::Medium);
        let hop = scene().attempt(scene::sent(DIRECT, 65_536, Ok(0.01)));
        assert_eq!(found(probe, hop, Level::High).place, Place::UpstreamLeg);
        assert_eq!(found(probe, scene().attempts(sizes(DIRECT)), Level::Medium).place, Place::Upstream);
    }

    #[test]
    fn lost_in_a_band_of_sizes() {
        let fates = [(999, true), (1000, false), (4096, false), (16_384, true)];
        let size = |via, (bytes, comes): (u64, bool)| {
            scene::sent(via, bytes, if comes { Ok(0.01) } else { Err(None) })
        };
        let scene = || Scene::opened().direct("10.0.3.7:80").attempts(fates.map(|fate| size(URL, fate)));
        found(probe, scene(), Level::Medium);
        let hop = scene().attempt(size(DIRECT, (1000, true)));
        assert_eq!(found(probe, hop, Level::High).place, Place::UpstreamLeg);
        let once = || fates.map(|(bytes, comes)| size(URL, (bytes, comes || bytes == 1000)));
        found(probe, Scene::opened().attempts(once()), Level::Low);
        let hop = Scene::opened().direct("10.0.3.7:80").attempts(once()).attempt(size(DIRECT, (4096, true)));
        found(probe, hop, Level::Medium);
    }

    #[test]
    fn lost_by_position() {
        let gaps = echoed(URL, &[0.01; 10], &[]).stream_with(|stream| stream.echoes[3] = None);
        found(probe, Scene::opened().attempt(gaps), Level::Medium);
    }

    #[test]
    fn what_is_lost_on_mute_streams_is_not_lost_by_size() {
        let mute = greeted_by(URL, Stream { sent: vec![0.1], echoes: vec![None], ..Stream::default() });
        let sizes = [scene::sent(URL, 1024, Ok(0.01)), scene::sent(URL, 65_536, Err(None))];
        none(probe, Scene::opened().attempts(sizes).attempts([echoed(URL, &[0.01; 10], &[]), mute]));
    }

    #[test]
    fn services_without_echo_are_healthy() {
        none(probe, Scene::opened().attempts([1024, 65_536].map(|bytes| scene::sent(URL, bytes, Err(None)))));
        none(probe, Scene::opened().attempt(echoed(URL, &[0.01; 10], &[])));
    }
}
