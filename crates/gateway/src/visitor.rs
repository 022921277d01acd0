//! Who comes back: what a request tells of its client, as a salted hash that says nothing of it.
//!
//! The raw key (an address, a session's cookie) is read from the request, hashed, and forgotten; only what the client's
//! program calls itself is kept in words. The salt is random
//! and of this process, so the hashes of two runs, or of two gateways, have nothing in common. Only where gateways hold
//! limits of clients together do they need a name that all of them have for a client ([`SharedName`]).

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use guard::admission::Client;
use http::{HeaderName, header};
use meter::reconnects::ClientKey;
use model::record::ClientAddress;
use model::{Protocol, Word};
use observe::fields::Fields;
use sha1::{Digest as _, Sha1};

use crate::config::{By, ClientKeySource};
use crate::exchange::Head;
use crate::table::Route;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A random secret of this process (SipHash keys).
#[derive(Debug, Default)]
pub struct Salt(RandomState);

/// What a request tells of the one who sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Its key; none when the request has none.
    pub key: Option<ClientKey>,
    /// The request has `Last-Event-ID`: an event stream is to go on behind that event.
    pub has_last_event_id: bool,
    /// The number that this id is; none when it is another text.
    pub last_event_number: Option<u64>,
    /// It accepts a body that is coded.
    pub accepts_coding: bool,
    /// What its program calls itself, cut to [`USER_AGENT_MAX`].
    pub user_agent: Option<Arc<str>>,
}

/// Codings that event streams come in (IANA, HTTP content codings).
const CODINGS: [&[u8]; 5] = [b"gzip", b"x-gzip", b"deflate", b"br", b"zstd"];

/// Bytes of a `User-Agent` that are kept.
const USER_AGENT_MAX: usize = 200;

/// What keys have in common: those of two routes or protocols are never the same.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Name of the route.
    pub route: &'a str,
    /// What the client asks for.
    pub protocol: Protocol,
}

/// As whom a client is counted by the limits of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// By this gateway.
    pub client: Client,
    /// By all gateways that hold the limits together; none where this one holds them alone.
    pub shared: Option<SharedName>,
}

/// What all gateways call a client: SHA-1 of its key, cut to 96 bits. Without a salt, so whoever can read it can try which
/// address it may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedName([u8; 12]);

impl fmt::Display for SharedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl SharedName {
    fn of(parts: &[&[u8]]) -> SharedName {
        let mut hash = Sha1::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash: [u8; 20] = hash.finalize().into();
        SharedName(*hash.first_chunk().expect("it is longer"))
    }
}

/// As whom a client is counted by the limits of a route: as its `client_key` says, or else by its address.
pub fn counted_as(
    request: &Head<'_, impl Fields>,
    client: &ClientAddress,
    route: &Route,
    salt: &Salt,
) -> Counted {
    let limits = route.limits_config();
    let by_key = match limits.per_client.by {
        By::ClientKey => secret(request, &route.client_key),
        By::Address => None,
    };
    if let Some(secret) = by_key {
        let shared = limits.shared.then(|| SharedName::of(&[b"key", secret]));
        return Counted { client: Client(salt.0.hash_one(secret)), shared };
    }
    let agent = match (&route.client_key, limits.per_client.by) {
        (ClientKeySource::IpAndUserAgent, By::ClientKey) => value(request.fields, &header::USER_AGENT),
        _ => None,
    };
    let network = network(client.ip);
    let address = || network.to_string();
    let shared =
        limits.shared.then(|| SharedName::of(&[b"address", address().as_bytes(), agent.unwrap_or_default()]));
    Counted { client: Client(salt.0.hash_one((network, agent))), shared }
}

/// What one client has for itself: its address, of IPv6 the network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// What a request tells of its client by a cookie, a header or a parameter.
fn secret<'a>(request: &Head<'a, impl Fields>, source: &ClientKeySource) -> Option<&'a [u8]> {
    let fields = request.fields;
    match source {
        ClientKeySource::IpAndUserAgent => None,
        ClientKeySource::Cookie(name) => cookie(fields, name.as_str()),
        ClientKeySource::Header(name) => {
            HeaderName::from_bytes(name.as_str().as_bytes()).ok().and_then(|name| value(fields, &name))
        }
        ClientKeySource::Query(name) => request.uri.query().and_then(|query| parameter(query, name.as_str())),
    }
}

