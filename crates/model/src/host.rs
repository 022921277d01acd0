//! What is known of the machines beneath the connections: this one, and those of the upstreams. The body of
//! `GET /api/v1/host`.
//!
//! Everything here is what a kernel or an exporter said. What it did not say is none, never 0: a container
//! without `/proc/pressure` is not one without pressure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::WallTime;
pub use crate::words::{CpuMode, Resource};

/// One look at all that is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct HostFacts {
    /// When this machine was read; upstreams have times of their own.
    pub as_of: WallTime,
    /// This process.
    pub process: ProcessFacts,
    /// This machine, as far as this process may see it: sockets are those of its network namespace.
    pub machine: MachineFacts,
    /// The control group of this process, when it is in one (cgroup v2).
    pub cgroup: Option<CgroupFacts>,
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<AcceptQueue>,
    /// The upstreams, in the order of the configuration.
    pub upstreams: Vec<UpstreamFacts>,
    /// Upstreams that are not watched, since there are too many.
    pub upstreams_left_out: u64,
}

/// What a process uses and may use (proc(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ProcessFacts {
    /// User and system CPU time.
    pub cpu_seconds: Option<f64>,
    /// CPU time by time between the last two readings: 1 is one CPU, fully used.
    pub cpu_ratio: Option<f64>,
    /// Resident memory.
    pub resident_bytes: Option<u64>,
    /// Virtual memory.
    pub virtual_bytes: Option<u64>,
    /// Open files.
    pub open_fds: Option<u64>,
    /// Limit of open files.
    pub max_fds: Option<u64>,
    /// Start, Unix seconds.
    pub start_time_seconds: Option<f64>,
}

/// What a machine is busy with and short of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MachineFacts {
    /// Its CPUs.
    pub cpu: CpuFacts,
    /// Time in which tasks waited for a resource.
    pub pressure: Pressure,
    /// Its memory.
    pub memory: MemoryFacts,
    /// Open files of all processes.
    pub files: FileFacts,
    /// Connections that were not accepted in time.
    pub accept: AcceptFacts,
    /// Connections that the firewall follows.
    pub conntrack: ConntrackFacts,
    /// Its TCP sockets.
    pub tcp: TcpSockets,
}

/// CPUs of a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CpuFacts {
    /// How many are online.
    pub count: Option<u64>,
    /// Time of all CPUs since boot.
    pub seconds: BTreeMap<CpuMode, f64>,
    /// Share of the time between the last two readings that was neither idle nor waiting for I/O.
    pub busy_ratio: Option<f64>,
    /// What a whole minute was like; none before one is over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub last_minute: Option<CpuMinute>,
}

/// CPUs of a machine over the last minute, as shares of its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CpuMinute {
    /// Neither idle nor waiting for I/O, what the hypervisor took included.
    pub busy_ratio: f64,
    /// The hypervisor ran others in it (proc(5), steal).
    pub steal_ratio: f64,
    /// At least one task waited for a CPU (pressure stall information); none where the kernel does not say.
    pub waiting_ratio: Option<f64>,
}

/// Pressure stall information (the kernel's `Documentation/accounting/psi.rst`), by resource.
pub type Pressure = BTreeMap<Resource, Stalls>;

/// Time in which tasks waited for a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Stalls {
    /// At least one task waited.
    pub some: Option<Stall>,
    /// No task ran, and at least one waited.
    pub full: Option<Stall>,
}

/// Time in which tasks waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Stall {
    /// Since boot, or since the control group was made.
    pub seconds: f64,
    /// Share of the last 10 s.
    pub last_10s_ratio: Option<f64>,
}

/// Memory of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct MemoryFacts {
    /// All of it.
    pub total_bytes: Option<u64>,
    /// What programs can have without swapping, as the kernel guesses (`MemAvailable`).
    pub available_bytes: Option<u64>,
}

/// Open files of a machine (`/proc/sys/fs/file-nr`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct FileFacts {
    /// Open.
    pub open: Option<u64>,
    /// Most that may be open.
    pub limit: Option<u64>,
}

