//! The table of the module, row by row, and what must hold of every cell.

use model::event::CloseCode;
use model::{WallTime, Word};

use super::*;

const ALL: [What; 15] = [
    What::CloseFrame,
    What::BodyEnd,
    What::BodyTruncated,
    What::Fin,
    What::Rst,
    What::TcpTimeout,
    What::TlsAlert,
    What::IdleTimeout,
    What::HalfCloseTimeout,
    What::HeartbeatTimeout,
    What::SlowConsumer,
    What::RateLimit,
    What::Drain,
    What::Operator,
    What::Internal,
];

fn ending(causes: &[(Option<Leg>, What, Option<u16>)]) -> Ending {
    let mut ending = Ending::new();
    for (second, &(leg, what, code)) in causes.iter().enumerate() {
        let (code, at) = (code.map(CloseCode), WallTime(second as u64));
        ending.note(Cause { leg, layer: layer_of(what), what, code, error: None, at });
    }
    ending
}

/// Each row: what, and what is expected as `initiator reason` on the client leg, on the upstream leg and on none.
#[track_caller]
fn check(protocol: Protocol, what: What, expected: [&str; 3]) {
    for (leg, expected) in [Some(Leg::Client), Some(Leg::Upstream), None].into_iter().zip(expected) {
        let (initiator, layer, reason) = ending(&[(leg, what, None)]).verdict(protocol).expect("one cause");
        assert_eq!(format!("{initiator} {reason}"), expected, "{what:?} on {leg:?} of {protocol}");
        assert_eq!(layer, layer_of(what));
    }
}

#[test]
fn the_table_for_websocket() {
    let check = |what, expected| check(Protocol::WebSocket, what, expected);
    check(What::CloseFrame, ["client no_status", "upstream no_status", "proxy other"]);
    check(What::BodyEnd, ["client other", "upstream other", "proxy other"]);
    check(What::BodyTruncated, ["client abnormal", "upstream abnormal", "proxy other"]);
    check(What::Fin, ["client abnormal", "upstream abnormal", "proxy other"]);
    check(What::Rst, ["client reset", "upstream reset", "proxy other"]);
    check(What::TcpTimeout, ["client timeout", "upstream timeout", "proxy other"]);
    check(What::TlsAlert, ["client other", "upstream other", "proxy other"]);
    check_policy(Protocol::WebSocket);
}

#[test]
fn the_table_for_sse() {
    let check = |what, expected| check(Protocol::Sse, what, expected);
    check(What::CloseFrame, ["client other", "upstream other", "proxy other"]);
    check(What::BodyEnd, ["client other", "upstream complete", "proxy other"]);
    check(What::BodyTruncated, ["client other", "upstream truncated", "proxy other"]);
    check(What::Fin, ["client client_closed", "upstream truncated", "proxy other"]);
    check(What::Rst, ["client reset", "upstream reset", "proxy other"]);
    check(What::TcpTimeout, ["client timeout", "upstream timeout", "proxy other"]);
    check(What::TlsAlert, ["client other", "upstream other", "proxy other"]);
    check_policy(Protocol::Sse);
}

#[track_caller]
fn check_policy(protocol: Protocol) {
    check(protocol, What::IdleTimeout, ["proxy timeout"; 3]);
    check(protocol, What::HalfCloseTimeout, ["proxy timeout"; 3]);
    check(protocol, What::HeartbeatTimeout, ["proxy heartbeat_timeout"; 3]);
    check(protocol, What::SlowConsumer, ["proxy slow_consumer"; 3]);
    check(protocol, What::RateLimit, ["proxy limit"; 3]);
    check(protocol, What::Drain, ["proxy shutdown"; 3]);
    check(protocol, What::Operator, ["proxy shutdown"; 3]);
    check(protocol, What::Internal, ["proxy other"; 3]);
}

#[test]
fn a_close_frame_says_why() {
    for (code, expected) in [
        (1000, Reason::Normal),
        (1001, Reason::GoingAway),
        (1006, Reason::Abnormal),
        (1011, Reason::InternalError),
        (1012, Reason::ServiceRestart),
        (3000, Reason::App),
        (4999, Reason::App),
        (0, Reason::Other),
        (5000, Reason::Other),
    ] {
        for leg in [Leg::Client, Leg::Upstream] {
            let verdict = ending(&[(Some(leg), What::CloseFrame, Some(code))]).verdict(Protocol::WebSocket);
            assert_eq!(verdict, Some((leg.into(), Layer::WebSocket, expected)), "{code}");
        }
    }
}

#[test]
fn the_first_cause_decides() {
    let (client, upstream) = (Some(Leg::Client), Some(Leg::Upstream));
    let check = |protocol, causes: &[_], initiator, layer, reason| {
        assert_eq!(ending(causes).verdict(protocol), Some((initiator, layer, reason)), "{causes:?}");
    };
    let close = (upstream, What::CloseFrame, Some(1001));
    let answer = (client, What::CloseFrame, Some(1000));
    let fin = (client, What::Fin, None);
    let rst = (upstream, What::Rst, None);
    let drain = (None, What::Drain, None);
    let late = (None, What::HalfCloseTimeout, None);
    const WS: Protocol = Protocol::WebSocket;
    check(WS, &[close, answer, fin], Initiator::Upstream, Layer::WebSocket, Reason::GoingAway);
    check(WS, &[answer, close, rst], Initiator::Client, Layer::WebSocket, Reason::Normal);
    check(WS, &[fin, close], Initiator::Client, Layer::Tcp, Reason::Abnormal);
    check(WS, &[fin, late], Initiator::Client, Layer::Tcp, Reason::Abnormal);
    check(WS, &[rst, fin], Initiator::Upstream, Layer::Tcp, Reason::Reset);
    check(WS, &[drain, answer, close], Initiator::Proxy, Layer::Policy, Reason::Shutdown);
    check(Protocol::Sse, &[fin, rst], Initiator::Client, Layer::Tcp, Reason::ClientClosed);
    check(Protocol::Sse, &[rst, fin], Initiator::Upstream, Layer::Tcp, Reason::Reset);
}

#[test]
fn every_verdict_is_exported_from_the_start() {
    let legs = [None, Some(Leg::Client), Some(Leg::Upstream)];
    for &protocol in Protocol::ALL {
        for (what, leg) in ALL.into_iter().flat_map(|what| legs.map(|leg| (what, leg))) {
            for code in [None, Some(0), Some(1000), Some(1005), Some(1006), Some(1015), Some(4000)] {
                let verdict = ending(&[(leg, what, code)]).verdict(protocol).expect("one cause");
                let pair = (verdict.0, verdict.2);
                let is_exported = Reason::pairs(protocol).any(|exported| exported == pair);
                assert!(is_exported, "{pair:?} of {what:?} on {leg:?} with {code:?} of {protocol}");
            }
        }
    }
}

#[test]
fn no_cause_no_verdict() {
    assert!(Ending::new().is_empty());
    assert_eq!(Ending::new().verdict(Protocol::Sse), None);
}

#[test]
fn the_first_causes_are_kept() {
    let mut ending = ending(&[(None, What::Drain, None)]);
    for second in 1..1000 {
        ending.note(Cause {
            leg: Some(Leg::Client),
            layer: Layer::Tcp,
            what: What::Rst,
            code: None,
            error: None,
            at: WallTime(second),
        });
    }
    let times: Vec<u64> = ending.into_causes().iter().map(|cause| cause.at.0).collect();
    assert_eq!(times, (0..CAUSES_MAX as u64).collect::<Vec<_>>());
}
