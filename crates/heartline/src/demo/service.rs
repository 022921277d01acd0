//! The sample service: `/events` is an event stream; every other path is a WebSocket that echoes, with `/fail`,
//! `/idle` and `/firehose` for the faults.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_websockets::{CloseCode, Error, Message, ServerBuilder, WebSocketStream};

/// Silence after which `/idle` ends the connection without a word, as a middlebox does.
const IDLE_LIMIT: Duration = Duration::from_secs(4);

/// Messages that `/firehose` sends each second, and their size.
const FIREHOSE_PER_SECOND: u32 = 50;
const FIREHOSE_BYTES: usize = 64 * 1024;

/// Starts it on a free port.
pub async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Err(error) = serve(socket).await {
                    tracing::trace!(%error, "a connection of the sample service ended");
                }
            });
        }
    });
    Ok(address)
}

async fn serve(socket: TcpStream) -> Result<(), Error> {
    let mut start = [0u8; 16];
    let length = socket.peek(&mut start).await?;
    if start[..length].starts_with(b"GET /events") {
        return Ok(events(socket).await?);
    }
    let (request, mut websocket) = ServerBuilder::new().accept(socket).await?;
    match request.uri().path() {
        "/fail" => fail(&mut websocket).await,
        "/idle" => cut_when_idle(&mut websocket).await,
        "/firehose" => firehose(&mut websocket).await,
        _ => echo(&mut websocket).await,
    }
}

async fn echo(websocket: &mut WebSocketStream<TcpStream>) -> Result<(), Error> {
    while let Some(message) = websocket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            tokio::time::sleep(Duration::from_millis(rand::random_range(1..20))).await;
            websocket.send(message).await?;
        }
    }
    Ok(())
}

async fn fail(websocket: &mut WebSocketStream<TcpStream>) -> Result<(), Error> {
    if let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    websocket.send(Message::close(Some(CloseCode::INTERNAL_SERVER_ERROR), "database gone")).await?;
    while websocket.next().await.transpose()?.is_some() {}
    Ok(())
}

async fn cut_when_idle(websocket: &mut WebSocketStream<TcpStream>) -> Result<(), Error> {
    while let Ok(Some(message)) = tokio::time::timeout(IDLE_LIMIT, websocket.next()).await {
        websocket.send(message?).await?;
    }
    Ok(())
}

async fn firehose(websocket: &mut WebSocketStream<TcpStream>) -> Result<(), Error> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / FIREHOSE_PER_SECOND);
    loop {
        ticks.tick().await;
        websocket.send(Message::binary(vec![0u8; FIREHOSE_BYTES])).await?;
    }
}

async fn events(mut socket: TcpStream) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    for number in 0..rand::random_range(40..120) {
        let event =
            format!("id: {number}\nevent: tick\ndata: {{\"price\": {}}}\n\n", rand::random_range(90..110));
        socket.write_all(event.as_bytes()).await?;
        if number % 10 == 9 {
            socket.write_all(b": keep-alive\n\n").await?;
        }
        tokio::time::sleep(Duration::from_millis(rand::random_range(200..800))).await;
    }
    Ok(())
}
