//! What came of an attempt: facts alone, as the probe saw them. Times are seconds, `at` from the start of the
//! attempt.

use model::event::{CloseCode, FrameViolation};
use model::tcp::TcpSample;
use model::words::{Http2Error, Opcode};
use serde::{Deserialize, Serialize};

pub use model::probe::{Fault, StageName};

use crate::experiment::Experiment;
use crate::holds::Manner;

/// One attempt and what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// What was done.
    pub experiment: Experiment,
    /// When it began: seconds after the first attempt.
    pub began: f64,
    /// The stages that were reached, in their order; the last one may have failed.
    pub stages: Vec<Stage>,
    /// Address that was connected to.
    pub peer: Option<String>,
    /// What TLS showed.
    pub tls: Option<Tls>,
    /// The head of the answer.
    pub answer: Option<Answer>,
    /// What an open stream did; none when it did not open.
    pub stream: Option<Stream>,
    /// The kernel's numbers at the end of it (tcp(7), TCP_INFO).
    pub tcp: Option<TcpSample>,
    /// For [`crate::experiment::Conduct::Crowd`]: what came of each of its connections, in the order of their
    /// openings.
    pub crowd: Vec<Attempt>,
}

/// A stage of an opening.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Which.
    pub name: StageName,
    /// How long it took, or until it failed.
    pub seconds: f64,
    /// Why it failed; none when it did not.
    pub fault: Option<Fault>,
    /// What the failing library or peer said; empty when there is nothing to say.
    pub detail: String,
}

/// What TLS showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tls {
    /// Version, such as `1.3`.
    pub version: Option<String>,
    /// Protocol that the server chose (ALPN).
    pub alpn: Option<String>,
    /// Name of the alert that came.
    pub alert: Option<String>,
    /// The certificate that was shown.
    pub certificate: Option<Certificate>,
}

/// The certificate that a server showed, and what verifying it said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Names that it is for.
    pub names: Vec<String>,
    /// Who issued it.
    pub issuer: String,
    /// Seconds until it ends; negative when it has.
    pub ends_in_seconds: f64,
    /// Unix time in seconds at which the first of those that came with it ends, itself included.
    #[serde(default)]
    pub chain_ends_at: f64,
    /// Seconds since it began; negative when it has not.
    pub began_seconds_ago: f64,
    /// Certificates that came with it, itself included.
    pub chain: u32,
    /// It signed itself.
    pub is_self_signed: bool,
    /// The name of the URL is one of its names.
    pub is_for_name: bool,
    /// What verifying said; none when all is well.
    pub refused: Option<String>,
}

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// `1.0`, `1.1` or `2`.
    pub version: String,
    /// Status.
    pub status: u16,
    /// Fields in their order, names in lower case; at most 64, values cut to 512 bytes.
    pub fields: Vec<(String, String)>,
    /// From the request sent to the head complete.
    pub seconds: f64,
    /// The beginning of the body of an answer that opens no stream: at most 512 bytes of printable text.
    pub body: String,
    /// `Sec-WebSocket-Accept` is that of the key (RFC 6455, section 4.2.2); none when there is none.
    pub is_accept_right: Option<bool>,
    /// The server's SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441); none when it was not sent.
    pub connect_protocol: Option<bool>,
    /// Streams that the server allows at once on a connection (SETTINGS_MAX_CONCURRENT_STREAMS); none when it does not say.
    #[serde(default)]
    pub streams_max: Option<u64>,
}

