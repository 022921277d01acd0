//! From a name to a connection, each stage timed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::HeaderMap;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{Domain, Protocol as Transport, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::ErrorKind;
use crate::target::Target;

/// Connections that one source address of the loopback network carries to one address and port: half of the range
/// of ports that Linux has by default.
const CONNECTIONS_PER_SOURCE: usize = 14_000;

/// Source addresses: 127.0.0.1 to 127.0.0.250.
const SOURCES_MAX: usize = 250;

/// How long each stage of a handshake took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// TCP, until the connection is there.
    pub tcp: Duration,
    /// TLS, where there is any.
    pub tls: Option<Duration>,
    /// From the request to the head of its answer; of HTTP/2 with the preface.
    pub http: Duration,
}

impl Stages {
    /// The whole handshake.
    pub fn total(&self) -> Duration {
        self.tcp + self.tls.unwrap_or_default() + self.http
    }
}

/// Opens connections to one target.
#[derive(Clone)]
pub struct Dialer {
    /// What is asked for.
    pub target: Target,
    /// Fields beside those of the protocol.
    pub headers: HeaderMap,
    addresses: Vec<SocketAddr>,
    /// How long the name took.
    pub dns: Duration,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    sources: usize,
}

impl Dialer {
    /// Finds the addresses of the target, once for all connections, to be in TLS by `tls`. Towards the loopback network, so many
    /// connections come from as many source addresses (127.0.0.1, 127.0.0.2, …) as they need.
    ///
    /// # Errors
    /// The name has no address, or is none that a certificate could have: a sentence for the one who asked.
    pub async fn new(
        target: Target,
        headers: HeaderMap,
        tls: Option<Arc<ClientConfig>>,
        connections: usize,
    ) -> Result<Dialer, String> {
        let began = Instant::now();
        let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
        let addresses: Vec<_> = found.map_err(|error| format!("{}: {error}", target.host))?.collect();
        let dns = began.elapsed();
        let named = |config| -> Result<_, String> {
            let name = ServerName::try_from(target.host.clone());
            Ok((TlsConnector::from(config), name.map_err(|error| format!("{}: {error}", target.host))?))
        };
        let tls = tls.map(named).transpose()?;
        let sources = connections.div_ceil(CONNECTIONS_PER_SOURCE).clamp(1, SOURCES_MAX);
        Ok(Dialer { target, headers, addresses, dns, tls, sources })
    }

    /// Opens the connection of this number, at the first address that takes it. The time for HTTP is not in the
    /// stages yet.
    ///
    /// # Errors
    /// What the last address said.
    pub async fn dial(&self, number: usize) -> Result<(Stream, Stages), ErrorKind> {
        let began = Instant::now();
        let tcp = self.connect(number).await?;
        let mut stages = Stages { tcp: began.elapsed(), ..Stages::default() };
        let Some((connector, name)) = &self.tls else { return Ok((Stream::Plain(tcp), stages)) };
        let began = Instant::now();
        let stream = connector.connect(name.clone(), tcp).await.map_err(|_| ErrorKind::Tls)?;
        stages.tls = Some(began.elapsed());
        Ok((Stream::Tls(Box::new(stream)), stages))
    }

    async fn connect(&self, number: usize) -> Result<TcpStream, ErrorKind> {
        let mut last = ErrorKind::Unreachable;
        for &address in &self.addresses {
            let tried = match source(number, self.sources, address) {
                None => TcpStream::connect(address).await,
                Some(source) => connect_from(source, address).await,
            };
            match tried {
                Ok(tcp) => {
                    // Without it messages only wait longer, which is then measured.
                    let _ = tcp.set_nodelay(true);
                    return Ok(tcp);
                }
                Err(error) => last = ErrorKind::of_connect(&error),
            }
        }
        Err(last)
    }
}

/// Source address of the connection of this number, where they are spread over several.
fn source(number: usize, sources: usize, to: SocketAddr) -> Option<Ipv4Addr> {
    if sources == 1 || !matches!(to.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
        return None;
    }
    let last = u8::try_from(1 + number % sources).unwrap_or(1);
    Some(Ipv4Addr::new(127, 0, 0, last))
}

/// Connects from an address, whose port is chosen only then (IP_BIND_ADDRESS_NO_PORT, ip(7)): a port is taken for
/// the pair of addresses, not for the source alone.
async fn connect_from(source: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), Some(Transport::TCP))?;
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    TcpSocket::from_std_stream(socket.into()).connect(to).await
}

/// An open connection, in TLS or not.
pub enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// In TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_connections_are_spread() {
        let check = |number, sources, to: &str, expected: Option<[u8; 4]>| {
            let to = to.parse().expect(to);
            assert_eq!(source(number, sources, to), expected.map(Ipv4Addr::from), "{number} of {sources}");
        };
        check(5, 1, "127.0.0.1:80", None);
        check(0, 3, "127.0.0.1:80", Some([127, 0, 0, 1]));
        check(5, 3, "127.0.0.1:80", Some([127, 0, 0, 3]));
        check(249, SOURCES_MAX, "127.0.0.1:80", Some([127, 0, 0, 250]));
        check(5, 3, "192.0.2.1:80", None);
        check(5, 3, "[::1]:80", None);
    }

    #[tokio::test]
    async fn a_connection_comes_from_its_source() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let to = listener.local_addr().expect("an address");
        let source = Ipv4Addr::new(127, 0, 0, 3);
        let client = connect_from(source, to).await.expect("a connection");
        let (_, from) = listener.accept().await.expect("a connection");
        assert_eq!(from.ip(), IpAddr::V4(source));
        assert_eq!(client.local_addr().expect("an address"), from);
    }
}
