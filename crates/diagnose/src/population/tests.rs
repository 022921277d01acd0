//! Populations made up for tests, in words.

use std::cell::RefCell;
use std::sync::Arc;

use model::event::CloseCode;
use model::finding::{Level, Place};
use model::record::{Cause, ClientAddress, CloseCodes, CloseRecord, Handshake, IdleSeconds, What};
use model::tcp::{TcpFacts, TcpSample};
use model::{
    ConnectionId, HandshakeResult, Initiator, Layer, Leg, PerDirection, PerLeg, Protocol, Reason, WallTime,
};

use super::*;

/// When the populations of tests are looked at.
pub(crate) const NOW: f64 = 1_800_000_000.0;

/// A record under construction: a WebSocket at `http://a` that ends now after a minute, silent for a second, by FIN of
/// the upstream.
#[derive(Clone)]
pub(crate) struct Made(CloseRecord);

pub(crate) fn at(seconds: f64) -> WallTime {
    WallTime((seconds * 1e9) as u64)
}

/// The record number `number`.
pub(crate) fn end(number: u64) -> Made {
    let record = CloseRecord {
        id: ConnectionId(number.wrapping_mul(0x1234_5678_9abc_def1)),
        protocol: Protocol::WebSocket,
        route: "chat".into(),
        client: ClientAddress {
            ip: [10, 0, (number % 200) as u8, 7].into(),
            port: 40_000,
            country: None,
            is_tryout: false,
        },
        user_agent: None,
        upstream: Some("http://a".into()),
        opened_at: at(NOW - 60.0),
        closed_at: at(NOW),
        duration_seconds: 60.0,
        handshake: Handshake {
            result: HandshakeResult::Success,
            status: Some(101),
            seconds: 0.01,
            connect_seconds: None,
            accepts_coding: false,
            detail: None,
            refused_by: None,
        },
        initiator: None,
        layer: None,
        reason: None,
        causes: Vec::new(),
        codes: CloseCodes::default(),
        violations: PerDirection::default(),
        idle_seconds: IdleSeconds { any: 1.0, data: 1.0, client_to_server: 1.0, server_to_client: 1.0 },
        messages: PerDirection::default(),
        bytes: PerDirection::default(),
        unsent_bytes: PerDirection::default(),
        unacked_bytes: PerDirection::default(),
        tcp: None,
        reconnect: None,
        events_per_read: None,
        event_stream: None,
        ping_rtt_seconds: PerLeg::default(),
        heartbeat: PerLeg::default(),
        grpc: None,
        queue: None,
    };
    Made(record).by(Leg::Upstream, What::Fin, Reason::Abnormal)
}

impl Made {
    /// How it ended.
    pub(crate) fn by(mut self, leg: Leg, what: What, reason: Reason) -> Made {
        let initiator = Initiator::from(leg);
        (self.0.initiator, self.0.layer, self.0.reason) = (Some(initiator), Some(Layer::Tcp), Some(reason));
        let at = self.0.closed_at;
        self.0.causes = vec![Cause { leg: Some(leg), layer: Layer::Tcp, what, code: None, error: None, at }];
        self
    }

    /// A Close frame ended it.
    pub(crate) fn close(mut self, leg: Leg, code: u16) -> Made {
        self = self.by(leg, What::CloseFrame, CloseCode(code).into());
        match leg {
            Leg::Client => self.0.codes.from_client = Some(CloseCode(code)),
            Leg::Upstream => self.0.codes.from_upstream = Some(CloseCode(code)),
        }
        self
    }

    /// So long ago, after so many seconds, silent for so many before.
    pub(crate) fn lived(mut self, ago: f64, age: f64, silence: f64) -> Made {
        self.0.closed_at = at(NOW - ago);
        self.0.opened_at = at(NOW - ago - age);
        self.0.duration_seconds = age;
        self.0.idle_seconds =
            IdleSeconds { any: silence, data: silence, client_to_server: silence, server_to_client: silence };
        self
    }

    /// What the kernel told of a leg at the end.
    pub(crate) fn tcp(self, leg: Leg, close: TcpSample) -> Made {
        let facts = TcpFacts {
            shared: false,
            open: TcpSample::default(),
            last: None,
            close: Some(close),
            acks: None,
        };
        self.with(|record| {
            let legs = record.tcp.get_or_insert_default();
            match leg {
                Leg::Client => legs.client = Some(facts),
                Leg::Upstream => legs.upstream = Some(facts),
            }
        })
    }

    pub(crate) fn upstream(mut self, url: &str) -> Made {
        self.0.upstream = Some(url.into());
        self
    }

