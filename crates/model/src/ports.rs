//! What one shell asks of another, as small traits: implemented by the shell that knows, wired in the app.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::examination::{Asked, Denial, Examined};
use crate::finding::{Coverage, Doubt, Finding, Place};
use crate::host::HostFacts;
use crate::id::ConnectionId;
use crate::live::LiveConnection;
use crate::overview::Overview;
use crate::probe::{ProbeView, Refusal};
use crate::record::CloseRecord;
use crate::recording::Recording;
use crate::rules::GroupView;
use crate::series::{Labels, Sample, SeriesSource};
use crate::system::{Limit, Setting, SystemFacts};
use crate::time::WallTime;

/// The connections of the running gateway.
pub trait Connections: Send + Sync {
    /// Snapshot of every open connection, in no particular order; each is taken when it is asked for, so that not
    /// all of them need to be kept.
    fn live(&self) -> Box<dyn Iterator<Item = LiveConnection> + '_>;

    /// The closed connections that are still kept, newest first.
    fn closed(&self) -> Vec<Arc<CloseRecord>>;

    /// One open connection.
    fn live_one(&self, id: ConnectionId) -> Option<LiveConnection>;

    /// One closed connection that is still kept.
    fn closed_one(&self, id: ConnectionId) -> Option<Arc<CloseRecord>>;
}

/// What flight recorders have kept.
pub trait Recordings: Send + Sync {
    /// The recording of a connection that is open, or closed and still kept.
    fn recording(&self, id: ConnectionId) -> Option<Recording>;
}

/// Text form of the exported metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFormat {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

/// The exported metrics.
pub trait Metrics: Send + Sync {
    /// All families as they stand now.
    fn expose(&self, format: MetricsFormat) -> String;
}

/// The running process, as its operator sees it.
pub trait Operations: Send + Sync {
    /// Reads the configuration again and takes it over as a whole, or not at all.
    ///
    /// # Errors
    /// What is wrong with the new configuration; the old one stays in force.
    fn reload(&self) -> Result<(), String>;

    /// Whether new connections are accepted.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), String>;

    /// Whether history comes to the disk, if it is to.
    ///
    /// # Errors
    /// Why not.
    fn history(&self) -> Result<(), String>;
}

/// What came of samples that another program sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Samples that were taken.
    pub taken: u64,
    /// Samples of an instant that their series has already, with the same value as far as is known.
    pub duplicate: u64,
    /// Samples of an instant that their series has already with another value.
    pub conflicting: u64,
    /// Samples that are older than the newest one of their series.
    pub out_of_order: u64,
    /// Samples of series beyond the bound.
    pub series_max: u64,
    /// Samples whose labels are too long, or whose time is out of bounds.
    pub invalid: u64,
}

/// The series that are kept.
pub trait History: SeriesSource {
    /// Takes samples. Does not wait for the disk.
    fn receive(&self, samples: &[(Labels, Sample)]) -> Received;

    /// Whether so much waits to be written that senders should come again later.
    fn is_behind(&self) -> bool;
}

/// A question of Prometheus' HTTP API for another engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its path, such as `/api/v1/query`.
    pub path: String,
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

/// What an engine answered, in the form of Prometheus' HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineAnswer {
    /// Status of HTTP: 200, or what Prometheus has for its errors.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
}

/// Why an engine gave no answer, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// It cannot be asked, or what it answered is no answer.
    Unavailable(String),
    /// It took too long.
    Timeout(String),
}

/// The answer of an engine, some time.
pub type Answering = Pin<Box<dyn Future<Output = Result<EngineAnswer, EngineError>> + Send>>;

/// Another engine that answers queries in place of this one.
pub trait QueryEngine: Send + Sync {
    /// Passes a question on.
    fn ask(&self, question: Question) -> Answering;
}

/// Looks at the running gateway.
pub trait Overviews: Send + Sync {
    /// One look, with counts and trend over the last `window`.
    fn overview(&self, window: Duration) -> Overview;
}

/// Looks at rules and alerts.
pub trait Rules: Send + Sync {
    /// All groups with their rules and alerts, as the last evaluation of each left them.
    fn groups(&self) -> Vec<Arc<GroupView>>;
}

/// Looks at the machines beneath the connections.
pub trait Hosts: Send + Sync {
    /// What is known now.
    fn host(&self) -> HostFacts;
}

/// The process as its operator sees it.
pub trait Workings: Send + Sync {
    /// What there is only so much of. Looks at all open connections.
    fn limits(&self) -> Vec<Limit>;

    /// What it keeps and what it sends to.
    fn system(&self) -> SystemFacts;

    /// The configuration in force, without what is secret. May read the configuration file.
    fn settings(&self) -> Vec<Setting>;
}

/// What explains the ends of connections.
pub trait Findings: Send + Sync {
    /// Findings that go on, surest first.
    fn active(&self) -> Vec<Finding>;

    /// Findings that are over and still kept, newest first.
    fn over(&self) -> Vec<Finding>;

    /// How much of what ended lately has a cause.
    fn coverage(&self) -> Coverage;

    /// Somebody says that findings of a cause that go on are wrong, on a route and at a place where these are given;
    /// none takes that back. Says how many there are.
    fn doubt(&self, id: &str, route: Option<&str>, place: Option<Place>, doubt: Option<Doubt>) -> usize;

    /// Somebody tells what was done at that time: a `kind` such as `deploy` or `reload`, and to what.
    fn told(&self, kind: &str, subject: &str, at: WallTime);
}

/// Scheduled probes.
pub trait Probes: Send + Sync {
    /// All of them, in the order of the configuration.
    fn probes(&self) -> Vec<ProbeView>;

    /// Somebody asks for a run at once, with long and hard experiments or without.
    ///
    /// # Errors
    /// It does not begin.
    fn run(&self, probe: &str, is_deep: bool) -> Result<(), Refusal>;
}

/// Examinations of services that somebody asks for, one at a time.
pub trait Examinations: Send + Sync {
    /// Puts one behind those that wait; says its name.
    ///
    /// # Errors
    /// It will not begin.
    fn examine(&self, asked: &Asked) -> Result<String, Denial>;

    /// One that waits, runs, or is over and still kept.
    fn examination(&self, id: &str) -> Option<Examined>;
}
