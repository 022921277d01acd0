//! Scheduled probes: a thread of their own runs the experiments of `heartline diagnose` again and again, so that no
//! thread that relays has anything to do with them. What they see becomes metrics, findings, and cells of the API.

pub(crate) mod run;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use gateway::clock;
use gateway::config::RouteConfig;
use meter::scrape::ProbeFacts;
use model::Word as _;
use model::probe::{PathLimits, ProbeCell, ProbeRun, ProbeView, Refusal};
use parking_lot::Mutex;
use probe::timetable::{Begin, Timetable};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet, LocalSet};

use crate::Failure;
use crate::config::ProbeConfig;
use crate::examinations::Examinations;
use crate::findings::Investigation;
use run::Seen;

/// Runs that are kept in short of each probe.
const CELLS: usize = 96;
/// How long the thread waits when nothing is due.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// Threads that wait for the resolver.
const RESOLVERS: usize = 4;

/// The probes, as others see them.
pub(crate) struct Probes {
    state: Mutex<State>,
    /// Something has changed that the thread must know of.
    news: Notify,
    investigation: Arc<Investigation>,
}

#[derive(Default)]
struct State {
    timetable: Timetable,
    probes: Vec<Probe>,
    is_over: bool,
}

/// One probe, and what came of it.
struct Probe {
    config: Arc<Planned>,
    running: Option<AbortHandle>,
    last: Option<Arc<ProbeRun>>,
    /// Newest last.
    cells: Vec<ProbeCell>,
    outcomes: [u64; 4],
    limits: Option<PathLimits>,
}

/// What a probe is to do.
#[derive(Debug, PartialEq)]
struct Planned {
    name: Arc<str>,
    /// What it examines, without query.
    url: Arc<str>,
    protocol: model::Protocol,
    route: Option<Arc<str>>,
    config: ProbeConfig,
}

/// The thread; dropping it ends it, with what it is doing.
pub(crate) struct Prober {
    probes: Arc<Probes>,
    thread: Option<JoinHandle<()>>,
}

impl Prober {
    /// Starts the thread; it makes the examinations that are asked for, too.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(probes: &Arc<Probes>, examinations: &Arc<Examinations>) -> Result<Prober, Failure> {
        let failed = |error| Failure::Running(format!("probes: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(RESOLVERS)
            .build()
            .map_err(failed)?;
        let (run, examine) = (Arc::clone(probes), Arc::clone(examinations));
        let thread = std::thread::Builder::new()
            .name("probes".to_owned())
            .spawn(move || {
                LocalSet::new().block_on(&runtime, async {
                    tokio::select! {
                        () = run.go_on() => {}
                        () = examine.go_on() => {}
                    }
                });
                // A resolver may take its time, and nobody waits for it any more.
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Prober { probes: Arc::clone(probes), thread: Some(thread) })
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.probes.state.lock().is_over = true;
        self.probes.news.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of probes panicked");
        }
    }
}

impl Probes {
    /// No probe yet; findings go to `investigation`.
    pub(crate) fn new(investigation: Arc<Investigation>) -> Arc<Probes> {
        Arc::new(Probes { state: Mutex::default(), news: Notify::new(), investigation })
    }

    /// These are the probes from now on. What a probe that stays as it is has seen stays; what is under way of others is
    /// broken off.
    pub(crate) fn follow(&self, configs: &[ProbeConfig], routes: &[RouteConfig], listeners: &[SocketAddr]) {
        let mut state = self.state.lock();
        let mut before = std::mem::take(&mut state.probes);
        for planned in configs.iter().filter_map(|config| Planned::new(config, routes, listeners)) {
            let same = before.iter().position(|known| *known.config == planned);
            let probe = same.map(|index| before.swap_remove(index));
            state.probes.push(probe.unwrap_or_else(|| Probe::new(planned)));
        }
        for gone in &before {
            gone.running.iter().for_each(AbortHandle::abort);
            state.timetable.ended(&gone.config.name);
        }
        let is_gone = |name: &str| before.iter().any(|gone| *gone.config.name == *name);
        self.investigation.keep_probes(|name| !is_gone(name));
        let rhythms = state.probes.iter().map(|probe| (probe.name(), probe.config.config.rhythm()));
        let rhythms: Vec<_> = rhythms.collect();
        state.timetable.follow(rhythms, clock::now());
        self.news.notify_one();
    }

