//! Conditions on connections: what the text of a filter means.

mod text;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::journal::address_bytes;
use crate::live::LiveConnection;
use crate::record::CloseRecord;
use crate::words::{HandshakeResult, PerDirection, Word};

pub use text::{FilterError, Mistake, TERMS_MAX, TEXT_BYTES_MAX, written};

/// Conditions that all must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// The conditions.
    pub terms: Vec<Term>,
}

/// A condition, or that it does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// `-key:value`
    pub is_negated: bool,
    /// What.
    pub condition: Condition,
}

/// One condition. It does not hold for a connection that has no such value.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `key:value`
    Text {
        /// Of what.
        field: TextField,
        /// Which texts.
        pattern: Pattern,
    },
    /// `key>number`
    Number {
        /// Of what.
        field: NumberField,
        /// How.
        compare: Compare,
        /// With what.
        value: f64,
    },
    /// `ip:10.0.0.0/8`: the client's address is in a network.
    Network {
        /// An address of it.
        address: IpAddr,
        /// Leading bits that count.
        prefix_bits: u8,
    },
    /// Free text: the id, the route, the client's address, the upstream or the gRPC method has it somewhere, in
    /// any case of ASCII.
    Contains(String),
}

/// Texts that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This one.
    Is(String),
    /// Those that have these parts in this order, the first at the beginning and the last at the end: `*` is split.
    Glob(Vec<String>),
}

impl Pattern {
    /// From the text of a filter, where `*` stands for anything.
    pub fn new(text: &str) -> Pattern {
        if text.contains('*') {
            Pattern::Glob(text.split('*').map(str::to_owned).collect())
        } else {
            Pattern::Is(text.to_owned())
        }
    }

