//! Where a program elsewhere is, and what is shown there to be let in.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, Uri};

/// Where a program elsewhere is, and how it is asked.
#[derive(Clone)]
pub struct Access {
    /// Its address: `http:` or `https:`, with a host, without user and password.
    pub url: Uri,
    /// What lets us in.
    pub credentials: Credentials,
    /// Headers of every request beside ours.
    pub headers: HeaderMap,
    /// PEM file with the authorities to trust instead of this system's.
    pub ca_file: Option<PathBuf>,
    /// Time for a request, from its begin to the end of its answer.
    pub timeout: Duration,
}

impl fmt::Debug for Access {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Access").field(&self.host()).finish()
    }
}

impl Access {
    /// Host and port, to be told to people.
    pub fn host(&self) -> &str {
        self.url.authority().map_or("", |authority| authority.as_str())
    }
}

/// What lets us in. Files are read for each request, so that a new secret needs no restart.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// `Authorization: Bearer` with this token (RFC 6750).
    Token(String),
    /// The same, with the token in this file.
    TokenFile(PathBuf),
    /// `Authorization: Basic` with this name and the password in this file (RFC 7617).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_its_scheme() {
        let place = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text: &str| {
            std::fs::write(place.path().join(name), text).expect("is written");
            place.path().join(name)
        };
        let check = |credentials: Credentials, expected: Result<Option<&str>, &str>| {
            let header = credentials.header();
            let shown = header.as_ref().map(|value| value.as_ref().and_then(|value| value.to_str().ok()));
            match (shown, expected) {
                (Ok(shown), Ok(expected)) => assert_eq!(shown, expected),
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (shown, expected) => panic!("{shown:?} is not {expected:?}"),
            }
        };
        check(Credentials::None, Ok(None));
        check(Credentials::Token("t0ken".to_owned()), Ok(Some("Bearer t0ken")));
        check(Credentials::TokenFile(file("token", " t0ken\n")), Ok(Some("Bearer t0ken")));
        let basic = Credentials::Basic("Aladdin".to_owned(), file("password", "open sesame\n"));
        check(basic, Ok(Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")));
        check(Credentials::Token("two\nlines".to_owned()), Err("letters that no header can have"));
        check(Credentials::TokenFile(file("empty", "\n")), Err("is empty"));
        check(Credentials::TokenFile("no/such/file".into()), Err("no/such/file: "));
    }
}
