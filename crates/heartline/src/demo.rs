//! `heartline demo`: a sample service, simulated clients and a few faults to look at. Everything is on loopback, and
//! nothing is kept.

mod clients;
mod places;
mod service;

use gateway::config::{
    Balance, ClientKeySource, LimitsConfig, MatchConfig, RouteConfig, Timeouts, UpstreamTlsConfig,
    UpstreamUrl,
};

use crate::Failure;
use crate::app::{self, App};
use crate::cli::DemoOptions;
use crate::config::Config;

/// A port on which nothing listens, for the route that cannot be reached (tcpmux, never used).
const DEAD_PORT: u16 = 1;

/// Runs until it is told to stop.
///
/// # Errors
/// See [`Failure`].
pub async fn run(options: DemoOptions) -> Result<(), Failure> {
    let service =
        service::start().await.map_err(|error| Failure::Running(format!("sample service: {error}")))?;
    let mut config = config(&options, service.port());
    let places = places::write().map_err(|error| Failure::Running(format!("places of clients: {error}")))?;
    config.geo.database = Some(places.clone());
    let started = App::start(config, None).await;
    if let Err(error) = std::fs::remove_file(&places) {
        tracing::warn!(%error, path = %places.display(), "a file is left behind");
    }
    let app = started?;
    let gateway = app.listeners()[0];
    let clients = clients::start(gateway, options.connections);
    println!(
        "dashboard  http://{admin}/\nmetrics    http://{admin}/metrics\nWebSocket  ws://{gateway}/chat      (echo)\n\
         SSE        http://{gateway}/events\n\nFaults to look at: a slow reader, a client that vanishes, an app that \
         closes with 1011,\nan idle cut after 4 s, a service that cannot be reached. Ctrl-C stops.",
        admin = app.admin(),
    );
    let outcome = app::run_until_stopped(app).await;
    clients.abort();
    outcome
}

fn config(options: &DemoOptions, service: u16) -> Config {
    let route = |name: &str, path: Option<&str>, port: u16| RouteConfig {
        name: name.parse().expect("a valid name"),
        matcher: MatchConfig { host: None, path: path.map(|path| path.parse().expect("a valid path")) },
        upstreams: vec![UpstreamUrl { tls: false, host: "127.0.0.1".to_owned(), port }.into()],
        balance: Balance::default(),
        fail_timeout: std::time::Duration::from_secs(10),
        upstream_tls: UpstreamTlsConfig::default(),
        source_addresses: Vec::new(),
        timeouts: Timeouts::default(),
        heartbeat: None,
        client_key: ClientKeySource::default(),
        event_time: None,
        queue: None,
        limits: LimitsConfig::default(),
    };
    let mut config = Config {
        routes: vec![
            route("events", Some("/events"), service),
            route("broken", Some("/broken"), DEAD_PORT),
            route("chat", None, service),
        ],
        // The simulated clients say where they are with X-Forwarded-For.
        trusted_peers: vec!["127.0.0.0/8".parse().expect("a valid network")],
        drain: gateway::config::DrainConfig { window: std::time::Duration::from_secs(2) },
        ..Config::default()
    };
    config.admin.listen = options.admin;
    config.data.dir = None;
    let upstream = config.routes[0].upstreams[0].url.clone();
    config.listeners = gateway::config::GatewayConfig::single(options.listen, upstream).listeners;
    config
}
