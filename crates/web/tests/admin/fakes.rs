//! Ports that answer what a test wants.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alert::delivery::{AgainError, Delivery, DeliveryList};
use alert::dispatch::{
    AlertGroup, AlertsQuery, Explained, GettableAlert, GettableSilence, PostedAlert, PostedSilence,
    ReceiverName, SilenceError,
};
use alert::escalation::{AckError, IncidentView, State as IncidentState};
use meter::cells::Counts;
use model::event::CloseCode;
use model::examination::{Asked, Denial, Examined};
use model::finding::{Coverage, Doubt, Finding, Grounds, Level, Place, Said, Severity, Vantage};
use model::host::{AcceptQueue, HostFacts};
use model::journal::{
    EndedRange, Journal, JournalCount, JournalEntry, JournalError, JournalPage, JournalQuery, LostConnection,
    Opening,
};
use model::live::{Backlog, LiveConnection, LiveState};
use model::overview::{Overview, RouteNow};
use model::ports::{
    Connections, Examinations, Findings, History, Hosts, Metrics, MetricsFormat, Operations, Overviews,
    Probes, Received, Recordings, Rules, Workings,
};
use model::probe::{Fault, Outcome, ProbeRun, ProbeStage, ProbeView, Refusal, StageName};
use model::record::{Cause, ClientAddress, CloseCodes, CloseRecord, Handshake, IdleSeconds, What};
use model::recording::{Happening, Recorded, Recording};
use model::rules::{AlertView, GroupView, RuleView, State};
use model::series::{Labels, Matcher, ReadError, Sample, Series, SeriesSource, TimeRange};
use model::system::{Limit, LimitedResource, Setting, SettingSource, SystemFacts};
use model::{
    ConnectionId, Direction, HandshakeResult, Initiator, Layer, Leg, Opcode, PerDirection, Protocol, Reason,
    TryoutRefused, WallTime,
};
use web::body::TryoutRoute;
use web::{About, Alertmanager, Incidents, Ports, Tryouts};

/// A name that would run in a page that does not escape it.
pub(crate) const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"\u{1b}[31m\r\nX: y";

/// 1,000 open and 300 closed connections. Open ones have ids 0.., closed ones 1,000,000...
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) reloads: AtomicU64,
    pub(crate) is_broken: AtomicBool,
    pub(crate) panics: AtomicBool,
    pub(crate) is_behind: AtomicBool,
    pub(crate) has_no_history: AtomicBool,
    pub(crate) received: Mutex<Vec<(Labels, Sample)>>,
    pub(crate) told: Mutex<Vec<String>>,
    pub(crate) doubt: Mutex<Option<Doubt>>,
    /// The gateway's ends of the connections that were tried, and whom they are from.
    pub(crate) entered: Mutex<Vec<(TcpStream, SocketAddr, ConnectionId)>>,
    pub(crate) tryouts_refused: Arc<Counts<TryoutRefused>>,
}

impl Fake {
    pub(crate) fn ports(self: &Arc<Fake>) -> Ports {
        Ports {
            connections: Arc::clone(self) as Arc<dyn Connections>,
            recordings: Arc::clone(self) as Arc<dyn Recordings>,
            metrics: Arc::clone(self) as Arc<dyn Metrics>,
            overviews: Arc::clone(self) as Arc<dyn Overviews>,
            hosts: Arc::clone(self) as Arc<dyn Hosts>,
            workings: Arc::clone(self) as Arc<dyn Workings>,
            operations: Arc::clone(self) as Arc<dyn Operations>,
            history: Arc::clone(self) as Arc<dyn History>,
            promql: promql::Options {
                features: [promql::Feature::DurationExpressions].into_iter().collect(),
                ..promql::Options::default()
            },
            engine: None,
            rules: Arc::clone(self) as Arc<dyn Rules>,
            alertmanager: Arc::clone(self) as Arc<dyn Alertmanager>,
            incidents: Arc::clone(self) as Arc<dyn Incidents>,
            findings: Arc::clone(self) as Arc<dyn Findings>,
            probes: Arc::clone(self) as Arc<dyn Probes>,
            examinations: Arc::clone(self) as Arc<dyn Examinations>,
            tryouts: Arc::clone(self) as Arc<dyn Tryouts>,
            journal: Some(Arc::clone(self) as Arc<dyn Journal>),
            queries: Arc::default(),
            tryouts_refused: Arc::clone(&self.tryouts_refused),
            about: About { version: "1.2.3".to_owned(), started_at: second(0) },
        }
    }
}

