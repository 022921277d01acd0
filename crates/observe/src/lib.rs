//! Bytes of one connection, both directions, to events.
//!
//! The machines here are pure: bytes and happenings go in, [`model::event`]s and verdicts come out. They never
//! fail, never block and never change a byte; what they cannot understand is an event as well, and the bytes go
//! on. Events do not depend on how the bytes were cut into pieces, and the memory of a scanner does not depend
//! on the bytes at all: payload is skipped, not kept.
//!
//! - [`ws`]: WebSocket frames and messages (RFC 6455).
//! - [`sse`]: event streams (WHATWG HTML, section 9.2).
//! - [`upgrade`]: which handshakes may join two sockets.
//! - [`ending`]: from what was seen of an end to who ended it, and why.

pub mod ending;
pub mod fuzz;
pub mod sse;
pub mod upgrade;
pub mod ws;
