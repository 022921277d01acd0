//! The bodies of the API's answers that are not already types of [`model`].

use std::sync::Arc;

use diagnose::contrast::Difference;
use diagnose::text::Told;
use model::WallTime;
use model::examination::Job;
use model::filter::FilterError;
use model::finding::{Coverage, Level, Place};
use model::journal::LostConnection;
use model::live::LiveConnection;
use model::record::CloseRecord;
use model::{ConnectionId, Protocol};
use serde::{Deserialize, Serialize};

/// A list, cut to what was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct List<T> {
    /// When it was taken.
    pub as_of: WallTime,
    /// The items asked for, in the order asked for.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: usize,
}

/// Closed connections of a range of time, newest first, from the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalList {
    /// When it was taken.
    pub as_of: WallTime,
    /// Close records.
    pub items: Vec<Arc<CloseRecord>>,
    /// Connections of the same range that were lost with a process that was killed.
    pub lost: Vec<LostConnection>,
    /// How many there are in all, as far as they were counted.
    pub total: u64,
    /// False when there are more, or may be.
    pub total_is_exact: bool,
    /// What to give as `after` to go on; none when there is no more.
    pub next: Option<String>,
    /// False when time ran out before the page was full.
    pub is_complete: bool,
}

/// A part of a list that stays as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ViewPage {
    /// Name of the view, to ask for other parts of it; another one than was asked for when that is kept no more.
    pub view: String,
    /// When the view was made.
    pub as_of: WallTime,
    /// How many rows it has.
    pub total: usize,
    /// False when it was made of the newest connections of the times asked for, and there are more.
    pub is_complete: bool,
    /// What is known now of the rows asked for; none of a connection whose record is no longer kept.
    pub items: Vec<Option<ConnectionView>>,
}

/// What the connections that a filter takes have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Facets {
    /// When they were counted.
    pub as_of: WallTime,
    /// How many the filter takes.
    pub total: usize,
    /// How many of them opened (of closed ones: closed) after the instant asked for.
    pub newer: usize,
    /// What was counted.
    pub facets: Vec<Facet>,
}

/// The values of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Facet {
    /// Key of a filter.
    pub key: String,
    /// The most frequent values, most frequent first.
    pub values: Vec<FacetValue>,
    /// How many connections have other values.
    pub others: usize,
}

/// Connections with one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// How many have it.
    pub count: usize,
}

/// One connection, open or ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub enum ConnectionView {
    /// It is open.
    Live {
        /// Its snapshot.
        live: Box<LiveConnection>,
    },
    /// It has ended.
    Closed {
        /// Its close record.
        closed: Arc<CloseRecord>,
        /// The findings that explain its end, surest first.
        #[serde(default)]
        findings: Vec<Explanation>,
    },
}

/// A finding that explains the end of one connection, in the language of the reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Explanation {
    /// Name of its cause, as in `/api/v1/findings/{id}`.
    pub id: String,
    /// Its cause's number, such as `HL-101`.
    pub code: String,
    /// One line.
    pub title: String,
    /// How sure it is.
    pub level: Level,
    /// The same from 0 to 1.
    pub confidence: f64,
}

/// Findings, and how much they explain.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct FindingList {
    /// Those asked for: what goes on, surest first, then what is over, newest first.
    pub items: Vec<Told>,
    /// How many they are.
    pub total: usize,
    /// How much of what ended lately has a cause.
    pub coverage: Coverage,
}

/// An examination that somebody asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct JobView {
    /// How far it is.
    #[serde(flatten)]
    pub job: Job,
    /// What explains what it saw, surest first; empty until it is over.
    pub findings: Vec<Told>,
}

/// Body of `POST /api/v1/diagnose`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Examine {
    /// URL of the service: `ws:`, `wss:`, `http:`, `https:`, `grpc:` or `grpcs:`.
    pub target: String,
    /// `HOST:PORT` or URL of the service behind it, to compare with.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub upstream: Option<String>,
    /// Leave out what could find limits the hard way: large messages, many connections, frequent PINGs.
    #[serde(default)]
    pub safe: bool,
    /// Language of the report that the answer leads to, such as `zh-CN`; else that of the request.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub lang: Option<String>,
}

/// Body of `POST /api/v1/findings/{id}/feedback`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Feedback {
    /// Whether the finding is wrong; false takes that back.
    pub wrong: bool,
    /// Why.
    #[serde(default)]
    pub note: String,
    /// Route of the finding; all of the cause when left out.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub route: Option<String>,
    /// Its place; all when left out.
    #[serde(default, rename = "where")]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub place: Option<Place>,
}

