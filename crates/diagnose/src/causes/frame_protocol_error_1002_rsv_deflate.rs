//! Frames break the protocol, mostly by compression that was not agreed on.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::event::FrameViolation;

use crate::attempt::Attempt;
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::{Vary, Via};
use crate::holds::Manner;
use crate::population::{Population, codes};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "frame-protocol-error-1002-rsv-deflate",
    number: 215,
    severity: Severity::Critical,
    manual: Manual {
        title: text(
            "frames break the protocol: compression that was not agreed on, or frames that may not be",
            "帧违反协议：未协商的压缩，或不允许的帧",
        ),
        symptoms: text(
            "“Invalid frame header”, “RSV1 must be clear”; only some browsers, only larger messages.",
            "“Invalid frame header”“RSV1 must be clear”；只出现在某些浏览器或较大的消息上。",
        ),
        evidence: text(
            "A frame has RSV1 set though the handshake agreed on no permessage-deflate, or another breach of \
             RFC 6455 comes in the same way on each stream. Or: with permessage-deflate offered the stream \
             fails, without it it does not.",
            "握手没有协商 permessage-deflate，帧却设置了 RSV1；或每条连接都以同样的方式违反 RFC 6455；或者：提供 permessage-deflate 时失败，不提供则正常。",
        ),
        look_alikes: text(
            "`concurrent-write-corruption`: breaches of several kinds, at random places.",
            "`concurrent-write-corruption`：多种违规，位置随机。",
        ),
        fix: text(
            "Switch permessage-deflate off in the service (ws `perMessageDeflate: false`, websockets \
             `compression=None`), or at the hop that removes `Sec-WebSocket-Extensions` in one direction only \
             let both pass. Then large messages must come without a breach.",
            "在服务中关闭 permessage-deflate（ws `perMessageDeflate: false`、websockets `compression=None`），或让只在一个方向移除 `Sec-WebSocket-Extensions` 的一跳放行双向。之后大消息应不再违规。",
        ),
        sources: &["RFC 6455, section 5.2", "RFC 7692, section 6"],
    },
    phrases: &[
        phrase(
            "rsv",
            "{count} frames had RSV1 set, and no extension was agreed on",
            "{count} 个帧设置了 RSV1，而没有协商任何扩展",
        ),
        phrase(
            "breach",
            "Each of {count} streams broke the protocol in the same way",
            "{count} 条连接都以同样的方式违反协议",
        ),
        phrase(
            "kind",
            "What was wrong: {kind}, first at byte {offset}",
            "违规内容：{kind}，首次出现在第 {offset} 字节",
        ),
        phrase(
            "with_deflate",
            "With permessage-deflate offered the stream fails",
            "提供 permessage-deflate 时连接失败",
        ),
        phrase(
            "inflate",
            "permessage-deflate was agreed on, and {count} compressed messages cannot be inflated",
            "已协商 permessage-deflate，但有 {count} 条压缩消息无法解压",
        ),
        phrase("without", "Without the offer the same stream works", "不提供时同样的连接正常"),
        phrase(
            "straight_clean",
            "Straight at {upstream} the frames are in order: something on the way changes them",
            "直连 {upstream} 时帧正常：途中有东西改动了它们",
        ),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase("by_chance", "that one attempt failed for another reason", "那一次尝试因其他原因失败"),
        phrase("try_deflate", "Repeat with `--checks deflate`", "用 `--checks deflate` 重复"),
        phrase(
            "disable",
            "In the service: switch permessage-deflate off (ws `perMessageDeflate: false`, websockets \
             `compression=None`), or let both `Sec-WebSocket-Extensions` fields pass; then the probe must see \
             no breach",
            "在服务中：关闭 permessage-deflate（ws `perMessageDeflate: false`、websockets `compression=None`），或放行双向的 `Sec-WebSocket-Extensions`；之后探测不应再看到违规",
        ),
    ],
    signs: Signs::both(probe, population),
};

const OFFERED: Vary = Vary::Compression(true);

fn probe(seen: &Examination) -> Option<Finding> {
    let claim = breach(seen).or_else(|| inflation(seen)).or_else(|| compression(seen))?;
    Some(claim.fix(Said::new("disable")).finding())
}

fn breach(seen: &Examination) -> Option<Claim> {
    let broken = seen.breaches(Via::Url);
    let &(kind, offset) = broken.first().filter(|_| seen.scrambled(Via::Url) == 0)?;
    let rsv = broken.iter().filter(|(kind, _)| *kind == FrameViolation::ReservedBit).count();
    let is_alike = broken.iter().all(|(other, _)| *other == kind);
    let talked = seen.heard(Via::Url);
    let decisive = match (rsv, is_alike) {
        (1.., true) => Said::new("rsv").with("count", rsv),
        (_, true) if broken.len() >= talked.max(1) => Said::new("breach").with("count", broken.len()),
        _ => return None,
    };
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let is_straight = !seen.breaches(Via::Direct).is_empty();
    let (place, compared) = match (seen.direct().is_some_and(Attempt::is_open), is_straight) {
        (_, true) => (Place::Upstream, Some("straight_too")),
        (true, false) => (Place::UpstreamLeg, Some("straight_clean")),
        (false, false) => (Place::Unknown, None),
    };
    let kind = Said::new("kind").with("kind", format!("{kind:?}")).with("offset", offset);
    let claim = Claim::of(&CAUSE, place, decisive).proven().noted(kind);
    Some(claim.corroborated(compared.map(|code| Said::new(code).with("upstream", upstream))))
}

