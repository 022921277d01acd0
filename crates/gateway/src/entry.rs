//! One open connection, as others than its own task see it: who it is, how far it has come, and a mailbox of
//! one command.
//!
//! The task that serves the connection is the only writer of the counters, so a relaxed load and store is
//! enough; everyone else only looks.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use guard::heartbeat::Beat;
use meter::reconnects::ClientKey;
use model::event::CloseCode;
use model::live::Backlog;
use model::queue::QueueFacts;
use model::record::{ClientAddress, Reconnect, What};
use model::recording::Happening;
use model::{ConnectionId, Direction, Leg, Moment, PerDirection, Protocol, WallTime, Word as _};
use parking_lot::Mutex;

use crate::acks::{self, Sampling, Whose};
use crate::beats::Beats;
use crate::flight::Flight;
use crate::heartbeats::Heartbeats;
use crate::queued::Queued;
use crate::registry::RouteConnections;
use crate::rest::Rest;
use crate::socket::Handle;
use crate::tcp_evidence::{News, TcpEvidence};
use crate::worker;

/// See the module.
#[derive(Debug)]
pub struct Entry {
    /// Name of the connection.
    pub id: ConnectionId,
    /// Its protocol.
    pub protocol: Protocol,
    /// The route it was opened on.
    pub route: Arc<RouteConnections>,
    /// Where the client is.
    pub client: ClientAddress,
    /// What its program calls itself.
    pub user_agent: Option<Arc<str>>,
    /// URL of the upstream.
    pub upstream: Arc<str>,
    /// When it was established.
    pub established: Moment,
    /// The same, to show.
    pub established_at: WallTime,
    /// Limits of time that the route had when it was opened.
    pub limits: Limits,
    /// Its flight recorder.
    pub flight: Flight,
    /// What the kernel tells of its sockets.
    pub tcp: TcpEvidence,
    /// Whether they are looked at.
    pub rest: Rest,
    /// Who the client is, when it can be known again.
    pub client_key: Option<ClientKey>,
    /// Of so many messages of a direction, the acknowledgement of one is timed.
    pub acks_one_in: u32,
    /// It was opened as a reconnect.
    pub reconnect: Option<Reconnect>,
    /// Its Pings and Pongs.
    pub heartbeats: Heartbeats,
    queued: OnceLock<Arc<Queued>>,
    /// The gateway's own signs of life; none when its route has none.
    pub beats: Option<Box<Beats>>,
    flows: PerDirection<Flow>,
    closing_since: AtomicU64,
    command: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

/// Limits of time of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For silence in both directions.
    pub idle: Option<Duration>,
    /// From the first sign of the end to the end.
    pub half_close: Duration,
}

/// What a connection is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Say goodbye (Close frame 1001, end of body), then end.
    Drain,
    /// End now: the drain window is over.
    Cut,
    /// End: the silence has lasted too long.
    IdleTimeout,
    /// End: the other side did not follow in time.
    HalfCloseTimeout,
    /// Say goodbye: it carried more than it may.
    RateLimit,
    /// End: a peer did not answer the heartbeat.
    HeartbeatTimeout,
}

/// What is due for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A command for it.
    Tell(Command),
    /// A sign of life towards one leg.
    Ask(Leg),
    /// The peer on one leg is given up.
    GiveUp(Leg),
}

impl Command {
    const ALL: [Command; 6] = [
        Command::Drain,
        Command::Cut,
        Command::IdleTimeout,
        Command::HalfCloseTimeout,
        Command::HeartbeatTimeout,
        Command::RateLimit,
    ];

    /// The cause that the command is of an end.
    pub fn what(self) -> What {
        match self {
            Command::Drain | Command::Cut => What::Drain,
            Command::IdleTimeout => What::IdleTimeout,
            Command::HalfCloseTimeout => What::HalfCloseTimeout,
            Command::HeartbeatTimeout => What::HeartbeatTimeout,
            Command::RateLimit => What::RateLimit,
        }
    }

    /// Code of the Close frame by which the gateway says goodbye to the client.
    pub fn close_code(self) -> CloseCode {
        match self {
            Command::RateLimit => CloseCode::POLICY_VIOLATION,
            _ => CloseCode::GOING_AWAY,
        }
    }
}

/// Who a connection is, from its opening on.
#[derive(Debug)]
pub struct Identity {
    /// Name of the connection.
    pub id: ConnectionId,
    /// Its protocol.
    pub protocol: Protocol,
    /// The route it was opened on.
    pub route: Arc<RouteConnections>,
    /// Where the client is.
    pub client: ClientAddress,
    /// What its program calls itself.
    pub user_agent: Option<Arc<str>>,
    /// URL of the upstream.
    pub upstream: Arc<str>,
    /// Limits of time that the route has now.
    pub limits: Limits,
    /// The gateway's own signs of life.
    pub beats: Option<Box<Beats>>,
    /// Its flight recorder.
    pub flight: Flight,
    /// Who the client is, when it can be known again.
    pub client_key: Option<ClientKey>,
    /// Of so many messages of a direction, the acknowledgement of one is timed; 0 for none.
    pub acks_one_in: u32,
    /// It is opened as a reconnect.
    pub reconnect: Option<Reconnect>,
}

