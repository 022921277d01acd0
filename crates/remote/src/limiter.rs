//! Limits that several gateways hold together, counted by one Redis.
//!
//! One task ([`keeper`]) has the connection and asks for all openings that wait, in one call of one script. While it waits
//! for the answer nothing else is under way, so what it writes of this gateway is always its true count: a lost answer,
//! a restarted Redis or a lost give-back heals itself with the next call. Counts expire when they are not renewed, so
//! that what a dead gateway held is free again within [`keeper::EXPIRY`].
//!
//! Only openings wait, and none longer than the time limit. While Redis does not answer, they do not wait at all.

mod counts;
mod keeper;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use std::{fmt, fs};

use guard::shared::{Answer, Answering, Ask, OnFailure, Shared};
use meter::scrape::SharedLimitsFacts;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use counts::Counts;

/// Openings that may wait to be asked for; those beyond it are told that nobody knows.
const OPENINGS_WAITING_MAX: usize = 4096;

/// Where the Redis is, and how it is asked.
#[derive(Clone, Debug)]
pub struct LimiterSettings {
    /// Its URL.
    pub url: RedisUrl,
    /// PEM file with the authority of its certificate, read for each connection; without it those of this system.
    pub ca_file: Option<PathBuf>,
    /// Begins the name of every key; gateways with the same one hold their limits together.
    pub prefix: String,
    /// Longest that an opening waits for its answer.
    pub timeout: Duration,
    /// What becomes of openings while there is none.
    pub on_failure: OnFailure,
}

/// `redis://[user:password@]host:port[/db]`, `rediss:` for TLS, or `unix:` with the path of a socket.
#[derive(Clone)]
pub enum RedisUrl {
    /// Itself.
    Inline(String),
    /// In a file, which is read for each connection.
    File(PathBuf),
}

impl fmt::Debug for RedisUrl {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedisUrl::Inline(_) => f.write_str("Inline(…)"),
            RedisUrl::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl RedisUrl {
    /// Whether it is in the configuration with its password.
    pub fn has_inline_password(&self) -> bool {
        let RedisUrl::Inline(url) = self else { return false };
        let client = redis::Client::open(url.trim());
        client.is_ok_and(|client| client.get_connection_info().redis_settings().password().is_some())
    }

    /// The client of it, without a connection; its certificate is to be of the authority in `ca_file`, or of one of this
    /// system.
    ///
    /// # Errors
    /// A file that cannot be read, or what is no URL of a Redis; without what is secret.
    pub fn client(&self, ca_file: Option<&Path>) -> Result<redis::Client, String> {
        let url = match self {
            RedisUrl::Inline(url) => url.clone(),
            RedisUrl::File(path) => fs::read_to_string(path).map_err(|error| unreadable(path, &error))?,
        };
        let no_url = |error| format!("no URL of a Redis, such as `redis://10.0.0.5:6379`: {error}");
        let url = url.trim();
        let Some(ca_file) = ca_file else { return redis::Client::open(url).map_err(no_url) };
        let root_cert = Some(fs::read(ca_file).map_err(|error| unreadable(ca_file, &error))?);
        if !url.starts_with("rediss://") {
            return Err("an authority is only asked for in TLS: begin the URL with `rediss://`".to_owned());
        }
        let certificates = redis::TlsCertificates { client_tls: None, root_cert };
        redis::Client::build_with_tls(url, certificates).map_err(no_url)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// One gateway's part in what several hold together.
#[derive(Debug)]
pub struct Limiter {
    queue: mpsc::Sender<Opening>,
    state: Arc<State>,
    timeout: Duration,
}

/// Asked for, and not yet answered.
#[derive(Debug)]
struct Opening {
    asks: Vec<Ask>,
    answer: oneshot::Sender<Answer>,
    deadline: Instant,
}

#[derive(Debug)]
struct State {
    on_failure: OnFailure,
    counts: Counts,
    /// Something is to be written.
    wake: Notify,
    is_up: AtomicBool,
    /// Why it could not be asked the last time.
    why: Mutex<Option<String>>,
    /// While it cannot be asked.
    down: Mutex<Option<Down>>,
    granted: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
}

/// Since when Redis cannot be asked, and openings without an answer up to then.
#[derive(Clone, Copy, Debug)]
struct Down {
    since: Instant,
    unknown: u64,
}

/// Redis cannot be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Outage {
    /// For how long by now, seconds.
    pub seconds: f64,
    /// Openings that were decided without it meanwhile.
    pub unknown: u64,
    /// Why, in words of the one who tried.
    pub why: String,
}

impl Limiter {
    /// Connects, and keeps on doing so, in a task of the present runtime, until it is dropped.
    #[must_use]
    pub fn start(settings: LimiterSettings) -> Arc<Limiter> {
        let (queue, openings) = mpsc::channel(OPENINGS_WAITING_MAX);
        let state = Arc::new(State {
            on_failure: settings.on_failure,
            counts: Counts::default(),
            wake: Notify::new(),
            is_up: AtomicBool::new(false),
            why: Mutex::new(None),
            down: Mutex::new(None),
            granted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        });
        let timeout = settings.timeout;
        tokio::spawn(keeper::run(settings, Arc::clone(&state), openings));
        Arc::new(Limiter { queue, state, timeout })
    }

    /// What becomes of openings without an answer.
    pub fn on_failure(&self) -> OnFailure {
        self.state.on_failure
    }

    /// None while Redis answers, and before it was first tried.
    pub fn outage(&self) -> Option<Outage> {
        let Down { since, unknown } = (*self.state.down.lock())?;
        Some(Outage {
            seconds: since.elapsed().as_secs_f64(),
            unknown: self.state.unknown.load(Relaxed).saturating_sub(unknown),
            why: self.state.why.lock().clone().unwrap_or_default(),
        })
    }

    /// For the metrics page.
    pub fn facts(&self) -> SharedLimitsFacts {
        let State { is_up, granted, refused, unknown, .. } = &*self.state;
        SharedLimitsFacts {
            is_up: is_up.load(Relaxed),
            granted: granted.load(Relaxed),
            refused: refused.load(Relaxed),
            unknown: unknown.load(Relaxed),
        }
    }
}

impl Shared for Limiter {
    fn ask(&self, asks: Vec<Ask>) -> Answering {
        let (answer, answered) = oneshot::channel();
        let state = Arc::clone(&self.state);
        let opening = Opening { asks, answer, deadline: Instant::now() + self.timeout };
        let sent = self.queue.try_send(opening);
        Box::pin(async move {
            match sent {
                Ok(()) => answered.await.unwrap_or(Answer::Unknown(None)),
                Err(error) => state.unknown(&error.into_inner().asks),
            }
        })
    }
}

impl State {
    /// What is told when nobody answers.
    fn unknown(self: &Arc<Self>, asks: &[Ask]) -> Answer {
        self.unknown.fetch_add(1, Relaxed);
        Answer::Unknown((self.on_failure == OnFailure::Open).then(|| self.take(asks)))
    }
}

#[cfg(test)]
mod tests;
