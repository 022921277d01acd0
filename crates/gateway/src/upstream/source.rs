//! From which address of this machine an upstream is connected.
//!
//! A connection needs a port of its own for each pair of addresses. Linux first gives out every second port of
//! `net.ipv4.ip_local_port_range`, some 14,000 by default; when these are gone, each connect(2) searches for one that
//! is free, at the price of a hundred. So the next source address is taken before.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;

use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections from one source to one address of an upstream before the next source is taken.
const EACH_MAX: usize = 10_000;

/// Sources for upstreams on loopback: 127.0.0.1 up to this one.
const LOOPBACK_LAST: u8 = 254;

/// How many sources are tried for one connection when the kernel has no port for them.
const TRIES_MAX: usize = 3;

/// The sources of one route.
#[derive(Clone, Debug)]
pub struct Sources {
    given: Arc<[IpAddr]>,
    uses: Arc<Uses>,
}

/// How many connections there are from each source to each address of an upstream.
#[derive(Debug)]
pub struct Uses {
    counts: Mutex<BTreeMap<Pair, Arc<()>>>,
    each_max: usize,
}

/// A source and the address of an upstream.
type Pair = (IpAddr, SocketAddr);

/// A connection counts as one of its source's for as long as this lives.
#[derive(Debug)]
pub struct InUse {
    _count: Arc<()>,
}

impl Default for Uses {
    fn default() -> Uses {
        Uses { counts: Mutex::default(), each_max: EACH_MAX }
    }
}

impl Uses {
    /// One of these sources, for a connection `to` an address; nothing when there are none.
    fn take(&self, sources: impl Iterator<Item = IpAddr>, to: SocketAddr) -> Option<(IpAddr, InUse)> {
        let mut counts = self.counts.lock();
        let used = |source| counts.get(&(source, to)).map_or(0, |count| Arc::strong_count(count) - 1);
        let source = choose(sources, self.each_max, used)?;
        let _count = match counts.get(&(source, to)) {
            Some(count) => Arc::clone(count),
            None => {
                counts.retain(|_, count| Arc::strong_count(count) > 1);
                Arc::clone(counts.entry((source, to)).or_default())
            }
        };
        Some((source, InUse { _count }))
    }
}

/// The first that has fewer than `each_max` connections; when none has, the one with the fewest.
fn choose(
    sources: impl Iterator<Item = IpAddr>,
    each_max: usize,
    used: impl Fn(IpAddr) -> usize,
) -> Option<IpAddr> {
    let mut least = None;
    for source in sources {
        let used = used(source);
        if used < each_max {
            return Some(source);
        }
        if least.is_none_or(|(fewest, _)| used < fewest) {
            least = Some((used, source));
        }
    }
    least.map(|(_, source)| source)
}

/// An address from which nothing can be connected.
#[derive(Debug, thiserror::Error)]
#[error("source address {address}: {error}")]
pub struct SourceError {
    address: IpAddr,
    error: io::Error,
}

impl Sources {
    /// Addresses of this machine. Where none is given, the kernel chooses; on loopback 127.0.0.1 and, as connections
    /// grow more, its neighbours. Connections are counted in `uses` together with those of other routes.
    pub fn new(given: &[IpAddr], uses: Arc<Uses>) -> Sources {
        Sources { given: given.into(), uses }
    }

    /// Whether this machine has the addresses that are given.
    ///
    /// # Errors
    /// It does not have one of them.
    pub fn check(given: &[IpAddr]) -> Result<(), SourceError> {
        given.iter().try_for_each(|&address| {
            UdpSocket::bind((address, 0)).map(drop).map_err(|error| SourceError { address, error })
        })
    }

    /// Begins to connect to an address of an upstream: connect(2) was called for the socket, which does not block.
    ///
    /// # Errors
    /// As connect(2).
    pub fn begin(&self, to: SocketAddr) -> io::Result<(TcpStream, Option<InUse>)> {
        let mut tried = Vec::new();
        let mut last = None;
        while tried.len() < TRIES_MAX {
            let untried = self.candidates(to).filter(|source| !tried.contains(source));
            let Some((source, in_use)) = self.uses.take(untried, to) else { break };
            let is_default = source == Ipv4Addr::LOCALHOST && self.takes_neighbours(to);
            match begin((!is_default).then_some(source), to) {
                Ok(stream) => return Ok((stream, Some(in_use))),
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                    last = Some(io::Error::new(error.kind(), format!("from {source}: {error}")));
                    tried.push(source);
                }
                Err(error) => return Err(error),
            }
        }
        match last {
            Some(error) => Err(error),
            None => Ok((begin(None, to)?, None)),
        }
    }

    /// Sources for `to`, best first; none where the kernel chooses.
    fn candidates(&self, to: SocketAddr) -> impl Iterator<Item = IpAddr> {
        let neighbours = if self.takes_neighbours(to) { LOOPBACK_LAST } else { 0 };
        let of_loopback = (1..=neighbours).map(|last| Ipv4Addr::new(127, 0, 0, last).into());
        self.given_for(to).chain(of_loopback)
    }

    fn given_for(&self, to: SocketAddr) -> impl Iterator<Item = IpAddr> {
        self.given.iter().copied().filter(move |source| source.is_ipv4() == to.is_ipv4())
    }

    /// Only Linux has all of 127.0.0.0/8 from the start.
    fn takes_neighbours(&self, to: SocketAddr) -> bool {
        let is_loopback = matches!(to.ip(), IpAddr::V4(ip) if ip.is_loopback());
        cfg!(target_os = "linux") && is_loopback && self.given_for(to).next().is_none()
    }
}