/// What sets the connections of a window apart from those of the time before.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Explained {
    /// Beginning of the window, and end of the time before.
    pub from: WallTime,
    /// End of the window.
    pub to: WallTime,
    /// Beginning of the time before.
    pub baseline_from: WallTime,
    /// False when no journal is kept: then only the newest ends are known, those in memory.
    pub is_kept: bool,
    /// Connections that ended.
    pub ends: Contrast,
    /// Connections that opened and attempts that failed, by when they began.
    pub openings: Contrast,
    /// Findings that went on in the window.
    pub findings: Vec<Told>,
}

/// Connections of a window against those of the time before.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Contrast {
    /// Connections of the window that were counted.
    pub count: u64,
    /// Connections of the time before that were counted.
    pub count_before: u64,
    /// False when reading ended at its limit or its time: the newest of the window were counted.
    pub is_complete: bool,
    /// The same of the time before.
    pub baseline_is_complete: bool,
    /// Values that were left out because there were too many of one kind, once for each connection that has one.
    pub unlisted: u64,
    /// What became frequent or rare, the greatest difference first.
    pub differences: Vec<Difference>,
}

/// What the gateway says of itself before anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// When the process started.
    pub started_at: WallTime,
    /// Whether a token is needed.
    pub auth: Auth,
}

/// Whether the API asks for a token, and whether this request gave one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Auth {
    /// A token is configured.
    pub required: bool,
    /// The request has the token or a session, or none is needed.
    pub authenticated: bool,
}

/// Body of `POST /api/v1/login`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Login {
    /// The admin token.
    pub token: String,
}

/// Body of every answer of the API that is no success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong, for a program, for a person, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ErrorDetail {
    /// One word for programs, such as `bad_query`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The mistake in a filter, to be told in another language.
    pub filter: Option<Box<FilterError>>,
}

/// A route that can be tried from the dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TryoutRoute {
    /// Its name.
    pub name: String,
    /// The host that it takes, such as `*.example.com`; any without one.
    pub host: Option<String>,
    /// The prefix of the paths that it takes; any without one.
    pub path: Option<String>,
}

/// What can be tried, and what was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TryoutList {
    /// The routes, in the order in which they are asked.
    pub routes: Vec<TryoutRoute>,
    /// Connections that are open by the dashboard.
    pub open: usize,
    /// How many there may be.
    pub limit: usize,
    /// How many were refused for want of room, since the start.
    pub refused: u64,
    /// When each is cut, seconds after its opening.
    pub seconds: u64,
}

/// A route is to be tried from a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct TryRoute {
    /// What is to be opened: a WebSocket or an event stream.
    pub protocol: Protocol,
    /// `Host` of the request, with or without port.
    pub host: String,
    /// Path of the request, with its query.
    pub path: String,
    /// `Origin` of the request; without one none is sent.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub origin: Option<String>,
}

/// A route that is tried from a browser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TryoutView {
    /// Its name: who knows it may connect.
    pub id: String,
    /// What was asked for.
    pub asked: TryRoute,
    /// The route that takes it.
    pub route: Arc<str>,
    /// When it was asked for; connections may be opened for as long as each may last.
    pub at: WallTime,
    /// Its connections, oldest first: an `EventSource` opens one after the other.
    pub connections: Vec<TryoutConnection>,
}

/// One connection of a route that is tried: what the browser got from the gateway, which scripts are not told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TryoutConnection {
    /// Its name: that of its record.
    pub id: ConnectionId,
    /// When it was asked for.
    pub at: WallTime,
    /// From then to the head of the gateway's answer, seconds; none without one.
    pub seconds: Option<f64>,
    /// Status of the answer.
    pub status: Option<u16>,
    /// `Content-Type` of the answer.
    pub content_type: Option<String>,
    /// `Sec-WebSocket-Protocol` of the answer.
    pub subprotocol: Option<String>,
    /// `Sec-WebSocket-Extensions` of the answer.
    pub extensions: Option<String>,
    /// The beginning of an answer that is not what was asked for.
    pub body: Option<String>,
    /// Why there is no answer, in words.
    pub error: Option<String>,
    /// It is open.
    pub is_open: bool,
    /// It was cut: its time was over, or the gateway stopped.
    pub is_cut: bool,
}
