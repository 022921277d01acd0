//! The configuration file: each part belongs to the room that is configured by it; here they are put together,
//! read, and judged.

mod access;
mod alerting;
mod data;
mod diagnostics;
mod escalation;
mod evaluation;
mod heartbeats;
mod locate;
mod probes;
mod query;
mod remote_write;
mod settings;
mod shared_limits;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alert::engine::Options;
use gateway::config::{
    ClosedConfig, DrainConfig, GatewayConfig, GeoConfig, LimitsConfig, ListenerConfig, Network,
    RecorderConfig, RouteConfig, TcpSamplesConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::config::AdminConfig;

use crate::Failure;
use crate::cli::RunOptions;
pub use crate::config::access::BasicAuthConfig;
pub use crate::config::alerting::{AlertingConfig, AlertmanagerConfig, ReceiverConfig};
pub use crate::config::data::DataConfig;
pub use crate::config::diagnostics::ConfigErrors;
pub use crate::config::escalation::{EscalationConfig, EscalationStepConfig, EscalationsConfig};
pub use crate::config::evaluation::{EvaluationConfig, RestoreConfig};
pub use crate::config::probes::ProbeConfig;
pub use crate::config::query::QueryConfig;
pub use crate::config::remote_write::RemoteWriteConfig;
pub(crate) use crate::config::settings::settings;
pub use crate::config::shared_limits::{RedisConfig, SharedLimitsConfig};

/// File that `run` looks for when it is told of none.
const DEFAULT_FILE: &str = "heartline.yaml";

/// Where clients are served by default.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8000);

/// Stands for the rules that come with this program.
pub(crate) const DEFAULT_RULES: &str = "default";

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Dashboard, API and metrics.
    pub admin: AdminConfig,
    /// What is kept, where and for how long.
    pub data: DataConfig,
    /// Engines elsewhere that all samples are sent to, such as that of several gateways.
    pub remote_write: Vec<RemoteWriteConfig>,
    /// Engine elsewhere that answers queries and evaluates the expressions of rules in place of the series that are kept
    /// here: what stands before `/api/v1/query`, such as `http://10.0.0.9:8428`.
    pub query_url: Option<String>,
    /// How it is asked.
    pub query: QueryConfig,
    /// Addresses on which clients are served.
    pub listeners: Vec<ListenerConfig>,
    /// Which request goes where; the first match wins.
    pub routes: Vec<RouteConfig>,
    /// Experiments of a user's kind on a schedule, at services behind this gateway or elsewhere; up to 100.
    pub probes: Vec<ProbeConfig>,
    /// Networks of the balancers and proxies in front, such as `10.0.0.0/8`. Only from these are the PROXY
    /// protocol, `X-Forwarded-*` and `Forwarded` believed.
    #[schemars(with = "Vec<String>")]
    pub trusted_peers: Vec<Network>,
    /// How the gateway stops.
    pub drain: DrainConfig,
    /// What is kept of closed connections.
    pub closed: ClosedConfig,
    /// What flight recorders keep of each connection.
    pub recorder: RecorderConfig,
    /// What is measured.
    pub metrics: MetricsConfig,
    /// How often the kernel is asked about the sockets of open connections.
    pub tcp_samples: TcpSamplesConfig,
    /// Where clients are.
    pub geo: GeoConfig,
    /// What there may be of connections on all routes together; routes have their own beside.
    pub limits: LimitsConfig,
    /// Who counts those limits that several gateways hold together.
    pub shared_limits: Option<SharedLimitsConfig>,
    /// Prometheus rule files, relative to this file; the last part of a path may have `*` and `?`. The word `default`
    /// stands for the rules that come with this program. `[]` evaluates no rules.
    pub rules: Vec<PathBuf>,
    /// How rules are evaluated.
    pub evaluation: EvaluationConfig,
    /// Who is told of alerts, and how.
    pub alerting: AlertingConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            admin: AdminConfig::default(),
            data: DataConfig::default(),
            remote_write: Vec::new(),
            query_url: None,
            query: QueryConfig::default(),
            listeners: Vec::new(),
            routes: Vec::new(),
            probes: Vec::new(),
            trusted_peers: Vec::new(),
            drain: DrainConfig::default(),
            closed: ClosedConfig::default(),
            recorder: RecorderConfig::default(),
            metrics: MetricsConfig::default(),
            tcp_samples: TcpSamplesConfig::default(),
            geo: GeoConfig::default(),
            limits: LimitsConfig::default(),
            shared_limits: None,
            rules: vec![PathBuf::from(DEFAULT_RULES)],
            evaluation: EvaluationConfig::default(),
            alerting: AlertingConfig::default(),
        }
    }
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Window of `websocket_message_latency_seconds_mean`; from 10 s to 5 min.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub mean_window: Duration,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        MetricsConfig { mean_window: Duration::from_secs(60) }
    }
}

/// Something that parses but cannot work: where, and what to do.
struct Problem {
    path: Vec<String>,
    message: String,
}

