//! The engine elsewhere that answers queries.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use remote::Access;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::config::Secret;

use super::Problem;
use super::access::{AccessParts, BasicAuthConfig};

/// A query of the HTTP API or of a rule ends after this time wherever it is evaluated.
const TIMEOUT_MAX: Duration = Duration::from_secs(25);

/// How the engine at `query_url` is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueryConfig {
    /// Longest time for an answer; from 1 s to 25 s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// File with a token for `Authorization: Bearer`, read for each request.
    pub bearer_token_file: Option<PathBuf>,
    /// The token itself, instead of a file.
    pub bearer_token: Option<Secret>,
    /// Name and password for `Authorization: Basic`, instead of a token.
    pub basic_auth: Option<BasicAuthConfig>,
    /// Further headers, such as `X-Scope-OrgID`.
    #[schemars(with = "BTreeMap<String, String>")]
    pub headers: BTreeMap<String, Secret>,
    /// PEM file with the authorities to trust with `https://`, instead of this system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for QueryConfig {
    fn default() -> Self {
        QueryConfig {
            timeout: TIMEOUT_MAX,
            bearer_token_file: None,
            bearer_token: None,
            basic_auth: None,
            headers: BTreeMap::new(),
            ca_file: None,
        }
    }
}

impl QueryConfig {
    /// Where and how to ask; only what has no problems has access.
    pub(crate) fn access(&self, url: &str) -> Option<Access> {
        self.parts(url).access()
    }

    fn parts<'a>(&'a self, url: &'a str) -> AccessParts<'a> {
        AccessParts {
            url,
            bearer_token_file: self.bearer_token_file.as_ref(),
            bearer_token: self.bearer_token.as_ref(),
            basic_auth: self.basic_auth.as_ref(),
            headers: &self.headers,
            ca_file: self.ca_file.as_ref(),
            timeout: self.timeout,
        }
    }

    /// What parses but cannot work.
    pub(super) fn problems(&self, url: Option<&str>) -> Vec<Problem> {
        const EXAMPLE: &str = "http://10.0.0.9:8428";
        let Some(url) = url else {
            let message = "`query` says how an engine is asked, and `query_url` must say which".to_owned();
            let is_given = *self != QueryConfig::default();
            return is_given
                .then(|| Problem { path: vec!["query".to_owned()], message })
                .into_iter()
                .collect();
        };
        let mut problems = self.parts(url).problems(EXAMPLE);
        if url.trim_end_matches('/').ends_with("/api/v1/query")
            || url.trim_end_matches('/').ends_with("/api/v1")
        {
            let why = format!("give what stands before `/api/v1`, such as {EXAMPLE}");
            problems.push(("url", why));
        }
        if !(Duration::from_secs(1)..=TIMEOUT_MAX).contains(&self.timeout) {
            problems.push(("timeout", "the timeout must be from 1s to 25s".to_owned()));
        }
        let path = |key: &str| match key {
            "url" => vec!["query_url".to_owned()],
            key => vec!["query".to_owned(), key.to_owned()],
        };
        problems.into_iter().map(|(key, message)| Problem { path: path(key), message }).collect()
    }
}
