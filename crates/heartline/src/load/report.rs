//! What `load` says: a line while it runs, and at the end a table or JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use probe::error::ErrorKind;
use probe::load::fail_if::FailIf;
use probe::load::results::{Quantiles, Results, Times};
use probe::load::schedule::Arrivals;
use probe::load::{Outcome, Plan};
use probe::target::Protocol;
use serde::Serialize;

use super::LoadOptions;
use crate::look::text::duration;

/// What was asked for, as the report repeats it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Asked {
    url: String,
    protocol: Protocol,
    arrivals: &'static str,
    connections: u32,
    rate_per_second: Option<f64>,
    message_bytes: Option<u32>,
    dns_seconds: f64,
}

impl Asked {
    pub(super) fn of(options: &LoadOptions, plan: &Plan) -> Asked {
        let (arrivals, rate_per_second) = match plan.arrivals {
            Arrivals::Closed => ("closed", None),
            Arrivals::Open { per_second } => ("open", Some(per_second)),
            Arrivals::Push => ("push", None),
        };
        Asked {
            url: options.url.clone(),
            protocol: plan.dialer.target.protocol,
            arrivals,
            connections: options.connections,
            rate_per_second,
            message_bytes: (plan.arrivals != Arrivals::Push).then_some(options.size),
            dns_seconds: plan.dialer.dns.as_secs_f64(),
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    asked: &'a Asked,
    handshakes_total: u64,
    handshake_errors_total: u64,
    messages_total: u64,
    messages_sent_total: u64,
    messages_sent_late_total: u64,
    messages_per_second: f64,
    ramp_seconds: f64,
    elapsed_seconds: f64,
    errors_total: u64,
    errors: &'a BTreeMap<ErrorKind, u64>,
    handshake_seconds: Option<Quantiles>,
    handshake_stage_seconds: StageQuantiles,
    latency_seconds: Option<Quantiles>,
    latency_samples_total: u64,
    failed_if: Vec<String>,
}

#[derive(Serialize)]
struct StageQuantiles {
    tcp: Option<Quantiles>,
    tls: Option<Quantiles>,
    http: Option<Quantiles>,
}

pub(super) fn json(asked: &Asked, outcome: &Outcome, failed: &[&FailIf]) -> String {
    let results = &outcome.results;
    let report = Report {
        asked,
        handshakes_total: results.opened,
        handshake_errors_total: results.handshake_errors,
        messages_total: results.received,
        messages_sent_total: results.sent,
        messages_sent_late_total: results.sent_late,
        messages_per_second: rate(outcome),
        ramp_seconds: outcome.ramp.as_secs_f64(),
        elapsed_seconds: outcome.elapsed.as_secs_f64(),
        errors_total: results.errors_total(),
        errors: &results.errors,
        handshake_seconds: results.handshake.summary(),
        handshake_stage_seconds: StageQuantiles {
            tcp: results.tcp.summary(),
            tls: results.tls.summary(),
            http: results.http.summary(),
        },
        latency_seconds: results.latency.summary(),
        latency_samples_total: results.latency.count(),
        failed_if: failed.iter().map(ToString::to_string).collect(),
    };
    let text = serde_json::to_string_pretty(&report).expect("names and numbers");
    text + "\n"
}

fn rate(outcome: &Outcome) -> f64 {
    let seconds = outcome.elapsed.as_secs_f64();
    if seconds > 0.0 { outcome.results.received as f64 / seconds } else { 0.0 }
}

/// What a person sees each second.
pub(super) fn line(results: &Results, connections: u32, elapsed: Duration, messages: u64) -> String {
    let mut out = format!(
        "{} s  {}/{} open  {} messages/s",
        elapsed.as_secs(),
        grouped(results.open),
        grouped(connections.into()),
        grouped(messages)
    );
    if let Some(times) = results.latency.summary() {
        let _ = write!(out, "  p50 {}  p99 {}", duration(times.p50), duration(times.p99));
    }
    if results.errors_total() > 0 {
        let _ = write!(out, "  {} errors", grouped(results.errors_total()));
    }
    out
}

pub(super) fn table(asked: &Asked, outcome: &Outcome) -> String {
    let results = &outcome.results;
    let loop_said = match asked.rate_per_second {
        Some(rate) => format!("open loop, {rate}/s"),
        None if asked.arrivals == "push" => "the service pushes".to_owned(),
        None => "closed loop".to_owned(),
    };
    let mut out =
        format!("{}: {} connections, {loop_said}\n\n", asked.url, grouped(asked.connections.into()));
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<20}{value}");
    };
    row("handshakes", &format!("{} in {}", grouped(results.opened), duration(outcome.ramp.as_secs_f64())));
    row(
        "messages",
        &format!(
            "{} in {}, {} per second",
            grouped(results.received),
            duration(outcome.elapsed.as_secs_f64()),
            grouped(rate(outcome).round() as u64)
        ),
    );
    if results.sent_late > 0 {
        row("sent late", &grouped(results.sent_late));
    }
    row("errors", &grouped(results.errors_total()));
    for (kind, count) in &results.errors {
        row(&format!("  {kind}"), &grouped(*count));
    }
    let _ = writeln!(out, "\n{:<20}{:>10}{:>10}{:>10}{:>10}{:>10}", "", "p50", "p90", "p99", "p99.9", "max");
    let stages = [
        ("tcp", &results.tcp),
        ("tls", &results.tls),
        ("http", &results.http),
        ("handshake", &results.handshake),
        ("latency", &results.latency),
    ];
    for (name, times) in stages {
        out += &quantiles(name, times);
    }
    out
}

fn quantiles(name: &str, times: &Times) -> String {
    let Some(Quantiles { p50, p90, p99, p999, max }) = times.summary() else { return String::new() };
    let cells: String =
        [p50, p90, p99, p999, max].map(|seconds| format!("{:>10}", duration(seconds))).concat();
    format!("{name:<20}{cells}\n")
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
