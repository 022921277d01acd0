//! What the gateway can be told: listeners, routes, upstreams, limits of time.
//!
//! Types parse what was typed into what it means; a value that cannot mean anything is an error where it stands.
//! The documentation of each field is the configuration reference.

mod recorder;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use guard::heartbeat::HeartbeatConfig;
use guard::queue::QueueConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use model::ByteSize;
pub use recorder::RecorderConfig;

/// The gateway's part of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Addresses on which clients are served.
    pub listeners: Vec<ListenerConfig>,
    /// Which request goes where; the first match wins.
    pub routes: Vec<RouteConfig>,
    /// Networks of the balancers and proxies in front. Only from these are the PROXY protocol,
    /// `X-Forwarded-*` and `Forwarded` believed.
    #[schemars(with = "Vec<String>")]
    pub trusted_peers: Vec<Network>,
    /// How the gateway stops.
    pub drain: DrainConfig,
    /// What is kept of closed connections.
    pub closed: ClosedConfig,
    /// What flight recorders keep.
    pub recorder: RecorderConfig,
    /// How often the kernel is asked about the sockets of open connections.
    pub tcp_samples: TcpSamplesConfig,
    /// Where clients are.
    pub geo: GeoConfig,
    /// What there may be of connections on all routes together.
    pub limits: LimitsConfig,
}

/// One address on which clients are served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// IP address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serve TLS (`https:`, `wss:`). Without it the listener serves plain HTTP.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// Expect the PROXY protocol, version 1 or 2, at the start of each connection. Connections from outside
    /// `trusted_peers` are refused.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// Time allowed for the PROXY protocol header, the TLS handshake, and each request head.
    #[serde(default = "ten_seconds", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub head_timeout: Duration,
}

/// Certificate and key of a listener. The files are read again when they change and on reload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file: the certificate first, then its chain.
    pub cert_file: PathBuf,
    /// PEM file with the private key (PKCS #8, PKCS #1 or SEC 1).
    pub key_file: PathBuf,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Unique name: the `route` label of every metric. Letters, digits, `_`, `-`, `.`, `/`; at most 64.
    #[schemars(with = "String")]
    pub name: RouteName,
    /// Which requests the route takes; without it, all.
    #[serde(default, rename = "match")]
    pub matcher: MatchConfig,
    /// Services behind the route: each a URL such as `http://10.0.0.1:3000`, or the keys below.
    pub upstreams: Vec<UpstreamConfig>,
    /// How an upstream is chosen for a new connection.
    #[serde(default)]
    pub balance: Balance,
    /// How long an upstream that could not be connected is left alone while another one answers.
    #[serde(default = "ten_seconds", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub fail_timeout: Duration,
    /// TLS towards `https:` upstreams.
    #[serde(default)]
    pub upstream_tls: UpstreamTlsConfig,
    /// Addresses of this machine from which upstreams are connected: the first up to 10,000 connections to one address
    /// of an upstream, then the next. Those of the upstream's kind (IPv4 or IPv6) are taken. Without any the system
    /// chooses; then upstreams on IPv4 loopback are connected from 127.0.0.1, and beyond 10,000 connections from
    /// 127.0.0.2 to 127.0.0.254.
    #[serde(default)]
    pub source_addresses: Vec<IpAddr>,
    /// Limits of time.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Signs of life that the gateway gives by itself when a connection is silent, such as `{ interval: 30s, timeout: 60s }`;
    /// without it Pings of the peers are only measured.
    #[serde(default)]
    pub heartbeat: Option<HeartbeatConfig>,
    /// By what a client is known when it comes back, to tell reconnects: `ip_and_user_agent`, `{ cookie: NAME }`,
    /// `{ header: NAME }` or `{ query: NAME }`. It is kept for a minute after a close, as a salted hash only.
    #[serde(default)]
    pub client_key: ClientKeySource,
    /// Where events of event streams say when they were made: `{ id: auto }`, or `{ json_pointer: /ts }` into their
    /// data. Their delay is measured from then; without it only from their arrival at this gateway.
    #[serde(default)]
    pub event_time: Option<EventTimeConfig>,
    /// A queue with priorities towards clients that take less than their upstream sends; absent: none, and a slow client
    /// holds up its upstream.
    #[serde(default)]
    pub queue: Option<QueueConfig>,
    /// What there may be of its connections, and how much each may carry in a time.
    #[serde(default)]
    pub limits: LimitsConfig,
}

/// Which requests a route takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchConfig {
    /// Host of the request, without port, any case; `*.example.com` takes one or more labels in front.
    pub host: Option<String>,
    /// Prefix of the path; `/ws` takes `/ws`, `/ws/` and `/ws/chat`, not `/wsx`.
    #[schemars(with = "Option<String>")]
    pub path: Option<PathPrefix>,
}

