//! The window: which records are kept, and what causes make of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use model::finding::{Coverage, Finding};
use model::heartbeat::Heartbeat;
use model::host::HostFacts;
use model::live::LiveConnection;
use model::queue::QueueFacts;
use model::record::{ClientAddress, CloseRecord, Reconnect};
use model::tcp::TcpLegs;
use model::{HandshakeResult, PerDirection, PerLeg, Protocol, WallTime};

use super::{Known, Own, Population, Told, between, is_orderly};
use crate::cause::{Cause, Signs};
use crate::causes;

/// Bounds of a watch.
#[derive(Clone, Copy, Debug)]
pub struct WatchOptions {
    /// How long a record counts, seconds.
    pub window_seconds: f64,
    /// Records kept of one route and protocol; beyond it every second one is left out, then every fourth, and so on.
    pub records_max: usize,
    /// Records kept of all together, of which each route and protocol has the same part.
    pub records_total: usize,
    /// Routes and protocols that are told apart.
    pub populations_max: usize,
    /// Open connections that a look keeps.
    pub open_max: usize,
}

impl Default for WatchOptions {
    fn default() -> WatchOptions {
        WatchOptions {
            window_seconds: 600.0,
            records_max: 4096,
            records_total: 32_768,
            populations_max: 64,
            open_max: 16_384,
        }
    }
}

/// What a look keeps of an open connection.
#[derive(Clone, Debug)]
pub struct Open {
    /// Configured name of the route.
    pub route: Arc<str>,
    /// What is spoken.
    pub protocol: Protocol,
    /// Where the client is.
    pub client: ClientAddress,
    /// What its program calls itself.
    pub user_agent: Option<Arc<str>>,
    /// URL of the upstream.
    pub upstream: Arc<str>,
    /// When it was established.
    pub opened_at: WallTime,
    /// Age.
    pub age_seconds: f64,
    /// Since the last byte.
    pub idle_seconds: f64,
    /// Messages so far.
    pub messages: PerDirection<u64>,
    /// It was opened as a reconnect.
    pub reconnect: Option<Reconnect>,
    /// Its Pings.
    pub heartbeat: PerLeg<Option<Heartbeat>>,
    /// What the kernel tells.
    pub tcp: Option<Box<TcpLegs>>,
    /// What its queue has done; none without one.
    pub queue: Option<Box<QueueFacts>>,
}

impl From<LiveConnection> for Open {
    fn from(live: LiveConnection) -> Open {
        Open {
            route: live.route,
            protocol: live.protocol,
            client: live.client,
            user_agent: live.user_agent,
            upstream: live.upstream,
            opened_at: live.opened_at,
            age_seconds: live.age_seconds,
            idle_seconds: live.idle_seconds,
            messages: live.messages,
            reconnect: live.reconnect,
            heartbeat: live.heartbeat,
            tcp: live.tcp,
            queue: live.queue,
        }
    }
}

/// What people told is kept so long, seconds, and so much of it.
const TOLD_SECONDS: f64 = 3600.0;
const TOLD_MAX: usize = 100;

/// Records of one route and protocol.
#[derive(Debug, Default)]
struct Window {
    records: VecDeque<Arc<CloseRecord>>,
    /// One in `1 << thinning` is kept.
    thinning: u32,
}

/// The machine. Time comes in with the records and the looks.
#[derive(Debug)]
pub struct Watch {
    options: WatchOptions,
    windows: BTreeMap<(Arc<str>, Protocol), Window>,
    told: VecDeque<Told>,
    open: Vec<Open>,
    host: Option<HostFacts>,
    own: Own,
    /// Records of routes beyond the bound.
    left_out: u64,
    coverage: Coverage,
}

impl Watch {
    /// Nothing is known yet.
    pub fn new(options: WatchOptions) -> Watch {
        Watch {
            options,
            windows: BTreeMap::new(),
            told: VecDeque::new(),
            open: Vec::new(),
            host: None,
            own: Own::default(),
            left_out: 0,
            coverage: Coverage::default(),
        }
    }

    /// A connection has ended, or an attempt has failed.
    pub fn closed(&mut self, record: Arc<CloseRecord>) {
        let key = (Arc::clone(&record.route), record.protocol);
        if !self.windows.contains_key(&key) && self.windows.len() >= self.options.populations_max {
            self.left_out += 1;
            return;
        }
        let most = self.most();
        let window = self.windows.entry(key).or_default();
        if !is_kept(&record, window.thinning) {
            return;
        }
        window.records.push_back(record);
        if window.records.len() > most {
            window.thinning += 1;
            let thinning = window.thinning;
            window.records.retain(|record| is_kept(record, thinning));
        }
    }

    /// Somebody told of something.
    pub fn told(&mut self, told: Told) {
        self.told.push_back(told);
        if self.told.len() > TOLD_MAX {
            self.told.pop_front();
        }
    }

