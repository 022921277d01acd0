//! `cargo xtask bench case2`: the second case of the seed. A service sends 5,000 events a second to each client, of three
//! priorities; some clients take 2,000. Without a queue the backlog grows, and what matters most waits in it; with one
//! it comes on time, the lowest class is shed, and what is told of it is what the clients have got.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::case1::{ends, waited};
use super::peers;
use super::place::{Place, allow_files};
use super::queues::{Clients, KernelBytes, Site, Verdicts};

/// How it is used.
pub const HELP: &str = "cargo xtask bench case2 [--short]

  --short   event streams alone, for some seconds; times are shown and not judged";

/// Bytes of an event beside its head.
const SIZE: u32 = 400;
/// Slow clients, and those that take all.
const SLOW: u64 = 2;
const GOOD: u64 = 3;
/// Windows of a run.
const WINDOWS: u32 = 5;
/// What else a connection with a queue may take, bytes: of a queue the messages alone are counted.
const MORE_BYTES: u64 = 2 << 20;
/// Of an event that is not whole, beside the queue.
const HELD_BYTES: u64 = 1 << 10;
/// Seconds to a client's program for high events, p99.
const HIGH_MAX: f64 = 0.2;

const CLASSES: [&str; 3] = ["high", "normal", "low"];
const FINDING: &str = "queue-sheds";

/// Replays it without a queue and with one.
///
/// # Errors
/// It could not be replayed, or something does not hold.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let (is_short, protocols): (bool, &[&str]) = match arguments {
        [] => (false, &["sse", "ws"]),
        [option] if option == "--short" => (true, &["sse"]),
        _ => return Err(HELP.to_owned()),
    };
    allow_files()?;
    peers::build()?;
    let ends = ends("queues")?;
    let place = Place::new("case2")?;
    let mut verdicts = Verdicts::default();
    for protocol in protocols {
        let scale = if is_short {
            Scale { protocol, sent: 500, taken: 200, queue_bytes: 256 << 10, window: 1.6 }
        } else {
            Scale { protocol, sent: 5_000, taken: 2_000, queue_bytes: 1 << 20, window: 6.0 }
        };
        println!(
            "\n{protocol}: {} events/s to each of {SLOW} clients that take {}/s and {GOOD} that take all",
            scale.sent, scale.taken
        );
        println!(
            "| queue | high p50, ms | high p99, ms | low p50, ms | kept by the service | in kernels | in the gateway | gateway's memory |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|");
        let without = replay(&scale, &ends, place.dir(), false)?;
        let with = replay(&scale, &ends, place.dir(), true)?;
        judge(&scale, &without, &with, is_short, &mut verdicts);
    }
    verdicts.end()
}

struct Scale<'a> {
    protocol: &'a str,
    /// Events a second that each client is sent.
    sent: u32,
    /// Events a second that a slow client takes.
    taken: u32,
    /// Bytes that wait for one client at most.
    queue_bytes: u64,
    /// Seconds.
    window: f64,
}

/// What one run has shown.
struct Shown {
    clients: Clients,
    failed: u64,
    looks: Vec<Look>,
    /// Events sent to each slow client by id and class, as the service counts.
    sent: Vec<Value>,
    /// Close records of the route.
    records: Vec<Value>,
    finding: Option<Value>,
    delivered: f64,
    dropped: f64,
    ratio: f64,
}

/// A look in the middle of a window, when the clients are there.
#[derive(Clone, Copy)]
struct Look {
    kept: u64,
    kernel: KernelBytes,
    queued: f64,
    memory: u64,
}

