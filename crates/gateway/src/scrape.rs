//! What only the registry of live connections knows at the moment of a scrape.

use guard::admission::Limits;
use meter::scrape::{AdmissionFacts, Certificate, Countries, RouteLive, Scrape, Waiting};
use model::live::Backlog;
use model::system::{Limit, LimitedResource};
use model::{Direction, Leg, Moment, PerLeg, Protocol, Word};

use crate::Gateway;
use crate::admission::{Door, Turns};
use crate::clock;
use crate::entry::Entry;
use crate::guarded;
use crate::registry::{RouteConnections, SLOW_AFTER};

impl Gateway {
    /// Counts of connections alone, at a cost that does not grow with their number.
    pub fn counts(&self) -> Scrape {
        Scrape {
            now: clock::now(),
            routes: self.shared.registry.routes().iter().map(|route| counted(route)).collect(),
            ..Scrape::default()
        }
    }

    /// What is alive now; what the operating system says of the process is left to the caller.
    pub fn scrape(&self) -> Scrape {
        let now = clock::now();
        let table = self.shared.table.load();
        let idle_timeout = |name: &str| {
            let route = table.routes().iter().find(|route| &**route.connections.meter.name() == name)?;
            route.timeouts.idle.map(|idle| idle.as_secs_f64())
        };
        let admission = |name: &str| {
            let route = table.route(name)?;
            let door = route.door();
            let tells_apart = |door: &&Door| door.gate.limits().per_client.is_some();
            let is_some = route.admission.is_some() || route.limits_config().is_pacing();
            is_some.then(|| AdmissionFacts {
                connections: door.and_then(|door| door.gate.limits().connections),
                waiting: door.and_then(|door| door.turns.as_ref()).map(Turns::waiting),
                clients_left_out: door.filter(tells_apart).map(|door| door.gate.clients_left_out()),
            })
        };
        let routes = self.shared.registry.routes();
        let mut countries = Countries::new();
        Scrape {
            now,
            routes: routes
                .iter()
                .map(|route| RouteLive {
                    idle_timeout_seconds: idle_timeout(route.meter.name()),
                    admission: admission(route.meter.name()),
                    ..route_live(route, now, &mut countries)
                })
                .collect(),
            countries: self.shared.registry.geo.is_known().then_some(countries),
            certificates: self
                .certificates
                .iter()
                .filter_map(|(address, certificate)| {
                    let not_after = certificate.not_after()? as f64;
                    Some(Certificate { role: "listener", name: address.clone(), not_after })
                })
                .collect(),
            access_log_dropped: self.shared.registry.log_dropped(),
            recorder_bytes: self.shared.registry.flights.bytes(),
            observers_failed: guarded::failed(),
            recorder_refused: self.shared.registry.flights.refused(),
            reconnect_closes_dropped: self.shared.registry.reconnect_closes_dropped(),
            ..Scrape::default()
        }
    }
}

impl Gateway {
    /// The limits of routes, and of the gateway in all, with what is used of them.
    pub fn limits(&self) -> Vec<Limit> {
        let table = self.shared.table.load();
        let mut limits = Vec::new();
        if let Some(door) = table.door() {
            limits_of(door, "", self.shared.registry.active(), &mut limits);
        }
        for route in table.routes() {
            if let Some(door) = route.door() {
                limits_of(door, route.connections.meter.name(), route.connections.active(), &mut limits);
            }
        }
        limits
    }
}

