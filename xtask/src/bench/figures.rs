//! What is measured, one row each.

use super::events::EVENTS_PER_SECOND;
use super::load::{Load, Traffic};
use super::measures::{
    self, BULK_BYTES, ECHO_BYTES, ECHO_CONNECTIONS, SUBSCRIBERS, each, each_event, messages,
};
use super::peers::Peer;
use super::place::Place;
use super::processes::Running;
use super::upstream::Kind;
use super::{asked, connect, counted};

use Measure::{Alone, InTurn};

/// A figure.
pub struct Figure {
    /// As it is named on the command line.
    pub name: &'static str,
    /// What it tells, with its unit.
    pub title: &'static str,
    /// Most that Heartline may take of it, where that does not depend on the machine.
    pub most: Option<f64>,
    /// Most that Heartline may take, as a ratio to a peer.
    pub ratios: &'static [(&'static str, f64)],
    /// Peers beside the usual ones.
    pub also: &'static [&'static str],
    /// Peers that it is measured with at all; empty for all usual ones.
    pub only: &'static [&'static str],
    /// How it is taken.
    pub measure: Measure,
}

/// How a figure is taken.
#[derive(Clone, Copy)]
pub enum Measure {
    /// Of one peer after another.
    Alone(fn(&Place, &Peer) -> Result<f64, String>),
    /// Of all peers at once: each is started, then they take turns, so that what the machine does meanwhile meets
    /// all alike. The first block of each is to warm up.
    InTurn {
        /// Starts a proxy.
        start: fn(&Place, &Peer) -> Result<Running, String>,
        /// Takes the figure of one block.
        block: fn(&Running) -> Result<f64, String>,
        /// How many in a round.
        blocks: usize,
    },
}

/// A figure without limits, of all usual peers.
const PLAIN: Figure = Figure {
    name: "",
    title: "",
    most: None,
    ratios: &[],
    also: &[],
    only: &[],
    measure: Alone(|_, _| Ok(0.0)),
};

const MICROS: f64 = 1e6;

/// Large messages that make a MB.
const BULK_TO_MB: f64 = 1e6 / BULK_BYTES as f64;

const ECHO: Load = Load::echo(Traffic::WebSocket, ECHO_CONNECTIONS, ECHO_BYTES);
const ECHO_BLOCK: Load = Load { seconds: 1, ..ECHO };
const TLS_ECHO: Load = Load { is_tls: true, ..ECHO };
const BULK: Load = Load::echo(Traffic::WebSocket, 8, BULK_BYTES);
const TLS_BULK: Load = Load { is_tls: true, ..BULK };
const GRPC_ECHO: Load = Load::echo(Traffic::Grpc { streams: 8 }, ECHO_CONNECTIONS, ECHO_BYTES);
const TLS_EVENTS: Load = Load { is_tls: true, ..events(None) };
const HTTP2_EVENTS: Load = events(Some(10));

/// Event streams as those of the plain figure.
const fn events(streams: Option<usize>) -> Load {
    Load::echo(Traffic::Events { per_second: EVENTS_PER_SECOND, streams }, SUBSCRIBERS, 256)
}

/// Peers that are measured with gRPC.
const GRPC_PEERS: &[&str] = &["heartline", "envoy"];