/// Connects from a source, or from where the kernel likes.
fn begin(source: Option<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if let Some(source) = source {
        choose_port_at_connect(&socket)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            Err(error)
        }
        _ => Ok(socket.into()),
    }
}

/// Lets the kernel choose the port at connect(2), so that one port can serve each pair of addresses (ip(7),
/// `IP_BIND_ADDRESS_NO_PORT`); chosen at bind(2), it would be taken for all.
fn choose_port_at_connect(socket: &Socket) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)?;
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_first_with_room_is_taken() {
        let check = |used: &[usize], expected: Option<usize>| {
            let sources: Vec<IpAddr> = (1..).map(|last| [127, 0, 0, last].into()).take(used.len()).collect();
            let place = |source| sources.iter().position(|known| *known == source).expect("one of them");
            let chosen = choose(sources.iter().copied(), 10, |source| used[place(source)]);
            assert_eq!(chosen.map(place), expected, "{used:?}");
        };
        check(&[], None);
        check(&[0, 0], Some(0));
        check(&[9, 0], Some(0));
        check(&[10, 0], Some(1));
        check(&[10, 12, 3, 0], Some(2));
        check(&[12, 11, 11], Some(1));
    }

    /// Opens connections one after the other; tells from where each came.
    fn sources(given: &[&str], each_max: usize, count: usize) -> Vec<String> {
        let given: Vec<IpAddr> = given.iter().map(|text| text.parse().expect("an address")).collect();
        let uses = Arc::new(Uses { each_max, ..Uses::default() });
        let sources = Sources::new(&given, Arc::clone(&uses));
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let to = listener.local_addr().expect("it listens");
        let (mut seen, mut open) = (Vec::new(), Vec::new());
        for _ in 0..count {
            open.push(sources.begin(to).expect("it listens"));
            let (stream, from) = listener.accept().expect("one is there");
            open.push((stream, None));
            seen.push(from.ip().to_string());
        }
        drop(open);
        let held = |count: &Arc<()>| Arc::strong_count(count) > 1;
        assert!(!uses.counts.lock().values().any(held), "closed connections are not counted");
        seen
    }

    #[test]
    fn a_backend_sees_further_addresses_when_one_is_full() {
        let check = |given: &[&str], each_max, expected: &[&str]| {
            assert_eq!(sources(given, each_max, expected.len()), expected, "{given:?}");
        };
        check(&[], 10, &["127.0.0.1"; 3]);
        check(&[], 2, &["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.3"]);
        check(&["127.0.0.9"], 1, &["127.0.0.9"; 3]);
        check(&["127.0.0.9", "::1", "127.0.0.8"], 1, &["127.0.0.9", "127.0.0.8", "127.0.0.9"]);
        check(&["::1"], 1, &["127.0.0.1", "127.0.0.2"]);
    }

    #[test]
    fn an_address_that_fails_is_passed_over() {
        let away = "192.0.2.1";
        assert_eq!(sources(&[away, "127.0.0.7"], 10, 2), ["127.0.0.7"; 2]);
        let only = Sources::new(&[away.parse().expect("an address")], Arc::default());
        let error = only.begin("127.0.0.1:1".parse().expect("an address")).expect_err("not of this machine");
        assert!(error.to_string().starts_with("from 192.0.2.1: "), "{error}");
    }

    #[test]
    fn addresses_are_of_this_machine() {
        let check = |address: &str| Sources::check(&[address.parse().expect("an address")]);
        assert!(check("127.0.0.200").is_ok());
        let error = check("192.0.2.1").expect_err("kept for documentation (RFC 5737)").to_string();
        assert!(error.starts_with("source address 192.0.2.1: "), "{error}");
    }
}