/// An incident of each state, by number: 1 open, 2 acknowledged, 3 closed.
fn incident(number: u64) -> Option<IncidentView> {
    let state = match number {
        1 => IncidentState::Open,
        2 => IncidentState::Acked,
        3 => IncidentState::Closed,
        _ => return None,
    };
    Some(IncidentView {
        number,
        group_key: HOSTILE.to_owned(),
        policy: "critical".to_owned(),
        state,
        opened_at_ms: 1000,
        closed_at_ms: (state == IncidentState::Closed).then_some(2000),
        is_paused: false,
        is_delegated: false,
        acked_by: (state == IncidentState::Acked).then(|| "Ann".to_owned()),
        told: vec!["team".to_owned()],
        next_step: None,
        next_at_ms: None,
        alerts: 1,
    })
}

impl Incidents for Fake {
    fn is_link(&self, _: u64, _: i64, signature: &str) -> bool {
        signature == "good"
    }

    fn incidents(&self) -> Vec<IncidentView> {
        [3, 2, 1].into_iter().filter_map(incident).collect()
    }

    fn incident(&self, number: u64) -> Option<IncidentView> {
        incident(number)
    }

    fn ack(&self, number: u64, by: &str, _: &str) -> Result<IncidentView, AckError> {
        let incident = incident(number).ok_or(AckError::Unknown)?;
        match incident.state {
            IncidentState::Open => {
                Ok(IncidentView { state: IncidentState::Acked, acked_by: Some(by.to_owned()), ..incident })
            }
            IncidentState::Acked => Err(AckError::Acked(incident.acked_by.unwrap_or_default())),
            IncidentState::Closed => Err(AckError::Closed),
        }
    }
}

impl Alertmanager for Fake {
    fn take(&self, _: Vec<PostedAlert>) -> Vec<String> {
        Vec::new()
    }

    fn alerts(&self, _: &AlertsQuery) -> Vec<GettableAlert> {
        Vec::new()
    }

    fn groups(&self, _: &AlertsQuery) -> Vec<AlertGroup> {
        Vec::new()
    }

    fn receivers(&self) -> Vec<ReceiverName> {
        vec![ReceiverName { name: HOSTILE.to_owned() }]
    }

    fn silences(&self, _: &[alert::alertmanager::Matcher]) -> Vec<GettableSilence> {
        Vec::new()
    }

    fn silence(&self, _: &str) -> Option<GettableSilence> {
        None
    }

    fn set_silence(&self, _: PostedSilence) -> Result<String, SilenceError> {
        Ok("id".to_owned())
    }

    fn expire_silence(&self, _: &str) -> Result<(), SilenceError> {
        Err(SilenceError::Unknown)
    }

    fn suspects(&self, _: u64) -> Vec<Finding> {
        self.active()
    }

    fn explain(&self, _: u64) -> Option<Explained> {
        None
    }

    fn deliveries(&self) -> DeliveryList {
        let items = vec![Delivery::of(HOSTILE, "slack", &[], 1000)];
        DeliveryList { total: items.len(), items, channels: vec![] }
    }

    fn send_again(&self, number: u64) -> Result<(), AgainError> {
        match number {
            1 => Ok(()),
            2 => Err(AgainError::NotRepeatable),
            3 => Err(AgainError::Over),
            4 => Err(AgainError::TooSoon),
            _ => Err(AgainError::Unknown),
        }
    }

    fn configuration(&self) -> String {
        HOSTILE.to_owned()
    }
}

