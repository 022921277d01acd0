//! How figures are measured.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::echo::message;
use super::events::{EVENTS_PER_SECOND, Subscriptions};
use super::load::{self, Load, Traffic, WINDOW_SECONDS};
use super::peers::Peer;
use super::place::Place;
use super::processes::Running;
use super::upstream::Kind;
use super::{cpu, events, memory, tls};

const MICROS: f64 = 1e6;

/// Payload of small messages.
pub const ECHO_BYTES: usize = 128;

/// Connections that echo small messages.
pub const ECHO_CONNECTIONS: usize = 64;

/// Payload of large messages.
pub const BULK_BYTES: usize = 64 * 1024;

/// Before a measurement, for what start and connecting leave behind.
const WARM_UP: Duration = Duration::from_millis(700);

/// Length of a measurement of events.
const WINDOW: Duration = Duration::from_secs(WINDOW_SECONDS as u64);

/// Before a measurement at rest: every connection has been looked at twice, which belongs to its opening.
const FIRST_LOOKS: Duration = Duration::from_secs(30);

/// Length of a measurement at rest, for what happens every 10 s to happen.
const IDLE_WINDOW: Duration = Duration::from_secs(10);

/// Subscribers that are sent events.
pub const SUBSCRIBERS: usize = 1_000;

/// Handshakes of one measurement; fewer than the ports that their ends keep busy.
const HANDSHAKES: u32 = 1_500;

/// Handshakes of a block.
const HANDSHAKES_IN_BLOCK: u32 = 60;

/// For the ends of a block's connections to be over.
const ENDING: Duration = Duration::from_millis(50);

/// Connections before and after which memory is compared.
const IDLE_FEW: usize = 500;
const IDLE_MANY: usize = 4_500;

/// Idle streams of gRPC on each connection.
const IDLE_STREAMS: usize = 100;

/// Longer than any measurement, seconds.
const LONG: u32 = 3_600;

/// CPU seconds of the proxy for each message of a load that sends all the time, once it is warm.
pub fn each(proxy: &Running, load: Load) -> Result<f64, String> {
    Load { seconds: 1, ..load }.run(proxy.address)?;
    messages(proxy, load)
}

/// The same, cold.
pub fn messages(proxy: &Running, load: Load) -> Result<f64, String> {
    let tree = proxy.tree();
    let before = cpu::seconds(&tree);
    let messages = load.run(proxy.address)?;
    Ok((cpu::seconds(&tree) - before) / messages.count)
}

/// The same of events: the difference of a long and a short run, so that subscribing cancels out.
pub fn each_event(proxy: &Running, load: Load) -> Result<f64, String> {
    let tree = proxy.tree();
    let run = |seconds| {
        let before = cpu::seconds(&tree);
        let events = Load { seconds, ..load }.run(proxy.address)?;
        Ok::<_, String>((cpu::seconds(&tree) - before, events.count))
    };
    run(1)?;
    let ((few_cpu, few), (many_cpu, many)) = (run(1)?, run(1 + load.seconds)?);
    Ok((many_cpu - few_cpu) / (many - few))
}

/// CPU seconds of the proxy for each of what `count` counts, over the window.
fn cpu_each(proxy: &Running, count: impl Fn() -> u64) -> Result<f64, String> {
    sleep(WARM_UP);
    let tree = proxy.tree();
    let (cpu_before, before) = (cpu::seconds(&tree), count());
    sleep(WINDOW);
    let (used, counted) = (cpu::seconds(&tree) - cpu_before, count() - before);
    if counted == 0 { Err("nothing came back".to_owned()) } else { Ok(used / counted as f64) }
}

/// CPU microseconds of an event.
pub fn event_cpu(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Events)?;
    let subscriptions = Subscriptions::open(proxy.address, SUBSCRIBERS)?;
    let (begin, before) = (Instant::now(), subscriptions.events());
    let each = cpu_each(&proxy, || subscriptions.events())?;
    let due = begin.elapsed().as_secs_f64() * SUBSCRIBERS as f64 * f64::from(EVENTS_PER_SECOND);
    let came = (subscriptions.events() - before) as f64;
    if came < due * 0.9 {
        return Err(format!("the load came too late: {came} events of {due:.0}"));
    }
    Ok(each * MICROS)
}

