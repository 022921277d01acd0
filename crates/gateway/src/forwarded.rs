//! Who the client is when trusted peers stand in front, and what the upstream is told of it.
//!
//! `X-Forwarded-For` (a de facto standard) and `Forwarded` (RFC 7239) are believed from the right end, as far as
//! the addresses named there are trusted peers themselves; from anyone else they are replaced. A balancer writes
//! one of the two and may pass the other on as the client has sent it, so where both are there and name different
//! clients neither is believed.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use model::ConnectionId;
use model::record::ClientAddress;
use observe::fields::Fields;

use crate::config::Network;

/// What the names of the de facto fields begin with.
const PREFIX: &[u8] = b"x-forwarded-";

/// The addresses that a request has come by, the client's first.
pub const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// What the client speaks: `http` or `https`.
pub const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host that the client has asked for.
pub const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Characters of the longest address of IPv4.
const IPV4_CHARS: usize = 15;

/// The peer that sent a request, and whether it may speak for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, from the socket or the PROXY protocol.
    pub address: SocketAddr,
    /// It is one of the trusted peers.
    pub is_trusted: bool,
    /// It was served in TLS.
    pub is_tls: bool,
    /// Name of the one connection that it comes for, when an operator tries a route; see [`crate::Gateway::enter`].
    pub tryout: Option<ConnectionId>,
}

impl Peer {
    /// Whether a field of that name says something that this peer may not say: it would speak for others.
    pub fn may_not_say(&self, name: &[u8]) -> bool {
        let speaks_for_others = |(start, _): (&[u8], &[u8])| start.eq_ignore_ascii_case(PREFIX);
        !self.is_trusted
            && (name.split_at_checked(PREFIX.len()).is_some_and(speaks_for_others)
                || name.eq_ignore_ascii_case(b"forwarded"))
    }

    /// What [`PROTO`] is to say of a request that came without it.
    pub fn proto(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// What [`FOR`] is to say behind this gateway.
    pub fn chain(&self, fields: &impl Fields) -> String {
        let mut chain = String::with_capacity(IPV4_CHARS);
        if self.is_trusted {
            fields.texts(&FOR).for_each(|hops| chain.extend([hops, ", "]));
        }
        push_address(&mut chain, self.address.ip().to_canonical());
        chain
    }
}

/// As `Display`, without what that costs for the most common kind.
fn push_address(text: &mut String, ip: IpAddr) {
    let IpAddr::V4(ip) = ip else { return text.push_str(&ip.to_string()) };
    for (place, octet) in ip.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let leading = if octet < 10 { 2 } else { usize::from(octet < 100) };
        text.extend(digits[leading..].iter().map(|digit| char::from(b'0' + digit)));
    }
}

/// Where the client is.
pub fn client_address(fields: &impl Fields, peer: Peer, trusted: &[Network]) -> ClientAddress {
    let at_peer = ClientAddress {
        ip: peer.address.ip().to_canonical(),
        port: peer.address.port(),
        country: None,
        is_tryout: peer.tryout.is_some(),
    };
    if !peer.is_trusted {
        return at_peer;
    }
    let told = |hops: Vec<Option<IpAddr>>| (!hops.is_empty()).then(|| last_untrusted(&hops, trusted));
    let ip = match (told(forwarded_for(fields)), told(x_forwarded_for(fields))) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => one.or(other).flatten(),
    };
    ip.map_or(at_peer, |ip| ClientAddress { ip, port: 0, country: None, is_tryout: false })
}

/// The first hop from the right end that is no trusted peer, or the last one before a hop without an address.
fn last_untrusted(hops: &[Option<IpAddr>], trusted: &[Network]) -> Option<IpAddr> {
    let mut client = None;
    for hop in hops.iter().rev() {
        let Some(ip) = *hop else { break };
        client = Some(ip);
        if !trusted.iter().any(|network| network.contains(ip)) {
            break;
        }
    }
    client
}

