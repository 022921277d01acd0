//! `cargo xtask bench case1`: the first case of the seed. An app whose CPU for each message grows with its connections is
//! visited by ten times what it can carry: without limits it collapses for all; with them those inside are served as before,
//! those outside are told at once when to come back, and services that a reload adds take them in.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::history::ask;
use super::peers;
use super::place::{Place, allow_files};
use super::processes::free_port;
use crate::{root, target};

/// How it is used.
pub const HELP: &str = "cargo xtask bench case1 [--short]

  --short   a tenth of the connections for a minute or two; times are shown and not judged";

/// What comes, and for how long.
struct Scale {
    /// Connections of a quiet day.
    residents: u32,
    /// Those who come with the crowd.
    crowd: u32,
    /// What the app can carry, and the limit.
    capacity: u32,
    /// Seconds between two messages of a client.
    interval: f64,
    quiet: u32,
    crowded: u32,
    scaled: u32,
    is_short: bool,
}

const FULL: Scale = Scale {
    residents: 900,
    crowd: 8_100,
    capacity: 1_000,
    interval: 2.0,
    quiet: 20,
    crowded: 150,
    scaled: 60,
    is_short: false,
};

const SHORT: Scale = Scale {
    residents: 90,
    crowd: 810,
    capacity: 100,
    interval: 0.2,
    quiet: 5,
    crowded: 40,
    scaled: 25,
    is_short: true,
};

/// The p99 of those inside, in times of the quiet one.
const GROWTH_MAX: f64 = 2.0;

/// Seconds to the answer of one who is refused, p99.
const REFUSED_MAX: f64 = 0.05;

/// Without limits the p99 grows at least so many times.
const COLLAPSE_MIN: f64 = 10.0;

/// Seconds of the crowd without limits, at most.
const COLLAPSE_SECONDS: u32 = 60;

/// Least time after which one who was refused comes again, as configured.
const RETRY_AFTER: f64 = 10.0;

/// How long an alert, or a finding, may take.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

const ALERT: &str = "ConnectionsRefusedByLimit";
const FINDING: &str = "own-admission";

