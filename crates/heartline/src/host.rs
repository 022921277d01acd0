//! What is known of the machines beneath the connections: this one is read every 5 s, those of upstreams are
//! asked every 15 s. The newest is kept in memory; who asks for it waits for nothing.

mod cgroup;
mod exposition;
mod listening;
mod machine;
mod node_exporter;
mod process;
mod trail;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use gateway::clock;
use gateway::config::{RouteConfig, UpstreamUrl};
use model::Moment;
use model::host::{AcceptQueue, ExporterFacts, HostFacts, MachineFacts, UpstreamFacts};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::host::listening::{Listening, Place};
use crate::host::node_exporter::Asker;
use crate::host::trail::Trail;

/// How often this machine is read.
const OWN_INTERVAL: Duration = Duration::from_secs(5);

/// How often upstreams are looked at.
const UPSTREAM_INTERVAL: Duration = Duration::from_secs(15);

/// How often it is looked which process listens for an upstream, in rounds of the above.
const ROUNDS_PER_SEARCH: u64 = 4;

/// Time for the name of an upstream to be resolved.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Questions to the network at a time.
const AT_A_TIME: usize = 8;

/// Upstreams that are watched, each of each route.
const UPSTREAMS_MAX: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub struct Host {
    own: Mutex<Own>,
    watched: Mutex<Watched>,
    /// Others are watched from now on.
    retargeted: Arc<Notify>,
}

/// This machine.
#[derive(Debug, Default)]
struct Own {
    facts: HostFacts,
    trail: Trail,
    read_at: Moment,
}

/// The upstreams.
#[derive(Debug, Default)]
struct Watched {
    targets: Arc<[Target]>,
    left_out: u64,
    /// In the order of the targets.
    facts: Vec<UpstreamFacts>,
}

/// An upstream of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    route: Arc<str>,
    name: Arc<str>,
    url: UpstreamUrl,
    exporter: Option<Arc<str>>,
}

impl Host {
    /// Reads this machine once, and goes on until nobody holds the answer any more.
    pub fn start(routes: &[RouteConfig]) -> Arc<Host> {
        let host = Arc::new(Host::default());
        host.read_own();
        host.set_targets(routes);
        tokio::spawn(watch_own(Arc::downgrade(&host)));
        tokio::spawn(watch_upstreams(Arc::downgrade(&host), Arc::clone(&host.retargeted)));
        host
    }

    /// Looks at the upstreams of these routes at once and from then on; what is known of those that stay is kept.
    pub fn retarget(&self, routes: &[RouteConfig]) {
        self.set_targets(routes);
        self.retargeted.notify_one();
    }

    fn set_targets(&self, routes: &[RouteConfig]) {
        let (targets, left_out) = targets(routes);
        if left_out > 0 {
            tracing::warn!(left_out, "the hosts of so many upstreams are not watched");
        }
        let mut watched = self.watched.lock();
        let facts = targets.iter().map(|target| {
            let known = watched.facts.iter().zip(watched.targets.iter()).find(|(_, old)| *old == target);
            known.map_or_else(|| target.unknown(), |(facts, _)| facts.clone())
        });
        *watched = Watched { facts: facts.collect(), targets: targets.into(), left_out };
    }

    /// What is known now, with the listeners' queues.
    pub fn facts(&self, listeners: Vec<AcceptQueue>) -> HostFacts {
        let own = self.own.lock().facts.clone();
        let watched = self.watched.lock();
        let (upstreams, upstreams_left_out) = (watched.facts.clone(), watched.left_out);
        HostFacts { listeners, upstreams, upstreams_left_out, ..own }
    }

    fn read_own(&self) {
        let now = clock::now();
        let mut machine = machine::read(&machine::file);
        let mut process = process::own();
        let mut cgroup = cgroup::read(&machine::file);
        let mut own = self.own.lock();
        own.trail.follow(now, &mut machine, cgroup.as_mut());
        let elapsed = now.since(own.read_at).as_secs_f64();
        process.cpu_ratio = match (own.facts.process.cpu_seconds, process.cpu_seconds) {
            (Some(before), Some(seconds)) if elapsed > 0.0 => Some((seconds - before).max(0.0) / elapsed),
            _ => None,
        };
        own.read_at = now;
        own.facts = HostFacts { as_of: clock::wall(), process, machine, cgroup, ..HostFacts::default() };
    }

    /// Changes what is known of the upstreams, unless others are watched by now.
    fn update(&self, targets: &Arc<[Target]>, mut change: impl FnMut(&Target, &mut UpstreamFacts)) {
        let mut watched = self.watched.lock();
        if Arc::ptr_eq(&watched.targets, targets) {
            for (target, facts) in targets.iter().zip(&mut watched.facts) {
                change(target, facts);
            }
        }
    }
}

