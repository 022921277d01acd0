//! A whole gateway, whose observers panic at bytes that no test sends but these.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use model::{ErrorType, GrpcCode, Reason};

use super::*;
use crate::front::{EVENTS, Front, SUBSCRIBE, SWITCHING, WEBSOCKET, arrives};

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
