//! The routes that are in force: built from the configuration as a whole and swapped as a whole.

use std::sync::Arc;

use guard::admission::Scope;
use guard::heartbeat::HeartbeatConfig;
use guard::queue::QueueConfig;
use observe::event_time::Source;
use rustls::pki_types::ServerName;

use crate::admission::{Admission, Door};
use crate::config::{
    ClientKeySource, EventTimeConfig, GatewayConfig, LimitsConfig, MatchConfig, Network, RouteConfig,
    Timeouts, UpstreamConfig,
};
use crate::entry::Limits;
use crate::registry::{Registry, RouteConnections};
use crate::tls::{self, TlsError};
use crate::upstream::source::{SourceError, Sources, Uses};
use crate::upstream::{Pool, Upstream, server_name};

/// See the module.
#[derive(Debug)]
pub struct Table {
    routes: Vec<Arc<Route>>,
    trusted: Vec<Network>,
    /// Limits of the gateway in all.
    door: Option<Arc<Door>>,
    /// Connections by source, of all routes.
    uses: Arc<Uses>,
}

/// One route in force.
#[derive(Debug)]
pub struct Route {
    /// Its connections and what is measured of it.
    pub connections: Arc<RouteConnections>,
    /// The services behind it.
    pub pool: Pool,
    /// Its limits of time.
    pub timeouts: Timeouts,
    /// The signs of life that it gives.
    pub heartbeat: Option<HeartbeatConfig>,
    /// By what a client is known again.
    pub client_key: ClientKeySource,
    /// Where its events say when they were made.
    pub event_time: Option<Arc<Source>>,
    /// The queue towards its clients.
    pub queue: Option<Arc<QueueConfig>>,
    /// Who may come in; none where there are no limits.
    pub admission: Option<Admission>,
    matcher: MatchConfig,
    config: RouteConfig,
}

impl Route {
    /// Its own limits.
    pub fn door(&self) -> Option<&Door> {
        self.admission.as_ref()?.route.as_deref()
    }

    /// What is configured of them.
    pub fn limits_config(&self) -> &LimitsConfig {
        &self.config.limits
    }

    /// Its limits of time for an open connection.
    pub fn limits(&self) -> Limits {
        Limits { idle: self.timeouts.idle, half_close: self.timeouts.half_close }
    }
}

/// Why a configuration cannot be put in force.
#[derive(Debug, thiserror::Error)]
#[error("route `{route}`: {error}")]
pub struct TableError {
    /// Name of the route.
    pub route: String,
    /// What is wrong with it.
    pub error: RouteError,
}

/// What of a route cannot be put in force.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum RouteError {
    /// TLS files or names.
    Tls(#[from] TlsError),
    /// Source addresses.
    Source(#[from] SourceError),
}

impl Table {
    /// Builds the routes; upstreams that were there `before` with the same settings keep their counts.
    ///
    /// # Errors
    /// Files or names of a route's upstream TLS, or source addresses, that cannot be used.
    pub fn build(
        config: &GatewayConfig,
        registry: &Registry,
        before: Option<&Table>,
    ) -> Result<Table, TableError> {
        let uses = before.map(|table| Arc::clone(&table.uses)).unwrap_or_default();
        let pools = config.routes.iter().map(|route| {
            let old = before.and_then(|table| table.same_upstreams(route));
            build_pool(route, &uses, old)
                .map_err(|error| TableError { route: route.name.as_str().to_owned(), error })
        });
        let pools = pools.collect::<Result<Vec<Pool>, TableError>>()?;
        let door = Door::build(Scope::Gateway, "", &config.limits, before.and_then(Table::door));
        let routes = config.routes.iter().zip(pools).map(|(route, pool)| {
            let same = before.and_then(|table| table.route(route.name.as_str()));
            let own =
                Door::build(Scope::Route, route.name.as_str(), &route.limits, same.and_then(Route::door));
            Arc::new(Route {
                connections: registry.route(route.name.as_str()),
                pool,
                timeouts: route.timeouts.clone(),
                heartbeat: route.heartbeat,
                client_key: route.client_key.clone(),
                event_time: route.event_time.as_ref().and_then(EventTimeConfig::source).map(Arc::new),
                queue: route.queue.clone().map(Arc::new),
                admission: Admission::of(own, door.as_ref()),
                matcher: route.matcher.clone(),
                config: route.clone(),
            })
        });
        let routes = routes.collect();
        Ok(Table { routes, trusted: config.trusted_peers.clone(), door, uses })
    }

    /// The first route that takes a request.
    pub fn find(&self, host: &str, path: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.matcher.takes(host, path))
    }

    /// Networks whose word on clients is believed.
    pub fn trusted(&self) -> &[Network] {
        &self.trusted
    }

    /// Limits of the gateway in all.
    pub fn door(&self) -> Option<&Door> {
        self.door.as_deref()
    }

    /// The route of that name.
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().map(|route| &**route).find(|route| route.config.name.as_str() == name)
    }

    /// All routes.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    fn same_upstreams(&self, config: &RouteConfig) -> Option<&Route> {
        let is_same = |route: &Arc<Route>| {
            route.config.name == config.name
                && route.config.upstream_tls == config.upstream_tls
                && route.config.timeouts.connect == config.timeouts.connect
                && route.config.source_addresses == config.source_addresses
        };
        self.routes.iter().find(|route| is_same(route)).map(|route| &**route)
    }
}

fn build_pool(config: &RouteConfig, uses: &Arc<Uses>, old: Option<&Route>) -> Result<Pool, RouteError> {
    Sources::check(&config.source_addresses)?;
    let sources = Sources::new(&config.source_addresses, Arc::clone(uses));
    let tls = tls::client_config(&config.upstream_tls)?;
    let name_of = |host: &str| -> Result<ServerName<'static>, TlsError> {
        server_name(host).map_err(|error| TlsError::Roots(error.to_string()))
    };
    let configured_name = config.upstream_tls.server_name.as_deref().map(name_of).transpose()?;
    let upstreams = config
        .upstreams
        .iter()
        .map(|UpstreamConfig { url, .. }| {
            let known =
                old.and_then(|route| route.pool.upstreams.iter().find(|upstream| upstream.url == *url));
            known.cloned().unwrap_or_else(|| {
                let (tls, name) = (Arc::clone(&tls), configured_name.clone());
                let (timeout, sources) = (config.timeouts.connect, sources.clone());
                Arc::new(Upstream::new(url.clone(), tls, name, timeout, sources))
            })
        })
        .collect();
    Ok(Pool::new(upstreams, config.balance, config.fail_timeout))
}
