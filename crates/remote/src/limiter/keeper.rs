//! The task that has the connection to Redis.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use guard::shared::{Answer, Ask, Kind};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Script, ScriptInvocation};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};

use super::counts::Count;
use super::{Down, LimiterSettings, Opening, State};
use crate::backoff::Backoff;

/// How often counts are renewed.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// When counts expire that are not.
pub(super) const EXPIRY: Duration = Duration::from_secs(5);

/// The same of clients, of which each is renewed with one of several beats ([`CLIENT_BEATS`](super::counts::CLIENT_BEATS)).
const CLIENT_EXPIRY: Duration = Duration::from_secs(15);

/// Time to connect: address, TLS and password.
const CONNECT: Duration = Duration::from_secs(2);

/// Longest wait before it is tried again, before chance shortens it.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// A connection that lived for so long was a good one.
const GOOD: Duration = Duration::from_secs(10);

/// Openings that one call asks for.
const OPENINGS_MAX: usize = 128;

/// Counts that one call writes beside them.
const COUNTS_MAX: usize = 256;

/// Connects, serves, and begins anew, until nobody can ask any more.
pub(super) async fn run(settings: LimiterSettings, state: Arc<State>, openings: Receiver<Opening>) {
    let gateway = format!("{:032x}", rand::random::<u128>());
    let script = Script::new(include_str!("ask.lua"));
    let mut keeper = Keeper { settings, state, openings, gateway, script };
    let mut backoff = Backoff::new();
    let mut first = Box::pin(connect(keeper.settings.clone()));
    let mut next = match timeout(keeper.settings.timeout, &mut first).await {
        Ok(connected) => connected,
        // Who waits has waited for long enough, and the connection may still come.
        Err(_) => match without(&keeper.state, &mut keeper.openings, first).await {
            Some(connected) => connected,
            None => return,
        },
    };
    loop {
        let begun = Instant::now();
        let end = match next {
            Ok(connection) => keeper.serve(connection).await,
            Err(why) => End::Failed(why),
        };
        let End::Failed(why) = end else { return };
        let was_up = keeper.state.is_up.swap(false, Relaxed);
        let before = keeper.state.why.lock().replace(why.clone());
        let unknown = keeper.state.unknown.load(Relaxed);
        keeper.state.down.lock().get_or_insert(Down { since: Instant::now(), unknown });
        if was_up || before.is_none() {
            let on_failure = keeper.settings.on_failure;
            tracing::warn!(why, ?on_failure, "shared limits: Redis cannot be asked");
        }
        if begun.elapsed() > GOOD {
            backoff = Backoff::new();
        }
        let wait = backoff.next(None, rand::random()).min(RETRY_MAX.mul_f64(rand::random_range(0.5..1.0)));
        let again = async {
            sleep(wait).await;
            connect(keeper.settings.clone()).await
        };
        let Some(connected) = without(&keeper.state, &mut keeper.openings, again).await else { return };
        next = connected;
    }
}

/// Why a connection is no longer served.
enum End {
    /// Nobody can ask any more.
    Dropped,
    Failed(String),
}

async fn connect(settings: LimiterSettings) -> Result<MultiplexedConnection, String> {
    let client = settings.url.client(settings.ca_file.as_deref())?;
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    match timeout(CONNECT, connecting).await {
        Ok(connected) => connected.map_err(|error| error.to_string()),
        Err(_) => Err("no connection in time".to_owned()),
    }
}

/// Waits for `again`; who asks meanwhile is told at once that nobody knows. None when nobody can ask any more.
async fn without<T>(
    state: &Arc<State>,
    openings: &mut Receiver<Opening>,
    again: impl Future<Output = T>,
) -> Option<T> {
    let mut again = std::pin::pin!(again);
    loop {
        tokio::select! {
            connected = &mut again => return Some(connected),
            opening = openings.recv() => opening?.unknown(state),
        }
    }
}

