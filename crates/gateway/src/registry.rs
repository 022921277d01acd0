//! Every connection, while it is open and for a while after.
//!
//! The registry is the one truth about how many connections there are: a connection is counted as opened and put
//! in, counted as closed and taken out, under one lock per route and protocol, so that opened − closed = active
//! in every look at it. Each attempt and each connection leaves exactly one close record, whatever happens to
//! the task that served it: the record is written when its owner is dropped.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Weak};
use std::time::Duration;

use meter::RouteMeter;
use meter::reconnects::{ClientKey, Reconnects};
use meter::scrape::Census;
use model::journal::{JournalSink, Opening};
use model::live::{Backlog, LiveConnection, LiveState};
use model::overview::PerProtocol;
use model::ports::Connections;
use model::record::CloseRecord;
use model::{ConnectionId, Initiator, Moment, PerDirection, Protocol, Reason, Refused, Word as _};
use parking_lot::{Mutex, RwLock};

use crate::access_log::AccessLog;
use crate::clock;
use crate::config::{ClosedConfig, RecorderConfig, TcpSamplesConfig};
use crate::deadlines::Deadlines;
use crate::entry::{Command, Entry};
use crate::flight::Flights;
use crate::geo::Geo;
use crate::sampler::Schedule;
use crate::scrape::is_slow;
use crate::visitor::Salt;

/// A receiver that leaves a backlog for this long is a slow consumer.
pub const SLOW_AFTER: Duration = Duration::from_secs(5);

/// When a connection is judged for the first time, and again after it was told to end.
const JUDGED_AGAIN: Duration = Duration::from_secs(1);

/// A connection that is open for this long is told to the journal before it ends.
const LONG_LIVED: Duration = Duration::from_secs(60);

/// Connections that are kept in mind until they are long-lived: what 16,000 new ones a second come to. Beyond that the
/// oldest passes for long-lived early.
const YOUNG_MAX: usize = 1_000_000;

/// The name of a connection that was open. It may have ended: nothing of it is kept for this.
#[derive(Debug)]
struct Known {
    route: Arc<RouteConnections>,
    protocol: Protocol,
    id: ConnectionId,
}

impl Known {
    fn of(entry: &Entry) -> Known {
        Known { route: Arc::clone(&entry.route), protocol: entry.protocol, id: entry.id }
    }

    /// It, if it is still open.
    fn entry(&self) -> Option<Arc<Entry>> {
        self.route.populations[self.protocol].lock().live.get(&self.id).cloned()
    }
}

/// A connection that may come to be long-lived.
#[derive(Debug)]
struct Young {
    established: Moment,
    known: Known,
}

impl Young {
    fn of(entry: &Entry) -> Young {
        Young { established: entry.established, known: Known::of(entry) }
    }