impl Target {
    fn unknown(&self) -> UpstreamFacts {
        UpstreamFacts {
            route: Arc::clone(&self.route),
            upstream: Arc::clone(&self.name),
            ..UpstreamFacts::default()
        }
    }
}

/// The upstreams of the routes, each once, and how many are too many.
fn targets(routes: &[RouteConfig]) -> (Vec<Target>, u64) {
    let mut targets: Vec<Target> = Vec::new();
    let mut left_out = 0;
    for route in routes {
        let name: Arc<str> = route.name.as_str().into();
        let first_of_route = targets.len();
        for upstream in &route.upstreams {
            if targets[first_of_route..].iter().any(|known| known.url == upstream.url) {
                continue;
            }
            if targets.len() == UPSTREAMS_MAX {
                left_out += 1;
                continue;
            }
            targets.push(Target {
                route: Arc::clone(&name),
                name: upstream.url.to_string().into(),
                url: upstream.url.clone(),
                exporter: upstream.node_exporter.as_ref().map(|url| url.as_str().into()),
            });
        }
    }
    (targets, left_out)
}

async fn watch_own(host: Weak<Host>) {
    let mut ticks = tokio::time::interval(OWN_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let Some(host) = host.upgrade() else { return };
        if let Err(error) = tokio::task::spawn_blocking(move || host.read_own()).await {
            tracing::error!(%error, "this machine could not be read");
        }
    }
}

async fn watch_upstreams(host: Weak<Host>, retargeted: Arc<Notify>) {
    let mut ticks = tokio::time::interval(UPSTREAM_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut watch = Watch::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = retargeted.notified() => {}
        }
        let Some(host) = host.upgrade() else { return };
        watch.round(host).await;
    }
}

/// What is remembered from one look at the upstreams to the next.
struct Watch {
    targets: Arc<[Target]>,
    rounds: u64,
    places: Vec<Option<Place>>,
    listening: Arc<Mutex<Listening>>,
    asker: Asker,
    trails: HashMap<Arc<str>, Trail>,
}

impl Watch {
    fn new() -> Watch {
        Watch {
            targets: Arc::default(),
            rounds: 0,
            places: Vec::new(),
            listening: Arc::default(),
            asker: Asker::new(),
            trails: HashMap::new(),
        }
    }

    async fn round(&mut self, host: Arc<Host>) {
        let targets = Arc::clone(&host.watched.lock().targets);
        let is_new = !Arc::ptr_eq(&targets, &self.targets);
        self.rounds = if is_new { 0 } else { self.rounds + 1 };
        self.targets = targets;
        let searches = self.rounds.is_multiple_of(ROUNDS_PER_SEARCH);
        if searches {
            let urls: Vec<UpstreamUrl> = self.targets.iter().map(|target| target.url.clone()).collect();
            self.places = stream::iter(urls.into_iter().map(place)).buffered(AT_A_TIME).collect().await;
        }
        self.look_at_processes(Arc::clone(&host), searches).await;
        self.ask_exporters(&host).await;
    }

    async fn look_at_processes(&self, host: Arc<Host>, searches: bool) {
        let (places, listening) = (self.places.clone(), Arc::clone(&self.listening));
        let targets = Arc::clone(&self.targets);
        let look = move || {
            let mut listening = listening.lock();
            if searches {
                let wanted = places.iter().flatten().filter(|place| !place.is_empty());
                listening.find(&wanted.cloned().collect::<Vec<_>>());
            }
            let now = clock::now();
            let mut seen: HashMap<&Place, _> = HashMap::new();
            for place in places.iter().flatten() {
                seen.entry(place).or_insert_with(|| listening.look(place, now));
            }
            let mut places = places.iter();
            host.update(&targets, |_, facts| {
                let place = places.next().and_then(Option::as_ref);
                facts.is_local = place.map(|place| !place.is_empty());
                facts.process = place.and_then(|place| seen.get(place).cloned().flatten());
            });
        };
        if let Err(error) = tokio::task::spawn_blocking(look).await {
            tracing::error!(%error, "the upstreams' processes could not be looked at");
        }
    }