/// Every figure.
pub const FIGURES: [Figure; 22] = [
    Figure {
        name: "instructions",
        title: "user instructions / echo",
        most: Some(6_500.0),
        only: &["heartline", "nginx", "haproxy"],
        measure: Alone(counted::instructions),
        ..PLAIN
    },
    Figure {
        name: "syscalls",
        title: "system calls / echo",
        most: Some(6.1),
        measure: Alone(|place, peer| Ok(counted::syscalls(place, peer)?.values().sum())),
        ..PLAIN
    },
    Figure {
        name: "idle-websocket",
        title: "user memory of an idle WebSocket, bytes (PSS)",
        most: Some(2_048.0),
        measure: Alone(measures::idle_websocket),
        ..PLAIN
    },
    Figure {
        name: "quiet-websocket",
        title: "user memory of a WebSocket that has had one echo, bytes (PSS)",
        measure: Alone(measures::quiet_websocket),
        ..PLAIN
    },
    Figure {
        name: "idle-tls",
        title: "user memory of an idle WebSocket behind TLS, bytes (PSS)",
        ratios: &[("haproxy", 1.0)],
        measure: Alone(measures::idle_tls),
        ..PLAIN
    },
    Figure {
        name: "idle-sse",
        title: "user memory of an idle event stream, bytes (PSS)",
        ratios: &[("nginx", 0.9)],
        measure: Alone(measures::idle_event_stream),
        ..PLAIN
    },
    Figure {
        name: "idle-grpc",
        title: "user memory of an idle gRPC stream, 100 on a connection, bytes (PSS)",
        only: GRPC_PEERS,
        measure: Alone(measures::idle_grpc),
        ..PLAIN
    },
    Figure {
        name: "echo",
        title: "CPU of an echoed message of 128 B, 64 connections, µs",
        ratios: &[("nginx", 1.05), ("haproxy", 0.90)],
        measure: InTurn {
            start: |place, peer| place.start(peer, Kind::Load),
            block: |proxy| Ok(messages(proxy, ECHO_BLOCK)? * MICROS),
            blocks: 8,
        },
        ..PLAIN
    },
    Figure {
        name: "tls-echo",
        title: "CPU of an echoed message of 128 B over TLS, 64 connections, µs",
        measure: Alone(|place, peer| Ok(each(&place.start_tls(peer, Kind::Load)?, TLS_ECHO)? * MICROS)),
        ..PLAIN
    },
    Figure {
        name: "bulk",
        title: "CPU of an echoed MB in messages of 64 KiB, 8 connections, µs",
        ratios: &[("haproxy", 0.80), ("nginx-16k", 0.95)],
        also: &["nginx-16k"],
        measure: Alone(|place, peer| Ok(each(&place.start(peer, Kind::Load)?, BULK)? * MICROS * BULK_TO_MB)),
        ..PLAIN
    },
    Figure {
        name: "tls-bulk",
        title: "CPU of an echoed MB in messages of 64 KiB over TLS, 8 connections, µs",
        measure: Alone(|place, peer| {
            Ok(each(&place.start_tls(peer, Kind::Load)?, TLS_BULK)? * MICROS * BULK_TO_MB)
        }),
        ..PLAIN
    },
    Figure {
        name: "grpc",
        title: "CPU of an echoed gRPC message of 128 B, 64 streams on 8 connections, µs",
        ratios: &[("envoy", 0.7)],
        only: GRPC_PEERS,
        measure: Alone(|place, peer| Ok(each(&place.start_http2(peer, Kind::Grpc)?, GRPC_ECHO)? * MICROS)),
        ..PLAIN
    },
    Figure {
        name: "handshake",
        title: "CPU of a WebSocket handshake and its end, µs",
        ratios: &[("nginx", 1.20)],
        measure: InTurn {
            start: |place, peer| place.start(peer, Kind::Echo),
            block: measures::handshake_cpu,
            blocks: 25,
        },
        ..PLAIN
    },
    Figure {
        name: "tls-handshake",
        title: "CPU of a WebSocket handshake over TLS and its end, µs",
        measure: Alone(measures::tls_handshake_cpu),
        ..PLAIN
    },
    Figure {
        name: "connect",
        title: "CPU of an upstream connection behind 16,000 others, to one of the first 2,000",
        most: Some(2.0),
        only: &["heartline"],
        measure: Alone(|_, _| connect::last_to_first()),
        ..PLAIN
    },
    Figure {
        name: "event",
        title: "CPU of an event of 256 B, 1,000 subscribers at 20/s, µs",
        ratios: &[("nginx", 1.10), ("haproxy", 1.10)],
        measure: Alone(measures::event_cpu),
        ..PLAIN
    },
    Figure {
        name: "tls-event",
        title: "CPU of such an event over TLS, µs",
        measure: Alone(|place, peer| {
            Ok(each_event(&place.start_tls(peer, Kind::Load)?, TLS_EVENTS)? * MICROS)
        }),
        ..PLAIN
    },
    Figure {
        name: "h2-event",
        title: "CPU of such an event over HTTP/2, 10 subscriptions on a connection, µs",
        measure: Alone(|place, peer| {
            Ok(each_event(&place.start_http2(peer, Kind::Load)?, HTTP2_EVENTS)? * MICROS)
        }),
        ..PLAIN
    },
    Figure {
        name: "latency",
        title: "added median round trip, 5,000 messages/s over 500 connections, µs",
        ratios: &[("nginx", 1.3)],
        measure: Alone(measures::added_latency),
        ..PLAIN
    },
    Figure {
        name: "idle-cpu",
        title: "CPU while 9,500 WebSockets are idle, % of a core",
        most: Some(0.5),
        measure: Alone(measures::idle_cpu),
        ..PLAIN
    },
    Figure {
        name: "scrape",
        title: "CPU of a page of metrics, 9,500 WebSockets on 50 routes, ms",
        most: Some(10.0),
        only: &["heartline"],
        measure: Alone(|place, _| asked::answer_cpu(place, "/metrics")),
        ..PLAIN
    },
    Figure {
        name: "overview",
        title: "CPU of the overview of the API, 9,500 WebSockets on 50 routes, ms",
        most: Some(10.0),
        only: &["heartline"],
        measure: Alone(|place, _| asked::answer_cpu(place, "/api/v1/overview")),
        ..PLAIN
    },
];
