//! The admin address: what people and programs see of a running Heartline. It serves the dashboard, the JSON
//! API, the live stream, the metrics page and the health checks.
//!
//! The room knows nothing of sockets that carry traffic. What it shows it asks through the small traits of
//! [`model::ports`], on threads of their own and at most two questions at a time, so that a busy dashboard
//! does not slow the relay.
//!
//! The way of a request: [`server`](Server) accepts it (bounded), the gate decides whether it may pass (host,
//! origin, token or session, back-off), the router finds its handler, and every answer leaves with the same
//! security headers. Answers are the types of [`body`]; the dashboard's TypeScript is generated from them:
//! `UPDATE=1 cargo test -p web --test types`.
//!
//! The manual pages of alerts and causes are there too ([`manuals`]), and dashboards for Grafana ([`grafana`]). Prometheus' HTTP API has its own words and
//! errors, and threads of its own: `prometheus`.
//!
//! What it is not: it stores nothing and terminates no TLS; put a reverse proxy in front
//! for that.

use std::sync::Arc;

use meter::cells::Counts;
use meter::queries::QueryMeter;
use model::journal::Journal;
use model::ports::{
    Connections, Examinations, Findings, History, Hosts, Metrics, Operations, Overviews, Probes, QueryEngine,
    Recordings, Rules, Workings,
};
use model::{TryoutRefused, WallTime};

pub mod body;
pub mod config;
pub mod grafana;
pub mod manuals;

mod ack;
mod alertmanager;
mod api;
mod asker;
mod assets;
mod auth;
mod backoff;
mod error;
mod examinations;
mod findings;
mod gate;
mod headers;
mod incidents;
mod licences;
mod operate;
mod probes;
mod prometheus;
mod query;
mod router;
mod server;
mod sessions;
mod stream;
mod tryouts;

pub use alertmanager::Alertmanager;
pub use incidents::Incidents;
pub use server::{Refusals, Server, StartError};
pub use tryouts::Tryouts;

/// What the admin address asks of the running process.
#[derive(Clone)]
pub struct Ports {
    /// Open and closed connections.
    pub connections: Arc<dyn Connections>,
    /// What their flight recorders have kept.
    pub recordings: Arc<dyn Recordings>,
    /// The metrics page.
    pub metrics: Arc<dyn Metrics>,
    /// The overview.
    pub overviews: Arc<dyn Overviews>,
    /// The machines beneath the connections.
    pub hosts: Arc<dyn Hosts>,
    /// Ceilings, what is kept, the configuration.
    pub workings: Arc<dyn Workings>,
    /// Reload and readiness.
    pub operations: Arc<dyn Operations>,
    /// Rules and alerts.
    pub rules: Arc<dyn Rules>,
    /// Who tells people of alerts.
    pub alertmanager: Arc<dyn Alertmanager>,
    /// What is being done about alerts.
    pub incidents: Arc<dyn Incidents>,
    /// What explains the ends of connections.
    pub findings: Arc<dyn Findings>,
    /// Scheduled probes.
    pub probes: Arc<dyn Probes>,
    /// Examinations that somebody asks for.
    pub examinations: Arc<dyn Examinations>,
    /// Ways in for those who try a route.
    pub tryouts: Arc<dyn Tryouts>,
    /// Series.
    pub history: Arc<dyn History>,
    /// How queries over `history` are understood.
    pub promql: promql::Options,
    /// Who answers queries over series in place of `history`, if another engine is to.
    pub engine: Option<Arc<dyn QueryEngine>>,
    /// Closed connections over days, if they are kept.
    pub journal: Option<Arc<dyn Journal>>,
    /// What is counted of queries.
    pub queries: Arc<QueryMeter>,
    /// What is counted of connections of the test page that did not begin.
    pub tryouts_refused: Arc<Counts<TryoutRefused>>,
    /// What this process is.
    pub about: About,
}

/// What this process is.
#[derive(Clone, Debug)]
pub struct About {
    /// Version of the program, such as `0.1.0`.
    pub version: String,
    /// When the process started.
    pub started_at: WallTime,
}
