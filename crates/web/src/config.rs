//! What the admin address can be told. The documentation of each field is the configuration reference.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// The admin address: dashboard, API, metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// IP address and port; port 0 takes a free one. An address that other machines can reach needs a token.
    pub listen: SocketAddr,
    /// File with the token that programs send as `Authorization: Bearer TOKEN` and people give to the
    /// dashboard: one word of visible ASCII. Space and line ends around it do not count. It is read at start.
    pub token_file: Option<PathBuf>,
    /// The token itself, instead of a file. It works, with a warning: configuration files are read by many.
    pub token: Option<Secret>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        AdminConfig { listen: (Ipv4Addr::LOCALHOST, 8080).into(), token_file: None, token: None }
    }
}

/// Text that is never shown: not in logs, not in an error, not in the effective configuration.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

/// Something in a configuration that parses but cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as the keys that lead there from the admin part: `["token_file"]`.
    pub path: Vec<String>,
    /// What, and what to do.
    pub message: String,
}

/// Why the token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("the admin token cannot be read from {}: {source}", path.display())]
    Unreadable {
        /// The file of the configuration.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What the file holds is no token.
    #[error("{} holds no admin token: it must be one word of visible ASCII, such as `openssl rand -hex 32` gives",
        path.display())]
    NoToken {
        /// The file of the configuration.
        path: PathBuf,
    },
}

impl AdminConfig {
    /// What parses but cannot work: gathered, so that one run shows all of it.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key: &str, message: String| {
            problems.push(Problem { path: vec![key.to_owned()], message });
        };
        if !self.listen.ip().to_canonical().is_loopback() && self.token.is_none() && self.token_file.is_none()
        {
            report(
                "listen",
                format!(
                    "the admin address {} can be reached from other machines and has no token: set \
                     `admin.token_file` to a file with one, or listen on 127.0.0.1:{}",
                    self.listen,
                    self.listen.port()
                ),
            );
        }
        if self.token.is_some() && self.token_file.is_some() {
            report("token", "give `token_file` or `token`, not both".to_owned());
        }
        if self.token.as_ref().is_some_and(|token| !is_token(token.reveal())) {
            report(
                "token",
                "the token must be one word of visible ASCII, at least one letter long".to_owned(),
            );
        }
        problems
    }

    /// The token, if one is configured.
    ///
    /// # Errors
    /// The file cannot be read or holds no token.
    pub(crate) fn read_token(&self) -> Result<Option<Secret>, TokenError> {
        let Some(path) = &self.token_file else {
            if self.token.is_some() {
                tracing::warn!(
                    "`admin.token` stands in the configuration itself; `admin.token_file` is safer"
                );
            }
            return Ok(self.token.clone());
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| TokenError::Unreadable { path: path.clone(), source })?;
        match text.trim() {
            token if is_token(token) => Ok(Some(Secret::new(token))),
            _ => Err(TokenError::NoToken { path: path.clone() }),
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &[&str]) {
        let config: AdminConfig = serde_json::from_str(json).expect("parses");
        let paths: Vec<String> = config.problems().iter().map(|problem| problem.path.join(".")).collect();
        assert_eq!(paths, expected, "{json}");
    }

    #[test]
    fn only_loopback_goes_without_a_token() {
        check("{}", &[]);
        check(r#"{"listen": "127.0.0.2:0"}"#, &[]);
        check(r#"{"listen": "[::1]:8080"}"#, &[]);
        check(r#"{"listen": "0.0.0.0:8080"}"#, &["listen"]);
        check(r#"{"listen": "[::]:8080"}"#, &["listen"]);
        check(r#"{"listen": "0.0.0.0:8080", "token_file": "admin"}"#, &[]);
        check(r#"{"listen": "0.0.0.0:8080", "token": "s3cret"}"#, &[]);
        check(r#"{"token": "s3cret", "token_file": "admin"}"#, &["token"]);
        check(r#"{"token": ""}"#, &["token"]);
        check(r#"{"token": "two words"}"#, &["token"]);
    }

    #[test]
    fn unknown_keys_are_errors() {
        let error = serde_json::from_str::<AdminConfig>(r#"{"tokenfile": "admin"}"#).expect_err("unknown");
        assert!(error.to_string().contains("token_file"), "{error}");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let config = AdminConfig { token: Some(Secret::new("s3cret")), ..AdminConfig::default() };
        let shown = format!("{config:?} {}", serde_json::to_string(&config).expect("serializes"));
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
