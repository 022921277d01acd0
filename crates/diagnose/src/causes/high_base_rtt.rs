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
    Some(
        Claim::of(&CAUSE, place, far)
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
