//! What is measured, one row each.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::echo::message;
use super::events::{EVENTS_PER_SECOND, Subscriptions};
use super::load::{self, Load};
use super::peers::Peer;
use super::place::Place;
use super::processes::Running;
use super::upstream::Kind;
use super::{connect, counted, cpu, events, memory, tls};

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
    /// Takes the figure of one peer.
    pub measure: fn(&Place, &Peer) -> Result<f64, String>,
}

/// A figure without limits, of all usual peers.
const PLAIN: Figure =
    Figure { name: "", title: "", most: None, ratios: &[], also: &[], only: &[], measure: |_, _| Ok(0.0) };

/// Every figure.
pub const FIGURES: [Figure; 14] = [
    Figure {
        name: "instructions",
        title: "user instructions / echo",
        most: Some(6_500.0),
        only: &["heartline", "nginx", "haproxy"],
        measure: counted::instructions,
        ..PLAIN
    },
    Figure {
        name: "syscalls",
        title: "system calls / echo",
        most: Some(6.1),
        measure: |place, peer| Ok(counted::syscalls(place, peer)?.values().sum()),
        ..PLAIN
    },
    Figure {
        name: "idle-websocket",
        title: "user memory of an idle WebSocket, bytes (PSS)",
        most: Some(2_048.0),
        measure: idle_websocket,
        ..PLAIN
    },
    Figure {
        name: "quiet-websocket",
        title: "user memory of a WebSocket that has had one echo, bytes (PSS)",
        measure: quiet_websocket,
        ..PLAIN
    },
    Figure {
        name: "idle-tls",
        title: "user memory of an idle WebSocket behind TLS, bytes (PSS)",
        ratios: &[("haproxy", 1.0)],
        measure: idle_tls,
        ..PLAIN
    },
    Figure {
        name: "idle-sse",
        title: "user memory of an idle event stream, bytes (PSS)",
        ratios: &[("nginx", 0.9)],
        measure: idle_event_stream,
        ..PLAIN
    },
    Figure {
        name: "echo",
        title: "CPU of an echoed message of 128 B, 64 connections, µs",
        ratios: &[("nginx", 1.05), ("haproxy", 0.90)],
        measure: |place, peer| Ok(echo_cpu(place, peer, ECHO_CONNECTIONS, ECHO_BYTES)? * MICROS),
        ..PLAIN
    },
    Figure {
        name: "tls-echo",
        title: "CPU of an echoed message of 128 B over TLS, 64 connections, µs",
        measure: tls_echo_cpu,
        ..PLAIN
    },
    Figure {
        name: "bulk",
        title: "CPU of an echoed MB in messages of 64 KiB, 8 connections, µs",
        ratios: &[("haproxy", 0.80), ("nginx-16k", 0.95)],
        also: &["nginx-16k"],
        measure: |place, peer| {
            let echo = echo_cpu(place, peer, 8, BULK_BYTES)?;
            Ok(echo * MICROS * 1e6 / BULK_BYTES as f64)
        },
        ..PLAIN
    },
    Figure {
        name: "handshake",
        title: "CPU of a WebSocket handshake and its end, µs",
        ratios: &[("nginx", 1.20)],
        measure: handshake_cpu,
        ..PLAIN
    },
    Figure {
        name: "connect",
        title: "CPU of an upstream connection behind 16,000 others, to one of the first 2,000",
        most: Some(2.0),
        only: &["heartline"],
        measure: |_, _| connect::last_to_first(),
        ..PLAIN
    },
    Figure {
        name: "event",
        title: "CPU of an event of 256 B, 1,000 subscribers at 20/s, µs",
        ratios: &[("nginx", 1.10), ("haproxy", 1.10)],
        measure: event_cpu,
        ..PLAIN
    },
    Figure {
        name: "latency",
        title: "added median round trip, 5,000 messages/s over 500 connections, µs",
        ratios: &[("nginx", 1.3)],
        measure: added_latency,
        ..PLAIN
    },
    Figure {
        name: "idle-cpu",
        title: "CPU while 9,500 WebSockets are idle, % of a core",
        most: Some(0.5),
        measure: idle_cpu,
        ..PLAIN
    },
];

const MICROS: f64 = 1e6;

/// Payload of small messages.
const ECHO_BYTES: usize = 128;

/// Connections that echo small messages.
const ECHO_CONNECTIONS: usize = 64;

/// Payload of large messages.
const BULK_BYTES: usize = 64 * 1024;

/// Before a measurement, for what start and connecting leave behind.
const WARM_UP: Duration = Duration::from_millis(700);

/// Length of a measurement of CPU or latency.
const WINDOW: Duration = Duration::from_secs(WINDOW_SECONDS as u64);
const WINDOW_SECONDS: u32 = 3;

/// Length of a measurement at rest, for what happens every 10 s to happen.
const IDLE_WINDOW: Duration = Duration::from_secs(10);

/// Subscribers that are sent events.
const SUBSCRIBERS: usize = 1_000;

/// Handshakes of one measurement; fewer than the ports that their ends keep busy.
const HANDSHAKES: u32 = 1_500;