impl Opening {
    fn unknown(self, state: &Arc<State>) {
        // Who no longer waits gives back what comes back.
        drop(self.answer.send(state.unknown(&self.asks)));
    }
}

struct Keeper {
    settings: LimiterSettings,
    state: Arc<State>,
    openings: Receiver<Opening>,
    gateway: String,
    script: Script,
}

impl Keeper {
    async fn serve(&mut self, mut connection: MultiplexedConnection) -> End {
        let state = Arc::clone(&self.state);
        state.counts.renew_all();
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waiting = Vec::with_capacity(OPENINGS_MAX);
        let mut is_open = true;
        loop {
            tokio::select! {
                biased;
                _ = beat.tick() => state.counts.renew(),
                count = self.openings.recv_many(&mut waiting, OPENINGS_MAX), if is_open => is_open = count > 0,
                () = state.wake.notified() => {}
                () = std::future::ready(()), if state.counts.is_dirty() => {}
            }
            if let Err(why) = self.call(&mut connection, &mut waiting).await {
                return End::Failed(why);
            }
            if !state.is_up.swap(true, Relaxed) {
                *state.down.lock() = None;
                tracing::info!("shared limits: Redis answers");
            }
            if !is_open && !state.counts.is_dirty() {
                return End::Dropped;
            }
        }
    }

    /// Asks for all that wait and writes what is to be written, in one call. Redis has the time limit for its answer; who
    /// had waited before the call and runs out of time is told so, and Redis is not blamed for it.
    async fn call(
        &self,
        connection: &mut MultiplexedConnection,
        waiting: &mut Vec<Opening>,
    ) -> Result<(), String> {
        let now = Instant::now();
        for late in waiting.extract_if(.., |opening| opening.deadline <= now) {
            late.unknown(&self.state);
        }
        let batch = Batch::new(&self.state, waiting);
        let invocation = batch.invocation(&self.script, &self.settings.prefix, &self.gateway, waiting);
        let mut answering = std::pin::pin!(invocation.invoke_async::<Vec<i64>>(connection));
        let mut waiting: Vec<Option<Opening>> = waiting.drain(..).map(Some).collect();
        let last = now + self.settings.timeout;
        let answer = loop {
            let deadlines = waiting.iter().flatten().map(|opening| opening.deadline);
            let next = deadlines.min().unwrap_or(last).min(last);
            match timeout_at(next, &mut answering).await {
                Ok(answer) => break Ok(answer),
                Err(elapsed) if Instant::now() >= last => break Err(elapsed),
                Err(_) => self.give_up_late(&mut waiting),
            }
        };
        let answers = match answer {
            Ok(Ok(answers)) if answers.len() == 2 * waiting.len() => Ok(answers),
            Ok(Ok(answers)) => Err(format!("{} answers to {} openings", answers.len() / 2, waiting.len())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {:?}", self.settings.timeout)),
        };
        match answers {
            Ok(answers) => {
                let is_late = waiting.iter().any(Option::is_none);
                for (opening, answer) in waiting.into_iter().zip(answers.chunks_exact(2)) {
                    opening.into_iter().for_each(|opening| self.tell(opening, answer[0], answer[1]));
                }
                if is_late {
                    // Redis may have given places to who has gone.
                    self.state.counts.put_back(batch.counted());
                }
                Ok(())
            }
            Err(why) => {
                self.state.counts.put_back(batch.counted());
                waiting.into_iter().flatten().for_each(|opening| opening.unknown(&self.state));
                Err(why)
            }
        }
    }

    /// Tells those that nobody knows whose time is over.
    fn give_up_late(&self, waiting: &mut [Option<Opening>]) {
        let now = Instant::now();
        for place in waiting {
            if let Some(late) = place.take_if(|opening| opening.deadline <= now) {
                late.unknown(&self.state);
            }
        }
    }

    fn tell(&self, opening: Opening, which: i64, wait_us: i64) {
        let answer = match usize::try_from(which - 1) {
            Ok(which) => {
                self.state.refused.fetch_add(1, Relaxed);
                let retry_after = u64::try_from(wait_us).ok().map(Duration::from_micros);
                Answer::Refused { which, retry_after }
            }
            Err(_) => {
                self.state.granted.fetch_add(1, Relaxed);
                Answer::Granted(self.state.take(&opening.asks))
            }
        };
        // Who no longer waits gives back what comes back.
        drop(opening.answer.send(answer));
    }
}

fn expiry(is_of_client: bool) -> Duration {
    if is_of_client { CLIENT_EXPIRY } else { EXPIRY }
}

/// The limits of one call.
#[derive(Default)]
struct Batch {
    limits: Vec<(Arc<str>, Limit)>,
    /// Where each stands among them, from 1; the keys of buckets are other ones.
    places: HashMap<(bool, Arc<str>), usize>,
}

/// What the script is told of one.
enum Limit {
    Ceiling { own: u32, max: u32, expiry: Duration },
    Count { own: u32, expiry: Duration },
    Bucket { tokens: u32, interval: Duration },
}

impl Batch {
    fn new(state: &State, waiting: &[Opening]) -> Batch {
        let mut batch = Batch::default();
        // First of all, so that what is given back from here on is written with the next call.
        for (name, Count { held, is_of_client, .. }) in state.counts.take_dirty(COUNTS_MAX) {
            batch.add(&name, Limit::Count { own: held, expiry: expiry(is_of_client) });
        }
        for Ask { name, kind, is_of_client } in waiting.iter().flat_map(|opening| &opening.asks) {
            let limit = match *kind {
                Kind::Ceiling { max } => {
                    Limit::Ceiling { own: state.counts.held(name), max, expiry: expiry(*is_of_client) }
                }
                Kind::Bucket { tokens, interval } => Limit::Bucket { tokens: tokens.max(1), interval },
            };
            batch.add(name, limit);
        }
        batch
    }