/// Rewrites the headers for the upstream; `host` is the one that the request was for.
pub fn tell_upstream(headers: &mut HeaderMap, peer: Peer, host: Option<&HeaderValue>) {
    let is_untrue = |name: &&HeaderName| peer.may_not_say(name.as_str().as_bytes());
    let untrue: Vec<HeaderName> = headers.keys().filter(is_untrue).cloned().collect();
    for name in untrue {
        headers.remove(name);
    }
    if let Ok(value) = HeaderValue::from_str(&peer.chain(headers)) {
        headers.insert(FOR, value);
    }
    headers.entry(PROTO).or_insert(HeaderValue::from_static(peer.proto()));
    if let Some(host) = host {
        headers.entry(HOST).or_insert_with(|| host.clone());
    }
}

fn x_forwarded_for(fields: &impl Fields) -> Vec<Option<IpAddr>> {
    elements(fields, &FOR).map(parse_node).collect()
}

fn forwarded_for(fields: &impl Fields) -> Vec<Option<IpAddr>> {
    elements(fields, &header::FORWARDED)
        .map(|element| {
            let pair = element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then_some(value)
            })?;
            parse_node(pair.trim().trim_matches('"'))
        })
        .collect()
}

fn elements<'a>(fields: &'a impl Fields, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    fields.texts(name).flat_map(|text| text.split(',')).map(str::trim)
}

/// Address of a node, with or without port (RFC 7239, section 6); none for `unknown` and obfuscated names.
fn parse_node(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let parse = |&(name, value): &(&str, &str)| {
            let name: HeaderName = name.parse().expect("a header name");
            (name, HeaderValue::from_str(value).expect("a header value"))
        };
        pairs.iter().map(parse).collect()
    }

    fn peer(is_trusted: bool) -> Peer {
        Peer { address: "10.0.0.1:5000".parse().expect("an address"), is_trusted, is_tls: true, tryout: None }
    }

    #[track_caller]
    fn check(is_trusted: bool, pairs: &[(&str, &str)], expected: &str) {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let client = client_address(&headers(pairs), peer(is_trusted), &trusted);
        assert_eq!(client.ip.to_string(), expected);
    }

    #[test]
    fn only_trusted_peers_speak_for_others() {
        let spoofed = [("x-forwarded-for", "203.0.113.9")];
        check(false, &spoofed, "10.0.0.1");
        check(true, &spoofed, "203.0.113.9");
        check(true, &[("x-forwarded-for", "198.51.100.1, 203.0.113.9, 10.0.0.2")], "203.0.113.9");
        check(true, &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3");
        check(true, &[("x-forwarded-for", "nonsense, 203.0.113.9:4711")], "203.0.113.9");
        check(true, &[("x-forwarded-for", "nonsense")], "10.0.0.1");
        check(true, &[("forwarded", "for=\"[2001:db8::7]:80\";proto=https, for=10.0.0.9")], "2001:db8::7");
        check(true, &[("forwarded", "for=unknown")], "10.0.0.1");
        check(true, &[("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "198.51.100.1")], "10.0.0.1");
        check(true, &[("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9");
        check(true, &[], "10.0.0.1");
    }

    #[test]
    fn addresses_are_written_as_usual() {
        for ip in ["0.0.0.0", "1.20.103.255", "9.10.99.100", "2001:db8::7"] {
            let mut text = String::new();
            push_address(&mut text, ip.parse().expect("an address"));
            assert_eq!(text, ip);
        }
    }

    #[test]
    fn the_upstream_is_told_what_is_known() {
        let host = HeaderValue::from_static("example.com");
        let mut untrusted = headers(&[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "gopher")]);
        untrusted.insert(header::FORWARDED, HeaderValue::from_static("for=1.2.3.4"));
        tell_upstream(&mut untrusted, peer(false), Some(&host));
        assert_eq!(untrusted[FOR], "10.0.0.1");
        assert_eq!(untrusted[PROTO], "https");
        assert_eq!(untrusted[HOST], "example.com");
        assert!(!untrusted.contains_key(header::FORWARDED));

        let mut trusted = headers(&[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "http")]);
        tell_upstream(&mut trusted, peer(true), Some(&host));
        assert_eq!(trusted[FOR], "203.0.113.9, 10.0.0.1");
        assert_eq!(trusted[PROTO], "http");
    }
}
