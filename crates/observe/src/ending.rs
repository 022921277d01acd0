//! From what was seen of an end to who ended the connection, at which layer, and why.
#![doc = include_str!("../../../docs/endings.md")]

use model::record::{Cause, What};
use model::{Http2Error, Initiator, Layer, Leg, Protocol, Reason};

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

    /// Notes a cause behind the earlier ones; drops it when there are [`CAUSES_MAX`] already.
    pub fn note(&mut self, cause: Cause) {
        if self.causes.len() < CAUSES_MAX {
            self.causes.push(cause);
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
        | What::HeartbeatTimeout
        | What::SlowConsumer
        | What::RateLimit
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
        (HeartbeatTimeout, ..) => Reason::HeartbeatTimeout,
        (SlowConsumer, ..) => Reason::SlowConsumer,
        (RateLimit, ..) => Reason::Limit,
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
