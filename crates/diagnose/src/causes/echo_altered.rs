//! Messages come back changed, or more than once.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Burst, Stream};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Conduct, Via};
use crate::sizes::{Fate, sent, whole};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "echo-altered",
    number: 957,
    severity: Severity::Critical,
    manual: Manual {
        title: text("messages arrive changed, or more than once", "消息到达时被改动或重复"),
        symptoms: text("Clients fail to parse what others sent.", "客户端无法解析他人发送的内容。"),
        evidence: text(
            "The beginning of a message comes back, and the rest is not what was sent; other messages come \
             back as they were. Or one comes back a second time, byte for byte.",
            "消息的开头能够返回，其余部分与发送的不同；其他消息原样返回。或者同一消息逐字节相同地再次返回。",
        ),
        look_alikes: text(
            "A service that shortens or wraps what it shows: each message is changed. \
             `fragmentation-not-supported`: only messages in several frames. A room in which a message is said to \
             everybody and answered beside: as the service means it.",
            "会缩短或包装消息的服务：每条消息都被改动；`fragmentation-not-supported`：只影响多帧消息；既向所有人广播又单独应答的聊天室：服务本意如此。",
        ),
        fix: text(
            "Compare with the service itself. Only on the way: switch off what rewrites content (inspection, \
             compression, conversion of character sets). In the service: look for buffers that are cut or \
             reused. Then each message must come back as it was sent.",
            "与服务本身对比。仅在途中：关闭改写内容的功能（检查、压缩、字符集转换）。在服务中：检查被截断或复用的缓冲区。之后每条消息都应原样返回。",
        ),
        sources: &["RFC 6455, section 5.4"],
    },
    phrases: &[
        phrase(
            "altered",
            "{count} messages came back changed, the smallest of {bytes}",
            "{count} 条消息返回时被改动，最小的为 {bytes}",
        ),
        phrase("title_twice", "messages arrive more than once", "消息重复到达"),
        phrase(
            "altered_small",
            "{count} of {all} small messages came back changed",
            "{all} 条小消息中有 {count} 条返回时被改动",
        ),
        phrase(
            "wide_alone",
            "All of those have characters beyond ASCII: somebody converts character sets",
            "它们都含有 ASCII 以外的字符：途中有转换字符集之处",
        ),
        phrase(
            "twice",
            "{count} times a message came back once more; {all} messages were sent",
            "共发送 {all} 条消息，其中有 {count} 次同一消息再次返回",
        ),
        phrase("others_same", "{count} others came back as they were sent", "另有 {count} 条原样返回"),
        phrase("straight_same", "Straight at {upstream} none is changed", "直连 {upstream} 时没有改动"),
        phrase(
            "straight_too",
            "Straight at {upstream} they are changed as well",
            "直连 {upstream} 同样被改动",
        ),
        phrase("straight_none", "Straight at {upstream} it is not so", "直连 {upstream} 时则不是如此"),
        phrase("straight_also", "Straight at {upstream} it is the same", "直连 {upstream} 时也一样"),
        phrase("on_purpose", "the service means to change them", "服务本意如此"),
        phrase(
            "whose_change",
            "Compare what comes back byte by byte, and read what the service does with such a message",
            "逐字节比较返回的内容，并查看服务如何处理此类消息",
        ),
        phrase(
            "find",
            "Find where it is changed: straight at the service, then hop by hop; then each message must come \
             back as it was",
            "找到改动之处：先直连服务，再逐跳比较；之后每条消息都应原样返回",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    by_size(seen).or_else(|| small(seen)).or_else(|| twice(seen))
}

/// Small messages that came back changed while others came as they were.
fn small(seen: &Examination) -> Option<Finding> {
    let (changed, same) = small_ones(seen, Via::Url);
    if changed == 0 || same == 0 {
        return None;
    }
    let straight = small_ones(seen, Via::Direct);
    let straight = (straight.0 + straight.1 >= 8).then_some(straight.0 > 0);
    let said = Said::new("altered_small").with("count", changed).with("all", changed + same);
    let wide: u64 = rows(seen, Via::Url).map(|stream| stream.altered_wide).sum();
    let is_wide_alone = usize::try_from(wide) == Ok(changed);
    let claim = compared(seen, said, straight).noted(is_wide_alone.then(|| Said::new("wide_alone")));
    Some(claim.fix(Said::new("find")).finding())
}

/// Small messages that came back changed, and as they were.
fn small_ones(seen: &Examination, via: Via) -> (usize, usize) {
    rows(seen, via).fold((0, 0), |(changed, same), stream| {
        let altered = usize::try_from(stream.altered).unwrap_or(usize::MAX);
        (changed + altered, same + stream.echoes.iter().flatten().count())
    })
}

/// Streams on which a row of small messages was sent, of which every second has characters beyond ASCII.
fn rows(seen: &Examination, via: Via) -> impl Iterator<Item = &Stream> {
    let echoed = seen.of_open(via).filter(|it| matches!(it.experiment.conduct, Conduct::Echo { .. }));
    echoed.filter_map(Attempt::intact)
}

/// Messages that came back more than once.
fn twice(seen: &Examination) -> Option<Finding> {
    let (again, all) = repeated(seen, Via::Url);
    if again == 0 {
        return None;
    }
    let (straight, sent) = repeated(seen, Via::Direct);
    let said = Said::new("twice").with("count", again).with("all", all);
    let claim = compared(seen, said, (sent > 0).then_some(straight > 0)).titled(Said::new("title_twice"));
    Some(claim.fix(Said::new("find")).finding())
}

/// How many times one came once more, and messages that were sent, where some come back.
fn repeated(seen: &Examination, via: Via) -> (usize, usize) {
    let streams = seen.of_open(via).filter_map(Attempt::intact);
    let echoing = streams.filter(|stream| stream.echoes.iter().any(Option::is_some));
    echoing.fold((0, 0), |(again, all), stream| {
        let burst = stream.burst.as_ref();
        let repeated = usize::try_from(stream.repeated).unwrap_or(usize::MAX);
        let more = burst.map_or(0, Burst::repeated);
        let sent = stream.sent.len() + burst.map_or(0, |burst| burst.sent as usize);
        (again + repeated + more, all + sent)
    })
}

/// A claim that is compared with what is so straight at the service, where that is known.
fn compared(seen: &Examination, said: Said, is_straight: Option<bool>) -> Claim {
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let compared = |code: &'static str| Said::new(code).with("upstream", upstream);
    match is_straight {
        Some(false) => Claim::of(&CAUSE, Place::UpstreamLeg, said).corroborated(compared("straight_none")),
        Some(true) => Claim::of(&CAUSE, Place::Upstream, said)
            .corroborated(compared("straight_also"))
            .unless(Said::new("on_purpose"))
            .next(Said::new("whose_change")),
        None => Claim::of(&CAUSE, Place::Unknown, said)
            .unless(Said::new("on_purpose"))
            .next(Said::new("pass_upstream")),
    }
}

fn by_size(seen: &Examination) -> Option<Finding> {
    let altered = |via| -> Vec<u64> {
        let frames_of_one = seen.of_open(via).filter_map(|attempt| Some((attempt, sent(attempt)?)));
        frames_of_one
            .filter(|(attempt, (_, frames))| *frames == 1 && Fate::of(attempt) == Some(Fate::Altered))
            .map(|(_, (bytes, _))| bytes)
            .collect()
    };
    let same = |via| whole(seen, via).iter().filter(|(_, fate)| *fate == Fate::Echoed).count();
    let changed = altered(Via::Url);
    let (&bytes, others) = (changed.iter().min()?, same(Via::Url));
    if others == 0 {
        return None;
    }
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let said = Said::new("altered").with("count", changed.len()).bytes("bytes", bytes);
    let is_straight = !altered(Via::Direct).is_empty();
    let is_clean_straight = !is_straight
        && whole(seen, Via::Direct).iter().any(|(size, fate)| *size >= bytes && *fate == Fate::Echoed);
    let (place, compared) = match (is_straight, is_clean_straight) {
        (true, _) => (Place::Upstream, Some("straight_too")),
        (false, true) => (Place::UpstreamLeg, Some("straight_same")),
        (false, false) => (Place::Unknown, None),
    };
    let claim = Claim::of(&CAUSE, place, said)
        .noted(Said::new("others_same").with("count", others))
        .corroborated(compared.map(|code| Said::new(code).with("upstream", upstream)));
    let claim = if is_clean_straight {
        claim
    } else {
        let next = if is_straight { "whose_change" } else { "pass_upstream" };
        claim.unless(Said::new("on_purpose")).next(Said::new(next))
    };
    Some(claim.fix(Said::new("find")).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{self, DIRECT, Scene, URL, echoed, found, none};

    fn altered(via: Via) -> Attempt {
        scene::sent(via, 16_384, Err(None)).stream_with(|stream| stream.altered = 1)
    }

    #[test]
    fn some_messages_are_changed() {
        let scene = || {
            Scene::opened().direct("10.0.3.7:80").attempts([scene::sent(URL, 1024, Ok(0.01)), altered(URL)])
        };
        found(probe, scene(), Level::Medium);
        found(probe, scene().attempt(scene::sent(DIRECT, 16_384, Ok(0.01))), Level::High);
        found(probe, scene().attempt(altered(DIRECT)), Level::Medium);
    }

    #[test]
    fn small_messages_are_changed_or_come_twice() {
        let changed = |via| {
            echoed(via, &[0.01; 10], &[]).stream_with(|stream| {
                (stream.altered, stream.echoes[4]) = (1, None);
            })
        };
        found(probe, Scene::opened().attempt(changed(URL)), Level::Medium);
        let wide = changed(URL).stream_with(|stream| stream.altered_wide = 1);
        let finding = found(probe, Scene::opened().attempt(wide), Level::Medium);
        assert!(finding.evidence.iter().any(|said| said.code == "wide_alone"));
        let scene = || Scene::opened().direct("10.0.3.7:80");
        let clean = || echoed(DIRECT, &[0.01; 10], &[]);
        found(probe, scene().attempts([changed(URL), clean()]), Level::High);
        let twice = |via| {
            let came = [0, 1, 1, 2].into();
            echoed(via, &[0.01; 10], &[]).stream_with(|stream| stream.burst = Some(Burst { sent: 3, came }))
        };
        let hop = clean().stream_with(|stream| stream.sent = vec![0.0; 10]);
        assert_eq!(found(probe, scene().attempts([twice(URL), hop]), Level::High).place, Place::UpstreamLeg);
        none(probe, Scene::opened().attempt(echoed(URL, &[0.01; 10], &[])));
        let again = echoed(URL, &[0.01; 10], &[]).stream_with(|stream| stream.repeated = 2);
        found(probe, Scene::opened().attempt(again.clone()), Level::Medium);
        let nothing_of_ours = again.stream_with(|stream| stream.echoes = vec![None; 10]);
        none(probe, Scene::opened().attempt(nothing_of_ours));
    }

    #[test]
    fn a_service_that_changes_each_message_is_healthy() {
        none(probe, Scene::opened().attempt(altered(URL)));
        let each = echoed(URL, &[0.01; 10], &[]).stream_with(|stream| {
            (stream.altered, stream.echoes) = (10, vec![None; 10]);
        });
        none(probe, Scene::opened().attempt(each));
        none(probe, Scene::opened().attempt(scene::sent(URL, 16_384, Ok(0.01))));
    }
}
