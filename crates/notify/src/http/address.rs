//! Where requests may go. Names are resolved, each address is judged, and only judged addresses are connected to, so
//! that a name cannot lead elsewhere between the look and the connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::Failure;

/// Which addresses requests may reach.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Whether whoever wrote the URL is trusted as the configuration is: private networks can be reached then, and this
    /// machine by its own name or address.
    pub is_trusted: bool,
    /// Networks that can be reached in any case.
    pub allowed: Vec<IpNet>,
}

/// Addresses of instances' metadata that are not link-local: Alibaba Cloud's and, in IPv6, Amazon's.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254)),
];

/// An address that requests do not go to.
#[derive(Debug)]
pub(super) struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl Reach {
    /// Whether a request may go to an address that was found for a host.
    fn judge(&self, ip: IpAddr, host: &str) -> Result<(), Refusal> {
        let ip = unwrapped(ip);
        if self.allowed.iter().any(|network| network.contains(&ip)) {
            return Ok(());
        }
        let is_own_name = host == "localhost" || host.parse() == Ok(ip);
        let what = match kind(ip) {
            Kind::Public => return Ok(()),
            Kind::Private if self.is_trusted => return Ok(()),
            Kind::Loopback if self.is_trusted && is_own_name => return Ok(()),
            Kind::Private => "in a private network",
            Kind::Loopback => "this machine",
            Kind::Never => "an address of no service",
        };
        Err(Refusal(format!("{host}: {ip} is {what}; `allow_private` can allow it")))
    }

    /// An address of a host that may be reached.
    pub(crate) async fn find(&self, host: &str) -> Result<IpAddr, Failure> {
        if let Ok(ip) = host.parse() {
            return self
                .judge(ip, host)
                .map(|()| ip)
                .map_err(|refusal| Failure::Refused(refusal.to_string()));
        }
        match Resolver::judged(self.clone(), system(), host.to_owned()).await {
            Ok(found) => match found.first() {
                Some(address) => Ok(address.ip()),
                None => Err(Failure::Unreachable(format!("{host}: no address"))),
            },
            Err(refusal) => Err(Failure::Refused(refusal.to_string())),
        }
    }

    /// Judges a URL whose host is an address; names are judged when they are resolved.
    pub(super) fn judge_url(&self, url: &Url) -> Result<(), String> {
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err("the URL has no host".to_owned()),
        };
        self.judge(ip, &ip.to_string()).map_err(|refusal| refusal.to_string())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Public,
    /// RFC 1918, RFC 6598, RFC 4193.
    Private,
    Loopback,
    /// Link-local, where clouds have their metadata; multicast; unspecified; reserved.
    Never,
}

fn kind(ip: IpAddr) -> Kind {
    if METADATA.contains(&ip) {
        return Kind::Never;
    }
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            let is_benchmark = first == 198 && matches!(second, 18 | 19);
            match ip {
                _ if ip.is_loopback() => Kind::Loopback,
                _ if ip.is_private() || is_shared || is_benchmark => Kind::Private,
                _ if first == 0 || ip.is_link_local() || first >= 224 => Kind::Never,
                _ => Kind::Public,
            }
        }
        IpAddr::V6(ip) if ip.is_loopback() => Kind::Loopback,
        IpAddr::V6(ip) if ip.is_unique_local() => Kind::Private,
        IpAddr::V6(ip) if ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local() => {
            Kind::Never
        }
        IpAddr::V6(_) => Kind::Public,
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn unwrapped(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(long) = ip else { return ip };
    let within = match long.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] if high != 0 => (high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => (high, low),
        _ => return ip,
    };
    let bits = u32::from(within.0) << 16 | u32::from(within.1);
    IpAddr::V4(Ipv4Addr::from_bits(bits))
}

/// What resolves a name to addresses.
pub(super) type LookUp = Arc<dyn Fn(String) -> Found + Send + Sync>;
type Found = std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>>;

/// The system's own.
pub(super) fn system() -> LookUp {
    Arc::new(|name| Box::pin(async move { tokio::net::lookup_host((name, 0)).await.map(Iterator::collect) }))
}

/// Gives only addresses that a request may go to.
pub(super) struct Resolver {
    pub(super) reach: Reach,
    pub(super) look_up: LookUp,
}

