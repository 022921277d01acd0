//! Closed enumerations: the only label values besides the configured route names.
//!
//! The words are those of the exported metrics and of the close record, so a new one is a change of contract.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// A closed enumeration whose values have one spelling everywhere: labels, JSON, logs, filters.
pub trait Word: Copy + Eq + fmt::Display + 'static {
    /// All values, in declaration order.
    const ALL: &'static [Self];

    /// The one spelling.
    fn as_str(self) -> &'static str;

    /// Position in [`Word::ALL`].
    fn index(self) -> usize;
}

/// Declares a closed enumeration with its spellings: a [`Word`].
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[cfg_attr(feature = "ts", derive(ts_rs::TS))]
        pub enum $name {
            $($(#[$value_doc])* #[serde(rename = $text)] $value,)+
        }

        impl $crate::words::Word for $name {
            const ALL: &'static [Self] = &[$(Self::$value,)+];

            fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }

            fn index(self) -> usize {
                self as usize
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad($crate::words::Word::as_str(*self))
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$value),)+
                    _ => Err(format!("`{text}` is none of {}", [$($text,)+].join(", "))),
                }
            }
        }
    };
}

words! {
    /// Protocol of a connection that is observed message by message.
    Protocol {
        /// RFC 6455.
        WebSocket = "websocket",
        /// Server-sent events: WHATWG HTML, section 9.2.
        Sse = "sse",
        /// A gRPC stream: a request of HTTP/2 with `application/grpc`.
        Grpc = "grpc",
    }
}

words! {
    /// Which way bytes go through the gateway.
    Direction {
        /// From the client towards the upstream.
        ClientToServer = "client_to_server",
        /// From the upstream towards the client.
        ServerToClient = "server_to_client",
    }
}

impl Direction {
    /// The leg on which this direction's bytes arrive.
    pub fn sender(self) -> Leg {
        match self {
            Direction::ClientToServer => Leg::Client,
            Direction::ServerToClient => Leg::Upstream,
        }
    }

    /// The leg on which this direction's bytes leave.
    pub fn receiver(self) -> Leg {
        self.sender().other()
    }

    /// The way back.
    pub fn other(self) -> Direction {
        match self {
            Direction::ClientToServer => Direction::ServerToClient,
            Direction::ServerToClient => Direction::ClientToServer,
        }
    }
}

words! {
    /// One of the two TCP connections that the gateway joins.
    Leg {
        /// Between the gateway and its client (or whatever next hop stands in front of the client).
        Client = "client",
        /// Between the gateway and the upstream service.
        Upstream = "upstream",
    }
}

impl Leg {
    /// The leg on the other side of the gateway.
    pub fn other(self) -> Leg {
        match self {
            Leg::Client => Leg::Upstream,
            Leg::Upstream => Leg::Client,
        }
    }

    /// The direction whose bytes arrive on this leg.
    pub fn inbound(self) -> Direction {
        match self {
            Leg::Client => Direction::ClientToServer,
            Leg::Upstream => Direction::ServerToClient,
        }
    }
}

words! {
    /// Who ended a connection: the sender of the first Close frame, FIN, RST or equivalent.
    Initiator {
        /// The next hop on the client leg.
        Client = "client",
        /// The next hop on the upstream leg.
        Upstream = "upstream",
        /// This gateway.
        Proxy = "proxy",
    }
}

impl From<Leg> for Initiator {
    fn from(leg: Leg) -> Self {
        match leg {
            Leg::Client => Initiator::Client,
            Leg::Upstream => Initiator::Upstream,
        }
    }
}

words! {
    /// Opcode of a WebSocket frame (RFC 6455, section 11.8).
    Opcode {
        /// 0x0.
        Continuation = "continuation",
        /// 0x1.
        Text = "text",
        /// 0x2.
        Binary = "binary",
        /// 0x8.
        Close = "close",
        /// 0x9.
        Ping = "ping",
        /// 0xA.
        Pong = "pong",
        /// Any of 0x3-0x7 and 0xB-0xF.
        Reserved = "reserved",
    }
}

