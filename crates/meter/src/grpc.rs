//! Counters of gRPC streams, by service and method. Their names are learnt from requests, so their number is
//! bounded: beyond the limit they go to `other`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use model::{Direction, GrpcCode, Http2Error, Initiator, Leg, PerDirection, Word};

use crate::cells::{Counter, Counts, Histogram, Observed};
use crate::families::{DURATION_BOUNDS, LATENCY_BOUNDS};

/// Methods of a route that are counted by name (gRPC proposal A66 bounds them as well).
pub const METHODS_MAX: usize = 100;

/// Name under which the rest is counted.
pub const OTHER: &str = "other";

const NANOS_PER_SECOND: f64 = 1e9;

/// What is counted of one route.
#[derive(Debug, Default)]
pub struct GrpcCells {
    /// Streams that reached no upstream: closed without ever having been open.
    pub never_opened: Counter,
    /// Methods that went to `other`.
    pub methods_dropped: Counter,
    /// RST_STREAM frames by who sent them.
    resets: PerInitiator<Counts<Http2Error>>,
    /// GOAWAY frames by who sent them.
    goaways: PerInitiator<Counts<Http2Error>>,
    /// PINGs that the gateway itself sent for the heartbeats of streams, by the peer.
    pub heartbeats_sent: Counts<Leg>,
    stalled_nanos: PerDirection<Counter>,
    services: RwLock<BTreeMap<Arc<str>, Service>>,
}

#[derive(Debug)]
struct Service {
    cells: Arc<ServiceCells>,
    methods: BTreeMap<Arc<str>, Arc<Counts<GrpcCode>>>,
}

/// What is counted of one service.
#[derive(Debug)]
pub struct ServiceCells {
    /// Complete messages.
    pub messages: PerDirection<Counter>,
    /// Their bytes on the wire, without prefixes.
    pub message_bytes: PerDirection<Counter>,
    /// Lifetime of streams.
    pub duration_seconds: Histogram,
    /// To the service's first message.
    pub first_message_seconds: Histogram,
    /// Residence of messages.
    pub latency_seconds: PerDirection<Histogram>,
}

impl Default for ServiceCells {
    fn default() -> Self {
        ServiceCells {
            messages: PerDirection::default(),
            message_bytes: PerDirection::default(),
            duration_seconds: Histogram::new(DURATION_BOUNDS),
            first_message_seconds: Histogram::new(LATENCY_BOUNDS),
            latency_seconds: PerDirection::from_fn(|_| Histogram::new(LATENCY_BOUNDS)),
        }
    }
}

/// Where the streams of one method are counted.
#[derive(Clone, Debug)]
pub struct MethodCells {
    /// Its service.
    pub service: Arc<ServiceCells>,
    /// Closed streams by the status that the client was given.
    pub closed: Arc<Counts<GrpcCode>>,
}

#[derive(Debug, Default)]
struct PerInitiator<T>([T; 3]);

impl<T> PerInitiator<T> {
    fn of(&self, initiator: Initiator) -> &T {
        &self.0[initiator.index()]
    }
}

impl GrpcCells {
    /// Where the streams of a method are counted.
    pub fn method(&self, service: &str, method: &str) -> MethodCells {
        if let Some(known) = self.known(service, method) {
            return known;
        }
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        let count: usize = services.values().map(|service| service.methods.len()).sum();
        let (service, method) = if count < METHODS_MAX {
            (service, method)
        } else {
            self.methods_dropped.inc();
            (OTHER, OTHER)
        };
        let service = services
            .entry(service.into())
            .or_insert_with(|| Service { cells: Arc::default(), methods: BTreeMap::new() });
        let closed = Arc::clone(service.methods.entry(method.into()).or_default());
        MethodCells { service: Arc::clone(&service.cells), closed }
    }

    fn known(&self, service: &str, method: &str) -> Option<MethodCells> {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        let service = services.get(service)?;
        let closed = Arc::clone(service.methods.get(method)?);
        Some(MethodCells { service: Arc::clone(&service.cells), closed })
    }

    /// Counts an RST_STREAM frame.
    pub fn count_reset(&self, initiator: Initiator, error: Http2Error) {
        self.resets.of(initiator).inc(error);
    }

    /// Counts a GOAWAY frame.
    pub fn count_goaway(&self, initiator: Initiator, error: Http2Error) {
        self.goaways.of(initiator).inc(error);
    }

    /// Adds time during which data waited for its receiver's windows.
    pub fn add_stalled(&self, direction: Direction, seconds: f64) {
        self.stalled_nanos[direction].add((seconds * NANOS_PER_SECOND) as u64);
    }

    /// The same, so far.
    pub fn stalled_seconds(&self, direction: Direction) -> f64 {
        self.stalled_nanos[direction].get() as f64 / NANOS_PER_SECOND
    }

    /// RST_STREAM frames so far.
    pub fn resets(&self, initiator: Initiator, error: Http2Error) -> u64 {
        self.resets.of(initiator).get(error)
    }

    /// GOAWAY frames so far.
    pub fn goaways(&self, initiator: Initiator, error: Http2Error) -> u64 {
        self.goaways.of(initiator).get(error)
    }

    /// Shows the cells of each service, by name.
    pub fn each_service(&self, mut show: impl FnMut(&str, &ServiceCells)) {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        services.iter().for_each(|(name, service)| show(name, &service.cells));
    }

    /// Shows the closed streams of each method, by names of service and method.
    pub fn each_method(&self, mut show: impl FnMut(&str, &str, &Counts<GrpcCode>)) {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        for (name, service) in services.iter() {
            service.methods.iter().for_each(|(method, closed)| show(name, method, closed));
        }
    }

    /// Messages, their bytes and their latency in both directions over all services.
    pub fn totals(&self) -> GrpcTotals {
        let mut totals = GrpcTotals::default();
        self.each_service(|_, cells| {
            for &direction in Direction::ALL {
                totals.messages[direction] += cells.messages[direction].get();
                totals.bytes[direction] += cells.message_bytes[direction].get();
                cells.latency_seconds[direction].add_to(&mut totals.latency);
            }
        });
        totals
    }
}

/// See [`GrpcCells::totals`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrpcTotals {
    /// Complete messages.
    pub messages: PerDirection<u64>,
    /// Their bytes on the wire.
    pub bytes: PerDirection<u64>,
    /// Their residence.
    pub latency: Observed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_known_ones_stay() {
        let cells = GrpcCells::default();
        let first = cells.method("a.First", "Call");
        for number in 0..METHODS_MAX + 20 {
            cells.method(&format!("a.Service{}", number / 7), &format!("Call{number}"));
        }
        assert_eq!(cells.methods_dropped.get(), 21);
        assert!(Arc::ptr_eq(&first.closed, &cells.method("a.First", "Call").closed));
        cells.method("one.More", "Call").closed.inc(GrpcCode::Ok);
        let mut seen = Vec::new();
        cells.each_method(|service, method, closed| {
            if closed.get(GrpcCode::Ok) > 0 {
                seen.push((service.to_owned(), method.to_owned()));
            }
        });
        assert_eq!(seen, [(OTHER.to_owned(), OTHER.to_owned())]);
    }
}
