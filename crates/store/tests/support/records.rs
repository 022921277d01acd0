//! Close records as a gateway makes them, all different and the same at every run.

use std::sync::Arc;

use model::event::CloseCode;
use model::record::{
    Cause, ClientAddress, CloseCodes, CloseRecord, GrpcFacts, Handshake, Http2Facts, IdleSeconds, What,
};
use model::{
    ConnectionId, GrpcCode, HandshakeResult, Initiator, Layer, Leg, PerDirection, PerLeg, Protocol, Reason,
    WallTime, Word,
};

const ROUTES: [&str; 4] = ["chat", "feed", "orders", "[odd]?"];

/// Mixes a number (Steele, Lea and Flood, "SplitMix").
pub fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn choice<T: Copy>(choices: &[T], number: u64) -> T {
    choices[(number % choices.len() as u64) as usize]
}

/// The record of this number, closed at this instant.
pub fn record(number: u64, closed_at: WallTime) -> Arc<CloseRecord> {
    let random = |salt: u64| mixed(number.wrapping_mul(31).wrapping_add(salt));
    let protocol = choice(Protocol::ALL, random(1) % 3);
    let result =
        if random(2).is_multiple_of(16) { HandshakeResult::Unreachable } else { HandshakeResult::Success };
    let is_established = result == HandshakeResult::Success;
    let duration_seconds = if is_established { (random(3) % 7_200_000) as f64 / 1000.0 } else { 0.0 };
    let reason = is_established.then(|| choice(Reason::ALL, random(4)));
    let address = random(5);
    let ip = if address.is_multiple_of(5) {
        [0x2001, 0xdb8, 0, (address >> 8) as u16 % 4, 0, 0, 0, (address >> 32) as u16].into()
    } else {
        [10, (address >> 8) as u8 % 3, (address >> 16) as u8, (address >> 24) as u8].into()
    };
    let cause =
        |leg, what| Cause { leg: Some(leg), layer: Layer::Tcp, what, code: None, error: None, at: closed_at };
    let sizes = |salt| PerDirection::from_fn(|direction| random(salt + direction as u64) % 100_000);
    Arc::new(CloseRecord {
        id: ConnectionId(random(6)),
        protocol,
        route: choice(&ROUTES, random(7) % 7).into(),
        client: ClientAddress {
            ip,
            port: (1024 + random(8) % 60_000) as u16,
            country: None,
            is_tryout: false,
        },
        user_agent: None,
        upstream: is_established.then(|| format!("http://10.0.0.{}:3000", random(9) % 6).into()),
        opened_at: WallTime(closed_at.0.saturating_sub((duration_seconds * 1e9) as u64)),
        closed_at,
        duration_seconds,
        handshake: Handshake {
            result,
            status: Some(if is_established { 101 } else { 502 }),
            seconds: (random(10) % 1000) as f64 / 10_000.0,
            connect_seconds: None,
            accepts_coding: false,
            detail: (!is_established).then(|| "connection refused".to_owned()),
            refused_by: None,
        },
        initiator: is_established.then(|| choice(Initiator::ALL, random(11))),
        layer: is_established.then(|| choice(Layer::ALL, random(12))),
        reason,
        causes: vec![cause(Leg::Client, What::Fin), cause(Leg::Upstream, What::Rst)],
        violations: PerDirection::default(),
        codes: CloseCodes {
            from_client: random(13).is_multiple_of(3).then_some(CloseCode(1000 + (random(14) % 12) as u16)),
            from_upstream: random(15).is_multiple_of(4).then_some(CloseCode(4000)),
        },
        idle_seconds: IdleSeconds { any: (random(16) % 60_000) as f64 / 1000.0, ..IdleSeconds::default() },
        messages: sizes(17),
        bytes: sizes(19),
        unsent_bytes: PerDirection::default(),
        unacked_bytes: PerDirection::default(),
        tcp: None,
        reconnect: None,
        events_per_read: None,
        event_stream: None,
        ping_rtt_seconds: PerLeg::default(),
        heartbeat: PerLeg::default(),
        grpc: (protocol == Protocol::Grpc).then(|| Box::new(grpc(random(21)))),
        queue: None,
    })
}

fn grpc(random: u64) -> GrpcFacts {
    let connection = Http2Facts { stream: (random % 1000) as u32, ..Http2Facts::default() };
    GrpcFacts {
        service: "shop.Orders".into(),
        method: choice(&["Watch", "List"], random).into(),
        code: choice(GrpcCode::ALL, random),
        message: None,
        not_grpc: None,
        deadline_seconds: Some(30.0),
        first_message_seconds: None,
        stalled_seconds: PerDirection::default(),
        client: connection.clone(),
        upstream: connection,
    }
}