impl Visitor {
    /// Reads what the request of `client` tells.
    pub fn of(
        request: &Head<'_, impl Fields>,
        client: &ClientAddress,
        source: &ClientKeySource,
        scope: Scope<'_>,
        salt: &Salt,
    ) -> Visitor {
        let Scope { route, protocol } = scope;
        let key_of = |secret: &[u8]| ClientKey(salt.0.hash_one((route, protocol.index(), secret)));
        let fields = request.fields;
        let key = match source {
            ClientKeySource::IpAndUserAgent => {
                let agent = value(fields, &header::USER_AGENT).unwrap_or_default();
                Some(ClientKey(salt.0.hash_one((route, protocol.index(), client.ip, agent))))
            }
            _ => secret(request, source).map(key_of),
        };
        let last_event_id = fields.values(&LAST_EVENT_ID).next();
        let last_event_number = last_event_id.and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        Visitor {
            key,
            has_last_event_id: last_event_id.is_some(),
            last_event_number,
            accepts_coding: accepts_coding(fields),
            user_agent: user_agent(fields),
        }
    }

    /// One whose coming back is not looked for.
    pub fn passing(fields: &impl Fields) -> Visitor {
        Visitor { user_agent: user_agent(fields), ..Visitor::default() }
    }
}

/// Whether `Accept-Encoding` names a coding, of those of an event stream, that it does not rule out (`q=0`).
fn accepts_coding(fields: &impl Fields) -> bool {
    let codings = fields.values(&header::ACCEPT_ENCODING).flat_map(|line| line.split(|&b| b == b','));
    let is_accepted = |coding: &[u8]| {
        let (name, quality) = match coding.iter().position(|&b| b == b';') {
            Some(at) => (&coding[..at], coding[at + 1..].trim_ascii()),
            None => (coding, &b""[..]),
        };
        let is_known = CODINGS.iter().any(|known| name.trim_ascii().eq_ignore_ascii_case(known));
        is_known && !matches!(quality, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000")
    };
    codings.into_iter().any(is_accepted)
}

fn user_agent(fields: &impl Fields) -> Option<Arc<str>> {
    let agent = value(fields, &header::USER_AGENT)?;
    let cut = &agent[..agent.len().min(USER_AGENT_MAX)];
    Some(String::from_utf8_lossy(cut).into())
}

/// Value of a field, unless it is empty.
fn value<'a>(fields: &'a impl Fields, name: &HeaderName) -> Option<&'a [u8]> {
    fields.values(name).next().filter(|value| !value.is_empty())
}

/// Value of the first cookie of that name (RFC 6265, section 4.2), unless it is empty.
fn cookie<'a>(fields: &'a impl Fields, name: &str) -> Option<&'a [u8]> {
    let pairs = fields.values(&header::COOKIE).flat_map(|line| line.split(|&b| b == b';'));
    pairs.filter_map(|pair| value_of_pair(pair.trim_ascii(), name)).next()
}

/// Value of the first parameter of that name, as it is written, unless it is empty.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a [u8]> {
    query.split('&').filter_map(|pair| value_of_pair(pair.as_bytes(), name)).next()
}

fn value_of_pair<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
pub(crate) mod tests {
    use http::Request;

    use super::*;

    /// Whoever has this key.
    pub(crate) fn counted(secret: &[u8]) -> Counted {
        Counted { client: Client(7), shared: Some(SharedName::of(&[b"key", secret])) }
    }

    const SCOPE: Scope<'static> = Scope { route: "chat", protocol: Protocol::WebSocket };

    /// One request: its target, then `name: value` lines.
    fn request(text: &str) -> Request<()> {
        let mut lines = text.split('\n');
        let builder = Request::builder().uri(lines.next().expect("a target"));
        let pairs = lines.map(|line| line.split_once(": ").expect("a header"));
        pairs.fold(builder, |builder, (name, value)| builder.header(name, value)).body(()).expect("a request")
    }

    fn key(
        salt: &Salt,
        source: &ClientKeySource,
        scope: Scope<'_>,
        ip: &str,
        text: &str,
    ) -> Option<ClientKey> {
        let client =
            ClientAddress { ip: ip.parse().expect("an address"), port: 1, country: None, is_tryout: false };
        Visitor::of(&Head::of(&request(text)), &client, source, scope, salt).key
    }

    fn name(text: &str) -> crate::config::KeyName {
        text.parse().expect("a name")
    }

    /// Which of the requests have the same key: a letter for each key, in order of appearance, `-` for none.
    #[track_caller]
    fn check(source: &ClientKeySource, requests: &[(&str, &str)], expected: &str) {
        let salt = Salt::default();
        let mut seen = Vec::new();
        let letters: String = requests
            .iter()
            .map(|(ip, text)| match key(&salt, source, SCOPE, ip, text) {
                None => '-',
                Some(key) => {
                    let place = seen.iter().position(|known| *known == key).unwrap_or_else(|| {
                        seen.push(key);
                        seen.len() - 1
                    });
                    char::from(b'a' + u8::try_from(place).expect("few requests"))
                }
            })
            .collect();
        assert_eq!(letters, expected);
    }