words! {
    /// Outcome of one attempt to open a connection, from the last header byte of the request read to the outcome
    /// decided.
    HandshakeResult {
        /// WebSocket: a validated 101 relayed. SSE: a 200 with `text/event-stream` relayed. gRPC: the request
        /// relayed.
        Success = "success",
        /// The upstream answered 4xx.
        ClientError = "client_error",
        /// The upstream answered 5xx.
        ServerError = "server_error",
        /// No upstream could be connected (DNS, TCP or TLS failure), or it closed before it answered.
        Unreachable = "unreachable",
        /// The upstream did not answer within the time allowed.
        Timeout = "timeout",
        /// WebSocket: the upstream answered 101 with a wrong or unasked-for handshake (RFC 6455, section 4.1).
        InvalidUpgrade = "invalid_upgrade",
        /// WebSocket: the upstream answered 2xx or 3xx instead of 101.
        NotUpgraded = "not_upgraded",
        /// SSE: the upstream answered 2xx or 3xx, but with no event stream.
        NotEventStream = "not_event_stream",
        /// The Origin is not among those allowed.
        DeniedOrigin = "denied_origin",
        /// Refused by a limit or an authentication rule of this gateway.
        Denied = "denied",
        /// The request is no valid handshake.
        Malformed = "malformed",
        /// The client went away before the outcome.
        ClientAborted = "client_aborted",
    }
}

impl HandshakeResult {
    /// The outcomes that an attempt of `protocol` can have.
    pub fn of(protocol: Protocol) -> impl Iterator<Item = HandshakeResult> {
        let never = match protocol {
            Protocol::WebSocket => [HandshakeResult::NotEventStream].as_slice(),
            Protocol::Sse => [HandshakeResult::InvalidUpgrade, HandshakeResult::NotUpgraded].as_slice(),
            Protocol::Grpc => {
                use HandshakeResult::*;
                [ClientError, ServerError, InvalidUpgrade, NotUpgraded, NotEventStream].as_slice()
            }
        };
        HandshakeResult::ALL.iter().copied().filter(|result| !never.contains(result))
    }

    /// Whether the outcome counts in the success ratio: faults of the client and refusals of our own do not.
    pub fn is_service_outcome(self) -> bool {
        use HandshakeResult::*;
        matches!(
            self,
            Success | ServerError | Unreachable | Timeout | InvalidUpgrade | NotUpgraded | NotEventStream
        )
    }
}

words! {
    /// Why an established connection ended.
    Reason {
        /// WebSocket close code 1000.
        Normal = "normal",
        /// 1001.
        GoingAway = "going_away",
        /// 1002.
        ProtocolError = "protocol_error",
        /// 1003.
        UnsupportedData = "unsupported_data",
        /// A Close frame without a code (seen as 1005 by the application).
        NoStatus = "no_status",
        /// WebSocket: end of the TCP stream without a Close frame (seen as 1006 by the application).
        Abnormal = "abnormal",
        /// 1007.
        InvalidPayload = "invalid_payload",
        /// 1008.
        PolicyViolation = "policy_violation",
        /// 1009.
        TooBig = "too_big",
        /// 1010.
        MandatoryExtension = "mandatory_extension",
        /// 1011.
        InternalError = "internal_error",
        /// 1012.
        ServiceRestart = "service_restart",
        /// 1013.
        TryAgainLater = "try_again_later",
        /// 1014.
        BadGateway = "bad_gateway",
        /// 3000-4999: defined by the application or a library.
        App = "app",
        /// SSE: the body ended as announced. gRPC: the service's status was passed on.
        Complete = "complete",
        /// SSE: the connection ended inside the body, without the final chunk. gRPC: the stream or its connection
        /// ended without a status.
        Truncated = "truncated",
        /// SSE: the client ended the subscription. gRPC: it cancelled the call, or its connection ended.
        ClientClosed = "client_closed",
        /// TCP RST, or RST_STREAM of HTTP/2.
        Reset = "reset",
        /// A time limit of this gateway, or of the kernel (ETIMEDOUT).
        Timeout = "timeout",
        /// This gateway gave up on a receiver that does not read.
        SlowConsumer = "slow_consumer",
        /// A peer did not answer this gateway's heartbeat.
        HeartbeatTimeout = "heartbeat_timeout",
        /// A limit of this gateway.
        Limit = "limit",
        /// This gateway is shutting down or was told to close the connection.
        Shutdown = "shutdown",
        /// Anything else.
        Other = "other",
    }
}

impl Reason {
    /// The (initiator, reason) pairs that a connection of `protocol` can end with; exported from the start.
    pub fn pairs(protocol: Protocol) -> impl Iterator<Item = (Initiator, Reason)> {
        Initiator::ALL.iter().flat_map(move |&initiator| {
            Reason::ALL
                .iter()
                .filter(move |reason| reason.is_possible(protocol, initiator))
                .map(move |&reason| (initiator, reason))
        })
    }

