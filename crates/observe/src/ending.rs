//! From what was seen of an end to who ended the connection, at which layer, and why.
//!
//! The first cause that was seen decides; what follows is how the other side took it. One table:
//!
//! | first cause | on leg | initiator | reason for WebSocket | reason for SSE |
//! |---|---|---|---|---|
//! | Close frame | either | that leg | by its code; without a code `no_status` | does not occur |
//! | FIN | client | client | `abnormal` | `client_closed` |
//! | FIN, or body cut short | upstream | upstream | `abnormal` | `truncated` |
//! | end of the body | upstream | upstream | does not occur | `complete` |
//! | RST | either | that leg | `reset` | `reset` |
//! | time-out of TCP | either | that leg | `timeout` | `timeout` |
//! | TLS alert | either | that leg | `other` | `other` |
//! | idle or half-close limit | | proxy | `timeout` | `timeout` |
//! | slow consumer | | proxy | `slow_consumer` | `slow_consumer` |
//! | drain, operator | | proxy | `shutdown` | `shutdown` |
//! | a fault of the gateway | | proxy | `other` | `other` |
//!
//! "That leg" is the next hop on it, which need not be the application or the user. What "does not occur" is
//! counted as `other`.

use model::record::{Cause, What};
use model::{Initiator, Layer, Leg, Protocol, Reason};

/// What the causes of an end, in the order in which they were seen, say of it; none when there is no cause.
pub fn verdict(protocol: Protocol, causes: &[Cause]) -> Option<(Initiator, Layer, Reason)> {
    let first = causes.first()?;
    let initiator = first.leg.map_or(Initiator::Proxy, Initiator::from);
    Some((initiator, first.layer, reason(protocol, first)))
}

fn reason(protocol: Protocol, cause: &Cause) -> Reason {
    match (cause.what, protocol, cause.leg) {
        (What::CloseFrame, Protocol::WebSocket, Some(_)) => cause.code.map_or(Reason::NoStatus, Reason::from),
        (What::Fin | What::BodyTruncated, Protocol::WebSocket, Some(_)) => Reason::Abnormal,
        (What::Fin, Protocol::Sse, Some(Leg::Client)) => Reason::ClientClosed,
        (What::Fin | What::BodyTruncated, Protocol::Sse, Some(Leg::Upstream)) => Reason::Truncated,
        (What::BodyEnd, Protocol::Sse, Some(Leg::Upstream)) => Reason::Complete,
        (What::Rst, _, Some(_)) => Reason::Reset,
        (What::TcpTimeout, _, Some(_)) | (What::IdleTimeout | What::HalfCloseTimeout, _, None) => {
            Reason::Timeout
        }
        (What::SlowConsumer, _, None) => Reason::SlowConsumer,
        (What::Drain | What::Operator, _, None) => Reason::Shutdown,
        _ => Reason::Other,
    }
}

/// The layer at which a cause is seen.
pub fn layer_of(what: What) -> Layer {
    match what {
        What::CloseFrame => Layer::WebSocket,
        What::BodyEnd | What::BodyTruncated => Layer::Http,
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

#[cfg(test)]
mod tests {
    use model::WallTime;
    use model::event::CloseCode;

    use super::*;

    fn cause(leg: Option<Leg>, what: What, code: Option<u16>) -> Cause {
        Cause { leg, layer: layer_of(what), what, code: code.map(CloseCode), at: WallTime(0) }
    }

    #[track_caller]
    fn check(
        protocol: Protocol,
        leg: Option<Leg>,
        what: What,
        code: Option<u16>,
        expected: (Initiator, Reason),
    ) {
        let second = cause(Some(Leg::Client), What::Rst, None);
        let (initiator, layer, reason) =
            verdict(protocol, &[cause(leg, what, code), second]).expect("there are causes");
        assert_eq!((initiator, reason), expected);
        assert_eq!(layer, layer_of(what));
        assert!(
            Reason::pairs(protocol).any(|pair| pair == expected),
            "{expected:?} is exported from the start"
        );
    }

    #[test]
    fn the_table() {
        use Initiator::{Client, Proxy, Upstream};
        const WS: Protocol = Protocol::WebSocket;
        const SSE: Protocol = Protocol::Sse;
        let client = Some(Leg::Client);
        let upstream = Some(Leg::Upstream);
        check(WS, client, What::CloseFrame, Some(1000), (Client, Reason::Normal));
        check(WS, upstream, What::CloseFrame, Some(1011), (Upstream, Reason::InternalError));
        check(WS, upstream, What::CloseFrame, Some(4000), (Upstream, Reason::App));
        check(WS, client, What::CloseFrame, None, (Client, Reason::NoStatus));
        check(WS, client, What::Fin, None, (Client, Reason::Abnormal));
        check(WS, upstream, What::Fin, None, (Upstream, Reason::Abnormal));
        check(SSE, client, What::Fin, None, (Client, Reason::ClientClosed));
        check(SSE, upstream, What::Fin, None, (Upstream, Reason::Truncated));
        check(SSE, upstream, What::BodyTruncated, None, (Upstream, Reason::Truncated));
        check(SSE, upstream, What::BodyEnd, None, (Upstream, Reason::Complete));
        for protocol in [WS, SSE] {
            check(protocol, client, What::Rst, None, (Client, Reason::Reset));
            check(protocol, upstream, What::Rst, None, (Upstream, Reason::Reset));
            check(protocol, client, What::TcpTimeout, None, (Client, Reason::Timeout));
            check(protocol, upstream, What::TlsAlert, None, (Upstream, Reason::Other));
            check(protocol, None, What::IdleTimeout, None, (Proxy, Reason::Timeout));
            check(protocol, None, What::HalfCloseTimeout, None, (Proxy, Reason::Timeout));
            check(protocol, None, What::SlowConsumer, None, (Proxy, Reason::SlowConsumer));
            check(protocol, None, What::Drain, None, (Proxy, Reason::Shutdown));
            check(protocol, None, What::Operator, None, (Proxy, Reason::Shutdown));
            check(protocol, None, What::Internal, None, (Proxy, Reason::Other));
        }
    }

    #[test]
    fn no_cause_no_verdict() {
        assert_eq!(verdict(Protocol::Sse, &[]), None);
    }
}
