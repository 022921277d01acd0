//! Who may come in, and how fast it may send.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use guard::admission::{Limits, PerClient, Rate};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Network;

/// What there may be of connections. Nothing that is absent is a limit. Requests that ask for no live stream are not
/// concerned; a gRPC call counts as a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Connections that may be open at once, those that are being opened included. One more is answered 503 (gRPC:
    /// UNAVAILABLE).
    pub connections: Option<u64>,
    /// New connections: a bucket of `tokens`, each of which lets one in, that fills again evenly in `interval`. Without
    /// a token one is answered 429 (gRPC: RESOURCE_EXHAUSTED).
    pub new_connections: Option<Rate>,
    /// The same for each client; answered 429. Only on a route.
    pub per_client: PerClientConfig,
    /// Messages that one connection may carry: those from the client of a WebSocket, those to the client of an event stream,
    /// and those of a gRPC call in each direction. A bucket as above.
    pub messages: Option<Rate>,
    /// The same for bytes: a bucket as above, with a token for each byte.
    pub bytes: Option<Rate>,
    /// What comes of a connection that carries more: `delay` passes nothing on until it may again, so that who sends has to
    /// wait and nothing is lost; `close` ends it (Close frame 1008; the end of the body; gRPC: RESOURCE_EXHAUSTED).
    pub when_exceeded: WhenExceeded,
    /// Openings towards upstreams that may be under way at once, so that a storm does not end a service that starts:
    /// `50`, or `{ at_once: 50, waiting: 1000, wait: 5s }`. Others wait in their order; those that find no place to wait,
    /// or wait for too long, are answered 503.
    pub handshakes: Option<HandshakesConfig>,
    /// Networks whose clients are never refused, such as those of probes. Their connections are counted.
    #[schemars(with = "Vec<String>")]
    pub exempt: Vec<Network>,
    /// Refuse nobody and slow nobody down; only count in `heartline_admissions_total{decision="would_refuse"}`.
    pub dry_run: bool,
    /// Hold `connections` and `new_connections`, those of each client as well, together with all gateways that name the same
    /// `shared_limits`.
    pub shared: bool,
    /// How a WebSocket is refused: `status` answers 429 or 503 with `Retry-After`; `close_1013` accepts the handshake and
    /// closes with 1013 (try again later), for clients that cannot read a status, as those in browsers.
    pub refuse_with: RefuseWith,
    /// Those who are refused are asked to come back after a random time from this to twice this (`Retry-After`,
    /// `grpc-retry-pushback-ms`), and not before there is a token.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub retry_after: Duration,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        LimitsConfig {
            connections: None,
            new_connections: None,
            per_client: PerClientConfig::default(),
            messages: None,
            bytes: None,
            when_exceeded: WhenExceeded::default(),
            handshakes: None,
            exempt: Vec::new(),
            dry_run: false,
            shared: false,
            refuse_with: RefuseWith::default(),
            retry_after: Duration::from_secs(10),
        }
    }
}

/// What each client may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PerClientConfig {
    /// Connections that may be open at once.
    pub connections: Option<u64>,
    /// New connections: a bucket as above.
    pub new_connections: Option<Rate>,
    /// Who is one client: `client_key`, as the route says, or else by address; or `address`, which no client can choose
    /// (IPv6: its network of 64 bits).
    pub by: By,
}

/// Who is one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// As `client_key` of the route says; one without that key is known by its address.
    #[default]
    ClientKey,
    /// By its address.
    Address,
}

/// What comes of a connection that carries more than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenExceeded {
    /// It is not read until it may send again.
    #[default]
    Delay,
    /// Its connection is closed.
    Close,
}

/// How a WebSocket is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefuseWith {
    /// By a status of HTTP.
    #[default]
    Status,
    /// By a Close frame behind a handshake.
    #[serde(rename = "close_1013")]
    Close1013,
}

/// Openings towards upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HandshakesConfig {
    /// How many may be under way at once.
    pub at_once: NonZeroU32,
    /// How many may wait for their turn; default 1000.
    pub waiting: u32,
    /// How long each may; default 5s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub wait: Duration,
}

impl From<NonZeroU32> for HandshakesConfig {
    fn from(at_once: NonZeroU32) -> HandshakesConfig {
        HandshakesConfig { at_once, waiting: default_waiting(), wait: default_wait() }
    }
}

fn default_waiting() -> u32 {
    1_000
}

fn default_wait() -> Duration {
    Duration::from_secs(5)
}

impl<'de> Deserialize<'de> for HandshakesConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrKeys)
    }
}

struct NumberOrKeys;

/// The form with keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "handshakes")]
struct Keys {
    at_once: NonZeroU32,
    #[serde(default = "default_waiting")]
    waiting: u32,
    #[serde(default = "default_wait", with = "humantime_serde")]
    wait: Duration,
}

impl<'de> Visitor<'de> for NumberOrKeys {
    type Value = HandshakesConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 1 on, or the keys `at_once`, `waiting` and `wait`")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<HandshakesConfig, E> {
        let at_once = u32::try_from(number).ok().and_then(NonZeroU32::new);
        let wrong = || E::custom(format!("`{number}` must be a number from 1 to 4294967295"));
        at_once.map(HandshakesConfig::from).ok_or_else(wrong)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<HandshakesConfig, E> {
        self.visit_u64(u64::try_from(number).unwrap_or_default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HandshakesConfig, A::Error> {
        let Keys { at_once, waiting, wait } = Keys::deserialize(MapAccessDeserializer::new(map))?;
        Ok(HandshakesConfig { at_once, waiting, wait })
    }
}

impl LimitsConfig {
    /// What a gate is to let through; none where there is nothing to be asked at an opening.
    pub fn gate(&self) -> Option<Limits> {
        let PerClientConfig { connections, new_connections, .. } = self.per_client;
        let limits = Limits {
            connections: self.connections,
            new_connections: self.new_connections,
            per_client: PerClient { connections, new_connections },
            dry_run: self.dry_run,
            retry_after: self.retry_after,
        };
        let is_some = limits.connections.is_some()
            || limits.new_connections.is_some()
            || limits.per_client.is_some()
            || self.handshakes.is_some();
        is_some.then_some(limits)
    }

    /// Whether it bounds what connections carry.
    pub fn is_pacing(&self) -> bool {
        self.messages.is_some() || self.bytes.is_some()
    }

    /// What parses but cannot work: the key, and what to do.
    pub(super) fn problems(&self, is_whole: bool) -> Vec<(&'static [&'static str], String)> {
        let mut problems: Vec<(&[&str], String)> = Vec::new();
        let rates: [(&[&str], Option<Rate>); 4] = [
            (&["new_connections"], self.new_connections),
            (&["per_client", "new_connections"], self.per_client.new_connections),
            (&["messages"], self.messages),
            (&["bytes"], self.bytes),
        ];
        for (key, rate) in rates {
            problems.extend(rate.and_then(Rate::problem).map(|message| (key, message)));
        }
        if is_whole && self.per_client != PerClientConfig::default() {
            problems.push((&["per_client"], "clients are told apart on a route: set it there".to_owned()));
        }
        if is_whole && self.is_pacing() {
            let message = "they hold for single connections: set `messages` and `bytes` on a route";
            problems.push((&["messages"], message.to_owned()));
        }
        if self.handshakes.is_some_and(|handshakes| handshakes.wait.is_zero()) {
            problems.push((&["handshakes", "wait"], "nobody can wait for no time".to_owned()));
        }
        problems
    }
}