impl Rules for Fake {
    fn groups(&self) -> Vec<Arc<GroupView>> {
        let alert = AlertView {
            labels: BTreeMap::from([("alertname".to_owned(), HOSTILE.to_owned())]),
            annotations: BTreeMap::new(),
            state: State::Firing,
            active_at: "2026-01-28T00:00:00Z".to_owned(),
            keep_firing_since: None,
            value: "1e+00".to_owned(),
        };
        let recording = RuleView::Recording {
            name: "r".to_owned(),
            query: "up".to_owned(),
            labels: BTreeMap::new(),
            health: "unknown",
            last_error: None,
            evaluation_time: 0.0,
            last_evaluation: "0001-01-01T00:00:00Z".to_owned(),
        };
        let alerting = RuleView::Alerting {
            state: "firing".to_owned(),
            name: HOSTILE.to_owned(),
            query: "up == 0".to_owned(),
            duration: 60.0,
            keep_firing_for: 0.0,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            alerts: vec![alert],
            health: "ok",
            last_error: None,
            evaluation_time: 0.5,
            last_evaluation: "2026-01-28T00:00:00Z".to_owned(),
        };
        vec![Arc::new(GroupView {
            name: "g".to_owned(),
            file: "f.yml".to_owned(),
            rules: vec![recording, alerting],
            interval: 60.0,
            limit: 0,
            evaluation_time: 0.5,
            last_evaluation: "2026-01-28T00:00:00Z".to_owned(),
        })]
    }
}

pub(crate) fn second(seconds: u64) -> WallTime {
    WallTime::default() + Duration::from_secs(seconds)
}

fn live(n: u64) -> LiveConnection {
    let waiting =
        Backlog { messages: n % 3, bytes: n % 3 * 100, oldest_age_seconds: (n % 3) as f64, socket: None };
    LiveConnection {
        id: ConnectionId(n),
        protocol: if n.is_multiple_of(4) { Protocol::Sse } else { Protocol::WebSocket },
        route: if n == 7 { HOSTILE.into() } else { "chat".into() },
        client: ClientAddress { ip: [192, 0, 2, 7].into(), port: 1024, country: None, is_tryout: false },
        user_agent: None,
        upstream: "http://10.0.0.1:3000".into(),
        opened_at: second(n),
        age_seconds: (1000 - n) as f64,
        // A permutation of 0..1000, so that no order is the order of ids.
        idle_seconds: (n * 37 % 1000) as f64,
        messages: PerDirection { client_to_server: n, server_to_client: 0 },
        bytes: PerDirection::default(),
        backlog: PerDirection { server_to_client: waiting, ..PerDirection::default() },
        state: if n.is_multiple_of(10) { LiveState::Slow } else { LiveState::Open },
        tcp: None,
        reconnect: None,
        ping_rtt_seconds: Default::default(),
        heartbeat: Default::default(),
        queue: None,
    }
}

fn closed(n: u64) -> CloseRecord {
    let refused = n.is_multiple_of(3);
    let reason = if n.is_multiple_of(2) { Reason::Abnormal } else { Reason::Normal };
    CloseRecord {
        id: ConnectionId(1_000_000 + n),
        protocol: Protocol::WebSocket,
        route: "chat".into(),
        client: ClientAddress { ip: [192, 0, 2, 7].into(), port: 1024, country: None, is_tryout: false },
        user_agent: None,
        upstream: (!refused).then(|| "http://10.0.0.1:3000".into()),
        opened_at: second(n),
        closed_at: second(n + 60),
        duration_seconds: (n * 7 % 300) as f64,
        handshake: Handshake {
            result: if refused { HandshakeResult::Unreachable } else { HandshakeResult::Success },
            status: Some(if refused { 502 } else { 101 }),
            seconds: 0.01,
            connect_seconds: None,
            accepts_coding: false,
            detail: refused.then(|| HOSTILE.to_owned()),
            refused_by: None,
        },
        initiator: (!refused).then_some(Initiator::Upstream),
        layer: (!refused).then_some(Layer::WebSocket),
        reason: (!refused).then_some(reason),
        causes: vec![Cause {
            leg: Some(Leg::Upstream),
            layer: Layer::WebSocket,
            what: What::CloseFrame,
            code: Some(CloseCode(1000)),
            error: None,
            at: second(n + 60),
        }],
        codes: CloseCodes { from_client: None, from_upstream: Some(CloseCode(1000)) },
        violations: PerDirection::default(),
        idle_seconds: IdleSeconds::default(),
        messages: PerDirection::default(),
        bytes: PerDirection::default(),
        unsent_bytes: PerDirection::default(),
        unacked_bytes: PerDirection::default(),
        tcp: None,
        reconnect: None,
        events_per_read: None,
        event_stream: None,
        ping_rtt_seconds: Default::default(),
        heartbeat: Default::default(),
        grpc: None,
        queue: None,
    }
}

