//! Bytes of one connection, both directions, to events.
//!
//! - [`ws`]: WebSocket frames and messages (RFC 6455).
//! - [`ping`]: which Pong answers which Ping, how soon, and how often Pings are sent.
//! - [`recorder`]: the first and the last things that happened on a connection, in a bounded ring.
//! - [`sse`]: event streams (WHATWG HTML, section 9.2).
//! - [`event_time`]: when the events of an event stream were made.
//! - [`grpc`]: messages of a gRPC stream, and what its headers say (grpc/grpc, doc/PROTOCOL-HTTP2.md).
//! - [`h2`]: frames of an HTTP/2 connection (RFC 9113).
//! - [`upgrade`]: which WebSocket handshakes may join two sockets.
//! - [`ending`]: from what was seen of an end to who ended the connection, and why.
//! - [`fuzz`]: what must hold of all these for any bytes.
//!
//! What stays true of the scanners, of which [`event_time`] is none:
//!
//! 1. Observing never fails. What cannot be understood is an event as well, and the bytes go on.
//! 2. Observing never alters bytes: a scanner borrows them and hands out sizes, kinds, codes and offsets; of text,
//!    only the reason in a GOAWAY frame.
//! 3. Events do not depend on how the bytes were cut into pieces.
//! 4. The memory of a scanner does not depend on the bytes: it is a small value without allocations.
//! 5. After lost framing nothing is guessed: a scanner goes blind, and still counts bytes.
//!
//! What is not here: sockets, clocks, and any look at payload but for [`event_time`], where it is configured. Text is not checked for UTF-8, compressed
//! messages are not inflated, bodies with a `Content-Encoding` and HTTP/2 header blocks are not decoded. Nothing
//! here decides what is forwarded, except for [`upgrade`], which tells a proxy what it may take for a handshake.

pub mod body;
pub mod cut;
pub mod ending;
pub mod event_time;
pub mod fields;
pub mod fuzz;
pub mod grpc;
pub mod h2;
pub mod ping;
pub mod recorder;
pub mod sse;
mod text;
pub mod upgrade;
pub mod ws;
