//! The command line of `heartline load`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use gateway::config::ByteSize;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use probe::load::fail_if::Condition;
use probe::load::schedule::Rate;
use probe::load::{Plan, Share, Stop, Work};
use probe::target::Target;
use probe::tls::Trust;

/// Time that a run takes when nothing else ends it.
const DURATION: Duration = Duration::from_secs(10);

/// Largest message to send.
const SIZE_MAX: u64 = 64 << 20;

/// The sub-commands of `load`.
#[derive(Clone, Debug, Subcommand)]
pub enum LoadCommand {
    /// Load a WebSocket service: one that echoes, or with --push one that sends by itself.
    #[command(after_help = WS_EXAMPLES)]
    Ws {
        /// What, how much and until when.
        #[command(flatten)]
        load: LoadOptions,
        /// What is sent.
        #[command(flatten)]
        sending: SendingOptions,
    },
    /// Load a service of server-sent events with subscribers, and measure how late the events are.
    #[command(after_help = SSE_EXAMPLES)]
    Sse {
        /// What, how much and until when.
        #[command(flatten)]
        load: LoadOptions,
        /// Speak HTTP/2, with prior knowledge when the URL is http:.
        #[arg(long)]
        http2: bool,
        /// How streams share connections.
        #[command(flatten)]
        streams: StreamsOptions,
    },
    /// Load a gRPC method with streams: one that echoes, or with --push a server-streaming one.
    #[command(after_help = GRPC_EXAMPLES)]
    Grpc {
        /// What, how much and until when.
        #[command(flatten)]
        load: LoadOptions,
        /// What is sent.
        #[command(flatten)]
        sending: SendingOptions,
        /// How streams share connections.
        #[command(flatten)]
        streams: StreamsOptions,
    },
    /// Serve what load can aim at, as cheaply as it can be done: WebSocket and gRPC echo, events at a rate.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeOptions),
}

const WS_EXAMPLES: &str = "Closed and open loop:
  Without --rate each connection sends a message, waits for the answer, and sends the next one: this shows how much
  a service can do. A service that stalls gets less load then, and few messages see the stall. With --rate messages
  are sent when it is their time, and latency is measured from that time: this shows what users see.

Examples:
  heartline load ws ws://127.0.0.1:8000/chat -c 64 -d 30s          as fast as 64 users at a time can
  heartline load ws ws://127.0.0.1:8000/chat -c 500 --rate 5000/s --fail-if 'p99>50ms' --fail-if 'errors>0'
  heartline load ws wss://example.com/feed --push -c 5000 --ramp 500/s --warmup 15s -d 1m
  heartline load ws ws://127.0.0.1:8000/chat -c 16 --handshakes 10000     connect and leave, again and again";

const SSE_EXAMPLES: &str =
    "Events that say when they were made, such as `data: {\"ts\": 1790000000123}`, give the
time of their delivery: ts is the time since the Unix epoch in s, ms, us or ns, told apart by its digits.

Examples:
  heartline load sse http://127.0.0.1:8000/events -c 1000 --ramp 200/s --warmup 10s -d 1m
  heartline load sse https://example.com/events -c 10000 --http2 --streams 100 --fail-if 'delivery_p99>1s'";

const GRPC_EXAMPLES: &str = "Messages are bytes: no interface definition is needed. Without --message-file or
--message-hex it is one unknown field of --size bytes, which every Protocol Buffers message may have.

Examples:
  heartline load grpc grpc://127.0.0.1:8000/chat.Chat/Talk -c 50 -d 30s
  heartline load grpc grpcs://example.com/news.News/Watch --push --message-hex 0a0573706f7274 -c 200
  heartline load grpc grpc://127.0.0.1:8000/chat.Chat/Talk -c 50000 --streams 100 --rate 1000/s";

const SERVE_EXAMPLES: &str =
    "Any path will do: WebSockets and gRPC methods echo; at /push, and by gRPC methods
called Push, messages are sent; every other GET is an event stream. ?rate=20&size=256 changes what is sent.

