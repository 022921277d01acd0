//! From an attempt to its outcome, and from an established connection to its end: the two owners that leave
//! exactly one close record, also when their task is dropped or panics.

use std::sync::Arc;

use hyper_util::client::legacy::connect::CaptureConnection;
use model::event::{CloseCode, FrameViolation};
use model::record::{
    Cause, ClientAddress, CloseCodes, CloseRecord, EventStreamFacts, EventsPerRead, GrpcFacts, Handshake,
    IdleSeconds, Reconnect, What,
};
use model::recording::Happening;
use model::{
    AdmissionReason, ConnectionId, Direction, GrpcCode, HandshakeResult, Http2Error, Initiator, Leg, Moment,
    PerDirection, PerLeg, Protocol, Reason, WallTime,
};
use observe::ending::{self, Ending};

use crate::admission::{Kept, Slots};
use crate::beats::Beats;
use crate::clock;
use crate::entry::{Entry, Identity};
use crate::events::Events;
use crate::flight::Flight;
use crate::leg::LegEnd;
use crate::registry::{Registry, RouteConnections};
use crate::table::Route;
use crate::tcp_evidence::{Closing, Sockets};
use crate::visitor::Visitor;
use crate::worker;

/// An attempt to open a connection, from the request's head complete to its outcome.
#[derive(Debug)]
pub struct Attempt {
    registry: Arc<Registry>,
    route: Arc<RouteConnections>,
    protocol: Protocol,
    id: ConnectionId,
    client: ClientAddress,
    visitor: Visitor,
    upstream: Option<Tried>,
    grpc: Option<Box<GrpcFacts>>,
    started: Moment,
    started_at: WallTime,
    /// When the upstream was reached, on a connection that was opened for it.
    connected: Option<Moment>,
    is_over: bool,
    /// What the guard keeps for it.
    slots: Slots,
    refused_by: Option<AdmissionReason>,
}

/// The last upstream that was tried.
#[derive(Debug)]
struct Tried {
    name: Arc<str>,
    /// Knows whether it was reached; none when it surely was.
    connection: Option<CaptureConnection>,
}

impl Attempt {
    /// The request's head was complete at `started`.
    pub fn begin(
        registry: &Arc<Registry>,
        route: &Arc<RouteConnections>,
        protocol: Protocol,
        mut client: ClientAddress,
        visitor: Visitor,
        started: Moment,
    ) -> Attempt {
        client.country = registry.geo.country(client.ip);
        Attempt {
            registry: Arc::clone(registry),
            route: Arc::clone(route),
            protocol,
            id: ConnectionId(rand::random()),
            client,
            visitor,
            upstream: None,
            grpc: None,
            started,
            started_at: clock::wall_of(started),
            connected: None,
            is_over: false,
            slots: Slots::default(),
            refused_by: None,
        }
    }

    /// Gives it a name that somebody knows already; none leaves it the one it has.
    pub fn named(mut self, id: Option<ConnectionId>) -> Attempt {
        self.id = id.unwrap_or(self.id);
        self
    }

    /// The guard has let it in.
    pub fn admitted(&mut self, slots: Slots) {
        self.slots = slots;
    }

    /// The guard turns it away.
    pub fn refused(&mut self, reason: AdmissionReason) {
        self.refused_by = Some(reason);
    }

    /// An upstream is tried; `connection` knows when it is reached.
    pub fn try_upstream(&mut self, upstream: &Arc<str>, connection: CaptureConnection) {
        self.upstream = Some(Tried { name: Arc::clone(upstream), connection: Some(connection) });
    }

    /// An upstream was reached.
    pub fn reached(&mut self, upstream: &Arc<str>) {
        self.upstream = Some(Tried { name: Arc::clone(upstream), connection: None });
    }

    /// An upstream was reached, on a connection that was opened for this alone, just now.
    pub fn connected(&mut self, upstream: &Arc<str>) {
        self.connected = Some(clock::now());
        self.reached(upstream);
    }

    fn connect_seconds(&self) -> Option<f64> {
        Some(self.connected?.since(self.started).as_secs_f64())
    }

