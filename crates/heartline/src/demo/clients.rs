//! The simulated clients: most behave, some do not.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_websockets::{ClientBuilder, CloseCode, Error, MaybeTlsStream, Message, WebSocketStream};

/// Longest pause before a client comes back.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// How long the slow reader reads nothing.
const SLOW_READER_PAUSE: Duration = Duration::from_secs(25);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The running clients; they end when this is dropped.
pub struct Clients(JoinSet<()>);

impl Clients {
    /// Ends them all.
    pub fn abort(mut self) {
        self.0.abort_all();
    }
}

/// Starts `count` clients that behave, a third of them subscribers of events, and one of each fault.
pub fn start(gateway: SocketAddr, count: u16) -> Clients {
    let mut clients = JoinSet::new();
    for number in 0..count {
        if number % 3 == 0 {
            clients.spawn(again_and_again(move || subscribe(gateway, number)));
        } else {
            clients.spawn(again_and_again(move || chat(gateway, number)));
        }
    }
    clients.spawn(again_and_again(move || vanish(gateway)));
    clients.spawn(again_and_again(move || read_slowly(gateway)));
    clients.spawn(again_and_again(move || be_failed(gateway)));
    clients.spawn(again_and_again(move || stay_silent(gateway)));
    clients.spawn(again_and_again(move || knock_in_vain(gateway)));
    Clients(clients)
}

async fn again_and_again<F: Future<Output = Result<(), Error>>>(client: impl Fn() -> F) {
    loop {
        tokio::time::sleep(RETRY_PAUSE.mul_f64(rand::random::<f64>())).await;
        if let Err(error) = client().await {
            tracing::trace!(%error, "a simulated client was cut");
        }
    }
}

/// Addresses for documentation (RFC 5737).
fn address_of(number: u16) -> Ipv4Addr {
    let host = u8::try_from(number % 250 + 1).expect("at most 250");
    match number % 3 {
        0 => Ipv4Addr::new(192, 0, 2, host),
        1 => Ipv4Addr::new(198, 51, 100, host),
        _ => Ipv4Addr::new(203, 0, 113, host),
    }
}

async fn connect(gateway: SocketAddr, path: &str, number: u16) -> Result<Socket, Error> {
    let uri = format!("ws://{gateway}{path}");
    let address =
        HeaderValue::from_str(&address_of(number).to_string()).expect("an address is a header value");
    let builder = ClientBuilder::new().uri(&uri).expect("a valid address");
    let builder = builder.add_header(HeaderName::from_static("x-forwarded-for"), address)?;
    Ok(builder.connect().await?.0)
}

async fn chat(gateway: SocketAddr, number: u16) -> Result<(), Error> {
    let mut socket = connect(gateway, "/chat", number).await?;
    for _ in 0..rand::random_range(20..80) {
        socket.send(Message::text("x".repeat(rand::random_range(10..600)))).await?;
        socket.next().await.transpose()?;
        tokio::time::sleep(Duration::from_millis(rand::random_range(300..2500))).await;
    }
    leave(socket).await
}

async fn leave(mut socket: Socket) -> Result<(), Error> {
    socket.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "")).await?;
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

async fn subscribe(gateway: SocketAddr, number: u16) -> Result<(), Error> {
    let mut socket = TcpStream::connect(gateway).await?;
    let address = address_of(number);
    let request = format!(
        "GET /events HTTP/1.1\r\nHost: {gateway}\r\nAccept: text/event-stream\r\nX-Forwarded-For: {address}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    let patience = Duration::from_secs(rand::random_range(10..60));
    let read_all = async {
        let mut buffer = [0u8; 4096];
        while socket.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
    };
    // Whoever runs out of patience leaves in the middle.
    if tokio::time::timeout(patience, read_all).await.is_err() {
        tracing::trace!("a subscriber leaves");
    }
    Ok(())
}

/// Its process is killed, as it were: RST, no Close frame.
async fn vanish(gateway: SocketAddr) -> Result<(), Error> {
    let mut socket = connect(gateway, "/chat", 7).await?;
    socket.send(Message::text("are you there?")).await?;
    socket.next().await.transpose()?;
    tokio::time::sleep(RETRY_PAUSE).await;
    let MaybeTlsStream::Plain(tcp) = socket.get_ref();
    Ok(tcp.set_zero_linger()?)
}

/// Takes nothing for a while, and then everything.
async fn read_slowly(gateway: SocketAddr) -> Result<(), Error> {
    let mut socket = connect(gateway, "/firehose", 11).await?;
    tokio::time::sleep(SLOW_READER_PAUSE).await;
    for _ in 0..2000 {
        socket.next().await.transpose()?;
    }
    leave(socket).await
}

async fn be_failed(gateway: SocketAddr) -> Result<(), Error> {
    let mut socket = connect(gateway, "/fail", 13).await?;
    socket.send(Message::text("store this")).await?;
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

async fn stay_silent(gateway: SocketAddr) -> Result<(), Error> {
    let mut socket = connect(gateway, "/idle", 17).await?;
    while socket.next().await.transpose()?.is_some() {}
    Ok(())
}

async fn knock_in_vain(gateway: SocketAddr) -> Result<(), Error> {
    connect(gateway, "/broken", 19).await.map(drop)
}
