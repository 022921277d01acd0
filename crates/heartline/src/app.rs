//! The running system: gateway, meters and admin address, joined.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use diagnose::population::Own;
use gateway::config::RouteConfig;
use gateway::{Gateway, ceiling, clock};
use meter::scrape::Scrape;
use meter::trend::{History, Present, Totals};
use meter::{Build, Registry, expose};
use model::host::HostFacts;
use model::live::{Backlog, LiveConnection};
use model::overview::{Ceiling, CountryNow, Overview, PerProtocol, RouteNow};
use model::ports::{Connections as _, Hosts, Metrics, MetricsFormat, Operations, Overviews, Workings};
use model::system::{Limit, Setting, SharedLimits, SystemFacts};
use model::{ConnectionId, Protocol, WallTime};
use parking_lot::Mutex;
use remote::{Limiter, RemoteEngine};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use web::body::TryoutRoute;
use web::{About, Ports, Tryouts};

use crate::Failure;
use crate::alerting::{Alerting, Board, Elsewhere};
use crate::config::{Config, SharedLimitsConfig, Source};
use crate::examinations::Examinations;
use crate::findings::{Investigation, Investigator, Records, Sight};
use crate::history::{Kept, OwnMetrics, Target};
use crate::host::Host;
use crate::probes::{Prober, Probes};
use crate::telling::{Desk, Plan, Telling};
use crate::{config, rules, system};

/// How often history is taken.
const TICK: Duration = Duration::from_secs(1);

/// See the module.
pub struct App {
    core: Arc<Core>,
    own_metrics: OwnMetrics,
    alerting: Alerting,
    telling: Telling,
    investigator: Investigator,
    prober: Prober,
    admin: web::Server,
}

/// What the admin address asks of the system.
struct Core {
    gateway: Gateway,
    meters: Arc<Registry>,
    history: Mutex<History>,
    kept: Arc<Kept>,
    /// Who answers queries in place of what is kept.
    engine: Option<RemoteEngine>,
    /// Who counts for several gateways.
    limiter: Option<Arc<Limiter>>,
    ceiling: Ceiling,
    host: Arc<Host>,
    rules: Arc<Board>,
    desk: Arc<Desk>,
    investigation: Arc<Investigation>,
    probes: Arc<Probes>,
    examinations: Arc<Examinations>,
    source: Option<Source>,
    /// Whether the last reload was taken over.
    is_reloaded: AtomicBool,
    config: Mutex<Config>,
}

impl App {
    /// Starts everything; `source` is where a reload reads from.
    ///
    /// # Errors
    /// What could not be started, and what to do; nothing keeps running.
    pub async fn start(config: Config, source: Option<Source>) -> Result<App, Failure> {
        let groups = rules::configured(&config.rules, &config.evaluation.promql()).map_err(Failure::Usage)?;
        let plan = Plan::read(&config.alerting, &config.evaluation).map_err(Failure::Usage)?;
        plan.warn();
        config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        let ceiling = ceiling::raise();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let build = Build { version: env!("CARGO_PKG_VERSION") };
        // Each processor has a thread of tokio and one of the reactor.
        let meters = Arc::new(Registry::new(build, 2 * processors, config.metrics.mean_window));
        let started_at = clock::wall();
        let kept = Kept::open(&config.data, &config.remote_write)?;
        let engine = engine(&config)?;
        let shared = config.shared_limits.as_ref().and_then(SharedLimitsConfig::settings);
        let limiter = shared.map(Limiter::start);
        let counter = limiter.clone().map(|limiter| limiter as _);
        let (investigation, news) = Investigation::new(Arc::clone(&kept));
        let records = Records { investigation: Arc::clone(&investigation), journal: Arc::clone(&kept) as _ };
        let gateway = Gateway::start(config.gateway(), Arc::clone(&meters), Some(Arc::new(records)), counter)
            .await
            .map_err(|error| Failure::Running(error.to_string()))?;
        let history = Mutex::new(History::new(clock::now(), started_at));
        let host = Host::start(&config.routes);
        let current = Mutex::new(config.clone());
        let telling = Telling::start(Arc::clone(&kept), plan, Arc::clone(&investigation) as _)?;
        let core = Arc::new(Core {
            gateway,
            meters,
            history,
            kept,
            engine,
            limiter,
            ceiling,
            host,
            rules: Arc::default(),
            desk: telling.desk(),
            examinations: Arc::default(),
            probes: Probes::new(Arc::clone(&investigation)),
            investigation: Arc::clone(&investigation),
            source,
            is_reloaded: AtomicBool::new(true),
            config: current,
        });
        let own_metrics = start_own_metrics(&config, &core)?;
        let investigator = Investigator::start(investigation, news, Looking(Arc::downgrade(&core)))?;
        let (kept, board) = (Arc::clone(&core.kept), Arc::clone(&core.rules));
        let desk = telling.desk();
        let tell = Box::new(move |alerts| desk.told_by_rules(alerts));
        let elsewhere = core.engine.clone().map(|engine| Elsewhere { engine, runtime: Handle::current() });
        let alerting = Alerting::start((kept, elsewhere), board, (groups, config.rule_options()), tell)?;
        let admin = start_admin(&config, &core, started_at).await?;
        core.follow_probes(&config);
        let prober = Prober::start(&core.probes, &core.examinations)?;
        tokio::spawn(keep_history(Arc::downgrade(&core)));
        for address in core.gateway.addresses() {
            tracing::info!(%address, "listening");
        }
        tracing::info!(address = %admin.address(), "admin listening");
        tracing::info!(
            open_files = ceiling.open_files,
            connections = ceiling.connections,
            "this process can hold so many connections"
        );
        Ok(App { core, own_metrics, alerting, telling, investigator, prober, admin })
    }

