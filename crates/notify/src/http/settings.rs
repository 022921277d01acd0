//! How requests are made: the keys of Alertmanager's `http_config` (`docs/configuration.md`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

use super::{Address, Call};
use crate::secret::{Secret, Source};

/// How the requests of a channel are made.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    credentials: Option<Credentials>,
    pub(super) proxy: Option<Address>,
    tls: Tls,
    /// Whether 307 and 308 are followed.
    pub(super) is_following: bool,
}

#[derive(Clone, Debug)]
enum Credentials {
    /// Name and password.
    Basic(String, Source),
    /// A scheme and what stands behind it.
    Other(String, Source),
}

#[derive(Clone, Debug, Default)]
struct Tls {
    authorities: Option<Source>,
    /// Our certificate and its key.
    own: Option<(Source, Source)>,
}

/// What is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Written {
    basic_auth: Option<WrittenBasic>,
    authorization: Option<WrittenAuthorization>,
    bearer_token: Option<Secret>,
    bearer_token_file: Option<PathBuf>,
    proxy_url: Option<Secret>,
    tls_config: Option<WrittenTls>,
    follow_redirects: Option<bool>,
    #[serde(rename = "enable_http2")]
    _enable_http2: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBasic {
    username: String,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAuthorization {
    #[serde(rename = "type")]
    scheme: Option<String>,
    credentials: Option<Secret>,
    credentials_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTls {
    ca: Option<Secret>,
    ca_file: Option<PathBuf>,
    cert: Option<Secret>,
    cert_file: Option<PathBuf>,
    key: Option<Secret>,
    key_file: Option<PathBuf>,
}

impl HttpSettings {
    /// From what is written; relative names of files begin at `directory`.
    ///
    /// # Errors
    /// Keys that contradict each other.
    pub(crate) fn read(written: Written, directory: &Path) -> Result<HttpSettings, String> {
        let tls = written.tls_config.map(|tls| Tls::read(tls, directory)).transpose()?;
        let proxy = written.proxy_url.map(|url| {
            let parsed = Address::parse(url.reveal());
            parsed.map_err(|why| format!("http_config: `proxy_url` is {why}"))
        });
        Ok(HttpSettings {
            credentials: credentials(
                written.basic_auth,
                written.authorization,
                (written.bearer_token, written.bearer_token_file),
                directory,
            )?,
            proxy: proxy.transpose()?,
            tls: tls.unwrap_or_default(),
            is_following: written.follow_redirects == Some(true),
        })
    }

    /// The request with what lets us in.
    ///
    /// # Errors
    /// A file cannot be read, or its text cannot stand in a header.
    pub(super) fn authorize(&self, call: Call) -> Result<Call, String> {
        let Some(credentials) = &self.credentials else { return Ok(call) };
        let (secret, value) = match credentials {
            Credentials::Basic(name, password) => {
                let password = password.read()?;
                let pair = BASE64_STANDARD.encode(format!("{name}:{}", password.reveal()));
                (password, format!("Basic {pair}"))
            }
            Credentials::Other(scheme, credentials) => {
                let secret = credentials.read()?;
                let value = format!("{scheme} {}", secret.reveal());
                (secret, value)
            }
        };
        call.hiding(secret).secret_header(AUTHORIZATION, &value)
    }

    /// # Errors
    /// Certificates or keys that cannot be read.
    pub(super) fn tls(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        match &self.tls.authorities {
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Some(authorities) => {
                for certificate in certificates(authorities, "ca")? {
                    roots.add(certificate).map_err(|error| format!("tls_config: `ca`: {error}"))?;
                }
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let Some((certificate, key)) = &self.tls.own else { return Ok(config.with_no_client_auth()) };
        let key = PrivateKeyDer::from_pem_slice(key.read()?.reveal().as_bytes())
            .map_err(|_| "tls_config: `key` holds no private key in PEM".to_owned())?;
        let own = config.with_client_auth_cert(certificates(certificate, "cert")?, key);
        own.map_err(|error| format!("tls_config: {error}"))
    }
}

fn certificates(source: &Source, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = source.read()?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.reveal().as_bytes()).collect();
    let read = read.ok().filter(|read| !read.is_empty());
    read.ok_or_else(|| format!("tls_config: `{key}` holds no certificate in PEM"))
}

impl Tls {
    fn read(written: WrittenTls, directory: &Path) -> Result<Tls, String> {
        let own = (
            Source::optional("cert", written.cert, written.cert_file, directory)?,
            Source::optional("key", written.key, written.key_file, directory)?,
        );
        let own = match own {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("tls_config: a certificate needs its key, and a key its certificate".to_owned()),
        };
        Ok(Tls { authorities: Source::optional("ca", written.ca, written.ca_file, directory)?, own })
    }
}

fn credentials(
    basic: Option<WrittenBasic>,
    authorization: Option<WrittenAuthorization>,
    (token, token_file): (Option<Secret>, Option<PathBuf>),
    directory: &Path,
) -> Result<Option<Credentials>, String> {
    let token = Source::optional("bearer_token", token, token_file, directory)?;
    match (basic, authorization, token) {
        (None, None, None) => Ok(None),
        (Some(basic), None, None) => {
            let password = Source::required("password", basic.password, basic.password_file, directory)?;
            Ok(Some(Credentials::Basic(basic.username, password)))
        }
        (None, Some(authorization), None) => {
            let WrittenAuthorization { scheme, credentials, credentials_file } = authorization;
            let scheme = scheme.unwrap_or_else(|| "Bearer".to_owned());
            if scheme.eq_ignore_ascii_case("basic") {
                return Err("http_config: for Basic there is `basic_auth`".to_owned());
            }
            let source = Source::required("credentials", credentials, credentials_file, directory)?;
            Ok(Some(Credentials::Other(scheme, source)))
        }
        (None, None, Some(token)) => Ok(Some(Credentials::Other("Bearer".to_owned(), token))),
        _ => Err("http_config: give one of `basic_auth`, `authorization` and `bearer_token`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(written: serde_json::Value) -> Result<HttpSettings, String> {
        let written = serde_json::from_value(written).map_err(|error| error.to_string())?;
        HttpSettings::read(written, Path::new("/etc"))
    }

    #[test]
    fn what_lets_us_in() {
        let check = |written: serde_json::Value, expected: &str| {
            let call = Call::json(Address::parse("https://a.example/").expect("a URL"), &json!({}));
            let call = read(written).and_then(|settings| settings.authorize(call)).expect("a request");
            assert_eq!(call.headers.get(AUTHORIZATION).expect("a header"), expected);
            assert!(!call.shown().contains(expected));
        };
        // The pair of RFC 7617, 2.
        let basic = json!({"basic_auth": {"username": "Aladdin", "password": "open sesame"}});
        check(basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        check(json!({"bearer_token": "t0ken"}), "Bearer t0ken");
        check(json!({"authorization": {"credentials": "t0ken"}}), "Bearer t0ken");
        check(json!({"authorization": {"type": "GenieKey", "credentials": "t0ken"}}), "GenieKey t0ken");
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        let check = |written: serde_json::Value, expected: &str| {
            let error = read(written).expect_err("wrong");
            assert!(error.contains(expected), "{error}");
        };
        let one = "give one of `basic_auth`, `authorization` and `bearer_token`";
        check(json!({"bearer_token": "a", "authorization": {"credentials": "b"}}), one);
        check(json!({"bearer_token": "a", "bearer_token_file": "b"}), "`bearer_token_file`");
        check(json!({"basic_auth": {"username": "a"}}), "`password` or `password_file` is missing");
        check(json!({"authorization": {"type": "Basic", "credentials": "b"}}), "there is `basic_auth`");
        check(json!({"tls_config": {"cert_file": "a"}}), "a certificate needs its key");
        check(json!({"proxy_url": "socks5://canary"}), "begins with https:// or http://");
        check(json!({"oauth2": {}}), "unknown field `oauth2`");
    }
}
