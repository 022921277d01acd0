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
    /// The URL itself, instead of a file; for one without a password.
    pub url: Option<Secret>,
    /// PEM file with the authority of its certificate (`rediss://`), read for each connection; without it those of this
    /// system.
    pub ca_file: Option<PathBuf>,
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
            ca_file: self.redis.ca_file.clone(),
            prefix: self.prefix.clone(),
            timeout: self.timeout,
            on_failure: self.on_failure,
        })
    }

    /// What works, and is hardly meant so.
    pub(super) fn warning(&self) -> Option<String> {
        self.redis.source()?.has_inline_password().then(|| {
            "`shared_limits.redis.url` has its password in this file: put the URL into a file of its own that only Heartline \
             can read, and name that (`url_file`)"
                .to_owned()
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
                let url = RedisUrl::Inline(url.reveal().to_owned());
                let client = url.client(self.redis.ca_file.as_deref());
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

#[cfg(test)]
mod tests {
    use super::super::parse;

    /// Reads a file with these lines of `shared_limits`; what is wrong with it, or what it is warned of.
    fn read(lines: &str) -> Result<Vec<String>, String> {
        let text = format!(
            "listeners: [{{ listen: 127.0.0.1:0 }}]\nroutes: [{{ name: a, upstreams: [http://127.0.0.1:1] }}]\n\
             shared_limits:\n{lines}\n"
        );
        parse("test.yaml", &text).map(|config| config.warnings()).map_err(|errors| errors.to_string())
    }

    #[test]
    fn what_cannot_work_says_what_to_do() {
        for (lines, parts) in [
            ("  redis: {}", &["give one of `url_file` and `url`"][..]),
            ("  redis: { url: 'redis://a:1', url_file: /b }", &["give one of `url_file` and `url`"]),
            (
                "  redis: { url: 'http://10.0.0.5:6379' }",
                &["no URL of a Redis, such as `redis://10.0.0.5:6379`"],
            ),
            (
                "  redis: { url: 'redis://me:hidden@' }",
                &["no URL of a Redis, such as `redis://10.0.0.5:6379`"],
            ),
            ("  redis: { url: 'rediss://a:1', ca_file: no/such.pem }", &["no/such.pem", "No such file"]),
            ("  redis: { url: 'redis://a:1', ca_file: Cargo.toml }", &["begin the URL with `rediss://`"]),
            ("  redis: { url: 'redis://a:1' }\n  prefix: ''", &["must have a letter"]),
            ("  redis: { url: 'redis://a:1' }\n  prefix: 'a{b}'", &["neither `{` nor `}`"]),
            ("  redis: { url: 'redis://a:1' }\n  timeout: 1ms", &["from 5ms to 5s"]),
            ("  redis: { url: 'redis://a:1' }\n  timeout: 6s", &["from 5ms to 5s"]),
            ("  redis: { url: 'redis://a:1' }\n  on_failure: maybe", &["open, closed", "maybe"]),
            ("  redis: { uri: 'redis://a:1' }", &["uri", "url"]),
            ("  prefix: a", &["redis"]),
        ] {
            let error = read(lines).expect_err(lines);
            for part in parts {
                assert!(error.contains(part), "{lines}: {error}");
            }
            assert!(error.contains("test.yaml:") && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn a_password_in_the_file_is_warned_of_and_nothing_else() {
        for url in ["redis://me:hidden@a:1/0", "redis+unix:///r.sock?pass=hidden"] {
            let warnings = read(&format!("  redis: {{ url: '{url}' }}")).expect(url);
            let [warning] = &warnings[..] else { panic!("{url}: {warnings:?}") };
            assert!(warning.contains("`url_file`") && !warning.contains("hidden"), "{warning}");
        }
        for lines in ["  redis: { url: 'redis://a:1' }", "  redis: { url_file: /run/secrets/redis }"] {
            assert_eq!(read(lines), Ok(Vec::new()), "{lines}");
        }
    }
}
