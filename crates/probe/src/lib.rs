//! A user in a box: one client for each protocol, timing each stage, and what is built from many of them.
//!
//! - [`target`]: what is asked for, from a URL.
//! - [`dial`]: from a name to a connected stream: DNS, TCP from chosen source addresses, TLS.
//! - [`session`]: what the clients have in common once they are connected.
//! - [`websocket`], [`event_stream`], [`grpc`]: the clients; [`http2`]: what two of them stand on.
//! - [`stamp`]: the time at which a pushed message was made, when it says so.
//! - [`diagnose`]: the experiments of a diagnosis; [`timetable`]: when they are made again and again.
//! - [`load`]: many sessions on a schedule, and what they saw.
//! - [`backend`]: a service to aim at that costs as little as it can.
//!
//! What is not here: verdicts. A client tells what it saw and how long it took.

pub mod alarm;
pub mod backend;
pub mod clock;
pub mod diagnose;
pub mod dial;
pub mod event_stream;
pub mod failure;
pub mod grpc;
pub mod http2;
pub mod load;
mod scratch;
pub mod session;
pub mod stamp;
pub mod stream;
pub mod target;
pub mod timetable;
pub mod tls;
pub mod websocket;
