//! The meters of all routes, over reloads of the configuration.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use model::{Direction, Moment, PerDirection, Refused, TryoutRefused};

use crate::admissions::Admissions;
use crate::cells::{Counter, Counts, Observed, Shard};
use crate::grpc::GrpcCells;
use crate::mean::{MeanWindow, Sums};
use crate::queries::QueryMeter;
use crate::queue::QueueCells;
use crate::scrape::Waiting;
use crate::smallest::SmallestWindow;

/// Routes with meters of their own; beyond it, routes share one named `other`.
pub const ROUTES_MAX: usize = 1_000;

/// What this build is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Version of the package.
    pub version: &'static str,
}

/// See the module.
#[derive(Debug)]
pub struct Registry {
    /// What this build is.
    pub build: Build,
    /// Connections and requests that no route took.
    pub refused: Counts<Refused>,
    /// Routes that went to `other`.
    pub routes_dropped: Counter,
    /// Queries of the HTTP API.
    pub queries: Arc<QueryMeter>,
    /// Connections of the dashboard's test page that did not begin.
    pub tryouts_refused: Arc<Counts<TryoutRefused>>,
    routes: RwLock<Vec<Arc<RouteMeter>>>,
    shards: usize,
    mean_window: Duration,
}

impl Registry {
    /// No routes yet; `shards` should be the number of counting threads.
    pub fn new(build: Build, shards: usize, mean_window: Duration) -> Registry {
        let routes = RwLock::default();
        let (refused, routes_dropped) = (Counts::default(), Counter::default());
        let (queries, tryouts_refused, shards) = (Arc::default(), Arc::default(), shards.max(1));
        Registry { build, refused, routes_dropped, queries, tryouts_refused, routes, shards, mean_window }
    }

    /// The meter of the route of that name, created when it is new.
    pub fn route(&self, name: &str) -> Arc<RouteMeter> {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let find = |name: &str| routes.iter().find(|route| &*route.name == name).cloned();
        if let Some(known) = find(name) {
            return known;
        }
        let name = if routes.len() < ROUTES_MAX {
            name
        } else {
            self.routes_dropped.inc();
            match find("other") {
                Some(other) => return other,
                None => "other",
            }
        };
        let route = Arc::new(RouteMeter::new(name, self.shards));
        routes.push(Arc::clone(&route));
        route
    }

    /// Notes the sums that means are taken of, and the smallest delays; called about once a second.
    pub fn tick(&self, now: Moment) {
        for route in self.routes.read().unwrap_or_else(PoisonError::into_inner).iter() {
            for direction in [Direction::ClientToServer, Direction::ServerToClient] {
                let sums = route.latency_sums(direction);
                lock(&route.means)[direction].tick(now, self.mean_window, sums);
            }
            let smallest =
                route.shards.iter().filter_map(|shard| shard.sse.generation_delay_min.take()).min();
            lock(&route.generation_delay_min).tick(now, smallest);
        }
    }

    /// Methods of gRPC that went to `other`, over all routes.
    pub fn grpc_methods_dropped(&self) -> u64 {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.iter().map(|route| route.grpc.methods_dropped.get()).sum()
    }

    /// The mean latency of a route's direction, see [`crate::mean`].
    pub fn mean_latency(
        &self,
        route: &RouteMeter,
        direction: Direction,
        now: Moment,
        waiting: Waiting,
    ) -> Option<f64> {
        let sums = route.latency_sums(direction);
        lock(&route.means)[direction].mean(now, self.mean_window, sums, waiting)
    }
}

/// The meter of one route.
#[derive(Debug)]
pub struct RouteMeter {
    /// What is counted of gRPC.
    pub grpc: GrpcCells,
    /// What is counted of queues towards slow clients.
    pub queue: QueueCells,
    /// What the guard has decided.
    pub admissions: Admissions,
    name: Arc<str>,
    shards: Box<[Shard]>,
    means: Mutex<PerDirection<MeanWindow>>,
    generation_delay_min: Mutex<SmallestWindow>,
}

impl RouteMeter {
    fn new(name: &str, shards: usize) -> RouteMeter {
        let shards = (0..shards).map(|_| Shard::default()).collect();
        let (means, generation_delay_min) = (Mutex::default(), Mutex::default());
        RouteMeter {
            grpc: GrpcCells::default(),
            queue: QueueCells::default(),
            admissions: Admissions::default(),
            name: name.into(),
            shards,
            means,
            generation_delay_min,
        }
    }

    /// Name of the route.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The cells that the `index`th worker thread counts on.
    pub fn shard(&self, index: usize) -> &Shard {
        self.shards.get(index).unwrap_or_else(|| &self.shards[index % self.shards.len()])
    }

    /// Sum of a counter over all shards.
    pub fn sum(&self, of: impl Fn(&Shard) -> u64) -> u64 {
        self.shards.iter().map(of).sum()
    }

    /// Sum of a histogram over all shards.
    pub fn observed(&self, of: impl Fn(&Shard) -> &crate::cells::Histogram) -> Observed {
        let mut total = Observed::default();
        for shard in &self.shards {
            of(shard).add_to(&mut total);
        }
        total
    }

    /// The smallest delay of an event from its generation over [`crate::smallest::WINDOW`], in seconds.
    pub fn generation_delay_min(&self, now: Moment) -> Option<f64> {
        let fresh = self.shards.iter().filter_map(|shard| shard.sse.generation_delay_min.get()).min();
        let nanos = lock(&self.generation_delay_min).smallest(now, fresh)?;
        Some(nanos as f64 / 1e9)
    }

    fn latency_sums(&self, direction: Direction) -> Sums {
        let observed = self.observed(|shard| &shard.websocket.latency_seconds[direction]);
        Sums { count: observed.count(), sum_nanos: observed.sum_nanos }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_bounded() {
        let registry = Registry::new(Build { version: "0" }, 1, Duration::from_secs(60));
        let first = registry.route("r0");
        for index in 0..ROUTES_MAX + 10 {
            registry.route(&format!("r{index}"));
        }
        assert!(Arc::ptr_eq(&first, &registry.route("r0")), "known routes keep their meter");
        assert_eq!(&**registry.route("one more").name(), "other");
        assert_eq!(registry.routes_dropped.get(), 11);
    }

    #[test]
    fn the_smallest_delay_is_over_all_shards_and_ticks() {
        let registry = Registry::new(Build { version: "0" }, 2, Duration::from_secs(60));
        let route = registry.route("r");
        let at = |seconds: u64| Moment(seconds * 1_000_000_000);
        let observe = |shard, nanos| route.shard(shard).sse.generation_delay_min.observe(nanos);
        assert_eq!(route.generation_delay_min(at(0)), None);
        observe(0, 3_000_000_000);
        observe(1, -500_000_000);
        assert_eq!(route.generation_delay_min(at(1)), Some(-0.5));
        registry.tick(at(1));
        observe(0, 2_000_000_000);
        assert_eq!(route.generation_delay_min(at(2)), Some(-0.5));
        registry.tick(at(2));
        assert_eq!(route.generation_delay_min(at(301)), Some(2.0));
        assert_eq!(route.generation_delay_min(at(302)), None);
    }
}