    /// Changes anything.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut CloseRecord)) -> Made {
        change(&mut self.0);
        self
    }

    pub(crate) fn made(self) -> Arc<CloseRecord> {
        Arc::new(self.0)
    }
}

/// What the causes say of these records; each can be told in each language.
pub(crate) fn judged(records: impl Iterator<Item = Made>) -> Vec<model::finding::Finding> {
    let mut watch = Watch::new(WatchOptions::default());
    let mut records: Vec<_> = records.map(Made::made).collect();
    records.sort_by_key(|record| record.closed_at);
    records.into_iter().for_each(|record| watch.closed(record));
    let findings = watch.judge(at(NOW));
    findings.iter().for_each(crate::scene::can_be_told);
    findings
}

/// What is said of one cause.
pub(crate) fn said_of(id: &str, records: impl Iterator<Item = Made>) -> Option<model::finding::Finding> {
    judged(records).into_iter().find(|finding| finding.id == id)
}

/// How sure it is, and where it is looked for.
pub(crate) fn told_of(id: &str, records: impl Iterator<Item = Made>) -> Option<(Level, Place)> {
    said_of(id, records).map(|finding| (finding.level, finding.place))
}

/// Codes of the sentences that speak for it.
pub(crate) fn evidence_of(id: &str, records: impl Iterator<Item = Made>) -> Vec<String> {
    let said = said_of(id, records).into_iter().flat_map(|finding| finding.evidence);
    said.map(|said| said.code.to_string()).collect()
}

/// What the causes say of these records on machines that say so.
pub(crate) fn judged_on(
    records: impl Iterator<Item = Made>,
    host: HostFacts,
) -> Vec<model::finding::Finding> {
    let mut watch = Watch::new(WatchOptions::default());
    watch.look(std::iter::empty(), Some(host));
    records.map(Made::made).for_each(|record| watch.closed(record));
    let findings = watch.judge(at(NOW));
    findings.iter().for_each(crate::scene::can_be_told);
    findings
}

/// An attempt that failed after so many seconds.
pub(crate) fn failed(number: u64, result: HandshakeResult, seconds: f64, detail: &str) -> Made {
    end(number).with(|record| {
        record.handshake = Handshake {
            result,
            status: Some(502),
            seconds,
            connect_seconds: None,
            accepts_coding: false,
            detail: Some(detail.to_owned()),
            refused_by: None,
        };
        (record.initiator, record.reason, record.duration_seconds) = (None, None, 0.0);
    })
}

/// A number that looks random, from 0 to 1, for each number.
pub(crate) fn random(number: u64) -> f64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[test]
fn what_is_kept_is_bounded() {
    let mut watch =
        Watch::new(WatchOptions { records_max: 100, populations_max: 2, ..WatchOptions::default() });
    for number in 0..10_000 {
        watch.closed(end(number).made());
        watch.closed(end(number).with(|record| record.route = format!("r{number}").into()).made());
    }
    assert!(watch.records() <= 101, "{}", watch.records());
    assert!(watch.left_out() > 9_000);
}

#[test]
fn what_is_old_is_forgotten() {
    let mut watch = Watch::new(WatchOptions::default());
    watch.closed(end(1).made());
    watch.judge(at(NOW + 700.0));
    assert_eq!(watch.records(), 0);
}

#[test]
fn what_something_ended_of_is_to_be_looked_at() {
    let mut watch = Watch::new(WatchOptions::default());
    assert_eq!(watch.populations(), []);
    watch.closed(end(1).made());
    watch.closed(end(2).made());
    assert_eq!(watch.populations(), [("chat".into(), Protocol::WebSocket)]);
    watch.judge(at(NOW + 700.0));
    assert_eq!(watch.populations(), []);
}

#[test]
fn random_ends_have_no_timer_and_no_clump() {
    for seed in 0..50 {
        let records: Vec<_> = (0..200)
            .map(|number| {
                let r = |part: u64| random(seed * 10_000 + number * 10 + part);
                let age = 600.0 * r(0);
                end(number).lived(590.0 * r(1), age, age * r(2)).made()
            })
            .collect();
        let population = Population {
            claimed: RefCell::default(),
            known: Known::default(),
            route: "chat".into(),
            protocol: Protocol::WebSocket,
            now: at(NOW),
            ends: records.iter().map(AsRef::as_ref).collect(),
            orderly: Vec::new(),
            failed: Vec::new(),
            given_up: Vec::new(),
            refused: Vec::new(),
            weight: 1.0,
            open: &[],
            told: &[],
            host: None,
            own_heartbeat: None,
        };
        assert!(population.timers().is_empty(), "seed {seed}");
        assert!(population.clumps().is_empty(), "seed {seed}");
    }
}
