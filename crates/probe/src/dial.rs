//! From a name to a connected stream: addresses, TCP from chosen source addresses, TLS, each stage timed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::clock;
use crate::failure::{Failure, Kind};
use crate::stream::Stream;
use crate::target::Target;
use crate::tls::{self, Trust};

/// Source addresses of loopback that connections are spread over when nobody chooses: a connection needs a port
/// of its own for each pair of addresses, and one address has some 28,000.
const LOOPBACK_SOURCES: IpNet = IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 28));

/// How long the stages took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// TCP: from SYN to SYN-ACK.
    pub tcp: Duration,
    /// TLS, when it is spoken.
    pub tls: Option<Duration>,
}

/// Connects to one target again and again. Its name is resolved once.
#[derive(Clone)]
pub struct Dialer {
    addresses: Vec<SocketAddr>,
    sources: Vec<IpAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Dialer {
    /// Resolves the target's name. Connections are spread over the source addresses of `sources`; when the target
    /// is on loopback, by default over a few of 127.0.0.0/8.
    ///
    /// In TLS the protocol `alpn` is offered, to whom `trust` says.
    ///
    /// # Errors
    /// The name has no address, or the host is no name for TLS, or there is nobody to trust.
    pub async fn new(
        target: &Target,
        sources: Option<IpNet>,
        trust: &Trust,
        alpn: &str,
    ) -> Result<Dialer, Failure> {
        let name = |detail: String| Failure::new(Kind::Name, format!("{}: {detail}", target.host));
        let addresses: Vec<_> = tokio::net::lookup_host((target.host.as_str(), target.port))
            .await
            .map_err(|error| name(error.to_string()))?
            .collect();
        let first = addresses.first().ok_or_else(|| name("it has no address".to_owned()))?;
        let is_loopback = matches!(first.ip(), IpAddr::V4(ip) if ip.is_loopback());
        let sources = sources.or_else(|| is_loopback.then_some(LOOPBACK_SOURCES));
        let tls = if target.is_tls { Some(agreement(target, trust, alpn)?) } else { None };
        let sources = sources.map(|network| network.hosts().take(1 << 16).collect()).unwrap_or_default();
        Ok(Dialer { addresses, sources, tls })
    }

    /// Connection number `number`, whose source address follows from its number.
    ///
    /// # Errors
    /// No address could be connected to, or TLS was not agreed on.
    pub async fn connect(&self, number: u64) -> Result<(Stream, Stages), Failure> {
        let began = clock::now();
        let socket = self.connect_tcp(number).await?;
        let connected = clock::now();
        let mut stages = Stages { tcp: connected.since(began), tls: None };
        // A client that sends whole messages has nothing to wait for.
        socket.set_nodelay(true)?;
        let Some((connector, name)) = &self.tls else { return Ok((Stream::Plain(socket), stages)) };
        let stream = connector.connect(name.clone(), socket).await;
        let stream = stream.map_err(|error| Failure::new(Kind::Tls, error.to_string()))?;
        stages.tls = Some(clock::now().since(connected));
        Ok((Stream::Tls(Box::new(stream.into())), stages))
    }

    async fn connect_tcp(&self, number: u64) -> Result<TcpStream, Failure> {
        let mut last = None;
        for &address in &self.addresses {
            match self.connect_from(number, address).await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("a dialer has an address").into())
    }

    async fn connect_from(&self, number: u64, address: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        let count = self.sources.len().max(1);
        let source = self.sources.get(usize::try_from(number).unwrap_or_default() % count);
        if let Some(&source) = source.filter(|source| source.is_ipv4() == address.is_ipv4()) {
            choose_port_at_connect(&socket)?;
            socket.bind(SocketAddr::new(source, 0))?;
        }
        socket.connect(address).await
    }
}

fn agreement(
    target: &Target,
    trust: &Trust,
    alpn: &str,
) -> Result<(TlsConnector, ServerName<'static>), Failure> {
    let wrong = |detail: String| Failure::new(Kind::Tls, detail);
    let config = tls::client_config(trust, alpn).map_err(wrong)?;
    let name = ServerName::try_from(target.host.clone()).map_err(|error| wrong(error.to_string()))?;
    Ok((TlsConnector::from(config), name))
}

/// Lets the kernel choose the port at connect(2), so that one port can serve each pair of addresses (ip(7),
/// `IP_BIND_ADDRESS_NO_PORT`); chosen at bind(2), it would be taken for all.
fn choose_port_at_connect(socket: &TcpSocket) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)?;
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
    Ok(())
}