impl Entry {
    /// A connection that is established at `now`.
    pub fn new(identity: Identity, now: Moment, wall: WallTime) -> Entry {
        let Identity {
            id,
            protocol,
            route,
            client,
            user_agent,
            upstream,
            limits,
            beats,
            client_key,
            acks_one_in,
            reconnect,
            flight,
        } = identity;
        Entry {
            id,
            protocol,
            route,
            client,
            user_agent,
            upstream,
            established: now,
            established_at: wall,
            limits,
            flight,
            tcp: TcpEvidence::default(),
            rest: Rest::default(),
            client_key,
            acks_one_in,
            reconnect,
            heartbeats: Heartbeats::default(),
            queued: OnceLock::new(),
            beats,
            flows: PerDirection::from_fn(|_| Flow::new(now)),
            closing_since: AtomicU64::new(NEVER),
            command: AtomicU8::new(0),
            waker: Mutex::new(None),
        }
    }

    /// The connection has a queue towards its client.
    pub fn has_queue(&self, queued: &Arc<Queued>) {
        self.queued.get_or_init(|| Arc::clone(queued));
    }

    /// What its queue has done; none without one.
    pub fn queue_facts(&self) -> Option<Box<QueueFacts>> {
        self.queued().map(|queued| Box::new(queued.facts()))
    }

    /// Its queue; none without one.
    pub fn queued(&self) -> Option<&Queued> {
        self.queued.get().map(Arc::as_ref)
    }

    /// One direction's counters.
    pub fn flow(&self, direction: Direction) -> &Flow {
        &self.flows[direction]
    }

    /// Counts bytes read and messages complete with them. Only the task that serves the connection may do so.
    pub fn count(&self, direction: Direction, bytes: u64, messages: u64, at: Moment) {
        self.flow(direction).note(bytes, messages, at);
        if self.rest.stir() {
            self.route.look_again(self);
        }
    }

    /// Whether its sockets need no more looks until its next byte, asked at a look.
    pub fn comes_to_rest(&self) -> bool {
        self.tcp.is_settled(self.last_byte()) && self.rest.settle()
    }

    /// Whether the acknowledgement of one of the next `messages` is to be timed.
    pub fn is_ack_due(&self, direction: Direction, messages: u64) -> bool {
        acks::is_due(self.flow(direction).messages(), messages, self.acks_one_in)
    }

    /// Begins to time an acknowledgement on the receiver's `socket`, if that can be now.
    pub fn sample_ack(&self, direction: Direction, socket: &Arc<Handle>) -> Option<Sampling> {
        let meter = Arc::clone(&self.route.meter);
        Sampling::begin(socket, Whose { meter, protocol: self.protocol, direction })
    }

    /// Notes what happened. Only the task that serves the connection may do so.
    pub fn note(&self, at: Moment, what: &Happening) {
        self.flight.note(at.since(self.established), what);
    }

    /// When the last byte was read in either direction; when established, before the first.
    pub fn last_byte(&self) -> Moment {
        self.flows.client_to_server.last_byte().max(self.flows.server_to_client.last_byte())
    }

    /// Counts what a sample of its sockets has told.
    pub fn count_tcp(&self, News { leg, rtt_seconds, retransmits }: News) {
        if self.protocol == Protocol::WebSocket {
            let cells = &self.route.meter.shard(worker::index()).websocket;
            cells.retransmits.add(leg, retransmits.into());
            if let Some(seconds) = rtt_seconds {
                cells.rtt_seconds(leg).observe(seconds.into());
            }
        }
    }

    /// Notes a sign of the end; true for the first one.
    pub fn note_closing(&self, now: Moment) -> bool {
        let is_first = !self.is_closing();
        if is_first {
            self.closing_since.store(now.0, Relaxed);
        }
        is_first
    }

    /// Whether there was a sign of the end.
    pub fn is_closing(&self) -> bool {
        self.closing_since.load(Relaxed) != NEVER
    }

    /// The peer on `leg` has answered a sign of life of the gateway.
    pub fn answered(&self, leg: Leg, at: Moment) {
        if let Some(beats) = &self.beats {
            beats.answered(leg, at);
        }
    }

    /// The peer that is given up since it did not answer.
    pub fn given_up(&self) -> Option<Leg> {
        self.beats.as_ref()?.given_up()
    }

    /// Whether it is to be looked at from time to time before its end begins.
    pub fn has_deadlines(&self) -> bool {
        self.limits.idle.is_some() || self.beats.is_some()
    }

