//! Sockets.

pub mod config;
