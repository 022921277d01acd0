//! Who the client is when trusted peers stand in front, and what the upstream is told of it.
//!
//! `X-Forwarded-For` (a de facto standard) and `Forwarded` (RFC 7239) are believed from the right end, as far as
//! the addresses named there are trusted peers themselves; from anyone else they are replaced. A balancer writes
//! one of the two and may pass the other on as the client has sent it, so where both are there and name different
//! clients neither is believed.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use model::record::ClientAddress;

use crate::config::Network;

/// What the names of the de facto fields begin with.
const PREFIX: &str = "x-forwarded-";
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The peer that sent a request, and whether it may speak for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, from the socket or the PROXY protocol.
    pub address: SocketAddr,
    /// It is one of the trusted peers.
    pub is_trusted: bool,
    /// It was served in TLS.
    pub is_tls: bool,
}

/// Where the client is.
pub fn client_address(headers: &HeaderMap, peer: Peer, trusted: &[Network]) -> ClientAddress {
    let at_peer = ClientAddress { ip: peer.address.ip().to_canonical(), port: peer.address.port() };
    if !peer.is_trusted {
        return at_peer;
    }
    let told = |hops: Vec<Option<IpAddr>>| (!hops.is_empty()).then(|| last_untrusted(&hops, trusted));
    let ip = match (told(forwarded_for(headers)), told(x_forwarded_for(headers))) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => one.or(other).flatten(),
    };
    ip.map_or(at_peer, |ip| ClientAddress { ip, port: 0 })
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
    if !peer.is_trusted {
        let speaks_for_others =
            |name: &&HeaderName| name.as_str().starts_with(PREFIX) || *name == header::FORWARDED;
        let names: Vec<HeaderName> = headers.keys().filter(speaks_for_others).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
    let mut chain: Vec<String> =
        headers.get_all(FOR).iter().filter_map(|value| value.to_str().ok().map(str::to_owned)).collect();
    chain.push(peer.address.ip().to_canonical().to_string());
    if let Ok(value) = HeaderValue::from_str(&chain.join(", ")) {
        headers.insert(FOR, value);
    }
    let proto = HeaderValue::from_static(if peer.is_tls { "https" } else { "http" });
    headers.entry(PROTO).or_insert(proto);
    if let Some(host) = host {
        headers.entry(HOST).or_insert_with(|| host.clone());
    }
}

fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    elements(headers, &FOR).map(|element| parse_node(&element)).collect()
}

fn forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    elements(headers, &header::FORWARDED)
        .map(|element| {
            let pair = element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then_some(value)
            })?;
            parse_node(pair.trim().trim_matches('"'))
        })
        .collect()
}

fn elements(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|element| element.trim().to_owned())
        .collect::<Vec<_>>()
        .into_iter()
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
        Peer { address: "10.0.0.1:5000".parse().expect("an address"), is_trusted, is_tls: true }
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