fn replay(scale: &Scale<'_>, ends: &Path, dir: &Path, has_queue: bool) -> Result<Shown, String> {
    let keys = format!("max_bytes: {}B, policy: drop_lowest", scale.queue_bytes);
    let name = format!("{}-{}", scale.protocol, if has_queue { "on" } else { "off" });
    let site = Site::start(ends, dir, &name, has_queue.then_some(&keys))?;
    let idle = site.memory();
    let seconds = scale.window * f64::from(WINDOWS);
    let query = format!("rate={}&size={SIZE}&seconds={seconds}", scale.sent);
    let group =
        |name: &str, count: u64, take: &str| format!("{name},{},{count},{take},{query}", scale.protocol);
    let groups = [group("slow", SLOW, &scale.taken.to_string()), group("good", GOOD, "inf")];
    let begin = Instant::now();
    let mut clients = site.clients(ends, scale.window, WINDOWS, &groups)?;
    let mut looks = Vec::new();
    for window in 0..WINDOWS {
        let middle = Duration::from_secs_f64((f64::from(window) + 0.7) * scale.window);
        sleep(middle.saturating_sub(begin.elapsed()));
        looks.push(Look {
            kept: site.service("kept").last().and_then(|told| told["kept"].as_u64()).unwrap_or_default(),
            kernel: site.kernel(),
            queued: site.metric("heartline_queue_waiting_bytes", ""),
            memory: site.memory().saturating_sub(idle),
        });
    }
    let finding = has_queue.then(|| find(&site)).flatten();
    if !has_queue {
        let shown = Shown {
            failed: 0,
            looks,
            sent: Vec::new(),
            records: Vec::new(),
            finding,
            delivered: 0.0,
            dropped: 0.0,
            ratio: 0.0,
            clients,
        };
        sleep(Duration::from_secs_f64(seconds).saturating_sub(begin.elapsed()) + Duration::from_millis(300));
        println!("{}", row(&shown, has_queue));
        return Ok(shown);
    }
    let failed = clients.wait();
    let records = || {
        let closed = site.get("/api/v1/connections?set=closed&limit=100").unwrap_or_default();
        closed["items"].as_array().cloned().unwrap_or_default()
    };
    waited(|| records().len() as u64 >= SLOW + GOOD);
    let shown = Shown {
        failed,
        looks,
        sent: site.service("sent"),
        records: records(),
        finding,
        delivered: site.metric("heartline_queue_delivered_messages_total", ""),
        dropped: site.metric("heartline_queue_dropped_messages_total", ""),
        ratio: site.metric("heartline_queue_delivery_ratio", &format!("route=\"{}\"", scale.protocol)),
        clients,
    };
    println!("{}", row(&shown, has_queue));
    Ok(shown)
}

fn find(site: &Site) -> Option<Value> {
    let find = || {
        let findings = site.get("/api/v1/findings")?;
        findings["items"].as_array()?.iter().find(|finding| finding["id"] == FINDING).cloned()
    };
    waited(|| find().is_some());
    find()
}

fn row(shown: &Shown, has_queue: bool) -> String {
    let last = u64::from(WINDOWS) - 1;
    let millis = |class, name| {
        let seconds = shown.clients.figure(last, "slow", class, name);
        seconds.map_or_else(|| "?".to_owned(), |seconds| format!("{:.0}", 1e3 * seconds))
    };
    let size = |bytes: f64| format!("{:.1} MB", bytes / 1e6);
    let first_and_last = |of: fn(&Look) -> f64| {
        let at = |look: Option<&Look>| size(look.map(of).unwrap_or_default());
        format!("{} → {}", at(shown.looks.first()), at(shown.looks.last()))
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        if has_queue { "on" } else { "off" },
        millis("high", "p50"),
        millis("high", "p99"),
        millis("low", "p50"),
        first_and_last(|look| look.kept as f64),
        first_and_last(|look| (look.kernel.upstream + look.kernel.client) as f64),
        first_and_last(|look| look.queued),
        first_and_last(|look| look.memory as f64),
    )
}

