//! The process as its operator sees it: what it may use, what it keeps, how it is configured.

use serde::{Deserialize, Serialize};

use crate::time::WallTime;
use crate::words;

words! {
    /// Something of which there is only so much.
    LimitedResource {
        /// Connections that the limit on open files allows; no more are accepted.
        Connections = "connections",
        /// Connections of a route that may be open at once (`limits.connections`); more are refused.
        RouteConnections = "route_connections",
        /// New connections of a route (`limits.new_connections`): tokens that are taken; without one none is let in.
        RouteNewConnections = "route_new_connections",
        /// Connections that each client of a route may have open (`limits.per_client.connections`), by the one that has most.
        ClientConnections = "client_connections",
        /// Openings towards the upstreams of a route that may be under way at once (`limits.handshakes`); others wait.
        RouteHandshakes = "route_handshakes",
        /// Connections of all routes that may be open at once (`limits.connections`); more are refused.
        GatewayConnections = "gateway_connections",
        /// New connections of all routes (`limits.new_connections`): tokens that are taken.
        GatewayNewConnections = "gateway_new_connections",
        /// Openings towards all upstreams that may be under way at once (`limits.handshakes`); others wait.
        GatewayHandshakes = "gateway_handshakes",
        /// Open files of this process; at the limit nothing is accepted or opened.
        OpenFiles = "open_files",
        /// Open files of the machine.
        MachineFiles = "machine_files",
        /// Connections that wait at a listener to be accepted; more are turned away by the kernel.
        AcceptQueue = "accept_queue",
        /// Local ports towards one upstream, by the connections that are open to it; beyond them it cannot be reached.
        UpstreamPorts = "upstream_ports",
        /// Connections that the firewall follows; packets of further ones are dropped.
        Conntrack = "conntrack",
        /// Memory of the buffers of all sockets of the machine; beyond it sockets are closed.
        SocketMemory = "socket_memory",
        /// Memory of the control group, or of the machine; beyond it the kernel ends processes.
        Memory = "memory",
        /// Memory of flight recorders; without it connections are not recorded, or old recordings go.
        RecorderMemory = "recorder_memory",
        /// Series that are kept; samples of further ones are dropped.
        Series = "series",
        /// Groups of alerts that wait for a channel; of more the oldest go.
        Notifications = "notifications",
        /// Viewers of the live stream; one more asks from time to time instead.
        Viewers = "viewers",
    }
}

/// How much there is of something, and how much of it is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Limit {
    /// What.
    pub resource: LimitedResource,
    /// Of which listener, upstream or channel; empty where there is one alone.
    pub subject: String,
    /// In use: a number of things, or bytes of memory.
    pub used: u64,
    /// All there is.
    pub limit: u64,
}

/// A part of the data directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KeptPart {
    /// Its name: `series`, `journal` or `state`.
    pub name: String,
    /// Whether it can be written just now.
    pub is_kept: bool,
    /// Bytes in use.
    pub disk_bytes: u64,
    /// What waits to be written: batches of samples, entries of the journal.
    pub waiting: u64,
    /// Attempts to write that failed, since the start.
    pub write_errors: u64,
    /// Unix time at which something was last written, seconds; 0 for never.
    pub written_at: f64,
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KeptFacts {
    /// Where; none when nothing is kept on a disk.
    pub directory: Option<String>,
    /// How long samples are kept, seconds.
    pub retention_seconds: f64,
    /// How long the records of closed connections are kept, seconds.
    pub journal_retention_seconds: f64,
    /// Series now.
    pub series: u64,
    /// Samples taken since the start.
    pub samples: u64,
    /// Samples that were dropped or lost, since the start.
    pub samples_lost: u64,
    /// Entries of the journal that were dropped, since the start.
    pub journal_dropped: u64,
    /// Bytes of samples in memory.
    pub head_bytes: u64,
    /// Parts of the directory.
    pub parts: Vec<KeptPart>,
}

words! {
    /// Where samples, alerts and questions go to.
    SinkKind {
        /// An engine that samples are written to.
        RemoteWrite = "remote_write",
        /// An Alertmanager that alerts are sent to.
        Alertmanager = "alertmanager",
        /// The engine that answers queries.
        QueryEngine = "query_engine",
        /// A channel by which people are told.
        Channel = "channel",
    }
}

/// Something elsewhere, and how it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Sink {
    /// What it is.
    pub kind: SinkKind,
    /// Its name, or host and port.
    pub name: String,
    /// What waits for it: samples, alerts, groups of alerts.
    pub waiting: u64,
    /// What it took, since the start.
    pub taken: u64,
    /// What it did not take and will not, since the start.
    pub lost: u64,
    /// Age of the oldest that waits, seconds; none where that is not known.
    pub lag_seconds: Option<f64>,
}

/// What the process keeps and serves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SystemFacts {
    /// What is kept.
    pub kept: KeptFacts,
    /// What it sends to.
    pub sinks: Vec<Sink>,
    /// Limits that several gateways hold together; none without.
    pub shared_limits: Option<SharedLimits>,
    /// Whether the last reload of the configuration was taken over; none without a file.
    pub reloaded: Option<bool>,
    /// Looks for causes, since the start.
    pub finding_looks: u64,
    /// Observers that have panicked, since the start; their connections go on unobserved.
    pub observers_failed: u64,
    /// Lines of the access log that were dropped, since the start.
    pub access_log_dropped: u64,
}

words! {
    /// Where the value of a setting comes from.
    SettingSource {
        /// It is what this program takes when nothing is said.
        Default = "default",
        /// The configuration file.
        File = "file",
        /// The command line.
        CommandLine = "command_line",
    }
}

/// Limits that several gateways hold together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SharedLimits {
    /// What becomes of openings without an answer: `open` lets them in, `closed` refuses them.
    pub on_failure: String,
    /// Whether who counts them answers.
    pub is_up: bool,
    /// Openings that were let in, since the start.
    pub granted: u64,
    /// Openings that were refused, since the start.
    pub refused: u64,
    /// Openings without an answer in time, since the start.
    pub unknown: u64,
    /// While it does not answer.
    pub outage: Option<SharedLimitsOutage>,
}

/// Who counts shared limits cannot be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SharedLimitsOutage {
    /// Since when.
    pub since: WallTime,
    /// Openings that were decided without an answer meanwhile.
    pub unknown: u64,
    /// Why, as the last attempt said.
    pub why: String,
}

/// One setting that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Setting {
    /// Its keys, such as `data.retention` or `routes[0].name`.
    pub path: String,
    /// Its value as YAML on one line; `***` for what is secret.
    pub value: String,
    /// Where it comes from.
    pub source: SettingSource,
    /// Line of the file, from 1.
    pub line: Option<u64>,
}
