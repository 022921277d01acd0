//! Asks the guard whether an attempt may go on, and keeps openings towards upstreams to so many at once.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use guard::admission::{Ask, Client, Clock, Gate, Refusal, Scope, Verdict};
use http::{HeaderValue, Response, StatusCode, header};
use model::{AdmissionReason, Decision, GrpcCode, Moment};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer;
use crate::body::AnswerBody;
use crate::clock;
use crate::config::{HandshakesConfig, LimitsConfig, Network, RefuseWith};

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
    exempt: Vec<Network>,
    refuse_with: RefuseWith,
}

impl Door {
    /// Puts limits in force; the one `before` goes on counting. None where there is nothing to be asked.
    pub fn build(scope: Scope, config: &LimitsConfig, before: Option<&Door>) -> Option<Arc<Door>> {
        let limits = config.gate()?;
        let gate = Gate::new(scope, limits, Monotonic, before.map(|door| &door.gate));
        let turns = config.handshakes.map(|config| {
            let same = before.and_then(|door| door.turns.as_ref()).filter(|turns| turns.config == config);
            same.cloned().unwrap_or_else(|| Turns::new(config))
        });
        let (exempt, refuse_with) = (config.exempt.clone(), config.refuse_with);
        Some(Arc::new(Door { gate, turns, exempt, refuse_with }))
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(address))
    }
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
    pub client: Option<Client>,
    /// Where it is.
    pub address: IpAddr,
}

/// What a connection that was let in holds until it is open.
#[derive(Debug, Default)]
pub struct Slots {
    route: Option<Slot>,
    gateway: Option<Slot>,
}

impl Slots {
    /// The connection is open and in the registry: what is left counts for its client.
    pub fn opened(self) -> Option<Box<Slot>> {
        let gateway = self.gateway.and_then(Slot::opened);
        debug_assert!(gateway.is_none(), "clients are counted by route");
        self.route.and_then(Slot::opened).map(Box::new)
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
            let ask = Ask { client: asking.client, is_exempt, seed: rand::random() };
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