/// CPU microseconds of a handshake and its end, of a block of them one after another.
pub fn handshake_cpu(proxy: &Running) -> Result<f64, String> {
    let tree = proxy.tree();
    let before = cpu::seconds(&tree);
    for _ in 0..HANDSHAKES_IN_BLOCK {
        drop(load::open(proxy.address, 1)?);
    }
    sleep(ENDING);
    Ok((cpu::seconds(&tree) - before) / f64::from(HANDSHAKES_IN_BLOCK) * MICROS)
}

/// CPU microseconds of a handshake over TLS and its end.
pub fn tls_handshake_cpu(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start_tls(peer, Kind::Load)?;
    let load = Load { is_tls: true, seconds: LONG, ..Load::echo(Traffic::WebSocket, 16, ECHO_BYTES) };
    load.handshakes(proxy.address, 100)?;
    sleep(WARM_UP);
    let tree = proxy.tree();
    let before = cpu::seconds(&tree);
    load.handshakes(proxy.address, HANDSHAKES)?;
    sleep(WARM_UP);
    Ok((cpu::seconds(&tree) - before) / f64::from(HANDSHAKES) * MICROS)
}

/// Microseconds that the median round trip is longer through the proxy.
pub fn added_latency(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Load)?;
    let load = Load { per_second: Some(5_000), ..Load::echo(Traffic::WebSocket, 500, ECHO_BYTES) };
    let median = |address| load.run(address)?.median_seconds.ok_or("nothing came back".to_owned());
    let (through, direct) = (median(proxy.address)?, median(proxy.upstream.address)?);
    Ok((through - direct) * MICROS)
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

/// Memory of a WebSocket without messages.
pub fn idle_websocket(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Echo)?;
    idle_bytes(&proxy, |kept: &mut Vec<_>, count| {
        kept.extend(load::open(proxy.address, count)?);
        Ok(())
    })
}

/// Memory of a WebSocket that has had one message there and back.
pub fn quiet_websocket(place: &Place, peer: &Peer) -> Result<f64, String> {
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

/// Memory of a WebSocket without messages whose client speaks TLS.
pub fn idle_tls(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start_tls(peer, Kind::Echo)?;
    let clients = tls::Clients::start(proxy.address)?;
    idle_bytes(&proxy, |(), count| clients.open(count))
}

/// Memory of an event stream without events.
pub fn idle_event_stream(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Events)?;
    idle_bytes(&proxy, |kept: &mut Vec<_>, count| {
        for _ in 0..count {
            kept.push(events::subscribe(proxy.address, "/silent").map_err(|error| error.to_string())?);
        }
        Ok(())
    })
}

/// Memory of an open stream of gRPC without messages.
pub fn idle_grpc(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start_http2(peer, Kind::Grpc)?;
    let hold = |streams| {
        let load = Load::echo(Traffic::Grpc { streams: IDLE_STREAMS }, streams, ECHO_BYTES);
        Load { per_second: Some(1), seconds: LONG, ..load }.hold(proxy.address)
    };
    let memory = || memory::pss_bytes(&proxy.tree());
    let (few, before) = (hold(IDLE_FEW)?, memory());
    let (more, after) = (hold(IDLE_MANY - IDLE_FEW)?, memory());
    few.end()?;
    more.end()?;
    Ok(after.saturating_sub(before) as f64 / (IDLE_MANY - IDLE_FEW) as f64)
}

/// Percent of a core while nothing happens.
pub fn idle_cpu(place: &Place, peer: &Peer) -> Result<f64, String> {
    let proxy = place.start(peer, Kind::Echo)?;
    let _clients = load::open(proxy.address, 9_500)?;
    sleep(FIRST_LOOKS);
    let tree = proxy.tree();
    let (before, begin) = (cpu::seconds(&tree), Instant::now());
    sleep(IDLE_WINDOW);
    Ok((cpu::seconds(&tree) - before) / begin.elapsed().as_secs_f64() * 100.0)
}