    fn is_possible(self, protocol: Protocol, initiator: Initiator) -> bool {
        use Reason::*;
        match (self, protocol, initiator) {
            (SlowConsumer | HeartbeatTimeout | Limit | Shutdown, _, initiator) => {
                initiator == Initiator::Proxy
            }
            (Reset | Timeout | Other, ..) => true,
            (ClientClosed | Complete | Truncated, Protocol::WebSocket, _) => false,
            (ClientClosed, _, initiator) => initiator == Initiator::Client,
            (Complete | Truncated, _, initiator) => initiator == Initiator::Upstream,
            (_, Protocol::Sse | Protocol::Grpc, _) => false,
            (_, Protocol::WebSocket, initiator) => initiator != Initiator::Proxy,
        }
    }
}

words! {
    /// Why a client's connection or request was ended before a route took it.
    Refused {
        /// TLS, the PROXY protocol or a request's head was not complete in time.
        Timeout = "timeout",
        /// The TLS handshake failed.
        Tls = "tls",
        /// The PROXY protocol was expected, and what came was none, or from a peer that is not trusted.
        ProxyProtocol = "proxy_protocol",
        /// What came is no valid HTTP, or its framing or host is ambiguous.
        Malformed = "malformed",
        /// No route takes the host and path.
        NoRoute = "no_route",
    }
}

words! {
    /// Why a connection of the dashboard's test page did not begin.
    TryoutRefused {
        /// As many are open as may be.
        Busy = "busy",
        /// Its tryout has one that is open.
        Open = "open",
        /// Its tryout has lasted its time, or had as many as it may.
        Over = "over",
        /// A page of another site asked for it.
        CrossSite = "cross_site",
    }
}

words! {
    /// Kind of an error on an established connection.
    ErrorType {
        /// A frame that RFC 6455 does not allow, or event-stream bytes that cannot be parsed.
        Frame = "frame",
        /// Text that is not UTF-8.
        Utf8 = "utf8",
        /// A frame or a line longer than what is inspected.
        TooBig = "too_big",
        /// A compressed message that does not inflate.
        Deflate = "deflate",
        /// Reading from or writing to the client failed.
        IoClient = "io_client",
        /// Reading from or writing to the upstream failed.
        IoUpstream = "io_upstream",
        /// TLS failed.
        Tls = "tls",
        /// A time limit was exceeded.
        Timeout = "timeout",
        /// A backlog limit was exceeded.
        Backlog = "backlog",
        /// A fault of this gateway.
        Internal = "internal",
    }
}

words! {
    /// Why an event of an event stream has no delay from its generation.
    EventTimeError {
        /// It has no id, or there is nothing in its data where the JSON pointer leads.
        Missing = "missing",
        /// What is there is no time, or one of tomorrow or of more than ten years ago.
        Invalid = "invalid",
        /// It was made more than a day ago: it is history that is sent again, and its age is no delay.
        Old = "old",
        /// Its data is longer than 64 KiB and was not looked at.
        TooLarge = "too_large",
    }
}

words! {
    /// Protocol layer at which a cause was seen.
    Layer {
        /// A WebSocket Close frame.
        WebSocket = "websocket",
        /// The HTTP message: end of the body, or its end before the announced one.
        Http = "http",
        /// A TLS alert.
        Tls = "tls",
        /// FIN, RST or a time-out of TCP.
        Tcp = "tcp",
        /// A decision of this gateway.
        Policy = "policy",
    }
}

words! {
    /// Which rule of the upgrade discipline a request or an answer broke.
    RejectedCheck {
        /// The method is not GET.
        BadMethod = "bad_method",
        /// `Sec-WebSocket-Version` is not exactly one `13`.
        BadVersion = "bad_version",
        /// `Sec-WebSocket-Key` is not exactly one base64 text of 16 bytes.
        BadKey = "bad_key",
        /// `Connection` lacks the token `upgrade`, or `Upgrade` is not exactly `websocket`.
        BadConnection = "bad_connection",
        /// The upgrade request announces a body.
        BodyWithUpgrade = "body_with_upgrade",
        /// The request asked for cleartext HTTP/2 (`Upgrade: h2c`); it was taken as plain HTTP.
        H2c = "h2c",
        /// The client sent bytes behind a handshake that did not succeed; they were dropped.
        EarlyData = "early_data",
        /// The upstream answered 101 to a request that asked for no upgrade.
        Unasked101 = "non_101_tunnel",
        /// The upstream's 101 has a wrong or no `Sec-WebSocket-Accept`, `Upgrade` or `Connection`.
        BadAccept = "bad_accept",
        /// The upstream selected a subprotocol that was not offered.
        BadSubprotocol = "bad_subprotocol",
        /// The upstream selected an extension that was not offered.
        BadExtension = "bad_extension",
    }
}

