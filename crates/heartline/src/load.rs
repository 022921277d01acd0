//! `heartline load`: many clients by a schedule, and what they measured.

mod parts;
mod report;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use gateway::ceiling;
use gateway::config::ByteSize;
use http::{HeaderMap, HeaderName, HeaderValue};
use probe::dial::Dialer;
use probe::load::fail_if::FailIf;
use probe::load::part::Part;
use probe::load::results::Results;
use probe::load::schedule::{Arrivals, Ramp};
use probe::load::stop::Stop;
use probe::load::{self, Plan};
use probe::session::Spec;
use probe::target::{Protocol, Target};
use probe::tls::{Trust, client_config};

use crate::Failure;

/// Files open beside the connections.
const RESERVED_FILES: u64 = 32;

/// Longest message: 64 MiB.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;

const EXAMPLES: &str = "Examples:
  heartline load ws ws://127.0.0.1:8000/chat
      ten connections, each waits for its answer before it sends again (closed loop)
  heartline load ws ws://127.0.0.1:8000/chat --connections 500 --rate 5000/s --duration 30s
      5,000 messages a second whatever the service does (open loop); latency counts from when each was due
  heartline load sse http://127.0.0.1:8000/events --connections 9000 --ramp 500/s
      9,000 subscribers; latency where events carry ts=NANOSECONDS, the time they were made, since 1970
  heartline load grpc grpc://127.0.0.1:8000/demo.Chat/Talk --messages 1000 --format json
      a stream of calls that are answered, each message zero bytes
  heartline load ws ws://127.0.0.1:8000/chat --rate 100/s --fail-if 'p99>50ms' --fail-if 'errors>0'
      exit code 1 when it is slow or fails, for a pipeline";

/// Options of `load`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct LoadOptions {
    /// Protocol to speak.
    #[arg(value_name = "PROTOCOL")]
    protocol: ProtocolName,
    /// Where: ws:// or wss://, http:// or https:// for sse, grpc://HOST:PORT/package.Service/Method or grpcs://.
    url: String,
    /// Connections, all open at the same time.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: u32,
    /// Connections opened a second.
    #[arg(long, value_name = "N/s", default_value = "1000/s", value_parser = per_second)]
    ramp: f64,
    /// Messages sent a second by all connections together, in an open loop; without it, each connection waits for its
    /// answer before it sends again.
    #[arg(long, value_name = "N/s", value_parser = per_second)]
    rate: Option<f64>,
    /// Payload of each message: bytes, or with KiB or MiB.
    #[arg(long, value_name = "BYTES", default_value = "128", value_parser = size)]
    size: u32,
    /// How long messages are sent.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// Stop after so many messages of all connections together, if that is earlier.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// Send nothing and count what the service pushes, as is always done for sse. A gRPC service is asked with one
    /// message.
    #[arg(long, conflicts_with = "rate")]
    push: bool,
    /// Time allowed for a handshake, and at the end for the last answers.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    timeout: Duration,
    /// Field of the handshake, such as 'Authorization: Bearer abc'; can be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Trust the authorities in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cacert: Option<PathBuf>,
    /// Trust any certificate.
    #[arg(long)]
    insecure: bool,
    /// Fail with exit code 1 if this holds: p50, p90, p99, p999, max, errors, handshake_errors or messages, > or <, and
    /// a time, a number or a share in %; can be given several times.
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<FailIf>,
    /// Form of the results.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Which part of a load in several processes this is; said by the process that starts it.
    #[arg(long, value_name = "INDEX/OF", hide = true)]
    part: Option<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProtocolName {
    /// WebSocket.
    Ws,
    /// Server-sent events.
    Sse,
    /// One gRPC stream a connection.
    Grpc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// One JSON object; names say the units.
    Json,
}

fn per_second(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim();
    let rate = number.parse().ok().filter(|rate: &f64| *rate > 0.0 && *rate <= 10_000_000.0);
    rate.ok_or_else(|| "say how many a second, up to 10,000,000, such as 100/s".to_owned())
}

