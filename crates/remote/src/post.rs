//! One connection to an engine, opened when it is needed, and what its answers mean.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::destination::Destination;

/// Time for a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Time for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Bytes of an answer that are read; more than one cannot be told in a line of the log.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Letters of an answer that are told.
const TOLD_MAX: usize = 300;

/// Why a request is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection, or no answer.
    Network,
    /// 429.
    Throttled,
    /// 5xx, or an answer that is none of remote write.
    Server,
    /// Credentials cannot be read.
    Credentials,
}

impl Failure {
    pub(crate) const ALL: [Failure; 4] =
        [Failure::Network, Failure::Throttled, Failure::Server, Failure::Credentials];

    /// As a label value.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Failure::Network => "network",
            Failure::Throttled => "throttled",
            Failure::Server => "server",
            Failure::Credentials => "credentials",
        }
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The engine has it.
    Taken,
    /// The engine will never take it: what it said.
    Rejected(String),
    /// To be repeated: why, what to tell, and the wait that the engine asks for.
    Again(Failure, String, Option<Duration>),
}

/// Posts to one destination.
pub(crate) struct Poster {
    destination: Destination,
    tls: Option<TlsConnector>,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Poster {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new(destination: Destination) -> Result<Poster, String> {
        let tls = if destination.is_tls() { Some(connector()?) } else { None };
        Ok(Poster { destination, tls, open: None })
    }

    /// Posts one request.
    pub(crate) async fn post(&mut self, body: Bytes) -> Answer {
        let authorization = match self.destination.credentials.header() {
            Ok(authorization) => authorization,
            Err(why) => return Answer::Again(Failure::Credentials, why, None),
        };
        let request = self.request(body, authorization);
        let network = |why: String| Answer::Again(Failure::Network, why, None);
        let mut open = match self.ready().await {
            Ok(open) => open,
            Err(why) => return network(why),
        };
        let answered = tokio::time::timeout(ANSWER_TIME, exchange(&mut open, request)).await;
        match answered {
            Ok(Ok((status, headers, text))) => {
                self.open = Some(open);
                judge(status, &headers, &text)
            }
            Ok(Err(error)) => network(innermost(&error)),
            Err(_) => network(format!("no answer within {} s", ANSWER_TIME.as_secs())),
        }
    }

    fn request(&self, body: Bytes, authorization: Option<HeaderValue>) -> Request<Full<Bytes>> {
        let Destination { url, headers, .. } = &self.destination;
        let mut request = Request::post(url.path_and_query().map_or("/", |path| path.as_str()))
            .body(Full::new(body))
            .expect("the path is one of a URL");
        let all = request.headers_mut();
        let authority = url.authority().map_or("", |authority| authority.as_str());
        all.insert(HOST, HeaderValue::from_str(authority).expect("an authority is visible ASCII"));
        all.extend(headers.clone());
        if let Some(authorization) = authorization {
            all.insert(AUTHORIZATION, authorization);
        }
        let ours = concat!("heartline/", env!("CARGO_PKG_VERSION"));
        all.insert(USER_AGENT, HeaderValue::from_static(ours));
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        all.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        all.insert("x-prometheus-remote-write-version", HeaderValue::from_static("0.1.0"));
        request
    }

    /// The connection, or a new one when it has ended meanwhile.
    async fn ready(&mut self) -> Result<SendRequest<Full<Bytes>>, String> {
        if let Some(mut open) = self.open.take()
            && open.ready().await.is_ok()
        {
            return Ok(open);
        }
        let connected = tokio::time::timeout(CONNECT_TIME, self.connect()).await;
        connected.map_err(|_| format!("no connection within {} s", CONNECT_TIME.as_secs()))?
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let url = &self.destination.url;
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = url.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let socket = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(tls) = &self.tls else { return handshake(socket).await };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let stream = tls.connect(name, socket).await.map_err(|error| format!("TLS: {error}"))?;
        handshake(stream).await
    }
}

fn connector() -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, String> {
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|error| innermost(&error))?;
    // Its end shows in the sender.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

async fn exchange(
    open: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, HeaderMap, String), hyper::Error> {
    let (head, body) = open.send_request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
    Ok((head.status, head.headers, text))
}

fn judge(status: StatusCode, headers: &HeaderMap, text: &str) -> Answer {
    if status.is_success() {
        return Answer::Taken;
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told: String = line.chars().take(TOLD_MAX).collect();
    let told = format!("{status}: {told}");
    let again = |failure| {
        let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Answer::Again(failure, told.clone(), asked.map(Duration::from_secs))
    };
    match status {
        StatusCode::TOO_MANY_REQUESTS => again(Failure::Throttled),
        status if status.is_client_error() => Answer::Rejected(told),
        _ => again(Failure::Server),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_what_they_mean() {
        let check = |status: u16, asked: Option<&'static str>, expected: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            let asked = asked.map(|value| (RETRY_AFTER, HeaderValue::from_static(value)));
            let told = match judge(status, &asked.into_iter().collect(), "a\nb") {
                Answer::Taken => "taken".to_owned(),
                Answer::Rejected(why) => format!("rejected {why}"),
                Answer::Again(failure, why, asked) => format!("{} {why} {asked:?}", failure.word()),
            };
            assert_eq!(told, expected);
        };
        check(200, None, "taken");
        check(204, None, "taken");
        check(400, None, "rejected 400 Bad Request: a b");
        check(401, None, "rejected 401 Unauthorized: a b");
        check(429, Some("7"), "throttled 429 Too Many Requests: a b Some(7s)");
        check(503, Some("soon"), "server 503 Service Unavailable: a b None");
        check(302, None, "server 302 Found: a b None");
    }
}