impl Connections for Fake {
    fn live(&self) -> Box<dyn Iterator<Item = LiveConnection> + '_> {
        Box::new((0..1000).map(live))
    }

    fn closed(&self) -> Vec<Arc<CloseRecord>> {
        (0..300).rev().map(|n| Arc::new(closed(n))).collect()
    }

    fn live_one(&self, id: ConnectionId) -> Option<LiveConnection> {
        (id.0 < 1000).then(|| live(id.0))
    }

    fn closed_one(&self, id: ConnectionId) -> Option<Arc<CloseRecord>> {
        let n = id.0.checked_sub(1_000_000).filter(|&n| n < 300)?;
        Some(Arc::new(closed(n)))
    }
}

impl Recordings for Fake {
    /// An open connection with one of each kind, a second apart.
    fn recording(&self, id: ConnectionId) -> Option<Recording> {
        let (client, server) = (Direction::ClientToServer, Direction::ServerToClient);
        let result = HandshakeResult::Success;
        let kinds = [
            Happening::Handshake { result, status: Some(101), seconds: 0.5 },
            Happening::Message {
                direction: client,
                opcode: Opcode::Text,
                bytes: 412,
                frames: 1,
                compressed: false,
            },
            Happening::Message {
                direction: server,
                opcode: Opcode::Binary,
                bytes: 9,
                frames: 2,
                compressed: true,
            },
            Happening::Ping { direction: server, bytes: 4, by_gateway: false },
            Happening::Pong { direction: client, bytes: 4, rtt_seconds: Some(0.25), to_gateway: false },
            Happening::WaitBegan { direction: server, bytes: 1000 },
            Happening::WaitEnded { direction: server, seconds: 1.0 },
            Happening::Close { direction: client, code: Some(CloseCode(1000)) },
            Happening::Cause { leg: None, what: What::Drain },
        ];
        (id.0 < 1000).then(|| Recording {
            id,
            protocol: Protocol::WebSocket,
            upstream: Some("http://10.0.0.1:3000".into()),
            established_at: second(100),
            events: (0..)
                .zip(kinds)
                .map(|(n, what)| Recorded { number: n, at: second(100 + n), after_seconds: n as f64, what })
                .collect(),
        })
    }
}

impl Metrics for Fake {
    fn expose(&self, format: MetricsFormat) -> String {
        format!("# {format:?}\n")
    }
}

impl Operations for Fake {
    fn reload(&self) -> Result<(), String> {
        assert!(!self.panics.load(Ordering::Relaxed), "told to panic");
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.ready()
    }

    fn ready(&self) -> Result<(), String> {
        if self.is_broken.load(Ordering::Relaxed) {
            Err("route `chat` has no upstream".to_owned())
        } else {
            Ok(())
        }
    }

    fn history(&self) -> Result<(), String> {
        if self.has_no_history.load(Ordering::Relaxed) { Err("the disk is full".to_owned()) } else { Ok(()) }
    }
}

/// `up` of two instances, 1 at second 100; and `bad`, which cannot be read.
impl SeriesSource for Fake {
    fn select(&self, matchers: &[Matcher], range: TimeRange, _: usize) -> Result<Vec<Series>, ReadError> {
        let samples = vec![Sample { timestamp_ms: 100_000, value: 1.0 }];
        let identities = self.identities(matchers, range, usize::MAX)?;
        Ok(identities.into_iter().map(|labels| Series { labels, samples: samples.clone() }).collect())
    }

