//! What findings of live traffic cost: `cargo xtask bench findings` runs it and judges what it prints.
//!
//! Time is simulated: a gateway's close records and looks go to [`Watch`] and [`Ledger`] as the thread of findings gives
//! them, one simulated second after the other, as fast as the machine can. One line of JSON for each scale.

use std::fs;
use std::hint::black_box;
use std::sync::Arc;

use diagnose::population::{Ledger, Watch, WatchOptions};
use model::event::CloseCode;
use model::live::LiveConnection;
use model::record::{Cause, CloseRecord, What};
use model::{ConnectionId, HandshakeResult, Initiator, Layer, Leg, Protocol, Reason, WallTime};
use serde_json::{Value, json};

/// Open connections and closes per second at scale 1, over so many routes.
const OPEN: usize = 50_000;
const CLOSES: usize = 1_000;
const ROUTES: usize = 50;
/// Simulated seconds: until the window of records is full, and then as many that are measured.
const FILL: u64 = 600;
const MEASURED: u64 = 600;
/// Paces of the thread in a second, and seconds between its looks.
const PACES: u64 = 2;
const LOOK: u64 = 5;

fn main() {
    let scales: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    for scale in scales {
        println!("{}", measure(scale));
    }
}

fn measure(scale: usize) -> Value {
    let mut traffic = Traffic::new(scale);
    let before = memory("VmRSS:");
    let (mut watch, mut ledger) = (Watch::new(WatchOptions::default()), Ledger::default());
    let (mut taking, mut looking, mut looks, mut pause) = (0.0, 0.0, 0_u64, 0.0_f64);
    for second in 0..FILL + MEASURED {
        let is_measured = second >= FILL;
        for _ in 0..PACES {
            let records: Vec<Arc<CloseRecord>> =
                (0..scale * CLOSES / PACES as usize).map(|_| traffic.close(second)).collect();
            let began = cpu_seconds();
            records.into_iter().for_each(|record| watch.closed(record));
            taking += if is_measured { cpu_seconds() - began } else { 0.0 };
        }
        if second % LOOK == 0 {
            let now = at(second + 1);
            let began = cpu_seconds();
            watch.look(traffic.open(second), None);
            ledger.looked(black_box(watch.judge(now)), now);
            let took = cpu_seconds() - began;
            if is_measured {
                (looking, looks, pause) = (looking + took, looks + 1, pause.max(took));
            }
        }
    }
    json!({
        "scale": scale,
        "cpu_ratio": (taking + looking) / MEASURED as f64,
        "taking_ratio": taking / MEASURED as f64,
        "look_seconds": looking / looks as f64,
        "pause_seconds": pause,
        "memory_bytes": memory("VmHWM:").saturating_sub(before),
        "records": watch.records(),
        "findings": ledger.active().len(),
    })
}

/// CPU time of this thread, as the scheduler counts it.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel counts it");
    text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).expect("nanoseconds come first") / 1e9
}

