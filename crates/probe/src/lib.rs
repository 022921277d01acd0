//! Clients for WebSocket, event streams and gRPC that time each stage, and load made of many of them.
//!
//! - [`target`]: what a URL asks for.
//! - [`dial`]: from a name to a connection, by DNS, TCP and TLS, each timed.
//! - [`session`]: one open connection of any protocol: messages out, messages in. Behind it [`ws`], [`sse`], [`grpc`].
//! - [`load`]: many sessions by a schedule, and what they measured.
//!
//! A client here is a good one: it answers Pings, frees windows and says goodbye. It does not retry, and follows no
//! redirect: what an attempt met is what it tells.

pub mod dial;
pub mod error;
pub mod grpc;
pub mod load;
pub mod session;
pub mod sse;
mod stamp;
pub mod target;
pub mod tls;
pub mod ws;
