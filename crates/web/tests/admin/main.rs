//! The admin address over real sockets on loopback, with fake ports behind it.

mod access;
mod endpoints;
mod fakes;
mod harness;
mod prometheus;
mod stream;
mod tryouts;
