//! A server that pushes server-sent events at a steady pace to all its subscribers, and the subscribers.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::echo::read_head;

/// Stands once in each event and nowhere else.
const MARK: u8 = b'#';

/// Bytes of an event with its field name and blank line.
const EVENT_BYTES: usize = 256;

/// Events a second to each subscriber.
pub const EVENTS_PER_SECOND: u32 = 20;

/// Pause of who has nothing to do.
const PAUSE: Duration = Duration::from_millis(1);

/// Pause between two looks at all subscriptions.
const SWEEP: Duration = Duration::from_millis(10);

/// Serves subscriptions. One to `/events` is sent events, any other stays silent.
pub fn serve(listener: &TcpListener) {
    let (subscribe, subscribers) = mpsc::channel();
    thread::spawn(move || push(&subscribers));
    let mut silent = Vec::new();
    for mut connection in listener.incoming().flatten() {
        match answer(&mut connection) {
            Ok(true) => drop(subscribe.send(connection)),
            Ok(false) => silent.push(connection),
            Err(_) => {}
        }
    }
}

/// Answers a subscription; tells whether it wants events.
fn answer(connection: &mut TcpStream) -> io::Result<bool> {
    connection.set_nodelay(true)?;
    let head = read_head(connection)?;
    connection.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
          Transfer-Encoding: chunked\r\n\r\n",
    )?;
    Ok(head.starts_with(b"GET /events "))
}

/// Writes to one subscriber after the other, so that each has its events a second.
fn push(fresh: &mpsc::Receiver<TcpStream>) {
    let event = chunk();
    let mut subscribers: Vec<TcpStream> = Vec::new();
    let (mut next, mut due) = (0, Instant::now());
    loop {
        subscribers.extend(fresh.try_iter());
        if subscribers.is_empty() {
            due = Instant::now();
        }
        if subscribers.is_empty() || due > Instant::now() {
            thread::sleep(PAUSE);
            continue;
        }
        next = (next + 1) % subscribers.len();
        due += Duration::from_secs(1).div_f64(f64::from(EVENTS_PER_SECOND) * subscribers.len() as f64);
        if subscribers[next].write_all(&event).is_err() {
            subscribers.swap_remove(next);
        }
    }
}

/// One event in one chunk (RFC 9112, section 7.1).
fn chunk() -> Vec<u8> {
    let mut event = b"data: ".to_vec();
    event.push(MARK);
    event.resize(EVENT_BYTES - 2, b'x');
    event.extend(b"\n\n");
    [format!("{EVENT_BYTES:x}\r\n").as_bytes(), &event, b"\r\n"].concat()
}

/// Subscribes; `path` is `/events` for one that is sent events.
///
/// # Errors
/// No connection, or another answer than an event stream.
pub fn subscribe(address: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench.test\r\nAccept: text/event-stream\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let head = read_head(&mut socket)?;
    if !head.starts_with(b"HTTP/1.1 200") {
        return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
    }
    Ok(socket)
}

/// Subscriptions that are read, and their events counted.
pub struct Subscriptions {
    events: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Subscriptions {
    /// Opens `count` of them.
    pub fn open(address: SocketAddr, count: usize) -> Result<Subscriptions, String> {
        let mut sockets = Vec::new();
        for index in 0..count {
            let socket = subscribe(address, "/events").and_then(|socket| {
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            sockets.push(socket.map_err(|error| format!("subscription {index}: {error}"))?);
        }
        let (events, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let subscriptions = Subscriptions { events: Arc::clone(&events), is_over: Arc::clone(&is_over) };
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while !is_over.load(Relaxed) {
                for mut socket in &sockets {
                    let read = socket.read(&mut buffer).unwrap_or(0);
                    let marks = buffer[..read].iter().filter(|byte| **byte == MARK).count();
                    events.fetch_add(marks as u64, Relaxed);
                }
                thread::sleep(SWEEP);
            }
        });
        Ok(subscriptions)
    }

    /// Events read up to now.
    pub fn events(&self) -> u64 {
        self.events.load(Relaxed)
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_reach_their_subscribers() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let server = listener.local_addr().expect("it listens");
        thread::spawn(move || serve(&listener));
        let subscriptions = Subscriptions::open(server, 3).expect("the server answers");
        while subscriptions.events() < 10 {
            thread::yield_now();
        }
    }

    #[test]
    fn an_event_has_its_length() {
        let chunk = chunk();
        assert!(chunk.starts_with(b"100\r\ndata: #x") && chunk.ends_with(b"x\n\n\r\n"));
        assert_eq!(chunk.len(), 5 + EVENT_BYTES + 2);
    }
}
