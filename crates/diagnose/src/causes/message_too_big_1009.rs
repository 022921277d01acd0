//! A message is longer than its receiver takes, and the receiver says so.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Check, Via};
use crate::holds::Manner;
use crate::population::{Population, codes};
use crate::sizes::{Fate, bracket, passes_straight, sent, whole};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "message-too-big-1009",
    number: 214,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "messages above a limit of the service end the stream (1009)",
            "超过服务上限的消息会结束连接（1009）",
        ),
        symptoms: text(
            "The stream drops when a picture or a long text is sent.",
            "发送图片或长文本时连接断开。",
        ),
        evidence: text(
            "Close 1009 answers a message of S bytes; smaller ones pass. Who sends 1009 owns the limit. Known \
             ones: Tomcat 8192, Jetty 65536, API Gateway 32 KiB for a frame and 128 KiB for a message.",
            "S 字节的消息得到 Close 1009，更小的可以通过；谁发送 1009，上限就属于谁。已知上限：Tomcat 8192、Jetty 65536、API Gateway 单帧 32 KiB、单消息 128 KiB。",
        ),
        look_alikes: text(
            "`message-size-limit`: the stream ends without 1009. `fragmentation-not-supported`: it is the \
             frames, not the size.",
            "`message-size-limit`：没有 1009 就结束；`fragmentation-not-supported`：与分帧有关，与大小无关。",
        ),
        fix: text(
            "Raise the limit at the side that sends 1009: websockets `max_size`, ws `maxPayload`, Tomcat \
             `setDefaultMaxTextMessageBufferSize`, uvicorn `--ws-max-size`; or cut messages in the \
             application. Then the message of that size must come back.",
            "在发送 1009 的一侧调大上限：websockets `max_size`、ws `maxPayload`、Tomcat `setDefaultMaxTextMessageBufferSize`、uvicorn `--ws-max-size`；或由应用分片发送。之后该大小的消息应能返回。",
        ),
        sources: &[
            "RFC 6455, section 7.4.1",
            "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html",
            "https://tomcat.apache.org/tomcat-10.1-doc/web-socket-howto.html",
        ],
    },
    phrases: &[
        phrase(
            "title",
            "messages above {passed} end the stream with 1009",
            "超过 {passed}的消息以 1009 结束连接",
        ),
        phrase(
            "refused",
            "A message of {failed} was answered with Close 1009",
            "{failed}的消息得到 Close 1009",
        ),
        phrase("smaller_passes", "One of {passed} passes", "{passed}的消息可以通过"),
        phrase(
            "per_frame",
            "The same {failed} in {frames} frames pass: the limit is that of a frame",
            "同样的 {failed}分成 {frames} 帧可以通过：上限针对单帧",
        ),
        phrase(
            "straight_passes",
            "Straight at {upstream} it passes: the limit sits on the way",
            "直连 {upstream} 可以通过：上限在途中",
        ),
        phrase(
            "straight_too",
            "Straight at {upstream} it is refused as well: the limit is the service's",
            "直连 {upstream} 同样被拒绝：上限属于服务",
        ),
        phrase(
            "raise",
            "Where 1009 comes from: raise the longest message from {passed} to what clients send (websockets \
             `max_size`, ws `maxPayload`), or cut messages; then one of {failed} must pass",
            "在发出 1009 之处：把最大消息从 {passed}调到客户端所需（websockets `max_size`、ws `maxPayload`），或分片发送；之后 {failed}的消息应能通过",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// Limits from here on are common defaults (socket.io 1,000,000 bytes, websockets 1 MiB) and not worth a word.
const ORDINARY_BYTES: u64 = 1_000_000;

fn probe(seen: &Examination) -> Option<Finding> {
    let limit = bracket(seen, Via::Url).filter(|limit| limit.fate == Fate::Ended(Manner::Close(1009)))?;
    let is_needed = seen.target.message_max.is_some_and(|needed| needed >= limit.failed);
    if limit.failed > ORDINARY_BYTES && !is_needed {
        return None;
    }
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let straight = whole(seen, Via::Direct).into_iter().find(|(bytes, _)| *bytes >= limit.failed);
    let (place, compared) = match straight {
        Some((_, Fate::Ended(Manner::Close(1009)))) => (Place::Upstream, Some("straight_too")),
        Some((bytes, _)) if passes_straight(seen, bytes) => (Place::UpstreamLeg, Some("straight_passes")),
        _ => (Place::Unknown, None),
    };
    let frames =
        seen.of(Check::Size, Via::Url).chain(seen.of(Check::Fragments, Via::Url)).find_map(|attempt| {
            let (bytes, frames) = sent(attempt)?;
            (frames > 1 && bytes >= limit.failed && Fate::of(attempt) == Some(Fate::Echoed))
                .then_some((bytes, frames))
        });
    let per_frame = frames.map(|(bytes, frames)| {
        Said::new("per_frame").bytes("failed", bytes).with("frames", u64::from(frames))
    });
    let claim = Claim::of(&CAUSE, place, Said::new("refused").bytes("failed", limit.failed))
        .titled(Said::new("title").bytes("passed", limit.passed))
        .corroborated(Said::new("smaller_passes").bytes("passed", limit.passed))
        .corroborated(compared.map(|code| Said::new(code).with("upstream", upstream)))
        .noted(per_frame);
    // Whoever closes with 1009 has set a limit, most often on purpose.
    let claim = if is_needed { claim } else { claim.informing() };
    Some(claim.fix(Said::new("raise").bytes("passed", limit.passed).bytes("failed", limit.failed)).finding())
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    codes::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{self, DIRECT, Scene, URL, close, found, fragmented, none};

    fn limit(code: u16, passed: u64, failed: u64) -> Scene {
        let refused = scene::sent(URL, failed, Err(Some(close(code, ""))));
        Scene::opened().direct("10.0.3.7:80").attempts([scene::sent(URL, passed, Ok(0.01)), refused])
    }

    #[test]
    fn any_limit_that_is_spoken_of() {
        for (passed, failed) in [(999, 1001), (8192, 8193), (65_536, 131_072)] {
            assert_eq!(found(probe, limit(1009, passed, failed), Level::High).place, Place::Unknown);
        }
        let own = limit(1009, 100, 200).attempt(scene::sent(DIRECT, 200, Err(Some(close(1009, "")))));
        assert_eq!(found(probe, own, Level::High).place, Place::Upstream);
        let hop = limit(1009, 100, 200).attempt(scene::sent(DIRECT, 200, Ok(0.01)));
        assert_eq!(found(probe, hop, Level::High).place, Place::UpstreamLeg);
        let frame =
            found(probe, limit(1009, 100, 200).attempt(fragmented(URL, 200, 4, Ok(0.01))), Level::High);
        assert!(frame.evidence.iter().any(|said| said.code == "per_frame"));
    }

    #[test]
    fn a_limit_is_a_fault_to_who_needs_more() {
        let severity = |scene| found(probe, scene, Level::High).severity;
        assert_eq!(severity(limit(1009, 999, 1001)), Severity::Info);
        assert_eq!(severity(limit(1009, 999, 1001).needs(999)), Severity::Info);
        assert_eq!(severity(limit(1009, 999, 1001).needs(1001)), CAUSE.severity);
        assert_eq!(severity(limit(1009, 1 << 20, 2 << 20).needs(2 << 20)), CAUSE.severity);
    }

    #[test]
    fn ordinary_limits_and_other_ends_are_not_it() {
        none(probe, limit(1009, 1_000_000, 1_000_001));
        none(probe, limit(1008, 100, 200));
        none(probe, Scene::opened().attempt(scene::sent(URL, 100, Err(Some(close(1009, ""))))));
    }
}
