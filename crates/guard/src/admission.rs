//! Who may come in: ceilings of what is open at once, token buckets for what is new, both for a route, for each of its
//! clients, and for a gateway in all.
//!
//! A [`Gate`] is asked once for each attempt and answers with a [`Verdict`]. How many connections are open it is told by
//! the one who keeps them; it counts by itself only the attempts that are under way, and what each client has.

mod clients;
mod pace;
mod rate;

use std::sync::Arc;
use std::time::Duration;

use model::AdmissionReason;
use parking_lot::Mutex;

use self::clients::{Asked, Clients};
pub use self::clients::{CLIENTS_MAX, Client};
pub use self::pace::Pace;
use self::rate::Bucket;
pub use self::rate::{Clock, Rate};

/// What a gate lets through. Nothing that is absent is a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Connections that may be open at once, those that are being opened included.
    pub connections: Option<u64>,
    /// New connections in a time.
    pub new_connections: Option<Rate>,
    /// The same for each client.
    pub per_client: PerClient,
    /// Nobody is refused, it is only said who would be.
    pub dry_run: bool,
    /// Least time after which one who is refused is asked to come back; the longest is twice that.
    pub retry_after: Duration,
}

/// What each client may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerClient {
    /// Connections that may be open at once.
    pub connections: Option<u64>,
    /// New connections in a time.
    pub new_connections: Option<Rate>,
}

impl PerClient {
    /// Whether there is a limit.
    pub fn is_some(&self) -> bool {
        self.connections.is_some() || self.new_connections.is_some()
    }
}

/// Whose limits a gate keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A route's.
    Route,
    /// The gateway's in all.
    Gateway,
}

/// One attempt to open a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask {
    /// Who it is; none when nobody knows, which no limit for each client holds for.
    pub client: Option<Client>,
    /// Limits do not hold for it; it is counted all the same.
    pub is_exempt: bool,
    /// A random number, for the time after which it is asked to come back.
    pub seed: u64,
}

/// What comes of it.
#[derive(Debug)]
pub enum Verdict<C: Clock> {
    /// It goes on. It counts as being opened for as long as the slot says so.
    Admitted(Slot<C>),
    /// It goes on, and would be refused if this were no trial.
    WouldRefuse(Slot<C>, Refusal),
    /// It is turned away.
    Refused(Refusal),
}

/// Why an attempt is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The limit that it met.
    pub reason: AdmissionReason,
    /// Connections, or new ones in the interval, that may be.
    pub limit: u64,
    /// When it should come back, at the earliest.
    pub retry_after: Duration,
}

impl Refusal {
    /// Spreads those who were refused at one moment: each is asked to come back after its own time, from `least` to twice
    /// that, so that they do not all come again at once.
    pub fn new(reason: AdmissionReason, limit: u64, least: Duration, seed: u64) -> Refusal {
        let share = seed as f64 / u64::MAX as f64;
        Refusal { reason, limit, retry_after: least.mul_f64(1.0 + share) }
    }
}

/// One place to be let in at. What it counts outlives a change of its limits.
#[derive(Debug)]
pub struct Gate<C: Clock> {
    scope: Scope,
    limits: Limits,
    bucket: Option<Arc<Bucket<C>>>,
    counts: Arc<Mutex<Counts<C>>>,
    clock: C,
}

#[derive(Debug)]
struct Counts<C: Clock> {
    /// Attempts that were let in and are not yet open.
    opening: u64,
    /// Follows the bucket, which does not tell its level.
    taken: Option<Pace>,
    clients: Clients<C>,
}

impl<C: Clock> Gate<C> {
    /// A gate that goes on counting where the one `before` stands; a bucket whose rate is the same keeps its level.
    pub fn new(scope: Scope, limits: Limits, clock: C, before: Option<&Gate<C>>) -> Gate<C> {
        let kept = before.filter(|before| before.limits.new_connections == limits.new_connections);
        let bucket = match kept {
            Some(kept) => kept.bucket.clone(),
            None => limits.new_connections.map(|rate| Arc::new(rate.bucket(&clock))),
        };
        let counts = before.map_or_else(
            || Arc::new(Mutex::new(Counts { opening: 0, taken: None, clients: Clients::new() })),
            |before| Arc::clone(&before.counts),
        );
        let mut counted = counts.lock();
        counted.clients.limit(limits.per_client, &clock);
        if kept.is_none() {
            counted.taken = limits.new_connections.map(|rate| Pace::new(rate, clock.now()));
        }
        drop(counted);
        Gate { scope, limits, bucket, counts, clock }
    }

    /// What it lets through.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Attempts that were let in and are not yet open.
    pub fn opening(&self) -> u64 {
        self.counts.lock().opening
    }