/// Connections that listening sockets could not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct AcceptFacts {
    /// Times that a full accept queue turned a connection away (`ListenOverflows`), since boot.
    pub overflows: Option<u64>,
    /// Of these, within the last minute.
    pub overflows_last_minute: Option<u64>,
    /// Connections that a listening socket dropped, for whatever reason (`ListenDrops`), since boot.
    pub drops: Option<u64>,
    /// Of these, within the last minute.
    pub drops_last_minute: Option<u64>,
    /// Longest accept queue that a listening socket may ask for (`net.core.somaxconn`).
    pub somaxconn: Option<u64>,
}

/// Connections that the firewall follows (`nf_conntrack`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ConntrackFacts {
    /// Followed now.
    pub entries: Option<u64>,
    /// Most that are followed; packets of further connections are dropped.
    pub limit: Option<u64>,
}

/// TCP sockets of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TcpSockets {
    /// Sockets in a state other than TIME_WAIT, IPv4 and IPv6.
    pub in_use: Option<u64>,
    /// Sockets in TIME_WAIT.
    pub time_wait: Option<u64>,
    /// Ports that a connection may leave from when it does not say which (`ip_local_port_range`): so many
    /// connections fit to one address and port of an upstream.
    pub ephemeral_ports: Option<u64>,
    /// Memory of the buffers of all sockets.
    pub memory_bytes: Option<u64>,
    /// From here on the kernel takes buffers away (`tcp_mem`, the second).
    pub memory_pressure_bytes: Option<u64>,
    /// Beyond it sockets are closed (`tcp_mem`, the third).
    pub memory_limit_bytes: Option<u64>,
}

/// What a control group uses and may use (cgroup v2). Limits are those that bind: of the group or of one around
/// it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CgroupFacts {
    /// Memory of the group whose limit is nearest; of the process's own group when there is no limit.
    pub memory_bytes: Option<u64>,
    /// Its limit (`memory.max`).
    pub memory_limit_bytes: Option<u64>,
    /// How many CPUs' time it may use (`cpu.max`).
    pub cpu_limit: Option<f64>,
    /// Time for which it was held back by that limit (`throttled_usec`), since the group was made.
    pub cpu_throttled_seconds: Option<f64>,
    /// Share of the last minute for which it was held back; none before a minute is over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub cpu_throttled_last_minute_ratio: Option<f64>,
    /// Time in which its tasks waited for a resource.
    pub pressure: Pressure,
}

/// Connections that wait at a listener to be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct AcceptQueue {
    /// Address of the listener.
    pub listener: Arc<str>,
    /// How many wait.
    pub waiting: u64,
    /// How many may wait.
    pub limit: u64,
}

/// What is known beneath an upstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct UpstreamFacts {
    /// Configured name of the route.
    pub route: Arc<str>,
    /// URL of the upstream.
    pub upstream: Arc<str>,
    /// Whether it is on this machine; none when its name was not resolved.
    pub is_local: Option<bool>,
    /// The process that listens there, when it is on this machine and this process may see it.
    pub process: Option<ListeningProcess>,
    /// Its machine, by the exporter that is configured for it.
    pub exporter: Option<ExporterFacts>,
}

/// The processes that hold the socket on which an upstream listens: one, or a service's workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ListeningProcess {
    /// Name of the first one.
    pub name: String,
    /// Their ids, lowest first.
    pub pids: Vec<i32>,
    /// Memory and virtual memory are sums (shared pages count in each); open files and their limit are those of
    /// the process nearest to its limit; the start is the first one's; CPU time counts from when the processes
    /// were found.
    pub usage: ProcessFacts,
}

/// A machine as its exporter tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ExporterFacts {
    /// URL of the exporter.
    pub url: Arc<str>,
    /// When it was last asked.
    pub as_of: WallTime,
    /// Why it gave no answer.
    pub error: Option<String>,
    /// Its answer.
    pub machine: Option<MachineFacts>,
}
