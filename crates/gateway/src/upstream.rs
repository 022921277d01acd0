//! The services behind a route: which one is tried for a new connection, and how it is reached.

pub mod http2;
pub mod source;

use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{self, Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use meter::RouteMeter;
use model::Moment;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::body::HeldBody;
use crate::config::{Balance, UpstreamUrl};
use crate::leg::{Stream, Watch, Watched};
use crate::socket::Socket;
use source::Sources;

/// Idle connections to one upstream kept for plain requests.
const IDLE_MAX: usize = 32;

/// For how long; less than the 5 s after which Node.js closes an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

const NEVER: u64 = u64::MAX;

/// One service.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub url: UpstreamUrl,
    authority: Authority,
    /// The same as text, for records.
    pub name: Arc<str>,
    client: Client<Connector, HeldBody>,
    connector: Connector,
    lines: http2::Lines,
    open: AtomicUsize,
    failed_at: AtomicU64,
}

/// A connection to an upstream counts as open for as long as this lives.
#[derive(Debug)]
pub struct OpenGuard(Arc<Upstream>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

impl Upstream {
    /// An upstream that is reached in at most `connect_timeout`, from `sources`.
    pub fn new(
        url: UpstreamUrl,
        tls: Arc<rustls::ClientConfig>,
        server_name: Option<ServerName<'static>>,
        connect_timeout: Duration,
        sources: Sources,
    ) -> Upstream {
        let mut http2_tls = (*tls).clone();
        http2_tls.alpn_protocols = vec![b"h2".to_vec()];
        let connector = Connector {
            url: url.clone(),
            address: bare(&url.host).parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, url.port)),
            tls: TlsConnector::from(tls),
            http2_tls: TlsConnector::from(Arc::new(http2_tls)),
            server_name,
            connect_timeout,
            sources,
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_preserve_header_case(true)
            .set_host(false)
            .build(connector.clone());
        Upstream {
            name: url.to_string().into(),
            authority: format!("{}:{}", url.host, url.port).parse().expect("a URL has a valid authority"),
            url,
            client,
            connector,
            lines: http2::Lines::default(),
            open: AtomicUsize::new(0),
            failed_at: AtomicU64::new(NEVER),
        }
    }

    /// Sends a request; the answer's extensions hold the [`Watch`] of its connection.
    ///
    /// # Errors
    /// The upstream was not reached, or it ended the connection before the answer's head was complete.
    pub async fn send(&self, mut request: Request<HeldBody>) -> Result<Response<Incoming>, SendError> {
        *request.uri_mut() = self.absolute(request.uri());
        self.client.request(request).await.map_err(|error| SendError::from_client(&error))
    }

    /// Opens a connection for HTTP/1.1.
    ///
    /// # Errors
    /// The upstream was not reached.
    pub async fn connect(&self) -> Result<Stream, ConnectError> {
        self.connector.connect().await
    }

    /// Opens a stream of HTTP/2; `head` has the path alone as its target.
    ///
    /// # Errors
    /// The upstream was not reached.
    pub async fn open_stream(
        &self,
        mut head: Request<()>,
        authority: &str,
        route: &Arc<RouteMeter>,
    ) -> Result<http2::Opened, SendError> {
        let path = head.uri().path_and_query().map_or("/", |path| path.as_str());
        let scheme = if self.url.tls { "https" } else { "http" };
        let target = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
        *head.uri_mut() = target.map_err(|error| SendError::NoAnswer(error.to_string()))?;
        self.lines.open(&self.connector, &head, route).await
    }

    /// Counts a connection as open until the guard is dropped.
    pub fn open(self: &Arc<Self>) -> OpenGuard {
        self.open.fetch_add(1, Relaxed);
        OpenGuard(Arc::clone(self))
    }

    /// It could not be reached.
    pub fn note_failure(&self, now: Moment) {
        self.failed_at.store(now.0, Relaxed);
    }

    /// It was reached.
    pub fn note_success(&self) {
        self.failed_at.store(NEVER, Relaxed);
    }

    fn state(&self, now: Moment, fail_timeout: Duration) -> State {
        let failed_at = self.failed_at.load(Relaxed);
        State {
            open: self.open.load(Relaxed),
            is_left_alone: failed_at != NEVER && now.since(Moment(failed_at)) < fail_timeout,
        }
    }

    fn absolute(&self, uri: &Uri) -> Uri {
        let mut parts = uri::Parts::default();
        parts.scheme = Some(if self.url.tls { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = uri.path_and_query().cloned().or_else(|| Some(PathAndQuery::from_static("/")));
        Uri::from_parts(parts).expect("it has a scheme, an authority and a path")
    }
}

/// The services of a route.
#[derive(Debug)]
pub struct Pool {
    /// In the order of the configuration.
    pub upstreams: Vec<Arc<Upstream>>,
    balance: Balance,
    fail_timeout: Duration,
    turn: AtomicUsize,
}

impl Pool {
    /// Balances over `upstreams`.
    pub fn new(upstreams: Vec<Arc<Upstream>>, balance: Balance, fail_timeout: Duration) -> Pool {
        Pool { upstreams, balance, fail_timeout, turn: AtomicUsize::new(0) }
    }

    /// All upstreams, in the order in which a new connection tries them.
    pub fn candidates(&self, now: Moment) -> impl Iterator<Item = &Arc<Upstream>> {
        let turn = self.turn.fetch_add(1, Relaxed);
        let known = self.upstreams.iter().map(|upstream| (upstream, upstream.state(now, self.fail_timeout)));
        rank(self.balance, known.collect(), turn)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    open: usize,
    is_left_alone: bool,
}

/// The upstreams, best first. Those left alone come last: they are tried when all others fail.
fn rank<U>(balance: Balance, mut upstreams: Vec<(U, State)>, turn: usize) -> impl Iterator<Item = U> {
    let first = turn.checked_rem(upstreams.len()).unwrap_or_default();
    upstreams.rotate_left(first);
    upstreams.sort_by_key(|(_, state)| {
        (state.is_left_alone, if balance == Balance::LeastConnections { state.open } else { 0 })
    });
    upstreams.into_iter().map(|(upstream, _)| upstream)
}

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// No connection: name, TCP or TLS.
    Connect(ConnectError),
    /// The connection ended before the answer's head was complete, or the answer is no HTTP.
    NoAnswer(String),
}

impl SendError {
    fn from_client(error: &hyper_util::client::legacy::Error) -> SendError {
        let mut source = error.source();
        while let Some(cause) = source {
            if let Some(connect) = cause.downcast_ref::<ConnectError>() {
                return SendError::Connect(connect.clone());
            }
            if cause.source().is_none() {
                return SendError::NoAnswer(cause.to_string());
            }
            source = cause.source();
        }
        SendError::NoAnswer(error.to_string())
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Connect(error) => error.fmt(f),
            SendError::NoAnswer(error) => write!(f, "no valid answer: {error}"),
        }
    }
}

/// Why an upstream was not reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Its name has no address.
    #[error("{host}: name not resolved: {error}")]
    Name {
        /// The name.
        host: String,
        /// What the resolver said.
        error: String,
    },
    /// TCP.
    #[error("{address}: {error}")]
    Tcp {
        /// The last address tried.
        address: String,
        /// What the kernel said.
        error: String,
    },
    /// TLS: the certificate, the versions, or the peer's alert.
    #[error("TLS: {0}")]
    Tls(String),
    /// It speaks no HTTP/2.
    #[error("HTTP/2, which gRPC needs: {0}")]
    Http2(String),
    /// Not connected in time.
    #[error("not connected within {0:?}")]
    Timeout(Duration),
}

