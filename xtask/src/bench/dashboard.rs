//! `cargo xtask bench dashboard`: a real browser in front of a gateway with very many live connections, and whether the
//! relay's messages cost more while it looks. Streams of gRPC, 100 on a connection, go beyond what open files allow.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::asked::ADMIN;
use super::load::{Load, Traffic};
use super::peers::{Peer, Site, run_heartline};
use super::place::{Place, allow_files};
use super::processes::Running;
use super::queues::{Verdicts, metric};
use super::stats::quartiles;
use super::upstream::Kind;
use super::{cpu, peers};
use crate::{install, root};

const HELP: &str = "cargo xtask bench dashboard [--streams N]

  --streams N   live streams, 50,000 if not given";

/// What must hold: a view and the answer to a filter, milliseconds; rows in the document; the page's heap, bytes.
const VIEW_MAX: f64 = 1_000.0;
const FILTER_MAX: f64 = 1_000.0;
const ROWS_MAX: u64 = 60;
const HEAP_MAX: f64 = 60e6;
/// What a message may cost the relay with the page open, as a part of what it costs without: measurements of the same
/// differ by more than this page takes.
const CPU_MAX: f64 = 1.1;

/// Measurements of the relay with the page and without.
const PAIRS: usize = 5;

/// How long all streams may take to be open, and what follows their opening to be over.
const OPENING: Duration = Duration::from_secs(120);
const SETTLING: Duration = Duration::from_secs(30);

const MESSAGES: Load =
    Load { per_second: Some(5_000), seconds: 8, ..Load::echo(Traffic::WebSocket, 50, 128) };

/// Longer than a measurement, seconds.
const STAY: &str = "60";

const GATEWAY: Peer = Peer { name: "heartline", is_variant: true, debian: None, command: two_routes };

fn two_routes(site: &Site) -> Result<Vec<String>, String> {
    let Site { port, upstream, .. } = site;
    let data = site.dir.join("data");
    let text = format!(
        "admin: {{ listen: '{ADMIN}:{port}' }}\n\
         data: {{ dir: '{}' }}\n\
         listeners:\n  - listen: '127.0.0.1:{port}'\nroutes:\n  \
         - {{ name: rpc, match: {{ path: '/load.Load' }}, upstreams: ['http://{upstream}'] }}\n  \
         - {{ name: chat, match: {{ path: '/' }}, upstreams: ['http://{upstream}'] }}\n",
        data.display()
    );
    run_heartline(site, &text)
}

/// Measures it.
///
/// # Errors
/// It could not be measured, or something does not hold.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let streams = match arguments {
        [] => 50_000,
        [option, number] if option == "--streams" => number.parse().map_err(|_| HELP.to_owned())?,
        _ => return Err(HELP.to_owned()),
    };
    allow_files()?;
    install::node(&root().join("crates/web/ui"))?;
    peers::build()?;
    let place = Place::new("dashboard")?;
    let gateway = place.start(&GATEWAY, Kind::Load)?;
    let admin = SocketAddr::from((ADMIN, gateway.address.port()));
    let open = Load {
        per_second: Some(1),
        seconds: 3_600,
        ..Load::echo(Traffic::Grpc { streams: 100 }, streams, 128)
    };
    let held = open.hold(gateway.address)?;
    let begin = Instant::now();
    while metric(admin, "grpc_active_streams", "") < streams as f64 {
        if begin.elapsed() > OPENING {
            return Err(format!(
                "{} of {streams} streams are open",
                metric(admin, "grpc_active_streams", "")
            ));
        }
        sleep(Duration::from_secs(1));
    }
    sleep(SETTLING);
    println!("{streams} streams are open");
    let mut verdicts = Verdicts::default();
    judge_page(&page(admin)?, &mut verdicts)?;
    judge_relay(&gateway, admin, &mut verdicts)?;
    held.end()?;
    verdicts.end()
}

fn script(admin: SocketAddr) -> Command {
    let mut command = Command::new("node");
    command.arg("e2e/many.mjs").arg(format!("http://{admin}")).current_dir(root().join("crates/web/ui"));
    command.stderr(Stdio::inherit());
    command
}

fn page(admin: SocketAddr) -> Result<Value, String> {
    let output = script(admin).output().map_err(|error| format!("node: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("the browser: {error}"))
}

fn judge_page(page: &Value, verdicts: &mut Verdicts) -> Result<(), String> {
    for (key, what) in [("first", "for the first time"), ("again", "again")] {
        let views: Vec<f64> = page[key].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        let views = quartiles(&views).ok_or("the browser tells no views")?;
        let told = format!("{:.0} ms ({:.0}-{:.0})", views.median, views.low, views.high);
        verdicts.holds(views.median < VIEW_MAX, &format!("the overview opened {what} is there after {told}"));
    }
    for (filter, took) in page["filters"].as_object().into_iter().flatten() {
        let took = took.as_f64().ok_or("the browser tells no time of a filter")?;
        verdicts.holds(took < FILTER_MAX, &format!("{filter} is answered after {took:.0} ms"));
    }
    let rows = page["rows"].as_u64().ok_or("the browser tells no rows")?;
    verdicts.holds(rows < ROWS_MAX, &format!("{rows} rows are in the document"));
    let heap = page["heap_bytes"].as_f64().ok_or("the browser tells no heap")?;
    verdicts.holds(heap < HEAP_MAX, &format!("the page's heap is {:.1} MB", heap / 1e6));
    Ok(())
}

fn judge_relay(gateway: &Running, admin: SocketAddr, verdicts: &mut Verdicts) -> Result<(), String> {
    let mut ratios = Vec::new();
    for _ in 0..PAIRS {
        let without = message_micros(gateway)?;
        let page = Open::start(admin)?;
        let with = message_micros(gateway)?;
        drop(page);
        println!("   a message takes {with:.1} µs of the relay with the page open, {without:.1} µs without");
        ratios.push(with / without);
    }
    let ratio = quartiles(&ratios).expect("there are pairs");
    let told = format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.low, ratio.high);
    verdicts
        .holds(ratio.median < CPU_MAX, &format!("a message with the page open takes {told} of one without"));
    Ok(())
}

fn message_micros(gateway: &Running) -> Result<f64, String> {
    let relay = || cpu::seconds_of(&gateway.tree(), "relay");
    let before = relay();
    let messages = MESSAGES.run(gateway.address)?;
    Ok((relay() - before) / messages.count * 1e6)
}

/// A browser that has the overview open.
struct Open(Child);

impl Open {
    fn start(admin: SocketAddr) -> Result<Open, String> {
        let mut browser = script(admin);
        browser.args(["--stay", STAY]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut open = Open(browser.spawn().map_err(|error| format!("node: {error}"))?);
        let mut line = String::new();
        let output = open.0.stdout.take().expect("it was asked for");
        BufReader::new(output).read_line(&mut line).map_err(|error| format!("the browser: {error}"))?;
        if line.trim() == "open" {
            Ok(open)
        } else {
            Err("the browser does not show the overview".to_owned())
        }
    }
}

impl Drop for Open {
    /// The end of its input ends the script, and with it the browser.
    fn drop(&mut self) {
        self.0.stdin = None;
        let _ = self.0.wait();
    }
}
