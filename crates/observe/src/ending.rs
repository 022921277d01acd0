//! From what was seen of an end to who ended the connection, at which layer, and why.
//!
//! The first cause that was seen decides; what follows is how the other side took it. One table:
//!
//! | first cause | on leg | initiator | reason for WebSocket | reason for SSE and gRPC |
//! |---|---|---|---|---|
//! | Close frame | either | that leg | by its code; without a code `no_status` | does not occur |
//! | FIN | client | client | `abnormal` | `client_closed` |
//! | FIN, or body cut short | upstream | upstream | `abnormal` | `truncated` |
//! | end of the body | upstream | upstream | does not occur | `complete` |
//! | RST_STREAM with CANCEL or NO_ERROR | client | client | does not occur | `client_closed` |
//! | RST_STREAM, or GOAWAY with an error | either | that leg | does not occur | `reset` |
//! | RST | either | that leg | `reset` | `reset` |
//! | time-out of TCP | either | that leg | `timeout` | `timeout` |
//! | TLS failure | either | that leg | `other` | `other` |
//! | idle or half-close limit | any | proxy | `timeout` | `timeout` |
//! | slow consumer | any | proxy | `slow_consumer` | `slow_consumer` |
//! | drain, operator | any | proxy | `shutdown` | `shutdown` |
//! | a fault of the gateway | any | proxy | `other` | `other` |
//!
//! "That leg" is the next hop on it, which need not be the application or the user. A decision of the gateway is
//! the gateway's, on whatever leg it was taken; what peers do is nobody's but theirs. A half-close limit follows
//! the FIN of one side, so it is first only where that FIN was not noted. What "does not occur", or has no leg
//! where it needs one, is `other`.

use model::event::CloseCode;
use model::record::{Cause, What};
use model::{Http2Error, Initiator, Layer, Leg, Protocol, Reason, WallTime};

/// More causes than this add nothing that anyone would read.
pub const CAUSES_MAX: usize = 16;

/// What was seen of the end of one connection, in the order in which it was seen. Allocates on the first cause.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    causes: Vec<Cause>,
}

impl Ending {
    /// Nothing was seen yet.
    pub fn new() -> Ending {
        Ending::default()
    }

    /// Notes a cause behind the earlier ones; drops it when there are [`CAUSES_MAX`] already. `leg` is none for a
    /// decision of the gateway, `code` is that of a Close frame.
    pub fn note(&mut self, leg: Option<Leg>, what: What, code: Option<CloseCode>, at: WallTime) {
        if self.causes.len() < CAUSES_MAX {
            self.causes.push(Cause { leg, layer: layer_of(what), what, code, error: None, at });
        }
    }

    /// Whether nothing was seen yet.
    pub fn is_empty(&self) -> bool {
        self.causes.is_empty()
    }

    /// See [`verdict`].
    pub fn verdict(&self, protocol: Protocol) -> Option<(Initiator, Layer, Reason)> {
        verdict(protocol, &self.causes)
    }

    /// The causes, for the close record.
    pub fn into_causes(self) -> Vec<Cause> {
        self.causes
    }
}

/// Who ended the connection, at which layer, and why, by the table of this module; none when there is no cause.
pub fn verdict(protocol: Protocol, causes: &[Cause]) -> Option<(Initiator, Layer, Reason)> {
    let first = causes.first()?;
    Some((initiator(first), first.layer, reason(protocol, first)))
}

/// The layer at which a cause is seen.
pub fn layer_of(what: What) -> Layer {
    match what {
        What::CloseFrame => Layer::WebSocket,
        What::BodyEnd | What::BodyTruncated | What::RstStream | What::GoAway => Layer::Http,
        What::TlsAlert => Layer::Tls,
        What::Fin | What::Rst | What::TcpTimeout => Layer::Tcp,
        What::IdleTimeout
        | What::HalfCloseTimeout
        | What::SlowConsumer
        | What::Drain
        | What::Operator
        | What::Internal => Layer::Policy,
    }
}

fn initiator(cause: &Cause) -> Initiator {
    match (layer_of(cause.what), cause.leg) {
        (Layer::Policy, _) | (_, None) => Initiator::Proxy,
        (_, Some(leg)) => leg.into(),
    }
}

fn is_cancel(cause: &Cause) -> bool {
    matches!(cause.error, Some(Http2Error::Cancel | Http2Error::NoError))
}

fn reason(protocol: Protocol, cause: &Cause) -> Reason {
    use What::*;
    match (cause.what, protocol, cause.leg) {
        (IdleTimeout | HalfCloseTimeout, ..) => Reason::Timeout,
        (SlowConsumer, ..) => Reason::SlowConsumer,
        (Drain | Operator, ..) => Reason::Shutdown,
        (CloseFrame, Protocol::WebSocket, Some(_)) => cause.code.map_or(Reason::NoStatus, Reason::from),
        (Fin | BodyTruncated, Protocol::WebSocket, Some(_)) => Reason::Abnormal,
        (Fin, Protocol::Sse | Protocol::Grpc, Some(Leg::Client)) => Reason::ClientClosed,
        (Fin | BodyTruncated, Protocol::Sse | Protocol::Grpc, Some(Leg::Upstream)) => Reason::Truncated,
        (BodyEnd, Protocol::Sse | Protocol::Grpc, Some(Leg::Upstream)) => Reason::Complete,
        (RstStream, _, Some(Leg::Client)) if is_cancel(cause) => Reason::ClientClosed,
        (Rst | RstStream | GoAway, _, Some(_)) => Reason::Reset,
        (TcpTimeout, _, Some(_)) => Reason::Timeout,
        (TlsAlert | Internal, ..)
        | (CloseFrame | BodyEnd | BodyTruncated | Fin | Rst | RstStream | GoAway | TcpTimeout, ..) => {
            Reason::Other
        }
    }
}

#[cfg(test)]
mod tests;
