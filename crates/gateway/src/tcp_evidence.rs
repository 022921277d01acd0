//! What the kernel told of a connection's two sockets: when it was established, at the newest sample, and at
//! its end. [`crate::sampler`] decides when to look.

use std::sync::{Arc, OnceLock};

use model::tcp::{SocketBacklog, TcpFacts, TcpLegs, TcpSample};
use model::{Direction, Leg, Moment, PerDirection, PerLeg, Word as _};
use parking_lot::Mutex;

use crate::clock;
use crate::leg::Watch;
use crate::socket::{Handle, Reading};

/// Retransmissions or window probes in a row after which a peer that answers none counts as gone. Each waits
/// twice as long as the one before, from at least 200 ms, so this takes 6 s or longer.
const UNANSWERED_MAX: u8 = 5;

/// How much later than the last byte a sample must be to tell of what came of it, seconds.
const SETTLING_SECONDS: f32 = 0.5;

/// The sockets of a connection.
#[derive(Debug)]
pub struct Sockets {
    /// Towards the client.
    pub client: Option<Arc<Handle>>,
    /// Towards the upstream.
    pub upstream: Option<Arc<Handle>>,
    /// The socket carries other streams too (HTTP/2).
    pub is_shared: PerLeg<bool>,
}

impl Sockets {
    /// Those below two legs that speak HTTP.
    pub fn of(client: &Watch, upstream: &Watch) -> Sockets {
        Sockets {
            client: client.socket().cloned(),
            upstream: upstream.socket().cloned(),
            is_shared: PerLeg { client: client.is_shared(), upstream: upstream.is_shared() },
        }
    }
}

/// See the module; empty where the kernel tells nothing.
#[derive(Debug, Default)]
pub struct TcpEvidence(OnceLock<Box<Legs>>);

#[derive(Debug)]
struct Legs {
    established: Moment,
    /// By [`Leg`].
    legs: [Option<LegEvidence>; 2],
}

#[derive(Debug)]
struct LegEvidence {
    socket: Arc<Handle>,
    is_shared: bool,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    open: TcpSample,
    last: Option<TcpSample>,
}

impl Seen {
    fn newest(&self) -> &TcpSample {
        self.last.as_ref().unwrap_or(&self.open)
    }
}

/// What a sample adds to counters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct News {
    /// Which leg.
    pub leg: Leg,
    /// Its smoothed round-trip time.
    pub rtt_seconds: Option<f32>,
    /// Segments sent again since the sample before; at the first one, since TCP opened.
    pub retransmits: u32,
}

/// What is known at the end.
#[derive(Debug, Default)]
pub struct Closing {
    /// For the record.
    pub legs: Option<Box<TcpLegs>>,
    /// Sent to the receiver and not acknowledged.
    pub unacked_bytes: PerDirection<Option<u64>>,
    /// Accepted by the receiver's kernel socket and never to be sent.
    pub lost_bytes: PerDirection<u64>,
}

impl TcpEvidence {
    /// Looks at the sockets of a connection that was established just now, and keeps them to look at, up to
    /// [`close`](TcpEvidence::close). False when the kernel tells nothing of them.
    pub fn begin(&self, sockets: Sockets, established: Moment, tell: impl FnMut(News)) -> bool {
        let Sockets { client, upstream, is_shared } = sockets;
        let client = client.and_then(|socket| LegEvidence::begin(socket, is_shared.client));
        let upstream = upstream.and_then(|socket| LegEvidence::begin(socket, is_shared.upstream));
        if client.is_none() && upstream.is_none() {
            return false;
        }
        let legs = Box::new(Legs { established, legs: [client, upstream] });
        let legs = self.0.get_or_init(|| legs);
        let first = |(leg, evidence): (Leg, &LegEvidence)| News::of(leg, &evidence.seen.lock().open, 0);
        legs.each().map(first).for_each(tell);
        true
    }

    /// Whether nothing was on its way at the newest samples, and nothing has come since: the last byte came at
    /// `last_byte`. What other streams of a shared socket do is not known.
    pub fn is_settled(&self, last_byte: Moment) -> bool {
        let Some(legs) = self.0.get() else { return true };
        let quiet_from = last_byte.since(legs.established).as_secs_f32() + SETTLING_SECONDS;
        legs.each().all(|(_, evidence)| {
            let seen = evidence.seen.lock();
            let sample = seen.newest();
            let is_empty = sample.unread_bytes == 0 && sample.notsent_bytes == 0 && sample.unacked_bytes == 0;
            is_empty && sample.at_seconds > quiet_from && !evidence.is_shared
        })
    }

    /// Looks at the sockets now.
    pub fn sample(&self, mut tell: impl FnMut(News)) {
        let Some(legs) = self.0.get() else { return };
        for (leg, evidence) in legs.each() {
            let Some(Reading { sample, .. }) = evidence.read(legs.established) else { continue };
            let mut seen = evidence.seen.lock();
            tell(News::of(leg, &sample, seen.newest().retransmits));
            seen.last = Some(sample);
        }
    }

