//! The two ends of `cargo xtask bench case2` and `stalled`: a service that sends events of three priorities at a rate,
//! over WebSocket or as an event stream, and clients that take all of them, only so many a second, or none.
//!
//! Each event tells when it was made, so a client knows how old it is when it takes it. What a service cannot send it
//! keeps, as services do that write without looking back.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, sleep_until, timeout};

/// Both sides know the key, so nobody computes a hash: the example of RFC 6455, section 1.3.
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const AGREED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const EVENTS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xe8];

/// Of ten events one is high, two are normal, and the rest is low.
const CLASSES: [&str; 3] = ["high", "normal", "low"];

/// Receive buffer of a client, bytes: what waits in it has no priorities any more.
const RECEIVE_BYTES: u32 = 32 << 10;

/// How long the last bytes of an end may take.
const LAST: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let mode = words.next().unwrap_or_default();
    let given: Vec<String> = words.collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match (mode.as_str(), &given[..]) {
        ("service", []) => runtime.block_on(service()),
        ("clients", [address, window, windows, groups @ ..]) => {
            let plan = Plan {
                address: address.clone(),
                window: Duration::from_secs_f64(window.parse()?),
                windows: windows.parse()?,
                groups: groups.iter().map(|text| Group::parse(text)).collect::<Result<_, _>>()?,
            };
            runtime.block_on(clients(plan))
        }
        _ => {
            Err("queues service | queues clients ADDRESS WINDOW WINDOWS NAME,ws|sse,COUNT,TAKE,QUERY..."
                .into())
        }
    }
}

/// Nanoseconds since the epoch: both ends are on one machine.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn say(value: &Value) {
    println!("{value}");
    let _ = io::stdout().flush();
}

async fn service() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    let kept = Arc::new(AtomicI64::new(0));
    let shown = Arc::clone(&kept);
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(500)).await;
            say(&json!({ "kept": shown.load(Relaxed) }));
        }
    });
    loop {
        let (stream, _) = listener.accept().await?;
        let kept = Arc::clone(&kept);
        tokio::spawn(async move {
            let _ = serve(stream, &kept).await;
        });
    }
}

/// What a client asks for: events a second, their bytes, for how long, and how much may be kept for it.
struct Wish {
    id: u64,
    rate: f64,
    size: usize,
    seconds: f64,
    most: usize,
    is_websocket: bool,
}

impl Wish {
    fn of(head: &str) -> Wish {
        let query =
            head.split_whitespace().nth(1).and_then(|target| target.split_once('?')).unwrap_or_default().1;
        let pairs: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |name: &str| pairs.get(name).and_then(|value| value.parse::<f64>().ok());
        Wish {
            id: number("id").unwrap_or_default() as u64,
            rate: number("rate").unwrap_or(1.0),
            size: number("size").unwrap_or(100.0) as usize,
            seconds: number("seconds").unwrap_or(f64::MAX),
            most: number("most").map_or(usize::MAX, |most| most as usize),
            is_websocket: head.to_ascii_lowercase().contains("upgrade: websocket"),
        }
    }

    fn add(&self, number: u64, to: &mut Vec<u8>) -> usize {
        let class = match number % 10 {
            0 => 0,
            1 | 2 => 1,
            _ => 2,
        };
        let name = CLASSES[class];
        let head = format!("{{\"p\":\"{name}\",\"t\":{:019},\"x\":\"", now());
        let length = head.len() + self.size + 2;
        if self.is_websocket {
            to.extend_from_slice(&[0x81, 126]);
            to.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        } else {
            to.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
        }
        to.extend_from_slice(head.as_bytes());
        to.resize(to.len() + self.size, b'x');
        to.extend_from_slice(if self.is_websocket { b"\"}" } else { b"\"}\n\n" });
        class
    }
}

async fn serve(mut stream: TcpStream, kept: &AtomicI64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let wish = Wish::of(&read_head(&mut stream).await?);
    stream.write_all(if wish.is_websocket { AGREED } else { EVENTS }).await?;
    let begin = Instant::now();
    let tick = Duration::from_secs_f64((0.5 / wish.rate).clamp(0.002, 0.1));
    let (mut waiting, mut from) = (Vec::new(), 0);
    let (mut due, mut sent) = (0, [0_u64; 3]);
    while begin.elapsed().as_secs_f64() < wish.seconds {
        let until = (begin.elapsed().as_secs_f64() * wish.rate) as u64;
        for number in due..until {
            if waiting.len() - from < wish.most {
                sent[wish.add(number, &mut waiting)] += 1;
            }
        }
        due = until.max(due);
        let before = waiting.len() - from;
        kept.fetch_add(before as i64, Relaxed);
        let next = tokio::time::Instant::now() + tick;
        while from < waiting.len() {
            let is_writable =
                timeout(next.saturating_duration_since(tokio::time::Instant::now()), stream.writable());
            let written = match is_writable.await {
                Err(_) => break,
                Ok(ready) => ready.and_then(|()| stream.try_write(&waiting[from..])),
            };
            match written {
                Ok(count) => from += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    kept.fetch_sub(before as i64, Relaxed);
                    return Err(error);
                }
            }
        }
        if from == waiting.len() || from > 1 << 20 {
            waiting.drain(..from);
            from = 0;
        }
        sleep_until(next).await;
        kept.fetch_sub(before as i64, Relaxed);
    }
    say(&json!({ "id": wish.id, "sent": sent }));
    if wish.is_websocket {
        waiting.extend_from_slice(&CLOSE);
    }
    let last = async {
        stream.write_all(&waiting[from..]).await?;
        if !wish.is_websocket {
            return stream.shutdown().await;
        }
        let mut rest = [0; 64];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    };
    timeout(LAST, last).await.unwrap_or(Ok(()))
}