    /// Tokens of the bucket that are taken and not yet back; none without a bucket.
    pub fn taken(&self) -> Option<u64> {
        let now = self.clock.now();
        self.counts.lock().taken.map(|taken| taken.owed(now))
    }

    /// Clients that are counted.
    pub fn clients(&self) -> u64 {
        self.counts.lock().clients.len()
    }

    /// The most connections that one client has.
    pub fn busiest_client(&self) -> u64 {
        self.counts.lock().clients.busiest()
    }

    /// Attempts of clients that no limit for each client held for, since there were more than [`CLIENTS_MAX`].
    pub fn clients_left_out(&self) -> u64 {
        self.counts.lock().clients.left_out
    }

    /// Whether an attempt may go on; `open` tells how many connections are open now. One that has just been opened may be
    /// counted there as well as by its slot, never by neither.
    pub fn ask(&self, ask: &Ask, open: impl FnOnce() -> u64) -> Verdict<C> {
        let mut counts = self.counts.lock();
        let refusal = if ask.is_exempt { None } else { self.refusal(ask, &mut counts, open) };
        match refusal {
            Some(refusal) if !self.limits.dry_run => {
                ask.client.into_iter().for_each(|client| counts.clients.forget_at_rest(client));
                Verdict::Refused(refusal)
            }
            refusal => {
                counts.opening += 1;
                let client = ask.client.filter(|client| counts.clients.enter(*client));
                drop(counts);
                let slot = Slot { counts: Arc::clone(&self.counts), client, is_opening: true };
                match refusal {
                    Some(refusal) => Verdict::WouldRefuse(slot, refusal),
                    None => Verdict::Admitted(slot),
                }
            }
        }
    }

    /// The first limit that an attempt meets. Ceilings come before buckets, so that one who meets a ceiling takes no token.
    fn refusal(&self, ask: &Ask, counts: &mut Counts<C>, open: impl FnOnce() -> u64) -> Option<Refusal> {
        let least = self.limits.retry_after;
        let refused = |reason, limit, wait: Duration| {
            Some(Refusal::new(self.scope.reason(reason), limit, least.max(wait), ask.seed))
        };
        if let Some(limit) = self.limits.connections {
            let opening = counts.opening;
            if open() + opening >= limit {
                return refused(AdmissionReason::Connections, limit, Duration::ZERO);
            }
        }
        match ask.client.map_or(Asked::Granted, |client| counts.clients.ask(client, &self.clock)) {
            Asked::Granted => {}
            Asked::Full(limit) => return refused(AdmissionReason::ClientConnections, limit, Duration::ZERO),
            Asked::Empty(rate, wait) => {
                return refused(AdmissionReason::ClientNewConnections, rate.tokens.get().into(), wait);
            }
        }
        let (bucket, rate) = self.bucket.as_ref().zip(self.limits.new_connections)?;
        match bucket.take() {
            Ok(()) => {
                let now = self.clock.now();
                counts.taken.iter_mut().for_each(|taken| taken.take(1, now));
                None
            }
            Err(wait) => refused(AdmissionReason::NewConnections, rate.tokens.get().into(), wait),
        }
    }
}

impl Scope {
    /// The reason of this scope for one of a route.
    pub fn reason(self, reason: AdmissionReason) -> AdmissionReason {
        match (self, reason) {
            (Scope::Gateway, AdmissionReason::Connections) => AdmissionReason::GatewayConnections,
            (Scope::Gateway, AdmissionReason::NewConnections) => AdmissionReason::GatewayNewConnections,
            (Scope::Gateway | Scope::Route, reason) => reason,
        }
    }
}

/// An attempt that was let in, and then its connection. It is given back once: when it is dropped.
#[derive(Debug)]
pub struct Slot<C: Clock> {
    counts: Arc<Mutex<Counts<C>>>,
    client: Option<Client>,
    is_opening: bool,
}

impl<C: Clock> Slot<C> {
    /// Whether it counts for its client.
    pub fn is_of_client(&self) -> bool {
        self.client.is_some()
    }

    /// The connection is open and counted by the one who keeps it. What is left counts for its client alone; none where
    /// there is nothing left.
    #[must_use]
    pub fn opened(mut self) -> Option<Slot<C>> {
        self.counts.lock().opening -= 1;
        self.is_opening = false;
        self.client.is_some().then_some(self)
    }
}

impl<C: Clock> Drop for Slot<C> {
    fn drop(&mut self) {
        if !self.is_opening && self.client.is_none() {
            return;
        }
        let mut counts = self.counts.lock();
        counts.opening -= u64::from(self.is_opening);
        if let Some(client) = self.client {
            counts.clients.leave(client);
        }
    }
}

#[cfg(test)]
mod tests;