    /// The upstream that was reached.
    fn upstream(&self) -> Option<Arc<str>> {
        let Tried { name, connection } = self.upstream.as_ref()?;
        let is_reached =
            connection.as_ref().is_none_or(|connection| connection.connection_metadata().is_some());
        is_reached.then(|| Arc::clone(name))
    }

    /// It failed; `detail` tells an operator why.
    pub fn fail(mut self, result: HandshakeResult, status: Option<u16>, detail: String) {
        self.over(result, status, Some(detail));
    }

    /// Makes it a gRPC call.
    pub fn with_grpc(mut self, facts: GrpcFacts) -> Attempt {
        self.grpc = Some(Box::new(facts));
        self
    }

    /// A gRPC call failed: the client was given `code`.
    pub fn fail_call(mut self, result: HandshakeResult, code: GrpcCode, detail: String) {
        if let Some(grpc) = &mut self.grpc {
            grpc.code = code;
        }
        self.over(result, Some(200), Some(detail));
    }

    /// It succeeded: the connection is open from now on.
    pub fn establish(mut self, status: Option<u16>, route: &Route) -> Session {
        self.is_over = true;
        let now = clock::now();
        let seconds = now.since(self.started).as_secs_f64();
        if self.protocol == Protocol::WebSocket {
            let shard = self.route.meter.shard(worker::index());
            shard.websocket.handshake_seconds.observe(seconds);
        }
        let result = HandshakeResult::Success;
        let identity = Identity {
            id: self.id,
            protocol: self.protocol,
            route: Arc::clone(&self.route),
            client: self.client.clone(),
            user_agent: self.visitor.user_agent.clone(),
            upstream: self.upstream().unwrap_or_default(),
            limits: route.limits(),
            beats: route
                .heartbeat
                .as_ref()
                .and_then(|heartbeat| Beats::new(heartbeat, self.protocol, rand::random())),
            flight: Flight::new(&self.registry.flights, Happening::Handshake { result, status, seconds }),
            client_key: self.visitor.key,
            acks_one_in: self.registry.acks_one_in(),
            reconnect: self.reconnect(now),
        };
        let entry = Arc::new(Entry::new(identity, now, clock::wall()));
        self.registry.open(&entry);
        let kept = std::mem::take(&mut self.slots).opened();
        Session {
            registry: Arc::clone(&self.registry),
            entry,
            opened_at: self.started_at,
            handshake: Handshake {
                result,
                status,
                seconds,
                connect_seconds: self.connect_seconds(),
                accepts_coding: self.accepts_coding(),
                detail: None,
                refused_by: None,
            },
            ending: Ending::new(),
            codes: CloseCodes::default(),
            violations: PerDirection::default(),
            unsent: PerDirection::default(),
            events_per_read: None,
            event_stream: None,
            resumes_after: self.visitor.last_event_number,
            grpc: self.grpc.take(),
            _kept: kept,
        }
    }

    /// Tells, and counts, whether the client comes back.
    fn reconnect(&self, now: Moment) -> Option<Reconnect> {
        let interval_seconds = self.registry.reconnected(self.visitor.key?, now)?.as_secs_f64();
        let shard = self.route.meter.shard(worker::index());
        let resumed = self.protocol == Protocol::Sse && self.visitor.has_last_event_id;
        match (self.protocol, resumed) {
            (Protocol::WebSocket, _) => shard.websocket.reconnect_seconds.observe(interval_seconds),
            (Protocol::Sse, false) => shard.sse.reconnects_anew.inc(),
            (Protocol::Sse, true) => shard.sse.reconnects_resumed.inc(),
            (Protocol::Grpc, _) => {}
        }
        Some(Reconnect { interval_seconds, resumed })
    }

    fn accepts_coding(&self) -> bool {
        self.protocol == Protocol::Sse && self.visitor.accepts_coding
    }

    fn count_failure(&self, result: HandshakeResult) {
        let shard = self.route.meter.shard(worker::index());
        match self.protocol {
            Protocol::WebSocket => shard.websocket.handshakes.inc(result),
            Protocol::Sse => shard.sse.connections.inc(result),
            Protocol::Grpc => {
                self.route.meter.grpc.never_opened.inc();
                if let Some(grpc) = &self.grpc {
                    let cells = self.route.meter.grpc.method(&grpc.service, &grpc.method);
                    cells.closed.inc(grpc.code);
                }
            }
        }
    }

