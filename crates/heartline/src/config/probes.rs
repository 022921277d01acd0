//! Scheduled probes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use diagnose::experiment::Check;
use gateway::config::RouteConfig;
use http::{HeaderMap, HeaderValue, header};
use model::Word as _;
use probe::diagnose::Settings;
use probe::target::Target;
use probe::timetable::Rhythm;
use probe::tls::Trust;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::config::Secret;

use super::Problem;
use super::access::header_map;
use crate::diagnose::upstream;

/// Probes at most.
const PROBES_MAX: usize = 100;
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for a stage of an opening.
const STAGE_TIME: Duration = Duration::from_secs(10);

/// Headers that follow from the protocol and the URL.
const OURS: [&str; 7] = [
    "connection",
    "content-length",
    "host",
    "sec-websocket-key",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
];

/// A probe: the experiments of `heartline diagnose` on a schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// Its name, the label `probe` of its metrics: 1 to 64 letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// What it examines, as a user would: `ws:` or `wss:` for a WebSocket, `http:` or `https:` for an event stream,
    /// `grpc:` or `grpcs:` with `/package.Service/Method` for a gRPC stream. Its query is shown nowhere.
    pub url: String,
    /// Time between two runs; at least 5 s.
    #[serde(default = "minute", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub every: Duration,
    /// Time for an ordinary run; from 1 s to 1 min. By default 15 s, or `every` when that is shorter.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
    /// Time between two deep runs, which take the place of ordinary ones: silence for up to `idle_max`, messages of
    /// growing size, twenty connections at once, frequent PINGs of HTTP/2. At least `every`; by default there are only
    /// those that somebody asks for.
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "Option<String>")]
    pub deep_every: Option<Duration>,
    /// Longest silence of a deep run; from 1 s to 15 min.
    #[serde(default = "idle_max", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub idle_max: Duration,
    /// The service itself, `HOST:PORT`, to compare with: what works there and not at the URL is broken in between.
    #[serde(default)]
    pub upstream: Option<String>,
    /// The route whose clients it stands for. By default the one that takes the URL, when that leads to a listener of
    /// this gateway or a route matches its host.
    #[serde(default)]
    pub route: Option<String>,
    /// Checks to make beside the handshake, as those of `heartline diagnose`; by default all, the long and hard ones
    /// (`idle`, `size`, `concurrency`, `keepalive`) in deep runs alone.
    #[serde(default = "all_checks")]
    #[schemars(with = "Vec<String>")]
    pub checks: Vec<Check>,
    /// Text that is sent to see what comes back.
    #[serde(default = "message")]
    pub message: String,
    /// Headers of its requests, such as `Origin`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub headers: BTreeMap<String, Secret>,
    /// File with a token for `Authorization: Bearer`, read for each run.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// WebSocket subprotocols to offer.
    #[serde(default)]
    pub subprotocols: Vec<String>,
    /// PEM file with the authorities to trust instead of this system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

fn idle_max() -> Duration {
    Duration::from_secs(70)
}

fn all_checks() -> Vec<Check> {
    Check::ALL.to_vec()
}

fn message() -> String {
    "heartline probe".to_owned()
}

impl ProbeConfig {
    /// When it runs.
    pub(crate) fn rhythm(&self) -> Rhythm {
        Rhythm { every: self.every, deep_every: self.deep_every }
    }

    /// Time for an ordinary run.
    pub(crate) fn time(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT.min(self.every))
    }

    /// What it examines; only what has no problems has a target.
    pub(crate) fn target(&self) -> Option<Target> {
        self.url.parse().ok()
    }

    /// How it examines.
    ///
    /// # Errors
    /// What cannot be read or used, for a person to read.
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        let mut fields = header_map(&self.headers, &OURS)?;
        self.authorize(&mut fields)?;
        Ok(Settings {
            target: self.url.parse()?,
            direct: self.upstream.as_deref().map(upstream).transpose()?,
            fields,
            subprotocols: self.subprotocols.clone(),
            message: self.message.clone(),
            resolved: Vec::new(),
            trust: self.ca_file.clone().map_or(Trust::System, Trust::File),
            stage_time: STAGE_TIME.min(self.time() / 2),
        })
    }

    fn authorize(&self, fields: &mut HeaderMap) -> Result<(), String> {
        let Some(file) = &self.bearer_token_file else { return Ok(()) };
        let wrong = |why: &str| format!("{}: {why}", file.display());
        let token = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
        let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        fields.insert(header::AUTHORIZATION, value.map_err(|_| wrong("it holds no token"))?);
        Ok(())
    }

    fn problems(&self, routes: &[RouteConfig]) -> Vec<(&'static str, String)> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let seconds = |from, to| Duration::from_secs(from)..=Duration::from_secs(to);
        let is_route = |name: &String| routes.iter().any(|route| route.name.as_str() == name);
        let rules = [
            (
                "name",
                (1..=64).contains(&self.name.len()) && self.name.chars().all(is_name),
                "a name is 1 to 64 letters, digits, `_`, `-` and `.`",
            ),
            ("every", seconds(5, 86_400).contains(&self.every), "the interval must be from 5s to 1d"),
            (
                "timeout",
                seconds(1, 60).contains(&self.time()) && self.time() <= self.every,
                "the timeout must be from 1s to 1m, and not longer than `every`",
            ),
            (
                "deep_every",
                self.deep_every.is_none_or(|deep| deep >= self.every),
                "deep runs cannot be more frequent than `every`",
            ),
            ("idle_max", seconds(1, 900).contains(&self.idle_max), "the silence must be from 1s to 15m"),
            (
                "route",
                self.route.as_ref().is_none_or(is_route),
                "there is no route of this name; give the `name` of one in `routes`",
            ),
            ("message", self.message.len() <= 1024, "the message may have 1024 bytes"),
            (
                "subprotocols",
                self.subprotocols.len() <= 16
                    && self.subprotocols.iter().all(|name| HeaderValue::from_str(name).is_ok()),
                "up to 16 names that a header can have",
            ),
        ];
        let broken = rules.into_iter().filter(|(_, holds, _)| !holds);
        let mut problems: Vec<_> = broken.map(|(key, _, why)| (key, why.to_owned())).collect();
        let url = self.url.parse::<Target>().err().map(|why| ("url", why));
        let upstream = self.upstream.as_deref().map(upstream).and_then(Result::err);
        let headers = header_map(&self.headers, &OURS).err();
        problems.extend(url);
        problems.extend(upstream.map(|why| ("upstream", why)));
        problems.extend(headers.map(|why| ("headers", why)));
        problems
    }
}

/// What parses but cannot work.
pub(super) fn problems(configs: &[ProbeConfig], routes: &[RouteConfig]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if configs.len() > PROBES_MAX {
        let message = format!("there may be {PROBES_MAX} probes");
        problems.push(Problem { path: vec!["probes".to_owned()], message });
    }
    for (index, config) in configs.iter().enumerate() {
        let mut of_one = config.problems(routes);
        if configs[..index].iter().any(|other| other.name == config.name) {
            of_one.push(("name", "an earlier probe has this name".to_owned()));
        }
        problems.extend(of_one.into_iter().map(|(key, message)| Problem {
            path: vec!["probes".to_owned(), index.to_string(), key.to_owned()],
            message,
        }));
    }
    problems
}
