//! Asks the guard whether an attempt may go on, and keeps openings towards upstreams to so many at once.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use guard::admission::{Ask, Clock, Gate, Limits, PerClient, Rate, Refusal, Scope, Verdict};
use guard::shared::{self, Answer, Held, Kind};
use http::{HeaderValue, Response, StatusCode, header};
use model::{AdmissionReason, Decision, GrpcCode, Moment};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer;
use crate::body::AnswerBody;
use crate::clock;
use crate::config::{HandshakesConfig, LimitsConfig, Network, RefuseWith};
use crate::visitor::{Counted, SharedName};

/// The time of this shell.
#[derive(Clone, Copy, Debug)]
pub struct Monotonic;

impl Clock for Monotonic {
    fn now(&self) -> Moment {
        clock::now()
    }
}

/// What the guard keeps for one connection.
pub type Slot = guard::admission::Slot<Monotonic>;

/// The limits of a route, or of the gateway in all, in force.
#[derive(Debug)]
pub struct Door {
    /// Who may come in.
    pub gate: Gate<Monotonic>,
    /// Openings towards upstreams.
    pub turns: Option<Turns>,
    /// What is asked of the one who counts for several gateways.
    shared: Vec<Shared>,
    /// The same of each client.
    shared_by_client: Vec<SharedByClient>,
    exempt: Vec<Network>,
    refuse_with: RefuseWith,
}

/// A limit that several gateways hold together.
#[derive(Clone, Debug)]
struct Shared {
    ask: shared::Ask,
    reason: AdmissionReason,
    limit: u64,
}

/// A limit of each client that several gateways hold together.
#[derive(Clone, Debug)]
struct SharedByClient {
    /// Stands before the client's name.
    before: String,
    /// Stands behind it.
    what: &'static str,
    kind: Kind,
    reason: AdmissionReason,
    limit: u64,
}

impl SharedByClient {
    fn of(&self, name: SharedName) -> Shared {
        let SharedByClient { before, what, kind, reason, limit } = self;
        let name = format!("{before}{name}:{what}").into();
        let ask = shared::Ask { name, kind: *kind, is_of_client: true };
        Shared { ask, reason: *reason, limit: *limit }
    }
}

impl Door {
    /// Puts limits in force; the one `before` goes on counting. None where there is nothing to be asked. `name` is the
    /// route's.
    pub fn build(
        scope: Scope,
        name: &str,
        config: &LimitsConfig,
        before: Option<&Door>,
    ) -> Option<Arc<Door>> {
        let limits = config.gate()?;
        let is_shared = config.shared;
        let shared = if is_shared { shared_limits(scope, name, &limits) } else { Vec::new() };
        let shared_by_client = if is_shared { shared_by_client(name, limits.per_client) } else { Vec::new() };
        let gate = Gate::new(scope, limits, Monotonic, before.map(|door| &door.gate));
        let turns = config.handshakes.map(|config| {
            let same = before.and_then(|door| door.turns.as_ref()).filter(|turns| turns.config == config);
            same.cloned().unwrap_or_else(|| Turns::new(config))
        });
        let (exempt, refuse_with) = (config.exempt.clone(), config.refuse_with);
        Some(Arc::new(Door { gate, turns, shared, shared_by_client, exempt, refuse_with }))
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(address))
    }
}

/// The limits of a route, or of gateways in all, by names that all gateways have for them.
fn shared_limits(scope: Scope, name: &str, limits: &Limits) -> Vec<Shared> {
    let limit = |what: &str, reason, (limit, kind)| {
        let name = match scope {
            Scope::Route => format!("route:{name}:{what}"),
            Scope::Gateway => format!("all:{what}"),
        };
        let ask = shared::Ask { name: name.into(), kind, is_of_client: false };
        Shared { ask, reason: scope.reason(reason), limit }
    };
    let ceiling = limits.connections.map(ceiling);
    let ceiling = ceiling.map(|kind| limit("connections", AdmissionReason::Connections, kind));
    let bucket = limits.new_connections.map(bucket);
    let bucket = bucket.map(|kind| limit("new_connections", AdmissionReason::NewConnections, kind));
    ceiling.into_iter().chain(bucket).collect()
}

