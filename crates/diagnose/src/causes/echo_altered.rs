//! Messages come back changed.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::sizes::{Fate, sent, whole};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "echo-altered",
    number: 957,
    severity: Severity::Critical,
    manual: Manual {
        title: text("messages arrive changed", "消息到达时被改动"),
        symptoms: text("Clients fail to parse what others sent.", "客户端无法解析他人发送的内容。"),
        evidence: text(
            "The beginning of a message comes back, and the rest is not what was sent; other messages come \
             back as they were.",
            "消息的开头能够返回，其余部分与发送的不同；其他消息原样返回。",
        ),
        look_alikes: text(
            "A service that shortens or wraps what it shows: each message is changed. \
             `fragmentation-not-supported`: only messages in several frames.",
            "会缩短或包装消息的服务：每条消息都被改动；`fragmentation-not-supported`：只影响多帧消息。",
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
        phrase("others_same", "{count} others came back as they were sent", "另有 {count} 条原样返回"),
        phrase("straight_same", "Straight at {upstream} none is changed", "直连 {upstream} 时没有改动"),
        phrase(
            "straight_too",
            "Straight at {upstream} they are changed as well",
            "直连 {upstream} 同样被改动",
        ),
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
    use crate::scene::{self, DIRECT, Scene, URL, found, none};

    fn altered(via: Via) -> crate::attempt::Attempt {
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
    fn a_service_that_changes_each_message_is_healthy() {
        none(probe, Scene::opened().attempt(altered(URL)));
        none(probe, Scene::opened().attempt(scene::sent(URL, 16_384, Ok(0.01))));
    }
}