    #[test]
    fn codings_that_are_accepted() {
        let accepts =
            |value: &str| accepts_coding(request(&format!("/\naccept-encoding: {value}")).headers());
        for value in ["gzip", "gzip, deflate, br, zstd", "identity, BR;q=0.5", "identity;q=1, zstd ; q=0.1"] {
            assert!(accepts(value), "{value}");
        }
        for value in ["identity", "", "*;q=0", "gzip;q=0", "gzip; q=0.0, identity", "gzipped"] {
            assert!(!accepts(value), "{value}");
        }
        assert!(!accepts_coding(request("/").headers()));
    }

    #[test]
    fn by_address_and_user_agent() {
        let requests = [
            ("192.0.2.1", "/\nuser-agent: x"),
            ("192.0.2.1", "/other?a=b\nuser-agent: x\ncookie: c=d"),
            ("192.0.2.2", "/\nuser-agent: x"),
            ("192.0.2.1", "/\nuser-agent: y"),
            ("192.0.2.1", "/"),
        ];
        check(&ClientKeySource::IpAndUserAgent, &requests, "aabcd");
    }

    #[test]
    fn by_cookie() {
        let requests = [
            ("192.0.2.1", "/\ncookie: sid=1"),
            ("192.0.2.2", "/\ncookie: a=b; sid=1;c=d"),
            ("192.0.2.1", "/\ncookie: a=b\ncookie: sid=1; sid=2"),
            ("192.0.2.1", "/\ncookie: sid=2"),
            ("192.0.2.1", "/\ncookie: xsid=1; sid; sid="),
            ("192.0.2.1", "/\ncookie: SID=1"),
            ("192.0.2.1", "/"),
        ];
        check(&ClientKeySource::Cookie(name("sid")), &requests, "aaab---");
    }

    #[test]
    fn by_header() {
        let requests = [
            ("192.0.2.1", "/\nx-client-id: 1"),
            ("192.0.2.2", "/\nX-CLIENT-ID: 1"),
            ("192.0.2.1", "/\nx-client-id: \u{e9}"),
            ("192.0.2.1", "/\nx-client-id: "),
            ("192.0.2.1", "/?x-client-id=1"),
        ];
        check(&ClientKeySource::Header(name("X-Client-Id")), &requests, "aab--");
    }

    #[test]
    fn by_query_parameter() {
        let requests = [
            ("192.0.2.1", "/?u=1"),
            ("192.0.2.2", "/x?a&u=1&u=2"),
            ("192.0.2.1", "/?u=%31"),
            ("192.0.2.1", "/?u=1=2"),
            ("192.0.2.1", "/?u="),
            ("192.0.2.1", "/?uu=1"),
            ("192.0.2.1", "/"),
        ];
        check(&ClientKeySource::Query(name("u")), &requests, "aabc---");
    }

    #[test]
    fn all_gateways_have_one_name_for_a_client() {
        let name = |parts: &[&[u8]]| SharedName::of(parts).to_string();
        assert_eq!(name(&[b"key", b"a"]), name(&[b"key", b"a"]));
        assert_eq!(name(&[b"key", b"a"]).len(), 24);
        assert_ne!(name(&[b"key", b"a"]), name(&[b"key", b"b"]));
        assert_ne!(name(&[b"key", b"ab"]), name(&[b"ke", b"yab"]));
    }

    #[test]
    fn what_a_program_calls_itself_is_bounded() {
        let agent = |text: &str| Visitor::passing(request(text).headers()).user_agent;
        assert_eq!(agent("/\nuser-agent: chat/1.3").as_deref(), Some("chat/1.3"));
        assert_eq!(agent("/"), None);
        let long = agent(&format!("/\nuser-agent: {}", "x".repeat(5000)));
        assert_eq!(long.map(|agent| agent.len()), Some(USER_AGENT_MAX));
    }

    #[test]
    fn keys_have_a_route_a_protocol_and_a_salt() {
        let salt = Salt::default();
        let of = |salt: &Salt, scope| key(salt, &ClientKeySource::IpAndUserAgent, scope, "192.0.2.1", "/");
        assert_eq!(of(&salt, SCOPE), of(&salt, SCOPE));
        assert_ne!(of(&salt, SCOPE), of(&salt, Scope { route: "chats", ..SCOPE }));
        assert_ne!(of(&salt, SCOPE), of(&salt, Scope { protocol: Protocol::Sse, ..SCOPE }));
        assert_ne!(of(&salt, SCOPE), of(&Salt::default(), SCOPE), "another process");
    }
}