/// The limits of each client of a route, by names that all gateways have for them.
fn shared_by_client(route: &str, limits: PerClient) -> Vec<SharedByClient> {
    let limit = |what, reason, (limit, kind)| SharedByClient {
        before: format!("route:{route}:client:"),
        what,
        kind,
        reason,
        limit,
    };
    let ceiling = limits.connections.map(ceiling);
    let ceiling = ceiling.map(|kind| limit("connections", AdmissionReason::ClientConnections, kind));
    let bucket = limits.new_connections.map(bucket);
    let bucket = bucket.map(|kind| limit("new_connections", AdmissionReason::ClientNewConnections, kind));
    ceiling.into_iter().chain(bucket).collect()
}

fn ceiling(connections: u64) -> (u64, Kind) {
    (connections, Kind::Ceiling { max: u32::try_from(connections).unwrap_or(u32::MAX) })
}

fn bucket(rate: Rate) -> (u64, Kind) {
    let (tokens, interval) = (rate.tokens.get(), rate.interval);
    (tokens.into(), Kind::Bucket { tokens, interval })
}

/// What is asked before a route's upstream is tried.
#[derive(Debug)]
pub struct Admission {
    /// The route's own limits.
    pub route: Option<Arc<Door>>,
    /// Those of the gateway in all.
    pub gateway: Option<Arc<Door>>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// As whom it is counted.
    pub client: Option<Counted>,
    /// Where it is.
    pub address: IpAddr,
}

/// What a connection that was let in holds until it is open.
#[derive(Debug, Default)]
pub struct Slots {
    route: Option<Slot>,
    gateway: Option<Slot>,
    held: Option<Held>,
}

/// What is kept of them for as long as the connection is open.
#[derive(Debug)]
pub struct Kept {
    _client: Option<Slot>,
    _held: Option<Held>,
}

impl Slots {
    /// The connection is open and in the registry: what is left counts for its client, and for other gateways.
    pub fn opened(self) -> Option<Box<Kept>> {
        let gateway = self.gateway.and_then(Slot::opened);
        debug_assert!(gateway.is_none(), "clients are counted by route");
        let (client, held) = (self.route.and_then(Slot::opened), self.held);
        (client.is_some() || held.is_some()).then(|| Box::new(Kept { _client: client, _held: held }))
    }

    /// Holds what other gateways have to know of as well.
    pub fn hold(&mut self, held: Option<Held>) {
        self.held = held;
    }
}

/// An attempt is turned away.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// Why, and when it should come back.
    pub refusal: Refusal,
    refuse_with: RefuseWith,
}

impl Admission {
    /// Those of a route; none where neither it nor the gateway has any.
    pub fn of(route: Option<Arc<Door>>, gateway: Option<&Arc<Door>>) -> Option<Admission> {
        let gateway = gateway.map(Arc::clone);
        (route.is_some() || gateway.is_some()).then_some(Admission { route, gateway })
    }

    /// Whether clients have limits of their own.
    pub fn tells_clients_apart(&self) -> bool {
        self.route.as_ref().is_some_and(|door| door.gate.limits().per_client.is_some())
    }

