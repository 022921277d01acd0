//! A whole gateway with real sockets, for tests.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use meter::registry::Build;
use model::ports::Connections as _;
use model::record::CloseRecord;

use crate::Gateway;
use crate::config::GatewayConfig;

/// A handshake, and its answer.
pub const WEBSOCKET: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
pub const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// A subscription, and the head of its answer.
pub const SUBSCRIBE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
pub const EVENTS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// A gateway in front of an address, on a runtime of its own.
pub struct Front {
    pub gateway: Gateway,
    pub runtime: tokio::runtime::Runtime,
}

impl Front {
    pub fn of(upstream: SocketAddr) -> Front {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("starts");
        let url = format!("http://{upstream}").parse().expect("is a URL");
        let config = GatewayConfig::single("127.0.0.1:0".parse().expect("is an address"), url);
        let build = Build { version: "test" };
        let meters = Arc::new(meter::Registry::new(build, 2, Duration::from_secs(60)));
        let gateway = runtime.block_on(Gateway::start(config, meters, None, None)).expect("starts");
        Front { gateway, runtime }
    }

    pub fn address(&self) -> SocketAddr {
        self.gateway.addresses()[0]
    }

    /// Opens a connection that is answered with `head`; gives the two ends of it.
    pub fn join(
        listener: &TcpListener,
        front: &Front,
        request: &[u8],
        head: &[u8],
    ) -> (TcpStream, TcpStream) {
        let mut client = TcpStream::connect(front.address()).expect("connects");
        client.write_all(request).expect("sends");
        let (mut upstream, _) = listener.accept().expect("accepts");
        read_head(&mut upstream);
        upstream.write_all(head).expect("sends");
        read_head(&mut client);
        (client, upstream)
    }

    pub fn record(&self) -> Arc<CloseRecord> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let [record] = self.gateway.registry().closed().as_slice() {
                return Arc::clone(record);
            }
            assert!(Instant::now() < deadline, "it leaves a record in time");
            thread::yield_now();
        }
    }

    pub fn internal_errors(&self, of: impl Fn(&meter::Shard) -> u64) -> u64 {
        self.gateway.registry().routes()[0].meter.sum(of)
    }
}

fn read_head(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("is a socket");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head comes");
        head.push(byte[0]);
    }
}

/// Whole, in the pieces that a test has sent.
pub fn arrives(stream: &mut TcpStream, expected: &[u8]) {
    let mut read = vec![0; expected.len()];
    stream.read_exact(&mut read).expect("all of it arrives");
    assert_eq!(read, expected);
}
