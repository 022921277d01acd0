//! Load by `heartline load`, and idle WebSockets.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::echo::Client;
use super::peers::load_binary;
use super::processes::signal;

/// Opens WebSockets that stay idle, one after the other.
pub fn open(address: SocketAddr, connections: usize) -> Result<Vec<Client>, String> {
    (0..connections)
        .map(|index| Client::connect(address).map_err(|error| format!("connection {index}: {error}")))
        .collect()
}

/// What is spoken.
#[derive(Clone, Copy)]
pub enum Traffic {
    /// WebSockets that echo.
    WebSocket,
    /// gRPC streams that echo, so many on each connection.
    Grpc {
        /// Streams on each connection.
        streams: usize,
    },
    /// Event streams.
    Events {
        /// Events a second on each.
        per_second: u32,
        /// Of so many streams on each connection, by HTTP/2; without it HTTP/1.1.
        streams: Option<usize>,
    },
}

/// Load that runs for a time.
#[derive(Clone, Copy)]
pub struct Load {
    /// What is spoken.
    pub traffic: Traffic,
    /// Whether in TLS, which has no HTTP/2 here.
    pub is_tls: bool,
    /// How many connections, or streams of HTTP/2.
    pub connections: usize,
    /// Length of a message.
    pub payload_bytes: usize,
    /// Messages a second of all together, sent whether or not earlier ones have come back; without it, each
    /// connection sends its next message when the last one is back.
    pub per_second: Option<u32>,
    /// How long, seconds.
    pub seconds: u32,
}

/// What came of it.
pub struct Messages {
    /// Messages that came back, or events that came.
    pub count: f64,
    /// Median of the time from when a message was due to when it was back, seconds; none of events.
    pub median_seconds: Option<f64>,
    /// The 99th percentile of the same.
    pub p99_seconds: Option<f64>,
}

/// Length of a measurement of CPU or latency.
pub const WINDOW_SECONDS: u32 = 3;

/// Part of what was due that must have come; with less, the machine was too busy to tell.
const CAME_MIN: f64 = 0.95;

/// Time for subscriptions to be opened before their events are counted, as the load takes it.
const SUBSCRIBING: &str = "2s";

/// Time for thousands of streams to be opened.
const OPENING: Duration = Duration::from_secs(4);

impl Load {
    /// Echoes in the closed loop, in plain, for a window.
    pub const fn echo(traffic: Traffic, connections: usize, payload_bytes: usize) -> Load {
        let seconds = WINDOW_SECONDS;
        Load { traffic, is_tls: false, connections, payload_bytes, per_second: None, seconds }
    }

    /// Runs it; an error when a connection broke or messages were late.
    pub fn run(self, address: SocketAddr) -> Result<Messages, String> {
        let output = self.command(address).output().map_err(|error| format!("the load: {error}"))?;
        self.judge(&report(&output.stdout)?)
    }

    /// Handshakes and nothing else, `count` of them.
    pub fn handshakes(self, address: SocketAddr, count: u32) -> Result<(), String> {
        let mut command = self.command(address);
        command.args(["--handshakes", &count.to_string()]);
        let output = command.output().map_err(|error| format!("the load: {error}"))?;
        let made = report(&output.stdout)?["handshakes_total"].as_u64();
        if made == Some(count.into()) { Ok(()) } else { Err(format!("{made:?} handshakes of {count}")) }
    }

    /// Runs it until it is told to end, once all its connections should be open.
    pub fn hold(self, address: SocketAddr) -> Result<Held, String> {
        let child = self.command(address).stdout(Stdio::piped()).spawn();
        let held = Held { child: child.map_err(|error| format!("the load: {error}"))?, load: self };
        sleep(OPENING);
        Ok(held)
    }

