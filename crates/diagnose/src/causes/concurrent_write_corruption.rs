//! Two writers of the service write into one connection at once.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::event::FrameViolation;

use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "concurrent-write-corruption",
    number: 404,
    severity: Severity::Critical,
    manual: Manual {
        title: text("frames are written into each other", "帧被交错写入"),
        symptoms: text(
            "“Invalid frame header”, impossible opcodes or lengths, at random and under load.",
            "负载下随机出现“Invalid frame header”、不可能的操作码或长度。",
        ),
        evidence: text(
            "The bytes are valid up to a place, then a header stands inside another frame's payload. Place and \
             kind of the breach differ from stream to stream; some streams are clean; straight at the service \
             it is the same.",
            "字节在某处之前有效，之后一个帧头出现在另一帧的载荷内；违规的位置与种类因连接而异；有些连接正常；直连服务也一样。",
        ),
        look_alikes: text(
            "`frame-protocol-error-1002-rsv-deflate`: the same breach each time. A hop that damages bytes: \
             straight at the service it is clean.",
            "`frame-protocol-error-1002-rsv-deflate`：每次都是同样的违规；途中损坏字节：直连服务时正常。",
        ),
        fix: text(
            "Let one task own the writing side of a connection, or take a lock around each whole frame \
             (gorilla/websocket allows one concurrent writer). Then the probe must see no breach, also with \
             many streams at once.",
            "让一个任务独占连接的写端，或对每个完整帧加锁（gorilla/websocket 只允许一个并发写者）。之后即使同时有多条连接，探测也不应看到违规。",
        ),
        sources: &[
            "RFC 6455, section 5.2",
            "https://pkg.go.dev/github.com/gorilla/websocket#hdr-Concurrency",
        ],
    },
    phrases: &[
        phrase(
            "breaches",
            "{count} of {all} streams broke the protocol, each in another way or at another place",
            "{all} 条连接中有 {count} 条违反协议，方式或位置各不相同",
        ),
        phrase("kind", "One of them: {kind} at byte {offset}", "其中之一：{kind}，第 {offset} 字节"),
        phrase("straight_too", "Straight at {upstream} it happens as well", "直连 {upstream} 也会发生"),
        phrase("damaged", "something on the way damages the bytes", "途中有东西损坏了字节"),
        phrase(
            "one_writer",
            "In the service: let one task write to a connection, or lock around each whole frame; then the \
             probe must see no breach",
            "在服务中：由一个任务写连接，或对每个完整帧加锁；之后探测不应看到违规",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let broken = seen.breaches(Via::Url);
    let &(kind, offset) = broken.first()?;
    let differ = broken.iter().any(|other| *other != (kind, offset)) || seen.scrambled(Via::Url) > 0;
    let is_rsv_alone =
        broken.iter().all(|(kind, _)| *kind == FrameViolation::ReservedBit) && seen.scrambled(Via::Url) == 0;
    let all = seen.heard(Via::Url);
    if !differ || is_rsv_alone {
        return None;
    }
    let straight = !seen.breaches(Via::Direct).is_empty();
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let decisive = Said::new("breaches").with("count", broken.len()).with("all", all.max(broken.len()));
    let claim = Claim::of(&CAUSE, if straight { Place::Upstream } else { Place::Unknown }, decisive)
        .noted(Said::new("kind").with("kind", format!("{kind:?}")).with("offset", offset))
        .corroborated(straight.then(|| Said::new("straight_too").with("upstream", upstream)));
    let claim =
        if straight { claim } else { claim.unless(Said::new("damaged")).next(Said::new("pass_upstream")) };
    Some(claim.fix(Said::new("one_writer")).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Attempt, Stream};
    use crate::scene::{DIRECT, Scene, URL, found, greeted_by, none};

    fn broken(via: Via, kind: FrameViolation, offset: u64) -> Attempt {
        greeted_by(via, Stream { violations: vec![(kind, offset)], bytes_seen: 900, ..Stream::default() })
    }

    fn random() -> Scene {
        let breaches = [
            broken(URL, FrameViolation::ReservedOpcode, 412),
            broken(URL, FrameViolation::LengthOverflow, 97),
        ];
        Scene::opened().direct("10.0.3.7:80").attempts(breaches)
    }

    #[test]
    fn breaches_at_random() {
        found(probe, random(), Level::Medium);
        found(probe, random().attempt(broken(DIRECT, FrameViolation::ReservedOpcode, 31)), Level::High);
    }

    #[test]
    fn a_stream_whose_frames_lose_their_borders() {
        let mut scrambled = broken(URL, FrameViolation::ReservedBit, 104);
        scrambled =
            scrambled.stream_with(|stream| stream.violations.push((FrameViolation::LengthOverflow, 203)));
        found(probe, Scene::opened().attempt(scrambled), Level::Medium);
    }

    #[test]
    fn the_same_breach_each_time_is_another() {
        none(probe, Scene::opened().attempts([0, 1].map(|_| broken(URL, FrameViolation::Masked, 0))));
        none(
            probe,
            Scene::opened().attempts([14, 90].map(|at| broken(URL, FrameViolation::ReservedBit, at))),
        );
        none(probe, Scene::opened());
    }
}
