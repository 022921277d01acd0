//! Engines elsewhere that samples are sent to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use remote::Destination;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::config::Secret;

use super::Problem;
use super::access::{AccessParts, BasicAuthConfig, parsed};

/// Most bytes that wait for one engine, by default.
const QUEUE_BYTES: u64 = 512 << 20;

/// Time for a request.
const TIMEOUT: Duration = Duration::from_secs(30);

const EXAMPLE: &str = "http://10.0.0.9:8428/api/v1/write";

/// An engine elsewhere that all samples are sent to, own and received ones, by remote write 1.0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteWriteConfig {
    /// Its receiver, such as `http://10.0.0.9:8428/api/v1/write`.
    pub url: String,
    /// Its name in metrics and the log; by default host and port of the URL.
    pub name: Option<String>,
    /// File with a token for `Authorization: Bearer`, read for each request.
    pub bearer_token_file: Option<PathBuf>,
    /// The token itself, instead of a file.
    pub bearer_token: Option<Secret>,
    /// Name and password for `Authorization: Basic`, instead of a token.
    pub basic_auth: Option<BasicAuthConfig>,
    /// Further headers, such as `X-Scope-OrgID`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub headers: BTreeMap<String, Secret>,
    /// PEM file with the authorities to trust with `https://`, instead of this system's.
    pub ca_file: Option<PathBuf>,
    /// Most bytes of compressed requests that wait, in `data.dir` or else in memory; beyond it the oldest are dropped.
    #[serde(default = "queue_bytes")]
    pub queue_bytes: u64,
}

fn queue_bytes() -> u64 {
    QUEUE_BYTES
}

impl RemoteWriteConfig {
    /// Where to send; only what has no problems has a destination.
    pub(crate) fn destination(&self) -> Option<Destination> {
        let access = self.parts().access()?;
        Some(Destination { name: self.shown_name(&access.url)?.into(), access })
    }

    fn parts(&self) -> AccessParts<'_> {
        AccessParts {
            url: &self.url,
            bearer_token_file: self.bearer_token_file.as_ref(),
            bearer_token: self.bearer_token.as_ref(),
            basic_auth: self.basic_auth.as_ref(),
            headers: &self.headers,
            ca_file: self.ca_file.as_ref(),
            timeout: TIMEOUT,
        }
    }

    fn shown_name(&self, url: &Uri) -> Option<String> {
        self.name.clone().or_else(|| Some(url.authority()?.to_string()))
    }
}

/// What parses but cannot work.
pub(super) fn problems(configs: &[RemoteWriteConfig]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, config) in configs.iter().enumerate() {
        let mut of_one = config.parts().problems(EXAMPLE);
        let is_taken = parsed(&config.url, EXAMPLE).is_ok_and(|url| {
            configs[..index].iter().any(|other| {
                let its_name = parsed(&other.url, EXAMPLE).ok().and_then(|its| other.shown_name(&its));
                other.url == config.url || its_name == config.shown_name(&url)
            })
        });
        if is_taken {
            let why = "an earlier engine has this URL or name; give each a URL and a `name` of its own";
            of_one.push(("url", why.to_owned()));
        }
        if config.queue_bytes < 1 << 20 {
            of_one.push(("queue_bytes", "the queue must have at least 1048576 bytes".to_owned()));
        }
        problems.extend(of_one.into_iter().map(|(key, message)| Problem {
            path: vec!["remote_write".to_owned(), index.to_string(), key.to_owned()],
            message,
        }));
    }
    problems
}
