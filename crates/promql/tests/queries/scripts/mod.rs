//! A small language for tests of queries, in the notation of Prometheus' own.

pub mod memory;
pub mod run;
pub mod script;
pub mod series;
