//! Who counts limits that several gateways hold together.

use std::path::PathBuf;
use std::time::Duration;

use guard::shared::OnFailure;
use remote::{LimiterSettings, RedisUrl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::config::Secret;

use super::Problem;

/// Who counts limits that several gateways hold together: those with `shared: true`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedLimitsConfig {
    /// A Redis (6.2 or later) that all these gateways reach.
    pub redis: RedisConfig,
    /// Begins the name of every key in it; gateways with the same one hold their limits together.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// Longest that an opening waits for the answer, queueing included; from 5 ms to 5 s.
    #[serde(default = "timeout", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// What becomes of openings while there is no answer: `open` lets them in, within what each gateway holds by itself;
    /// `closed` refuses them.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// File with its URL, read for each connection: `redis://user:password@10.0.0.5:6379/0`, `rediss://` for TLS, or
    /// `redis+unix:///run/redis.sock`.
    pub url_file: Option<PathBuf>,
    /// The URL itself, instead of a file.
    pub url: Option<Secret>,
}

fn prefix() -> String {
    "heartline".to_owned()
}

fn timeout() -> Duration {
    Duration::from_millis(50)
}

impl RedisConfig {
    fn source(&self) -> Option<RedisUrl> {
        let inline = || Some(RedisUrl::Inline(self.url.as_ref()?.reveal().to_owned()));
        self.url_file.clone().map(RedisUrl::File).or_else(inline)
    }
}

impl SharedLimitsConfig {
    /// How it is asked; only what has no problems says so.
    pub(crate) fn settings(&self) -> Option<LimiterSettings> {
        Some(LimiterSettings {
            url: self.redis.source()?,
            prefix: self.prefix.clone(),
            timeout: self.timeout,
            on_failure: self.on_failure,
        })
    }

    /// What parses but cannot work.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |keys: &[&str], message: String| {
            let path = std::iter::once(&"shared_limits").chain(keys).map(|&key| key.to_owned()).collect();
            problems.push(Problem { path, message });
        };
        match (&self.redis.url, &self.redis.url_file) {
            (Some(_), Some(_)) | (None, None) => {
                report(&["redis"], "give one of `url_file` and `url`".to_owned());
            }
            (Some(url), None) => {
                let client = RedisUrl::Inline(url.reveal().to_owned()).client();
                client.err().into_iter().for_each(|why| report(&["redis", "url"], why));
            }
            (None, Some(_)) => {}
        }
        if self.prefix.is_empty() || self.prefix.contains(['{', '}']) {
            report(&["prefix"], "the prefix must have a letter, and neither `{` nor `}`".to_owned());
        }
        if !(Duration::from_millis(5)..=Duration::from_secs(5)).contains(&self.timeout) {
            report(&["timeout"], "the timeout must be from 5ms to 5s".to_owned());
        }
        problems
    }
}

/// Limits that are to be shared, with nobody who counts them.
pub(super) fn missing(config: &super::Config) -> Vec<Problem> {
    let problem = |path: &[&str]| Problem {
        path: path.iter().map(|&key| key.to_owned()).collect(),
        message: "`shared_limits` must say which Redis counts them".to_owned(),
    };
    let routes = config.routes.iter().enumerate().filter(|(_, route)| route.limits.shared);
    let of_routes = routes.map(|(index, _)| problem(&["routes", &index.to_string(), "limits", "shared"]));
    let of_all = config.limits.shared.then(|| problem(&["limits", "shared"]));
    of_routes.chain(of_all).collect()
}
