//! Heads of HTTP/1.1 messages as they are on the wire (RFC 9112, sections 2 to 5), read by httparse, the parser that
//! hyper has too. Fields stay where they stand and are passed on in their order, as they were spelled.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, Uri, Version};
use httparse::{ParserConfig, Status};
use observe::fields;

/// Most fields of a head.
const FIELDS_MAX: usize = 100;

/// What is added to a head comes to fewer bytes, most often.
const ADDED_BYTES: usize = 160;

/// The fields of a head, which share its memory.
#[derive(Debug)]
pub struct Fields {
    head: Bytes,
    places: Vec<Place>,
}

/// Where a field stands.
#[derive(Debug)]
struct Place {
    name: Range<u32>,
    value: Range<u32>,
}

/// A request's head.
#[derive(Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its target.
    pub uri: Uri,
    /// Its fields.
    pub fields: Fields,
    /// Its length in bytes.
    pub length: usize,
}

/// An answer's head.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its version: 1.0 or 1.1.
    pub version: Version,
    /// Its fields.
    pub fields: Fields,
    reason: Range<u32>,
}

impl Fields {
    fn of(head: &Bytes, parsed: &[httparse::Header<'_>]) -> Fields {
        let place = |field: &httparse::Header<'_>| Place {
            name: place_in(head, field.name.as_bytes()),
            value: place_in(head, field.value),
        };
        Fields { head: head.clone(), places: parsed.iter().map(place).collect() }
    }

    fn at(&self, place: &Range<u32>) -> &[u8] {
        &self.head[place.start as usize..place.end as usize]
    }

    /// Names, as they are spelled, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.places.iter().map(|Place { name, value }| (self.at(name), self.at(value)))
    }
}

impl fields::Fields for Fields {
    fn values<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_str().as_bytes();
        let is_it = move |place: &&Place| {
            place.name.len() == name.len() && self.at(&place.name).eq_ignore_ascii_case(name)
        };
        self.places.iter().filter(is_it).map(|place| self.at(&place.value))
    }
}

/// Where `part` stands in `head`; what is empty need not stand there.
fn place_in(head: &[u8], part: &[u8]) -> Range<u32> {
    if part.is_empty() {
        return 0..0;
    }
    let start = (part.as_ptr() as usize).saturating_sub(head.as_ptr() as usize) as u32;
    start..start + part.len() as u32
}

impl Request {
    /// Reads the request of HTTP/1.1 that `bytes` begin with; none when they do not, or its head is not complete.
    pub fn read(bytes: &Bytes) -> Option<Request> {
        let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut parsed = httparse::Request::new(&mut []);
        let Ok(Status::Complete(length)) = parsed.parse_with_uninit_headers(bytes, &mut room) else {
            return None;
        };
        if parsed.version != Some(1) {
            return None;
        }
        let method = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
        let uri = Uri::from_maybe_shared(bytes.slice_ref(parsed.path?.as_bytes())).ok()?;
        Some(Request { method, uri, fields: Fields::of(bytes, parsed.headers), length })
    }

    /// Its target is a path (RFC 9112, section 3.2.1).
    pub fn is_of_path(&self) -> bool {
        self.uri.authority().is_none() && self.uri.path().starts_with('/')
    }

    /// Begins to write it for the next hop.
    pub fn begin(&self) -> Writer {
        let mut writer = Writer::with_capacity(self.length + ADDED_BYTES);
        writer.put(self.method.as_str().as_bytes());
        writer.put(b" ");
        writer.put(self.uri.path_and_query().map_or("/", |path| path.as_str()).as_bytes());
        writer.put(b" HTTP/1.1\r\n");
        writer
    }
}

impl Answer {
    /// Reads the answer that `bytes` begin with, and tells the length of its head; none when that is not complete.
    ///
    /// # Errors
    /// It is no answer's head; says why.
    pub fn read(bytes: &Bytes) -> Result<Option<(Answer, usize)>, String> {
        let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let read = ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut room);
        let length = match read {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("its head is malformed: {error}")),
        };
        let status = StatusCode::from_u16(parsed.code.unwrap_or_default())
            .map_err(|_| "its head is malformed".to_owned())?;
        let reason = place_in(bytes, parsed.reason.unwrap_or_default().as_bytes());
        let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
        Ok(Some((Answer { status, version, fields: Fields::of(bytes, parsed.headers), reason }, length)))
    }

    /// Begins to write it for the client.
    pub fn begin(&self) -> Writer {
        let reason = self.fields.at(&self.reason);
        Writer::answer(self.status, reason, self.fields.head.len() + ADDED_BYTES)
    }

    /// Writes it as it is.
    pub fn write(&self) -> Vec<u8> {
        let mut writer = self.begin();
        self.fields.iter().for_each(|(name, value)| writer.field(name, value));
        writer.end()
    }
}

/// Writes one head.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    fn with_capacity(bytes: usize) -> Writer {
        Writer(Vec::with_capacity(bytes))
    }

    /// Begins an answer's head, of about so many bytes.
    pub fn answer(status: StatusCode, reason: &[u8], bytes: usize) -> Writer {
        let mut writer = Writer::with_capacity(bytes);
        writer.put(b"HTTP/1.1 ");
        writer.put(status.as_str().as_bytes());
        writer.put(b" ");
        writer.put(reason);
        writer.put(b"\r\n");
        writer
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes a field.
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        self.0.reserve(name.len() + value.len() + 4);
        self.put(name);
        self.put(b": ");
        self.put(value);
        self.put(b"\r\n");
    }

    /// Writes the empty line behind the fields.
    pub fn end(mut self) -> Vec<u8> {
        self.put(b"\r\n");
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn requests_are_passed_on_as_they_were_spelled() {
        let wire = "GET /a?b HTTP/1.1\r\nHoSt: x\r\nX-a:  1 \r\nb: c\r\nx-A: 2\r\nEmpty:\r\n\r\nmore";
        let request = Request::read(&bytes(wire)).expect("a request");
        assert_eq!(&wire[request.length..], "more");
        let mut writer = request.begin();
        request.fields.iter().for_each(|(name, value)| writer.field(name, value));
        writer.field(b"x-new", b"n");
        let expected =
            "GET /a?b HTTP/1.1\r\nHoSt: x\r\nX-a: 1\r\nb: c\r\nx-A: 2\r\nEmpty: \r\nx-new: n\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&writer.end()), expected);
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
            assert!(Request::read(&bytes(wire)).filter(Request::is_of_path).is_none(), "{wire:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX + 1));
        assert!(Request::read(&bytes(&many)).is_none());
    }

    #[test]
    fn answers() {
        let wire = "HTTP/1.1 404 Nix da\r\nContent-length: 4\r\n\r\nbody";
        let (answer, length) = Answer::read(&bytes(wire)).expect("valid").expect("complete");
        assert_eq!((answer.status, &wire[length..]), (StatusCode::NOT_FOUND, "body"));
        assert_eq!(answer.write(), wire.as_bytes()[..length]);
        assert!(Answer::read(&bytes("HTTP/1.1 200 OK\r\n")).expect("valid").is_none());
        assert!(Answer::read(&bytes("SSH-2.0-x\r\n")).is_err());
        assert!(Answer::read(&bytes("HTTP/1.1 200 OK\r\na b: c\r\n\r\n")).is_err());
        let bare = Answer::read(&bytes("HTTP/1.1 200\r\n\r\n")).expect("valid").expect("complete").0;
        assert_eq!(bare.write(), b"HTTP/1.1 200 \r\n\r\n");
    }
}