/// Connections before and after which memory is compared.
const IDLE_FEW: usize = 500;
const IDLE_MANY: usize = 4_500;

/// CPU seconds of the proxy for each of what `count` counts, over the window.
fn cpu_each(proxy: &Running, count: impl Fn() -> Result<u64, String>) -> Result<f64, String> {
    sleep(WARM_UP);
    let tree = proxy.tree();
    let (cpu_before, before) = (cpu::seconds(&tree), count()?);
    sleep(WINDOW);
    let (used, counted) = (cpu::seconds(&tree) - cpu_before, count()? - before);
    if counted == 0 { Err("nothing came back".to_owned()) } else { Ok(used / counted as f64) }
}

/// CPU seconds for each echo.
fn echo_cpu(place: &Place, peer: &Peer, connections: usize, payload_bytes: usize) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Load)?;
    let load = Load { connections, payload_bytes, per_second: None, seconds: WINDOW_SECONDS };
    Load { seconds: 1, ..load }.run(proxy.address)?;
    let tree = proxy.tree();
    let before = cpu::seconds(&tree);
    let echoes = load.run(proxy.address)?;
    Ok((cpu::seconds(&tree) - before) / echoes.count)
}

fn event_cpu(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Events)?;
    let subscriptions = Subscriptions::open(proxy.address, SUBSCRIBERS)?;
    let (begin, before) = (Instant::now(), subscriptions.events());
    let each = cpu_each(&proxy, || Ok(subscriptions.events()))?;
    let due = begin.elapsed().as_secs_f64() * SUBSCRIBERS as f64 * f64::from(EVENTS_PER_SECOND);
    let came = (subscriptions.events() - before) as f64;
    if came < due * 0.9 {
        return Err(format!("the load came too late: {came} events of {due:.0}"));
    }
    Ok(each * MICROS)
}

fn handshake_cpu(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Echo)?;
    drop(load::open(proxy.address, 100)?);
    sleep(WARM_UP);
    let tree = proxy.tree();
    let before = cpu::seconds(&tree);
    for _ in 0..HANDSHAKES {
        drop(load::open(proxy.address, 1)?);
    }
    sleep(WARM_UP);
    Ok((cpu::seconds(&tree) - before) / f64::from(HANDSHAKES) * MICROS)
}

fn added_latency(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Load)?;
    let load = Load {
        connections: 500,
        payload_bytes: ECHO_BYTES,
        per_second: Some(5_000),
        seconds: WINDOW_SECONDS,
    };
    let (through, direct) = (load.run(proxy.address)?, load.run(proxy.upstream.address)?);
    Ok((through.median_seconds - direct.median_seconds) * MICROS)
}

/// Memory for each connection; `open` opens so many more and keeps them in what it is given.
fn idle_bytes<T: Default>(
    proxy: &Running,
    open: impl Fn(&mut T, usize) -> Result<(), String>,
) -> Result<f64, String> {
    let mut kept = T::default();
    open(&mut kept, IDLE_FEW)?;
    sleep(WARM_UP);
    let before = memory::pss_bytes(&proxy.tree());
    open(&mut kept, IDLE_MANY - IDLE_FEW)?;
    sleep(WARM_UP);
    let after = memory::pss_bytes(&proxy.tree());
    Ok(after.saturating_sub(before) as f64 / (IDLE_MANY - IDLE_FEW) as f64)
}

fn idle_websocket(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Echo)?;
    idle_bytes(&proxy, |kept: &mut Vec<_>, count| {
        kept.extend(load::open(proxy.address, count)?);
        Ok(())
    })
}

fn quiet_websocket(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Echo)?;
    let message = message(ECHO_BYTES);
    idle_bytes(&proxy, |kept: &mut Vec<_>, count| {
        for mut client in load::open(proxy.address, count)? {
            client.echo(&message).map_err(|error| error.to_string())?;
            kept.push(client);
        }
        Ok(())
    })
}

fn idle_tls(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start_tls(peer, Kind::Echo)?;
    let clients = tls::Clients::start(proxy.address)?;
    idle_bytes(&proxy, |(), count| clients.open(count))
}

fn idle_event_stream(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Events)?;
    idle_bytes(&proxy, |kept: &mut Vec<_>, count| {
        for _ in 0..count {
            kept.push(events::subscribe(proxy.address, "/silent").map_err(|error| error.to_string())?);
        }
        Ok(())
    })
}

fn tls_echo_cpu(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start_tls(peer, Kind::Echo)?;
    let clients = tls::Clients::start(proxy.address)?;
    clients.open(ECHO_CONNECTIONS)?;
    clients.echo(ECHO_BYTES)?;
    Ok(cpu_each(&proxy, || clients.echoes())? * MICROS)
}

fn idle_cpu(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Echo)?;
    let _clients = load::open(proxy.address, 9_500)?;
    sleep(WARM_UP);
    let tree = proxy.tree();
    let (before, begin) = (cpu::seconds(&tree), Instant::now());
    sleep(IDLE_WINDOW);
    Ok((cpu::seconds(&tree) - before) / begin.elapsed().as_secs_f64() * 100.0)
}