    /// Asks both gates; `open` tells how many connections of the route and of the gateway are open.
    ///
    /// # Errors
    /// One of them turns the attempt away.
    pub fn ask(
        &self,
        asking: Asking,
        (of_route, of_gateway): (impl Fn() -> u64, impl Fn() -> u64),
    ) -> Result<(Slots, (Decision, AdmissionReason)), Refused> {
        let mut slots = Slots::default();
        let mut decided = (Decision::Admitted, AdmissionReason::Within);
        let places = [
            (&self.route, &mut slots.route, &of_route as &dyn Fn() -> u64),
            (&self.gateway, &mut slots.gateway, &of_gateway),
        ];
        for (door, place, open) in places {
            let Some(door) = door else { continue };
            let is_exempt = door.is_exempt(asking.address);
            let client = asking.client.map(|counted| counted.client);
            let ask = Ask { client, is_exempt, seed: rand::random() };
            match door.gate.ask(&ask, open) {
                Verdict::Admitted(slot) => {
                    *place = Some(slot);
                    if is_exempt && decided.0 == Decision::Admitted {
                        decided.1 = AdmissionReason::Exempt;
                    }
                }
                Verdict::WouldRefuse(slot, refusal) => {
                    *place = Some(slot);
                    if decided.0 == Decision::Admitted {
                        decided = (Decision::WouldRefuse, refusal.reason);
                    }
                }
                Verdict::Refused(refusal) => {
                    return Err(Refused { refusal, refuse_with: door.refuse_with });
                }
            }
        }
        Ok((slots, decided))
    }

    /// Asks the one who counts for several gateways, for one that has `slots` here; the reason where the attempt would have
    /// been refused if this were no trial. A client that is not counted here is not counted together either, which bounds
    /// how many are.
    ///
    /// # Errors
    /// The attempt is turned away.
    pub async fn ask_shared(
        &self,
        asking: Asking,
        slots: &Slots,
        counter: Option<&Arc<dyn shared::Shared>>,
    ) -> Result<(Option<Held>, Option<AdmissionReason>), Refused> {
        let Some(counter) = counter else { return Ok((None, None)) };
        let is_counted = slots.route.as_ref().is_some_and(Slot::is_of_client);
        let client = asking.client.filter(|_| is_counted).and_then(|counted| counted.shared);
        let doors = [&self.route, &self.gateway].into_iter().flatten();
        let mut asked: Vec<(&Door, Cow<'_, Shared>)> = Vec::new();
        for door in doors.filter(|door| !door.is_exempt(asking.address)) {
            asked.extend(door.shared.iter().map(|shared| (&**door, Cow::Borrowed(shared))));
            let by_client = client.into_iter().flat_map(|name| {
                door.shared_by_client.iter().map(move |limit| (&**door, Cow::Owned(limit.of(name))))
            });
            asked.extend(by_client);
        }
        let Some((first, _)) = asked.first() else { return Ok((None, None)) };
        let answer = counter.ask(asked.iter().map(|(_, shared)| shared.ask.clone()).collect()).await;
        let (door, reason, limit, wait) = match answer {
            Answer::Granted(held) | Answer::Unknown(Some(held)) => return Ok((Some(held), None)),
            Answer::Unknown(None) => (*first, AdmissionReason::Unknown, 0, Duration::ZERO),
            Answer::Refused { which, retry_after } => {
                let (door, shared) = asked.get(which).unwrap_or(&asked[0]);
                (*door, shared.reason, shared.limit, retry_after.unwrap_or_default())
            }
        };
        let limits = door.gate.limits();
        if limits.dry_run {
            return Ok((None, Some(reason)));
        }
        let refusal = Refusal::new(reason, limit, limits.retry_after.max(wait), rand::random());
        Err(Refused { refusal, refuse_with: door.refuse_with })
    }

    /// Waits for the attempt's turn to try an upstream; the reason where it would have been refused if this were no trial.
    ///
    /// # Errors
    /// There is no place to wait, or it took too long.
    pub async fn turn(&self, address: IpAddr) -> Result<(Turn, Option<AdmissionReason>), Refused> {
        let mut turn = Turn::default();
        let mut would = None;
        let places = [
            (&self.route, &mut turn.route, AdmissionReason::Handshakes),
            (&self.gateway, &mut turn.gateway, AdmissionReason::GatewayHandshakes),
        ];
        for (door, place, reason) in places {
            let Some(door) = door else { continue };
            let Some(turns) = door.turns.as_ref().filter(|_| !door.is_exempt(address)) else { continue };
            let limits = door.gate.limits();
            *place = if limits.dry_run { turns.try_take() } else { turns.take().await };
            if place.is_none() && !limits.dry_run {
                let at_once = turns.config.at_once.get().into();
                let refusal = Refusal::new(reason, at_once, limits.retry_after, rand::random());
                return Err(Refused { refusal, refuse_with: door.refuse_with });
            }
            if place.is_none() {
                would.get_or_insert(reason);
            }
        }
        Ok((turn, would))
    }
}

/// Openings towards upstreams: so many at once, the others in their order.
#[derive(Clone, Debug)]
pub struct Turns {
    config: HandshakesConfig,
    places: Arc<Semaphore>,
    waiting: Arc<AtomicU32>,
}

/// It is an opening's turn until this is dropped.
#[derive(Debug, Default)]
pub struct Turn {
    route: Option<OwnedSemaphorePermit>,
    gateway: Option<OwnedSemaphorePermit>,
}

/// One that waits, for as long as it lives.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Turns {
    fn new(config: HandshakesConfig) -> Turns {
        let at_once = usize::try_from(config.at_once.get()).unwrap_or(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)));
        Turns { config, places, waiting: Arc::default() }
    }

    /// How many may be under way at once.
    pub fn at_once(&self) -> u64 {
        self.config.at_once.get().into()
    }

    /// How many are.
    pub fn under_way(&self) -> u64 {
        self.at_once().saturating_sub(self.places.available_permits() as u64)
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed).into()
    }

    fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place, at once or after a while.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(permit) = self.try_take() {
            return Some(permit);
        }
        let waiting = self.waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(&self.waiting);
        if waiting >= self.config.waiting {
            return None;
        }
        let permit = tokio::time::timeout(self.config.wait, Arc::clone(&self.places).acquire_owned());
        permit.await.ok()?.ok()
    }
}

