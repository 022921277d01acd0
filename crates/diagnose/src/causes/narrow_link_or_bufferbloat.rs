//! The way is narrower than the stream.

use model::finding::{Affected, Finding, Place, Said, Severity};
use model::Leg;

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::{Population, Slow, SlowLeg};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "narrow-link-or-bufferbloat",
    number: 306,
    severity: Severity::Warning,
    manual: Manual {
        title: text("the way is narrower than the stream", "链路带宽小于数据流"),
        symptoms: text("The lag grows while much is sent and goes away when it is quiet.", "发送量大时滞后增大，安静时恢复。"),
        evidence: text("The round trip is many times the least one and bytes wait to be sent, with few retransmissions and an open window.", "往返时间是最小值的许多倍且有数据等待发送，重传很少，窗口打开。"),
        look_alikes: text("A reader that does not read closes its window; loss has retransmissions.", "不读取数据的对端会关闭窗口；丢包会有重传。"),
        fix: text("Send less: merge, compress, pace. Then the round trip must come back to the least one.", "减少发送：合并、压缩、限速。之后往返时间应回到最小值附近。"),
        sources: &["tcp(7), TCP_INFO"],
    },
    phrases: &[
        phrase(
            "queued",
            "On {count} of {all} connections the round trip is {rtt}, and the least one {least}",
            "{all} 个连接中有 {count} 个的往返时间为 {rtt}，而最小值为 {least}",
        ),
        phrase("waits", "{bytes} wait to be sent, with {share} of the segments sent again", "有 {bytes} 等待发送，重传比例为 {share}"),
        phrase("send_less", "Send less to these clients: merge, compress, pace", "减少向这些客户端的发送：合并、压缩、限速"),
    ],
    signs: Signs::population(population),
};

/// Connections that it is told for.
const COUNT_MIN: usize = 2;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [Leg::Client, Leg::Upstream].into_iter().filter_map(|leg| on(seen, leg)).collect()
}

fn on(seen: &Population<'_>, leg: Leg) -> Option<Finding> {
    let (slow, all) = seen.slow_legs(leg);
    let slow: Vec<SlowLeg> = slow.into_iter().filter(|slow| slow.why == Slow::Queue).collect();
    if slow.len() < COUNT_MIN {
        return None;
    }
    let of = |value: fn(&SlowLeg) -> f64| median(slow.iter().map(value).collect());
    let place = if leg == Leg::Client { Place::ClientLeg } else { Place::UpstreamLeg };
    let queued = Said::new("queued")
        .with("count", slow.len())
        .with("all", all)
        .seconds("rtt", of(|slow| slow.rtt))
        .seconds("least", of(|slow| slow.min_rtt));
    let waiting = slow.iter().map(|slow| slow.waiting).max().unwrap_or_default();
    let waits = Said::new("waits").bytes("bytes", waiting).share("share", of(|slow| slow.loss));
    Some(
        Claim::of(&CAUSE, place, queued)
            .corroborated(waits)
            .fix(Said::new("send_less"))
            .concerns(seen.route.clone(), seen.now, Affected { connections: slow.len() as u64, share_of_closes: None })
            .finding(),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
