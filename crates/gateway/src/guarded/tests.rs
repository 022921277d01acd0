//! A whole gateway, whose observers panic at bytes that no test sends but these.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use meter::registry::Build;
use model::ports::Connections as _;
use model::record::CloseRecord;
use model::{ErrorType, GrpcCode, Reason};

use super::*;
use crate::Gateway;
use crate::config::GatewayConfig;

const MARKER: &[u8] = b"an observer panics here";

/// Called before each look.
pub fn panic_at(bytes: &[u8]) {
    assert!(!bytes.windows(MARKER.len()).any(|window| window == MARKER), "injected");
}

#[test]
fn an_observer_that_panics_is_asked_no_more() {
    let mut sum = Guarded::new(0);
    let mut add = |bytes: &[u8]| sum.look(bytes, |sum, bytes| *sum += bytes.len());
    assert!(add(b"one"));
    assert!(!add(MARKER), "told once");
    assert!(add(b"three"));
    assert_eq!(sum.get(), None);
}

const WEBSOCKET: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const SUBSCRIBE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
const EVENTS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// A gateway in front of the address, on a runtime of its own.
struct Front {
    gateway: Gateway,
    runtime: tokio::runtime::Runtime,
}

impl Front {
    fn of(upstream: SocketAddr) -> Front {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("starts");
        let url = format!("http://{upstream}").parse().expect("is a URL");
        let config = GatewayConfig::single("127.0.0.1:0".parse().expect("is an address"), url);
        let build = Build { version: "test" };
        let meters = Arc::new(meter::Registry::new(build, 2, Duration::from_secs(60)));
        let gateway = runtime.block_on(Gateway::start(config, meters, None, None)).expect("starts");
        Front { gateway, runtime }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.addresses()[0]
    }

    /// Opens a connection that is answered with `head`; gives the two ends of it.
    fn join(listener: &TcpListener, front: &Front, request: &[u8], head: &[u8]) -> (TcpStream, TcpStream) {
        let mut client = TcpStream::connect(front.address()).expect("connects");
        client.write_all(request).expect("sends");
        let (mut upstream, _) = listener.accept().expect("accepts");
        read_head(&mut upstream);
        upstream.write_all(head).expect("sends");
        read_head(&mut client);
        (client, upstream)
    }