    fn identities(&self, matchers: &[Matcher], _: TimeRange, limit: usize) -> Result<Vec<Labels>, ReadError> {
        if matchers.iter().any(|matcher| matcher.value == "bad") {
            return Err(ReadError::Store("damaged".to_owned()));
        }
        let up = |instance: &str| Labels::new([("__name__", "up"), ("instance", instance)]);
        Ok(["a", "b"].into_iter().map(up).take(limit).collect())
    }
}

impl History for Fake {
    fn receive(&self, samples: &[(Labels, Sample)]) -> Received {
        self.received.lock().expect("no panic").extend_from_slice(samples);
        let invalid = samples.iter().filter(|(labels, _)| labels.is_empty()).count() as u64;
        Received { taken: samples.len() as u64 - invalid, invalid, ..Received::default() }
    }

    fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }
}

/// What was closed before the memory of [`Connections::closed`]: 10 connections, the oldest lost.
impl Journal for Fake {
    fn page(&self, query: &JournalQuery) -> Result<JournalPage, JournalError> {
        let closed_entry = |n| JournalEntry::Closed { closed: Arc::new(closed(n)) };
        let old = closed(0);
        let opening = Opening {
            id: ConnectionId(2_000_000),
            protocol: old.protocol,
            route: old.route,
            client: old.client,
            upstream: "http://10.0.0.1:3000".into(),
            opened_at: old.opened_at,
        };
        let lost = JournalEntry::Lost { lost: LostConnection { opening, seen_at: second(60) } };
        let entries = (1..10).rev().map(closed_entry).chain([lost]);
        let takes = |entry: &JournalEntry| match entry {
            JournalEntry::Closed { closed } => query.filter.takes(closed.as_ref()),
            JournalEntry::Lost { .. } => query.filter.terms.is_empty(),
        };
        let inside = |entry: &JournalEntry| (query.ended.from..=query.ended.to).contains(&entry.ended_at());
        let entries = entries.filter(|entry| takes(entry) && inside(entry)).take(query.limit).collect();
        Ok(JournalPage { entries, next: None, is_complete: true })
    }

    fn count(
        &self,
        _: &model::filter::Filter,
        _: EndedRange,
        _: u64,
        _: Duration,
    ) -> Result<JournalCount, JournalError> {
        Ok(JournalCount { count: 10, is_exact: true })
    }

    fn one(&self, id: ConnectionId) -> Result<Option<JournalEntry>, JournalError> {
        let n = id.0.checked_sub(3_000_000).filter(|&n| n < 10);
        Ok(n.map(|n| JournalEntry::Closed { closed: Arc::new(CloseRecord { id, ..closed(n) }) }))
    }
}

impl Workings for Fake {
    fn limits(&self) -> Vec<Limit> {
        let near =
            |used| Limit { resource: LimitedResource::Series, subject: HOSTILE.to_owned(), used, limit: 10 };
        vec![near(1), near(9)]
    }

    fn system(&self) -> SystemFacts {
        SystemFacts::default()
    }

    fn settings(&self) -> Vec<Setting> {
        let (path, value) = ("admin.listen".to_owned(), HOSTILE.to_owned());
        vec![Setting { path, value, source: SettingSource::Default, line: None }]
    }
}

impl Hosts for Fake {
    fn host(&self) -> HostFacts {
        let listeners = vec![AcceptQueue { listener: "127.0.0.1:8000".into(), waiting: 3, limit: 1024 }];
        HostFacts { as_of: second(1), listeners, ..HostFacts::default() }
    }
}

impl Overviews for Fake {
    fn overview(&self, window: Duration) -> Overview {
        Overview {
            countries: None,
            as_of: second(1000),
            started_at: second(0),
            window_seconds: window.as_secs_f64(),
            now: Default::default(),
            trend: Default::default(),
            ended: vec![],
            handshakes: vec![],
            errors: vec![],
            routes: vec![RouteNow { name: HOSTILE.into(), connections: Default::default() }],
            ceiling: Default::default(),
        }
    }
}

