//! Engines elsewhere that samples are sent to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use remote::{Credentials, Destination};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::config::Secret;

use super::Problem;

/// Most bytes that wait for one engine, by default.
const QUEUE_BYTES: u64 = 512 << 20;

/// An engine elsewhere that all samples are sent to, own and received ones, by remote write 1.0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteWriteConfig {
    /// Its receiver, such as `http://10.0.0.9:8428/api/v1/write`; `https://` trusts whom this system trusts.
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
    /// Most bytes of compressed requests that wait, in `data.dir` or else in memory; beyond it the oldest are dropped.
    #[serde(default = "queue_bytes")]
    pub queue_bytes: u64,
}

/// Name and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuthConfig {
    /// Name.
    pub username: String,
    /// File with the password, read for each request.
    pub password_file: PathBuf,
}

fn queue_bytes() -> u64 {
    QUEUE_BYTES
}

impl RemoteWriteConfig {
    /// Where to send; only what has no problems has a destination.
    pub(crate) fn destination(&self) -> Option<Destination> {
        let url: Uri = self.url.parse().ok()?;
        let name = self.shown_name(&url)?.into();
        let credentials = match (&self.bearer_token_file, &self.bearer_token, &self.basic_auth) {
            (Some(file), _, _) => Credentials::TokenFile(file.clone()),
            (_, Some(token), _) => Credentials::Token(token.reveal().to_owned()),
            (_, _, Some(basic)) => Credentials::Basic(basic.username.clone(), basic.password_file.clone()),
            (None, None, None) => Credentials::None,
        };
        Some(Destination { name, url, credentials, headers: self.header_map().ok()? })
    }

    fn shown_name(&self, url: &Uri) -> Option<String> {
        self.name.clone().or_else(|| Some(url.authority()?.to_string()))
    }

    fn header_map(&self) -> Result<HeaderMap, String> {
        let header = |(name, value): (&String, &Secret)| {
            let wrong = format!("header `{name}` has a name or a value that no header can have");
            let parsed =
                HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::from_str(value.reveal()).ok());
            let (name, mut value) = parsed.ok_or(wrong)?;
            value.set_sensitive(true);
            Ok((name, value))
        };
        self.headers.iter().map(header).collect()
    }
}

/// What parses but cannot work.
pub(super) fn problems(configs: &[RemoteWriteConfig]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, config) in configs.iter().enumerate() {
        let mut report = |key: &str, message: String| {
            let path = vec!["remote_write".to_owned(), index.to_string(), key.to_owned()];
            problems.push(Problem { path, message });
        };
        match parsed(&config.url) {
            Err(why) => report("url", why),
            Ok(url) => {
                let is_taken = configs[..index].iter().any(|other| {
                    let its_name = parsed(&other.url).ok().and_then(|its| other.shown_name(&its));
                    other.url == config.url || its_name == config.shown_name(&url)
                });
                if is_taken {
                    let why =
                        "an earlier engine has this URL or name; give each a URL and a `name` of its own";
                    report("url", why.to_owned());
                }
            }
        }
        let ways =
            [config.bearer_token.is_some(), config.bearer_token_file.is_some(), config.basic_auth.is_some()];
        if ways.into_iter().filter(|is_given| *is_given).count() > 1 {
            report("url", "give one of `bearer_token_file`, `bearer_token` and `basic_auth`".to_owned());
        }
        if let Err(why) = config.header_map() {
            report("headers", why);
        }
        if config.queue_bytes < 1 << 20 {
            report("queue_bytes", "the queue must have at least 1048576 bytes".to_owned());
        }
    }
    problems
}

fn parsed(text: &str) -> Result<Uri, String> {
    let wrong = |why: &str| format!("{why}; give one such as http://10.0.0.9:8428/api/v1/write");
    let uri: Uri = text.parse().map_err(|_| wrong("it is no URL"))?;
    let authority = uri.authority().ok_or_else(|| wrong("a URL has a host"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("the URL must begin with http:// or https://"));
    }
    if authority.as_str().contains('@') {
        return Err("a user and password belong into `basic_auth`, not into the URL".to_owned());
    }
    Ok(uri)
}