    /// What is due first, as seen at `now`, if nothing comes of it until then: its own limits of time end it, or it is
    /// given a sign of life.
    pub fn due(&self, now: Moment) -> Option<(Moment, Due)> {
        if self.is_closing() {
            let closing_since = Moment(self.closing_since.load(Relaxed));
            return Some((closing_since + self.limits.half_close, Due::Tell(Command::HalfCloseTimeout)));
        }
        let idle = self.limits.idle.map(|idle| (self.last_byte() + idle, Due::Tell(Command::IdleTimeout)));
        let beat = Leg::ALL.iter().filter_map(|&leg| {
            let beats = self.beats.as_ref()?;
            let [heard, told] = [leg.inbound(), leg.other().inbound()].map(|direction| self.flow(direction));
            Some(match beats.judge(leg, heard, told, now)? {
                Beat::Wait(until) => (until, Due::Ask(leg)),
                Beat::Ask => (now, Due::Ask(leg)),
                Beat::GiveUp => (now, Due::GiveUp(leg)),
            })
        });
        idle.into_iter().chain(beat).min_by_key(|(at, _)| *at)
    }

    /// Tells the connection's task what is due.
    pub fn tell_due(&self, due: Due) {
        match (due, &self.beats) {
            (Due::Tell(command), _) => self.tell(command),
            (Due::Ask(leg), Some(beats)) => {
                beats.set_due(leg);
                self.wake();
            }
            (Due::GiveUp(leg), Some(beats)) => {
                beats.give_up(leg);
                self.tell(Command::HeartbeatTimeout);
            }
            (Due::Ask(_) | Due::GiveUp(_), None) => {}
        }
    }

    /// Leaves a command for the connection's task and wakes it. A later command replaces one not yet taken.
    pub fn tell(&self, command: Command) {
        let place = Command::ALL.iter().position(|&known| known == command).expect("ALL has every command");
        self.command.store(u8::try_from(place).expect("few commands") + 1, Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.lock() {
            waker.wake_by_ref();
        }
    }

    /// Takes the command that waits.
    pub fn take_command(&self) -> Option<Command> {
        if self.command.load(Relaxed) == 0 {
            return None;
        }
        let place = self.command.swap(0, Relaxed).checked_sub(1)?;
        Command::ALL.get(usize::from(place)).copied()
    }

    /// Wakes `waker` whenever a command comes from now on, and no other any more.
    pub fn listen(&self, waker: &Waker) {
        let mut known = self.waker.lock();
        match &mut *known {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }
}

const NEVER: u64 = u64::MAX;

/// Counters of one direction.
#[derive(Debug)]
pub struct Flow {
    messages: AtomicU64,
    bytes: AtomicU64,
    last_byte: AtomicU64,
    last_message: AtomicU64,
    waiting_since: AtomicU64,
    waiting_bytes: AtomicU32,
    waiting_messages: AtomicU32,
}

impl Flow {
    fn new(now: Moment) -> Flow {
        Flow {
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            last_byte: AtomicU64::new(now.0),
            last_message: AtomicU64::new(now.0),
            waiting_since: AtomicU64::new(NEVER),
            waiting_bytes: AtomicU32::new(0),
            waiting_messages: AtomicU32::new(0),
        }
    }

    /// Notes bytes read and messages complete with them.
    pub fn note(&self, bytes: u64, messages: u64, at: Moment) {
        self.bytes.store(self.bytes.load(Relaxed) + bytes, Relaxed);
        self.last_byte.store(at.0, Relaxed);
        if messages > 0 {
            self.messages.store(self.messages.load(Relaxed) + messages, Relaxed);
            self.last_message.store(at.0, Relaxed);
        }
    }

    /// Notes what has been read and not been accepted by the receiver, since when.
    pub fn note_waiting(&self, bytes: usize, messages: usize, since: Moment) {
        self.waiting_bytes.store(u32::try_from(bytes).unwrap_or(u32::MAX), Relaxed);
        self.waiting_messages.store(u32::try_from(messages).unwrap_or(u32::MAX), Relaxed);
        self.waiting_since.store(since.0, Relaxed);
    }

    /// Notes that nothing waits.
    pub fn note_drained(&self) {
        if self.waiting_since.load(Relaxed) != NEVER {
            self.note_waiting(0, 0, Moment(NEVER));
        }
    }

    /// Complete messages.
    pub fn messages(&self) -> u64 {
        self.messages.load(Relaxed)
    }

    /// Bytes read.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// When the last byte was read.
    pub fn last_byte(&self) -> Moment {
        Moment(self.last_byte.load(Relaxed))
    }

    /// When the last message was complete.
    pub fn last_message(&self) -> Moment {
        Moment(self.last_message.load(Relaxed))
    }

    /// Since when something waits, when something does.
    pub fn waits_since(&self) -> Option<Moment> {
        let since = self.waiting_since.load(Relaxed);
        (since != NEVER).then_some(Moment(since))
    }

    /// Bytes that wait.
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes.load(Relaxed).into()
    }

    /// What waits, and for how long.
    pub fn backlog(&self, now: Moment) -> Backlog {
        Backlog {
            messages: self.waiting_messages.load(Relaxed).into(),
            bytes: self.waiting_bytes(),
            oldest_age_seconds: self.waits_since().map_or(0.0, |since| now.since(since).as_secs_f64()),
            socket: None,
        }
    }
}
