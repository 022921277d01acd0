//! A service to aim at, which costs as little as it can, on one port:
//!
//! | what is asked for | what it does |
//! |---|---|
//! | a WebSocket at `/push` | sends messages at a rate |
//! | any other WebSocket | echoes |
//! | a gRPC method `Push` | sends messages at a rate |
//! | any other gRPC method | echoes |
//! | any other GET | sends events at a rate |
//!
//! `?rate=20&size=256` changes rate and size of what is sent. Each message begins with the time at which it was
//! made, as [`crate::stamp`] reads it.

mod echo;
mod http2;
mod tick;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub use tick::Ticks;

/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most header fields of a request.
const FIELDS_MAX: usize = 100;

/// How HTTP/2 with prior knowledge begins (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Pause when a connection could not be accepted for want of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Handshakes of TCP that may wait to be accepted; the kernel takes less when net.core.somaxconn says so.
const BACKLOG: u32 = 65_535;

/// Listens, with room for many clients that connect at once.
///
/// # Errors
/// The address cannot be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until it is dropped. `ticks` is what it sends where a request does not say otherwise.
pub async fn serve(listener: TcpListener, ticks: Ticks) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                tokio::spawn(async move {
                    if let Err(error) = serve_one(socket, ticks).await {
                        tracing::debug!(%error, "a connection ended");
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_one(mut socket: TcpStream, ticks: Ticks) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut head = Vec::with_capacity(1024);
    while head.len() <= HEAD_BYTES_MAX {
        if socket.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        if head.starts_with(&HTTP2_PREFACE[..head.len().min(HTTP2_PREFACE.len())]) {
            if head.len() < HTTP2_PREFACE.len() {
                continue;
            }
            return http2::run(socket, head, ticks).await;
        }
        if let Some(asked) = Asked::parse(&head, ticks)? {
            let early = head.split_off(asked.head_bytes);
            return asked.serve(socket, early).await;
        }
    }
    Err(invalid("the head does not end"))
}

/// A request of HTTP/1.1.
struct Asked {
    head_bytes: usize,
    ticks: Ticks,
    is_push: bool,
    /// `Sec-WebSocket-Accept` of the answer, when a WebSocket is asked for.
    accept: Option<String>,
}

impl Asked {
    /// None while the head is not complete.
    fn parse(head: &[u8], ticks: Ticks) -> io::Result<Option<Asked>> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        let httparse::Status::Complete(head_bytes) = request.parse(head).map_err(invalid)? else {
            return Ok(None);
        };
        let (path, query) = split_query(request.path.unwrap_or_default());
        let key = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("sec-websocket-key"));
        Ok(Some(Asked {
            head_bytes,
            ticks: ticks.changed_by(query),
            is_push: path == "/push",
            accept: key.map(|field| accept(field.value)),
        }))
    }

    async fn serve(self, mut socket: TcpStream, early: Vec<u8>) -> io::Result<()> {
        let Some(accept) = self.accept else { return tick::events(socket, self.ticks).await };
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        socket.write_all(answer.as_bytes()).await?;
        if self.is_push { tick::frames(socket, self.ticks).await } else { echo::run(socket, early).await }
    }
}

fn split_query(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455, section 4.2.2).
fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
