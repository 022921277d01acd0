//! Streams stand still for a time and go on.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Stream;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::roundtrips;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "stream-stalls",
    number: 958,
    severity: Severity::Warning,
    manual: Manual {
        title: text("streams stand still for a time and go on", "连接停顿一段时间后继续"),
        symptoms: text(
            "Freezes of a second or more, then everything at once.",
            "停顿一秒或更久，然后一下子全部到来。",
        ),
        evidence: text(
            "Most Pings come back at once, and some only after a second or more; messages wait in the same \
             way.",
            "大多数 Ping 立即返回，而有些要一秒以上；消息也同样等待。",
        ),
        look_alikes: text(
            "`event-loop-stall-or-gc-pause`: all streams of one process at once. `packet-loss-retransmission`: \
             there are retransmissions. `server-processing-slow`: Pings are fast.",
            "`event-loop-stall-or-gc-pause`：同一进程的所有连接同时停顿；`packet-loss-retransmission`：有重传；`server-processing-slow`：Ping 很快。",
        ),
        fix: text(
            "Look at the CPU, the pauses of garbage collection and blocking calls of the service at those \
             moments, and at losses on the way. Then the slowest Ping must come within a few times the \
             median.",
            "查看这些时刻服务的 CPU、垃圾回收停顿与阻塞调用，以及途中的丢包。之后最慢的 Ping 应在中位数的数倍以内。",
        ),
        sources: &["RFC 6455, section 5.5.3"],
    },
    phrases: &[
        phrase(
            "late",
            "{late} of {all} Pings took up to {most}, the others {middle}",
            "{all} 个 Ping 中有 {late} 个耗时达 {most}，其余为 {middle}",
        ),
        phrase("messages_too", "Messages waited as well: up to {most}", "消息也同样等待：最长 {most}"),
        phrase("straight_too", "Straight at {upstream} it is the same", "直连 {upstream} 也一样"),
        phrase("loss", "losses on the way", "途中丢包"),
        phrase(
            "stalled_service",
            "the service's process stands still (garbage collection, blocking calls)",
            "服务进程停顿（垃圾回收、阻塞调用）",
        ),
        phrase(
            "look",
            "Repeat straight at the service, and look at its CPU and at retransmissions on the way at those \
             moments",
            "直连服务重复，并查看这些时刻服务的 CPU 与途中的重传",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let (late, all, most, middle) = stalls(seen, Via::Url, |stream| &stream.pings)?;
    let messages = stalls(seen, Via::Url, |stream| &stream.echoes);
    let straight = stalls(seen, Via::Direct, |stream| &stream.pings);
    let upstream = seen.target.direct.as_deref().unwrap_or("-");
    let said =
        Said::new("late").with("late", late).with("all", all).seconds("most", most).seconds("middle", middle);
    let place = if straight.is_some() { Place::Upstream } else { Place::Unknown };
    let claim = Claim::of(&CAUSE, place, said)
        .corroborated(messages.map(|(_, _, most, _)| Said::new("messages_too").seconds("most", most)))
        .corroborated(straight.map(|_| Said::new("straight_too").with("upstream", upstream)))
        .unless(Said::new("loss"))
        .unless(Said::new("stalled_service"))
        .next(Said::new("look"));
    Some(claim.finding())
}

/// Round trips of held streams that were far later than most: how many, of how many, the latest, and the middle one.
fn stalls(
    seen: &Examination,
    via: Via,
    trips: fn(&Stream) -> &Vec<Option<f64>>,
) -> Option<(usize, usize, f64, f64)> {
    let streams = seen.of_open(via).filter_map(|attempt| attempt.stream.as_ref());
    let mut all: Vec<f64> = streams.flat_map(|stream| trips(stream).iter().flatten().copied()).collect();
    all.sort_by(f64::total_cmp);
    let (middle, most) = (roundtrips::middle(&all)?, *all.last()?);
    let late = all.iter().filter(|trip| **trip > LATE_SECONDS && **trip > 10.0 * middle).count();
    (all.len() >= 8 && late > 0).then_some((late, all.len(), most, middle))
}

/// Shorter waits are ordinary for programs with garbage collection on busy machines.
const LATE_SECONDS: f64 = 0.5;

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{Scene, URL, echoed, found, none};

    fn pings(late: f64) -> Vec<f64> {
        (0..20).map(|nth| if nth % 7 == 3 { late } else { 0.002 }).collect()
    }

    #[test]
    fn some_round_trips_stand_still() {
        let scene = Scene::opened().attempt(echoed(URL, &pings(1.4), &pings(1.2)));
        found(probe, scene, Level::Medium);
        none(probe, Scene::opened().attempt(echoed(URL, &pings(0.04), &pings(0.03))));
        none(probe, Scene::opened().attempt(echoed(URL, &[1.2; 20], &[1.1; 20])));
    }
}