    /// Tells the journal of it, if it is still open.
    fn tell(&self, journal: &dyn JournalSink) {
        if let Some(entry) = self.known.entry() {
            journal.opened(opening(&entry));
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Registry {
    /// Flight recorders.
    pub(crate) flights: Arc<Flights>,
    meters: Arc<meter::Registry>,
    routes: RwLock<Vec<Arc<RouteConnections>>>,
    closed: Mutex<VecDeque<Arc<CloseRecord>>>,
    closed_max: usize,
    reconnects: Mutex<Reconnects>,
    /// Of the client keys.
    pub salt: Salt,
    /// Where clients are.
    pub geo: Geo,
    log: Option<AccessLog>,
    journal: Option<Arc<dyn JournalSink>>,
    /// What was opened in the last [`LONG_LIVED`], oldest first, where there is a journal to be told.
    young: Mutex<VecDeque<Young>>,
    is_draining: AtomicBool,
    /// What is open and not at rest, and for at most one interval what was.
    samples: Arc<Mutex<Schedule<Known>>>,
    /// What may have to be ended by its limits of time.
    deadlines: Mutex<Deadlines<Known>>,
    acks_one_in: AtomicU32,
}

/// The connections of one route, over reloads of the configuration.
#[derive(Debug)]
pub struct RouteConnections {
    /// What is measured of the route.
    pub meter: Arc<RouteMeter>,
    populations: PerProtocol<Mutex<Population>>,
    /// What is open of all protocols: written under their locks, read without.
    active: AtomicU64,
    /// Those of the registry.
    samples: Weak<Mutex<Schedule<Known>>>,
}

#[derive(Debug, Default)]
struct Population {
    live: HashMap<ConnectionId, Arc<Entry>, BuildHasherDefault<AsIs>>,
    opened: u64,
    closed: Vec<((Initiator, Reason), u64)>,
}

impl Population {
    fn count_closed(&mut self, pair: (Initiator, Reason)) {
        match self.closed.iter_mut().find(|(known, _)| *known == pair) {
            Some((_, count)) => *count += 1,
            None => self.closed.push((pair, 1)),
        }
    }
}

/// The hash of an identifier is itself: it is random, and nobody else chooses it.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Registry {
    /// Keeps of closed connections what `kept` says, and writes each record to `log` and `journal`.
    pub fn new(
        meters: Arc<meter::Registry>,
        kept: &ClosedConfig,
        log: Option<AccessLog>,
        journal: Option<Arc<dyn JournalSink>>,
        recorder: &RecorderConfig,
    ) -> Registry {
        Registry {
            flights: Arc::new(Flights::new(recorder)),
            meters,
            routes: RwLock::default(),
            closed: Mutex::default(),
            closed_max: kept.keep,
            reconnects: Mutex::new(Reconnects::new(kept.keep_for_reconnects)),
            salt: Salt::default(),
            geo: Geo::default(),
            log,
            journal,
            young: Mutex::default(),
            is_draining: AtomicBool::new(false),
            samples: Arc::new(Mutex::new(Schedule::new(TcpSamplesConfig::default()))),
            deadlines: Mutex::new(Deadlines::new()),
            acks_one_in: AtomicU32::new(TcpSamplesConfig::default().acks_one_in),
        }
    }

    /// The connections of the route of that name, which is created when it is new.
    pub fn route(&self, name: &str) -> Arc<RouteConnections> {
        let mut routes = self.routes.write();
        if let Some(route) = routes.iter().find(|route| &**route.meter.name() == name) {
            return Arc::clone(route);
        }
        let route = Arc::new(RouteConnections {
            meter: self.meters.route(name),
            populations: PerProtocol::default(),
            active: AtomicU64::new(0),
            samples: Arc::downgrade(&self.samples),
        });
        routes.push(Arc::clone(&route));
        route
    }

    /// Counts a connection or a request that no route took.
    pub fn count_refused(&self, why: Refused) {
        self.meters.refused.inc(why);
    }

    /// All routes, in the order in which they were first configured.
    pub fn routes(&self) -> Vec<Arc<RouteConnections>> {
        self.routes.read().clone()
    }

    /// Connections of all routes that are open.
    pub fn active(&self) -> u64 {
        self.routes.read().iter().map(|route| route.active()).sum()
    }

    /// Every open connection.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.routes().iter().flat_map(|route| route.entries()).collect()
    }

    /// Open connections of these routes and protocols, as they are now.
    pub fn live_of(&self, populations: &[(Arc<str>, Protocol)]) -> impl Iterator<Item = LiveConnection> {
        let routes = self.routes();
        let of = |(name, protocol): &(Arc<str>, Protocol)| {
            let route = routes.iter().find(|route| route.meter.name() == name)?;
            Some(route.populations[*protocol].lock().live.values().cloned().collect::<Vec<_>>())
        };
        let entries: Vec<Arc<Entry>> = populations.iter().filter_map(of).flatten().collect();
        let now = clock::now();
        entries.into_iter().map(move |entry| snapshot(&entry, now))
    }

    /// An open connection.
    pub fn entry(&self, id: ConnectionId) -> Option<Arc<Entry>> {
        self.routes().iter().find_map(|route| route.find(id))
    }

    /// Keeps and logs a record; the oldest one makes room.
    pub fn record(&self, record: CloseRecord) {
        let record = Arc::new(record);
        if let Some(log) = &self.log {
            log.write(Arc::clone(&record));
        }
        if let Some(journal) = &self.journal {
            journal.closed(Arc::clone(&record));
        }
        let mut closed = self.closed.lock();
        if closed.len() >= self.closed_max {
            closed.pop_back();
        }
        if self.closed_max > 0 {
            closed.push_front(record);
        }
    }

    /// A handshake of a client has succeeded. Tells how long after the close, when it is a reconnect.
    pub fn reconnected(&self, client: ClientKey, now: Moment) -> Option<Duration> {
        self.reconnects.lock().opened(client, now)
    }

    /// A connection of a client begins to end.
    pub fn note_close(&self, client: ClientKey, now: Moment) {
        self.reconnects.lock().closed(client, now);
    }

    /// Closes that were forgotten before they could tell a reconnect.
    pub fn reconnect_closes_dropped(&self) -> u64 {
        self.reconnects.lock().dropped()
    }

    /// Records that the access log has dropped.
    pub fn log_dropped(&self) -> u64 {
        self.log.as_ref().map_or(0, AccessLog::dropped)
    }

    /// Every open connection, each with a random moment within `window` at which it is to be told to end. What is
    /// established from now on is told at once.
    pub fn drain(&self, window: Duration) -> impl Iterator<Item = (Duration, Arc<Entry>)> {
        self.is_draining.store(true, SeqCst);
        self.entries().into_iter().map(move |entry| (window.mul_f64(rand::random::<f64>()), entry))
    }

    /// Connections that a stop cut before both peers could be told.
    pub fn cut_untold(&self) -> u64 {
        self.routes().iter().map(|route| route.meter.sum(|shard| shard.cut_untold.get())).sum()
    }

    /// Counts a connection as opened and keeps it until [`RouteConnections::close`].
    pub fn open(&self, entry: &Arc<Entry>) {
        entry.route.open(Arc::clone(entry));
        if let Some(journal) = &self.journal {
            let mut young = self.young.lock();
            if young.len() == YOUNG_MAX
                && let Some(oldest) = young.pop_front()
            {
                oldest.tell(journal.as_ref());
            }
            young.push_back(Young::of(entry));
        }
        if entry.has_deadlines() {
            self.judge_later(entry, entry.established);
        }
        if self.is_draining.load(SeqCst) {
            entry.tell(Command::Drain);
        }
    }

    /// Sets how often sockets are looked at.
    pub fn set_sampling(&self, pace: TcpSamplesConfig) {
        self.samples.lock().set_pace(pace);
        self.acks_one_in.store(pace.acks_one_in, Relaxed);
    }

    /// Of how many messages of a connection that is opened now the acknowledgement of one is timed.
    pub fn acks_one_in(&self) -> u32 {
        self.acks_one_in.load(Relaxed)
    }

    /// Connections whose sockets are to be looked at now, and when to ask again. Those that come to rest are let go.
    pub fn due_samples(&self, now: Moment) -> (Vec<Arc<Entry>>, Duration) {
        let mut samples = self.samples.lock();
        let get = |known: &Known| known.entry().filter(|entry| !entry.comes_to_rest());
        let due = samples.take(now, rand::random, get);
        (due, samples.pause(now))
    }

    /// Judges a connection by its limits of time from the next second on.
    pub fn judge_later(&self, entry: &Arc<Entry>, now: Moment) {
        self.deadlines.lock().add(Known::of(entry), now + JUDGED_AGAIN);
    }

    /// Cuts what has been silent or half closed for longer than its route allows, has signs of life sent, and tells the journal of what has
    /// come to be long-lived. Called about once a second.
    pub fn sweep(&self) {
        let now = clock::now();
        self.deadlines.lock().judge(now, |entry| {
            let entry = entry.entry()?;
            let (at, due) = entry.due(now)?;
            if now < at {
                return Some(at);
            }
            entry.tell_due(due);
            Some(now + JUDGED_AGAIN)
        });
        let Some(journal) = &self.journal else { return };
        let mut young = self.young.lock();
        while let Some(one) = young.pop_front_if(|one| one.established + LONG_LIVED <= now) {
            one.tell(journal.as_ref());
        }
    }
}

impl RouteConnections {
    fn open(&self, entry: Arc<Entry>) {
        let mut population = self.populations[entry.protocol].lock();
        population.opened += 1;
        self.active.fetch_add(1, Relaxed);
        population.live.insert(entry.id, entry);
    }

