//! The journal of connections: what is asked of it and what it answers.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::filter::Filter;
use crate::id::ConnectionId;
use crate::record::{ClientAddress, CloseRecord};
use crate::time::WallTime;
use crate::words::Protocol;

/// What is kept of a connection while it is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Opening {
    /// Name of the connection.
    pub id: ConnectionId,
    /// Its protocol.
    pub protocol: Protocol,
    /// Configured name of the route.
    pub route: Arc<str>,
    /// Where the client is.
    pub client: ClientAddress,
    /// URL of the upstream.
    pub upstream: Arc<str>,
    /// It was established.
    pub opened_at: WallTime,
}

/// A connection that was open when the process that had it ended without a close record: killed, or the machine
/// failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct LostConnection {
    /// What was kept of it.
    pub opening: Opening,
    /// When the process is last known to have run.
    pub seen_at: WallTime,
}

/// What the journal has of one connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum JournalEntry {
    /// It was closed.
    Closed {
        /// Its close record.
        closed: Arc<CloseRecord>,
    },
    /// It was lost with the process.
    Lost {
        /// What is known.
        lost: LostConnection,
    },
}

impl JournalEntry {
    /// Name of the connection.
    pub fn id(&self) -> ConnectionId {
        match self {
            JournalEntry::Closed { closed } => closed.id,
            JournalEntry::Lost { lost } => lost.opening.id,
        }
    }

    /// When it was closed, or last seen.
    pub fn ended_at(&self) -> WallTime {
        match self {
            JournalEntry::Closed { closed } => closed.closed_at,
            JournalEntry::Lost { lost } => lost.seen_at,
        }
    }
}

/// Ends of connections from one instant to another, both included. Of those that ended in the same nanosecond, each
/// counts as one nanosecond later than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedRange {
    /// First instant.
    pub from: WallTime,
    /// Last instant.
    pub to: WallTime,
}

impl EndedRange {
    /// All of time.
    pub const ALWAYS: EndedRange = EndedRange { from: WallTime(0), to: WallTime(i64::MAX as u64) };
}

/// Where a page ended. Opaque but for its text, which goes into a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub i64);

/// A question for one page, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalQuery {
    /// Which connections.
    pub filter: Filter,
    /// When they ended.
    pub ended: EndedRange,
    /// Only what stands behind this place.
    pub after: Option<Cursor>,
    /// Most entries of the page.
    pub limit: usize,
    /// How long to look for them.
    pub patience: Duration,
}

/// Part of the journal, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalPage {
    /// The entries.
    pub entries: Vec<JournalEntry>,
    /// Where to go on; none when there is no more.
    pub next: Option<Cursor>,
    /// False when time ran out before the page was full: there may be more.
    pub is_complete: bool,
}

/// How many entries there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalCount {
    /// So many were counted.
    pub count: u64,
    /// False when there are more, or may be: counting ended at its limit or its time.
    pub is_exact: bool,
}

/// Why the journal could not be read; what its database said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalError(pub String);

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the journal could not be read: {}", self.0)
    }
}

impl std::error::Error for JournalError {}

/// The connections that have ended, over days. May wait for a disk.
pub trait Journal: Send + Sync {
    /// One page.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn page(&self, query: &JournalQuery) -> Result<JournalPage, JournalError>;

    /// Counts to `count_max` at most, for as long as `patience` at most.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn count(
        &self,
        filter: &Filter,
        ended: EndedRange,
        count_max: u64,
        patience: Duration,
    ) -> Result<JournalCount, JournalError>;

    /// One connection; none when it is not kept.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn one(&self, id: ConnectionId) -> Result<Option<JournalEntry>, JournalError>;
}

/// Where the ends of connections are told. Nobody is made to wait: what cannot be kept is dropped and counted.
pub trait JournalSink: fmt::Debug + Send + Sync {
    /// A connection, or an attempt at one, has ended.
    fn closed(&self, record: Arc<CloseRecord>);

    /// A connection has been open for so long that it is worth to be kept track of.
    fn opened(&self, opening: Opening);
}

/// An address as 16 bytes, those of IPv4 within IPv6 (RFC 4291, section 2.5.5.2), so that networks are ranges.
pub fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}
