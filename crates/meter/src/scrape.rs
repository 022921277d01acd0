//! What only others know at the moment of a scrape.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::host::{HostFacts, ProcessFacts};
use model::overview::PerProtocol;
use model::probe::ProbeRun;
use model::{Country, Initiator, Moment, PerDirection, PerLeg, Protocol, Reason, WallTime};

use crate::cells::Observed;

/// Handed in at each scrape.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// Now, to measure with.
    pub now: Moment,
    /// The routes, in the order of the configuration.
    pub routes: Vec<RouteLive>,
    /// Open connections by country; none without a database of countries.
    pub countries: Option<Countries>,
    /// Certificates in use.
    pub certificates: Vec<Certificate>,
    /// What the operating system says of the process.
    pub process: ProcessFacts,
    /// The machines beneath the connections.
    pub host: Option<Arc<HostFacts>>,
    /// Close records that the access log has dropped.
    pub access_log_dropped: u64,
    /// What is kept.
    pub store: StoreFacts,
    /// Groups of rules.
    pub rules: Vec<RuleGroupFacts>,
    /// Whether the last reload of the configuration was taken over; none without a file.
    pub reloaded: Option<bool>,
    /// Engines elsewhere that samples are sent to.
    pub remotes: Vec<RemoteFacts>,
    /// Limits that several gateways hold together; none without.
    pub shared_limits: Option<SharedLimitsFacts>,
    /// What people are told.
    pub notifications: NotificationFacts,
    /// What explains the ends of connections.
    pub findings: FindingFacts,
    /// Scheduled probes.
    pub probes: Vec<ProbeFacts>,
    /// Checks that somebody asked for and that did not begin, since as many waited as may.
    pub diagnose_refused: u64,
    /// Alertmanagers elsewhere that alerts of rules are sent to.
    pub alertmanagers: Vec<AlertmanagerFacts>,
    /// The engine elsewhere that answers queries.
    pub query_engine: Option<QueryEngineFacts>,
    /// Memory that flight recorders take.
    pub recorder_bytes: u64,
    /// How often a connection was not, or no longer, recorded for want of memory.
    pub recorder_refused: u64,
    /// Observers that have panicked.
    pub observers_failed: u64,
    /// Closes that were forgotten before they could tell a reconnect.
    pub reconnect_closes_dropped: u64,
}

/// Open connections by the client's country, none where it is not known.
pub type Countries = BTreeMap<Option<Country>, PerProtocol<u64>>;

/// What is alive on one route.
#[derive(Clone, Debug, Default)]
pub struct RouteLive {
    /// Its name.
    pub name: Arc<str>,
    /// WebSocket connections.
    pub websocket: Census,
    /// Event streams.
    pub sse: Census,
    /// gRPC streams.
    pub grpc: Census,
    /// Start of the oldest open WebSocket connection.
    pub websocket_oldest_start: Option<WallTime>,
    /// What waits of WebSocket connections.
    pub backlog: PerDirection<Waiting>,
    /// Accepted by the receivers' kernel sockets of WebSocket connections and not sent.
    pub socket_unsent_bytes: PerDirection<u64>,
    /// Waits unread on the senders' kernel sockets of WebSocket connections.
    pub socket_unread_bytes: PerDirection<u64>,
    /// Event streams whose client answers nothing.
    pub sse_unacknowledged_clients: u64,
    /// What waits of event streams.
    pub sse_backlog: Waiting,
    /// What waits of gRPC streams.
    pub grpc_backlog: PerDirection<Waiting>,
    /// Messages in queues towards slow clients.
    pub queued_messages: u64,
    /// Bytes in queues towards slow clients.
    pub queued_bytes: u64,
    /// WebSocket connections whose receiver has left a backlog for long.
    pub slow_consumers: u64,
    /// What its limits hold back; none where it has none.
    pub admission: Option<AdmissionFacts>,
    /// Configured limit of silence.
    pub idle_timeout_seconds: Option<f64>,
    /// Interval of the Pings towards each peer, as the family says.
    pub heartbeat_interval_seconds: PerLeg<Option<f64>>,
}

/// What the limits of a route hold back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdmissionFacts {
    /// Connections that may be open at once.
    pub connections: Option<u64>,
    /// Openings that wait for their turn.
    pub waiting: Option<u64>,
    /// Attempts that no limit for each client held for, for want of room.
    pub clients_left_out: Option<u64>,
}

/// How many connections there have been: `opened` − sum of `closed` = `active`, always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Established since the start.
    pub opened: u64,
    /// Ended since the start, by who ended them and why; pairs that never occurred may be missing.
    pub closed: Vec<((Initiator, Reason), u64)>,
    /// Open now.
    pub active: u64,
}

impl RouteLive {
    /// The connections of one protocol.
    pub fn census(&self, protocol: Protocol) -> &Census {
        match protocol {
            Protocol::WebSocket => &self.websocket,
            Protocol::Sse => &self.sse,
            Protocol::Grpc => &self.grpc,
        }
    }
}

impl Census {
    /// How many ended in one way.
    pub fn closed_by(&self, pair: (Initiator, Reason)) -> u64 {
        self.closed.iter().find(|(known, _)| *known == pair).map_or(0, |(_, count)| *count)
    }
}

