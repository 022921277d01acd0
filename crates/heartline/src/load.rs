//! `heartline load`: many clients of a service, and what they see.

mod options;
mod table;

use std::io::{self, IsTerminal as _};
use std::process::Command;
use std::time::Duration;

use http::HeaderMap;
use model::Opcode;
use probe::backend::Ticks;
use probe::dial::Dialer;
use probe::event_stream::{EventStreamClient, Http};
use probe::grpc::{self, GrpcClient};
use probe::load::gather::Gathered;
use probe::load::report::Report;
use probe::load::{Part, Plan, Share, Work, processes};
use probe::session::Client;
use probe::target::{Protocol, Target};
use probe::websocket::{Message, WebSocketClient};

pub use options::LoadCommand;
use options::{Format, LoadOptions, SendingOptions, ServeOptions};
pub(crate) use options::{duration, size};

use crate::Failure;

/// Time for what is left behind when a run is over, such as a read of standard input.
const LEAVE_TIME: Duration = Duration::from_millis(100);

/// Runs a sub-command of `load`.
///
/// # Errors
/// See [`Failure`]; no connection was opened; a condition of `--fail-if` holds.
pub fn run(command: LoadCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Running(format!("no thread to run on: {error}")))?;
    let outcome = runtime.block_on(async {
        match command {
            LoadCommand::Serve(options) => serve(&options).await,
            LoadCommand::Ws { load, sending } => {
                Run::new(&load, Protocol::WebSocket, sending.work())?.websocket(&sending).await
            }
            LoadCommand::Sse { load, http2, streams } => {
                let streams_each = streams.streams;
                let http = if http2 { Http::Http2 { streams_each } } else { Http::Http1 };
                if http == Http::Http1 && streams_each > 1 {
                    return Err(Failure::Usage("--streams needs --http2".to_owned()));
                }
                Run::new(&load, Protocol::Sse, Work::Push)?.sse(http).await
            }
            LoadCommand::Grpc { load, sending, streams } => {
                Run::new(&load, Protocol::Grpc, sending.work())?.grpc(&sending, streams.streams).await
            }
        }
    });
    runtime.shutdown_timeout(LEAVE_TIME);
    outcome
}

async fn serve(options: &ServeOptions) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Running(format!("{}: {error}", options.listen));
    let listener = probe::backend::listen(options.listen).map_err(failed)?;
    println!("listening on {}", listener.local_addr().map_err(failed)?);
    processes::needed(0);
    let ticks = Ticks { rate: options.rate, size: options.size };
    tokio::select! {
        () = probe::backend::serve(listener, ticks) => Ok(()),
        () = told_to_stop() => Ok(()),
    }
}

/// One run.
struct Run<'a> {
    options: &'a LoadOptions,
    plan: Plan,
    headers: HeaderMap,
}

impl<'a> Run<'a> {
    fn new(options: &'a LoadOptions, protocol: Protocol, work: Work) -> Result<Run<'a>, Failure> {
        let (is, wanted) = (options.url.protocol, protocol);
        if is != wanted {
            let scheme = match wanted {
                Protocol::WebSocket => "ws: or wss:",
                Protocol::Sse => "http: or https:",
                Protocol::Grpc => "grpc: or grpcs:",
            };
            return Err(Failure::Usage(format!("{}: its URL begins with {scheme}", options.url)));
        }
        let headers = options.headers.iter().cloned().collect();
        Ok(Run { options, plan: options.plan(work), headers })
    }

    fn target(&self) -> &Target {
        &self.options.url
    }

    async fn websocket(self, sending: &SendingOptions) -> Result<(), Failure> {
        let message = match sending.message().map_err(Failure::Usage)? {
            Some(bytes) => Message { opcode: Opcode::Binary, payload: bytes.into() },
            None => Message { opcode: Opcode::Text, payload: vec![b'x'; sending.size].into() },
        };
        let dialer = self.dialer("http/1.1").await?;
        let client = WebSocketClient::new(self.target(), dialer, &self.headers, message);
        self.load(client.map_err(Failure::Usage)?).await
    }

    async fn sse(self, http: Http) -> Result<(), Failure> {
        let dialer = self.dialer(if http == Http::Http1 { "http/1.1" } else { "h2" }).await?;
        let client = EventStreamClient::new(self.target(), dialer, http, &self.headers);
        self.load(client.map_err(Failure::Usage)?).await
    }

    async fn grpc(self, sending: &SendingOptions, streams: u32) -> Result<(), Failure> {
        let given = sending.message().map_err(Failure::Usage)?;
        let message = given.unwrap_or_else(|| grpc::filler(sending.size));
        let dialer = self.dialer("h2").await?;
        let client = GrpcClient::new(self.target(), dialer, streams, &self.headers, &message, sending.push);
        self.load(client.map_err(Failure::Usage)?).await
    }

    async fn dialer(&self, alpn: &str) -> Result<Dialer, Failure> {
        let dialer = Dialer::new(self.target(), self.options.source, &self.options.trust(), alpn).await;
        dialer.map_err(|failure| Failure::Running(failure.to_string()))
    }

    async fn load(self, client: impl Client) -> Result<(), Failure> {
        let needed = processes::needed(self.plan.connections);
        if let Some(share) = self.options.as_part {
            let stopped = async {
                tokio::select! { () = told_to_stop() => {}, () = processes::parent_gone() => {} }
            };
            let tell = |part: Part| processes::tell(&part);
            probe::load::run(client, self.plan.part(share), stopped, tell).await;
            return Ok(());
        }
        let parts = self.options.processes.unwrap_or(needed).clamp(1, self.plan.connections);
        let mut gathered = Gathered::new(parts);
        let mut live = io::stderr().is_terminal().then(table::Live::default);
        let on_part = |process: usize, part: Part| {
            if gathered.add(process, part)
                && let Some(live) = &mut live
            {
                live.show(&gathered.glance());
            }
        };
        if parts == 1 {
            let mut on_part = on_part;
            probe::load::run(client, self.plan.clone(), told_to_stop(), |part| on_part(0, part)).await;
        } else {
            drop(client);
            let outcome = processes::run(parts, itself, told_to_stop(), on_part).await;
            outcome.map_err(Failure::Running)?;
        }
        self.conclude(&gathered)
    }

    fn conclude(&self, gathered: &Gathered) -> Result<(), Failure> {
        let report = Report::new(self.target(), &self.plan, &gathered.total, gathered.run());
        match self.options.format {
            Format::Text => println!("{}", table::result(&report)),
            Format::Json => println!("{}", serde_json::to_string_pretty(&report).expect("a report is JSON")),
        }
        if report.handshakes_total == 0 {
            return Err(Failure::Running("no connection was opened".to_owned()));
        }
        let conditions = &self.options.fail_if;
        let broken: Vec<String> =
            conditions.iter().filter_map(|condition| condition.broken_by(&report)).collect();
        if broken.is_empty() { Ok(()) } else { Err(Failure::Running(broken.join("; "))) }
    }
}

/// This command again, for a part of the load.
fn itself(Share { part, parts }: Share) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).arg(format!("--as-part={part}/{parts}"));
    Ok(command)
}

/// SIGINT or SIGTERM. Where signals cannot be waited for, never.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}
