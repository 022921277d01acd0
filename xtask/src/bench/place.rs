//! Where a measurement takes place: a directory, an upstream, and one core for the proxies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::peers::{Clients, Peer, Site};
use super::processes::{Running, free_port};
use super::tls::Certificate;
use super::upstream::{Kind, Upstream};

/// Core of the proxies; load and upstream have the others.
pub const PROXY_CORE: &str = "0";

/// See the module. The directory goes with it.
pub struct Place {
    dir: PathBuf,
}

impl Place {
    /// A new directory, one for each name.
    pub fn new(name: &str) -> Result<Place, String> {
        let dir = std::env::temp_dir().join(format!("heartline-bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(Place { dir })
    }

    /// For files of the measurements.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts a proxy on its core in front of a new upstream.
    pub fn start(&self, peer: &Peer, kind: Kind) -> Result<Running, String> {
        self.launch(peer, kind, Clients::Plain, &[])
    }

    /// The same, for clients that speak TLS.
    pub fn start_tls(&self, peer: &Peer, kind: Kind) -> Result<Running, String> {
        self.launch(peer, kind, Clients::Tls(&Certificate::new(&self.dir)?), &[])
    }

    /// The same as [`Place::start`], for clients that speak HTTP/2 with prior knowledge.
    pub fn start_http2(&self, peer: &Peer, kind: Kind) -> Result<Running, String> {
        self.launch(peer, kind, Clients::Http2, &[])
    }

    /// The same as [`Place::start`], under a tracer.
    pub fn start_under(&self, tracer: &[String], peer: &Peer, kind: Kind) -> Result<Running, String> {
        self.launch(peer, kind, Clients::Plain, tracer)
    }

    fn launch(
        &self,
        peer: &Peer,
        kind: Kind,
        clients: Clients,
        tracer: &[String],
    ) -> Result<Running, String> {
        let upstream = Upstream::start(kind)?;
        let port = free_port()?;
        let upstream_http2 = matches!(kind, Kind::Grpc);
        let site = Site { dir: &self.dir, port, upstream: upstream.address, clients, upstream_http2 };
        let pinned = ["taskset", "-c", PROXY_CORE].map(str::to_owned);
        let argv = [&pinned[..], tracer, &(peer.command)(&site)?].concat();
        Running::start(&argv, port, upstream, &self.dir.join(format!("{}.log", peer.name)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Moves this process to the cores that the proxies do not use, and lets it open as many files as it may.
pub fn settle() -> Result<(), String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        return Err("one core for the proxies and one for their load are needed".to_owned());
    }
    let (others, own) = (format!("1-{}", cores - 1), std::process::id().to_string());
    quietly(Command::new("taskset").args(["-a", "-c", "-p", &others, &own]))?;
    allow_files()
}

/// Lets this process, and those that it starts, open as many files as they may.
pub fn allow_files() -> Result<(), String> {
    let own = std::process::id().to_string();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let hard = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().nth(1));
    match hard {
        Some(hard) => {
            quietly(Command::new("prlimit").args(["--pid", &own, &format!("--nofile={hard}:{hard}")]))
        }
        None => Ok(()),
    }
}

fn quietly(command: &mut Command) -> Result<(), String> {
    let shown = format!("{:?}", command.get_program());
    let status = command.stdout(Stdio::null()).status().map_err(|error| format!("{shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}