/// Rules of the short form: those that come along want a minute before they fire.
const SHORT_RULES: &str = "groups:
  - name: case1
    interval: 2s
    rules:
      - alert: ConnectionsRefusedByLimit
        expr: sum by (route, reason) (rate(heartline_admissions_total{decision=\"refused\"}[20s])) > 0.1
        for: 4s
";

/// Replays it without limits and with them.
///
/// # Errors
/// It could not be replayed, or something does not hold.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let scale = match arguments {
        [] => &FULL,
        [option] if option == "--short" => &SHORT,
        _ => return Err(HELP.to_owned()),
    };
    allow_files()?;
    peers::build()?;
    let ends = ends("case1")?;
    let place = Place::new("case1")?;
    println!(
        "| limits | phase | open | p50, ms | p99, ms | of residents, ms | refused | told within, ms (p99) | attempts/s | gave up |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    let without = replay(scale, &ends, place.dir(), false)?;
    let with = replay(scale, &ends, place.dir(), true)?;
    judge(scale, &without, &with)
}

/// The program of both ends; `HEARTLINE_CASE1_BIN`, for one, names it when it is built.
pub(super) fn ends(name: &str) -> Result<PathBuf, String> {
    if let Some(program) = std::env::var_os(format!("HEARTLINE_{}_BIN", name.to_ascii_uppercase())) {
        return Ok(program.into());
    }
    let build = ["build", "--release", "--quiet", "--package", "gateway", "--example", name, "--locked"];
    let status = Command::new("cargo").args(build).current_dir(root()).status();
    match status.map_err(|error| format!("cargo: {error}"))? {
        status if status.success() => Ok(target().join("release/examples").join(name)),
        status => Err(format!("the clients: {status}")),
    }
}

/// What one run has shown.
struct Shown {
    /// One for each phase: quiet, crowded, and with more services.
    phases: Vec<Value>,
    /// Whether the alert fired and the finding was told.
    is_alerted: bool,
    is_found: bool,
}

fn replay(scale: &Scale, ends: &Path, dir: &Path, has_limits: bool) -> Result<Shown, String> {
    let apps = (0..if has_limits { 3 } else { 1 }).map(|_| App::start(ends, scale.capacity));
    let apps = apps.collect::<Result<Vec<App>, String>>()?;
    let gateway = Gateway::start(dir, scale)?;
    gateway.configure(&apps[..1], has_limits.then_some(scale.capacity))?;
    let _running = gateway.run()?;
    let mut crowd = Command::new(ends);
    crowd.args(["crowd".to_owned(), gateway.address.to_string(), scale.residents.to_string()]);
    crowd.args([scale.crowd.to_string(), scale.interval.to_string()]);
    let crowded = if has_limits { scale.crowded } else { scale.crowded.min(COLLAPSE_SECONDS) };
    crowd.args([scale.quiet, crowded].map(|seconds| seconds.to_string()));
    if has_limits {
        crowd.arg(scale.scaled.to_string());
    }
    let (_crowd, lines) = start(&mut crowd)?;
    let mut shown = Shown { phases: Vec::new(), is_alerted: false, is_found: false };
    for line in lines {
        let line = line.map_err(|error| format!("the crowd: {error}"))?;
        let told: Value = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
        match told["begins"].as_u64() {
            Some(2) => {
                shown.is_alerted = waited(|| gateway.has_alert());
                shown.is_found = waited(|| gateway.has_finding());
                gateway.configure(&apps, Some(3 * scale.capacity))?;
                gateway.reload()?;
            }
            Some(_) => {}
            None => {
                println!("{}", row(has_limits, shown.phases.len(), &told));
                shown.phases.push(told);
            }
        }
    }
    Ok(shown)
}

fn row(has_limits: bool, phase: usize, told: &Value) -> String {
    let number = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
    let millis = |name: &str| format!("{:.1}", 1e3 * number(name));
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {:.0} | {} |",
        if has_limits { "on" } else { "off" },
        ["quiet", "crowd", "more services"].get(phase).unwrap_or(&"?"),
        number("open"),
        millis("p50"),
        millis("p99"),
        millis("residents_p99"),
        number("refused"),
        millis("refused_p99"),
        number("attempts") / number("seconds"),
        number("gave_up"),
    )
}

fn judge(scale: &Scale, without: &Shown, with: &Shown) -> Result<(), String> {
    let ([quiet, collapsed], [calm, crowded, scaled]) = (&*without.phases, &*with.phases) else {
        return Err("the crowd has ended early".to_owned());
    };
    let number = |phase: &Value, name: &str| phase[name].as_f64().unwrap_or_default();
    let capacity = f64::from(scale.capacity);
    let growth =
        |before: &Value, after: &Value| number(after, "residents_p99") / number(before, "residents_p99");
    let came = f64::from(scale.crowd) * (1.0 + f64::from(scale.crowded) / RETRY_AFTER);
    println!(
        "\nresidents' p99: without limits {:.0} times the quiet one, with limits {:.1} times",
        growth(quiet, collapsed),
        growth(calm, crowded)
    );
    let mut wrong = Vec::new();
    let mut holds = |is_so: bool, what: &str| {
        println!("{} {what}", if is_so { "ok" } else { "NOT" });
        if !is_so {
            wrong.push(what.to_owned());
        }
    };
    holds(number(crowded, "open") <= capacity, "no more are open than the limit");
    holds(
        number(crowded, "refused") > 0.0 && number(crowded, "failed") == 0.0,
        "each of the others has an answer",
    );
    holds(number(crowded, "gave_up") == 0.0, "nobody inside gives up");
    holds(number(crowded, "attempts") <= came, "no storm: they come back when they were told to");
    holds(with.is_alerted, "the alert fires");
    holds(with.is_found, "the finding names the cause");
    holds(number(scaled, "open") > 2.0 * capacity, "services that a reload adds take in new connections");
    if !scale.is_short {
        holds(growth(quiet, collapsed) >= COLLAPSE_MIN, "without limits the app collapses");
        holds(growth(calm, crowded) <= GROWTH_MAX, "those inside have at most twice the quiet p99");
        holds(number(crowded, "refused_p99") < REFUSED_MAX, "those outside are told within 50 ms");
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("does not hold: {}", wrong.join("; "))) }
}

