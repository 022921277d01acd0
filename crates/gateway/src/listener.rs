//! From an accepted socket to HTTP: the PROXY protocol, TLS, and which version of HTTP the client speaks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use model::Refused;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::exchange::{ClientConnection, Shared, TaskGuard};
use crate::forwarded::Peer;
use crate::leg::{Stream, Watch, Watched};
use crate::socket::Socket;
use crate::{http1, http2, live, proxy_protocol};

/// How long a client's connection may stay without a request; longer than the 60 s of the common balancers, so
/// that they end it and not we.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long accepting pauses when there are no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a client that speaks HTTP/2 with prior knowledge begins with (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Its name in TLS (RFC 9113, section 3.2).
const HTTP2_ALPN: &[u8] = b"h2";

/// Bytes of a first request that are read while it is not clear which version it is.
const FIRST_READ: usize = 4096;

/// A connection that is ready for HTTP.
struct Opened {
    stream: Stream,
    early: Bytes,
    peer: Peer,
    speaks_http2: bool,
}

/// What the connections of one listener share.
#[derive(Clone)]
pub struct Listener {
    /// What all connections of the gateway share.
    pub shared: Arc<Shared>,
    /// TLS, when it is served.
    pub tls: Option<TlsAcceptor>,
    /// The PROXY protocol is expected.
    pub proxy_protocol: bool,
    /// Time allowed for everything up to the end of a head.
    pub head_timeout: Duration,
    /// Turns true when the gateway stops.
    pub stopping: watch::Receiver<bool>,
}

impl Listener {
    /// Accepts until the gateway stops.
    pub async fn accept(self, socket: Arc<TcpListener>, guard: TaskGuard) {
        let mut stopping = self.stopping.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, address)) => {
                    let (listener, guard) = (self.clone(), guard.clone());
                    tokio::spawn(async move { listener.serve(socket, address, guard).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted; is the limit of open files reached?");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(self, socket: TcpStream, address: SocketAddr, guard: TaskGuard) {
        let mut stopping = self.stopping.clone();
        let opened = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return,
            opened = tokio::time::timeout(self.head_timeout, self.open(socket, address)) => opened,
        };
        match opened {
            // In boxes, for they are large, and the task is moved several times before it runs.
            Ok(Ok(opened)) => Box::pin(self.speak(opened, guard)).await,
            Ok(Err((why, error))) => {
                self.shared.registry.count_refused(why);
                tracing::debug!(%address, %why, %error, "a connection was refused before HTTP");
            }
            Err(_) => {
                self.shared.registry.count_refused(Refused::Timeout);
                tracing::debug!(%address, "a connection was not ready for HTTP in time");
            }
        }
    }

    async fn speak(self, opened: Opened, guard: TaskGuard) {
        let Opened { stream, early, peer, speaks_http2 } = opened;
        let open = if speaks_http2 { Watch::of_http2_client } else { Watch::of_http1_client };
        let (shared, watch) = (self.shared, open(&stream));
        let client = ClientConnection { shared, peer, watch, guard };
        if speaks_http2 {
            let stream = Watched::new(stream, early, &client.watch);
            return Box::pin(http2::serve(stream, client, self.head_timeout, self.stopping)).await;
        }
        if let Err((stream, early, client)) = live::serve_first(stream, early, client).await {
            let stream = Watched::new(stream, early, &client.watch);
            Box::pin(http1::serve(stream, client, self.head_timeout, self.stopping)).await;
        }
    }

    async fn open(&self, mut socket: TcpStream, from: SocketAddr) -> Result<Opened, (Refused, io::Error)> {
        let because = |why: Refused| move |error: io::Error| (why, error);
        socket.set_nodelay(true).map_err(because(Refused::Malformed))?;
        let mut address = from;
        if self.proxy_protocol {
            if !self.trusts(from) {
                let error =
                    io::Error::other("it is not from a trusted peer, and the PROXY protocol is expected");
                return Err((Refused::ProxyProtocol, error));
            }
            let source = proxy_protocol::read(&mut socket).await;
            if let Some(source) = source.map_err(because(Refused::ProxyProtocol))? {
                address = source;
            }
        }
        let is_trusted = self.trusts(address);
        let peer = Peer { address, is_trusted, is_tls: self.tls.is_some() };
        let Some(acceptor) = &self.tls else {
            let early = read_preface(&mut socket).await.map_err(because(Refused::Malformed))?;
            let speaks_http2 = early.starts_with(HTTP2_PREFACE);
            return Ok(Opened { stream: Stream::Plain(Socket::new(socket)), early, peer, speaks_http2 });
        };
        let accepting = Box::pin(acceptor.accept(Socket::new(socket)));
        let stream = accepting.await.map_err(because(Refused::Tls))?;
        let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2_ALPN);
        Ok(Opened { stream: Stream::tls(stream), early: Bytes::new(), peer, speaks_http2 })
    }

    fn trusts(&self, address: SocketAddr) -> bool {
        self.shared.table.load().trusted().iter().any(|network| network.contains(address.ip()))
    }
}

/// Reads until it is clear whether the client speaks HTTP/2 with prior knowledge.
async fn read_preface(socket: &mut TcpStream) -> io::Result<Bytes> {
    let mut read = BytesMut::with_capacity(FIRST_READ);
    while read.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&read) {
        if socket.read_buf(&mut (&mut read).limit(FIRST_READ)).await? == 0 {
            break;
        }
    }
    Ok(read.freeze())
}