fn judge(scale: &Scale<'_>, without: &Shown, with: &Shown, is_short: bool, verdicts: &mut Verdicts) {
    let high = |shown: &Shown, window: u32, name| {
        shown.clients.figure(window.into(), "slow", "high", name).unwrap_or(f64::NAN)
    };
    let backlog = |shown: &Shown, at: usize| {
        let Look { kept, kernel, .. } = shown.looks[at];
        kept + kernel.upstream + kernel.client
    };
    let last = WINDOWS as usize - 1;
    verdicts.holds(backlog(without, last) > 2 * backlog(without, 0), "without a queue the backlog grows");
    verdicts.holds(
        high(without, WINDOWS - 1, "p50") > 2.0 * high(without, 0, "p50"),
        "and what is delivered is older and older",
    );
    verdicts.holds(
        high(with, WINDOWS - 1, "p99") < high(without, WINDOWS - 1, "p50"),
        "with a queue what matters most comes before that",
    );
    let most = (SLOW + GOOD) * (scale.queue_bytes + MORE_BYTES);
    verdicts.holds(with.looks.iter().all(|look| look.memory < most), "memory of the gateway is bounded");
    let queued = ((SLOW + GOOD) * (scale.queue_bytes + HELD_BYTES)) as f64;
    verdicts.holds(with.looks.iter().all(|look| look.queued <= queued), "and so is what waits in it");
    verdicts.holds(with.failed == 0, "each client gets its stream to the end");
    accounts(with, verdicts);
    let finding = with.finding.clone().unwrap_or_default();
    let said =
        |finding: &Value| format!("{} at {}: {}", finding["level"], finding["where"], finding["title"]);
    println!("   finding: {}", said(&finding));
    verdicts.holds(
        finding["id"] == FINDING && finding["route"].as_str().is_none_or(|route| route == scale.protocol),
        "the finding names the cause",
    );
    verdicts.holds(finding["where"] == "client", "and the clients, not the service");
    if !is_short {
        verdicts.holds(high(with, WINDOWS - 1, "p99") < HIGH_MAX, "high events come within 200 ms, p99");
    }
}

/// Whether what is told of each connection is what its client has got.
fn accounts(with: &Shown, verdicts: &mut Verdicts) {
    let (mut is_delivered, mut is_dropped, mut is_low_alone, mut seen) = (true, true, true, 0);
    let (mut got_all, mut lost_all, mut slow_got, mut slow_sent) = (0, 0, 0, 0);
    for client in with.clients.told("got") {
        let record = with.records.iter().find(|record| record["client"]["port"] == client["port"]);
        let sent = with.sent.iter().find(|told| told["id"] == client["id"]);
        let (Some(record), Some(sent)) = (record, sent) else { continue };
        seen += 1;
        for (place, class) in CLASSES.iter().enumerate() {
            let number = |value: &Value| value.as_u64().unwrap_or_default();
            let (got, sent) = (number(&client["got"][place]), number(&sent["sent"][place]));
            let classes = record["queue"]["classes"].as_array().into_iter().flatten();
            let of = classes.into_iter().find(|of| of["class"] == *class).cloned().unwrap_or_default();
            is_delivered &= number(&of["delivered"]) == got;
            is_dropped &= number(&of["dropped"]) == sent - got.min(sent) && got <= sent;
            is_low_alone &= *class == "low" || got == sent;
            (got_all, lost_all) = (got_all + got, lost_all + number(&of["dropped"]));
            if client["group"] == "slow" {
                (slow_got, slow_sent) = (slow_got + got, slow_sent + sent);
            }
        }
    }
    println!(
        "   slow clients got {slow_got} of {slow_sent} events ({:.3}); all: delivered {} of {}, ratio {:.4}",
        slow_got as f64 / slow_sent as f64,
        with.delivered,
        with.delivered + with.dropped,
        with.ratio
    );
    verdicts.holds(seen == SLOW + GOOD, "each client has its record");
    verdicts.holds(is_delivered, "what is told delivered is what its client got, class by class");
    verdicts.holds(is_dropped, "what is told dropped is what the service sent beyond it");
    verdicts.holds(is_low_alone && lost_all > 0, "the lowest class is shed, and nothing else");
    let (got_all, lost_all) = (got_all as f64, lost_all as f64);
    verdicts.holds(with.delivered == got_all && with.dropped == lost_all, "the metrics say the same");
    verdicts.holds(
        (with.ratio - got_all / (got_all + lost_all)).abs() < 1e-9,
        "the delivery ratio is that of what the clients got",
    );
}