    /// For the metrics page.
    pub(crate) fn facts(&self) -> Vec<ProbeFacts> {
        let state = self.state.lock();
        let facts = |probe: &Probe| ProbeFacts {
            name: probe.name(),
            target: Arc::clone(&probe.config.url),
            last: probe.last.clone(),
            outcomes: probe.outcomes,
            skipped: state.timetable.skipped(&probe.config.name),
            findings: self.investigation.findings_of(&probe.config.name),
        };
        state.probes.iter().map(facts).collect()
    }

    /// Runs what is due until all is over.
    async fn go_on(&self) {
        let mut runs: JoinSet<Seen> = JoinSet::new();
        loop {
            let wait = {
                let mut state = self.state.lock();
                if state.is_over {
                    return;
                }
                let now = clock::now();
                for begin in state.timetable.begin(now) {
                    state.begin(&begin, &mut runs);
                }
                state.timetable.next(now).map_or(LONGEST_SLEEP, |next| next.since(now))
            };
            tokio::select! {
                () = self.news.notified() => {}
                () = tokio::time::sleep(wait.min(LONGEST_SLEEP)) => {}
                Some(ended) = runs.join_next_with_id() => self.ended(ended),
            }
        }
    }

    fn ended(&self, ended: Result<(Id, Seen), JoinError>) {
        let mut state = self.state.lock();
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let is_it = |probe: &&mut Probe| probe.running.as_ref().is_some_and(|running| running.id() == id);
        // A probe that is gone, or has changed, has forgotten this run.
        let Some(probe) = state.probes.iter_mut().find(is_it) else { return };
        probe.running = None;
        let name = probe.name();
        match ended {
            Ok((_, seen)) => {
                let route = probe.config.route.as_ref();
                self.investigation.probed(&name, route, seen.findings, seen.reach);
                probe.keep(seen.run, seen.limits);
            }
            Err(error) => tracing::error!(probe = &*name, %error, "a run of a probe failed"),
        }
        state.timetable.ended(&name);
    }
}

impl State {
    fn begin(&mut self, begin: &Begin, runs: &mut JoinSet<Seen>) {
        let Some(probe) = self.probes.iter_mut().find(|probe| probe.config.name == begin.probe) else {
            return;
        };
        let (planned, is_deep) = (Arc::clone(&probe.config), begin.is_deep);
        probe.running = Some(runs.spawn_local(async move { run::run(&planned.config, is_deep).await }));
    }
}

impl Probe {
    fn new(planned: Planned) -> Probe {
        Probe {
            config: Arc::new(planned),
            running: None,
            last: None,
            cells: Vec::new(),
            outcomes: [0; 4],
            limits: None,
        }
    }

    fn name(&self) -> Arc<str> {
        Arc::clone(&self.config.name)
    }

