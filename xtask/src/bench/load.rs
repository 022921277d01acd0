//! Load over many WebSockets, a thread for each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::echo::{Client, STACK_BYTES, message};
use super::stats::quartiles;

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

/// Messages that are due at fixed times, whether or not earlier ones have come back.
#[derive(Clone, Copy)]
pub struct Schedule {
    /// Over how many connections, each at its own times.
    pub connections: usize,
    /// Of all connections together.
    pub per_second: usize,
    /// Length of a message.
    pub payload_bytes: usize,
    /// How long.
    pub time: Duration,
}

/// Half of the messages may be sent so much too late; beyond that the machine is too busy to tell.
const LATE_MAX: Duration = Duration::from_millis(1);

impl Schedule {
    /// Sends the messages and tells how long after they were due their echoes came back, in seconds.
    pub fn round_trips(self, address: SocketAddr) -> Result<Vec<f64>, String> {
        let period = Duration::from_secs_f64(self.connections as f64 / self.per_second as f64);
        let clients = open(address, self.connections)?;
        let begin = Instant::now() + period;
        let mut threads = Vec::new();
        for (index, mut client) in clients.into_iter().enumerate() {
            let first = begin + period.mul_f64(index as f64 / self.connections as f64);
            threads.push(spawn(move || self.drive(&mut client, first, period))?);
        }
        let (late, taken): (Vec<f64>, Vec<f64>) = join(threads)?.into_iter().flatten().unzip();
        match quartiles(&late) {
            None => Err("nothing came back".to_owned()),
            Some(late) if late.median > LATE_MAX.as_secs_f64() => Err("the load came too late".to_owned()),
            Some(_) => Ok(taken),
        }
    }

    /// Drives one connection: by how much each message was late, and when after it was due its echo was there.
    fn drive(self, client: &mut Client, first: Instant, period: Duration) -> io::Result<Vec<(f64, f64)>> {
        let message = message(self.payload_bytes);
        let mut taken = Vec::new();
        let mut due = first;
        while due < first + self.time {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let late = due.elapsed().as_secs_f64();
            client.echo(&message)?;
            taken.push((late, due.elapsed().as_secs_f64()));
            due += period;
        }
        Ok(taken)
    }
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
