//! From an accepted socket to HTTP: the PROXY protocol, TLS, and which version of HTTP the client speaks.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use mio::Interest;
use model::{ConnectionId, Leg, Refused};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::bypass::Link;
use crate::exchange::{ClientConnection, Shared, TaskGuard};
use crate::forwarded::Peer;
use crate::leg::{self, Stream, Watch, Watched};
use crate::reactor::{self, Task};
use crate::socket::Socket;
use crate::{http1, http2, live, proxy_protocol};

/// How long a client's connection may stay without a request; longer than the 60 s of the common balancers, so
/// that they end it and not we.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Connections that are accepted in one turn.
const ACCEPTS_PER_TURN: usize = 32;

/// How long accepting pauses when there are no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a client that speaks HTTP/2 with prior knowledge begins with (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Its name in TLS (RFC 9113, section 3.2).
const HTTP2_ALPN: &[u8] = b"h2";

/// A connection that is ready for HTTP.
struct Opened {
    stream: Stream,
    early: Bytes,
    peer: Peer,
    speaks_http2: bool,
}

/// A bound socket, and the same for others to look at for as long as it accepts.
#[derive(Debug)]
pub struct Bound {
    socket: mio::net::TcpListener,
    shown: Arc<std::net::TcpListener>,
}

impl Bound {
    /// Accepts on `socket`, which listens and does not block. What it accepts sends small pieces at once: Linux takes
    /// `TCP_NODELAY` over from the listener.
    ///
    /// # Errors
    /// No file is left.
    pub fn new(socket: std::net::TcpListener) -> io::Result<Bound> {
        let shown = Arc::new(socket.try_clone()?);
        if let Err(error) = SockRef::from(&socket).set_tcp_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        Ok(Bound { socket: mio::net::TcpListener::from_std(socket), shown })
    }

    /// The socket, to look at.
    pub fn shown(&self) -> &Arc<std::net::TcpListener> {
        &self.shown
    }

    /// The next connection. Pending after a few, so that others have their turn.
    fn poll_accept(
        &self,
        cx: &mut Context<'_>,
        turn: &mut usize,
    ) -> Poll<io::Result<(mio::net::TcpStream, SocketAddr)>> {
        if *turn == ACCEPTS_PER_TURN {
            *turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if *turn > 0 && !self.has_more() {
            *turn = 0;
            return Poll::Pending;
        }
        match self.socket.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                *turn = 0;
                Poll::Pending
            }
            accepted => {
                *turn += 1;
                Poll::Ready(accepted)
            }
        }
    }

    /// Whether another connection may wait. Linux makes a socket and a file before it finds that there is none
    /// (accept(2)): to ask first costs a tenth.
    fn has_more(&self) -> bool {
        let mut asked = [PollFd::new(&self.socket, PollFlags::IN)];
        poll(&mut asked, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
    }
}

/// What the connections of one listener share.
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
    /// It serves one connection alone, by which an operator tries a route.
    pub tryout: Option<ConnectionId>,
}

impl Listener {
    /// Accepts until the gateway stops: a task of a reactor.
    pub async fn accept(self, mut bound: Bound, guard: TaskGuard) -> Option<Task> {
        let listener = Arc::new(self);
        if let Err(error) = reactor::wait_for(&mut bound.socket, Leg::Client, Interest::READABLE) {
            tracing::error!(%error, "a listener cannot be waited for: it accepts nothing");
            return None;
        }
        let mut stopping = listener.stopping.clone();
        let mut stopped = pin!(stopping.wait_for(|stopping| *stopping));
        let mut turn = 0;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = &mut stopped => return None,
                accepted = poll_fn(|cx| bound.poll_accept(cx, &mut turn)) => accepted,
            };
            if let Err(error) = accepted.and_then(|(tcp, address)| listener.begin(tcp, address, &guard)) {
                tracing::warn!(%error, "a connection could not be accepted; is the limit of open files reached?");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    /// Gives a connection its task: on a thread of a reactor, but in TLS on tokio's, where its handshake holds up no
    /// relay.
    pub fn begin(
        self: &Arc<Self>,
        tcp: mio::net::TcpStream,
        address: SocketAddr,
        guard: &TaskGuard,
    ) -> io::Result<()> {
        let (listener, own) = (Arc::clone(self), guard.clone());
        if self.tls.is_some() {
            let tcp = TcpStream::from_std(OwnedFd::from(tcp).into())?;
            tokio::spawn(async move { listener.serve(Socket::new(tcp), address, own).await });
        } else {
            let serving = async move {
                let mut socket = Socket::edge(tcp);
                if let Err(error) = socket.register(Leg::Client) {
                    tracing::error!(%error, "a socket could not be waited for: its connection ends");
                    return None;
                }
                listener.serve(socket, address, own).await
            };
            self.shared.reactors.adopt(Task::new(serving), guard.clone());
        }
        Ok(())
    }

    async fn serve(self: Arc<Self>, socket: Socket, address: SocketAddr, guard: TaskGuard) -> Option<Task> {
        let mut stopping = self.stopping.clone();
        let opened = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return None,
            opened = tokio::time::timeout(self.head_timeout, self.open(socket, address)) => opened,
        };
        match opened {
            // In a box, for it is large, and the task is moved several times before it runs.
            Ok(Ok(opened)) => return Box::pin(self.speak(opened, guard)).await,
            Ok(Err((why, error))) => {
                self.shared.registry.count_refused(why);
                tracing::debug!(%address, %why, %error, "a connection was refused before HTTP");
            }
            Err(_) => {
                self.shared.registry.count_refused(Refused::Timeout);
                tracing::debug!(%address, "a connection was not ready for HTTP in time");
            }
        }
        None
    }

