//! Many connections of a gateway at once: what their ends have in common.
//!
//! [`Watch`] is the machine: close records go in as they come, a look at what is open from time to time, and what
//! people told of deploys; it keeps a bounded window of each route and protocol. A [`Population`] is what causes see of
//! one of them. [`Ledger`] makes findings of many looks into findings that open, go on and end.

pub mod amounts;
pub mod calls;
mod ceiling;
pub mod clients;
mod clumps;
pub mod codes;
pub mod departures;
mod doubts;
pub mod heartbeats;
mod ledger;
mod legs;
pub mod machines;
pub mod openings;
pub mod paths;
pub mod refusals;
mod selection;
mod signs;
mod spike;
pub mod streams;
mod tenths;
#[cfg(test)]
pub(crate) mod tests;
pub mod timed;
mod timers;
mod watch;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::finding::Affected;
use model::host::HostFacts;
use model::record::{CloseRecord, What};
use model::system::SharedLimits;
use model::{ConnectionId, Initiator, Leg, PerLeg, Protocol, Reason, WallTime};
use serde::{Deserialize, Serialize};

pub use ceiling::Ceiling;
pub use clumps::{Clump, YOUNG};
pub use doubts::{DOUBTS_MAX, Doubted};
pub use ledger::{Ledger, Reach};
pub use legs::{Slow, SlowLeg};
pub use signs::{Concentration, chance};
pub use spike::{Spike, spike};
pub use timers::{Clock, Timer, code, common};
pub use watch::{Open, Watch, WatchOptions};

/// Least number of ends that anything is said of.
pub const ENDS_MIN: usize = 8;

/// Upstreams that are told apart.
const UPSTREAMS_MAX: usize = 256;

/// Something that people or programs did, as they told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What: `deploy`, `reload`, `scale`, `restart` or another word.
    pub kind: String,
    /// What was deployed, reloaded, and so on.
    pub subject: String,
    /// When.
    pub at: WallTime,
}

/// What a gateway knows of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Own {
    /// Limits that it holds together with others.
    pub shared_limits: Option<SharedLimits>,
    /// Its own heartbeats, by the names of routes.
    pub heartbeats: BTreeMap<Arc<str>, OwnHeartbeat>,
}

/// The signs of life that a gateway is configured to give on a route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnHeartbeat {
    /// Silence after which one is sent, seconds.
    pub interval_seconds: f64,
    /// The legs towards which.
    pub is_towards: PerLeg<bool>,
}

/// What is known of the connections of one route and protocol over a window of time.
#[derive(Debug)]
pub struct Population<'a> {
    /// Configured name of the route.
    pub route: Arc<str>,
    /// What is spoken.
    pub protocol: Protocol,
    /// When this look is taken.
    pub now: WallTime,
    /// Ends of established connections in the window, oldest first, without those that a client ended as one should.
    pub ends: Vec<&'a CloseRecord>,
    /// Ends that a client made as one should.
    pub orderly: Vec<&'a CloseRecord>,
    /// Attempts that were never established, but for those that are the client's own fault or this gateway's own denial.
    pub failed: Vec<&'a CloseRecord>,
    /// Attempts that their clients gave up before an answer.
    pub given_up: Vec<&'a CloseRecord>,
    /// Attempts that limits of this gateway turned away.
    pub refused: Vec<&'a CloseRecord>,
    /// Each record stands for so many; above 1 when there are more than are kept.
    pub weight: f64,
    /// Of `ends`, those that some cause has claimed ([`Population::affected`]).
    pub claimed: RefCell<BTreeSet<ConnectionId>>,
    /// What several causes ask for.
    pub known: Known<'a>,
    /// What is open now.
    pub open: &'a [Open],
    /// What people told lately, oldest first.
    pub told: &'a [Told],
    /// The machines.
    pub host: Option<&'a HostFacts>,
    /// What the gateway is configured to send by itself on this route.
    pub own_heartbeat: Option<OwnHeartbeat>,
}

