//! What the two benches of queues share: a service, a gateway in front of it with a route for each protocol, clients, and
//! what the kernel keeps between them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::case1::{Owned, start, waited};
use super::history::ask;
use super::memory::rss_bytes;
use super::peers;
use super::processes::free_port;

/// By which the events of a protocol have their classes.
fn priority(protocol: &str) -> String {
    let entry = |class: &str| match protocol {
        "sse" => format!("{{ class: {class}, event: {class} }}"),
        _ => format!("{{ class: {class}, json: {{ pointer: /p, equals: {class} }} }}"),
    };
    format!("priority: [{}]", ["high", "normal", "low"].map(entry).join(", "))
}

/// A service and the gateway in front of it.
pub struct Site {
    gateway: Owned,
    address: SocketAddr,
    admin: SocketAddr,
    /// Port of the service.
    upstream: u16,
    _service: Owned,
    lines: Arc<Mutex<Vec<Value>>>,
    _reader: JoinHandle<()>,
}

/// Bytes in buffers of the kernel between service and clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelBytes {
    /// In front of the gateway.
    pub upstream: u64,
    /// Behind it.
    pub client: u64,
}

impl Site {
    /// Starts both; `queue` is what stands in the key `queue` of both routes beside their classes, none for no queue.
    pub fn start(ends: &Path, dir: &Path, name: &str, queue: Option<&str>) -> Result<Site, String> {
        let (service, mut lines) = start(Command::new(ends).arg("service"))?;
        let upstream = lines.next().and_then(Result::ok).ok_or("the service does not start")?;
        let port = upstream.rsplit(':').next().and_then(|port| port.parse().ok());
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let reader = std::thread::spawn(move || {
            for value in lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()) {
                heard.lock().expect("nobody panics").push(value);
            }
        });
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (address, admin) = (local(free_port()?), local(free_port()?));
        let route = |name: &str| {
            let queue = queue.map(|keys| format!("    queue: {{ {keys}, {} }}\n", priority(name)));
            let queue = queue.unwrap_or_default();
            format!(
                "  - name: {name}\n    match: {{ path: /{name} }}\n    upstreams: ['http://{upstream}']\n{queue}"
            )
        };
        let text = format!(
            "admin: {{ listen: '{admin}' }}\nlisteners:\n  - listen: '{address}'\ndata: {{ dir: '{}' }}\nroutes:\n{}{}",
            dir.join(format!("{name}-data")).display(),
            route("ws"),
            route("sse"),
        );
        let file = dir.join(format!("{name}.yaml"));
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Site {
            gateway: run(&file, admin)?,
            address,
            admin,
            upstream: port.ok_or("the service tells no port")?,
            _service: service,
            lines: told,
            _reader: reader,
        })
    }

    /// Starts clients and collects what they tell.
    pub fn clients(
        &self,
        ends: &Path,
        window: f64,
        windows: u32,
        groups: &[String],
    ) -> Result<Clients, String> {
        let mut command = Command::new(ends);
        command.args([
            "clients".to_owned(),
            self.address.to_string(),
            window.to_string(),
            windows.to_string(),
        ]);
        let (process, lines) = start(command.args(groups))?;
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let reader = std::thread::spawn(move || {
            for value in lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()) {
                heard.lock().expect("nobody panics").push(value);
            }
        });
        Ok(Clients { _process: process, told, reader: Some(reader) })
    }

    /// What the service has told that has this key, oldest first.
    pub fn service(&self, key: &str) -> Vec<Value> {
        let lines = self.lines.lock().expect("nobody panics");
        lines.iter().filter(|line| line.get(key).is_some()).cloned().collect()
    }

    /// An answer of the API.
    pub fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = ask(self.admin, &format!("GET {path}"), "", b"").ok()?;
        (status == 200).then(|| serde_json::from_slice(&body).ok())?
    }

    /// The sum of a family's samples that have this label, or all.
    pub fn metric(&self, family: &str, label: &str) -> f64 {
        metric(self.admin, family, label)
    }

    /// Resident bytes of the gateway.
    pub fn memory(&self) -> u64 {
        rss_bytes(self.gateway.0.id())
    }

    /// What the kernel keeps (proc_net_tcp(5), `tx_queue` and `rx_queue`).
    pub fn kernel(&self) -> KernelBytes {
        let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        let rows = table.lines().skip(1).filter_map(row);
        let mut bytes = KernelBytes::default();
        for Row { local, remote, sent, read } in rows {
            match (local, remote) {
                (local, _) if local == self.upstream => bytes.upstream += sent,
                (_, remote) if remote == self.upstream => bytes.upstream += read,
                (local, _) if local == self.address.port() => bytes.client += sent,
                (_, remote) if remote == self.address.port() => bytes.client += read,
                _ => {}
            }
        }
        bytes
    }
}

