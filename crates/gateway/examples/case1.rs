//! The two ends of `cargo xtask bench case1`: an app that degrades beyond its capacity, and the crowd that comes.
//!
//! The app answers each message on one thread, and each takes more of its CPU the more connections there are. The crowd
//! tells, phase by phase, what its clients had of it, one JSON line each.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, sleep_until, timeout};

/// Both sides know the key, so nobody computes a hash: the example of RFC 6455, section 1.3.
const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: app\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const AGREED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// CPU time of a message while nobody else is there.
const COST: Duration = Duration::from_micros(200);

/// A client that has no answer for so long gives up and comes again at once, as clients without back-off do.
const PATIENCE: Duration = Duration::from_secs(5);

/// One who was refused without being told when to come back.
const COME_AGAIN: Duration = Duration::from_secs(1);
/// After an accept(2) that has failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let mode = words.next().unwrap_or_default();
    let given: Vec<String> = words.collect();
    let number = |at: usize| -> Result<f64, Failure> {
        Ok(given.get(at).ok_or("a number is missing")?.parse::<f64>()?)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match mode.as_str() {
        "app" => runtime.block_on(app(number(0)?)),
        "crowd" => {
            let address = given.first().ok_or("an address is missing")?.clone();
            let plan = Plan {
                residents: number(1)? as u64,
                crowd: number(2)? as u64,
                interval: Duration::from_secs_f64(number(3)?),
                phases: (4..given.len()).map(number).collect::<Result<_, _>>()?,
            };
            runtime.block_on(crowd(address, plan))
        }
        _ => Err("case1 app CAPACITY | case1 crowd ADDRESS RESIDENTS CROWD INTERVAL QUIET CROWDED [MORE...]"
            .into()),
    }
}

async fn app(capacity: f64) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    let open = Arc::new(AtomicU64::new(0));
    loop {
        // Out of files it goes on serving those who are in, as a service would.
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let open = Arc::clone(&open);
        tokio::spawn(async move {
            open.fetch_add(1, Relaxed);
            let served = serve(stream, &open, capacity).await;
            open.fetch_sub(1, Relaxed);
            served
        });
    }
}

async fn serve(mut stream: TcpStream, open: &AtomicU64, capacity: f64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    read_head(&mut stream).await?;
    stream.write_all(AGREED).await?;
    let mut message = [0; 14];
    loop {
        stream.read_exact(&mut message).await?;
        let crowding = open.load(Relaxed) as f64 / capacity;
        spin(COST.mul_f64(1.0 + crowding * crowding));
        let mut answer = [0x82, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        answer[2..].copy_from_slice(&message[6..]);
        stream.write_all(&answer).await?;
        tokio::task::yield_now().await;
    }
}

fn spin(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

/// Who comes, and for how long: residents at first, then the crowd.
struct Plan {
    residents: u64,
    crowd: u64,
    /// Between two messages of a client.
    interval: Duration,
    /// Seconds of each phase; the crowd comes with the second, over half of it.
    phases: Vec<f64>,
}

/// What clients have seen in a phase.
#[derive(Default)]
struct Seen {
    /// Seconds from when a message was due to its answer; [`PATIENCE`] for one who gave up, or did not get in.
    residents: Vec<f64>,
    others: Vec<f64>,
    /// Seconds to an answer that is no 101.
    refused: Vec<f64>,
    attempts: u64,
    failed: u64,
    gave_up: u64,
}

impl Seen {
    fn of(&mut self, is_resident: bool) -> &mut Vec<f64> {
        if is_resident { &mut self.residents } else { &mut self.others }
    }
}

#[derive(Default)]
struct Tally {
    seen: Mutex<Seen>,
    open: AtomicU64,
    is_over: AtomicBool,
}

impl Tally {
    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().expect("nobody panics"));
    }
}