impl Refused {
    /// Whether a WebSocket is told by a Close frame.
    pub fn closes_websockets(&self) -> bool {
        self.refuse_with == RefuseWith::Close1013
    }

    /// In whole seconds, as `Retry-After` has it (RFC 9110, section 10.2.3).
    pub fn retry_seconds(&self) -> u64 {
        let after = self.refusal.retry_after;
        after.as_secs() + u64::from(after.subsec_nanos() > 0)
    }

    /// What the client is told.
    pub fn answer(&self) -> Response<AnswerBody> {
        let seconds = self.retry_seconds();
        let mut answer = if self.refusal.reason.is_too_many_requests() {
            let message = format!("Too Many Requests: come back in {seconds} s");
            answer::text(StatusCode::TOO_MANY_REQUESTS, &message)
        } else {
            let message = format!("Service Unavailable: all places are taken, come back in {seconds} s");
            answer::text(StatusCode::SERVICE_UNAVAILABLE, &message)
        };
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        answer
    }

    /// What a gRPC client is told (grpc/proposal, A6: the time goes in `grpc-retry-pushback-ms`).
    pub fn code(&self) -> GrpcCode {
        if self.refusal.reason.is_too_many_requests() {
            GrpcCode::ResourceExhausted
        } else {
            GrpcCode::Unavailable
        }
    }

    /// The same in milliseconds.
    pub fn retry_millis(&self) -> u64 {
        u64::try_from(self.refusal.retry_after.as_millis()).unwrap_or(u64::MAX)
    }

    /// What an operator is told.
    pub fn detail(&self) -> String {
        let Refusal { reason, limit, retry_after } = self.refusal;
        let setting = reason.setting().unwrap_or_default();
        let seconds = Duration::from_millis(u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX));
        format!("refused by {setting} ({reason}): {limit} allowed, told to come back in {seconds:?}")
    }
}

#[cfg(test)]
mod tests;
