//! What each client has open, and how fast it comes again.

use std::collections::HashMap;
use std::time::Duration;

use model::Moment;

use super::rate::Bucket;
use super::{Clock, PerClient, Rate};

/// Clients that are kept in mind. Those who have nothing open and a full bucket make room; while nobody does, a new client
/// is let in without a limit of its own, and counted.
pub const CLIENTS_MAX: usize = 100_000;

/// Time between two looks for clients that make room.
const TIDY_INTERVAL: Duration = Duration::from_secs(1);

/// Who a client is: a hash that says nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(pub u64);

#[derive(Debug)]
pub(super) struct Clients<C: Clock> {
    limits: PerClient,
    known: HashMap<Client, Known<C>>,
    tidied: Option<Moment>,
    /// Attempts that no limit held for, for want of room.
    pub(super) left_out: u64,
}

#[derive(Debug)]
struct Known<C: Clock> {
    open: u64,
    bucket: Option<Bucket<C>>,
    /// When it last came.
    came: Moment,
}

/// What a client is told.
pub(super) enum Asked {
    Granted,
    /// It has so many open.
    Full(u64),
    /// Its bucket is empty, and has a token again after this time.
    Empty(Rate, Duration),
}

impl<C: Clock> Clients<C> {
    pub(super) fn new() -> Clients<C> {
        Clients { limits: PerClient::default(), known: HashMap::new(), tidied: None, left_out: 0 }
    }

    /// Sets what each may have. What is open stays counted; buckets whose rate changes are full again.
    pub(super) fn limit(&mut self, limits: PerClient, clock: &C) {
        if self.limits.new_connections != limits.new_connections {
            for known in self.known.values_mut() {
                known.bucket = limits.new_connections.map(|rate| rate.bucket(clock));
            }
        }
        self.limits = limits;
    }

    pub(super) fn len(&self) -> u64 {
        self.known.len() as u64
    }

    pub(super) fn busiest(&self) -> u64 {
        self.known.values().map(|known| known.open).max().unwrap_or_default()
    }

    pub(super) fn ask(&mut self, client: Client, clock: &C) -> Asked {
        if !self.limits.is_some() {
            return Asked::Granted;
        }
        let now = clock.now();
        if !self.known.contains_key(&client) && !self.has_room(now) {
            self.left_out += 1;
            return Asked::Granted;
        }
        let PerClient { connections, new_connections } = self.limits;
        let known = self.known.entry(client).or_insert_with(|| {
            let bucket = new_connections.map(|rate| rate.bucket(clock));
            Known { open: 0, bucket, came: now }
        });
        known.came = now;
        if let Some(limit) = connections.filter(|limit| known.open >= *limit) {
            return Asked::Full(limit);
        }
        match known.bucket.as_ref().map(Bucket::take).zip(new_connections) {
            Some((Err(wait), rate)) => Asked::Empty(rate, wait),
            _ => Asked::Granted,
        }
    }

    /// Counts a connection of a client; false when it is not counted, and so does not leave.
    pub(super) fn enter(&mut self, client: Client) -> bool {
        let known = self.known.get_mut(&client);
        known.map(|known| known.open += 1).is_some()
    }

    pub(super) fn leave(&mut self, client: Client) {
        if let Some(known) = self.known.get_mut(&client) {
            known.open -= 1;
            self.forget_at_rest(client);
        }
    }

    /// Forgets a client that has nothing open and no bucket.
    pub(super) fn forget_at_rest(&mut self, client: Client) {
        if self.known.get(&client).is_some_and(|known| known.open == 0 && known.bucket.is_none()) {
            self.known.remove(&client);
        }
    }

    fn has_room(&mut self, now: Moment) -> bool {
        if self.known.len() < CLIENTS_MAX {
            return true;
        }
        if self.tidied.is_none_or(|tidied| now.since(tidied) >= TIDY_INTERVAL) {
            self.tidied = Some(now);
            let full_after = self.limits.new_connections.map_or(Duration::ZERO, |rate| rate.interval);
            self.known.retain(|_, known| known.open > 0 || now.since(known.came) < full_after);
        }
        self.known.len() < CLIENTS_MAX
    }
}
