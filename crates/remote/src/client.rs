//! HTTP to one program elsewhere: bounded in time and size, certificates always verified, no redirects and no proxies,
//! so that credentials go where the configuration says and nowhere else.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, Request, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::access::Access;

/// Name of this program in requests.
const AGENT: &str = concat!("heartline/", env!("CARGO_PKG_VERSION"));

/// Time for a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Connections that are kept for further requests.
const IDLE_MAX: usize = 8;

/// One program elsewhere.
#[derive(Debug)]
pub(crate) struct HttpClient {
    client: Client,
    url: Url,
    access: Access,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the body is longer than was read of it.
    pub(crate) is_cut: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// What lets us in cannot be read.
    Credentials(String),
    /// It cannot be reached, or the connection broke.
    Network(String),
    /// It took too long.
    Timeout(Duration),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Credentials(why) | CallError::Network(why) => f.write_str(why),
            CallError::Timeout(time) => write!(f, "no answer within {} s", time.as_secs_f64()),
        }
    }
}

impl HttpClient {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// What the address or the authorities to trust are wrong with.
    pub(crate) fn new(access: Access) -> Result<HttpClient, String> {
        let url = Url::parse(&access.url.to_string()).map_err(|error| format!("{}: {error}", access.url))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls(&access)?)
            .user_agent(AGENT)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIME)
            .pool_max_idle_per_host(IDLE_MAX)
            .build();
        Ok(HttpClient { client: client.map_err(|error| innermost(&error))?, url, access })
    }

    /// Where it is, and how it is asked.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// A request for what stands at `path` below its address.
    pub(crate) fn request(&self, method: Method, path: &str) -> Request {
        let mut url = self.url.clone();
        if !path.is_empty() {
            url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        }
        let mut request = Request::new(method, url);
        *request.headers_mut() = self.access.headers.clone();
        request
    }

    /// Sends a request and reads its answer, at most `bytes_max` of the body, within `timeout` and that of the
    /// configuration.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn send(
        &self,
        mut request: Request,
        bytes_max: usize,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let timeout = timeout.min(self.access.timeout);
        *request.timeout_mut() = Some(timeout);
        if let Some(value) = self.access.credentials.header().map_err(CallError::Credentials)? {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let failed = |error: reqwest::Error| match () {
            () if error.is_timeout() && !error.is_connect() => CallError::Timeout(timeout),
            () => CallError::Network(innermost(&error)),
        };
        let mut response = self.client.execute(request).await.map_err(failed)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let (mut body, mut is_cut) = (BytesMut::new(), false);
        while let Some(part) = response.chunk().await.map_err(failed)? {
            let room = bytes_max - body.len();
            is_cut = part.len() > room;
            body.extend_from_slice(&part[..part.len().min(room)]);
            if is_cut {
                break;
            }
        }
        Ok(Answer { status, headers, body: body.freeze(), is_cut })
    }
}

/// What a person can use: "error sending request" is none of it.
fn innermost(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}

fn tls(access: &Access) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &access.ca_file {
        // The system's authorities are many, and plain HTTP needs none.
        None if access.url.scheme_str() != Some("https") => {}
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let wrong = |why: String| format!("{}: {why}", path.display());
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            for certificate in read.map_err(|error| wrong(error.to_string()))? {
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("no certificate in it".to_owned()));
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
