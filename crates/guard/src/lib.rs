//! What holds a service up meanwhile: may this connection come in, what goes first to a receiver that is slow, is it time
//! for a Ping. Pure: the gateway asks, time comes in, and a verdict says why.
//!
//! Everything here is off until a route says otherwise, and each policy is a value that is swapped whole.

pub mod admission;
pub mod heartbeat;
pub mod queue;
pub mod shared;
