//! What the guard decides on who comes in, and why: the label values of `heartline_admissions_total`.

use crate::words;

words! {
    /// What was decided.
    Decision {
        /// An attempt went on to an upstream.
        Admitted = "admitted",
        /// An attempt was turned away.
        Refused = "refused",
        /// An attempt went on that would have been turned away without `dry_run`.
        WouldRefuse = "would_refuse",
        /// A connection that carries more than it may was held back for a while.
        Delayed = "delayed",
        /// A connection that carries more than it may was closed.
        Closed = "closed",
    }
}

words! {
    /// Which limit decided.
    AdmissionReason {
        /// None: it was within all of them.
        Within = "within_limits",
        /// None: the client is in one of the networks that limits do not hold for.
        Exempt = "exempt",
        /// Connections of the route that are open at once.
        Connections = "connections",
        /// New connections of the route in a time.
        NewConnections = "new_connections",
        /// Connections of one client that are open at once.
        ClientConnections = "client_connections",
        /// New connections of one client in a time.
        ClientNewConnections = "client_new_connections",
        /// Connections of the whole gateway that are open at once.
        GatewayConnections = "gateway_connections",
        /// New connections of the whole gateway in a time.
        GatewayNewConnections = "gateway_new_connections",
        /// Openings towards the upstreams of the route that are under way at once.
        Handshakes = "handshakes",
        /// Openings towards all upstreams that are under way at once.
        GatewayHandshakes = "gateway_handshakes",
        /// A limit that several gateways hold together could not be asked for.
        Unknown = "unknown",
        /// Messages that one connection carries in a time.
        Messages = "messages",
        /// Bytes that one connection carries in a time.
        Bytes = "bytes",
    }
}

impl AdmissionReason {
    /// The decisions that it can come with.
    pub fn decisions(self) -> &'static [Decision] {
        use AdmissionReason::*;
        match self {
            Within | Exempt => &[Decision::Admitted],
            Messages | Bytes => &[Decision::Delayed, Decision::Closed, Decision::WouldRefuse],
            _ => &[Decision::Refused, Decision::WouldRefuse],
        }
    }

    /// Whether so much came in a time, or from one client, that it is told 429 (RFC 6585, section 4); else the gateway or
    /// the service is full, which is 503.
    pub fn is_too_many_requests(self) -> bool {
        use AdmissionReason::*;
        matches!(self, NewConnections | ClientConnections | ClientNewConnections | GatewayNewConnections)
    }

    /// The setting that holds the limit, below `routes[]` where it is a route's; none where it is none.
    pub fn setting(self) -> Option<&'static str> {
        use AdmissionReason::*;
        Some(match self {
            Within | Exempt => return None,
            Connections | GatewayConnections => "limits.connections",
            NewConnections | GatewayNewConnections => "limits.new_connections",
            ClientConnections => "limits.per_client.connections",
            ClientNewConnections => "limits.per_client.new_connections",
            Handshakes | GatewayHandshakes => "limits.handshakes",
            Unknown => "shared_limits.on_failure",
            Messages => "limits.messages",
            Bytes => "limits.bytes",
        })
    }
}