/// What is found out once for all causes.
#[derive(Debug, Default)]
pub struct Known<'a> {
    clumps: OnceCell<Vec<Clump<'a>>>,
    timers: OnceCell<Vec<Timer<'a>>>,
}

/// How a connection ended, in the words of the wire: the first cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Manner {
    /// Who ended it.
    pub initiator: Initiator,
    /// Whether it was told why: a Close frame, a status, an end of the body as announced.
    pub is_told: bool,
    /// It was reset rather than ended.
    pub is_reset: bool,
}

impl Manner {
    /// Of a record; none when the connection was never established.
    pub fn of(record: &CloseRecord) -> Option<Manner> {
        let initiator = record.initiator?;
        let first = record.causes.first().map(|cause| cause.what);
        Some(Manner {
            initiator,
            is_told: matches!(first, Some(What::CloseFrame | What::BodyEnd | What::RstStream | What::GoAway)),
            is_reset: first == Some(What::Rst),
        })
    }

    /// The leg on which the end came.
    pub fn leg(self) -> Option<Leg> {
        match self.initiator {
            Initiator::Client => Some(Leg::Client),
            Initiator::Upstream => Some(Leg::Upstream),
            Initiator::Proxy => None,
        }
    }
}

/// Whether a client ended a connection as one should: pages that are left, programs that are done.
pub fn is_orderly(record: &CloseRecord) -> bool {
    let by_client = record.initiator == Some(Initiator::Client);
    let is_word = matches!(record.reason, Some(Reason::Normal | Reason::GoingAway | Reason::NoStatus));
    by_client && is_word && record.protocol == Protocol::WebSocket
}

impl<'a> Population<'a> {
    /// All ends and what is open: what a share of connections is taken of.
    pub fn connections(&self) -> usize {
        self.ends.len() + self.orderly.len() + self.open.len()
    }

    /// The ends that this holds for.
    pub fn ends_where(&self, is: impl Fn(&CloseRecord) -> bool) -> Vec<&'a CloseRecord> {
        self.ends.iter().copied().filter(|record| is(record)).collect()
    }

    /// Claims these ends for a cause, and says how much they are of all.
    pub fn affected(&self, ends: &[&CloseRecord]) -> Affected {
        let connections = (ends.len() as f64 * self.weight).round() as u64;
        let share = ends.len() as f64 / self.ends.len().max(1) as f64;
        self.claimed.borrow_mut().extend(ends.iter().map(|record| record.id));
        Affected { connections, share_of_closes: Some(share) }
    }

    /// When the first of these ended; now when there is none.
    pub fn since(&self, ends: &[&CloseRecord]) -> WallTime {
        ends.iter().map(|record| record.closed_at).min().unwrap_or(self.now)
    }

    /// Upstreams that are told apart, by how many connections they have or had.
    pub fn upstreams(&self) -> Vec<(Arc<str>, usize)> {
        let mut all: Vec<(Arc<str>, usize)> = Vec::new();
        let closed = self.ends.iter().chain(&self.orderly).filter_map(|record| record.upstream.as_ref());
        for upstream in closed.chain(self.open.iter().map(|open| &open.upstream)) {
            let has_room = all.len() < UPSTREAMS_MAX;
            match all.iter_mut().find(|(known, _)| known == upstream) {
                Some((_, count)) => *count += 1,
                None if has_room => all.push((Arc::clone(upstream), 1)),
                None => {}
            }
        }
        all
    }
}

/// The network of an address: /24 of IPv4, /48 of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & 0xffff_ff00).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 80 << 80).into()),
    }
}

/// Seconds from one moment to a later one; 0 when it is not later.
pub fn between(earlier: WallTime, later: WallTime) -> f64 {
    later.0.saturating_sub(earlier.0) as f64 / 1e9
}
