//! Load over WebSockets, by `heartline load`.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::echo::Client;
use super::peers::load_binary;

/// Opens WebSockets that stay idle, one after the other.
pub fn open(address: SocketAddr, connections: usize) -> Result<Vec<Client>, String> {
    (0..connections)
        .map(|index| Client::connect(address).map_err(|error| format!("connection {index}: {error}")))
        .collect()
}

/// What connections do with their echoes.
#[derive(Clone, Copy)]
pub struct Load {
    /// How many.
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
pub struct Echoes {
    /// Messages that came back.
    pub count: f64,
    /// Median of the time from when a message was due to when it was back, seconds.
    pub median_seconds: f64,
}

/// Part of what was due that must have come back; with less, the machine was too busy to tell.
const CAME_MIN: f64 = 0.95;

impl Load {
    /// Runs it; an error when a connection broke or messages were late.
    pub fn run(self, address: SocketAddr) -> Result<Echoes, String> {
        let mut command = Command::new(load_binary());
        command.args(["load", "ws", &format!("ws://{address}/"), "--format", "json"]);
        command.args([
            "--connections",
            &self.connections.to_string(),
            "--size",
            &self.payload_bytes.to_string(),
        ]);
        command.args(["--duration", &format!("{}s", self.seconds)]);
        if let Some(rate) = self.per_second {
            command.args(["--rate", &format!("{rate}/s")]);
        }
        let output =
            command.stderr(Stdio::inherit()).output().map_err(|error| format!("the load: {error}"))?;
        let report: Value =
            serde_json::from_slice(&output.stdout).map_err(|error| format!("the load's report: {error}"))?;
        let broken = ["handshake_errors", "errors"].map(|kind| &report[kind]);
        if let Some(broken) =
            broken.into_iter().find(|kinds| kinds.as_object().is_some_and(|kinds| !kinds.is_empty()))
        {
            return Err(format!("connections broke: {broken}"));
        }
        self.judge(&report)
    }

    fn judge(self, report: &Value) -> Result<Echoes, String> {
        let number = |value: &Value, name: &str| value.as_f64().ok_or(format!("the load tells no {name}"));
        let count = number(&report["messages_total"], "messages_total")?;
        let median_seconds = number(&report["latency_seconds"]["p50"], "latency_seconds")?;
        let due = self.per_second.map_or(0.0, |rate| f64::from(rate) * f64::from(self.seconds));
        if count < due * CAME_MIN {
            return Err(format!("the load came too late: {count} messages of {due}"));
        }
        Ok(Echoes { count, median_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn too_late_is_no_figure() {
        let load = Load { connections: 1, payload_bytes: 1, per_second: Some(100), seconds: 2 };
        let report = |count: u32| json!({ "messages_total": count, "latency_seconds": { "p50": 0.25 } });
        assert_eq!(load.judge(&report(200)).map(|echoes| echoes.median_seconds), Ok(0.25));
        assert!(load.judge(&report(100)).is_err());
        assert!(load.judge(&json!({})).is_err());
    }
}