/// Memory of this process by proc_pid_status(5), bytes.
fn memory(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("every process has one");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

fn at(second: u64) -> WallTime {
    WallTime((1_800_000_000 + second) * 1_000_000_000)
}

/// Connections of a gateway: each close is of one that was open, and another one takes its place.
struct Traffic {
    random: u64,
    open: Vec<LiveConnection>,
    routes: Vec<(Arc<str>, Protocol)>,
    upstreams: [Arc<str>; 3],
    record: CloseRecord,
}

impl Traffic {
    fn new(scale: usize) -> Traffic {
        let protocols = [Protocol::WebSocket, Protocol::WebSocket, Protocol::Sse, Protocol::Grpc];
        let route = |number: usize| (format!("route-{number}").into(), protocols[number % protocols.len()]);
        let mut traffic = Traffic {
            random: 1,
            open: Vec::new(),
            routes: (0..ROUTES).map(route).collect(),
            upstreams: ["http://10.1.0.1:80", "http://10.1.0.2:80", "http://10.1.0.3:80"].map(Arc::from),
            record: serde_json::from_value(record()).expect("a close record"),
        };
        let live: LiveConnection = serde_json::from_value(live()).expect("a live connection");
        traffic.open = (0..scale * OPEN).map(|_| traffic.opened(live.clone(), 0)).collect();
        traffic
    }

    /// A number from 0 to 1 (splitmix64).
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.random() * bound as f64) as usize
    }

    /// Another connection: few routes have most of them.
    fn opened(&mut self, mut live: LiveConnection, second: u64) -> LiveConnection {
        let route = (self.random().powi(2) * ROUTES as f64) as usize;
        (live.route, live.protocol) = self.routes[route].clone();
        live.id = ConnectionId((self.random() * 1e18) as u64);
        live.upstream = Arc::clone(&self.upstreams[self.below(3)]);
        live.client.ip = [10, self.below(64) as u8, self.below(256) as u8, self.below(256) as u8].into();
        live.opened_at = at(second);
        live.messages.server_to_client = self.below(1000) as u64;
        live
    }

    fn open(&self, second: u64) -> impl Iterator<Item = LiveConnection> {
        self.open.iter().map(move |live| {
            let age_seconds = (at(second).as_secs_f64() - live.opened_at.as_secs_f64()).max(0.0);
            LiveConnection { age_seconds, idle_seconds: age_seconds.min(5.0), ..live.clone() }
        })
    }

    /// One that ends: mostly as clients should, some by timers, codes and resets, some that never opened; and each two
    /// minutes an upstream of one route goes with all that it has.
    fn close(&mut self, second: u64) -> Arc<CloseRecord> {
        let place = self.below(self.open.len());
        let mut record = self.record.clone();
        let live = &self.open[place];
        (record.id, record.route, record.protocol) = (live.id, Arc::clone(&live.route), live.protocol);
        (record.client, record.upstream) = (live.client.clone(), Some(Arc::clone(&live.upstream)));
        let upstream_goes = second % 120 < 2 && *live.upstream == *self.upstreams[0];
        record.opened_at = live.opened_at;
        record.closed_at = WallTime(at(second).0 + (self.random() * 1e9) as u64);
        record.duration_seconds = record.closed_at.as_secs_f64() - record.opened_at.as_secs_f64();
        let silence = record.duration_seconds * self.random();
        let fate = if upstream_goes && record.route.ends_with('7') { 0.9 } else { self.random() };
        let (leg, what, reason, code) = match fate {
            ..0.6 => (Leg::Client, What::CloseFrame, Reason::Normal, Some(1000)),
            ..0.75 => (Leg::Client, What::CloseFrame, Reason::GoingAway, Some(1001)),
            ..0.8 => (Leg::Client, What::Rst, Reason::Abnormal, None),
            ..0.85 => (Leg::Client, What::Fin, Reason::Abnormal, None),
            ..0.95 => (Leg::Upstream, What::Fin, Reason::Abnormal, None),
            ..0.97 => (Leg::Upstream, What::CloseFrame, CloseCode(1011).into(), Some(1011)),
            _ => {
                record.handshake.result = HandshakeResult::Unreachable;
                record.handshake.status = Some(502);
                record.handshake.detail =
                    Some("http://10.1.0.1:80: Connection refused (os error 111)".into());
                (record.duration_seconds, record.opened_at) = (0.0, record.closed_at);
                (Leg::Upstream, What::Fin, Reason::Abnormal, None)
            }
        };
        // A proxy's timer on the routes that end in 3.
        let is_timed = fate > 0.85 && fate < 0.95 && record.route.ends_with('3');
        record.idle_seconds.any = if is_timed { 60.0 + self.random() * 0.2 } else { silence };
        let code = code.filter(|_| record.protocol == Protocol::WebSocket).map(CloseCode);
        match leg {
            Leg::Client => record.codes.from_client = code,
            Leg::Upstream => record.codes.from_upstream = code,
        }
        if record.handshake.result == HandshakeResult::Success {
            (record.initiator, record.layer, record.reason) =
                (Some(Initiator::from(leg)), Some(Layer::Tcp), Some(reason));
            let at = record.closed_at;
            record.causes = vec![Cause { leg: Some(leg), layer: Layer::Tcp, what, code, error: None, at }];
        }
        let next = self.opened(self.open[place].clone(), second);
        self.open[place] = next;
        Arc::new(record)
    }
}

fn sample() -> Value {
    json!({
        "at_seconds": 30.0, "rtt_seconds": 0.03, "min_rtt_seconds": 0.02, "retransmits": 1, "unanswered": 0,
        "unread_bytes": 0, "notsent_bytes": 0, "unacked_bytes": 0, "zero_window": false, "bytes_acked": 90_000,
        "busy_seconds": 1.0, "rwnd_limited_seconds": 0.0, "sndbuf_limited_seconds": 0.0, "last_ack_seconds": 0.5,
    })
}

fn tcp(is_closed: bool) -> Value {
    let close = if is_closed { sample() } else { Value::Null };
    let leg = json!({ "shared": false, "open": sample(), "last": sample(), "close": close });
    json!({ "client": leg, "upstream": leg })
}

/// What a close record and a live connection have in common.
fn common() -> Value {
    let none = json!({ "client_to_server": 0, "server_to_client": 0 });
    json!({
        "id": ConnectionId(1), "protocol": "websocket", "route": "-", "client": { "ip": "10.0.0.1", "port": 40_000 },
        "upstream": "-", "opened_at": at(0), "messages": none, "bytes": none,
        "heartbeat": { "client": { "interval_seconds": 20.0, "missed": 0 }, "upstream": null },
    })
}

fn record() -> Value {
    let own = json!({
        "closed_at": at(0), "duration_seconds": 0.0, "initiator": null, "layer": null, "reason": null, "causes": [],
        "handshake": { "result": "success", "status": 101, "seconds": 0.01 },
        "codes": { "from_client": null, "from_upstream": null },
        "idle_seconds": { "any": 0.0, "data": 0.0, "client_to_server": 0.0, "server_to_client": 0.0 },
        "unsent_bytes": { "client_to_server": 0, "server_to_client": 0 }, "tcp": tcp(true),
    });
    joined(own)
}

fn live() -> Value {
    let waits = json!({ "messages": 0, "bytes": 0, "oldest_age_seconds": 0.0 });
    let own = json!({
        "age_seconds": 0.0, "idle_seconds": 0.0, "state": "open", "tcp": tcp(false),
        "backlog": { "client_to_server": waits, "server_to_client": waits },
    });
    joined(own)
}

fn joined(own: Value) -> Value {
    let (Value::Object(mut all), Value::Object(own)) = (common(), own) else {
        unreachable!("both are objects")
    };
    all.extend(own);
    Value::Object(all)
}
