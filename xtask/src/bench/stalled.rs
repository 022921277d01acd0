//! `cargo xtask bench stalled`: clients that read nothing at all, beside others. What each of them costs the gateway's memory
//! and the kernel, with a queue and without one, and whether the others notice.
//!
//! Two sites run side by side, one with the stalled clients and one without. Each window measures the others of both at
//! the same time, so what else the machine does falls on both.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::case1::{ends, waited};
use super::peers;
use super::place::{Place, allow_files};
use super::queues::{Clients, Site, Verdicts};

/// How it is used.
pub const HELP: &str = "cargo xtask bench stalled [--short]

  --short   a tenth of the clients for 20 seconds; times are shown and not judged";

/// Bytes that wait for one client at most.
const QUEUE_BYTES: u64 = 64 << 10;
/// Memory of a gateway for a client that reads nothing, bytes: beside the queue, which counts messages alone.
const MORE_BYTES: u64 = 96 << 10;
/// Of the last windows memory grows by less than this part.
const GROWTH_MAX: f64 = 1.1;
/// The others' p99 may be so much greater beside stalled ones: by this part, or this many seconds.
const PART_MAX: f64 = 0.2;
const SECONDS_MAX: f64 = 0.001;

/// Events a second to a stalled client, and their bytes beside the head.
const QUERY: &str = "size=2000&most=65536";

struct Scale {
    /// Of each protocol.
    stalled: u32,
    /// Events a second to each of them.
    rate: u32,
    /// Of each protocol.
    others: u32,
    /// Seconds.
    window: f64,
    windows: u32,
    is_short: bool,
}

const FULL: Scale = Scale { stalled: 500, rate: 2, others: 20, window: 30.0, windows: 10, is_short: false };
/// Two runs of ten seconds.
const SHORT: Scale = Scale { stalled: 50, rate: 80, others: 5, window: 2.0, windows: 5, is_short: true };

/// Measures it without a queue and with one.
///
/// # Errors
/// It could not be measured, or something does not hold.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let scale = match arguments {
        [] => &FULL,
        [option] if option == "--short" => &SHORT,
        _ => return Err(HELP.to_owned()),
    };
    allow_files()?;
    peers::build()?;
    let ends = ends("queues")?;
    let place = Place::new("stalled")?;
    let mut verdicts = Verdicts::default();
    println!(
        "{} clients read nothing, half of them WebSockets and half event streams; {} others of each take all",
        2 * scale.stalled,
        scale.others
    );
    println!(
        "| queue | gateway's memory for one | of the kernel for one | memory, middle → end | ws p99 beside them, ms | without | difference | sse p99 beside them, ms | without | difference |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for has_queue in [false, true] {
        let shown = measure(scale, &ends, place.dir(), has_queue)?;
        println!("{}", row(&shown, has_queue));
        judge(scale, &shown, has_queue, &mut verdicts);
    }
    verdicts.end()
}

/// What one run has shown.
struct Shown {
    /// Bytes of the gateway for one stalled client, at the end.
    memory: f64,
    /// Bytes of the kernel for one.
    kernel: f64,
    /// Bytes of the gateway for all, in the middle and at the end.
    growth: [u64; 2],
    /// p99 of the others beside the stalled and without, window by window, by protocol.
    pairs: [Vec<(f64, f64)>; 2],
    is_delivering: bool,
    open: u64,
}

const PROTOCOLS: [&str; 2] = ["ws", "sse"];

