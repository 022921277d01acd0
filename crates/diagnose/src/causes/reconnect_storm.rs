//! Clients come back together, without jitter, after a mass close.

use model::WallTime;
use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::population::{Population, between};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "reconnect-storm",
    number: 507,
    severity: Severity::Critical,
    manual: Manual {
        title: text("clients reconnect in step, without jitter", "客户端同步重连，没有随机抖动"),
        symptoms: text(
            "After a blip of seconds the service stays down for many minutes: handshakes come in waves and each wave \
             overloads it again.",
            "短暂中断之后服务长时间无法恢复：握手一波一波到来，每一波都再次使服务过载。",
        ),
        evidence: text(
            "Most reconnects come after the same delay since their close, within what a timer spreads, and they follow a \
             close of many connections at one moment.",
            "大多数重连距其断开的时间相同（在定时器的误差之内），并且紧跟在大量连接同时断开之后。",
        ),
        look_alikes: text(
            "An organic peak has no close of many before it, and new clients rather than ones that were there.",
            "自然高峰之前没有大量断开，且到来的是新客户端而不是刚断开的客户端。",
        ),
        fix: text(
            "Reconnect with exponential backoff and full jitter; limit new connections in front of the service \
             (503 with Retry-After); close in small groups when deploying. Then restart the service once: the delays of \
             reconnects must spread.",
            "重连使用指数退避加完全随机抖动；在服务前限制新建连接（503 与 Retry-After）；部署时分批关闭。然后重启一次服务：重连的间隔应当分散。",
        ),
        sources: &["https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/"],
    },
    phrases: &[
        phrase(
            "in_step",
            "{count} of {all} reconnects came {seconds} after their close, within {width}",
            "{all} 次重连中有 {count} 次在断开后 {seconds}到来，偏差不超过 {width}",
        ),
        phrase(
            "after_clump",
            "They follow {count} ends within {seconds}",
            "它们紧跟在 {seconds}内的 {count} 次断开之后",
        ),
        phrase(
            "jitter",
            "In the client: exponential backoff with full jitter in place of a fixed {seconds}",
            "在客户端：用带完全随机抖动的指数退避代替固定的 {seconds}",
        ),
        phrase(
            "admit",
            "In front of the service: limit new connections per second",
            "在服务前：限制每秒新建连接数",
        ),
    ],
    signs: Signs::population(population),
};

/// Reconnects that it takes.
const COUNT_MIN: usize = 20;

/// Attempts that failed meanwhile make an outage when they are more than this part of the reconnects.
const OUTAGE: usize = 3;
/// Length of a bin in which attempts are counted, seconds, and how many there are at most; least variance of waves over the
/// square of their mean.
const BIN: f64 = 0.25;
const BINS_MAX: usize = 4096;
const VARIES: f64 = 0.7;

fn population(seen: &Population<'_>) -> Vec<Finding> {
    let closed = seen.ends.iter().chain(&seen.orderly).filter_map(|record| record.reconnect);
    let delays: Vec<f64> = closed
        .chain(seen.open.iter().filter_map(|open| open.reconnect))
        .map(|reconnect| reconnect.interval_seconds)
        .collect();
    let Some(timer) = in_step(&delays).filter(|timer| timer.count >= COUNT_MIN) else { return Vec::new() };
    // Without a close of many before it, clients that come back after the same delay are no storm.
    let clumps = seen.clumps().iter().filter(|clump| !clump.is_of_one_age && clump.ends.len() >= COUNT_MIN);
    let Some(clump) = clumps.max_by_key(|clump| clump.ends.len()) else { return Vec::new() };
    let tried: Vec<WallTime> =
        seen.failed.iter().map(|record| record.opened_at).filter(|at| *at >= clump.at).collect();
    // After an outage all are back when it ends, however they tried meanwhile.
    if tried.len() * OUTAGE > timer.count && !are_in_waves(&tried) {
        return Vec::new();
    }
    let decisive = Said::new("in_step")
        .with("count", timer.count)
        .with("all", delays.len())
        .seconds("seconds", timer.at)
        .seconds("width", timer.width);
    let after = Said::new("after_clump").with("count", clump.ends.len()).seconds("seconds", clump.seconds);
    let claim = Claim::of(&CAUSE, Place::Client, decisive).corroborated(after);
    let ends = &clump.ends;
    let affected = model::finding::Affected { connections: timer.count as u64, share_of_closes: None };
    vec![
        claim
            .fix(Said::new("jitter").seconds("seconds", timer.at))
            .fix(Said::new("admit"))
            .concerns(seen.route.clone(), seen.since(ends), affected)
            .about(model::finding::Topic::Ends)
            .finding(),
    ]
}