/// Whether it is so soon.
pub(super) fn waited(is_so: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < TOLD_WITHIN {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    false
}

/// A process that ends with this.
pub(super) struct Owned(pub(super) Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program that tells something line by line.
pub(super) fn start(command: &mut Command) -> Result<(Owned, Lines<BufReader<ChildStdout>>), String> {
    let shown = format!("{:?}", command.get_program());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = Owned(child.map_err(|error| format!("{shown}: {error}"))?);
    let output = child.0.stdout.take().expect("it was asked for");
    Ok((child, BufReader::new(output).lines()))
}

struct App {
    _process: Owned,
    address: String,
}

impl App {
    fn start(ends: &Path, capacity: u32) -> Result<App, String> {
        let (process, mut lines) = start(Command::new(ends).args(["app", &capacity.to_string()]))?;
        let address = lines.next().and_then(Result::ok).ok_or("an app does not start")?;
        Ok(App { _process: process, address })
    }
}

/// The gateway, and where it is told what.
struct Gateway {
    file: PathBuf,
    rules: String,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    fn start(dir: &Path, scale: &Scale) -> Result<Gateway, String> {
        let own = dir.join("case1.yml");
        fs::write(&own, SHORT_RULES).map_err(|error| error.to_string())?;
        let rules = if scale.is_short { own.display().to_string() } else { "default".to_owned() };
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (address, admin) = (local(free_port()?), local(free_port()?));
        Ok(Gateway { file: dir.join("case1.yaml"), rules, address, admin })
    }

    fn configure(&self, apps: &[App], limit: Option<u32>) -> Result<(), String> {
        let upstreams: Vec<String> = apps.iter().map(|app| format!("http://{}", app.address)).collect();
        let limits = limit.map_or(String::new(), |limit| {
            format!("    limits: {{ connections: {limit}, handshakes: 50, retry_after: {RETRY_AFTER}s }}\n")
        });
        let text = format!(
            "admin: {{ listen: '{}' }}\nlisteners:\n  - listen: '{}'\nrules: ['{}']\n\
             data: {{ scrape_interval: 2s }}\nroutes:\n  - name: app\n    upstreams: [{}]\n{limits}",
            self.admin,
            self.address,
            self.rules,
            upstreams.join(", ")
        );
        fs::write(&self.file, text).map_err(|error| format!("{}: {error}", self.file.display()))
    }

    fn run(&self) -> Result<Owned, String> {
        let program = peers::heartline_binary();
        let log = fs::File::create(self.file.with_extension("log")).map_err(|error| error.to_string())?;
        let mut command = Command::new(&program);
        command.args(["run", "-c"]).arg(&self.file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = Owned(command.spawn().map_err(|error| format!("{}: {error}", program.display()))?);
        if waited(|| self.get("/readyz").is_some()) {
            return Ok(child);
        }
        let said = fs::read_to_string(self.file.with_extension("log")).unwrap_or_default();
        Err(format!("the gateway does not start\n{said}"))
    }

    fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = ask(self.admin, &format!("GET {path}"), "", b"").ok()?;
        (status == 200).then(|| serde_json::from_slice(&body).ok())?
    }

    fn reload(&self) -> Result<(), String> {
        match ask(self.admin, "POST /-/reload", "", b"")? {
            (200, _) => Ok(()),
            (status, body) => Err(format!("the reload: {status} {}", String::from_utf8_lossy(&body))),
        }
    }

    fn has_alert(&self) -> bool {
        let alerts = self.get("/api/v1/alerts").unwrap_or_default();
        let mut alerts = alerts["data"]["alerts"].as_array().into_iter().flatten();
        alerts.any(|alert| alert["labels"]["alertname"] == ALERT && alert["state"] == "firing")
    }

    fn has_finding(&self) -> bool {
        let findings = self.get("/api/v1/findings").unwrap_or_default();
        findings["items"].as_array().into_iter().flatten().any(|finding| finding["id"] == FINDING)
    }
}
