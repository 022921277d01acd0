//! Where samples go, and what is shown there to be let in.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Uri};

/// An engine elsewhere.
#[derive(Clone)]
pub struct Destination {
    /// Name in metrics and the log.
    pub name: Arc<str>,
    /// Its receiver of remote write: `http:` or `https:`, with a host.
    pub url: Uri,
    /// What lets us in.
    pub credentials: Credentials,
    /// Headers of every request beside ours.
    pub headers: HeaderMap,
}

impl fmt::Debug for Destination {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Destination").field(&self.name).finish()
    }
}

/// What lets us in. Files are read for each request, so that a new secret needs no restart.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// `Authorization: Bearer` with this token.
    Token(String),
    /// The same, with the token in this file.
    TokenFile(PathBuf),
    /// `Authorization: Basic` with this name and the password in this file.
    Basic(String, PathBuf),
}

impl Credentials {
    /// The value of `Authorization`, if there is to be one.
    ///
    /// # Errors
    /// The file cannot be read, or what is in it cannot stand in a header.
    pub fn header(&self) -> Result<Option<HeaderValue>, String> {
        let read = |path: &PathBuf| {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            match text.trim() {
                "" => Err(format!("{} is empty", path.display())),
                text => Ok(text.to_owned()),
            }
        };
        let text = match self {
            Credentials::None => return Ok(None),
            Credentials::Token(token) => format!("Bearer {token}"),
            Credentials::TokenFile(path) => format!("Bearer {}", read(path)?),
            Credentials::Basic(name, path) => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{}", read(path)?)))
            }
        };
        let value = HeaderValue::from_str(&text);
        let mut value = value.map_err(|_| "the token has letters that no header can have".to_owned())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl Destination {
    /// The name of what waits for it, which follows from the URL alone.
    pub fn queue_name(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.url.to_string().as_bytes());
        digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.url.scheme() == Some(&Scheme::HTTPS)
    }
}