/// Whether attempts come in waves: counted in short bins, they vary by more than most of their mean.
fn are_in_waves(attempts: &[WallTime]) -> bool {
    let (Some(first), Some(last)) = (attempts.iter().min(), attempts.iter().max()) else { return false };
    let bin = |at: WallTime| (between(*first, at) / BIN) as usize;
    let mut counts = vec![0.0; (bin(*last) + 1).min(BINS_MAX)];
    for at in attempts {
        if let Some(count) = counts.get_mut(bin(*at)) {
            *count += 1.0;
        }
    }
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / counts.len() as f64;
    variance > VARIES * mean * mean
}

/// How far delays of clients that come back in step spread: 50 ms, or a tenth.
fn spread(delay: f64) -> f64 {
    (0.1 * delay).max(0.05)
}

/// The delay that most have.
fn in_step(delays: &[f64]) -> Option<Step> {
    let mut delays = delays.to_vec();
    delays.sort_by(f64::total_cmp);
    let within = |start: usize| {
        delays.partition_point(|delay| *delay <= delays[start] + spread(delays[start])) - start
    };
    let best = (0..delays.len()).max_by_key(|start| within(*start))?;
    let count = within(best);
    let at = delays[best + count / 2];
    (count * 5 >= delays.len() * 3).then_some(Step { at, width: spread(at), count })
}

/// Delays that are the same.
struct Step {
    at: f64,
    width: f64,
    count: usize,
}

#[cfg(test)]
mod tests {
    use model::finding::Level;
    use model::record::Reconnect;

    use super::*;
    use crate::population::tests::{Made, end, judged, random};

    fn back(made: Made, interval_seconds: f64) -> Made {
        made.with(|record| record.reconnect = Some(Reconnect { interval_seconds, resumed: false }))
    }

    fn level(records: impl Iterator<Item = Made>) -> Option<Level> {
        judged(records).into_iter().find(|finding| finding.id == CAUSE.id).map(|finding| finding.level)
    }

    #[test]
    fn reconnects_in_step_after_a_mass_close() {
        let first = (0..60).map(|number| end(number).lived(100.0, 10.0 + 300.0 * random(number), 1.0));
        let again = (60..120).map(|number| {
            let age = 5.0 + 80.0 * random(number);
            back(end(number).lived(98.0 - age, age, random(number)), 1.0 + 0.02 * random(number))
        });
        assert_eq!(level(first.chain(again)), Some(Level::High));
    }

    #[test]
    fn all_are_back_when_an_outage_ends() {
        let first = || (0..60).map(|number| end(number).lived(100.0, 10.0 + 300.0 * random(number), 1.0));
        let again = || {
            (60..120).map(|number| {
                let age = 5.0 + 80.0 * random(number);
                back(end(number).lived(94.0 - age, age, random(number)), 6.0 + 0.3 * random(number))
            })
        };
        let tried = |after: fn(u64) -> f64| {
            (200..400).map(move |number| {
                let made = end(number).lived(100.0 - after(number), 0.0, 0.0);
                made.with(|record| record.handshake.result = model::HandshakeResult::Unreachable)
            })
        };
        let at_any_time = tried(|number| 5.0 * random(number));
        assert_eq!(level(first().chain(again()).chain(at_any_time)), None);
        let each_second = tried(|number| (number % 5) as f64 + 0.1 * random(number));
        assert_eq!(level(first().chain(again()).chain(each_second)), Some(Level::High));
    }

    #[test]
    fn reconnects_with_jitter_are_none() {
        let records = (0..200).map(|number| {
            let age = 5.0 + 80.0 * random(number);
            back(
                end(number).lived(300.0 * random(number + 7), age, random(number)),
                30.0 * random(number + 1000),
            )
        });
        assert_eq!(level(records), None);
    }
}