    fn over(&mut self, result: HandshakeResult, status: Option<u16>, detail: Option<String>) {
        self.is_over = true;
        let seconds = clock::now().since(self.started).as_secs_f64();
        self.count_failure(result);
        self.registry.record(CloseRecord {
            id: self.id,
            protocol: self.protocol,
            route: Arc::clone(self.route.meter.name()),
            client: self.client.clone(),
            user_agent: self.visitor.user_agent.take(),
            upstream: self.upstream(),
            opened_at: self.started_at,
            closed_at: clock::wall(),
            duration_seconds: 0.0,
            handshake: Handshake {
                result,
                status,
                seconds,
                connect_seconds: self.connect_seconds(),
                accepts_coding: self.accepts_coding(),
                detail,
                refused_by: self.refused_by,
            },
            initiator: None,
            layer: None,
            reason: None,
            causes: Vec::new(),
            codes: CloseCodes::default(),
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
            ping_rtt_seconds: PerLeg::default(),
            heartbeat: PerLeg::default(),
            queue: None,
            grpc: self.grpc.take(),
        });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_over {
            self.over(HandshakeResult::ClientAborted, None, None);
        }
    }
}

/// An established connection, owned by the task that serves it.
#[derive(Debug)]
pub struct Session {
    registry: Arc<Registry>,
    /// What others see of it.
    pub entry: Arc<Entry>,
    opened_at: WallTime,
    handshake: Handshake,
    ending: Ending,
    codes: CloseCodes,
    /// The first breach of RFC 6455 in what was read from each side.
    pub violations: PerDirection<Option<FrameViolation>>,
    unsent: PerDirection<u64>,
    /// How the events of an event stream came, once it is over.
    events_per_read: Option<EventsPerRead>,
    /// What its body was like.
    event_stream: Option<Box<EventStreamFacts>>,
    /// The number that the client's `Last-Event-ID` is.
    resumes_after: Option<u64>,
    /// What a gRPC stream has beside.
    pub grpc: Option<Box<GrpcFacts>>,
    /// Counts for its client, and for other gateways.
    _kept: Option<Box<Kept>>,
}

impl Session {
    /// Notes what happened on a connection that several tasks serve.
    pub fn happened(&mut self, at: Moment, what: &Happening) {
        self.entry.note(at, what);
    }

    /// Notes a cause of the end; `leg` is none for a decision of this gateway.
    pub fn cause(&mut self, leg: Option<Leg>, what: What, at: Moment) {
        self.entry.note(at, &Happening::Cause { leg, what });
        self.note(leg, what, None, None, at);
    }

    /// Notes how a leg has ended.
    pub fn leg_end(&mut self, leg: Leg, end: LegEnd) {
        self.entry.note(end.at, &Happening::Cause { leg: Some(leg), what: end.what });
        self.note(Some(leg), end.what, None, end.error, end.at);
    }

    /// Notes a Close frame read from `leg`.
    pub fn close_frame(&mut self, leg: Leg, code: Option<CloseCode>, at: Moment) {
        self.entry.note(at, &Happening::Close { direction: leg.inbound(), code });
        let shown = Some(code.unwrap_or(CloseCode::NO_STATUS));
        let place = match leg {
            Leg::Client => &mut self.codes.from_client,
            Leg::Upstream => &mut self.codes.from_upstream,
        };
        if place.is_none() {
            *place = shown;
            self.note(Some(leg), What::CloseFrame, code, None, at);
        }
    }

    /// Looks at the connection's sockets, now and from time to time.
    pub fn watch_sockets(&self, sockets: Sockets) {
        let entry = &self.entry;
        if entry.tcp.begin(sockets, entry.established, |news| entry.count_tcp(news)) {
            entry.route.look_again(entry);
        }
    }

    /// Notes how an event stream was, once it is over.
    pub fn event_stream_over(&mut self, events: &mut Events) {
        self.events_per_read = events.per_read();
        self.event_stream = Some(Box::new(events.facts(self.resumes_after)));
    }

