//! Clients that misbehave, one row each. What the gateway makes of them is not judged here: only that nothing of them
//! stays behind.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use super::site::Targets;
use crate::bench::echo::read_head;

/// Something that a client does with a connection. It drops it then, with RST when it has not read all.
type Fault = fn(&Targets) -> io::Result<()>;

const FAULTS: [Fault; 15] = [
    // Ends before, in and behind a head.
    |to| connect(to.plain).map(drop),
    |to| send(to.plain, b"GET /echo HT"),
    |to| send(to.plain, HANDSHAKE),
    |to| send(to.plain, b"GET /events?rate=100 HTTP/1.1\r\nHost: soak.test\r\n\r\n"),
    // Heads that are none.
    |to| send_and_read(to.plain, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    |to| send_and_read(to.plain, b"\x00\x01\x02 garbage\r\n\r\n"),
    |to| send_and_read(to.plain, &[b"GET / HTTP/1.1\r\nX: ", &[b'x'; 100_000][..]].concat()),
    |to| send_and_read(to.tls, b"GET / HTTP/1.1\r\nHost: soak.test\r\n\r\n"),
    // A service that is not there.
    |to| send_and_read(to.plain, b"GET /dead HTTP/1.1\r\nHost: soak.test\r\nConnection: close\r\n\r\n"),
    // Frames that are none: a reserved opcode, no mask, a Close frame of one byte.
    |to| talk(to.plain, b"\x83\x80\x00\x00\x00\x00"),
    |to| talk(to.plain, b"\x81\x05hello\x88\x01\x03"),
    half_close,
    slow_reader,
    // HTTP/2: a frame of an unknown stream, and streams that are reset.
    |to| send_and_read(to.plain, &[PREFACE, b"\x00\x00\x01\x00\x00\x00\x00\x00\x07x"].concat()),
    resets,
];

/// The key is the example of RFC 6455, section 1.3.
const HANDSHAKE: &[u8] =
    b"GET /echo HTTP/1.1\r\nHost: soak.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The preface of HTTP/2 and empty SETTINGS (RFC 9113, sections 3.4 and 6.5).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// For an answer that may not come.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two faults of a thread.
const PAUSE: Duration = Duration::from_millis(20);

/// For which a slow reader does not read.
const SLOW: Duration = Duration::from_millis(1_500);

/// Streams that are opened and reset on one connection.
const RESETS: u32 = 50;

/// Misbehaves until told to end; tells how often. Errors are what is to be expected.
pub fn run(targets: &Targets, culprit: usize, is_over: &AtomicBool) -> u64 {
    let mut count = 0;
    for fault in FAULTS.iter().cycle().skip(culprit * FAULTS.len() / 4) {
        if is_over.load(Relaxed) {
            break;
        }
        let _ = fault(targets);
        count += 1;
        sleep(PAUSE);
    }
    count
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(to)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn send(to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
    connect(to)?.write_all(bytes)
}

fn send_and_read(to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
    let mut socket = connect(to)?;
    socket.write_all(bytes)?;
    socket.read_to_end(&mut Vec::new()).map(drop)
}

/// Frames behind a handshake.
fn talk(to: SocketAddr, frames: &[u8]) -> io::Result<()> {
    let mut socket = handshake(to)?;
    socket.write_all(frames)?;
    socket.read_to_end(&mut Vec::new()).map(drop)
}

fn handshake(to: SocketAddr) -> io::Result<TcpStream> {
    let mut socket = connect(to)?;
    socket.write_all(HANDSHAKE)?;
    read_head(&mut socket)?;
    Ok(socket)
}

/// Ends its direction and waits for the other one.
fn half_close(targets: &Targets) -> io::Result<()> {
    let mut socket = handshake(targets.plain)?;
    socket.shutdown(Shutdown::Write)?;
    socket.read_to_end(&mut Vec::new()).map(drop)
}

/// Is sent more than it reads.
fn slow_reader(targets: &Targets) -> io::Result<()> {
    let mut socket = connect(targets.plain)?;
    socket.write_all(b"GET /events?rate=2000&size=16384 HTTP/1.1\r\nHost: soak.test\r\n\r\n")?;
    read_head(&mut socket)?;
    sleep(SLOW);
    Ok(())
}

/// Opens calls of gRPC and resets each at once.
fn resets(targets: &Targets) -> io::Result<()> {
    let mut socket = connect(targets.plain)?;
    socket.write_all(PREFACE)?;
    for number in 0..RESETS {
        let stream = (2 * number + 1).to_be_bytes();
        let head = call_head();
        let length = u8::try_from(head.len()).expect("a short head");
        // HEADERS with END_HEADERS, and RST_STREAM with CANCEL (RFC 9113, sections 6.2 and 6.4).
        socket.write_all(&[&[0, 0, length, 1, 4], &stream[..], &head].concat())?;
        socket.write_all(&[&[0, 0, 4, 3, 0], &stream[..], &[0, 0, 0, 8]].concat())?;
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// A head without compression: POST, http, and literals for path, authority, content-type and te (RFC 7541, section
/// 6.2.2 and appendix A).
fn call_head() -> Vec<u8> {
    let literal = |index: &[u8], value: &str| {
        let length = u8::try_from(value.len()).expect("a short value");
        [index, &[length], value.as_bytes()].concat()
    };
    [
        vec![0x83, 0x86],
        literal(&[0x04], "/load.Load/Echo"),
        literal(&[0x01], "soak.test"),
        literal(&[0x0f, 0x10], "application/grpc"),
        literal(&[0x00, 0x02, b't', b'e'], "trailers"),
    ]
    .concat()
}