    /// From now on the sockets of the connection are looked at from time to time.
    pub fn look_again(&self, entry: &Entry) {
        if let Some(samples) = self.samples.upgrade() {
            samples.lock().add(Known::of(entry), clock::now(), rand::random());
        }
    }

    /// Connections that are open.
    pub fn active(&self) -> u64 {
        self.active.load(Relaxed)
    }

    /// Counts a connection as closed.
    pub fn close(&self, entry: &Entry, initiator: Initiator, reason: Reason) {
        let mut population = self.populations[entry.protocol].lock();
        if population.live.remove(&entry.id).is_some() {
            self.active.fetch_sub(1, Relaxed);
            population.count_closed((initiator, reason));
        }
    }

    /// The count of one protocol's connections.
    pub fn census(&self, protocol: Protocol) -> Census {
        let population = self.populations[protocol].lock();
        Census {
            opened: population.opened,
            closed: population.closed.clone(),
            active: population.live.len() as u64,
        }
    }

    /// Shows each open connection to `look`; meanwhile none opens or closes.
    pub fn look(&self, mut look: impl FnMut(&Arc<Entry>)) {
        for &protocol in Protocol::ALL {
            self.populations[protocol].lock().live.values().for_each(&mut look);
        }
    }

    /// The open connections.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        let mut entries = Vec::new();
        self.look(|entry| entries.push(Arc::clone(entry)));
        entries
    }

