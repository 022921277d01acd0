//! The way itself is long.

use model::Leg;
use model::finding::{Affected, Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::{Population, Slow, SlowLeg};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "high-base-rtt",
    number: 302,
    severity: Severity::Info,
    manual: Manual {
        title: text("the way itself is long", "链路本身距离远"),
        symptoms: text(
            "The service is always slow for one region, whatever the load.",
            "某个地区始终很慢，与负载无关。",
        ),
        evidence: text(
            "The least round trip of the leg is 150 ms or more, and the present one is near it.",
            "该侧的最小往返时间不低于 150 毫秒，当前往返时间与之接近。",
        ),
        look_alikes: text(
            "A full queue has a short least round trip; loss has retransmissions.",
            "队列拥塞时最小往返时间很短；丢包会有重传。",
        ),
        fix: text(
            "Serve from a place nearer to these clients, and make fewer round trips before the first message.",
            "在离这些客户端更近的地方提供服务，并减少首条消息之前的往返次数。",
        ),
        sources: &["tcp(7), TCP_INFO"],
    },
    phrases: &[
        phrase(
            "far",
            "{count} of {all} connections have a least round trip of {seconds}, and now {now}",
            "{all} 个连接中有 {count} 个的最小往返时间为 {seconds}，当前为 {now}",
        ),
        phrase("near", "An entry point nearer to these clients", "在离这些客户端更近的地方设置接入点"),
        phrase(
            "queue",
            "`narrow-link-or-bufferbloat`: on {count} other connections of this side a queue makes the round trip long",
            "`narrow-link-or-bufferbloat`：该侧另有 {count} 个连接的往返时间因队列而变长",
        ),
        phrase("tunnel", "a tunnel or relay on the way", "途中的隧道或中继"),
    ],
    signs: Signs::population(population),
};

/// Connections that it is told for.
const COUNT_MIN: usize = 8;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [Leg::Client, Leg::Upstream].into_iter().filter_map(|leg| on(seen, leg)).collect()
}

fn on(seen: &Population<'_>, leg: Leg) -> Option<Finding> {
    let (slow, all) = seen.slow_legs(leg);
    // Who comes while a queue is full has never seen the way without it.
    let queued = slow.iter().filter(|slow| slow.why == Slow::Queue).count();
    let slow: Vec<SlowLeg> = slow.into_iter().filter(|slow| slow.why == Slow::Distance).collect();
    if slow.len() < COUNT_MIN {
        return None;
    }
    let of = |value: fn(&SlowLeg) -> f64| median(slow.iter().map(value).collect());
    let place = if leg == Leg::Client { Place::ClientLeg } else { Place::UpstreamLeg };
    let far = Said::new("far")
        .with("count", slow.len())
        .with("all", all)
        .seconds("seconds", of(|slow| slow.min_rtt))
        .seconds("now", of(|slow| slow.rtt));
    let claim = Claim::of(&CAUSE, place, far);
    let claim = if queued > 0 { claim.suspected() } else { claim };
    Some(
        claim
            .unless((queued > 0).then(|| Said::new("queue").with("count", queued)))
            .unless(Said::new("tunnel"))
            .fix(Said::new("near"))
            .concerns(
                seen.route.clone(),
                seen.now,
                Affected { connections: slow.len() as u64, share_of_closes: None },
            )
            .finding(),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::tcp::TcpSample;

    use super::*;
    use crate::population::tests::{Made, end, told_of};

    fn far(number: u64) -> Made {
        let way = TcpSample { rtt_seconds: Some(0.3), min_rtt_seconds: Some(0.28), ..TcpSample::default() };
        end(number).tcp(Leg::Client, way)
    }

    #[test]
    fn who_comes_while_a_queue_is_full_is_not_far_away() {
        let level = |records: Vec<Made>| told_of(CAUSE.id, records.into_iter()).map(|(level, _)| level);
        assert_eq!(level((0..10).map(far).collect()), Some(Level::Medium));
        let queue = TcpSample {
            rtt_seconds: Some(0.4),
            min_rtt_seconds: Some(0.01),
            notsent_bytes: 9000,
            ..TcpSample::default()
        };
        let beside = (0..10).map(far).chain((10..12).map(|number| end(number).tcp(Leg::Client, queue)));
        assert_eq!(level(beside.collect()), Some(Level::Low));
    }
}