    /// Looks a last time; the sockets may be closed already. Called once.
    pub fn close(&self, mut tell: impl FnMut(News)) -> Closing {
        let Some(legs) = self.0.get() else { return Closing::default() };
        let mut closing = Closing::default();
        let mut facts = [None, None];
        for (leg, evidence) in legs.each() {
            let reading = evidence.read(legs.established);
            evidence.socket.unwatch();
            facts[leg.index()] = Some(evidence.facts(reading.map(|reading| reading.sample)));
            let Some(Reading { sample, is_lost }) = reading else { continue };
            tell(News::of(leg, &sample, evidence.seen.lock().newest().retransmits));
            let direction = leg.other().inbound();
            if !evidence.is_shared {
                closing.unacked_bytes[direction] = Some(sample.unacked_bytes.into());
                closing.lost_bytes[direction] = if is_lost { sample.notsent_bytes.into() } else { 0 };
            }
        }
        let [client, upstream] = facts;
        closing.legs = Some(Box::new(TcpLegs { client, upstream }));
        closing
    }

    /// What is known while the connection is open.
    pub fn facts(&self) -> Option<Box<TcpLegs>> {
        let [client, upstream] =
            self.0.get()?.legs.each_ref().map(|leg| leg.as_ref().map(|leg| leg.facts(None)));
        Some(Box::new(TcpLegs { client, upstream }))
    }

    /// Where bytes of one direction wait in the kernel, by the newest samples.
    pub fn backlog(&self, direction: Direction, now: Moment) -> Option<SocketBacklog> {
        let legs = self.0.get()?;
        let newest = self.newest(|sample| *sample)?;
        let (sender, receiver) = (newest[direction.sender()], newest[direction.receiver()]);
        let age = now.since(legs.established).as_secs_f32() - sender.at_seconds.min(receiver.at_seconds);
        Some(SocketBacklog {
            unread_bytes: sender.unread_bytes,
            notsent_bytes: receiver.notsent_bytes,
            unacked_bytes: receiver.unacked_bytes,
            zero_window: receiver.zero_window,
            age_seconds: age.max(0.0),
        })
    }

    /// Whether the client has answered nothing for long, though bytes were sent to it again and again.
    pub fn is_client_unacknowledged(&self) -> bool {
        self.look_at(Leg::Client, |sample| sample.unanswered >= UNANSWERED_MAX).unwrap_or(false)
    }

    /// What `look` finds in the newest samples, when there are some of both legs.
    pub fn newest<T>(&self, look: impl Fn(&TcpSample) -> T) -> Option<PerLeg<T>> {
        let client = self.look_at(Leg::Client, &look)?;
        Some(PerLeg { client, upstream: self.look_at(Leg::Upstream, look)? })
    }

    fn look_at<T>(&self, leg: Leg, look: impl FnOnce(&TcpSample) -> T) -> Option<T> {
        let evidence = self.0.get()?.legs[leg.index()].as_ref()?;
        Some(look(evidence.seen.lock().newest()))
    }
}

impl Legs {
    fn each(&self) -> impl Iterator<Item = (Leg, &LegEvidence)> {
        Leg::ALL.iter().zip(&self.legs).filter_map(|(&leg, evidence)| Some((leg, evidence.as_ref()?)))
    }
}

impl LegEvidence {
    fn begin(socket: Arc<Handle>, is_shared: bool) -> Option<LegEvidence> {
        let (_, Reading { sample: open, .. }) = look(&socket, is_shared)?;
        socket.watch();
        Some(LegEvidence { socket, is_shared, seen: Mutex::new(Seen { open, last: None }) })
    }

    fn read(&self, established: Moment) -> Option<Reading> {
        let (at, mut reading) = look(&self.socket, self.is_shared)?;
        reading.sample.at_seconds = at.since(established).as_secs_f32();
        Some(reading)
    }

    fn facts(&self, close: Option<TcpSample>) -> TcpFacts {
        let Seen { open, last } = *self.seen.lock();
        TcpFacts { shared: self.is_shared, open, last, close, acks: self.socket.acks.facts() }
    }
}

/// Many streams of one connection open and end in a moment: one look serves them all.
fn look(socket: &Handle, is_shared: bool) -> Option<(Moment, Reading)> {
    let now = clock::now();
    if is_shared { socket.read_again(now) } else { Some((now, socket.read()?)) }
}

impl News {
    fn of(leg: Leg, sample: &TcpSample, retransmits_before: u32) -> News {
        let retransmits = sample.retransmits.saturating_sub(retransmits_before);
        News { leg, rtt_seconds: sample.rtt_seconds, retransmits }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