    /// The newest that is known of a limit.
    fn add(&mut self, name: &Arc<str>, limit: Limit) {
        let place = (matches!(limit, Limit::Bucket { .. }), Arc::clone(name));
        match self.places.get(&place) {
            Some(&place) => self.limits[place - 1].1 = limit,
            None => {
                self.limits.push((Arc::clone(name), limit));
                self.places.insert(place, self.limits.len());
            }
        }
    }

    /// Ceilings, of each of which this gateway's count is written.
    fn counted(&self) -> impl Iterator<Item = Arc<str>> {
        let counted = self.limits.iter().filter(|(_, limit)| !matches!(limit, Limit::Bucket { .. }));
        counted.map(|(name, _)| Arc::clone(name))
    }

    /// All keys have one hash tag: a script may only touch keys of one slot of a cluster.
    fn invocation<'a>(
        &self,
        script: &'a Script,
        prefix: &str,
        gateway: &str,
        waiting: &[Opening],
    ) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.arg(gateway);
        for (name, limit) in &self.limits {
            let mut add = |part: &str, kind: &str, a: u32, b: u64, expiry: Duration| {
                let expiry = u64::try_from(expiry.as_millis()).unwrap_or(u64::MAX);
                call.key(format!("{{{prefix}}}:{part}:{name}")).arg(kind).arg(a).arg(b).arg(expiry);
            };
            match *limit {
                Limit::Ceiling { own, max, expiry } => add("open", "ceiling", own, max.into(), expiry),
                Limit::Count { own, expiry } => add("open", "count", own, 0, expiry),
                Limit::Bucket { tokens, interval } => {
                    let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
                    add("new", "bucket", tokens, micros, Duration::ZERO);
                }
            }
        }
        for opening in waiting {
            call.arg(opening.asks.len());
            for Ask { name, kind, .. } in &opening.asks {
                let place = (matches!(kind, Kind::Bucket { .. }), Arc::clone(name));
                call.arg(self.places.get(&place).copied().unwrap_or_default());
            }
        }
        call
    }
}