    fn keep(&mut self, run: ProbeRun, limits: Option<PathLimits>) {
        if self.cells.len() == CELLS {
            self.cells.remove(0);
        }
        self.cells.push(run.cell());
        self.outcomes[run.outcome.index()] += 1;
        self.limits = limits.or(self.limits);
        let was_success = self.last.as_ref().map(|last| last.is_success);
        if was_success != Some(run.is_success) && (was_success.is_some() || !run.is_success) {
            let outcome = run.outcome.as_str();
            tracing::info!(
                probe = &*self.config.name,
                success = run.is_success,
                outcome,
                "a probe has changed"
            );
        }
        self.last = Some(Arc::new(run));
    }
}

impl Planned {
    fn new(config: &ProbeConfig, routes: &[RouteConfig], listeners: &[SocketAddr]) -> Option<Planned> {
        let target = config.target()?;
        let path = target.path.path();
        let shown = probe::target::Target { path: path.parse().ok()?, ..target.clone() };
        let derived = || {
            let route = route_of(&target.host, target.port, path, routes, listeners)?;
            Some(route.name.as_str().to_owned())
        };
        Some(Planned {
            name: config.name.as_str().into(),
            url: shown.to_string().into(),
            protocol: target.protocol.into(),
            route: config.route.clone().or_else(derived).map(Arc::from),
            config: config.clone(),
        })
    }
}

/// The route that takes a URL: any one when it leads to a listener of ours, else one that asks for its host.
fn route_of<'a>(
    host: &str,
    port: u16,
    path: &str,
    routes: &'a [RouteConfig],
    listeners: &[SocketAddr],
) -> Option<&'a RouteConfig> {
    let leads_to = |listener: &SocketAddr| {
        let (ip, address) = (listener.ip(), host.parse().ok());
        let is_local = host.eq_ignore_ascii_case("localhost") || address.is_some_and(is_loopback);
        let is_here = address == Some(ip) || (is_local && (ip.is_unspecified() || is_loopback(ip)));
        listener.port() == port && is_here
    };
    let is_ours = listeners.iter().any(leads_to);
    routes.iter().find(|route| {
        let is_asked_for = is_ours || route.matcher.host.is_some();
        is_asked_for && route.matcher.takes(host, path)
    })
}

fn is_loopback(address: std::net::IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

impl model::ports::Probes for Probes {
    fn probes(&self) -> Vec<ProbeView> {
        let state = self.state.lock();
        let view = |probe: &Probe| {
            let Planned { name, url, protocol, route, config } = &*probe.config;
            ProbeView {
                name: Arc::clone(name),
                url: Arc::clone(url),
                protocol: *protocol,
                route: route.clone(),
                every_seconds: config.every.as_secs_f64(),
                deep_every_seconds: config.deep_every.map(|every| every.as_secs_f64()),
                is_running: state.timetable.is_running(name),
                last: probe.last.clone(),
                runs: probe.cells.clone(),
                outcomes: probe.outcomes,
                skipped: state.timetable.skipped(name),
                limits: probe.limits,
            }
        };
        state.probes.iter().map(view).collect()
    }

    fn run(&self, probe: &str, is_deep: bool) -> Result<(), Refusal> {
        self.state.lock().timetable.ask(probe, is_deep)?;
        self.news.notify_one();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = r#"[
        {"name": "chat", "match": {"host": "chat.example.com", "path": "/ws"}, "upstreams": ["http://127.0.0.1:1"]},
        {"name": "rest", "upstreams": ["http://127.0.0.1:1"]}
    ]"#;

    #[test]
    fn a_probe_stands_for_the_clients_of_a_route() {
        let routes: Vec<RouteConfig> = serde_json::from_str(ROUTES).expect("routes");
        let listeners =
            ["0.0.0.0:8000", "192.0.2.1:8443"].map(|address| address.parse().expect("an address"));
        let check = |host, port, path, expected: Option<&str>| {
            let found = route_of(host, port, path, &routes, &listeners).map(|route| route.name.as_str());
            assert_eq!(found, expected, "{host}:{port}{path}");
        };
        check("127.0.0.1", 8000, "/ws", Some("rest"));
        check("localhost", 8000, "/ws", Some("rest"));
        check("localhost", 8001, "/ws", None);
        check("192.0.2.1", 8443, "/", Some("rest"));
        check("192.0.2.1", 8000, "/", None);
        check("localhost", 8443, "/", None);
        check("Chat.example.com", 443, "/ws/1", Some("chat"));
        check("chat.example.com", 443, "/other", None);
        check("elsewhere.example.com", 443, "/ws", None);
    }
}