async fn crowd(address: String, plan: Plan) -> Result<(), Failure> {
    let tally = Arc::new(Tally::default());
    let come = |count: u64, within: Duration, is_resident: bool| {
        for number in 0..count {
            let (address, tally, interval) = (address.clone(), Arc::clone(&tally), plan.interval);
            let after = within.mul_f64(number as f64 / count as f64);
            tokio::spawn(async move {
                sleep(after).await;
                client(&address, &tally, interval, is_resident).await;
            });
        }
    };
    come(plan.residents, Duration::from_secs(2), true);
    while tally.open.load(Relaxed) < plan.residents {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(plan.interval).await;
    for (number, seconds) in plan.phases.iter().enumerate() {
        tally.note(|seen| *seen = Seen::default());
        let phase = Duration::from_secs_f64(*seconds);
        println!("{{\"begins\":{number}}}");
        io::stdout().flush()?;
        if number == 1 {
            come(plan.crowd, phase / 2, false);
            // Measured is what holds once all have come.
            sleep(phase / 2).await;
            tally.note(|seen| {
                (seen.residents, seen.others) = Default::default();
            });
            sleep(phase / 2).await;
        } else {
            sleep(phase).await;
        }
        let seen = std::mem::take(&mut *tally.seen.lock().expect("nobody panics"));
        println!("{}", told(number, *seconds, seen, tally.open.load(Relaxed)));
        io::stdout().flush()?;
    }
    tally.is_over.store(true, Relaxed);
    Ok(())
}

fn told(phase: usize, seconds: f64, mut seen: Seen, open: u64) -> String {
    let at = |sample: &mut Vec<f64>, part: f64| {
        sample.sort_by(f64::total_cmp);
        let place = ((sample.len() as f64 - 1.0) * part).round().max(0.0) as usize;
        sample.get(place).copied().unwrap_or_default()
    };
    let mut all = [seen.residents.clone(), seen.others].concat();
    let figures = HashMap::from([
        ("phase", phase as f64),
        ("seconds", seconds),
        ("open", open as f64),
        ("answers", all.len() as f64),
        ("p50", at(&mut all, 0.5)),
        ("p99", at(&mut all, 0.99)),
        ("residents_p99", at(&mut seen.residents, 0.99)),
        ("refused", seen.refused.len() as f64),
        ("refused_p99", at(&mut seen.refused, 0.99)),
        ("refused_max", at(&mut seen.refused, 1.0)),
        ("attempts", seen.attempts as f64),
        ("failed", seen.failed as f64),
        ("gave_up", seen.gave_up as f64),
    ]);
    serde_json::to_string(&figures).expect("numbers")
}

/// Comes, talks, and comes again, until all is over.
async fn client(address: &str, tally: &Tally, interval: Duration, is_resident: bool) {
    while !tally.is_over.load(Relaxed) {
        let pause = match attempt(address, tally).await {
            Ok(Opened::Stream(stream)) => {
                tally.open.fetch_add(1, Relaxed);
                let _ = talk(stream, tally, interval, is_resident).await;
                tally.open.fetch_sub(1, Relaxed);
                tally.note(|seen| {
                    seen.gave_up += 1;
                    seen.of(is_resident).push(PATIENCE.as_secs_f64());
                });
                Duration::ZERO
            }
            Ok(Opened::Later(pause)) => pause,
            Err(_) => {
                tally.note(|seen| {
                    seen.failed += 1;
                    seen.of(is_resident).push(PATIENCE.as_secs_f64());
                });
                COME_AGAIN
            }
        };
        sleep(pause).await;
    }
}

enum Opened {
    Stream(TcpStream),
    Later(Duration),
}

async fn attempt(address: &str, tally: &Tally) -> io::Result<Opened> {
    tally.note(|seen| seen.attempts += 1);
    let opening = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let asked = Instant::now();
        stream.write_all(HANDSHAKE).await?;
        let head = read_head(&mut stream).await?;
        if head.starts_with(b"HTTP/1.1 101") {
            return Ok(Opened::Stream(stream));
        }
        tally.note(|seen| seen.refused.push(asked.elapsed().as_secs_f64()));
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let after =
            head.split("retry-after: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        Ok(Opened::Later(after.map_or(COME_AGAIN, Duration::from_secs)))
    };
    timeout(PATIENCE, opening).await?
}

/// Sends a message in each interval, whether the one before was answered or not, until one has no answer in time.
async fn talk(stream: TcpStream, tally: &Tally, interval: Duration, is_resident: bool) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let origin = tokio::time::Instant::now();
    let sending = async {
        // Clients that came together do not send together.
        let port = f64::from(writer.local_addr()?.port());
        let mut due = interval.mul_f64((port * 0.618_034).fract());
        loop {
            sleep_until(origin + due).await;
            let mut message = [0x82, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            message[6..].copy_from_slice(&(due.as_nanos() as u64).to_be_bytes());
            writer.write_all(&message).await?;
            due += interval;
        }
    };
    let reading = async {
        loop {
            let mut answer = [0; 10];
            timeout(interval + PATIENCE, reader.read_exact(&mut answer)).await??;
            let due = Duration::from_nanos(u64::from_be_bytes(answer[2..].try_into().expect("eight bytes")));
            let seconds = origin.elapsed().saturating_sub(due).as_secs_f64();
            tally.note(|seen| seen.of(is_resident).push(seconds));
            if seconds > PATIENCE.as_secs_f64() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    };
    tokio::select! {
        done = sending => done,
        done = reading => done,
    }
}