Examples:
  heartline load serve --listen 127.0.0.1:9000
  heartline load ws ws://127.0.0.1:9000/
  heartline load sse 'http://127.0.0.1:9000/events?rate=20&size=256'
  heartline load grpc grpc://127.0.0.1:9000/load.Load/Echo";

/// What to load, with how many connections, until when.
#[derive(Args, Clone, Debug)]
pub struct LoadOptions {
    /// What to load: ws: or wss:; http: or https: for sse; grpc: or grpcs: with the method as path.
    pub url: Target,
    /// Connections that are open at a time; for gRPC, and for sse with --http2, streams.
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,
    /// How fast connections are opened, such as 500/s [default: as soon as possible, 256 handshakes at a time].
    #[arg(long, value_name = "N/s")]
    pub ramp: Option<Rate>,
    /// Stop so long after the warm-up [default: 10s without --messages and --handshakes].
    #[arg(short, long, value_name = "D", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Stop after so many messages; received ones, where none is sent.
    #[arg(long, value_name = "N")]
    pub messages: Option<u64>,
    /// Stop after so many handshakes.
    #[arg(long, value_name = "N")]
    pub handshakes: Option<u64>,
    /// Close each connection after so many messages and open another one [default: never; with --handshakes 0: at
    /// once].
    #[arg(long, value_name = "N")]
    pub messages_each: Option<u64>,
    /// Time from the start whose messages are not counted, so that all connections can be open before.
    #[arg(long, value_name = "D", default_value = "0s", value_parser = duration)]
    pub warmup: Duration,
    /// Longest time for a handshake, and for an answer.
    #[arg(long, value_name = "D", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// Header field of each handshake; can be given several times.
    #[arg(short = 'H', long = "header", value_name = "K: V", value_parser = header)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Exit with 1 when this holds, such as 'p99>50ms', 'errors>0', 'handshake_errors>1%' or 'delivery_p99>1s'; can
    /// be given several times. See docs/load.md for all names.
    #[arg(long, value_name = "CONDITION")]
    pub fail_if: Vec<Condition>,
    /// Form of the result.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Addresses to connect from, in turn: one has ports for some 28,000 connections [default: 127.0.0.0/28 when the
    /// service is on loopback, else what the system chooses].
    #[arg(long, value_name = "NETWORK")]
    pub source: Option<IpNet>,
    /// Authorities to trust, a PEM file, instead of those of this system.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub cacert: Option<PathBuf>,
    /// Trust any certificate.
    #[arg(long)]
    pub insecure: bool,
    /// Processes to make the load with, each on one core [default: as many as the limit of open files needs].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub processes: Option<u32>,
    /// Which part this process does, for its parent.
    #[arg(long, hide = true, value_name = "PART/PARTS", value_parser = share)]
    pub as_part: Option<Share>,
}

/// What is sent, and when.
#[derive(Args, Clone, Debug)]
pub struct SendingOptions {
    /// Messages a second of all connections together, sent whether or not answers have come (open loop). Without it
    /// each connection sends when its answer is there (closed loop).
    #[arg(long, value_name = "N/s")]
    pub rate: Option<Rate>,
    /// Size of a message, in bytes or such as 64KiB.
    #[arg(long, value_name = "BYTES", default_value = "128", value_parser = size)]
    pub size: usize,
    /// Send what is in this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["size", "message_hex"])]
    pub message_file: Option<PathBuf>,
    /// Send these bytes, in hexadecimal.
    #[arg(long, value_name = "HEX", conflicts_with = "size", value_parser = hex)]
    pub message_hex: Option<Hex>,
    /// Take what comes instead of expecting answers. A WebSocket sends nothing then, a gRPC call one message.
    #[arg(long, conflicts_with = "rate")]
    pub push: bool,
}

/// How streams share connections.
#[derive(Args, Clone, Debug)]
pub struct StreamsOptions {
    /// Streams of HTTP/2 on each connection.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub streams: u32,
}

