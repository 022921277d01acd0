//! What a probe does, one connection at a time: a plain attempt, then attempts that differ from it in one thing.

pub use model::examination::Check;
use serde::{Deserialize, Serialize};

/// Where an attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// To the URL that was given, through whatever stands there.
    Url,
    /// Straight to the upstream (`--upstream`).
    Direct,
}

/// One attempt, before it is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// The check that it belongs to.
    pub check: Check,
    /// Where it goes.
    pub via: Via,
    /// In what it differs from the plain request; none for the plain one.
    pub vary: Option<Vary>,
    /// What is done once it is open.
    pub conduct: Conduct,
}

/// The one thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vary {
    /// No `Origin`.
    NoOrigin,
    /// This `Origin`.
    Origin(String),
    /// The fields `Authorization`, `Cookie` and the like that were given are left out.
    NoCredentials,
    /// This `Host`.
    Host(String),
    /// No server name in TLS (SNI).
    NoServerName,
    /// This path and query.
    Path(String),
    /// This offer in ALPN.
    Alpn(Alpn),
    /// A WebSocket over HTTP/2 (RFC 8441).
    ExtendedConnect,
    /// Field names in lower case.
    LowerCaseFields,
    /// permessage-deflate or `Accept-Encoding: gzip` is offered, or not.
    Compression(bool),
    /// No subprotocol is offered, or this one.
    Subprotocol(Option<String>),
    /// TLS to a port that the URL says is plain, or the reverse.
    OtherScheme,
    /// This long a deadline (`grpc-timeout`), in milliseconds; none for no deadline.
    DeadlineMs(Option<u64>),
    /// A plain GET without the fields of an upgrade.
    NoUpgrade,
    /// `Last-Event-ID` of the last event that was seen.
    LastEventId(String),
    /// The request is ended after its message, as a client of a server's stream ends it (gRPC).
    RequestEnded,
}

/// An offer in ALPN (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alpn {
    /// None at all.
    None,
    /// `http/1.1` alone.
    Http1,
    /// `h2` alone.
    Http2,
    /// `h2` before `http/1.1`, as browsers offer.
    Both,
}

/// What is done on an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conduct {
    /// Waits shortly for a first message, sends a small one and a Ping, waits for what comes, and closes.
    Greet,
    /// Holds the connection for at most `seconds`.
    Hold {
        /// How long at most.
        seconds: f64,
        /// A Ping (HTTP/2: PING) each so many seconds; none for none.
        ping_seconds: Option<f64>,
        /// A small message each so many seconds; none for none.
        message_seconds: Option<f64>,
    },
    /// Sends one message, and waits for its echo or for an end.
    Send {
        /// Bytes of its payload.
        bytes: u64,
        /// Frames that it is cut into, at least 1.
        frames: u32,
    },
    /// Sends small messages one after the other, and times each echo.
    Echo {
        /// How many.
        messages: u32,
        /// Pings as many beside.
        with_pings: bool,
    },
    /// Opens so many at once, and keeps each until all have an answer.
    Crowd {
        /// How many.
        connections: u32,
    },
    /// Reads what comes, for at most `seconds` or until `messages` have come.
    Listen {
        /// How long at most.
        seconds: f64,
        /// How many messages are enough.
        messages: u32,
    },
}
