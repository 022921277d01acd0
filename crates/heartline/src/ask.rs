//! A client of the admin API: what the commands that look at a running gateway share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use web::body::ErrorBody;

use crate::Failure;

/// Time allowed for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// More than any answer of the API.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Where the admin API is, and what it asks for.
#[derive(Args, Clone, Debug)]
pub struct AdminOptions {
    /// Address of the admin API of a running gateway.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = base)]
    admin: Uri,
    /// File with the admin token, when the gateway asks for one.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Takes `http://HOST:PORT` or `HOST:PORT`.
fn base(text: &str) -> Result<Uri, String> {
    let wrong =
        |why: &str| format!("{why}; give the address of the admin API, such as http://127.0.0.1:8080");
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: Uri = whole.parse().map_err(|_| wrong("it is no URL"))?;
    match uri.scheme_str() {
        Some("http") if matches!(uri.path(), "" | "/") && uri.query().is_none() => Ok(uri),
        Some("http") => Err(wrong("it has a path")),
        _ => Err(wrong("only http:// is spoken to the admin API")),
    }
}

impl AdminOptions {
    /// The body of `GET path`, JSON of a known type.
    ///
    /// # Errors
    /// See [`AdminOptions::get`]; and what was answered is something else.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let body = self.get(path).await?;
        serde_json::from_slice(&body).map_err(|error| {
            let admin = self.shown();
            Failure::Running(format!("{admin} answered what no Heartline of this version does: {error}"))
        })
    }

    /// The body of `GET path`.
    ///
    /// # Errors
    /// The API cannot be reached, or it refuses.
    pub async fn get(&self, path: &str) -> Result<Bytes, Failure> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// The body of `POST path`, both JSON.
    ///
    /// # Errors
    /// See [`AdminOptions::get`].
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Bytes, Failure> {
        self.ask(Method::POST, path, body.to_string().into()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Failure> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.shown()));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(file) = &self.token_file {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token(file)?));
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| Failure::Usage(format!("{path} cannot be asked for: {error}")))?;
        let answer = tokio::time::timeout(ANSWER_TIME, exchange(request)).await;
        match answer {
            Ok(Ok((StatusCode::OK, body))) => Ok(body),
            Ok(Ok((status, body))) => Err(refused(status, &body)),
            Ok(Err(why)) => Err(self.unreachable(&why)),
            Err(_) => Err(self.unreachable("no answer in time")),
        }
    }

    fn unreachable(&self, why: &str) -> Failure {
        let admin = self.shown();
        Failure::Unreachable(format!(
            "{admin} is not reachable: {why}; is the gateway running there? See --admin"
        ))
    }

    fn shown(&self) -> String {
        self.admin.to_string().trim_end_matches('/').to_owned()
    }
}

fn token(file: &Path) -> Result<String, Failure> {
    let wrong = |why: String| Failure::Usage(format!("token file {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let token = text.trim();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then(|| token.to_owned()).ok_or_else(|| wrong("there is no token in it".to_owned()))
}

async fn exchange(request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.map_err(|error| innermost(&error))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
    Ok((head.status, body.to_bytes()))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// What the API says of a refusal; what was asked wrongly is bad usage.
fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let text = match serde_json::from_slice::<ErrorBody>(body) {
        Err(_) => format!("the admin API answered {status}"),
        Ok(ErrorBody { error }) => match error.hint {
            Some(hint) => format!("{}; {hint}", error.message),
            None => error.message,
        },
    };
    match status {
        StatusCode::BAD_REQUEST => Failure::Usage(text),
        StatusCode::UNAUTHORIZED => Failure::Running(format!("{text}; see --token-file")),
        _ => Failure::Running(text),
    }
}

/// Text for a path or a query (RFC 3986, section 2.3).
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte.into());
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expected: Result<&str, &str>| match (base(text), expected) {
            (Ok(uri), Ok(expected)) => assert_eq!(uri.to_string(), expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080/"));
        check("localhost:9", Ok("http://localhost:9/"));
        check("https://localhost", Err("only http://"));
        check("http://localhost/api", Err("has a path"));
        check("a b", Err("no URL"));
    }

    #[test]
    fn text_in_a_query() {
        assert_eq!(escaped("a/b c&é~"), "a%2Fb%20c%26%C3%A9~");
    }

    #[test]
    fn refusals() {
        let body = br#"{"error": {"code": "bad_query", "message": "no", "hint": "do"}}"#;
        assert!(matches!(refused(StatusCode::BAD_REQUEST, body), Failure::Usage(text) if text == "no; do"));
        let not_found = refused(StatusCode::NOT_FOUND, b"<html>");
        assert!(matches!(not_found, Failure::Running(text) if text.ends_with("404 Not Found")));
    }
}