impl Answer {
    /// The first value of a field, by its name in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The media type without parameters, in lower case; empty when none is told.
    pub fn media_type(&self) -> String {
        let value = self.field("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The answer looks like the page of a proxy or balancer rather than like an application's: the product that it
    /// names, such as `nginx`.
    pub fn proxy(&self) -> Option<&str> {
        const PRODUCTS: [&str; 8] =
            ["nginx", "openresty", "haproxy", "envoy", "caddy", "cloudflare", "awselb", "traefik"];
        let server = self.field("server").unwrap_or_default().to_ascii_lowercase();
        let via = self.field("via").unwrap_or_default().to_ascii_lowercase();
        let body = self.body.to_ascii_lowercase();
        PRODUCTS.into_iter().find(|product| {
            server.contains(product) || via.contains(product) || body.contains(&format!("<center>{product}"))
        })
    }
}

/// What an open stream did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// Messages that came; only the first 256 are kept.
    pub messages: Vec<Message>,
    /// All messages that came.
    pub messages_seen: u64,
    /// Bytes of the stream that came.
    pub bytes_seen: u64,
    /// Messages that the probe sent, when.
    pub sent: Vec<f64>,
    /// Messages that came back changed.
    pub altered: u64,
    /// Of these, texts with characters beyond ASCII.
    #[serde(default)]
    pub altered_wide: u64,
    /// Texts that came with a replacement character (U+FFFD): somebody before had read their bytes in a wrong way.
    #[serde(default)]
    pub replaced: u64,
    /// Messages that came and that no client can read: compressed in a way that was not told, or not to be inflated, or
    /// with a flag that gRPC does not know.
    #[serde(default)]
    pub unreadable: u64,
    /// The end came inside a message, an event or a chunk: what came of it is not delivered.
    #[serde(default)]
    pub is_end_inside: bool,
    /// Messages that came once more, byte for byte, after their echo.
    pub repeated: u64,
    /// Small messages that were sent together, and what came back of them; none when there were none.
    #[serde(default)]
    pub burst: Option<Burst>,
    /// Reads of a body that is not coded, in their order; only the first 256 are kept.
    #[serde(default)]
    pub reads: Vec<BodyRead>,
    /// The longest time in which the peer took nothing of what was to be sent.
    pub stalled: f64,
    /// Bytes that HTTP/2's flow control still held back at the end (RFC 9113, section 5.2).
    pub unsent: u64,
    /// Echoes: round trip of each message that came back unchanged; none for one that did not.
    pub echoes: Vec<Option<f64>>,
    /// Round trip of each Ping; none for one without answer.
    pub pings: Vec<Option<f64>>,
    /// When the answers to its Pings came, in the order of those in `pings`; empty where that is not kept (HTTP/2).
    #[serde(default)]
    pub pongs: Vec<f64>,
    /// Pings that the server sent, when.
    pub server_pings: Vec<f64>,
    /// Comment lines of an event stream that came, when.
    pub comments: Vec<f64>,
    /// Ids of its events that came, in their order, cut to 64 characters.
    pub ids: Vec<String>,
    /// Milliseconds after which it tells clients to come back (`retry`); none when it does not.
    pub retry_ms: Option<u64>,
    /// Blocks of an event stream that never ended with an empty line, or had no `data`.
    pub malformed: u64,
    /// Lines of an event stream that are neither a field nor a comment, which clients ignore.
    pub ignored_lines: u64,
    /// What broke the protocol, and the byte of the stream where.
    pub violations: Vec<(FrameViolation, u64)>,
    /// How it ended.
    pub end: Option<End>,
    /// The probe's Close was answered within a second, by a Close or by the end of the connection; none when it sent
    /// none.
    pub is_close_answered: Option<bool>,
    /// What came of a Ping after a silence that the probe ended; none when there was none.
    pub woken: Option<Woken>,
    /// A small message behind that Ping came back; none when none was sent.
    #[serde(default)]
    pub woken_echo: Option<bool>,
    /// Status of a gRPC call.
    pub grpc: Option<GrpcEnd>,
}

/// A message that came: a WebSocket message, an event, a gRPC message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// When its last byte was read.
    pub at: f64,
    /// Which read it was complete with: messages of one read have the same number.
    pub read: u64,
    /// Bytes of its payload.
    pub bytes: u64,
    /// Kind of a WebSocket message.
    pub opcode: Option<Opcode>,
    /// Frames that it came in.
    pub frames: u32,
    /// The time of its making that it carries, in seconds after the start of the attempt by the producer's clock; none
    /// when it carries none.
    pub made_at: Option<f64>,
    /// Its event has an `id`.
    pub has_id: bool,
    /// The byte from which on a text is no UTF-8 (RFC 6455, section 5.6); none when it is valid, or cannot be judged.
    pub broken_at: Option<u64>,
    /// The first whole numbers in its text, at most four, of at most 15 digits each.
    #[serde(default)]
    pub numbers: Vec<u64>,
}

/// Messages that were sent together, without waiting for the echo of each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Burst {
    /// How many.
    pub sent: u32,
    /// Numbers of those that came back, from 0 in the order of sending, in the order of coming; only the first 64 are
    /// kept.
    pub came: Vec<u32>,
}

impl Burst {
    /// Messages that came, each for the first time, before one that was sent before them.
    pub fn overtaking(&self) -> usize {
        let mut known = std::collections::BTreeSet::new();
        let first: Vec<u32> = self.came.iter().copied().filter(|number| known.insert(*number)).collect();
        let is_early = |(index, number): (usize, &u32)| first[index..].iter().any(|later| later < number);
        first.iter().enumerate().filter(|pair| is_early(*pair)).count()
    }

