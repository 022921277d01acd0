//! Programs elsewhere: samples to engines, queries that one of them answers, and alerts to Alertmanagers.
//!
//! Samples go by remote write 1.0 ([`Remotes`]): packed by one thread, kept in a bounded queue for each engine, and sent
//! by a thread for each, in order and at least once. Who gives samples waits for nothing. It is no store: what the
//! engine has taken is forgotten here.
//!
//! Openings ask one Redis for limits that several gateways hold together ([`Limiter`]).
//!
//! Alerts go to each Alertmanager by a task of its own ([`Alertmanagers`]).
//!
//! Queries go to one engine ([`RemoteEngine`]): questions of the HTTP API as they are, those of rules by [`EngineSeries`].

mod access;
mod alertmanagers;
mod backoff;
mod client;
mod destination;
mod engine;
mod limiter;
mod post;
mod sender;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use meter::scrape::RemoteFacts;
use model::outbox::{Outbox, Parcel};
use model::series::{Labels, Sample};

pub use access::{Access, Credentials};
pub use alertmanagers::Alertmanagers;
pub use destination::Destination;
pub use engine::{EngineSeries, RemoteEngine};
pub use limiter::{Limiter, LimiterSettings, Outage, RedisUrl};
use sender::Sender;

/// Batches that may wait to be packed.
const BATCHES_MAX: usize = 1024;

/// Samples that may wait to be packed.
const SAMPLES_WAITING_MAX: usize = 1_000_000;

/// Samples with their series, in the order of time for each.
pub type Samples = Vec<(Labels, Sample)>;

/// Takes samples and sends them on, until it is dropped.
#[derive(Debug)]
pub struct Remotes {
    give: Option<SyncSender<Samples>>,
    shared: Arc<Shared>,
    senders: Vec<Sender>,
    packer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    /// Samples that came faster than they could be packed.
    busy: AtomicU64,
}

impl Remotes {
    /// Sends to each destination what its queue has and gets.
    ///
    /// # Errors
    /// Credentials or authorities to trust that cannot be read, a thread that cannot be started.
    pub fn start(destinations: Vec<(Destination, Arc<dyn Outbox>)>) -> Result<Remotes, String> {
        let senders =
            destinations.into_iter().map(|(destination, outbox)| Sender::start(destination, outbox));
        let senders = senders.collect::<Result<Vec<_>, _>>()?;
        let (give, given) = sync_channel(BATCHES_MAX);
        let shared = Arc::new(Shared::default());
        let mut queues: Vec<_> = senders.iter().map(Sender::queue).collect();
        let counts = Arc::clone(&shared);
        let packer = std::thread::Builder::new()
            .name("remote-pack".to_owned())
            .spawn(move || pack(&given, &counts, &mut queues))
            .map_err(|error| format!("remote write: {error}"))?;
        Ok(Remotes { give: Some(give), shared, senders, packer: Some(packer) })
    }

    /// Takes samples, unless too many wait to be packed; those are counted. Never waits.
    pub fn give(&self, samples: Samples) {
        let count = samples.len();
        let waiting = self.shared.waiting.fetch_add(count, Relaxed);
        let has_room = waiting == 0 || waiting + count <= SAMPLES_WAITING_MAX;
        let is_given = has_room && self.give.as_ref().is_some_and(|give| give.try_send(samples).is_ok());
        if !is_given {
            self.shared.waiting.fetch_sub(count, Relaxed);
            self.shared.busy.fetch_add(count as u64, Relaxed);
        }
    }

    /// Whether so much waits to be packed that whoever can should come again later.
    pub fn is_behind(&self) -> bool {
        self.shared.waiting.load(Relaxed) > SAMPLES_WAITING_MAX / 2
    }

    /// For the metrics page; `now_ms` is milliseconds since the Unix epoch.
    pub fn facts(&self, now_ms: i64) -> Vec<RemoteFacts> {
        let busy = self.shared.busy.load(Relaxed);
        self.senders.iter().map(|sender| sender.facts(busy, now_ms)).collect()
    }
}

impl Drop for Remotes {
    /// What was given is packed; what the engines do not take within two seconds stays in the queues.
    fn drop(&mut self) {
        self.give = None;
        if let Some(packer) = self.packer.take()
            && packer.join().is_err()
        {
            tracing::error!("the thread that packs samples panicked");
        }
        self.senders.iter().for_each(Sender::stop);
        self.senders.clear();
    }
}

/// Small batches that wait together go into one request.
fn pack(given: &Receiver<Samples>, shared: &Shared, queues: &mut [sender::Queue]) {
    while let Ok(mut samples) = given.recv() {
        while samples.len() < wire::SAMPLES_MAX
            && let Ok(mut more) = given.try_recv()
        {
            samples.append(&mut more);
        }
        wire::pack(&samples, |parcel: Parcel| {
            queues.iter().for_each(|queue| queue.put(parcel.clone()));
        });
        shared.waiting.fetch_sub(samples.len(), Relaxed);
    }
}

#[cfg(test)]
mod tests;