    fn record(&self) -> Arc<CloseRecord> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let [record] = self.gateway.registry().closed().as_slice() {
                return Arc::clone(record);
            }
            assert!(Instant::now() < deadline, "it leaves a record in time");
            thread::yield_now();
        }
    }

    fn internal_errors(&self, of: impl Fn(&meter::Shard) -> u64) -> u64 {
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
fn arrives(stream: &mut TcpStream, expected: &[u8]) {
    let mut read = vec![0; expected.len()];
    stream.read_exact(&mut read).expect("all of it arrives");
    assert_eq!(read, expected);
}

/// A text frame of a client, masked with zeros.
fn masked(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("is short");
    [&[0x81, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[test]
fn a_websocket_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let front = Front::of(listener.local_addr().expect("is bound"));
    let (mut client, mut upstream) = Front::join(&listener, &front, WEBSOCKET, SWITCHING);
    let sent = [masked(b"one"), masked(MARKER), masked(b"three")];
    for frame in &sent {
        client.write_all(frame).expect("sends");
        arrives(&mut upstream, frame);
    }
    upstream.write_all(b"\x81\x02up").expect("sends");
    arrives(&mut client, b"\x81\x02up");
    drop(client);
    assert_eq!(upstream.read(&mut [0]).expect("ends"), 0);
    drop(upstream);
    let record = front.record();
    assert_eq!(record.messages.client_to_server, 1, "up to the panic");
    assert_eq!(record.messages.server_to_client, 1, "the other direction is observed on");
    assert_eq!(record.bytes.client_to_server, sent.concat().len() as u64);
    assert_eq!(record.reason, Some(Reason::Abnormal));
    assert_eq!(front.internal_errors(|shard| shard.websocket.errors.get(ErrorType::Internal)), 1);
    assert!(failed() > 0);
}

#[test]
fn an_event_stream_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let front = Front::of(listener.local_addr().expect("is bound"));
    let (mut client, mut upstream) = Front::join(&listener, &front, SUBSCRIBE, EVENTS);
    let sent: [&[u8]; 3] = [b"data: one\n\n", b": an observer panics here\n\n", b"data: three\n\n"];
    for event in sent {
        upstream.write_all(event).expect("sends");
        arrives(&mut client, event);
    }
    drop(upstream);
    assert_eq!(client.read(&mut [0]).expect("ends"), 0);
    let record = front.record();
    assert_eq!(record.messages.server_to_client, 1, "up to the panic");
    assert_eq!(record.bytes.server_to_client, sent.concat().len() as u64);
    assert_eq!(front.internal_errors(|shard| shard.sse.errors.get(ErrorType::Internal)), 1);
}

fn message(payload: &[u8]) -> Bytes {
    let length = u32::try_from(payload.len()).expect("is short").to_be_bytes();
    [&[0], length.as_slice(), payload].concat().into()
}

/// Answers one call with one message and a status.
async fn serve_one(listener: tokio::net::TcpListener) {
    let (socket, _) = listener.accept().await.expect("accepts");
    let mut connection = h2::server::handshake(socket).await.expect("speaks HTTP/2");
    let (request, mut respond) = connection.accept().await.expect("a call comes").expect("is one");
    let serving = async move {
        let mut body = request.into_body();
        let mut read = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.expect("comes");
            body.flow_control().release_capacity(data.len()).expect("was received");
            read.extend_from_slice(&data);
        }
        let answer = Response::builder().header("content-type", "application/grpc").body(()).expect("is one");
        let mut stream = respond.send_response(answer, false).expect("goes out");
        stream.send_data(read.into(), false).expect("goes out");
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("is a value"));
        stream.send_trailers(trailers).expect("goes out");
    };
    tokio::join!(serving, async { while connection.accept().await.is_some() {} });
}

async fn call(address: SocketAddr, body: Bytes) -> (Vec<u8>, HeaderMap) {
    let socket = tokio::net::TcpStream::connect(address).await.expect("connects");
    let (mut client, connection) = h2::client::handshake(socket).await.expect("speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let request = Request::post("http://localhost/test.Service/Method")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("is one");
    let (response, mut stream) = client.send_request(request, false).expect("goes out");
    stream.send_data(body, true).expect("goes out");
    let mut body = response.await.expect("is answered").into_body();
    let mut read = Vec::new();
    while let Some(data) = body.data().await {
        read.extend_from_slice(&data.expect("comes"));
    }
    let trailers = body.trailers().await.expect("come").expect("are there");
    connection.abort();
    (read, trailers)
}

#[test]
fn a_grpc_stream_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    listener.set_nonblocking(true).expect("is a socket");
    let front = Front::of(listener.local_addr().expect("is bound"));
    let body: Bytes = [message(b"one"), message(MARKER), message(b"three")].concat().into();
    let (read, trailers) = front
        .runtime
        .block_on(async {
            tokio::spawn(serve_one(tokio::net::TcpListener::from_std(listener).expect("is a socket")));
            tokio::time::timeout(Duration::from_secs(10), call(front.address(), body.clone())).await
        })
        .expect("ends in time");
    assert_eq!(read, body);
    assert_eq!(trailers["grpc-status"], "0");
    let record = front.record();
    assert_eq!(record.grpc.as_ref().map(|grpc| grpc.code), Some(GrpcCode::Ok));
    assert_eq!(record.bytes.client_to_server, body.len() as u64);
    assert_eq!(record.bytes.server_to_client, body.len() as u64);
    assert_eq!(record.messages.client_to_server, 0, "the observer panics at the first piece, which has all");
}