/// Options of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeOptions {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
    /// Messages a second to each client that is sent any.
    #[arg(long, value_name = "N/s", default_value = "1/s")]
    pub rate: Rate,
    /// Size of what is sent, in bytes or such as 64KiB.
    #[arg(long, value_name = "BYTES", default_value = "128", value_parser = size)]
    pub size: usize,
}

/// Form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    Text,
    /// One JSON object.
    Json,
}

/// Bytes that were given in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl LoadOptions {
    /// What to do, of all processes together.
    pub fn plan(&self, work: Work) -> Plan {
        let has_limit = self.messages.is_some() || self.handshakes.is_some();
        Plan {
            connections: self.connections,
            ramp: self.ramp,
            work,
            stop: Stop {
                duration: self.duration.or((!has_limit).then_some(DURATION)),
                messages: self.messages,
                handshakes: self.handshakes,
            },
            warmup: self.warmup,
            timeout: self.timeout,
            messages_each: self.messages_each.or(self.handshakes.map(|_| 0)),
            share: Share::WHOLE,
        }
    }

    /// Whom to trust.
    pub fn trust(&self) -> Trust {
        match &self.cacert {
            _ if self.insecure => Trust::Anyone,
            Some(file) => Trust::File(file.clone()),
            None => Trust::System,
        }
    }
}

impl SendingOptions {
    /// What a session does.
    pub fn work(&self) -> Work {
        match self.rate {
            _ if self.push => Work::Push,
            Some(rate) => Work::EchoOpen(rate),
            None => Work::EchoClosed,
        }
    }

    /// The message, when it was given.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn message(&self) -> Result<Option<Vec<u8>>, String> {
        match (&self.message_file, &self.message_hex) {
            (Some(file), _) => {
                std::fs::read(file).map(Some).map_err(|error| format!("{}: {error}", file.display()))
            }
            (None, Some(Hex(bytes))) => Ok(Some(bytes.clone())),
            (None, None) => Ok(None),
        }
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
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

/// Bytes of a message, such as `64KiB`.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let bytes = text.parse().or_else(|_| text.parse().map(|ByteSize(bytes)| bytes))?;
    let fits = usize::try_from(bytes).ok().filter(|_| bytes <= SIZE_MAX);
    fits.ok_or_else(|| format!("a message has at most {} MiB", SIZE_MAX >> 20))
}

fn hex(text: &str) -> Result<Hex, String> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let pairs =
        digits.filter(|digits| digits.len() % 2 == 0).ok_or("bytes are pairs of hexadecimal digits")?;
    Ok(Hex(pairs.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()))
}

fn share(text: &str) -> Result<Share, String> {
    let parsed =
        text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    match parsed {
        Some((part, parts)) if part < parts => Ok(Share { part, parts }),
        _ => Err("a part is such as 0/2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text: &str, expected: Option<usize>| assert_eq!(size(text).ok(), expected, "{text}");
        check("0", Some(0));
        check("128", Some(128));
        check("64KiB", Some(65_536));
        check("64MiB", Some(1 << 26));
        check("65MiB", None);
        check("-1", None);
        check("1kb", None);
    }

    #[test]
    fn bytes() {
        let check = |text: &str, expected: Option<&[u8]>| {
            assert_eq!(hex(text).ok().map(|Hex(bytes)| bytes).as_deref(), expected, "{text}");
        };
        check("", Some(&[]));
        check("0a05fF", Some(&[10, 5, 255]));
        check("0a0", None);
        check("0x", None);
        check("öö", None);
    }

    #[test]
    fn fields() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let got = header(text).ok();
            let got = got.as_ref().map(|(name, value)| (name.as_str(), value.to_str().expect("text")));
            assert_eq!(got, expected, "{text}");
        };
        check("Authorization: Bearer x:y", Some(("authorization", "Bearer x:y")));
        check("X:", Some(("x", "")));
        check("no colon", None);
        check("b ad: x", None);
        check("x: a\nb", None);
    }
}
