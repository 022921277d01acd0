//! Load over many WebSockets, a thread for each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::echo::{Client, STACK_BYTES, message};

/// Connections that send a message, wait for its echo, and send the next, all the time.
pub struct ClosedLoop {
    echoes: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl ClosedLoop {
    /// Opens `connections` and starts.
    pub fn start(
        address: SocketAddr,
        connections: usize,
        payload_bytes: usize,
    ) -> Result<ClosedLoop, String> {
        let (echoes, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut threads = Vec::new();
        for mut client in open(address, connections)? {
            let (echoes, is_over, message) =
                (Arc::clone(&echoes), Arc::clone(&is_over), message(payload_bytes));
            threads.push(spawn(move || {
                while !is_over.load(Relaxed) {
                    client.echo(&message)?;
                    echoes.fetch_add(1, Relaxed);
                }
                Ok(())
            })?);
        }
        Ok(ClosedLoop { echoes, is_over, threads })
    }

    /// Echoes up to now.
    pub fn echoes(&self) -> u64 {
        self.echoes.load(Relaxed)
    }

    /// Ends it; an error if a connection broke.
    pub fn finish(self) -> Result<(), String> {
        self.is_over.store(true, Relaxed);
        join(self.threads).map(drop)
    }
}

/// Sends `per_second` messages over `connections`, each at its own times, and tells how long their echoes took.
pub fn round_trips(
    address: SocketAddr,
    connections: usize,
    per_second: usize,
    payload_bytes: usize,
    time: Duration,
) -> Result<Vec<Duration>, String> {
    let period = Duration::from_secs_f64(connections as f64 / per_second as f64);
    let clients = open(address, connections)?;
    let begin = Instant::now();
    let mut threads = Vec::new();
    for (index, mut client) in clients.into_iter().enumerate() {
        let message = message(payload_bytes);
        let offset = period.mul_f64(index as f64 / connections as f64);
        threads.push(spawn(move || {
            let mut taken = Vec::new();
            let mut due = begin + offset;
            while due < begin + time {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let sent = Instant::now();
                client.echo(&message)?;
                taken.push(sent.elapsed());
                due += period;
            }
            Ok(taken)
        })?);
    }
    Ok(join(threads)?.into_iter().flatten().collect())
}

/// Opens WebSockets, one after the other.
pub fn open(address: SocketAddr, connections: usize) -> Result<Vec<Client>, String> {
    (0..connections)
        .map(|index| Client::connect(address).map_err(|error| format!("connection {index}: {error}")))
        .collect()
}

fn spawn<T: Send + 'static>(
    task: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<JoinHandle<io::Result<T>>, String> {
    thread::Builder::new().stack_size(STACK_BYTES).spawn(task).map_err(|error| error.to_string())
}

fn join<T>(threads: Vec<JoinHandle<io::Result<T>>>) -> Result<Vec<T>, String> {
    let join = |thread: JoinHandle<io::Result<T>>| match thread.join() {
        Ok(result) => result.map_err(|error| format!("a connection broke: {error}")),
        Err(_) => Err("a client panicked".to_owned()),
    };
    threads.into_iter().map(join).collect()
}