fn run(file: &Path, admin: SocketAddr) -> Result<Owned, String> {
    let program = peers::heartline_binary();
    let log: PathBuf = file.with_extension("log");
    let output = fs::File::create(&log).map_err(|error| error.to_string())?;
    let mut command = Command::new(&program);
    command.args(["run", "-c"]).arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
    let child = Owned(command.spawn().map_err(|error| format!("{}: {error}", program.display()))?);
    if waited(|| ask(admin, "GET /readyz", "", b"").is_ok_and(|(status, _)| status == 200)) {
        return Ok(child);
    }
    Err(format!("the gateway does not start\n{}", fs::read_to_string(log).unwrap_or_default()))
}

struct Row {
    local: u16,
    remote: u16,
    sent: u64,
    read: u64,
}

fn row(line: &str) -> Option<Row> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let port = |at: usize| u16::from_str_radix(fields.get(at)?.rsplit(':').next()?, 16).ok();
    let (sent, read) = fields.get(4)?.split_once(':')?;
    let bytes = |text| u64::from_str_radix(text, 16).ok();
    Some(Row { local: port(1)?, remote: port(2)?, sent: bytes(sent)?, read: bytes(read)? })
}

/// Clients that run.
pub struct Clients {
    _process: Owned,
    told: Arc<Mutex<Vec<Value>>>,
    reader: Option<JoinHandle<()>>,
}

impl Clients {
    /// What they have told that has this key.
    pub fn told(&self, key: &str) -> Vec<Value> {
        let told = self.told.lock().expect("nobody panics");
        told.iter().filter(|value| value.get(key).is_some()).cloned().collect()
    }

    /// Waits until they have ended; how many failed.
    pub fn wait(&mut self) -> u64 {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.told("over").first().map_or(u64::MAX, |over| over["failed"].as_u64().unwrap_or(u64::MAX))
    }

    /// A figure of a group and class in a window, seconds.
    pub fn figure(&self, window: u64, group: &str, class: &str, name: &str) -> Option<f64> {
        let told = self.told("window");
        let of =
            |value: &&Value| value["window"] == window && value["group"] == group && value["class"] == class;
        told.iter().find(of)?[name].as_f64()
    }
}

/// Says what holds, and keeps what does not.
#[derive(Default)]
pub struct Verdicts(Vec<String>);

impl Verdicts {
    /// One of them.
    pub fn holds(&mut self, is_so: bool, what: &str) {
        println!("{} {what}", if is_so { "ok" } else { "NOT" });
        if !is_so {
            self.0.push(what.to_owned());
        }
    }

    /// # Errors
    /// Something does not hold.
    pub fn end(self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("does not hold: {}", self.0.join("; "))) }
    }
}

/// The sum of a family's samples that have this label, or all, as a gateway's `/metrics` tells it.
pub fn metric(admin: SocketAddr, family: &str, label: &str) -> f64 {
    let text = ask(admin, "GET /metrics", "", b"").map(|(_, body)| body).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let is_of = |line: &&str| {
        line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
    };
    let values = text.lines().filter(is_of).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.fold(0.0, |sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_kernel() {
        let line =
            "   0: 0100007F:1F90 0100007F:D431 01 00000400:00000010 00:00000000 00000000     0        0 1";
        let row = row(line).expect("a row");
        assert_eq!((row.local, row.remote, row.sent, row.read), (8080, 0xd431, 1024, 16));
    }
}