async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

struct Plan {
    address: String,
    /// What clients see is told for each of these.
    window: Duration,
    windows: u32,
    groups: Vec<Group>,
}

/// Clients that do the same.
#[derive(Clone)]
struct Group {
    name: String,
    is_websocket: bool,
    count: u64,
    /// Events a second that one takes.
    take: f64,
    query: String,
}

impl Group {
    fn parse(text: &str) -> Result<Group, Failure> {
        let [name, protocol, count, take, query] = text.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("{text}: five fields are expected").into());
        };
        Ok(Group {
            name: name.to_owned(),
            is_websocket: protocol == "ws",
            count: count.parse()?,
            take: take.parse()?,
            query: query.to_owned(),
        })
    }
}

/// Ages of events in a window, microseconds, by group and class.
type Seen = Mutex<BTreeMap<(String, usize), Vec<u32>>>;

async fn clients(plan: Plan) -> Result<(), Failure> {
    let seen = Arc::new(Seen::default());
    let mut tasks = Vec::new();
    let mut id = 0;
    for group in &plan.groups {
        for _ in 0..group.count {
            id += 1;
            let (seen, group, address) = (Arc::clone(&seen), group.clone(), plan.address.clone());
            tasks.push(tokio::spawn(async move { client(id, &address, &group, &seen).await }));
            if plan.groups.iter().any(|group| group.count > 20) {
                sleep(Duration::from_millis(2)).await;
            }
        }
    }
    for window in 0..plan.windows {
        seen.lock().expect("nobody panics").clear();
        sleep(plan.window).await;
        for ((group, class), mut ages) in std::mem::take(&mut *seen.lock().expect("nobody panics")) {
            ages.sort_unstable();
            let at = |part: f64| f64::from(ages[((ages.len() - 1) as f64 * part).round() as usize]) / 1e6;
            say(&json!({
                "window": window, "group": group, "class": CLASSES[class], "events": ages.len(),
                "p50": at(0.5), "p99": at(0.99),
            }));
        }
    }
    let mut failed = 0;
    for task in tasks {
        match timeout(LAST, task).await {
            Ok(Ok(Ok(()))) | Err(_) => {}
            _ => failed += 1,
        }
    }
    say(&json!({ "over": true, "failed": failed }));
    Ok(())
}

async fn client(id: u64, address: &str, group: &Group, seen: &Seen) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BYTES)?;
    let mut stream = socket.connect(address.parse().map_err(io::Error::other)?).await?;
    let port = stream.local_addr()?.port();
    let (path, fields) =
        if group.is_websocket { ("/ws", UPGRADE) } else { ("/sse", "Accept: text/event-stream\r\n") };
    let request = format!("GET {path}?id={id}&{} HTTP/1.1\r\nHost: app\r\n{fields}\r\n", group.query);
    stream.write_all(request.as_bytes()).await?;
    let head = read_head(&mut stream).await?;
    if !head.starts_with("HTTP/1.1 101") && !head.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(head));
    }
    if group.take == 0.0 {
        std::future::pending::<()>().await;
    }
    let (begin, mut got) = (tokio::time::Instant::now(), [0_u64; 3]);
    let (mut waiting, mut from) = (Vec::with_capacity(64 << 10), 0);
    let is_whole = loop {
        let taken: u64 = got.iter().sum();
        if group.take.is_finite() {
            sleep_until(begin + Duration::from_secs_f64(taken as f64 / group.take)).await;
        }
        match event(&waiting[from..], group.is_websocket) {
            Some(Event::End) => break true,
            Some(Event::Of { length, class, made }) => {
                got[class] += 1;
                from += length;
                let age = u32::try_from(now().saturating_sub(made) / 1000).unwrap_or(u32::MAX);
                seen.lock().expect("nobody panics").entry((group.name.clone(), class)).or_default().push(age);
            }
            None => {
                waiting.drain(..from);
                from = 0;
                if stream.read_buf(&mut waiting).await? == 0 {
                    break !group.is_websocket && waiting.is_empty();
                }
            }
        }
    };
    if group.is_websocket {
        stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await?;
    }
    say(&json!({ "id": id, "port": port, "group": group.name, "got": got, "is_whole": is_whole }));
    Ok(())
}

enum Event {
    Of { length: usize, class: usize, made: u64 },
    End,
}

/// The first event, when it is there whole.
fn event(bytes: &[u8], is_websocket: bool) -> Option<Event> {
    let (length, body) = if is_websocket {
        if bytes.first() == Some(&0x88) {
            return Some(Event::End);
        }
        let length = 4 + usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
        (length, bytes.get(4..length)?)
    } else {
        let length = bytes.windows(2).position(|pair| pair == b"\n\n")? + 2;
        let data = bytes[..length].windows(6).position(|part| part == b"data: ")?;
        (length, &bytes[data + 6..length])
    };
    let class = match body.get(6)? {
        b'h' => 0,
        b'n' => 1,
        _ => 2,
    };
    let at = body.windows(4).position(|part| part == b"\"t\":")? + 4;
    let made = std::str::from_utf8(body.get(at..at + 19)?).ok()?.parse().ok()?;
    Some(Event::Of { length, class, made })
}
