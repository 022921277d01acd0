//! The processes that are measured: started on the core of the proxies, ended when they are dropped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::upstream::Upstream;

/// Ports are taken below the range from which the kernel takes those of clients.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How long a start or an end may take, under valgrind too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Poll interval of the two.
const PAUSE: Duration = Duration::from_millis(20);

/// Time for what was just done to come to rest.
const REST: Duration = Duration::from_millis(200);

/// When a program that was asked to end is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// A proxy that runs.
pub struct Running {
    child: Child,
    /// Where it serves.
    pub address: SocketAddr,
    /// What stands behind it.
    pub upstream: Upstream,
}

impl Running {
    /// Starts `argv`, which will serve `port`; its output goes to `log`.
    pub fn start(argv: &[String], port: u16, upstream: Upstream, log: &Path) -> Result<Running, String> {
        let output = fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let errors = output.try_clone().map_err(|error| error.to_string())?;
        let [program, arguments @ ..] = argv else { return Err("nothing to start".to_owned()) };
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let mut running = Running { child, address: (Ipv4Addr::LOCALHOST, port).into(), upstream };
        running.wait_until_it_serves().map_err(|error| {
            format!("{}: {error}\n{}", argv.join(" "), fs::read_to_string(log).unwrap_or_default())
        })?;
        Ok(running)
    }

    fn wait_until_it_serves(&mut self) -> Result<(), String> {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended at once: {status}"));
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("does not serve {}", self.address));
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// The process and all below it.
    pub fn tree(&self) -> Vec<u32> {
        let mut tree = vec![self.child.id()];
        let mut next = 0;
        while let Some(&process) = tree.get(next) {
            tree.extend(children(process));
            next += 1;
        }
        tree
    }

    /// Asks it to end, and waits for it: what watches it has written its figures then. It is asked again and
    /// again, since a program that is just going to wait for events may miss a signal.
    pub fn stop(mut self) -> Result<(), String> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            sleep(REST);
            self.ask_to_end();
            let asked = Instant::now();
            while asked.elapsed() < ASK_AGAIN {
                if self.child.try_wait().map_err(|error| error.to_string())?.is_some() {
                    return Ok(());
                }
                sleep(PAUSE);
            }
        }
        Err("does not end".to_owned())
    }

    /// A tracer passes no signal on, so the process below it is told.
    fn ask_to_end(&self) {
        let own = self.child.id();
        let is_traced =
            fs::read_to_string(format!("/proc/{own}/comm")).is_ok_and(|name| name.trim() == "strace");
        let told = if is_traced { children(own) } else { vec![own] };
        for process in told {
            signal(process, "TERM");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for process in self.tree().into_iter().rev() {
            signal(process, "KILL");
        }
        let _ = self.child.wait();
    }
}

/// Sends a signal, as kill(1) names it.
pub fn signal(process: u32, name: &str) {
    let _ = Command::new("kill").args(["-s", name, &process.to_string()]).stderr(Stdio::null()).status();
}

/// Processes that the threads of `process` started (proc_pid_task(5), `children`).
fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let lists = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("children")));
    lists
        .map_while(Result::ok)
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

/// A port of loopback that nobody listens on; another one at each call, since ends of connections keep a port
/// busy for a while.
pub fn free_port() -> Result<u16, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let ports = u32::from(PORTS.end - PORTS.start);
    let from = std::process::id() + NEXT.fetch_add(1, Relaxed);
    (0..ports)
        .filter_map(|step| u16::try_from((from + step) % ports).ok())
        .map(|offset| PORTS.start + offset)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| "no port is free".to_owned())
}