impl Config {
    /// The gateway's part.
    pub fn gateway(&self) -> GatewayConfig {
        GatewayConfig {
            listeners: self.listeners.clone(),
            routes: self.routes.clone(),
            trusted_peers: self.trusted_peers.clone(),
            drain: self.drain.clone(),
            closed: self.closed.clone(),
            recorder: self.recorder.clone(),
            tcp_samples: self.tcp_samples,
            geo: self.geo.clone(),
            limits: self.limits.clone(),
        }
    }

    /// How rules are evaluated.
    pub(crate) fn rule_options(&self) -> Options {
        self.evaluation.options(self.query_url.is_some())
    }

    /// What works, and is hardly meant so.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let shared = self.shared_limits.iter().filter_map(SharedLimitsConfig::warning);
        let routes = self.routes.iter().flat_map(heartbeats::warnings);
        let queues = self.gateway().notices();
        shared.chain(routes).chain(queues).collect()
    }

    fn problems(&self) -> Vec<Problem> {
        let gateway = self.gateway().problems().into_iter();
        let mut problems: Vec<Problem> =
            gateway.map(|problem| Problem { path: problem.path, message: problem.message }).collect();
        problems.extend(self.admin.problems().into_iter().map(|problem| {
            let path = std::iter::once("admin".to_owned()).chain(problem.path).collect();
            Problem { path, message: problem.message }
        }));
        problems.extend(self.data.problems());
        problems.extend(self.evaluation.problems());
        problems.extend(self.alerting.problems());
        problems.extend(remote_write::problems(&self.remote_write));
        problems.extend(probes::problems(&self.probes, &self.routes));
        problems.extend(self.shared_limits.iter().flat_map(SharedLimitsConfig::problems));
        if self.shared_limits.is_none() {
            problems.extend(shared_limits::missing(self));
        }
        problems.extend(self.query.problems(self.query_url.as_deref()));
        let window = self.metrics.mean_window;
        if window < Duration::from_secs(10) || window > Duration::from_secs(300) {
            let path = vec!["metrics".to_owned(), "mean_window".to_owned()];
            problems.push(Problem { path, message: "the window must be from 10s to 5m".to_owned() });
        }
        problems
    }
}

/// Reads and judges a file.
///
/// # Errors
/// All that is wrong with it, each with its place.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| ConfigErrors::unreadable(&name, &error))?;
    let mut config = parse(&name, &text)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    for pattern in config.rules.iter_mut().filter(|pattern| **pattern != Path::new(DEFAULT_RULES)) {
        *pattern = beside.join(&*pattern);
    }
    beside.clone_into(&mut config.alerting.directory);
    if let Some(file) = &mut config.alerting.alertmanager_config {
        *file = beside.join(&*file);
    }
    Ok(config)
}

fn parse(name: &str, text: &str) -> Result<Config, ConfigErrors> {
    let config: Config =
        serde_saphyr::from_str(text).map_err(|error| ConfigErrors::from_yaml(name, text, &error))?;
    let problems = config.problems();
    if problems.is_empty() {
        return Ok(config);
    }
    let located = problems.into_iter().map(|problem| (locate::locate(text, &problem.path), problem.message));
    Err(ConfigErrors::located(name, text, located))
}

/// Where the configuration comes from, so that it can be read again.
#[derive(Clone, Debug)]
pub struct Source {
    file: Option<PathBuf>,
    options: RunOptions,
}

impl Source {
    /// Takes what the command line says.
    ///
    /// # Errors
    /// It names neither a file nor an upstream, and there is no default file.
    pub fn new(options: RunOptions) -> Result<Source, Failure> {
        let file = match (&options.config, &options.upstream) {
            (Some(file), _) => Some(file.clone()),
            (None, Some(_)) => None,
            (None, None) if Path::new(DEFAULT_FILE).exists() => Some(DEFAULT_FILE.into()),
            (None, None) => {
                return Err(Failure::Usage(format!(
                    "nothing to stand in front of: give `--upstream http://HOST:PORT`, `-c FILE`, or put a \
                     {DEFAULT_FILE} here"
                )));
            }
        };
        Ok(Source { file, options })
    }

    /// Reads the configuration as it is now.
    ///
    /// # Errors
    /// What is wrong with it, for a person to read.
    pub fn read(&self) -> Result<Config, String> {
        let mut config = match (&self.file, &self.options.upstream) {
            (Some(file), _) => load(file).map_err(|errors| errors.to_string())?,
            (None, Some(upstream)) => {
                let GatewayConfig { listeners, routes, .. } =
                    GatewayConfig::single(self.options.listen.unwrap_or(DEFAULT_LISTEN), upstream.clone());
                Config { listeners, routes, ..Config::default() }
            }
            (None, None) => Config::default(),
        };
        if let Some(admin) = self.options.admin {
            config.admin.listen = admin;
        }
        if let Some(dir) = &self.options.data_dir {
            config.data.dir = Some(dir.clone());
        }
        if let Some(listen) = self.options.listen {
            match config.listeners.as_mut_slice() {
                [only] => only.listen = listen,
                several => {
                    let count = several.len();
                    return Err(format!("--listen replaces the only listener, and the file has {count}"));
                }
            }
        }
        let problems = config.problems();
        if problems.is_empty() {
            return Ok(config);
        }
        Err(problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("\n"))
    }
}

#[cfg(test)]
mod tests;