    async fn ask_exporters(&mut self, host: &Host) {
        let mut urls: Vec<Arc<str>> =
            self.targets.iter().filter_map(|target| target.exporter.clone()).collect();
        urls.sort();
        urls.dedup();
        self.trails.retain(|url, _| urls.contains(url));
        let ask = |url: Arc<str>| {
            let asker = self.asker.clone();
            async move { (asker.ask(&url).await, url) }
        };
        let answers: Vec<_> =
            stream::iter(urls.into_iter().map(ask)).buffer_unordered(AT_A_TIME).collect().await;
        let mut told: HashMap<Arc<str>, ExporterFacts> = HashMap::new();
        for (answer, url) in answers {
            let trail = self.trails.entry(Arc::clone(&url)).or_default();
            told.insert(Arc::clone(&url), exporter_facts(url, answer, trail));
        }
        host.update(&self.targets, |target, facts| {
            let fresh = target.exporter.as_ref().and_then(|url| told.get(url)).cloned();
            let error_of =
                |facts: &Option<ExporterFacts>| facts.as_ref().and_then(|facts| facts.error.clone());
            if let (Some(error), true) = (error_of(&fresh), error_of(&fresh) != error_of(&facts.exporter)) {
                tracing::warn!(upstream = &*target.name, error, "the node_exporter of an upstream is silent");
            }
            facts.exporter = fresh;
        });
    }
}

fn exporter_facts(url: Arc<str>, answer: Result<MachineFacts, String>, trail: &mut Trail) -> ExporterFacts {
    let as_of = clock::wall();
    match answer {
        Ok(mut machine) => {
            trail.follow(clock::now(), &mut machine, None);
            ExporterFacts { url, as_of, error: None, machine: Some(machine) }
        }
        Err(error) => ExporterFacts { url, as_of, error: Some(error), machine: None },
    }
}

/// Where an upstream is, as far as that is on this machine; none when its name is not resolved.
async fn place(url: UpstreamUrl) -> Option<Place> {
    let bare = url.host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((bare, url.port))).await;
    let mut place: Place = found.ok()?.ok()?.filter(|address| listening::is_local(address.ip())).collect();
    place.sort();
    place.dedup();
    Some(place)
}

#[cfg(test)]
mod tests {
    use gateway::config::GatewayConfig;

    use super::*;

    fn routes(upstreams: &[&[&str]]) -> Vec<RouteConfig> {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let url = |text: &&str| text.parse::<UpstreamUrl>().expect("a URL");
        let route = |(index, urls): (usize, &&[&str])| {
            let single = GatewayConfig::single(listen, url(&urls[0])).routes.remove(0);
            let name = format!("r{index}").parse().expect("a name");
            RouteConfig { name, upstreams: urls.iter().map(|text| url(text).into()).collect(), ..single }
        };
        upstreams.iter().enumerate().map(route).collect()
    }

    fn names(host: &Host) -> Vec<String> {
        host.facts(vec![])
            .upstreams
            .iter()
            .map(|facts| format!("{} {}", facts.route, facts.upstream))
            .collect()
    }

    #[tokio::test]
    async fn upstreams_are_each_watched_once() {
        let host = Host::start(&routes(&[&["http://a:1", "http://b:1", "http://a:1"], &["ws://a:1"]]));
        assert_eq!(names(&host), ["r0 http://a:1", "r0 http://b:1", "r1 http://a:1"]);
        let targets = Arc::clone(&host.watched.lock().targets);
        host.update(&targets, |_, facts| facts.is_local = Some(false));
        host.retarget(&routes(&[&["http://b:1", "http://c:1"]]));
        let known: Vec<_> = host.facts(vec![]).upstreams.iter().map(|facts| facts.is_local).collect();
        assert_eq!(known, [Some(false), None], "what stays keeps what is known");
        host.update(&targets, |_, _| panic!("others are watched by now"));
    }

    #[tokio::test]
    async fn there_is_a_limit() {
        let urls: Vec<String> = (0..UPSTREAMS_MAX + 3).map(|port| format!("http://a:{}", port + 1)).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let facts = Host::start(&routes(&[&urls])).facts(vec![]);
        assert_eq!((facts.upstreams.len(), facts.upstreams_left_out), (UPSTREAMS_MAX, 3));
    }

    #[tokio::test]
    async fn places_on_this_machine() {
        let check = async |url: &str, expected: Option<&[&str]>| {
            let expected =
                expected.map(|all| all.iter().map(|address| address.parse().expect("one")).collect());
            assert_eq!(place(url.parse().expect("a URL")).await, expected, "{url}");
        };
        check("http://127.0.0.1:3000", Some(&["127.0.0.1:3000"])).await;
        check("http://[::1]:3000", Some(&["[::1]:3000"])).await;
        check("http://192.0.2.7:3000", Some(&[])).await;
        check("http://nowhere.invalid:3000", None).await;
    }
}