    /// Notes bytes that were read and that the receiver never accepted.
    pub fn unsent(&mut self, direction: Direction, bytes: u64) {
        self.unsent[direction] = bytes;
    }

    fn note(
        &mut self,
        leg: Option<Leg>,
        what: What,
        code: Option<CloseCode>,
        error: Option<Http2Error>,
        at: Moment,
    ) {
        if self.entry.note_closing(at) {
            self.registry.judge_later(&self.entry, at);
            if let Some(client) = self.entry.client_key {
                self.registry.note_close(client, at);
            }
        }
        let (layer, at) = (ending::layer_of(what), clock::wall_of(at));
        self.ending.note(Cause { leg, layer, what, code, error, at });
    }

    fn measure(&self, initiator: Initiator, reason: Reason, duration: f64, idle: f64) {
        let shard = self.entry.route.meter.shard(worker::index());
        match self.entry.protocol {
            Protocol::WebSocket => {
                shard.websocket.duration_seconds.observe(duration);
                self.entry.heartbeats.end(&shard.websocket);
                if matches!(reason, Reason::Abnormal | Reason::Reset | Reason::Timeout) {
                    shard.websocket.close_idle_seconds.observe(idle);
                }
            }
            Protocol::Sse => shard.sse.duration_seconds.observe(duration),
            Protocol::Grpc => self.measure_grpc(duration),
        }
        self.entry.route.close(&self.entry, initiator, reason);
    }
}

impl Session {
    fn measure_grpc(&self, duration: f64) {
        if let Some(grpc) = &self.grpc {
            let cells = self.entry.route.meter.grpc.method(&grpc.service, &grpc.method);
            cells.service.duration_seconds.observe(duration);
            cells.closed.inc(grpc.code);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let now = clock::now();
        if self.ending.is_empty() {
            self.cause(None, What::Internal, now);
        }
        let entry = Arc::clone(&self.entry);
        let (initiator, layer, reason) =
            self.ending.verdict(entry.protocol).expect("there is a cause: see above");
        let Closing { legs, unacked_bytes, lost_bytes } = entry.tcp.close(|news| entry.count_tcp(news));
        let since = |moment: Moment| now.since(moment).as_secs_f64();
        let flow = |direction| entry.flow(direction);
        let (to_server, to_client) = (flow(Direction::ClientToServer), flow(Direction::ServerToClient));
        let idle_seconds = IdleSeconds {
            any: since(entry.last_byte()),
            data: since(to_server.last_message().max(to_client.last_message())),
            client_to_server: since(to_server.last_byte()),
            server_to_client: since(to_client.last_byte()),
        };
        let duration_seconds = since(entry.established);
        entry.flight.end(entry.id);
        self.measure(initiator, reason, duration_seconds, idle_seconds.any);
        let pings = entry.heartbeats.show();
        self.registry.record(CloseRecord {
            id: entry.id,
            protocol: entry.protocol,
            route: Arc::clone(entry.route.meter.name()),
            client: entry.client.clone(),
            user_agent: entry.user_agent.clone(),
            upstream: Some(Arc::clone(&entry.upstream)),
            opened_at: self.opened_at,
            closed_at: clock::wall(),
            duration_seconds,
            handshake: self.handshake.clone(),
            initiator: Some(initiator),
            layer: Some(layer),
            reason: Some(reason),
            causes: std::mem::take(&mut self.ending).into_causes(),
            codes: self.codes,
            violations: self.violations,
            idle_seconds,
            messages: PerDirection::from_fn(|direction| entry.flow(direction).messages()),
            bytes: PerDirection::from_fn(|direction| entry.flow(direction).bytes()),
            unsent_bytes: PerDirection::from_fn(|direction| self.unsent[direction] + lost_bytes[direction]),
            unacked_bytes,
            tcp: legs,
            reconnect: entry.reconnect,
            events_per_read: self.events_per_read,
            event_stream: self.event_stream.take(),
            ping_rtt_seconds: pings.rtt_seconds,
            heartbeat: pings.heartbeats,
            queue: entry.queue_facts(),
            grpc: self.grpc.take(),
        });
    }
}
