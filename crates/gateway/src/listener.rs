//! From an accepted socket to HTTP: the PROXY protocol, TLS, and the limits of time on request heads.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::clock;
use crate::exchange::{self, Shared, TaskGuard};
use crate::forwarded::Peer;
use crate::head::HEAD_BYTES_MAX;
use crate::leg::{Stream, Watch, Watched};
use crate::proxy_protocol;

/// How long a client's connection may stay without a request; longer than the 60 s of the common balancers, so
/// that they end it and not we.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long accepting pauses when there are no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    pub async fn accept(self, socket: TcpListener, guard: TaskGuard) {
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
        let opened = tokio::time::timeout(self.head_timeout, self.open(socket, address)).await;
        match opened {
            Ok(Ok((stream, peer))) => self.speak_http(stream, peer, guard).await,
            Ok(Err(error)) => tracing::debug!(%address, %error, "a connection was refused before HTTP"),
            Err(_) => tracing::debug!(%address, "a connection was not ready for HTTP in time"),
        }
    }

    async fn open(&self, mut socket: TcpStream, from: SocketAddr) -> io::Result<(Stream, Peer)> {
        socket.set_nodelay(true)?;
        let mut address = from;
        if self.proxy_protocol {
            if !self.trusts(from) {
                return Err(io::Error::other(
                    "it is not from a trusted peer, and the PROXY protocol is expected",
                ));
            }
            if let Some(source) = proxy_protocol::read(&mut socket).await? {
                address = source;
            }
        }
        let is_trusted = self.trusts(address);
        let stream = match &self.tls {
            None => Stream::Plain(socket),
            Some(acceptor) => Stream::Tls(Box::new(acceptor.accept(socket).await?.into())),
        };
        Ok((stream, Peer { address, is_trusted, is_tls: self.tls.is_some() }))
    }

    fn trusts(&self, address: SocketAddr) -> bool {
        self.shared.table.load().trusted().iter().any(|network| network.contains(address.ip()))
    }

    async fn speak_http(mut self, stream: Stream, peer: Peer, guard: TaskGuard) {
        let watched = Watched::client(stream);
        let watch = Arc::clone(watched.watch());
        let in_service = Arc::new(AtomicUsize::new(0));
        let service = service_fn({
            let (shared, watch, in_service) =
                (Arc::clone(&self.shared), Arc::clone(&watch), Arc::clone(&in_service));
            move |request| {
                in_service.fetch_add(1, Relaxed);
                let served =
                    exchange::serve(Arc::clone(&shared), peer, Arc::clone(&watch), guard.clone(), request);
                let in_service = Arc::clone(&in_service);
                async move {
                    let answer = served.await;
                    in_service.fetch_sub(1, Relaxed);
                    answer
                }
            }
        });
        let builder = http_builder();
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(watched), service);
        tokio::pin!(connection);
        let mut quiet = Quiet::new(self.head_timeout);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, address = %peer.address, "a client's connection ended with an error");
                    }
                    return;
                }
                _ = self.stopping.wait_for(|stopping| *stopping), if !quiet.is_stopping => {
                    quiet.is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep(quiet.next_look) => match quiet.look(&watch, in_service.load(Relaxed)) {
                    Verdict::Fine => {}
                    Verdict::SlowHead => {
                        tracing::debug!(address = %peer.address, "a request head did not arrive in time");
                        return;
                    }
                    Verdict::Idle => connection.as_mut().graceful_shutdown(),
                },
            }
        }
    }
}

fn http_builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).preserve_header_case(true);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .auto_date_header(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_header_list_size(HEAD_BYTES_MAX as u32);
    builder
}

/// Looks whether a connection is slow with a head, or has nothing to do.
struct Quiet {
    head_timeout: Duration,
    next_look: Duration,
    served: u64,
    quiet_since: model::Moment,
    is_stopping: bool,
}

enum Verdict {
    Fine,
    SlowHead,
    Idle,
}

impl Quiet {
    fn new(head_timeout: Duration) -> Quiet {
        Quiet {
            head_timeout,
            next_look: head_timeout,
            served: 0,
            quiet_since: clock::now(),
            is_stopping: false,
        }
    }

    fn look(&mut self, watch: &Watch, in_service: usize) -> Verdict {
        let now = clock::now();
        let (begun, served, is_tapped) = {
            let head = watch.head();
            (head.begun(), head.served(), head.is_tapped())
        };
        self.next_look = self.head_timeout;
        if in_service > 0 || served != self.served || !is_tapped {
            self.served = served;
            self.quiet_since = now;
            return Verdict::Fine;
        }
        if let Some(begun) = begun {
            self.next_look =
                self.head_timeout.saturating_sub(now.since(begun)).max(Duration::from_millis(10));
            return if now.since(begun) >= self.head_timeout { Verdict::SlowHead } else { Verdict::Fine };
        }
        if served == 0 && now.since(self.quiet_since) >= self.head_timeout {
            return Verdict::SlowHead;
        }
        if now.since(self.quiet_since) >= KEEP_ALIVE { Verdict::Idle } else { Verdict::Fine }
    }
}