fn measure(scale: &Scale, ends: &Path, dir: &Path, has_queue: bool) -> Result<Shown, String> {
    let keys = format!("max_bytes: {QUEUE_BYTES}B, policy: drop_lowest");
    let keys = has_queue.then_some(&*keys);
    let name = |side: &str| format!("{side}-{}", if has_queue { "on" } else { "off" });
    let beside = Site::start(ends, dir, &name("beside"), keys)?;
    let without = Site::start(ends, dir, &name("without"), keys)?;
    let seconds = scale.window * f64::from(scale.windows);
    let others = |site: &Site| -> Result<Clients, String> {
        let group = |protocol: &str| {
            let query = format!("rate=50&size=200&seconds={}", seconds + 5.0);
            format!("{protocol},{protocol},{},inf,{query}", scale.others)
        };
        site.clients(ends, scale.window, scale.windows, &PROTOCOLS.map(group))
    };
    let stalled: Vec<String> = PROTOCOLS
        .iter()
        .map(|protocol| format!("stalled,{protocol},{},0,rate={}&{QUERY}", scale.stalled, scale.rate))
        .collect();
    let (idle, idle_kernel) = (beside.memory(), kernel_bytes());
    let _stalled = beside.clients(ends, 3600.0, 1, &stalled)?;
    let all = u64::from(2 * scale.stalled);
    let active = || {
        (beside.metric("websocket_active_connections", "") + beside.metric("sse_active_subscriptions", ""))
            as u64
    };
    waited(|| active() >= all);
    let open = active();
    let begin = Instant::now();
    let (with_them, alone) = (others(&beside)?, others(&without)?);
    sleep(Duration::from_secs_f64(seconds * 0.6).saturating_sub(begin.elapsed()));
    let middle = beside.memory();
    sleep(Duration::from_secs_f64(seconds + 0.5).saturating_sub(begin.elapsed()));
    let (end, kernel) = (beside.memory(), kernel_bytes());
    let pair = |window: u32, protocol: &str| {
        let p99 = |clients: &Clients| {
            let classes = ["high", "normal", "low"];
            let of = |class| clients.figure(window.into(), protocol, class, "p99");
            classes.into_iter().filter_map(of).reduce(f64::max)
        };
        Some((p99(&with_them)?, p99(&alone)?))
    };
    let last = scale.windows - 1;
    let is_delivering = waited(|| PROTOCOLS.iter().all(|protocol| pair(last, protocol).is_some()));
    let pairs =
        PROTOCOLS.map(|protocol| (0..scale.windows).filter_map(|window| pair(window, protocol)).collect());
    let of_one = |now: u64, before: u64| now.saturating_sub(before) as f64 / all as f64;
    Ok(Shown {
        memory: of_one(end, idle),
        kernel: of_one(kernel, idle_kernel),
        growth: [middle, end],
        pairs,
        is_delivering,
        open,
    })
}

/// What sockets of this machine hold (proc_net_sockstat, `TCP … mem`, in pages).
fn kernel_bytes() -> u64 {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let words = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages = words.rsplit("mem ").next().and_then(|pages| pages.trim().parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}

/// Medians of the p99 beside them, without, and of the differences of the pairs.
fn medians(pairs: &[(f64, f64)]) -> [f64; 3] {
    let median = |of: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = pairs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    [median(|pair| pair.0), median(|pair| pair.1), median(|pair| pair.0 - pair.1)]
}

fn row(shown: &Shown, has_queue: bool) -> String {
    let [middle, end] = shown.growth.map(|bytes| bytes as f64 / 1e6);
    let of = |pairs: &Vec<(f64, f64)>| {
        let [beside, without, difference] = medians(pairs).map(|seconds| 1e3 * seconds);
        format!("{beside:.2} | {without:.2} | {difference:+.2}")
    };
    format!(
        "| {} | {:.1} KB | {:.1} KB | {middle:.1} → {end:.1} MB | {} | {} |",
        if has_queue { "on" } else { "off" },
        shown.memory / 1e3,
        shown.kernel / 1e3,
        of(&shown.pairs[0]),
        of(&shown.pairs[1]),
    )
}

fn judge(scale: &Scale, shown: &Shown, has_queue: bool, verdicts: &mut Verdicts) {
    let queue = if has_queue { "with a queue" } else { "without a queue" };
    verdicts.holds(shown.open >= u64::from(2 * scale.stalled), &format!("{queue}: all of them are open"));
    let most = (if has_queue { QUEUE_BYTES } else { 0 }) + MORE_BYTES;
    verdicts.holds(
        shown.memory <= most as f64,
        &format!("{queue}: one of them takes at most {} KiB of the gateway", most >> 10),
    );
    let [middle, end] = shown.growth.map(|bytes| bytes as f64);
    verdicts.holds(end <= GROWTH_MAX * middle, &format!("{queue}: memory does not go on growing"));
    verdicts.holds(shown.is_delivering, &format!("{queue}: the others are served to the end"));
    if !scale.is_short {
        for (protocol, pairs) in PROTOCOLS.iter().zip(&shown.pairs) {
            let [_, without, difference] = medians(pairs);
            verdicts.holds(
                difference <= (PART_MAX * without).max(SECONDS_MAX),
                &format!("{queue}: {protocol} clients beside them have the same p99"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_that_of_pairs() {
        let pairs = [(1.0, 0.5), (9.0, 9.0), (3.0, 2.0)];
        assert_eq!(medians(&pairs), [3.0, 2.0, 0.5]);
    }
}
