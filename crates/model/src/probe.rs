//! What scheduled probes see: experiments of a client of our own, on a schedule, from where a user stands.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::WallTime;
use crate::words;
use crate::words::Protocol;

words! {
    /// Stages of an opening, in their order.
    StageName {
        /// The name is resolved.
        Dns = "dns",
        /// A TCP connection is made.
        Tcp = "tcp",
        /// TLS is agreed on.
        Tls = "tls",
        /// HTTP/2 is agreed on: both sides have sent SETTINGS.
        Http2 = "http2",
        /// The answer's head has come.
        Http = "http",
        /// The answer opens the stream that was asked for: status, fields and their values are valid.
        Upgrade = "upgrade",
        /// A first message has come, where one is expected.
        FirstMessage = "first_message",
    }
}

words! {
    /// Why a stage failed, in kinds.
    Fault {
        /// The name does not exist, or has no address (NXDOMAIN, NODATA).
        NoName = "no_name",
        /// The resolver did not answer or failed (SERVFAIL, timeout).
        Resolver = "resolver",
        /// RST in place of SYN-ACK: nobody listens, or a firewall rejects.
        Refused = "refused",
        /// No answer in time.
        Timeout = "timeout",
        /// ICMP says unreachable.
        Unreachable = "unreachable",
        /// The connection was reset.
        Reset = "reset",
        /// The peer ended the connection (FIN) without an answer.
        Ended = "ended",
        /// A TLS alert came.
        Alert = "alert",
        /// The certificate is not accepted; see the certificate that was shown.
        Certificate = "certificate",
        /// The first bytes are not of the protocol that was spoken.
        OtherProtocol = "other_protocol",
        /// The protocol agreed on in TLS (ALPN) is none of those offered, or none at all where one is needed.
        Alpn = "alpn",
        /// The answer is not what opens the stream: see its status and fields.
        Answer = "answer",
        /// The bytes break the protocol.
        Protocol = "protocol",
        /// This machine could not: no file, port or route left.
        Local = "local",
    }
}

words! {
    /// What an examination comes to.
    Outcome {
        /// No check found anything wrong.
        Healthy = "healthy",
        /// Something is wrong, and at least one finding says what.
        Problem = "problem",
        /// Something is wrong and no measurement tells what, or the time was over before all was measured.
        Inconclusive = "inconclusive",
        /// It could not be tested.
        CouldNotTest = "could_not_test",
    }
}

/// One probe: what it is told to do, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ProbeView {
    /// Its name.
    pub name: Arc<str>,
    /// What it examines, without query.
    pub url: Arc<str>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The route whose clients it stands for.
    pub route: Option<Arc<str>>,
    /// Time between two runs, seconds.
    pub every_seconds: f64,
    /// Time between two deep runs, seconds; none when there are none but those that are asked for.
    pub deep_every_seconds: Option<f64>,
    /// A run is under way.
    pub is_running: bool,
    /// The newest run.
    pub last: Option<Arc<ProbeRun>>,
    /// The newest runs, oldest first; at most 96.
    pub runs: Vec<ProbeCell>,
    /// Runs so far by what each came to, in the order of [`Outcome::ALL`](crate::Word::ALL).
    pub outcomes: [u64; 4],
    /// Runs that were left out, since one was under way or too many of other probes were.
    pub skipped: u64,
    /// Limits of the path that the newest deep run has found.
    pub limits: Option<PathLimits>,
}

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ProbeRun {
    /// When it began.
    pub at: WallTime,
    /// How long all its experiments took.
    pub seconds: f64,
    /// Long and hard experiments were among them.
    pub is_deep: bool,
    /// The stream opened and stayed open, and a call did not fail.
    pub is_success: bool,
    /// What it all came to.
    pub outcome: Outcome,
    /// Why nothing could be tested, when it is this machine's fault.
    pub error: Option<String>,
    /// Stages of the plain opening, in their order; the last one may have failed.
    pub stages: Vec<ProbeStage>,
    /// Status of its answer.
    pub status: Option<u16>,
    /// 4 or 6; none when nothing was connected to.
    pub ip_version: Option<u8>,
    /// Version of TLS, such as `1.3`.
    pub tls_version: Option<String>,
    /// Unix time in seconds at which the first certificate of the chain ends.
    pub certificate_ends_at: Option<f64>,
    /// Round trip of a Ping, or of PING of HTTP/2.
    pub ping_rtt_seconds: Option<f64>,
}

impl ProbeRun {
    /// How long the plain opening took, from the name to the open stream or the stage that failed.
    pub fn opening_seconds(&self) -> f64 {
        self.stages.iter().fold(0.0, |sum, stage| sum + stage.seconds)
    }

    /// How long a stage of it took; 0 when it was not reached, or not needed.
    pub fn stage_seconds(&self, name: StageName) -> f64 {
        self.stages.iter().find(|stage| stage.name == name).map_or(0.0, |stage| stage.seconds)
    }

    /// The same in short.
    pub fn cell(&self) -> ProbeCell {
        ProbeCell {
            at: self.at,
            is_success: self.is_success,
            is_deep: self.is_deep,
            outcome: self.outcome,
            opening_seconds: self.opening_seconds(),
        }
    }
}

/// A stage of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ProbeStage {
    /// Which.
    pub name: StageName,
    /// How long it took, or until it failed.
    pub seconds: f64,
    /// Why it failed; none when it did not.
    pub fault: Option<Fault>,
}

/// What is kept of a run that is not the newest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ProbeCell {
    /// When it began.
    pub at: WallTime,
    /// See [`ProbeRun::is_success`].
    pub is_success: bool,
    /// See [`ProbeRun::is_deep`].
    pub is_deep: bool,
    /// See [`ProbeRun::outcome`].
    pub outcome: Outcome,
    /// See [`ProbeRun::opening_seconds`].
    pub opening_seconds: f64,
}

/// What a path bears, as deep experiments have found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct PathLimits {
    /// The longest silence after which a connection was still there.
    pub silence_survived_seconds: Option<f64>,
    /// The silence after which connections were cut.
    pub silence_cut_seconds: Option<Bracket>,
    /// The largest message that passed.
    pub message_passed_bytes: Option<u64>,
    /// The smallest message that did not.
    pub message_failed_bytes: Option<u64>,
    /// Connections that were opened at once.
    pub connections_opened: Option<u64>,
    /// Connections of the same moment that were refused.
    pub connections_refused: Option<u64>,
}

/// Between the smallest and the largest of several measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Bracket {
    /// The smallest.
    pub from: f64,
    /// The largest.
    pub to: f64,
    /// How many there were.
    pub count: u32,
}

const _: () = assert!(<Outcome as crate::Word>::ALL.len() == 4, "a count for each in `ProbeView`");

/// Why a run that somebody asks for does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no probe of this name.
    Unknown,
    /// One is under way, or asked for already.
    Running,
}
