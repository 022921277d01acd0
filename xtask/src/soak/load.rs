//! Well-behaved clients, by `heartline load`, and beside them those that are not.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use serde_json::Value;

use super::faults;
use super::site::Targets;
use crate::bench::peers::load_binary;

/// Where and with what; `PLAIN` and `TLS` stand for addresses.
const LOADS: [&str; 10] = [
    "ws ws://PLAIN/echo -c 40",
    "ws ws://PLAIN/echo?user=7 -c 20 --messages-each 20",
    "ws ws://PLAIN/echo -c 200 --rate 1000/s",
    "ws ws://PLAIN/echo -c 4 --size 256KiB",
    "ws ws://PLAIN/push?rate=200 --push -c 20",
    "ws wss://TLS/echo -c 16 --messages-each 50 --insecure",
    "sse http://PLAIN/events?rate=50 -c 100",
    "sse http://PLAIN/events?rate=50 -c 100 --http2 --streams 10",
    "grpc grpc://PLAIN/load.Load/Echo -c 60 --streams 6 --messages-each 30",
    "grpc grpc://PLAIN/load.Load/Push --push -c 20 --streams 4",
];

/// Each load runs for so long, again and again.
const TURN: &str = "3s";

/// Between two turns, in which an upstream may come back.
const PAUSE: Duration = Duration::from_millis(200);

/// Threads that misbehave.
const CULPRITS: usize = 4;

/// What the clients of a cycle did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Connections that were opened in peace.
    pub handshakes: u64,
    /// Messages and events that came.
    pub messages: u64,
    /// Connections that broke, mostly with an upstream that was killed.
    pub broken: u64,
    /// Clients that misbehaved.
    pub faults: u64,
}

/// Clients that come and go until they are told to end.
pub struct Running {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Totals>>,
}

impl Running {
    /// Starts them.
    pub fn start(targets: &Targets) -> Running {
        let is_over = Arc::new(AtomicBool::new(false));
        let targets = *targets;
        let mut threads = Vec::new();
        for load in LOADS {
            let is_over = Arc::clone(&is_over);
            threads.push(thread::spawn(move || turns(load, &targets, &is_over)));
        }
        for culprit in 0..CULPRITS {
            let is_over = Arc::clone(&is_over);
            threads.push(thread::spawn(move || {
                let faults = faults::run(&targets, culprit, &is_over);
                Totals { faults, ..Totals::default() }
            }));
        }
        Running { is_over, threads }
    }

    /// Waits until all have left.
    pub fn end(self) -> Result<Totals, String> {
        self.is_over.store(true, Relaxed);
        let mut sum = Totals::default();
        for thread in self.threads {
            let part = thread.join().map_err(|_| "a client has broken".to_owned())?;
            sum.handshakes += part.handshakes;
            sum.messages += part.messages;
            sum.broken += part.broken;
            sum.faults += part.faults;
        }
        if sum.messages == 0 { Err("no message came through".to_owned()) } else { Ok(sum) }
    }
}

fn turns(load: &str, targets: &Targets, is_over: &AtomicBool) -> Totals {
    let load = load.replace("PLAIN", &targets.plain.to_string()).replace("TLS", &targets.tls.to_string());
    let mut sum = Totals::default();
    while !is_over.load(Relaxed) {
        let output = Command::new(load_binary())
            .arg("load")
            .args(load.split_whitespace())
            .args(["--duration", TURN, "--timeout", "2s", "--format", "json"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let report: Value =
            output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok()).unwrap_or_default();
        let number = |name: &str| report[name].as_u64().unwrap_or_default();
        let kinds = |name: &str| -> u64 {
            report[name].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
        };
        sum.handshakes += number("handshakes_total");
        sum.messages += number("messages_total");
        sum.broken += kinds("errors") + kinds("handshake_errors");
        sleep(PAUSE);
    }
    sum
}
