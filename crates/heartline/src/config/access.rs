//! How a program elsewhere is asked: what all parts of the configuration that name one have in common.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use remote::{Access, Credentials};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use web::config::Secret;

/// Name and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuthConfig {
    /// Name.
    pub username: String,
    /// File with the password, read for each request.
    pub password_file: PathBuf,
}

/// See the module.
pub(super) struct AccessParts<'a> {
    pub(super) url: &'a str,
    pub(super) bearer_token_file: Option<&'a PathBuf>,
    pub(super) bearer_token: Option<&'a Secret>,
    pub(super) basic_auth: Option<&'a BasicAuthConfig>,
    pub(super) headers: &'a BTreeMap<String, Secret>,
    pub(super) ca_file: Option<&'a PathBuf>,
    pub(super) timeout: Duration,
}

impl AccessParts<'_> {
    /// Only what has no problems gives access.
    pub(super) fn access(&self) -> Option<Access> {
        let credentials = match (self.bearer_token_file, self.bearer_token, self.basic_auth) {
            (Some(file), _, _) => Credentials::TokenFile(file.clone()),
            (_, Some(token), _) => Credentials::Token(token.reveal().to_owned()),
            (_, _, Some(basic)) => Credentials::Basic(basic.username.clone(), basic.password_file.clone()),
            (None, None, None) => Credentials::None,
        };
        Some(Access {
            url: self.url.parse().ok()?,
            credentials,
            headers: header_map(self.headers, &OURS).ok()?,
            ca_file: self.ca_file.cloned(),
            timeout: self.timeout,
        })
    }

    /// What parses but cannot work, by key; `example` is a good URL.
    pub(super) fn problems(&self, example: &str) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if let Err(why) = parsed(self.url, example) {
            problems.push(("url", why));
        }
        let ways = [self.bearer_token.is_some(), self.bearer_token_file.is_some(), self.basic_auth.is_some()];
        if ways.into_iter().filter(|is_given| *is_given).count() > 1 {
            let key = if self.basic_auth.is_some() { "basic_auth" } else { "bearer_token" };
            let why = "give one of `bearer_token_file`, `bearer_token` and `basic_auth`";
            problems.push((key, why.to_owned()));
        }
        if let Err(why) = header_map(self.headers, &OURS) {
            problems.push(("headers", why));
        }
        problems
    }
}

/// Headers as they are sent, but for those that Heartline itself sets.
pub(super) fn header_map(headers: &BTreeMap<String, Secret>, ours: &[&str]) -> Result<HeaderMap, String> {
    let header = |(name, value): (&String, &Secret)| {
        let wrong = format!("header `{name}` has a name or a value that no header can have");
        let parsed = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::from_str(value.reveal()).ok());
        let (name, mut value) = parsed.ok_or(wrong)?;
        if ours.contains(&name.as_str()) {
            return Err(format!("header `{name}` is set by Heartline itself"));
        }
        value.set_sensitive(true);
        Ok((name, value))
    };
    headers.iter().map(header).collect()
}

/// Headers that follow from the request and the other keys.
const OURS: [&str; 7] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
];

/// A URL that can be asked.
pub(super) fn parsed(text: &str, example: &str) -> Result<Uri, String> {
    let wrong = |why: &str| format!("{why}; give one such as {example}");
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
