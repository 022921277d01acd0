//! The processes that keep series: Heartline and Prometheus, each in a directory of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::wire::{Request, ask, escaped};
use crate::bench::memory;
use crate::bench::peers::heartline_binary;
use crate::bench::processes::{free_port, signal};

/// How long a start, an end, or writing what waits may take.
const PATIENCE: Duration = Duration::from_secs(600);

const PAUSE: Duration = Duration::from_millis(50);

const PROMETHEUS: &str = "/usr/bin/prometheus";

/// A directory that goes with this.
pub struct Directory(PathBuf);

impl Directory {
    /// A new one.
    ///
    /// # Errors
    /// What the system said.
    pub fn new(name: &str) -> Result<Directory, String> {
        let path = std::env::temp_dir().join(format!("heartline-history-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Directory(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One that runs.
pub struct Engine {
    child: Child,
    /// Where it takes samples and answers questions.
    pub api: SocketAddr,
}

impl Engine {
    /// Heartline with this data directory, or none, in front of an upstream; pinned to a core when one is given.
    ///
    /// # Errors
    /// It does not start.
    pub fn heartline(
        directory: &Path,
        data: Option<&Path>,
        serving: (u16, SocketAddr),
        core: Option<&str>,
    ) -> Result<Engine, String> {
        let (port, upstream) = serving;
        let (api, dir) =
            (free_port()?, data.map_or("null".to_owned(), |data| format!("'{}'", data.display())));
        let config = directory.join("heartline.yaml");
        let text = format!(
            "admin: {{ listen: '127.0.0.1:{api}' }}\ndata: {{ dir: {dir} }}\n\
             listeners:\n  - listen: '127.0.0.1:{port}'\n\
             routes:\n  - name: bench\n    upstreams: ['http://{upstream}']\n"
        );
        fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
        let mut command = Command::new(if core.is_some() { "taskset".into() } else { heartline_binary() });
        if let Some(core) = core {
            command.args(["-c", core]).arg(heartline_binary());
        }
        command.args(["run", "--log-format", "json", "-c"]).arg(config);
        Engine::start(command, api, &directory.join("heartline.log"))
    }

    /// Heartline that is asked and serves nobody.
    ///
    /// # Errors
    /// It does not start.
    pub fn heartline_alone(directory: &Path, data: &Path) -> Result<Engine, String> {
        Engine::heartline(directory, Some(data), (free_port()?, (Ipv4Addr::LOCALHOST, 1).into()), None)
    }

    /// Prometheus, which scrapes nothing.
    ///
    /// # Errors
    /// It does not start.
    pub fn prometheus(directory: &Path) -> Result<Engine, String> {
        let api = free_port()?;
        let config = directory.join("prometheus.yml");
        fs::write(&config, "global: {}\n").map_err(|error| format!("{}: {error}", config.display()))?;
        let mut command = Command::new(PROMETHEUS);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{api}"))
            .args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"]);
        Engine::start(command, api, &directory.join("prometheus.log"))
    }

    fn start(mut command: Command, api: u16, log: &Path) -> Result<Engine, String> {
        let output = fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let child = command.spawn().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        let mut engine = Engine { child, api: (Ipv4Addr::LOCALHOST, api).into() };
        let begin = Instant::now();
        while TcpStream::connect(engine.api).is_err() {
            let is_over = !matches!(engine.child.try_wait(), Ok(None)) || begin.elapsed() > PATIENCE;
            if is_over {
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(format!("{:?} does not start\n{said}", command.get_program()));
            }
            sleep(PAUSE);
        }
        Ok(engine)
    }

    /// Sends samples; again as long as too much waits to be written.
    ///
    /// # Errors
    /// They are refused.
    pub fn write(&self, request: &Request) -> Result<(), String> {
        let headers = "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
                       X-Prometheus-Remote-Write-Version: 0.1.0\r\n";
        let (body, begin) = (request.body(), Instant::now());
        loop {
            match ask(self.api, "POST /api/v1/write", headers, &body)? {
                (200..=299, _) => return Ok(()),
                (503, _) if begin.elapsed() < PATIENCE => sleep(PAUSE),
                (status, said) => {
                    return Err(format!("samples are answered {status}: {}", String::from_utf8_lossy(&said)));
                }
            }
        }
    }

    /// The JSON that a path answers with.
    ///
    /// # Errors
    /// It answers with no success.
    pub fn json(&self, method: &str, path: &str) -> Result<Value, String> {
        let (status, body) = ask(self.api, &format!("{method} {path}"), "", &[])?;
        if status != 200 {
            return Err(format!("{path} is answered {status}: {}", String::from_utf8_lossy(&body)));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{path}: {error}"))
    }

    /// The sum of a metric of Heartline over its labels.
    ///
    /// # Errors
    /// There is no such metric.
    pub fn metric(&self, name: &str) -> Result<f64, String> {
        let (_, page) = ask(self.api, "GET /metrics", "", &[])?;
        let page = String::from_utf8_lossy(&page).into_owned();
        let lines = page.lines().filter_map(|line| line.strip_prefix(name));
        let values: Vec<f64> = lines
            .filter(|rest| rest.starts_with(['{', ' ']))
            .filter_map(|rest| rest.split_whitespace().last()?.parse().ok())
            .collect();
        if values.is_empty() { Err(format!("there is no {name}")) } else { Ok(values.iter().sum()) }
    }

    /// Waits until nothing waits to be written any more.
    ///
    /// # Errors
    /// It takes too long.
    pub fn settle(&self) -> Result<(), String> {
        let begin = Instant::now();
        while self.metric("heartline_store_waiting")? > 0.0 {
            if begin.elapsed() > PATIENCE {
                return Err("what was sent is not written".to_owned());
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// A range query, seconds.
    ///
    /// # Errors
    /// See [`Engine::json`].
    pub fn range(&self, query: &str, from: i64, to: i64, step: i64) -> Result<Value, String> {
        let query = escaped(query);
        self.json("GET", &format!("/api/v1/query_range?query={query}&start={from}&end={to}&step={step}"))
    }

    /// Memory of its process, bytes.
    pub fn memory(&self) -> u64 {
        memory::rss_bytes(self.child.id())
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It does not.
    pub fn stop(mut self) -> Result<(), String> {
        signal(self.child.id(), "TERM");
        let begin = Instant::now();
        while self.child.try_wait().map_err(|error| error.to_string())?.is_none() {
            if begin.elapsed() > PATIENCE {
                return Err("it does not end".to_owned());
            }
            sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes of all files below a directory.
pub fn bytes_below(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}