    async fn speak(self: Arc<Self>, opened: Opened, guard: TaskGuard) -> Option<Task> {
        let Opened { stream, early, peer, speaks_http2 } = opened;
        let watch = if speaks_http2 {
            Watch::of_http2(&stream, &Link::new(Leg::Client))
        } else {
            Watch::of_http1_client(&stream)
        };
        let shared = Arc::clone(&self.shared);
        let client = ClientConnection { shared, peer, watch, guard };
        let left = if speaks_http2 {
            (stream, early, client)
        } else {
            match live::serve_first(stream, early, client).await {
                Ok(next) => return next,
                Err(left) => left,
            }
        };
        self.leave_to_http(left, speaks_http2).await;
        None
    }

    /// What is no live stream, or not yet, is served by tokio.
    async fn leave_to_http(self: Arc<Self>, left: (Stream, Bytes, ClientConnection), speaks_http2: bool) {
        let (mut stream, early, client) = left;
        if let Err(error) = stream.leave_reactor() {
            return tracing::error!(%error, "a socket could not be moved: its connection ends");
        }
        let serving = async move {
            if let Err(error) = stream.writable().await {
                return tracing::debug!(%error, "a socket cannot be waited for: its connection ends");
            }
            let stopping = self.stopping.clone();
            if speaks_http2 {
                Box::pin(http2::serve(stream, early, client, self.head_timeout, stopping)).await;
            } else {
                let stream = Watched::new(stream, early, &client.watch);
                Box::pin(http1::serve(stream, client, self.head_timeout, stopping)).await;
            }
        };
        if reactor::is_here() {
            tokio::spawn(serving);
        } else {
            serving.await;
        }
    }

    async fn open(&self, mut socket: Socket, from: SocketAddr) -> Result<Opened, (Refused, io::Error)> {
        let because = |why: Refused| move |error: io::Error| (why, error);
        if !cfg!(target_os = "linux") {
            socket.set_nodelay();
        }
        let mut address = from;
        if self.proxy_protocol {
            if !self.trusts(from) {
                let error =
                    io::Error::other("it is not from a trusted peer, and the PROXY protocol is expected");
                return Err((Refused::ProxyProtocol, error));
            }
            let source = Box::pin(proxy_protocol::read(&mut socket)).await;
            if let Some(source) = source.map_err(because(Refused::ProxyProtocol))? {
                address = source;
            }
        }
        let is_trusted = self.tryout.is_none() && self.trusts(address);
        let peer = Peer { address, is_trusted, is_tls: self.tls.is_some(), tryout: self.tryout };
        let Some(acceptor) = &self.tls else {
            let early = read_preface(&mut socket).await.map_err(because(Refused::Malformed))?;
            let speaks_http2 = early.starts_with(HTTP2_PREFACE);
            return Ok(Opened { stream: Stream::Plain(socket), early, peer, speaks_http2 });
        };
        let stream = Box::pin(acceptor.accept(socket)).await.map_err(because(Refused::Tls))?;
        let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2_ALPN);
        Ok(Opened { stream: Stream::tls(stream), early: Bytes::new(), peer, speaks_http2 })
    }

    fn trusts(&self, address: SocketAddr) -> bool {
        self.shared.table.load().trusted().iter().any(|network| network.contains(address.ip()))
    }
}

/// Reads until it is clear whether the client speaks HTTP/2 with prior knowledge.
async fn read_preface(socket: &mut Socket) -> io::Result<Bytes> {
    let mut read = Vec::new();
    while read.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&read) {
        if leg::read_some(socket, &mut read).await? == 0 {
            break;
        }
    }
    Ok(read.into())
}