    /// Addresses on which clients are served.
    pub fn listeners(&self) -> &[SocketAddr] {
        self.core.gateway.addresses()
    }

    /// Address of dashboard, API and metrics.
    pub fn admin(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Reads the configuration again and takes it over as a whole, or not at all.
    ///
    /// # Errors
    /// What is wrong with it; the old one stays in force.
    pub fn reload(&self) -> Result<(), String> {
        self.core.reload()
    }

    /// Drains the connections, then stops.
    pub async fn stop(self) {
        let prober = self.prober;
        let ended = tokio::task::spawn_blocking(move || drop(prober)).await;
        if let Err(error) = ended {
            tracing::error!(%error, "probes were not ended");
        }
        self.core.gateway.stop().await;
        self.admin.stop().await;
        let (alerting, telling, own_metrics) = (self.alerting, self.telling, self.own_metrics);
        let investigator = self.investigator;
        let kept = Arc::clone(&self.core.kept);
        self.core.engine.iter().for_each(RemoteEngine::stop);
        let closing = tokio::task::spawn_blocking(move || {
            drop(investigator);
            drop(alerting);
            drop(telling);
            drop(own_metrics);
            kept.end();
        });
        if let Err(error) = closing.await {
            tracing::error!(%error, "history was not closed");
        }
    }
}

/// Tells what of the configuration works and may not do what is wanted.
/// The engine elsewhere that is to answer queries.
fn engine(config: &Config) -> Result<Option<RemoteEngine>, Failure> {
    let access = config.query_url.as_ref().and_then(|url| config.query.access(url));
    let Some(access) = access else { return Ok(None) };
    if config.remote_write.is_empty() && !config.rules.is_empty() {
        tracing::warn!(
            "what rules record, and ALERTS, are kept here alone, where queries do not see them: `query_url` is set \
             and `remote_write` is not"
        );
    }
    RemoteEngine::new(access).map(Some).map_err(|error| Failure::Running(format!("query_url: {error}")))
}

fn start_own_metrics(config: &Config, core: &Arc<Core>) -> Result<OwnMetrics, Failure> {
    let listener = core.gateway.addresses().first().map(SocketAddr::to_string);
    let instance = config.data.instance.clone().or(listener).unwrap_or_default();
    let running = Arc::downgrade(core);
    let visit = move |sink: &mut dyn expose::Sink| {
        if let Some(core) = running.upgrade() {
            expose::visit(&core.meters, &core.scrape(), sink);
        }
    };
    OwnMetrics::start(Arc::clone(&core.kept), Target { instance }, config.data.scrape_interval, visit)
}

async fn start_admin(
    config: &Config,
    core: &Arc<Core>,
    started_at: WallTime,
) -> Result<web::Server, Failure> {
    let ports = Ports {
        connections: Arc::clone(core.gateway.registry()) as _,
        recordings: Arc::clone(core.gateway.registry()) as _,
        metrics: Arc::clone(core) as _,
        overviews: Arc::clone(core) as _,
        hosts: Arc::clone(core) as _,
        workings: Arc::clone(core) as _,
        operations: Arc::clone(core) as _,
        rules: Arc::clone(&core.rules) as _,
        alertmanager: Arc::clone(&core.desk) as _,
        incidents: Arc::clone(&core.desk) as _,
        findings: Arc::clone(&core.investigation) as _,
        probes: Arc::clone(&core.probes) as _,
        examinations: Arc::clone(&core.examinations) as _,
        tryouts: Arc::clone(core) as _,
        history: Arc::clone(&core.kept) as _,
        promql: config.evaluation.promql(),
        engine: core.engine.clone().map(|engine| Arc::new(engine) as _),
        journal: core.kept.has_journal().then(|| Arc::clone(&core.kept) as _),
        queries: Arc::clone(&core.meters.queries),
        tryouts_refused: Arc::clone(&core.meters.tryouts_refused),
        about: About { version: env!("CARGO_PKG_VERSION").to_owned(), started_at },
    };
    web::Server::start(&config.admin, ports).await.map_err(|error| Failure::Running(error.to_string()))
}

async fn keep_history(core: std::sync::Weak<Core>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let Some(core) = core.upgrade() else { return };
        let counts = core.gateway.counts();
        core.meters.tick(counts.now);
        let totals = Totals::of(&core.meters, &counts);
        core.history.lock().push(counts.now, clock::wall(), totals);
    }
}

