//! The words that every room shares: time, ids, closed enumerations, connection events, the close record,
//! and the small traits by which one shell asks another.
//!
//! Nothing here does anything: no sockets, no clock, no randomness. Connection events are the first waist of
//! the design: above them nobody knows bytes, so no type of this crate carries payload.

pub mod admission;
pub mod country;
pub mod event;
pub mod examination;
pub mod filter;
pub mod finding;
pub mod heartbeat;
pub mod host;
pub mod id;
pub mod journal;
pub mod language;
pub mod live;
pub mod mailbox;
pub mod outbox;
pub mod overview;
pub mod ports;
pub mod probe;
pub mod queue;
mod quoted;
pub mod record;
pub mod recording;
pub mod rules;
pub mod series;
pub mod size;
pub mod system;
pub mod tcp;
pub mod time;
pub mod words;

pub use admission::{AdmissionReason, Decision};
pub use country::Country;
pub use id::ConnectionId;
pub use language::Language;
pub use queue::{Shed, Unqueued};
pub use quoted::quoted;
pub use recording::HappeningKind;
pub use size::ByteSize;
pub use time::{Moment, WallTime};
pub use words::{
    Direction, ErrorType, EventTimeError, GrpcCode, HandshakeResult, Http2Error, Initiator, Layer, Leg,
    Opcode, PerDirection, PerLeg, Protocol, Reason, Refused, RejectedCheck, TryoutRefused, Word,
};
