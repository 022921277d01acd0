//! Requests and heads of answers in HTTP/1.1, byte by byte, so that a request can differ in anything.

use std::fmt::Write as _;

use diagnose::attempt::{Answer, Fault, StageName};
use diagnose::experiment::Vary;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::Trial;
use super::watched::Watched;
use crate::clock;

/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most fields of an answer that are read, and that are kept.
const FIELDS_MAX: usize = 128;
pub(super) const FIELDS_KEPT: usize = 64;
/// Longest value that is kept.
const VALUE_CHARS_MAX: usize = 512;
/// How much of the body of an answer that opens nothing is kept, and how long it is waited for.
const BODY_BYTES_MAX: usize = 512;
const BODY_TIME: std::time::Duration = std::time::Duration::from_secs(1);

/// An answer's head, and what came behind it.
pub(super) struct Head {
    pub(super) answer: Answer,
    pub(super) fields: HeaderMap,
    pub(super) rest: Vec<u8>,
}

/// Sends a GET with these fields behind `Host`, and reads the answer's head; none when there is none, which is noted.
pub(super) async fn ask(
    trial: &mut Trial<'_>,
    stream: &mut Watched,
    fields: &[(String, String)],
) -> Option<Head> {
    let asked = clock::now();
    let request = request(trial, fields);
    let read = trial.within(async {
        stream.write_all(request.as_bytes()).await.map_err(|error| ended(&error))?;
        stream.flush().await.map_err(|error| ended(&error))?;
        read_head(stream).await
    });
    let failed = match read.await {
        Some(Ok(mut head)) => {
            head.answer.seconds = clock::now().since(asked).as_secs_f64();
            trial.staged(StageName::Http, asked, None);
            return Some(head);
        }
        Some(Err(failed)) => failed,
        None => (Fault::Timeout, "no answer".to_owned()),
    };
    trial.staged(StageName::Http, asked, Some(failed));
    None
}

fn request(trial: &Trial<'_>, fields: &[(String, String)]) -> String {
    let is_lower = trial.vary() == Some(&Vary::LowerCaseFields);
    let name = |name: &str| if is_lower { name.to_ascii_lowercase() } else { name.to_owned() };
    let mut request = format!("GET {} HTTP/1.1\r\n{}: {}\r\n", trial.path(), name("Host"), trial.authority());
    for (field, value) in fields {
        let _ = write!(request, "{}: {value}\r\n", name(field));
    }
    request + "\r\n"
}

async fn read_head(stream: &mut Watched) -> Result<Head, (Fault, String)> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        match stream.read_buf(&mut bytes).await {
            Ok(0) if bytes.is_empty() => {
                return Err((Fault::Ended, "the connection ended without an answer".to_owned()));
            }
            Ok(0) => {
                return Err((
                    Fault::Ended,
                    format!("the connection ended inside the answer's head: {}", shown(&bytes)),
                ));
            }
            Ok(_) => {}
            Err(error) => return Err(ended(&error)),
        }
        match parse(&bytes) {
            Ok(Some(head)) => return Ok(head),
            Ok(None) if bytes.len() > HEAD_BYTES_MAX => {
                return Err((Fault::Protocol, "the answer's head does not end".to_owned()));
            }
            Ok(None) => {}
            Err(error) => return Err((Fault::OtherProtocol, format!("{error}: {}", shown(&bytes)))),
        }
    }
}

/// The head of an answer; none when there is more to come.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Head>, httparse::Error> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(end) = head.parse(bytes)? else { return Ok(None) };
    let mut map = HeaderMap::new();
    let mut kept = Vec::new();
    for field in head.headers.iter() {
        let pair =
            HeaderName::from_bytes(field.name.as_bytes()).ok().zip(HeaderValue::from_bytes(field.value).ok());
        if let Some((name, value)) = pair {
            if kept.len() < FIELDS_KEPT {
                kept.push(told(&name, field.value));
            }
            map.append(name, value);
        }
    }
    let version = if head.version == Some(0) { "1.0" } else { "1.1" };
    let answer = Answer {
        version: version.to_owned(),
        status: head.code.unwrap_or_default(),
        fields: kept,
        ..Answer::default()
    };
    Ok(Some(Head { answer, fields: map, rest: bytes[end..].to_vec() }))
}

/// A field of an answer as it is kept; of a cookie, which may let its bearer in, without its value.
pub(super) fn told(name: &HeaderName, value: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(value);
    let text = match text.split_once('=') {
        Some((cookie, _)) if *name == header::SET_COOKIE => format!("{cookie}=…"),
        _ => text.chars().take(VALUE_CHARS_MAX).collect(),
    };
    (name.as_str().to_owned(), text)
}

/// Reads the beginning of a body that is for people.
pub(super) async fn read_page(stream: &mut Watched, head: &mut Head) {
    let mut bytes = std::mem::take(&mut head.rest);
    let length = head.answer.field("content-length").and_then(|length| length.parse().ok());
    let enough = BODY_BYTES_MAX.min(length.unwrap_or(BODY_BYTES_MAX));
    let read = async {
        while bytes.len() < enough && !matches!(stream.read_buf(&mut bytes).await, Ok(0) | Err(_)) {}
    };
    let _ = timeout(BODY_TIME, read).await;
    head.answer.body = shown(&bytes);
}

/// As much as is kept of text that a peer sent, without what would steer a terminal.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(BODY_BYTES_MAX)]);
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

fn ended(error: &std::io::Error) -> (Fault, String) {
    let fault = match error.kind() {
        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe => Fault::Reset,
        std::io::ErrorKind::UnexpectedEof => Fault::Ended,
        std::io::ErrorKind::TimedOut => Fault::Timeout,
        _ => Fault::Protocol,
    };
    (fault, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let head =
            parse(b"HTTP/1.0 400 Bad\r\nServer: nginx\r\nX: a\r\n\r\nrest").expect("valid").expect("whole");
        assert_eq!((head.answer.status, head.answer.version.as_str()), (400, "1.0"));
        assert_eq!(head.answer.field("server"), Some("nginx"));
        assert_eq!(head.rest, b"rest");
        assert!(parse(b"HTTP/1.1 200").expect("valid").is_none());
        assert!(parse(b"SSH-2.0-OpenSSH\r\n").is_err());
    }

    #[test]
    fn cookies_are_told_by_name() {
        let told = |name, value: &str| told(&name, value.as_bytes()).1;
        assert_eq!(told(header::SET_COOKIE, "sid=secret; Path=/"), "sid=…");
        assert_eq!(told(header::LOCATION, "/a?b=c"), "/a?b=c");
    }

    #[test]
    fn text_of_peers_steers_no_terminal() {
        assert_eq!(shown(b"\x1b[31mred\x07\nnext"), "[31mred \nnext");
    }
}
