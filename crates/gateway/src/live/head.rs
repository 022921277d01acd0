//! Heads of HTTP/1.1 messages as they are on the wire (RFC 9112, sections 2 to 5), read by httparse, the parser that
//! hyper has too. Names are passed on as they were spelled.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use httparse::Status;

/// Most fields of a head.
const FIELDS_MAX: usize = 100;

/// Where the names of a head's fields stand in it.
#[derive(Clone, Debug, Default)]
pub struct Spelling {
    head: Bytes,
    names: Vec<(usize, usize)>,
}

/// An answer's head.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its reason phrase.
    pub reason: Bytes,
    /// Its version: 1.0 or 1.1.
    pub version: Version,
    /// Its fields.
    pub headers: HeaderMap,
    /// How their names are spelled.
    pub spelling: Spelling,
}

impl Spelling {
    /// How `name` is spelled; most often at the place `at`, behind the name before.
    fn of<'a>(&'a self, name: &'a HeaderName, at: &mut usize) -> &'a [u8] {
        let is_it =
            |&(from, to): &(usize, usize)| self.head[from..to].eq_ignore_ascii_case(name.as_str().as_bytes());
        let is_next = self.names.get(*at).is_some_and(is_it);
        let place = if is_next { Some(*at) } else { self.names.iter().position(is_it) };
        let Some(place) = place else { return name.as_str().as_bytes() };
        *at = place + 1;
        let (from, to) = self.names[place];
        &self.head[from..to]
    }

    /// Writes fields, and the empty line behind them.
    fn write(&self, headers: &HeaderMap, out: &mut Vec<u8>) {
        let mut at = 0;
        for (name, value) in headers {
            out.extend_from_slice(self.of(name, &mut at));
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads the request that `bytes` begin with, and tells the length of its head. None when the head is not complete,
/// or not one of HTTP/1.1 with a path as its target: that is left to hyper to answer.
pub fn read_request(bytes: &Bytes) -> Option<(Request<()>, Spelling, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    let Ok(Status::Complete(length)) = parsed.parse(bytes) else { return None };
    let target = parsed.path.filter(|path| path.starts_with('/'))?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::from_maybe_shared(bytes.slice_ref(target.as_bytes())).ok()?;
    if parsed.version != Some(1) {
        return None;
    }
    let (headers, spelling) = fields_of(bytes, parsed.headers)?;
    *request.headers_mut() = headers;
    Some((request, spelling, length))
}

/// Reads the answer that `bytes` begin with, and tells the length of its head; none when that is not complete.
///
/// # Errors
/// It is no answer's head; says why.
pub fn read_answer(bytes: &Bytes) -> Result<Option<(Answer, usize)>, String> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("its head is malformed: {error}")),
    };
    let malformed = || "its head is malformed".to_owned();
    let status = StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(|_| malformed())?;
    let reason = bytes.slice_ref(parsed.reason.unwrap_or_default().as_bytes());
    let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let (headers, spelling) = fields_of(bytes, parsed.headers).ok_or_else(malformed)?;
    Ok(Some((Answer { status, reason, version, headers, spelling }, length)))
}

/// The fields of a head; values share its memory.
fn fields_of(head: &Bytes, parsed: &[httparse::Header<'_>]) -> Option<(HeaderMap, Spelling)> {
    let mut headers = HeaderMap::with_capacity(parsed.len() + 4);
    let mut names = Vec::with_capacity(parsed.len());
    let start = head.as_ptr() as usize;
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = if field.value.is_empty() { Bytes::new() } else { head.slice_ref(field.value) };
        let from = field.name.as_ptr() as usize - start;
        names.push((from, from + field.name.len()));
        headers.append(name, HeaderValue::from_maybe_shared(value).ok()?);
    }
    Some((headers, Spelling { head: head.clone(), names }))
}

/// Writes a request's head.
pub fn write_request(request: &Request<()>, spelling: &Spelling) -> Vec<u8> {
    let mut out = Vec::with_capacity(spelling.head.len() + 256);
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(request.uri().path_and_query().map_or("/", |path| path.as_str()).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    spelling.write(request.headers(), &mut out);
    out
}

/// Writes an answer's head.
pub fn write_answer(status: StatusCode, reason: &[u8], headers: &HeaderMap, spelling: &Spelling) -> Vec<u8> {
    let mut out = Vec::with_capacity(spelling.head.len() + 256);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
    spelling.write(headers, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn requests_are_passed_on_as_they_were_spelled() {
        let wire = "GET /a?b HTTP/1.1\r\nHoSt: x\r\nX-a:  1 \r\nx-A: 2\r\nEmpty:\r\n\r\nmore";
        let (mut request, spelling, length) = read_request(&bytes(wire)).expect("a request");
        assert_eq!(&wire[length..], "more");
        request.headers_mut().insert("x-new", HeaderValue::from_static("n"));
        let expected = "GET /a?b HTTP/1.1\r\nHoSt: x\r\nX-a: 1\r\nx-A: 2\r\nEmpty: \r\nx-new: n\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&write_request(&request, &spelling)), expected);
    }

    #[test]
    fn other_requests_are_left_to_hyper() {
        for wire in [
            "GET / HTTP/1.1\r\nHost: x\r\n",
            "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
            "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
            "\x16\x03\x01",
        ] {
            assert!(read_request(&bytes(wire)).is_none(), "{wire:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX + 1));
        assert!(read_request(&bytes(&many)).is_none());
    }

    #[test]
    fn answers() {
        let wire = "HTTP/1.1 404 Nix da\r\nContent-length: 4\r\n\r\nbody";
        let (answer, length) = read_answer(&bytes(wire)).expect("valid").expect("complete");
        assert_eq!((answer.status, &wire[length..]), (StatusCode::NOT_FOUND, "body"));
        let written = write_answer(answer.status, &answer.reason, &answer.headers, &answer.spelling);
        assert_eq!(written, wire.as_bytes()[..length]);
        assert!(read_answer(&bytes("HTTP/1.1 200 OK\r\n")).expect("valid").is_none());
        assert!(read_answer(&bytes("SSH-2.0-x\r\n")).is_err());
        assert!(read_answer(&bytes("HTTP/1.1 200 OK\r\na b: c\r\n\r\n")).is_err());
    }
}
