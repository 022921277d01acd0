//! `heartline load`: options, and how the result is shown.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::Opcode;
use probe::dial::Dialer;
use probe::load::report::{Report, Run};
use probe::load::schedule::Rate;
use probe::load::tally::Tally;
use probe::load::{Plan, Stop, Work};
use probe::target::{Protocol, Target};
use probe::tls::{self, Trust};
use probe::websocket::{Message, WebSocketClient};

use crate::Failure;

/// The sub-commands of `load`.
#[derive(Clone, Debug, Subcommand)]
pub enum LoadCommand {
    /// Load a WebSocket service.
    Ws(LoadOptions),
    /// Serve what load can aim at: WebSocket echo at every path.
    Serve(ServeOptions),
}

/// What to load, with how much, until when.
#[derive(Args, Clone, Debug)]
pub struct LoadOptions {
    /// What to load: ws: or wss: for WebSocket.
    url: Target,
    /// Connections that are open at a time.
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: u32,
    /// How fast connections are opened, such as 500/s [default: 256 handshakes at a time].
    #[arg(long, value_name = "N/s")]
    ramp: Option<Rate>,
    /// Open loop: messages a second of all connections together, sent whether or not answers have come. Without it
    /// each connection sends its next message when the answer is there.
    #[arg(long, value_name = "N/s")]
    rate: Option<Rate>,
    /// Bytes of a message.
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    size: usize,
    /// Stop after so long [default: 10s without any other limit].
    #[arg(short, long, value_name = "D", value_parser = duration)]
    duration: Option<Duration>,
    /// Stop after so many messages.
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// Stop after so many handshakes.
    #[arg(long, value_name = "N")]
    handshakes: Option<u64>,
    /// Close a connection after so many messages and open another one.
    #[arg(long, value_name = "N")]
    messages_each: Option<u64>,
    /// Messages of this first time are not counted.
    #[arg(long, value_name = "D", default_value = "0s", value_parser = duration)]
    warmup: Duration,
    /// Longest time for a handshake and for an answer.
    #[arg(long, value_name = "D", default_value = "10s", value_parser = duration)]
    timeout: Duration,
    /// Send nothing and take what comes.
    #[arg(long, conflicts_with = "rate")]
    push: bool,
    /// Header field of each handshake; can be given several times.
    #[arg(short = 'H', long = "header", value_name = "K: V", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Form of the result.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// Options of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeOptions {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
}

/// Form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// One JSON object.
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    use serde::Deserialize as _;
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, StrDeserializer};
    let text: StrDeserializer<'_, Error> = text.into_deserializer();
    let duration = humantime_serde::Serde::<Duration>::deserialize(text);
    duration.map(humantime_serde::Serde::into_inner).map_err(|error| error.to_string())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header field is such as 'Authorization: Bearer x'")?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is no name of a header field"))?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is no value of a header field"))?;
    Ok((name, value))
}

/// Runs a sub-command of `load`.
///
/// # Errors
/// See [`Failure`].
pub fn run(command: LoadCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Running(format!("no thread to run on: {error}")))?;
    match command {
        LoadCommand::Serve(options) => runtime.block_on(serve(&options)),
        LoadCommand::Ws(options) => runtime.block_on(load(options)),
    }
}

async fn serve(options: &ServeOptions) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Running(format!("{}: {error}", options.listen));
    let listener = tokio::net::TcpListener::bind(options.listen).await.map_err(failed)?;
    println!("listening on {}", listener.local_addr().map_err(failed)?);
    tokio::select! {
        () = probe::backend::serve(listener) => Ok(()),
        stopped = tokio::signal::ctrl_c() => stopped.map_err(failed),
    }
}

async fn load(options: LoadOptions) -> Result<(), Failure> {
    if options.url.protocol != Protocol::WebSocket {
        return Err(Failure::Usage("a WebSocket URL begins with ws: or wss:".to_owned()));
    }
    let plan = options.plan();
    let trust = tls::client_config(&Trust::System, &["http/1.1"]).map_err(Failure::Usage)?;
    let dialer = Dialer::new(&options.url, None, trust).await;
    let dialer = dialer.map_err(|failure| Failure::Running(failure.to_string()))?;
    let headers: HeaderMap = options.headers.iter().cloned().collect();
    let message = Message { opcode: Opcode::Text, payload: Bytes::from(vec![b'x'; options.size]) };
    let client = WebSocketClient::new(&options.url, dialer, &headers, message).map_err(Failure::Usage)?;
    let (mut tally, mut run) = (Tally::default(), Run { processes: 1, ..Run::default() });
    let stopped = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    probe::load::run(client, plan.clone(), stopped, |part| {
        run.elapsed = part.measured;
        run.open_max = run.open_max.max(part.open);
        tally.merge(part.tally);
    })
    .await;
    let report = Report::new(&options.url, &plan, &tally, run);
    let text = serde_json::to_string_pretty(&report).expect("a report is JSON");
    println!("{text}");
    Ok(())
}

impl LoadOptions {
    fn plan(&self) -> Plan {
        let has_limit = self.messages.is_some() || self.handshakes.is_some();
        let default_duration = (!has_limit).then_some(Duration::from_secs(10));
        Plan {
            connections: self.connections,
            ramp: self.ramp,
            work: match (self.push, self.rate) {
                (true, _) => Work::Push,
                (false, Some(rate)) => Work::EchoOpen(rate),
                (false, None) => Work::EchoClosed,
            },
            stop: Stop {
                duration: self.duration.or(default_duration),
                messages: self.messages,
                handshakes: self.handshakes,
            },
            warmup: self.warmup,
            timeout: self.timeout,
            messages_each: self.messages_each.or(self.handshakes.map(|_| 1)),
        }
    }
}