words! {
    /// Outcome of a gRPC call (grpc/grpc, doc/statuscodes.md), in the order of the codes' numbers.
    GrpcCode {
        /// 0: success.
        Ok = "OK",
        /// 1: cancelled, most often by the caller.
        Cancelled = "CANCELLED",
        /// 2: an error of which no more is known.
        Unknown = "UNKNOWN",
        /// 3: an argument that is wrong whatever the state of the service.
        InvalidArgument = "INVALID_ARGUMENT",
        /// 4: the deadline passed before the call was complete.
        DeadlineExceeded = "DEADLINE_EXCEEDED",
        /// 5: something that was asked for does not exist.
        NotFound = "NOT_FOUND",
        /// 6: something that was to be created exists.
        AlreadyExists = "ALREADY_EXISTS",
        /// 7: the caller, who is known, may not do this.
        PermissionDenied = "PERMISSION_DENIED",
        /// 8: a quota or a resource is used up.
        ResourceExhausted = "RESOURCE_EXHAUSTED",
        /// 9: the service is not in the state that the call needs.
        FailedPrecondition = "FAILED_PRECONDITION",
        /// 10: a conflict with something concurrent.
        Aborted = "ABORTED",
        /// 11: past the valid range.
        OutOfRange = "OUT_OF_RANGE",
        /// 12: the method is not implemented or not enabled.
        Unimplemented = "UNIMPLEMENTED",
        /// 13: an invariant of the service or of the transport is broken.
        Internal = "INTERNAL",
        /// 14: the service is not available now; calling again may help.
        Unavailable = "UNAVAILABLE",
        /// 15: data is lost or corrupt beyond recovery.
        DataLoss = "DATA_LOSS",
        /// 16: nobody knows who the caller is.
        Unauthenticated = "UNAUTHENTICATED",
    }
}

impl From<u32> for GrpcCode {
    /// A number that is no code is [`GrpcCode::Unknown`], as gRPC clients have it.
    fn from(number: u32) -> Self {
        nth(number).unwrap_or(GrpcCode::Unknown)
    }
}

words! {
    /// Error code of an HTTP/2 RST_STREAM or GOAWAY frame (RFC 9113, section 7), in the order of the codes'
    /// numbers.
    Http2Error {
        /// 0x00: no error; a graceful end.
        NoError = "NO_ERROR",
        /// 0x01: a breach of the protocol that has no code of its own.
        ProtocolError = "PROTOCOL_ERROR",
        /// 0x02: a fault of the endpoint.
        InternalError = "INTERNAL_ERROR",
        /// 0x03: the peer broke the rules of flow control.
        FlowControlError = "FLOW_CONTROL_ERROR",
        /// 0x04: the peer did not acknowledge SETTINGS in time.
        SettingsTimeout = "SETTINGS_TIMEOUT",
        /// 0x05: a frame for a stream that was half closed.
        StreamClosed = "STREAM_CLOSED",
        /// 0x06: a frame of an invalid size.
        FrameSizeError = "FRAME_SIZE_ERROR",
        /// 0x07: refused before anything was done for it.
        RefusedStream = "REFUSED_STREAM",
        /// 0x08: the stream is no longer needed.
        Cancel = "CANCEL",
        /// 0x09: the state of header compression is lost.
        CompressionError = "COMPRESSION_ERROR",
        /// 0x0a: the connection behind a CONNECT was reset or closed abnormally.
        ConnectError = "CONNECT_ERROR",
        /// 0x0b: the peer causes too much load.
        EnhanceYourCalm = "ENHANCE_YOUR_CALM",
        /// 0x0c: the transport is not secure enough.
        InadequateSecurity = "INADEQUATE_SECURITY",
        /// 0x0d: HTTP/1.1 is needed for this.
        Http11Required = "HTTP_1_1_REQUIRED",
        /// Any other number.
        Other = "other",
    }
}

impl From<u32> for Http2Error {
    fn from(number: u32) -> Self {
        nth(number).unwrap_or(Http2Error::Other)
    }
}