/// What waits in this gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waiting {
    /// Messages.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
    /// Age of the oldest byte, seconds.
    pub oldest_age_seconds: f64,
    /// Sum of the ages of the messages, seconds.
    pub age_sum_seconds: f64,
}

/// What is kept, and what came of keeping it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreFacts {
    /// Series now.
    pub series: u64,
    /// Samples taken since the start.
    pub samples: u64,
    /// Samples dropped since the start, by reason.
    pub samples_dropped: Vec<(&'static str, u64)>,
    /// Samples that had to leave memory before they could be written.
    pub samples_lost: u64,
    /// Bytes of samples in memory.
    pub head_bytes: u64,
    /// Entries of the journal that were dropped.
    pub journal_dropped: u64,
    /// Entries of the journal that were written.
    pub journal_written: u64,
    /// Connections that a process before this one had open when it was killed.
    pub journal_lost: u64,
    /// The parts of the data directory, by name; empty when nothing is kept on a disk.
    pub parts: Vec<(&'static str, StorePart)>,
}

/// A part of the data directory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StorePart {
    /// Whether it can be written just now.
    pub is_kept: bool,
    /// Bytes in use.
    pub disk_bytes: u64,
    /// What waits to be written: batches of samples, entries of the journal.
    pub waiting: u64,
    /// Attempts to write that failed.
    pub write_errors: u64,
    /// What was found damaged.
    pub damaged: u64,
    /// Unix time at which something was last written, seconds; 0 for never.
    pub written_at: f64,
}

/// What came of evaluating a group of rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleGroupFacts {
    /// File and name of the group.
    pub name: Arc<str>,
    /// Rules that were evaluated since the start.
    pub evaluations: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Evaluations of the group that were due since the start.
    pub iterations: u64,
    /// Those of them that were left out.
    pub missed: u64,
    /// Time between evaluations, seconds.
    pub interval_seconds: f64,
    /// How long the last evaluation took, seconds.
    pub last_seconds: f64,
    /// Unix time of the last evaluation, seconds; 0 for never.
    pub last_at: f64,
}

/// What came of sending samples to an engine elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteFacts {
    /// Its name.
    pub name: Arc<str>,
    /// Samples by what came of them.
    pub samples: Vec<(&'static str, u64)>,
    /// Requests that are repeated, by reason.
    pub failures: Vec<(&'static str, u64)>,
    /// Samples that wait.
    pub waiting_samples: u64,
    /// Bytes that wait.
    pub waiting_bytes: u64,
    /// Age of the oldest sample that waits, seconds.
    pub lag_seconds: f64,
}

/// What came of asking for limits that several gateways hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedLimitsFacts {
    /// Whether who counts them answers.
    pub is_up: bool,
    /// Openings that were let in.
    pub granted: u64,
    /// Openings that were refused.
    pub refused: u64,
    /// Openings without an answer in time.
    pub unknown: u64,
}

/// What came of telling people.
#[derive(Clone, Debug, Default)]
pub struct NotificationFacts {
    /// For each channel.
    pub queues: Vec<NotificationQueue>,
    /// How long attempts took, by kind of channel.
    pub seconds: Vec<(&'static str, Observed)>,
}

/// What waits for one channel, and what came of what did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationQueue {
    /// The channel's name.
    pub channel: Arc<str>,
    /// Its kind.
    pub kind: &'static str,
    /// Messages by result and reason.
    pub counts: Vec<(&'static str, &'static str, u64)>,
    /// Groups of alerts that wait or are being told of.
    pub waiting: u64,
}

/// What explains the ends of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingFacts {
    /// Findings that go on.
    pub active: Vec<ActiveFinding>,
    /// How often causes were looked for.
    pub looks: u64,
    /// Records that were left out, by why.
    pub dropped: Vec<(&'static str, u64)>,
}

/// A finding that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActiveFinding {
    /// Name of its cause.
    pub id: Arc<str>,
    /// Route that it concerns.
    pub route: Arc<str>,
    /// How sure it is.
    pub level: &'static str,
}

/// A scheduled probe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeFacts {
    /// Its name.
    pub name: Arc<str>,
    /// What it examines, without query.
    pub target: Arc<str>,
    /// Its newest run.
    pub last: Option<Arc<ProbeRun>>,
    /// Runs by what they came to, in the order of [`Outcome::ALL`](model::Word::ALL).
    pub outcomes: [u64; 4],
    /// Runs that were left out.
    pub skipped: u64,
    /// Its findings that go on.
    pub findings: u64,
}

/// An Alertmanager elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertmanagerFacts {
    /// Its host and port.
    pub name: Arc<str>,
    /// Alerts by what came of them.
    pub alerts: Vec<(&'static str, u64)>,
    /// Alerts that wait.
    pub waiting: u64,
}

/// The engine elsewhere that answers queries.
#[derive(Clone, Debug, Default)]
pub struct QueryEngineFacts {
    /// Its host and port.
    pub name: Arc<str>,
    /// Whether it answered the last question, as far as one was asked.
    pub is_up: bool,
    /// Questions by what came of them.
    pub requests: Vec<(&'static str, u64)>,
}

/// A certificate in use.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// `listener` or `upstream`.
    pub role: &'static str,
    /// Address of the listener, or name of the upstream.
    pub name: String,
    /// End of validity, Unix seconds.
    pub not_after: f64,
}