    /// Routes and protocols that causes are asked of: something of them has ended. Others need no look.
    pub fn populations(&self) -> Vec<(Arc<str>, Protocol)> {
        self.windows.keys().cloned().collect()
    }

    /// What is open now, as many as are kept up to the next [`judge`](Watch::judge): of more, only the first are looked at.
    pub fn look(&mut self, open: impl Iterator<Item = LiveConnection>, host: Option<HostFacts>) {
        self.open.clear();
        self.open.extend(open.take(self.options.open_max).map(Open::from));
        self.open.sort_by(|a, b| (&a.route, a.protocol).cmp(&(&b.route, b.protocol)));
        self.host = host;
    }

    /// What the gateway knows of itself now.
    pub fn know(&mut self, own: Own) {
        self.own = own;
    }

    /// Records that were left out since there are too many routes.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How much of what ended had a cause when causes were last asked.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Records that are kept.
    pub fn records(&self) -> usize {
        self.windows.values().map(|window| window.records.len()).sum()
    }

    /// Asks all causes, after what is too old was forgotten.
    pub fn judge(&mut self, now: WallTime) -> Vec<Finding> {
        self.forget(now);
        let mut findings = Vec::new();
        let (mut ends, mut explained) = (0.0, 0.0);
        let told = &*self.told.make_contiguous();
        for ((route, protocol), window) in &self.windows {
            let is_of = |open: &Open| (&open.route, open.protocol) < (route, *protocol);
            let from = self.open.partition_point(is_of);
            let of =
                self.open[from..].partition_point(|open| open.route == *route && open.protocol == *protocol);
            let mut population = Population {
                route: Arc::clone(route),
                protocol: *protocol,
                now,
                ends: Vec::new(),
                orderly: Vec::new(),
                failed: Vec::new(),
                given_up: Vec::new(),
                refused: Vec::new(),
                weight: f64::from(1_u32 << window.thinning.min(30)),
                claimed: RefCell::default(),
                known: Known::default(),
                open: &self.open[from..from + of],
                told,
                host: self.host.as_ref(),
                own_heartbeat: self.own.heartbeats.get(route).copied(),
            };
            for record in &window.records {
                use HandshakeResult::*;
                match record.handshake.result {
                    Success if is_orderly(record) => population.orderly.push(record),
                    Success => population.ends.push(record),
                    Denied if record.handshake.refused_by.is_some() => population.refused.push(record),
                    ClientAborted => population.given_up.push(record),
                    Malformed | Denied | DeniedOrigin => {}
                    _ => population.failed.push(record),
                }
            }
            findings.extend(causes::ALL.iter().flat_map(|cause| seen(cause, &population)));
            let claimed = population.claimed.take();
            let is_claimed = |record: &&&CloseRecord| claimed.contains(&record.id);
            ends += population.ends.len() as f64 * population.weight;
            explained += population.ends.iter().filter(is_claimed).count() as f64 * population.weight;
        }
        findings.extend(causes::ALL.iter().filter_map(|cause| match cause.signs {
            Signs::Gateway(find) => find(&self.own, now),
            Signs::Seen { .. } | Signs::Hidden(_) => None,
        }));
        self.coverage = Coverage {
            window_seconds: self.options.window_seconds,
            ends: ends as u64,
            explained: explained as u64,
        };
        self.open = Vec::new();
        findings
    }

    /// Records that are kept of one route and protocol.
    fn most(&self) -> usize {
        let WatchOptions { records_max, records_total, .. } = self.options;
        records_max.min(records_total / self.windows.len().max(1))
    }

    fn forget(&mut self, now: WallTime) {
        let is_old = |at: WallTime, seconds: f64| between(at, now) > seconds;
        while self.told.front().is_some_and(|told| is_old(told.at, TOLD_SECONDS)) {
            self.told.pop_front();
        }
        let WatchOptions { window_seconds, .. } = self.options;
        let most = self.most();
        for window in self.windows.values_mut() {
            while window.records.front().is_some_and(|record| is_old(record.closed_at, window_seconds)) {
                window.records.pop_front();
            }
            if window.thinning > 0 && window.records.len() < most / 4 {
                window.thinning -= 1;
            }
        }
        self.windows.retain(|_, window| !window.records.is_empty());
    }
}

fn seen(cause: &Cause, population: &Population<'_>) -> Vec<Finding> {
    match &cause.signs {
        Signs::Seen { population: Some(find), .. } => find(population),
        _ => Vec::new(),
    }
}

/// Whether a record is among the one in `1 << thinning` that are kept: by its id, so that the same are kept each time.
fn is_kept(record: &CloseRecord, thinning: u32) -> bool {
    let mixed = record.id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    thinning == 0 || mixed >> (64 - thinning.min(63)) == 0
}