impl Metrics for Core {
    fn expose(&self, format: MetricsFormat) -> String {
        expose::to_text(&self.meters, &self.scrape(), format)
    }
}

impl Core {
    fn shared_limits(&self) -> Option<SharedLimits> {
        self.limiter.as_ref().map(|limiter| system::shared_limits(limiter, clock::wall()))
    }

    fn scrape(&self) -> Scrape {
        let host = self.host();
        Scrape {
            process: host.process,
            host: Some(Arc::new(host)),
            store: self.kept.facts(),
            rules: self.rules.facts(),
            reloaded: self.source.as_ref().map(|_| self.is_reloaded.load(Relaxed)),
            remotes: self.kept.remote_facts(),
            shared_limits: self.limiter.as_ref().map(|limiter| limiter.facts()),
            notifications: self.desk.facts(),
            alertmanagers: self.desk.alertmanager_facts(),
            findings: self.investigation.facts(),
            probes: self.probes.facts(),
            diagnose_refused: self.examinations.refused(),
            query_engine: self.engine.as_ref().map(RemoteEngine::facts),
            ..self.gateway.scrape()
        }
    }
}

impl Workings for Core {
    fn limits(&self) -> Vec<Limit> {
        let config = self.config.lock().clone();
        let own = self.gateway.limits();
        system::limits(own, &self.scrape(), self.ceiling, &config, self.gateway.registry().live())
    }

    fn system(&self) -> SystemFacts {
        let config = self.config.lock().clone();
        SystemFacts { shared_limits: self.shared_limits(), ..system::facts(&self.scrape(), &config) }
    }

    fn settings(&self) -> Vec<Setting> {
        let config = self.config.lock().clone();
        config::settings(&config, self.source.as_ref())
    }
}

impl Tryouts for Core {
    fn routes(&self) -> Vec<TryoutRoute> {
        let config = self.config.lock();
        let route = |route: &RouteConfig| TryoutRoute {
            name: route.name.as_str().to_owned(),
            host: route.matcher.host.clone(),
            path: route.matcher.path.as_ref().map(|path| path.as_str().to_owned()),
        };
        config.routes.iter().map(route).collect()
    }

    fn route_of(&self, host: &str, path: &str) -> Option<Arc<str>> {
        self.gateway.route_of(host, path)
    }

    fn enter(&self, client: SocketAddr, id: ConnectionId) -> Result<TcpStream, String> {
        self.gateway.enter(client, id).map_err(|error| error.to_string())
    }
}

impl Hosts for Core {
    fn host(&self) -> HostFacts {
        self.host.facts(self.gateway.accept_queues())
    }
}

/// Looks at what is open for findings, as long as the system runs.
struct Looking(std::sync::Weak<Core>);

impl Sight for Looking {
    fn look(
        &self,
        of: &[(Arc<str>, Protocol)],
        take: &mut dyn FnMut(&mut dyn Iterator<Item = LiveConnection>, HostFacts),
    ) -> bool {
        let Some(core) = self.0.upgrade() else { return false };
        let host = core.host();
        take(&mut core.gateway.registry().live_of(of), host);
        true
    }

    fn own(&self) -> Own {
        let Some(core) = self.0.upgrade() else { return Own::default() };
        let heartbeats = system::heartbeats(&core.config.lock().routes);
        Own { shared_limits: core.shared_limits(), heartbeats }
    }
}

impl Overviews for Core {
    fn overview(&self, window: Duration) -> Overview {
        let scrape = self.gateway.scrape();
        let present = present(&scrape, self.ceiling);
        self.history.lock().overview(scrape.now, clock::wall(), window, present)
    }
}