    fn command(self, address: SocketAddr) -> Command {
        let mut command = Command::new(load_binary());
        let (sub_command, scheme, path) = match self.traffic {
            Traffic::WebSocket => ("ws", "ws", String::new()),
            Traffic::Grpc { .. } => ("grpc", "grpc", "load.Load/Echo".to_owned()),
            Traffic::Events { per_second, .. } => {
                ("sse", "http", format!("events?rate={per_second}&size={}", self.payload_bytes))
            }
        };
        let s = if self.is_tls { "s" } else { "" };
        command.args(["load", sub_command, &format!("{scheme}{s}://{address}/{path}"), "--format", "json"]);
        if self.is_tls {
            command.arg("--insecure");
        }
        command.args(["--connections", &self.connections.to_string()]);
        command.args(["--duration", &format!("{}s", self.seconds)]);
        match self.traffic {
            Traffic::Events { streams: Some(streams), .. } => {
                command.args(["--http2", "--streams", &streams.to_string()])
            }
            Traffic::Grpc { streams } => command.args(["--streams", &streams.to_string()]),
            Traffic::WebSocket | Traffic::Events { streams: None, .. } => &mut command,
        };
        match self.traffic {
            Traffic::Events { .. } => command.args(["--warmup", SUBSCRIBING]),
            _ => command.args(["--size", &self.payload_bytes.to_string()]),
        };
        if let Some(rate) = self.per_second {
            command.args(["--rate", &format!("{rate}/s")]);
        }
        command.stderr(Stdio::inherit());
        command
    }

    fn judge(self, report: &Value) -> Result<Messages, String> {
        let broken = ["handshake_errors", "errors"].map(|kind| &report[kind]);
        let is_broken = |kinds: &&Value| kinds.as_object().is_some_and(|kinds| !kinds.is_empty());
        if let Some(broken) = broken.into_iter().find(is_broken) {
            return Err(format!("connections broke: {broken}"));
        }
        let count = report["messages_total"].as_f64().ok_or("the load tells no messages_total")?;
        let due = self.due_per_second() * f64::from(self.seconds);
        if count < due * CAME_MIN {
            return Err(format!("the load came too late: {count} messages of {due}"));
        }
        let latency = &report["latency_seconds"];
        Ok(Messages { count, median_seconds: latency["p50"].as_f64(), p99_seconds: latency["p99"].as_f64() })
    }

    /// Messages that are due; an event stream's from when all are open.
    fn due_per_second(self) -> f64 {
        match self.traffic {
            Traffic::Events { per_second, .. } => f64::from(per_second) * self.connections as f64,
            _ => self.per_second.map_or(0.0, f64::from),
        }
    }
}

/// Load that runs until it is told to end.
pub struct Held {
    child: Child,
    load: Load,
}

impl Held {
    /// Ends it; an error when not all of its connections were open.
    pub fn end(mut self) -> Result<(), String> {
        signal(self.child.id(), "TERM");
        let output = self.child.stdout.take().expect("it was asked for");
        let text = std::io::read_to_string(output).map_err(|error| format!("the load: {error}"))?;
        let open = report(text.as_bytes())?["connections_open_max"].as_u64();
        let wanted = self.load.connections as u64;
        if open == Some(wanted) { Ok(()) } else { Err(format!("{open:?} connections of {wanted} were open")) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn report(json: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(json).map_err(|error| format!("the load's report: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn too_late_is_no_figure() {
        let load = Load { per_second: Some(100), seconds: 2, ..Load::echo(Traffic::WebSocket, 1, 1) };
        let report = |count: u32| json!({ "messages_total": count, "latency_seconds": { "p50": 0.25 } });
        assert_eq!(load.judge(&report(200)).map(|messages| messages.median_seconds), Ok(Some(0.25)));
        assert!(load.judge(&report(100)).is_err());
        assert!(load.judge(&json!({})).is_err());
        let broken = json!({ "messages_total": 200, "errors": { "reset": 1 } });
        assert!(load.judge(&broken).is_err());
    }
}