    /// Messages that came once more.
    pub fn repeated(&self) -> usize {
        self.came.len() - self.came.iter().collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// One read of a body.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BodyRead {
    /// When.
    pub at: f64,
    /// Bytes of content up to its end.
    pub offset: u64,
    /// Bytes of the body up to its end as it is framed, chunk heads included.
    pub framed: u64,
    /// It ended inside an event.
    pub is_inside: bool,
}

/// What came of a Ping that was sent on a stream that had been silent for long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Woken {
    /// Its Pong, after so many seconds.
    Answered(f64),
    /// Nothing within a few seconds.
    Unanswered,
    /// The end of the stream.
    Ended(Sign),
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub at: f64,
    /// How long it had been open.
    pub age: f64,
    /// Since the last byte in either direction before it.
    pub silence: f64,
    /// The probe ended it; what it would have done later is not known.
    pub is_ours: bool,
    /// What was seen.
    pub sign: Sign,
}

/// What is seen of an end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// A Close frame, with its code and the beginning of its reason (at most 123 bytes).
    Close(Option<CloseCode>, String),
    /// FIN without a word before it.
    Fin,
    /// RST.
    Rst,
    /// The kernel gave up.
    TcpTimeout,
    /// The body ended as announced (chunked: its last chunk; HTTP/2: END_STREAM).
    BodyEnd,
    /// The connection ended inside the body.
    BodyCut,
    /// RST_STREAM.
    RstStream(Http2Error),
    /// GOAWAY, with the beginning of its debug data.
    GoAway(Http2Error, String),
    /// TLS failed.
    Tls(String),
    /// What came is no HTTP/2, so that nobody could go on.
    Broken(String),
}

/// What a gRPC call ended with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrpcEnd {
    /// Number of the status; none when no trailers came.
    pub code: Option<u32>,
    /// The message beside it.
    pub message: String,
}

impl Attempt {
    /// Leaves out texts that the service wrote.
    pub(crate) fn leave_out_texts(&mut self) {
        // What failed may have been quoted.
        self.stages.iter_mut().for_each(|stage| stage.detail.clear());
        if let Some(answer) = &mut self.answer {
            answer.body.clear();
        }
        if let Some(stream) = &mut self.stream {
            if let Some(grpc) = &mut stream.grpc {
                grpc.message.clear();
            }
            if let Some(End { sign: Sign::Close(_, text) | Sign::GoAway(_, text), .. }) = &mut stream.end {
                text.clear();
            }
        }
        self.crowd.iter_mut().for_each(Attempt::leave_out_texts);
    }

    /// The stage at which it failed.
    pub fn failed(&self) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.fault.is_some())
    }

    /// A stage that was reached.
    pub fn stage(&self, name: StageName) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// The stream was opened.
    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// It came to something; one that the probe itself broke off did not.
    pub fn is_over(&self) -> bool {
        self.is_open() || self.answer.is_some() || self.failed().is_some()
    }

    /// Status of the answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }

    /// How the peer ended the stream; none when it is open still, or the probe ended it.
    pub fn peer_end(&self) -> Option<&End> {
        self.stream.as_ref()?.end.as_ref().filter(|end| !end.is_ours)
    }

    /// The stream was opened, and the peer did not end it, or as announced: a call that is done.
    pub fn is_well(&self) -> bool {
        let is_done = |end: &End| Manner::of(self, end) == Manner::Announced;
        self.is_open() && self.peer_end().is_none_or(is_done)
    }

    /// Its stream, when its frames keep their borders: behind a breach anything may look like a message or a Ping.
    pub fn intact(&self) -> Option<&Stream> {
        self.stream.as_ref().filter(|stream| stream.violations.is_empty())
    }

    /// Messages that the probe sent while the stream was open, when.
    pub fn sent_while_open(&self) -> &[f64] {
        let Some(stream) = &self.stream else { return &[] };
        let ended = stream.end.as_ref().map_or(f64::INFINITY, |end| end.at);
        &stream.sent[..stream.sent.partition_point(|sent| *sent < ended)]
    }

    /// How long the open stream was seen to live, whoever ended it.
    pub fn lived(&self) -> f64 {
        self.stream.as_ref().and_then(|stream| stream.end.as_ref()).map_or(0.0, |end| end.age)
    }
}
