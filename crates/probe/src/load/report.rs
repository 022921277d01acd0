//! What a run comes to, as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::tally::{Durations, Tally};
use super::{Plan, Work};
use crate::target::Target;

/// The result of a run. Field names are stable; durations are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `websocket`, `sse` or `grpc`.
    pub protocol: &'static str,
    /// Where the load went.
    pub url: String,
    /// `echo` or `push`.
    pub mode: &'static str,
    /// Messages a second that were meant to be sent: the open loop. None in the closed loop.
    pub rate_per_second: Option<f64>,
    /// Sessions that were to be open at a time.
    pub connections: u32,
    /// Most sessions that were open at a look.
    pub connections_open_max: u32,
    /// Processes that made the load.
    pub processes: u32,
    /// The measured time.
    pub elapsed_seconds: f64,
    /// Handshakes that succeeded.
    pub handshakes_total: u64,
    /// Handshakes that failed, by kind.
    pub handshake_errors: BTreeMap<String, u64>,
    /// From connect(2) to the answer of TCP.
    pub connect_seconds: Option<Quantiles>,
    /// TLS's part of the handshake.
    pub tls_seconds: Option<Quantiles>,
    /// From the request's first byte to the answer's head.
    pub answer_seconds: Option<Quantiles>,
    /// Messages that were sent.
    pub messages_sent_total: u64,
    /// Answers to them; in push mode, messages received.
    pub messages_total: u64,
    /// The same for each second.
    pub messages_per_second: f64,
    /// Their payload in bytes.
    pub received_bytes_total: u64,
    /// Messages sent that have no answer.
    pub unanswered_total: u64,
    /// Sessions that ended before they were closed, by kind.
    pub errors: BTreeMap<String, u64>,
    /// What the first error of each kind said.
    pub error_examples: BTreeMap<String, String>,
    /// From the time at which a message was meant to be sent to its answer.
    pub latency_seconds: Option<Quantiles>,
    /// From the time in a pushed message to its receipt.
    pub delivery_seconds: Option<Quantiles>,
    /// Between two messages received on one connection.
    pub gap_seconds: Option<Quantiles>,
}

/// Durations in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many there are.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// Nine of ten are not longer.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Quantiles {
    /// None without any.
    pub fn of(durations: &Durations) -> Option<Quantiles> {
        Some(Quantiles {
            count: durations.count(),
            mean: durations.mean()?,
            p50: durations.quantile(0.5)?,
            p90: durations.quantile(0.9)?,
            p99: durations.quantile(0.99)?,
            p999: durations.quantile(0.999)?,
            max: durations.max()?,
        })
    }
}

impl Report {
    /// What `tally`, gathered in `elapsed` by so many `processes`, comes to.
    pub fn new(target: &Target, plan: &Plan, tally: &Tally, run: Run) -> Report {
        let elapsed_seconds = run.elapsed.as_secs_f64();
        let mut error_examples = tally.handshake_errors.examples.clone();
        error_examples.extend(tally.errors.examples.clone());
        Report {
            protocol: target.protocol.word(),
            url: target.to_string(),
            mode: if plan.work == Work::Push { "push" } else { "echo" },
            rate_per_second: match plan.work {
                Work::EchoOpen(rate) => Some(rate.as_f64()),
                Work::EchoClosed | Work::Push => None,
            },
            connections: plan.connections,
            connections_open_max: run.open_max,
            processes: run.processes,
            elapsed_seconds,
            handshakes_total: tally.handshakes,
            handshake_errors: tally.handshake_errors.counts.clone(),
            connect_seconds: Quantiles::of(&tally.tcp),
            tls_seconds: Quantiles::of(&tally.tls),
            answer_seconds: Quantiles::of(&tally.answer),
            messages_sent_total: tally.sent,
            messages_total: tally.received,
            messages_per_second: if elapsed_seconds > 0.0 {
                tally.received as f64 / elapsed_seconds
            } else {
                0.0
            },
            received_bytes_total: tally.received_bytes,
            unanswered_total: tally.unanswered,
            errors: tally.errors.counts.clone(),
            error_examples,
            latency_seconds: Quantiles::of(&tally.latency),
            delivery_seconds: Quantiles::of(&tally.delivery),
            gap_seconds: Quantiles::of(&tally.gap),
        }
    }
}

/// What a report says beside counts and durations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// The measured time.
    pub elapsed: Duration,
    /// Most sessions that were open at a look.
    pub open_max: u32,
    /// Processes that made the load.
    pub processes: u32,
}