impl MatchConfig {
    /// Whether a request for this host, without port, and this path is taken.
    pub fn takes(&self, host: &str, path: &str) -> bool {
        let takes_host = self.host.as_deref().is_none_or(|wanted| host_matches(wanted, host));
        takes_host && self.path.as_ref().is_none_or(|prefix| prefix.matches(path))
    }
}

fn host_matches(wanted: &str, host: &str) -> bool {
    match wanted.strip_prefix("*.") {
        None => wanted.eq_ignore_ascii_case(host),
        Some(domain) => {
            let split = host.len().checked_sub(domain.len() + 1);
            split.is_some_and(|at| {
                at > 0
                    && host.is_char_boundary(at)
                    && host[at..].strip_prefix('.').is_some_and(|rest| rest.eq_ignore_ascii_case(domain))
            })
        }
    }
}

/// How an upstream is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The one with the fewest open connections of this gateway; among equals, in turn.
    #[default]
    LeastConnections,
    /// One after the other.
    RoundRobin,
}

/// TLS towards upstreams. Certificates are always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTlsConfig {
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Name to verify and to send as SNI instead of the URL's host.
    pub server_name: Option<String>,
}

/// Limits of time of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For one upstream to be connected, TLS included.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub connect: Duration,
    /// For the upstream's response head after the request was sent.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub response_head: Duration,
    /// For silence in both directions of an open WebSocket, event stream or gRPC stream; absent: none, silence is only
    /// measured.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Option<String>")]
    pub idle: Option<Duration>,
    /// For the second side to end after the first one has.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub half_close: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(5),
            response_head: Duration::from_secs(60),
            idle: None,
            half_close: Duration::from_secs(30),
        }
    }
}

/// How the gateway stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DrainConfig {
    /// Open connections are told to go away (Close frame 1001; event streams end) at random moments spread
    /// over this time; what is left at its end is cut.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub window: Duration,
}

impl Default for DrainConfig {
    fn default() -> Self {
        DrainConfig { window: Duration::from_secs(10) }
    }
}

/// What is kept of closed connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClosedConfig {
    /// How many of the last ones are kept in memory.
    pub keep: usize,
    /// Write one JSON line for each to this file; `-` is standard output.
    pub log: Option<PathBuf>,
    /// How many closes of the last minute are remembered, each with the salted hash of its client key, to tell
    /// reconnects. The oldest one makes room.
    pub keep_for_reconnects: usize,
}

impl Default for ClosedConfig {
    fn default() -> Self {
        ClosedConfig { keep: 10_000, log: None, keep_for_reconnects: 100_000 }
    }
}

/// Where clients are. Nothing is known without a database; none comes with this program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeoConfig {
    /// A file in MaxMind's format (`.mmdb`) that has countries, such as GeoLite2 Country or DB-IP Country Lite. It is read into
    /// memory at the start, and again at each reload.
    pub database: Option<PathBuf>,
}

/// How often the kernel is asked about the two sockets of each open connection (round trips, retransmissions,
/// what waits in its buffers). It is also asked when a connection opens and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TcpSamplesConfig {
    /// Time between two samples of a connection: at random between three quarters of this and all of it.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// Connections sampled in a second at most. Where there are more than this and the interval allow, each
    /// comes in its turn, less often.
    pub max_per_second: u32,
    /// The acknowledgement of the first message of a connection in each direction is timed, and then that of one
    /// message in so many; 0 times none. Holds for connections that are opened from now on.
    pub acks_one_in: u32,
}

impl Default for TcpSamplesConfig {
    fn default() -> Self {
        TcpSamplesConfig { interval: Duration::from_secs(10), max_per_second: 1_000, acks_one_in: 64 }
    }
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

macro_rules! typed_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As it was typed, or its normal form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }
    };
}

mod client_key;
mod event_time;
mod limits;
mod upstream;

pub use client_key::{ClientKeySource, KeyName};
pub use event_time::{EventIdForm, EventTimeConfig, JsonPointer};
pub use limits::{By, HandshakesConfig, LimitsConfig, PerClientConfig, RefuseWith, WhenExceeded};
pub use upstream::{ExporterUrl, UpstreamConfig};

typed_text! {
    /// Name of a route.
    RouteName
}

impl FromStr for RouteName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (1..=64).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b)) {
            return Ok(RouteName(text.to_owned()));
        }
        Err(format!("route name `{text}` must be 1 to 64 letters, digits, `_`, `-`, `.` or `/`"))
    }
}

typed_text! {
    /// Prefix of a path, in whole segments.
    PathPrefix
}