    /// Whether a text is meant.
    pub fn takes(&self, text: &str) -> bool {
        let parts = match self {
            Pattern::Is(expected) => return expected == text,
            Pattern::Glob(parts) => parts.as_slice(),
        };
        let [first, between @ .., last] = parts else {
            return parts.first().is_none_or(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in between {
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `key:n`
    Equal,
    /// `key>n`
    Above,
    /// `key>=n`
    AtLeast,
    /// `key<n`
    Below,
    /// `key<=n`
    AtMost,
}

impl Compare {
    /// Whether a number holds against another.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Compare::Equal => left == right,
            Compare::Above => left > right,
            Compare::AtLeast => left >= right,
            Compare::Below => left < right,
            Compare::AtMost => left <= right,
        }
    }
}

macro_rules! fields {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$field_doc])* $field,)+
        }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$field,)+];

            fn as_str(self) -> &'static str {
                match self { $(Self::$field => $text,)+ }
            }

            fn index(self) -> usize {
                self as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

fields! {
    /// What of a connection is text.
    TextField {
        /// Its name.
        Id = "id",
        /// `open`, `slow` or `closing`; then `closed`, or `lost` with a process that was killed.
        State = "state",
        /// Its protocol.
        Protocol = "protocol",
        /// Its route.
        Route = "route",
        /// The client's IP address.
        Client = "client",
        /// URL of the upstream.
        Upstream = "upstream",
        /// Outcome of the handshake.
        Result = "result",
        /// Who ended it.
        Initiator = "initiator",
        /// Layer of the first cause.
        Layer = "layer",
        /// Why it ended.
        Reason = "reason",
        /// gRPC: full name of the service.
        Service = "service",
        /// gRPC: name of the method.
        Method = "method",
        /// gRPC: status.
        GrpcCode = "grpc_code",
        /// Code of the client's country.
        Country = "country",
        /// What the client's program calls itself.
        UserAgent = "user_agent",
        /// Whether an operator opened it, on the test page: `true` or `false`.
        Tryout = "tryout",
    }
}

fields! {
    /// What of a connection is a number.
    NumberField {
        /// From established to closed, seconds.
        Duration = "duration",
        /// Silence before the end, seconds.
        Idle = "idle",
        /// Complete messages, both directions.
        Messages = "messages",
        /// Bytes after the head, both directions.
        Bytes = "bytes",
        /// Bytes that the receiver's kernel never accepted, both directions.
        Unsent = "unsent",
        /// Status of the handshake.
        Status = "status",
        /// Code of a Close frame, from either side.
        Code = "code",
        /// The client's port.
        Port = "port",
    }
}

impl Filter {
    /// Whether all conditions hold for a connection.
    pub fn takes(&self, one: &impl Filtered) -> bool {
        self.terms.iter().all(|term| term.condition.holds(one) != term.is_negated)
    }
}

impl Condition {
    fn holds(&self, one: &impl Filtered) -> bool {
        match self {
            Condition::Text { field, pattern } => one.text(*field).is_some_and(|text| pattern.takes(&text)),
            Condition::Number { field, compare, value } => {
                one.numbers(*field).into_iter().flatten().any(|number| compare.holds(number, *value))
            }
            Condition::Network { address, prefix_bits } => {
                let (first, last) = network(*address, *prefix_bits);
                (first..=last).contains(&address_bytes(one.ip()))
            }
            Condition::Contains(text) => {
                let text = text.to_ascii_lowercase();
                CONTAINED
                    .iter()
                    .filter_map(|&field| one.text(field))
                    .any(|value| value.to_ascii_lowercase().contains(&text))
            }
        }
    }
}

/// Where free text is looked for.
pub const CONTAINED: [TextField; 6] = [
    TextField::Id,
    TextField::Route,
    TextField::Client,
    TextField::Upstream,
    TextField::Service,
    TextField::Method,
];

/// First and last address of a network, in the bytes of [`address_bytes`].
pub fn network(address: IpAddr, prefix_bits: u8) -> ([u8; 16], [u8; 16]) {
    let prefix_bits = match address {
        IpAddr::V4(_) => 96 + u32::from(prefix_bits.min(32)),
        IpAddr::V6(_) => u32::from(prefix_bits.min(128)),
    };
    let host = u128::MAX.checked_shr(prefix_bits).unwrap_or(0);
    let bits = u128::from_be_bytes(address_bytes(address));
    ((bits & !host).to_be_bytes(), (bits | host).to_be_bytes())
}

/// A connection that a filter can be asked of.
pub trait Filtered {
    /// The text that it has in a field.
    fn text(&self, field: TextField) -> Option<String>;

    /// The numbers that it has in a field.
    fn numbers(&self, field: NumberField) -> [Option<f64>; 2];

    /// The client's address.
    fn ip(&self) -> IpAddr;
}

impl<T: Filtered> Filtered for Arc<T> {
    fn text(&self, field: TextField) -> Option<String> {
        T::text(self, field)
    }

    fn numbers(&self, field: NumberField) -> [Option<f64>; 2] {
        T::numbers(self, field)
    }

    fn ip(&self) -> IpAddr {
        T::ip(self)
    }
}

impl Filtered for CloseRecord {
    fn text(&self, field: TextField) -> Option<String> {
        let grpc = self.grpc.as_deref();
        match field {
            TextField::Id => Some(self.id.to_string()),
            TextField::State => Some("closed".to_owned()),
            TextField::Protocol => Some(self.protocol.to_string()),
            TextField::Route => Some(self.route.to_string()),
            TextField::Client => Some(self.client.ip.to_string()),
            TextField::Upstream => self.upstream.as_deref().map(str::to_owned),
            TextField::Result => Some(self.handshake.result.to_string()),
            TextField::Initiator => self.initiator.map(|word| word.to_string()),
            TextField::Layer => self.layer.map(|word| word.to_string()),
            TextField::Reason => self.reason.map(|word| word.to_string()),
            TextField::Service => grpc.map(|grpc| grpc.service.to_string()),
            TextField::Method => grpc.map(|grpc| grpc.method.to_string()),
            TextField::GrpcCode => grpc.map(|grpc| grpc.code.to_string()),
            TextField::Country => self.client.country.map(String::from),
            TextField::UserAgent => self.user_agent.as_deref().map(str::to_owned),
            TextField::Tryout => Some(self.client.is_tryout.to_string()),
        }
    }

    fn numbers(&self, field: NumberField) -> [Option<f64>; 2] {
        match field {
            NumberField::Duration => [Some(self.duration_seconds), None],
            NumberField::Idle => [Some(self.idle_seconds.any), None],
            NumberField::Messages => sum(self.messages),
            NumberField::Bytes => sum(self.bytes),
            NumberField::Unsent => sum(self.unsent_bytes),
            NumberField::Status => [self.handshake.status.map(f64::from), None],
            NumberField::Code => [self.codes.from_client, self.codes.from_upstream]
                .map(|code| code.map(|code| f64::from(code.0))),
            NumberField::Port => [Some(f64::from(self.client.port)), None],
        }
    }

    fn ip(&self) -> IpAddr {
        self.client.ip
    }
}

/// Of an open connection the duration is its age, and what waits in the gateway is not sent. It has no end yet.
impl Filtered for LiveConnection {
    fn text(&self, field: TextField) -> Option<String> {
        match field {
            TextField::Id => Some(self.id.to_string()),
            TextField::State => Some(self.state.as_str().to_owned()),
            TextField::Protocol => Some(self.protocol.to_string()),
            TextField::Route => Some(self.route.to_string()),
            TextField::Client => Some(self.client.ip.to_string()),
            TextField::Upstream => Some(self.upstream.to_string()),
            TextField::Result => Some(HandshakeResult::Success.to_string()),
            TextField::Country => self.client.country.map(String::from),
            TextField::UserAgent => self.user_agent.as_deref().map(str::to_owned),
            TextField::Tryout => Some(self.client.is_tryout.to_string()),
            TextField::Initiator
            | TextField::Layer
            | TextField::Reason
            | TextField::Service
            | TextField::Method
            | TextField::GrpcCode => None,
        }
    }

    fn numbers(&self, field: NumberField) -> [Option<f64>; 2] {
        match field {
            NumberField::Duration => [Some(self.age_seconds), None],
            NumberField::Idle => [Some(self.idle_seconds), None],
            NumberField::Messages => sum(self.messages),
            NumberField::Bytes => sum(self.bytes),
            NumberField::Unsent => sum(PerDirection::from_fn(|direction| self.backlog[direction].bytes)),
            NumberField::Port => [Some(f64::from(self.client.port)), None],
            NumberField::Status | NumberField::Code => [None, None],
        }
    }

    fn ip(&self) -> IpAddr {
        self.client.ip
    }
}

fn sum(both: PerDirection<u64>) -> [Option<f64>; 2] {
    [Some(both.client_to_server.saturating_add(both.server_to_client) as f64), None]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Pattern::new(pattern).takes(text), expected, "{pattern} {text}");
    }

    #[test]
    fn a_star_stands_for_anything() {
        check("chat", "chat", true);
        check("chat", "chats", false);
        check("chat*", "chats", true);
        check("*", "", true);
        check("*chat", "my chat", true);
        check("a*b*c", "a-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("ab*ba", "aba", false);
        check("a?", "ab", false);
        check("*a*", "banana", true);
        check("*ana*ana", "banana", false);
    }

    #[test]
    fn a_network_is_a_range() {
        let network = |text: &str, bits| network(text.parse().expect("an address"), bits);
        let bytes = |text: &str| address_bytes(text.parse().expect("an address"));
        assert_eq!(network("10.1.2.3", 8), (bytes("10.0.0.0"), bytes("10.255.255.255")));
        assert_eq!(network("10.1.2.3", 32), (bytes("10.1.2.3"), bytes("10.1.2.3")));
        assert_eq!(network("2001:db8::1", 127), (bytes("2001:db8::"), bytes("2001:db8::1")));
        assert_eq!(network("::", 0).1, [0xff; 16]);
    }
}