impl Resolver {
    async fn judged(reach: Reach, look_up: LookUp, name: String) -> Result<Vec<SocketAddr>, Refusal> {
        let found = look_up(name.clone()).await;
        let found = found.unwrap_or_default();
        let mut refused = None;
        let mut good = Vec::new();
        for address in found {
            match reach.judge(address.ip(), &name) {
                Ok(()) => good.push(address),
                Err(refusal) => refused = Some(refusal),
            }
        }
        match refused {
            Some(refusal) if good.is_empty() => Err(refusal),
            _ => Ok(good),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, look_up) = (self.reach.clone(), self.look_up.clone());
        Box::pin(async move {
            let good = Resolver::judged(reach, look_up, name.as_str().to_owned()).await?;
            if good.is_empty() {
                return Err(format!("{}: no address", name.as_str()).into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted() -> Reach {
        Reach { is_trusted: true, allowed: Vec::new() }
    }

    #[test]
    fn addresses_are_judged() {
        let allowed = Reach { is_trusted: false, allowed: vec!["10.1.0.0/16".parse().expect("a network")] };
        // Host, its address, and whether it may be reached: by the configuration, by others, by others with 10.1/16.
        let table = [
            ("hooks.example.com", "203.0.113.7", [true, true, true]),
            ("hooks.example.com", "2001:db8::7", [true, true, true]),
            ("hooks.example.com", "10.1.2.3", [true, false, true]),
            ("hooks.example.com", "10.2.2.3", [true, false, false]),
            ("hooks.example.com", "100.64.0.1", [true, false, false]),
            ("hooks.example.com", "fd12::1", [true, false, false]),
            ("hooks.example.com", "127.0.0.1", [false, false, false]),
            ("localhost", "127.0.0.1", [true, false, false]),
            ("127.0.0.1", "127.0.0.1", [true, false, false]),
            ("::1", "::1", [true, false, false]),
            ("hooks.example.com", "::ffff:127.0.0.1", [false, false, false]),
            ("hooks.example.com", "::127.0.0.1", [false, false, false]),
            ("hooks.example.com", "64:ff9b::a9fe:a9fe", [false, false, false]),
            ("hooks.example.com", "2002:a9fe:a9fe::1", [false, false, false]),
            ("169.254.169.254", "169.254.169.254", [false, false, false]),
            ("hooks.example.com", "::ffff:10.1.2.3", [true, false, true]),
            ("hooks.example.com", "100.100.100.200", [false, false, false]),
            ("hooks.example.com", "fd00:ec2::254", [false, false, false]),
            ("hooks.example.com", "fe80::1", [false, false, false]),
            ("0.0.0.0", "0.0.0.0", [false, false, false]),
            ("hooks.example.com", "::", [false, false, false]),
            ("hooks.example.com", "255.255.255.255", [false, false, false]),
            ("hooks.example.com", "224.0.0.1", [false, false, false]),
        ];
        for (host, ip, expected) in table {
            let ip = ip.parse().expect("an address");
            let judged = [&trusted(), &Reach::default(), &allowed].map(|reach| reach.judge(ip, host).is_ok());
            assert_eq!(judged, expected, "{host} {ip}");
        }
    }

    #[tokio::test]
    async fn only_judged_addresses_are_given() {
        let look_up: LookUp = Arc::new(|name| {
            Box::pin(async move {
                let texts: &[&str] = match &*name {
                    "both.example" => &["127.0.0.1:0", "203.0.113.7:0"],
                    "own.example" => &["127.0.0.1:0"],
                    _ => &[],
                };
                Ok(texts.iter().map(|text| text.parse().expect("an address")).collect())
            })
        });
        let resolver = Resolver { reach: trusted(), look_up };
        let judged = async |name: &str| {
            let found = resolver.resolve(name.parse().expect("a name")).await;
            found.map(Iterator::collect::<Vec<_>>).map_err(|error| error.to_string())
        };
        assert_eq!(judged("both.example").await, Ok(vec!["203.0.113.7:0".parse().expect("an address")]));
        let own = "own.example: 127.0.0.1 is this machine; `allow_private` can allow it";
        assert_eq!(judged("own.example").await, Err(own.to_owned()));
        assert_eq!(judged("none.example").await, Err("none.example: no address".to_owned()));
    }
}