impl FromStr for PathPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') && !text.contains(['?', '#', ' ']) {
            return Ok(PathPrefix(text.to_owned()));
        }
        Err(format!("path `{text}` must begin with `/` and have no `?`, `#` or space"))
    }
}

impl PathPrefix {
    /// Whether `path` is the prefix or lies below it.
    pub fn matches(&self, path: &str) -> bool {
        let prefix = self.0.trim_end_matches('/');
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Where an upstream listens: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UpstreamUrl {
    /// TLS towards it.
    pub tls: bool,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl FromStr for UpstreamUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("upstream `{text}` {why}, such as http://127.0.0.1:3000");
        let uri: http::Uri = text.parse().map_err(|_| wrong("is no URL; give scheme, host and port"))?;
        let tls = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(wrong("must begin with http://, https://, ws:// or wss://")),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("must have no path: the request's own path is sent"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("must have no user name or password"));
        }
        let host = authority.host().to_owned();
        if host.is_empty() {
            return Err(wrong("has no host"));
        }
        Ok(UpstreamUrl { tls, host, port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }) })
    }
}

impl std::fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }
}

impl TryFrom<String> for UpstreamUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<UpstreamUrl> for String {
    fn from(url: UpstreamUrl) -> String {
        url.to_string()
    }
}

/// A network in CIDR notation, or a single address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(ipnet::IpNet);

impl Network {
    /// Whether the address lies in the network; an IPv4-mapped IPv6 address counts as its IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .or_else(|_| text.parse::<IpAddr>().map(ipnet::IpNet::from))
            .map(Network)
            .map_err(|_| format!("`{text}` is no network, such as 10.0.0.0/8 or 192.0.2.7"))
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.0.to_string()
    }
}

/// Something in a configuration that parses but cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as the keys and positions that lead there: `["routes", "1", "name"]`.
    pub path: Vec<String>,
    /// What, and what to do.
    pub message: String,
}