/// Reaches one upstream, whatever URL it is asked for.
#[derive(Clone)]
struct Connector {
    url: UpstreamUrl,
    /// When its URL has one and no name.
    address: Option<SocketAddr>,
    tls: TlsConnector,
    http2_tls: TlsConnector,
    server_name: Option<ServerName<'static>>,
    connect_timeout: Duration,
    sources: Sources,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({})", self.url)
    }
}

impl Connector {
    async fn connect(&self) -> Result<Stream, ConnectError> {
        self.in_time(self.reach(&self.tls)).await
    }

    async fn connect_http2(&self) -> Result<Stream, ConnectError> {
        let stream = self.in_time(self.reach(&self.http2_tls)).await?;
        if stream.has_not_agreed_on(b"h2") {
            return Err(ConnectError::Http2("it was not agreed on in TLS (ALPN h2)".to_owned()));
        }
        Ok(stream)
    }

    async fn in_time<T>(
        &self,
        reaching: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let limit = self.connect_timeout;
        tokio::time::timeout(limit, reaching).await.map_err(|_| ConnectError::Timeout(limit))?
    }

    async fn reach(&self, tls: &TlsConnector) -> Result<Stream, ConnectError> {
        let socket = self.connect_tcp().await?;
        if !self.url.tls {
            return Ok(Stream::Plain(socket));
        }
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => server_name(&self.url.host)?,
        };
        // In a box, for it is large, and those without TLS have its place as well.
        let connecting = Box::pin(tls.connect(name, socket));
        let stream = connecting.await.map_err(|error| ConnectError::Tls(error.to_string()))?;
        Ok(Stream::tls(stream))
    }

    async fn connect_tcp(&self) -> Result<Socket, ConnectError> {
        if let Some(address) = self.address {
            return self.connect_to(address).await;
        }
        let url = &self.url;
        let name_error = |error: String| ConnectError::Name { host: url.host.clone(), error };
        let addresses = tokio::net::lookup_host((url.host.as_str(), url.port)).await;
        let mut last = None;
        for address in addresses.map_err(|error| name_error(error.to_string()))? {
            match self.connect_to(address).await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| name_error("no address".to_owned())))
    }

    async fn connect_to(&self, address: SocketAddr) -> Result<Socket, ConnectError> {
        let connecting = async {
            let (tcp, in_use) = self.sources.begin(address)?;
            Socket::connect(tcp, in_use).await
        };
        let error =
            |error: io::Error| ConnectError::Tcp { address: address.to_string(), error: error.to_string() };
        let socket = connecting.await.map_err(error)?;
        socket.set_nodelay();
        Ok(socket)
    }
}