fn present(scrape: &Scrape, ceiling: Ceiling) -> Present {
    let mut backlog = Backlog::default();
    for route in &scrape.routes {
        let directions = route.backlog;
        let grpc = route.grpc_backlog;
        for waiting in [
            directions.client_to_server,
            directions.server_to_client,
            route.sse_backlog,
            grpc.client_to_server,
            grpc.server_to_client,
        ] {
            backlog.messages += waiting.messages;
            backlog.bytes += waiting.bytes;
            backlog.oldest_age_seconds = backlog.oldest_age_seconds.max(waiting.oldest_age_seconds);
        }
    }
    let connections =
        |route: &meter::scrape::RouteLive| PerProtocol::from_fn(|protocol| route.census(protocol).active);
    Present {
        backlog,
        slow_consumers: scrape.routes.iter().map(|route| route.slow_consumers).sum(),
        routes: scrape
            .routes
            .iter()
            .map(|route| RouteNow { name: Arc::clone(&route.name), connections: connections(route) })
            .collect(),
        countries: scrape.countries.clone().map(CountryNow::list),
        ceiling,
    }
}

/// The part of the configuration that differs and is only read at the start; listeners are the gateway's to judge.
fn fixed_part_that_differs(current: &Config, new: &Config) -> Option<&'static str> {
    [
        ("admin", current.admin != new.admin),
        ("data", current.data != new.data),
        ("remote_write", current.remote_write != new.remote_write),
        ("query_url", current.query_url != new.query_url),
        ("query", current.query != new.query),
        ("shared_limits", current.shared_limits != new.shared_limits),
        ("evaluation.promql_features", current.evaluation.promql_features != new.evaluation.promql_features),
        ("closed", current.closed != new.closed),
        ("metrics", current.metrics != new.metrics),
    ]
    .into_iter()
    .find_map(|(part, differs)| differs.then_some(part))
}

impl Core {
    fn follow_probes(&self, config: &Config) {
        self.probes.follow(&config.probes, &config.routes, self.gateway.addresses());
    }

    fn take_over(&self) -> Result<(), String> {
        let source = self.source.as_ref().ok_or("there is no configuration file to read again")?;
        let config = source.read()?;
        let groups = rules::configured(&config.rules, &config.evaluation.promql())?;
        let plan = Plan::read(&config.alerting, &config.evaluation)?;
        plan.warn();
        config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        let mut current = self.config.lock();
        if let Some(part) = fixed_part_that_differs(&current, &config) {
            return Err(format!(
                "`{part}` cannot change while running: restart to apply it; nothing was changed"
            ));
        }
        self.gateway.reload(config.gateway()).map_err(|error| error.to_string())?;
        self.host.retarget(&config.routes);
        self.follow_probes(&config);
        tracing::info!(routes = config.routes.len(), groups = groups.len(), "the configuration was reloaded");
        self.desk.reload(plan)?;
        self.rules.reload(groups, config.rule_options());
        *current = config;
        Ok(())
    }
}

impl Operations for Core {
    fn reload(&self) -> Result<(), String> {
        let done = self.take_over();
        self.is_reloaded.store(done.is_ok(), Relaxed);
        done
    }

    fn ready(&self) -> Result<(), String> {
        if self.gateway.is_stopping() { Err("it is stopping".to_owned()) } else { Ok(()) }
    }

    fn history(&self) -> Result<(), String> {
        self.kept.status()
    }
}

/// `heartline run`.
///
/// # Errors
/// See [`Failure`].
pub async fn run(source: Source) -> Result<(), Failure> {
    let config = source.read().map_err(Failure::Usage)?;
    let app = App::start(config, Some(source)).await?;
    run_until_stopped(app).await
}

/// Serves until SIGINT or SIGTERM, then drains; a second one exits at once. SIGHUP reloads.
///
/// # Errors
/// Signals cannot be listened to.
pub async fn run_until_stopped(app: App) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::Running(format!("no signals: {error}")));
    let (mut interrupt, mut terminate, mut hangup) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => {
                if let Err(error) = app.reload() {
                    tracing::error!(error, "the configuration was not reloaded; the old one stays in force");
                }
            }
        }
    }
    tracing::info!("stopping: connections are told to go away; a second signal exits at once");
    let core = Arc::clone(&app.core);
    let is_stopped = tokio::select! {
        () = app.stop() => true,
        _ = interrupt.recv() => false,
        _ = terminate.recv() => false,
    };
    if !is_stopped {
        tracing::warn!("exiting at once");
        core.gateway.cut().await;
        core.kept.sync();
    }
    Ok(())
}
