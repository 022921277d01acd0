//! Segments are lost on one leg.

use model::finding::{Affected, Finding, Place, Said, Severity};
use model::Leg;

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::{Population, Slow, SlowLeg};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "packet-loss-retransmission",
    number: 301,
    severity: Severity::Warning,
    manual: Manual {
        title: text("segments are lost on one leg", "一侧链路丢包"),
        symptoms: text("Messages lag in bursts: the median is fine and the 99th percentile jumps by 200 ms and more.", "消息成批滞后：中位数正常，而 99 分位跳增 200 毫秒以上。"),
        evidence: text("The kernel has sent more than 1 % of the segments again, on one leg alone, while the peer's window was open.", "内核在某一侧重传了超过 1 % 的报文段，而对端窗口是打开的。"),
        look_alikes: text("A reader that does not read makes probes of its closed window, which count as retransmissions: here the window was open. A full queue delays without loss.", "不读取数据的对端会引发零窗口探测，它们也计入重传：而这里窗口是打开的。队列拥塞只增加时延而不丢包。"),
        fix: text("The owner of that network; smaller messages; a point of presence nearer to the clients. Then the share of segments sent again must fall below 1 %.", "联系该网络的负责人；减小消息；在离客户端更近的地方接入。之后重传比例应降到 1 % 以下。"),
        sources: &["tcp(7), TCP_INFO", "RFC 6298"],
    },
    phrases: &[
        phrase("title", "segments are lost on the {leg} leg", "{leg} 侧链路丢包"),
        phrase(
            "lost",
            "{count} of {all} connections have sent {share} of their segments again",
            "{all} 个连接中有 {count} 个重传了 {share} 的报文段",
        ),
        phrase("window_open", "The peer's window held sending back for {share} of the time alone", "对端窗口只在 {share} 的时间里限制了发送"),
        phrase("owner", "Look for loss on the {leg} leg: counters of interfaces and switches, Wi-Fi, the carrier", "在 {leg} 侧查找丢包：接口与交换机计数器、Wi-Fi、运营商"),
        phrase("reordering", "packets that come in another order", "报文乱序"),
    ],
    signs: Signs::population(population),
};

/// Connections that it is told for.
const COUNT_MIN: usize = 3;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [Leg::Client, Leg::Upstream].into_iter().filter_map(|leg| on(seen, leg)).collect()
}

fn on(seen: &Population<'_>, leg: Leg) -> Option<Finding> {
    let (slow, all) = seen.slow_legs(leg);
    let slow: Vec<SlowLeg> = slow.into_iter().filter(|slow| slow.why == Slow::Loss).collect();
    if slow.len() < COUNT_MIN {
        return None;
    }
    let of = |value: fn(&SlowLeg) -> f64| median(slow.iter().map(value).collect());
    let place = if leg == Leg::Client { Place::ClientLeg } else { Place::UpstreamLeg };
    let lost = Said::new("lost").with("count", slow.len()).with("all", all).share("share", of(|slow| slow.loss));
    let open = Said::new("window_open").share("share", of(|slow| slow.window_share));
    Some(
        Claim::of(&CAUSE, place, lost)
            .titled(Said::new("title").with("leg", leg.to_string()))
            .corroborated(open)
            .fix(Said::new("owner").with("leg", leg.to_string()))
            .concerns(seen.route.clone(), seen.now, Affected { connections: slow.len() as u64, share_of_closes: None })
            .finding(),
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