fn limits_of(door: &Door, route: &str, open: u64, limits: &mut Vec<Limit>) {
    use LimitedResource::{
        ClientConnections, GatewayConnections, GatewayHandshakes, GatewayNewConnections, RouteConnections,
        RouteHandshakes, RouteNewConnections,
    };
    let (gate, is_whole) = (&door.gate, route.is_empty());
    let Limits { connections, new_connections, per_client, .. } = gate.limits();
    let mut add = |of_route, of_gateway, used: Option<u64>, limit: Option<u64>| {
        if let (Some(used), Some(limit)) = (used, limit) {
            let resource = if is_whole { of_gateway } else { of_route };
            limits.push(Limit { resource, subject: route.to_owned(), used, limit });
        }
    };
    add(RouteConnections, GatewayConnections, Some(open + gate.opening()), *connections);
    let tokens = new_connections.map(|rate| rate.tokens.get().into());
    add(RouteNewConnections, GatewayNewConnections, gate.taken(), tokens);
    add(ClientConnections, ClientConnections, Some(gate.busiest_client()), per_client.connections);
    let turns = door.turns.as_ref();
    add(RouteHandshakes, GatewayHandshakes, turns.map(Turns::under_way), turns.map(Turns::at_once));
}

fn counted(route: &RouteConnections) -> RouteLive {
    RouteLive {
        name: std::sync::Arc::clone(route.meter.name()),
        websocket: route.census(Protocol::WebSocket),
        sse: route.census(Protocol::Sse),
        grpc: route.census(Protocol::Grpc),
        ..RouteLive::default()
    }
}

fn route_live(route: &RouteConnections, now: Moment, countries: &mut Countries) -> RouteLive {
    let mut live = counted(route);
    let mut intervals: PerLeg<Vec<f64>> = PerLeg::default();
    route.look(|entry| {
        add(&mut live, entry, now);
        countries.entry(entry.client.country).or_default()[entry.protocol] += 1;
        for &leg in Leg::ALL {
            intervals[leg].extend(entry.heartbeats.interval_seconds(leg));
        }
    });
    live.heartbeat_interval_seconds = PerLeg::from_fn(|leg| median(&mut intervals[leg]));
    live
}

fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

fn add(live: &mut RouteLive, entry: &Entry, now: Moment) {
    if let Some(queued) = entry.queued() {
        let (messages, bytes) = queued.waiting();
        live.queued_messages += messages;
        live.queued_bytes += bytes;
    }
    match entry.protocol {
        Protocol::WebSocket => {
            let start = entry.established_at;
            live.websocket_oldest_start =
                Some(live.websocket_oldest_start.map_or(start, |old| old.min(start)));
            let is_moving = !entry.rest.is_at_rest();
            let in_kernel =
                is_moving.then(|| entry.tcp.newest(|sample| (sample.unread_bytes, sample.notsent_bytes)));
            for direction in [Direction::ClientToServer, Direction::ServerToClient] {
                add_waiting(&mut live.backlog[direction], entry.flow(direction).backlog(now));
                if let Some(Some(legs)) = in_kernel {
                    live.socket_unread_bytes[direction] += u64::from(legs[direction.sender()].0);
                    live.socket_unsent_bytes[direction] += u64::from(legs[direction.receiver()].1);
                }
            }
            live.slow_consumers += u64::from(is_slow(entry, now));
        }
        Protocol::Grpc => {
            for direction in [Direction::ClientToServer, Direction::ServerToClient] {
                add_waiting(&mut live.grpc_backlog[direction], entry.flow(direction).backlog(now));
            }
        }
        Protocol::Sse => {
            add_waiting(&mut live.sse_backlog, entry.flow(Direction::ServerToClient).backlog(now));
            live.sse_unacknowledged_clients += u64::from(entry.tcp.is_client_unacknowledged());
        }
    }
}

fn add_waiting(sum: &mut Waiting, backlog: Backlog) {
    sum.messages += backlog.messages;
    sum.bytes += backlog.bytes;
    sum.oldest_age_seconds = sum.oldest_age_seconds.max(backlog.oldest_age_seconds);
    sum.age_sum_seconds += backlog.messages as f64 * backlog.oldest_age_seconds;
}

/// Whether a receiver has left a backlog for long.
pub fn is_slow(entry: &Entry, now: Moment) -> bool {
    let waits_long =
        |direction| entry.flow(direction).waits_since().is_some_and(|since| now.since(since) >= SLOW_AFTER);
    waits_long(Direction::ClientToServer) || waits_long(Direction::ServerToClient)
}
