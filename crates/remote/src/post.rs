//! One request of remote write, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};

use crate::access::Access;
use crate::client::{CallError, HttpClient};

/// Bytes of an answer that are read; more than one cannot be told in a line of the log.
const ANSWER_BYTES_MAX: usize = 4 << 10;

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
    /// Credentials cannot be read, or do not let us in: 401 and 403.
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
pub(crate) struct Poster(HttpClient);

impl Poster {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// Credentials or the authorities to trust cannot be read.
    pub(crate) fn new(access: Access) -> Result<Poster, String> {
        access.credentials.header()?;
        HttpClient::new(access).map(Poster)
    }

    /// Posts one request.
    pub(crate) async fn post(&self, body: Bytes) -> Answer {
        let mut request = self.0.request(Method::POST, "");
        *request.body_mut() = Some(body.into());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        headers.insert("x-prometheus-remote-write-version", HeaderValue::from_static("0.1.0"));
        match self.0.send(request, ANSWER_BYTES_MAX, Duration::MAX).await {
            Ok(answer) => judge(answer.status, &answer.headers, &answer.body),
            Err(CallError::Credentials(why)) => Answer::Again(Failure::Credentials, why, None),
            Err(error) => Answer::Again(Failure::Network, error.to_string(), None),
        }
    }
}

fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
    if status.is_success() {
        return Answer::Taken;
    }
    let line = String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ");
    let told: String = line.chars().take(TOLD_MAX).collect();
    let mut told = format!("{status}: {told}");
    let again = |told, failure| {
        let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Answer::Again(failure, told, asked.map(Duration::from_secs))
    };
    match status {
        StatusCode::TOO_MANY_REQUESTS => again(told, Failure::Throttled),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            told.push_str(" (look at the credentials)");
            again(told, Failure::Credentials)
        }
        status if status.is_client_error() => Answer::Rejected(told),
        _ => again(told, Failure::Server),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_what_they_mean() {
        let check = |status: u16, asked: Option<&'static str>, expected: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            let asked = asked.map(|value| (RETRY_AFTER, HeaderValue::from_static(value)));
            let told = match judge(status, &asked.into_iter().collect(), b"a\nb") {
                Answer::Taken => "taken".to_owned(),
                Answer::Rejected(why) => format!("rejected {why}"),
                Answer::Again(failure, why, asked) => format!("{} {why} {asked:?}", failure.word()),
            };
            assert_eq!(told, expected);
        };
        check(200, None, "taken");
        check(204, None, "taken");
        check(400, None, "rejected 400 Bad Request: a b");
        check(401, None, "credentials 401 Unauthorized: a b (look at the credentials) None");
        check(403, Some("60"), "credentials 403 Forbidden: a b (look at the credentials) Some(60s)");
        check(404, None, "rejected 404 Not Found: a b");
        check(429, Some("7"), "throttled 429 Too Many Requests: a b Some(7s)");
        check(503, Some("soon"), "server 503 Service Unavailable: a b None");
        check(302, None, "server 302 Found: a b None");
    }
}