/// Compression was agreed on, and what came compressed cannot be inflated: clients must fail the connection (RFC 7692,
/// section 7.2.2).
fn inflation(seen: &Examination) -> Option<Claim> {
    let garbled = |attempt: Option<&Attempt>| attempt.and_then(Attempt::intact).map(|it| it.unreadable);
    let count = garbled(seen.with(&OFFERED)).filter(|count| *count > 0)?;
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let (place, compared) = match garbled(seen.direct_with(&OFFERED)) {
        Some(1..) => (Place::Upstream, Some("straight_too")),
        Some(0) => (Place::UpstreamLeg, Some("straight_clean")),
        None => (Place::Unknown, None),
    };
    let claim = Claim::of(&CAUSE, place, Said::new("inflate").with("count", count)).proven();
    Some(claim.corroborated(compared.map(|code| Said::new(code).with("upstream", upstream))))
}

fn compression(seen: &Examination) -> Option<Claim> {
    let works = |attempt: &Attempt| attempt.is_open() && attempt.peer_end().is_none();
    let offered = seen.with(&OFFERED).filter(|attempt| attempt.is_open())?;
    let end = offered.peer_end().filter(|_| seen.plain().is_some_and(works))?;
    let manner = Manner::of(offered, end);
    matches!(manner, Manner::Wordless | Manner::Close(1002 | 1007)).then(|| {
        Claim::of(&CAUSE, Place::Unknown, Said::new("with_deflate"))
            .corroborated(Said::new("without"))
            .unless(Said::new("by_chance"))
            .next(Said::new("try_deflate"))
    })
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    codes::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Sign, Stream};
    use crate::experiment::{Check, Conduct, Experiment};
    use crate::scene::{DIRECT, Scene, URL, end, found, greeted_by, none};

    fn broken(via: Via, violations: Vec<(FrameViolation, u64)>) -> Attempt {
        greeted_by(via, Stream { violations, bytes_seen: 400, ..Stream::default() })
    }

    #[test]
    fn compression_that_was_not_agreed_on_is_a_fact() {
        let rsv = || {
            Scene::websocket()
                .direct("10.0.3.7:80")
                .attempt(broken(URL, vec![(FrameViolation::ReservedBit, 14)]))
        };
        assert_eq!(found(probe, rsv(), Level::High).place, Place::Unknown);
        assert_eq!(
            found(probe, rsv().attempt(broken(DIRECT, Vec::new())), Level::High).place,
            Place::UpstreamLeg
        );
        let masked = Scene::websocket().attempt(broken(URL, vec![(FrameViolation::Masked, 0)]));
        found(probe, masked, Level::High);
    }

    #[test]
    fn an_offer_that_breaks_the_stream() {
        let seen = Stream { end: Some(end(0.4, Sign::Fin)), ..Stream::default() };
        let mut offered = greeted_by(URL, seen);
        let vary = Some(Vary::Compression(true));
        offered.experiment =
            Experiment { check: Check::Compression, via: URL, vary, conduct: Conduct::Greet };
        found(probe, Scene::opened().attempt(offered), Level::Medium);
    }

    #[test]
    fn what_cannot_be_inflated_is_a_fact() {
        let packed = |via, unreadable| {
            let mut packed = greeted_by(via, Stream { unreadable, ..Stream::default() });
            packed.experiment.vary = Some(OFFERED);
            packed
        };
        let scene = || Scene::opened().direct("10.0.3.7:80").attempt(packed(URL, 1));
        assert_eq!(found(probe, scene(), Level::High).place, Place::Unknown);
        assert_eq!(found(probe, scene().attempt(packed(DIRECT, 1)), Level::High).place, Place::Upstream);
        none(probe, Scene::opened().attempt(packed(URL, 0)));
    }

    #[test]
    fn breaches_of_many_kinds_and_none_at_all_are_others() {
        let many = [
            broken(URL, vec![(FrameViolation::ReservedOpcode, 40)]),
            broken(URL, vec![(FrameViolation::LengthOverflow, 9)]),
        ];
        none(probe, Scene::websocket().attempts(many));
        none(probe, Scene::websocket().attempt(broken(URL, Vec::new())));
        let once = [broken(URL, vec![(FrameViolation::Masked, 9)]), broken(URL, Vec::new())];
        none(probe, Scene::websocket().attempts(once));
    }
}