impl GatewayConfig {
    /// What parses but cannot work: gathered, so that one run shows all of it.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |path: &[&str], message: String| {
            problems.push(Problem { path: path.iter().map(|&key| key.to_owned()).collect(), message });
        };
        if let Some(message) = self.recorder.problem() {
            report(&["recorder", "events"], message);
        }
        if self.listeners.is_empty() {
            report(&["listeners"], "no listener: give at least one `- listen: 0.0.0.0:8000`".to_owned());
        }
        if self.routes.is_empty() {
            report(&["routes"], "no route: give at least one with a name and upstreams".to_owned());
        }
        for (index, route) in self.routes.iter().enumerate() {
            let index_text = index.to_string();
            if route.upstreams.is_empty() {
                report(
                    &["routes", &index_text, "upstreams"],
                    format!("route `{}` has no upstream", route.name.as_str()),
                );
            }
            if self.routes[..index].iter().any(|earlier| earlier.name == route.name) {
                let message = format!("route name `{}` is taken by an earlier route", route.name.as_str());
                report(&["routes", &index_text, "name"], message);
            }
            for (place, address) in route.source_addresses.iter().enumerate() {
                let message = if address.is_unspecified() || address.is_multicast() {
                    format!("`{address}` is no address to connect from: give one of this machine")
                } else if route.source_addresses[..place].contains(address) {
                    format!("`{address}` is there twice")
                } else {
                    continue;
                };
                report(&["routes", &index_text, "source_addresses", &place.to_string()], message);
            }
            if route.event_time.as_ref().is_some_and(|event_time| event_time.source().is_none()) {
                report(
                    &["routes", &index_text, "event_time"],
                    "give either `id` or `json_pointer`: an event says in one place when it was made"
                        .to_owned(),
                );
            }
            for (key, message) in route.queue.iter().flat_map(QueueConfig::problems) {
                report(&["routes", &index_text, "queue", key], message);
            }
            for (keys, message) in route.limits.problems(false) {
                report(&[&["routes", index_text.as_str(), "limits"], keys].concat(), message);
            }
            if route.timeouts.connect.is_zero() || route.timeouts.response_head.is_zero() {
                report(
                    &["routes", &index_text, "timeouts"],
                    "a timeout of zero lets no request through".to_owned(),
                );
            }
        }
        for (keys, message) in self.limits.problems(true) {
            report(&[&["limits"], keys].concat(), message);
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            if listener.proxy_protocol && self.trusted_peers.is_empty() {
                report(
                    &["listeners", &index.to_string(), "proxy_protocol"],
                    "the PROXY protocol is only taken from `trusted_peers`, and there is none".to_owned(),
                );
            }
        }
        if self.tcp_samples.interval < Duration::from_secs(1) {
            report(&["tcp_samples", "interval"], "the interval must be 1s or longer".to_owned());
        }
        if self.tcp_samples.max_per_second == 0 {
            report(&["tcp_samples", "max_per_second"], "it must be 1 or more".to_owned());
        }
        problems
    }

    /// What works and may not do what is wanted: to be told at load.
    pub fn notices(&self) -> Vec<String> {
        let of = |route: &RouteConfig| {
            let notice = route.queue.as_ref()?.notice()?;
            Some(format!("queue of route `{}`: {notice}", route.name.as_str()))
        };
        self.routes.iter().filter_map(of).collect()
    }

    /// One listener and one route to one upstream: what `--listen` and `--upstream` ask for.
    pub fn single(listen: SocketAddr, upstream: UpstreamUrl) -> GatewayConfig {
        GatewayConfig {
            listeners: vec![ListenerConfig {
                listen,
                tls: None,
                proxy_protocol: false,
                head_timeout: ten_seconds(),
            }],
            routes: vec![RouteConfig {
                name: RouteName("default".to_owned()),
                matcher: MatchConfig::default(),
                upstreams: vec![upstream.into()],
                balance: Balance::default(),
                fail_timeout: ten_seconds(),
                upstream_tls: UpstreamTlsConfig::default(),
                source_addresses: Vec::new(),
                timeouts: Timeouts::default(),
                heartbeat: None,
                client_key: ClientKeySource::default(),
                event_time: None,
                queue: None,
                limits: LimitsConfig::default(),
            }],
            ..GatewayConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn upstream(text: &str, expected: Result<&str, &str>) {
        match (text.parse::<UpstreamUrl>(), expected) {
            (Ok(url), Ok(text)) => assert_eq!(url.to_string(), text),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn upstream_urls() {
        upstream("http://127.0.0.1:3000", Ok("http://127.0.0.1:3000"));
        upstream("wss://example.com", Ok("https://example.com:443"));
        upstream("ws://[::1]:9000/", Ok("http://[::1]:9000"));
        upstream("127.0.0.1:3000", Err("must begin with"));
        upstream("ftp://example.com", Err("must begin with"));
        upstream("http://example.com/app", Err("no path"));
        upstream("http://user:secret@example.com", Err("no user name"));
        upstream("http://", Err("is no URL"));
    }

    #[test]
    fn path_prefixes_are_whole_segments() {
        let takes = |prefix: &str, path: &str| prefix.parse::<PathPrefix>().expect("valid").matches(path);
        assert!(takes("/ws", "/ws") && takes("/ws", "/ws/chat") && takes("/ws/", "/ws/chat"));
        assert!(takes("/", "/anything") && takes("/ws/", "/ws"));
        assert!(!takes("/ws", "/wsx") && !takes("/ws", "/"));
        assert!("ws".parse::<PathPrefix>().is_err());
    }

    #[test]
    fn networks_take_single_addresses_and_mapped_ones() {
        let network: Network = "10.0.0.0/8".parse().expect("valid");
        assert!(network.contains("::ffff:10.1.2.3".parse().expect("valid")));
        assert!(!network.contains("11.0.0.1".parse().expect("valid")));
        assert!("192.0.2.7".parse::<Network>().is_ok());
        assert!("10.0.0.0/33".parse::<Network>().is_err());
    }

    #[test]
    fn problems_are_gathered() {
        let mut config = GatewayConfig::single(
            "127.0.0.1:0".parse().expect("valid"),
            "http://127.0.0.1:1".parse().expect("valid"),
        );
        assert_eq!(config.problems(), []);
        config.routes.push(RouteConfig { upstreams: vec![], ..config.routes[0].clone() });
        let sources = ["10.0.0.5", "0.0.0.0", "10.0.0.5", "::1"];
        config.routes[0].source_addresses = sources.map(|text| text.parse().expect("valid")).to_vec();
        config.listeners[0].proxy_protocol = true;
        config.tcp_samples = TcpSamplesConfig {
            interval: Duration::from_millis(999),
            max_per_second: 0,
            ..TcpSamplesConfig::default()
        };
        let paths: Vec<String> = config.problems().iter().map(|problem| problem.path.join(".")).collect();
        let expected = [
            "routes.0.source_addresses.1",
            "routes.0.source_addresses.2",
            "routes.1.upstreams",
            "routes.1.name",
            "listeners.0.proxy_protocol",
            "tcp_samples.interval",
            "tcp_samples.max_per_second",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn hosts() {
        assert!(host_matches("example.com", "Example.COM"));
        assert!(!host_matches("example.com", "a.example.com"));
        assert!(host_matches("*.example.com", "a.b.example.com"));
        assert!(!host_matches("*.example.com", "example.com"));
        assert!(!host_matches("*.example.com", ".example.com"));
        assert!(!host_matches("*.example.com", "badexample.com"));
        assert!(!host_matches("*.example.com", "é"));
    }
}