words! {
    /// What a CPU spends its time on (proc(5), `/proc/stat`); time of guests counts as user time.
    CpuMode {
        /// Programs.
        User = "user",
        /// Programs of low priority.
        Nice = "nice",
        /// The kernel.
        System = "system",
        /// Nothing.
        Idle = "idle",
        /// Nothing, while a task waits for I/O.
        Iowait = "iowait",
        /// Interrupts.
        Irq = "irq",
        /// Deferred work of interrupts, such as the network's.
        Softirq = "softirq",
        /// Other virtual machines.
        Steal = "steal",
    }
}

words! {
    /// What tasks wait for (pressure stall information).
    Resource {
        /// A CPU.
        Cpu = "cpu",
        /// Disks.
        Io = "io",
        /// Memory.
        Memory = "memory",
    }
}

/// The value at a position of [`Word::ALL`].
fn nth<W: Word>(number: u32) -> Option<W> {
    W::ALL.get(usize::try_from(number).ok()?).copied()
}

/// One value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct PerDirection<T> {
    /// From the client towards the upstream.
    pub client_to_server: T,
    /// From the upstream towards the client.
    pub server_to_client: T,
}

impl<T> PerDirection<T> {
    /// Builds both values from one function.
    pub fn from_fn(mut value: impl FnMut(Direction) -> T) -> Self {
        PerDirection {
            client_to_server: value(Direction::ClientToServer),
            server_to_client: value(Direction::ServerToClient),
        }
    }
}

/// One value for each leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct PerLeg<T> {
    /// Towards the client.
    pub client: T,
    /// Towards the upstream.
    pub upstream: T,
}

impl<T> PerLeg<T> {
    /// Builds both values from one function.
    pub fn from_fn(mut value: impl FnMut(Leg) -> T) -> Self {
        PerLeg { client: value(Leg::Client), upstream: value(Leg::Upstream) }
    }
}

impl<T> Index<Leg> for PerLeg<T> {
    type Output = T;

    fn index(&self, leg: Leg) -> &T {
        match leg {
            Leg::Client => &self.client,
            Leg::Upstream => &self.upstream,
        }
    }
}

impl<T> IndexMut<Leg> for PerLeg<T> {
    fn index_mut(&mut self, leg: Leg) -> &mut T {
        match leg {
            Leg::Client => &mut self.client,
            Leg::Upstream => &mut self.upstream,
        }
    }
}

impl<T> Index<Direction> for PerDirection<T> {
    type Output = T;

    fn index(&self, direction: Direction) -> &T {
        match direction {
            Direction::ClientToServer => &self.client_to_server,
            Direction::ServerToClient => &self.server_to_client,
        }
    }
}

impl<T> IndexMut<Direction> for PerDirection<T> {
    fn index_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ClientToServer => &mut self.client_to_server,
            Direction::ServerToClient => &mut self.server_to_client,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_one_spelling() {
        for (index, &reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert_eq!(serde_json::to_string(&reason).expect("serializes"), format!("\"{reason}\""));
        }
        assert_eq!(
            "sometimes".parse::<Direction>().expect_err("no direction"),
            "`sometimes` is none of client_to_server, server_to_client"
        );
    }

    #[test]
    fn numbers_of_the_wire() {
        let check = |number, grpc, http2| {
            assert_eq!(GrpcCode::from(number), grpc, "{number}");
            assert_eq!(Http2Error::from(number), http2, "{number}");
        };
        check(0, GrpcCode::Ok, Http2Error::NoError);
        check(1, GrpcCode::Cancelled, Http2Error::ProtocolError);
        check(8, GrpcCode::ResourceExhausted, Http2Error::Cancel);
        check(11, GrpcCode::OutOfRange, Http2Error::EnhanceYourCalm);
        check(13, GrpcCode::Internal, Http2Error::Http11Required);
        check(14, GrpcCode::Unavailable, Http2Error::Other);
        check(16, GrpcCode::Unauthenticated, Http2Error::Other);
        check(17, GrpcCode::Unknown, Http2Error::Other);
        check(u32::MAX, GrpcCode::Unknown, Http2Error::Other);
    }

    #[test]
    fn only_the_proxy_ends_by_policy() {
        let pairs: Vec<_> = Reason::pairs(Protocol::WebSocket).collect();
        assert!(pairs.contains(&(Initiator::Proxy, Reason::Shutdown)));
        assert!(!pairs.contains(&(Initiator::Client, Reason::Shutdown)));
        assert!(pairs.contains(&(Initiator::Upstream, Reason::Abnormal)));
        assert!(!pairs.iter().any(|(_, reason)| *reason == Reason::Truncated));
        assert!(Reason::pairs(Protocol::Sse).any(|pair| pair == (Initiator::Upstream, Reason::Truncated)));
    }
}
