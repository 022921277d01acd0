//! A receiver does not put fragmented messages together.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::expected;
use crate::experiment::Via;
use crate::holds::Manner;
use crate::sizes::{Fate, sent, whole};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "fragmentation-not-supported",
    number: 405,
    severity: Severity::Warning,
    manual: Manual {
        title: text("fragmented messages are not put together", "分片的消息没有被重新组装"),
        symptoms: text(
            "Large messages arrive cut, or break one kind of device.",
            "大消息到达时被截断，或使某类设备断开。",
        ),
        evidence: text(
            "A message in several frames fails, and the same number of bytes in one frame comes back.",
            "分成多帧的消息失败，而同样字节数的单帧消息能够返回。",
        ),
        look_alikes: text(
            "`message-too-big-1009`, `message-size-limit`: the single frame fails too.",
            "`message-too-big-1009`、`message-size-limit`：单帧也会失败。",
        ),
        fix: text(
            "In the receiver: append frames with opcode 0 until FIN (RFC 6455, 5.4); or let senders and \
             proxies use one frame. Then the message in four frames must come back.",
            "在接收方：把操作码为 0 的帧追加到 FIN 为止（RFC 6455，5.4）；或让发送方与代理只用单帧。之后四帧的消息应能返回。",
        ),
        sources: &["RFC 6455, section 5.4"],
    },
    phrases: &[
        phrase(
            "pieces_fail",
            "A message of {bytes} in {frames} frames did not come back: {fate}",
            "{bytes}的消息分成 {frames} 帧后没有返回：{fate}",
        ),
        phrase("whole_passes", "The same in one frame comes back", "同样的单帧消息能够返回"),
        phrase(
            "straight_passes",
            "Straight at {upstream} it comes back in frames as well",
            "直连 {upstream} 时分帧也能返回",
        ),
        phrase("once_only", "a loss by chance", "偶然丢失"),
        phrase("try_again", "Repeat with `--checks fragments`", "用 `--checks fragments` 重复"),
        phrase(
            "assemble",
            "In the service (or at the hop that speaks WebSocket): append continuation frames until FIN; then \
             the message in {frames} frames must come back",
            "在服务（或会说 WebSocket 的一跳）中：把后续帧追加到 FIN 为止；之后 {frames} 帧的消息应能返回",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let pieces = |via| {
        let all = seen.of_open(via).filter_map(|attempt| {
            let ((bytes, frames), fate) = (sent(attempt)?, Fate::of(attempt)?);
            (frames > 1).then_some((bytes, frames, fate))
        });
        all.collect::<Vec<_>>()
    };
    let is_failed = |fate: Fate| fate != Fate::Echoed && fate != Fate::Ended(Manner::Close(1009));
    let fails = |via| pieces(via).into_iter().find(|(.., fate)| is_failed(*fate));
    // A service whose frames are broken anyway is not judged by its echoes.
    let is_broken =
        seen.plain().and_then(|plain| plain.stream.as_ref()).is_some_and(|it| !it.violations.is_empty());
    let (bytes, frames, fate) = fails(Via::Url).filter(|_| !is_broken)?;
    if !whole(seen, Via::Url).iter().any(|(size, fate)| *size >= bytes && *fate == Fate::Echoed) {
        return None;
    }
    // What is lost here may be lost anywhere.
    let lost = pieces(Via::Url).iter().filter(|(.., other)| *other == Fate::Unanswered).count();
    let is_lost = fate == Fate::Unanswered;
    let comes_too = pieces(Via::Url).iter().any(|(size, _, other)| *size <= bytes && *other == Fate::Echoed);
    if is_lost && (comes_too || expected::mute(seen, Via::Url) > 0) {
        return None;
    }
    let once = (is_lost && lost < 2).then(|| Said::new("once_only"));
    let word = match fate {
        Fate::Ended(Manner::Close(code)) => format!("Close {code}"),
        Fate::Ended(_) => "FIN / RST".to_owned(),
        Fate::Altered => "≠".to_owned(),
        Fate::Echoed | Fate::Unanswered => "-".to_owned(),
    };
    let passes_straight = seen.of_open(Via::Direct).any(|attempt| {
        sent(attempt).is_some_and(|(_, frames)| frames > 1) && Fate::of(attempt) == Some(Fate::Echoed)
    });
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let place = match (passes_straight, fails(Via::Direct)) {
        (true, _) => Place::UpstreamLeg,
        (false, Some(_)) => Place::Upstream,
        (false, None) => Place::Unknown,
    };
    let frames = u64::from(frames);
    let decisive = Said::new("pieces_fail").bytes("bytes", bytes).with("frames", frames).with("fate", word);
    let claim = Claim::of(&CAUSE, place, decisive)
        .corroborated(Said::new("whole_passes"))
        .corroborated(passes_straight.then(|| Said::new("straight_passes").with("upstream", upstream)))
        .next(once.is_some().then(|| Said::new("try_again")))
        .unless(once);
    Some(claim.fix(Said::new("assemble").with("frames", frames)).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Sign, Stream};
    use crate::scene::{self, DIRECT, Scene, URL, close, echoed, found, fragmented, greeted_by, none};

    fn whole_passes() -> Scene {
        Scene::opened().direct("10.0.3.7:80").attempt(scene::sent(URL, 4096, Ok(0.01)))
    }

    #[test]
    fn frames_fail_where_one_passes() {
        for fate in [Some(Sign::Fin), Some(close(1002, "")), Some(close(1003, ""))] {
            found(probe, whole_passes().attempt(fragmented(URL, 4096, 4, Err(fate))), Level::High);
        }
        let lost = |frames| fragmented(URL, 4096, frames, Err(None));
        found(probe, whole_passes().attempt(lost(4)), Level::Medium);
        let hop = whole_passes().attempts([lost(4), lost(3)]);
        found(probe, hop, Level::High);
        let hop = whole_passes().attempts([lost(4), lost(3), fragmented(DIRECT, 4096, 4, Ok(0.01))]);
        assert_eq!(found(probe, hop, Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn sizes_and_services_without_echo_are_others() {
        none(probe, Scene::opened().attempt(fragmented(URL, 4096, 4, Err(None))));
        none(probe, whole_passes().attempt(fragmented(URL, 65_536, 4, Err(Some(Sign::Fin)))));
        none(probe, whole_passes().attempt(fragmented(URL, 4096, 4, Ok(0.01))));
        let lost = || whole_passes().attempt(fragmented(URL, 4096, 4, Err(None)));
        none(probe, lost().attempt(fragmented(URL, 4096, 3, Ok(0.01))));
        let mute = greeted_by(URL, Stream { sent: vec![0.1], echoes: vec![None], ..Stream::default() });
        none(probe, lost().attempts([echoed(URL, &[0.01; 10], &[]), mute]));
    }
}