    fn find(&self, id: ConnectionId) -> Option<Arc<Entry>> {
        Protocol::ALL.iter().find_map(|&protocol| self.populations[protocol].lock().live.get(&id).cloned())
    }
}

impl Connections for Registry {
    fn live(&self) -> Box<dyn Iterator<Item = LiveConnection> + '_> {
        let now = clock::now();
        Box::new(self.entries().into_iter().map(move |entry| snapshot(&entry, now)))
    }

    fn closed(&self) -> Vec<Arc<CloseRecord>> {
        self.closed.lock().iter().cloned().collect()
    }

    fn live_one(&self, id: ConnectionId) -> Option<LiveConnection> {
        self.entry(id).map(|entry| snapshot(&entry, clock::now()))
    }

    fn closed_one(&self, id: ConnectionId) -> Option<Arc<CloseRecord>> {
        self.closed.lock().iter().find(|record| record.id == id).cloned()
    }
}

fn opening(entry: &Entry) -> Opening {
    Opening {
        id: entry.id,
        protocol: entry.protocol,
        route: Arc::clone(entry.route.meter.name()),
        client: entry.client.clone(),
        upstream: Arc::clone(&entry.upstream),
        opened_at: entry.established_at,
    }
}

fn snapshot(entry: &Entry, now: Moment) -> LiveConnection {
    let backlog = PerDirection::from_fn(|direction| Backlog {
        socket: entry.tcp.backlog(direction, now),
        ..entry.flow(direction).backlog(now)
    });
    let pings = entry.heartbeats.show();
    let state = if entry.is_closing() {
        LiveState::Closing
    } else if is_slow(entry, now) {
        LiveState::Slow
    } else {
        LiveState::Open
    };
    LiveConnection {
        id: entry.id,
        protocol: entry.protocol,
        route: Arc::clone(entry.route.meter.name()),
        client: entry.client.clone(),
        user_agent: entry.user_agent.clone(),
        upstream: Arc::clone(&entry.upstream),
        opened_at: entry.established_at,
        age_seconds: now.since(entry.established).as_secs_f64(),
        idle_seconds: now.since(entry.last_byte()).as_secs_f64(),
        messages: PerDirection::from_fn(|direction| entry.flow(direction).messages()),
        bytes: PerDirection::from_fn(|direction| entry.flow(direction).bytes()),
        backlog,
        state,
        tcp: entry.tcp.facts(),
        reconnect: entry.reconnect,
        ping_rtt_seconds: pings.rtt_seconds,
        heartbeat: pings.heartbeats,
        queue: entry.queue_facts(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;
    use crate::front::{EVENTS, Front, SUBSCRIBE, SWITCHING, WEBSOCKET};

    #[test]
    fn of_what_is_open_only_what_is_asked_for_is_shown() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let front = Front::of(listener.local_addr().expect("is bound"));
        let _subscription = Front::join(&listener, &front, SUBSCRIBE, EVENTS);
        let _websockets = [(); 2].map(|()| Front::join(&listener, &front, WEBSOCKET, SWITCHING));
        let registry = front.gateway.registry();
        let deadline = Instant::now() + Duration::from_secs(10);
        while registry.active() < 3 {
            assert!(Instant::now() < deadline, "all three come to be open");
            std::thread::yield_now();
        }
        let name = Arc::clone(registry.routes()[0].meter.name());
        let shown = |name: &Arc<str>, of: &[Protocol]| {
            let of: Vec<_> = of.iter().map(|protocol| (Arc::clone(name), *protocol)).collect();
            registry.live_of(&of).map(|one| one.protocol).collect::<Vec<_>>()
        };
        let (websocket, sse) = (Protocol::WebSocket, Protocol::Sse);
        assert_eq!(shown(&name, &[websocket]), [websocket; 2]);
        assert_eq!(shown(&name, &[sse, Protocol::Grpc]), [sse]);
        assert_eq!(shown(&"another".into(), &[websocket]), []);
        assert_eq!(shown(&name, &[]), []);
    }
}