/// A finding of each kind: one that goes on, one that is over.
fn finding(is_over: bool) -> Finding {
    Finding {
        id: "ws-upgrade-stripped".into(),
        severity: Severity::Critical,
        level: Level::High,
        confidence: 0.9,
        place: Place::UpstreamLeg,
        title: Said::new("title"),
        evidence: vec![Said::new("answered").with("status", 426_u16).seconds("seconds", 0.01)],
        against: Vec::new(),
        not_excluded: Vec::new(),
        next_measurement: None,
        fixes: Vec::new(),
        route: Some("chat".into()),
        since: Some(second(1)),
        until: is_over.then(|| second(2)),
        affected: None,
        topic: None,
        selection: None,
        grounds: Grounds::default(),
        vantages: vec![Vantage::Probe("echo".into())],
        doubt: None,
    }
}

impl Findings for Fake {
    fn active(&self) -> Vec<Finding> {
        vec![Finding { doubt: self.doubt.lock().expect("not poisoned").clone(), ..finding(false) }]
    }

    fn over(&self) -> Vec<Finding> {
        vec![finding(true)]
    }

    fn coverage(&self) -> Coverage {
        Coverage { window_seconds: 600.0, ends: 10, explained: 7 }
    }

    fn doubt(&self, _: &str, route: Option<&str>, _: Option<Place>, doubt: Option<Doubt>) -> usize {
        if route.is_some_and(|route| route != "chat") {
            return 0;
        }
        *self.doubt.lock().expect("not poisoned") = doubt;
        1
    }

    fn told(&self, kind: &str, subject: &str, _: WallTime) {
        self.told.lock().expect("not poisoned").push(format!("{kind} {subject}"));
    }
}

/// As many wait as may.
impl Examinations for Fake {
    fn examine(&self, _: &Asked) -> Result<String, Denial> {
        Err(Denial::Busy)
    }

    fn examination(&self, _: &str) -> Option<Examined> {
        None
    }
}

/// A probe that has run once.
impl Probes for Fake {
    fn probes(&self) -> Vec<ProbeView> {
        let last = ProbeRun {
            at: second(1),
            seconds: 0.5,
            is_deep: false,
            is_success: false,
            outcome: Outcome::Problem,
            error: None,
            stages: vec![ProbeStage { name: StageName::Tcp, seconds: 0.25, fault: Some(Fault::Refused) }],
            status: None,
            ip_version: None,
            tls_version: None,
            certificate_ends_at: None,
            ping_rtt_seconds: None,
        };
        vec![ProbeView {
            name: "echo".into(),
            url: "ws://127.0.0.1:1/".into(),
            protocol: Protocol::WebSocket,
            route: None,
            every_seconds: 60.0,
            deep_every_seconds: None,
            is_running: false,
            runs: vec![last.cell()],
            last: Some(Arc::new(last)),
            outcomes: [0, 1, 0, 0],
            skipped: 0,
            limits: None,
        }]
    }

    fn run(&self, probe: &str, is_deep: bool) -> Result<(), Refusal> {
        let mut told = self.told.lock().expect("not poisoned");
        match (probe, told.is_empty()) {
            ("echo", true) => {
                told.push(format!("probe echo {}", if is_deep { "deep" } else { "ordinary" }));
                Ok(())
            }
            ("echo", false) => Err(Refusal::Running),
            _ => Err(Refusal::Unknown),
        }
    }
}

impl Tryouts for Fake {
    fn routes(&self) -> Vec<TryoutRoute> {
        vec![TryoutRoute { name: "chat".to_owned(), host: None, path: Some("/chat".to_owned()) }]
    }

    fn route_of(&self, host: &str, path: &str) -> Option<Arc<str>> {
        (host == "example.com" && path.starts_with("/chat")).then(|| "chat".into())
    }

    fn enter(&self, client: SocketAddr, id: ConnectionId) -> Result<TcpStream, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let outside = TcpStream::connect(listener.local_addr().expect("an address")).expect("connects");
        let (inside, _) = listener.accept().expect("accepts");
        outside.set_nonblocking(true).expect("does not block");
        self.entered.lock().expect("no panic").push((inside, client, id));
        Ok(outside)
    }
}