fn size(text: &str) -> Result<u32, String> {
    let bytes = match text.parse() {
        Ok(bytes) => bytes,
        Err(_) => text.parse::<ByteSize>().map_err(|error| error.to_string())?.0,
    };
    let fits = u32::try_from(bytes).ok().filter(|_| bytes <= MESSAGE_BYTES_MAX);
    fits.ok_or_else(|| "a message has at most 64MiB".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_hours(24 * 7);
    let time = humantime_serde::re::humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time <= longest { Ok(time) } else { Err("at most 7d".to_owned()) }
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || "say NAME: VALUE".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    Ok((name.trim().parse().map_err(|_| wrong())?, value.trim().parse().map_err(|_| wrong())?))
}

/// `heartline load`.
///
/// # Errors
/// The options do not fit each other or this machine, no connection could be opened, or a `--fail-if` holds.
pub async fn run(options: LoadOptions) -> Result<(), Failure> {
    let parts = parts(options.connections)?;
    let plan = plan(&options).await?;
    if options.part.is_some() {
        return parts::run_one(plan).await;
    }
    let asked = report::Asked::of(&options, &plan);
    let mut live = LiveLine::new(options.connections);
    let outcome = match parts.len() {
        1 => load::run(plan, interrupted(), |results| live.show(results)).await,
        _ => parts::run_all(&parts, interrupted(), |results| live.show(results)).await?,
    };
    live.clear();
    let failed: Vec<_> =
        options.fail_if.iter().filter(|condition| condition.holds(&outcome.results)).collect();
    let text = match options.format {
        Format::Json => report::json(&asked, &outcome, &failed),
        Format::Text => report::table(&asked, &outcome),
    };
    print(&text)?;
    if !failed.is_empty() {
        let conditions: Vec<_> = failed.iter().map(ToString::to_string).collect();
        return Err(Failure::Running(format!("it failed, as {} holds", conditions.join(" and "))));
    }
    if outcome.results.opened == 0 {
        return Err(Failure::Running(format!("no connection could be opened to {}", options.url)));
    }
    Ok(())
}

/// A line on a terminal that is written anew each second.
struct LiveLine {
    is_shown: bool,
    began: Instant,
    connections: u32,
    received: u64,
}

impl LiveLine {
    fn new(connections: u32) -> LiveLine {
        LiveLine { is_shown: io::stderr().is_terminal(), began: Instant::now(), connections, received: 0 }
    }

    fn show(&mut self, results: &Results) {
        if self.is_shown {
            let news = results.received - self.received;
            let line = report::line(results, self.connections, self.began.elapsed(), news);
            eprint!("\r\x1b[K{line}");
        }
        self.received = results.received;
    }

    fn clear(&self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}

async fn plan(options: &LoadOptions) -> Result<Plan, Failure> {
    let protocol = match options.protocol {
        ProtocolName::Ws => Protocol::Websocket,
        ProtocolName::Sse => Protocol::Sse,
        ProtocolName::Grpc => Protocol::Grpc,
    };
    let target = Target::new(protocol, &options.url).map_err(Failure::Usage)?;
    let is_push = options.push || protocol == Protocol::Sse;
    let arrivals = match options.rate {
        Some(_) if is_push => {
            return Err(Failure::Usage("--rate is for what is sent, and to sse nothing is".to_owned()));
        }
        Some(per_second) => Arrivals::Open { per_second },
        None if is_push => Arrivals::Push,
        None => Arrivals::Closed,
    };
    let connections = options.connections as usize;
    let headers: HeaderMap = options.headers.iter().cloned().collect();
    let trust = match &options.cacert {
        _ if options.insecure => Trust::Anything,
        Some(file) => Trust::Authorities(file.clone()),
        None => Trust::System,
    };
    let tls = target.is_tls.then(|| client_config(&trust, protocol)).transpose().map_err(Failure::Usage)?;
    Ok(Plan {
        dialer: Dialer::new(target, headers, tls, connections).await.map_err(Failure::Running)?,
        spec: Spec::new(protocol, is_push, options.size, options.timeout),
        connections,
        part: options.part.unwrap_or(Part::WHOLE),
        ramp: Ramp { per_second: options.ramp },
        arrivals,
        stop: Stop { after: options.duration, messages: options.messages },
    })
}

/// The parts of a load, each with no more connections than a process may open files for.
fn parts(connections: u32) -> Result<Vec<Part>, Failure> {
    let limit = ceiling::raise().open_files;
    let fits = usize::try_from(limit.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX);
    let parts = Part::of_all(connections as usize, fits);
    if fits > 0 && parts.len() <= parts::PARTS_MAX {
        return Ok(parts);
    }
    Err(Failure::Usage(format!(
        "--connections {connections} cannot be: a process may open {limit} files, and {} processes are the most; raise \
         the limit with ulimit -n",
        parts::PARTS_MAX
    )))
}

async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "Ctrl-C is not noticed");
        std::future::pending::<()>().await;
    }
}

/// Writes to standard output; a reader that has gone away has seen enough.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Running(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