/// An address with or without the brackets that one of version 6 has in a URL.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The name that a certificate is verified against.
///
/// # Errors
/// It is neither a DNS name nor an address.
pub fn server_name(host: &str) -> Result<ServerName<'static>, ConnectError> {
    ServerName::try_from(bare(host).to_owned())
        .map_err(|error| ConnectError::Tls(format!("`{host}`: {error}")))
}

impl tower_service::Service<Uri> for Connector {
    type Response = UpstreamIo;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<UpstreamIo, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let stream = connector.connect().await?;
            Ok(UpstreamIo(TokioIo::new(Watched::http1_upstream(stream))))
        })
    }
}

/// A stream to an upstream, as hyper's client takes it.
#[derive(Debug)]
pub struct UpstreamIo(pub TokioIo<Watched>);

impl Connection for UpstreamIo {
    fn connected(&self) -> Connected {
        Connected::new().extra::<Arc<Watch>>(Arc::clone(self.0.inner().watch()))
    }
}

impl hyper::rt::Read for UpstreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for UpstreamIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(balance: Balance, states: &[(usize, bool)], turn: usize, expected: &[usize]) {
        let states = states.iter().map(|&(open, is_left_alone)| State { open, is_left_alone });
        let ranked: Vec<usize> = rank(balance, states.enumerate().collect(), turn).collect();
        assert_eq!(ranked, expected);
    }

    #[test]
    fn ranking() {
        use Balance::{LeastConnections, RoundRobin};
        check(RoundRobin, &[(9, false), (0, false), (5, false)], 0, &[0, 1, 2]);
        check(RoundRobin, &[(9, false), (0, false), (5, false)], 2, &[2, 0, 1]);
        check(LeastConnections, &[(9, false), (0, false), (5, false)], 0, &[1, 2, 0]);
        check(LeastConnections, &[(1, false), (1, false)], 1, &[1, 0]);
        check(LeastConnections, &[(0, true), (7, false)], 0, &[1, 0]);
        check(RoundRobin, &[(0, true), (0, true)], 1, &[1, 0]);
    }
}
