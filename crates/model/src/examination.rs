//! Examinations that somebody asks a running gateway for: what is asked, how far one is, and what it came to.

use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::probe::{Outcome, ProbeStage};
use crate::time::WallTime;
use crate::words;

/// What is to be examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// URL of the service: `ws:`, `wss:`, `http:`, `https:`, `grpc:` or `grpcs:`.
    pub target: String,
    /// `HOST:PORT` or URL of the service behind it, to compare with.
    pub upstream: Option<String>,
    /// Leave out what could find limits the hard way.
    pub is_safe: bool,
}

/// Why an examination does not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// What was asked cannot be examined, and why, for people to read.
    Wrong(String),
    /// So many wait that no other one may.
    Busy,
}

words! {
    /// How far an examination is.
    JobState {
        /// Others come first.
        Waiting = "waiting",
        /// It is under way.
        Running = "running",
        /// It is over, and its report is there.
        Over = "over",
        /// It broke off, and there is no report.
        Failed = "failed",
    }
}

words! {
    /// What can be checked, each by its name in `--checks`.
    Check {
        /// From the name to the first message: always done.
        Handshake = "handshake",
        /// The same request with other `Origin` fields, or none.
        Origin = "origin",
        /// The same request with another `Host`, and TLS with another server name.
        Host = "host",
        /// The same request without the credentials that were given.
        Credentials = "credentials",
        /// Paths beside the given one.
        Path = "path",
        /// Other versions of HTTP: ALPN, HTTP/1.0, extended CONNECT, lower-case field names.
        Http = "http",
        /// With and without permessage-deflate, or `Accept-Encoding`.
        Compression = "deflate",
        /// Several connections at once.
        Concurrency = "concurrency",
        /// Silence, with and without heartbeat; and how long a busy connection may live.
        Idle = "idle",
        /// Messages of growing size, then the exact limit.
        Size = "size",
        /// One message in several frames.
        Fragments = "fragments",
        /// Round trips of small messages, and of Pings.
        Latency = "latency",
        /// Whether events come when they are made, or are held.
        Flush = "flush",
        /// Frequent PING frames of HTTP/2.
        Keepalive = "keepalive",
        /// Calls with and without a deadline.
        Deadline = "deadline",
    }
}

/// One examination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Job {
    /// Its name.
    pub id: String,
    /// What is examined, without query.
    pub target: String,
    /// The service behind it, `HOST:PORT`.
    pub upstream: Option<String>,
    /// Without what could find limits the hard way.
    pub is_safe: bool,
    /// When it was asked for.
    pub asked_at: WallTime,
    /// How far it is.
    pub state: JobState,
    /// Examinations that come before it.
    pub ahead: usize,
    /// How long it has been under way, seconds.
    pub seconds: f64,
    /// After how long it is judged by what was seen until then, seconds.
    pub limit_seconds: f64,
    /// Checks that were begun, in that order.
    pub steps: Vec<Step>,
    /// Stages of the plain opening, in their order; the last one may have failed.
    pub stages: Vec<ProbeStage>,
    /// What it came to.
    pub outcome: Option<Outcome>,
    /// The time was over before all was measured.
    pub is_cut: bool,
}

/// One check of an examination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Step {
    /// Which.
    pub check: Check,
    /// When it began, seconds after the examination did.
    pub began_seconds: f64,
    /// When it was last under way, the same; while [`Step::is_running`] it is not over.
    pub until_seconds: f64,
    /// It is under way.
    pub is_running: bool,
}

/// An examination with what explains what it saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// How far it is.
    pub job: Job,
    /// Findings, surest first; empty until it is over.
    pub findings: Vec<Finding>,
}
