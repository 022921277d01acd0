//! Framing of an HTTP/1.1 answer's body (RFC 9112, sections 6 and 7): which of the bytes behind the head are its
//! content, and where it ends.
//!
//! The bytes are passed on as they are, so nothing is decoded into memory; chunk extensions and trailers are skipped.

use http::header;

use crate::fields::Fields;

/// Longest chunk head, extensions included, and longest trailer section, in bytes.
const SKIPPED_BYTES_MAX: u32 = 16 * 1024;

/// How a body says where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By a last chunk of no bytes.
    Chunked,
    /// By so many bytes.
    Length(u64),
    /// By the end of the connection.
    UntilClose,
}

/// The framing cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Framing {
    /// What the headers of an answer to a GET say; `Transfer-Encoding` overrides `Content-Length` (RFC 9112,
    /// section 6.3).
    ///
    /// # Errors
    /// Lengths that are no number, or differ.
    pub fn of_answer(fields: &impl Fields) -> Result<Framing, Malformed> {
        if let Some(last) = fields.values(&header::TRANSFER_ENCODING).last() {
            let last = last.rsplit(|&b| b == b',').next().unwrap_or_default();
            let is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
            return Ok(if is_chunked { Framing::Chunked } else { Framing::UntilClose });
        }
        let mut length = None;
        for value in fields.values(&header::CONTENT_LENGTH) {
            let text =
                std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let fresh: u64 = text.and_then(|text| text.parse().ok()).ok_or(Malformed)?;
            if length.is_some_and(|known| known != fresh) {
                return Err(Malformed);
            }
            length = Some(fresh);
        }
        Ok(length.map_or(Framing::UntilClose, Framing::Length))
    }
}

/// Follows one body.
#[derive(Clone, Debug)]
pub struct Body {
    framing: Framing,
    state: State,
    /// Bytes of the current chunk head or trailer section.
    skipped: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In content, of which so much is left before the framing goes on.
    Content(u64),
    /// In a chunk's size, with the number so far and its digits.
    Size { size: u64, digits: u8 },
    /// Behind a chunk's size, before its LF.
    Extension { size: u64 },
    /// In front of the CR behind a chunk's content.
    ContentCr,
    /// In front of the LF behind a chunk's content.
    ContentLf,
    /// In the trailer section, in a line that is empty so far or not.
    Trailer { is_empty: bool },
    /// Behind the body.
    Over,
}

const SIZE: State = State::Size { size: 0, digits: 0 };

impl Body {
    /// A body from its first byte.
    pub fn new(framing: Framing) -> Body {
        let state = match framing {
            Framing::Chunked => SIZE,
            Framing::Length(0) => State::Over,
            Framing::Length(length) => State::Content(length),
            Framing::UntilClose => State::Content(u64::MAX),
        };
        Body { framing, state, skipped: 0 }
    }

    /// How it says where it ends.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether it is whole when the connection ends here.
    pub fn may_end(&self) -> bool {
        self.is_over() || self.framing == Framing::UntilClose
    }

    /// What ends it here; none when that cannot be said: inside a chunk, or before the length is reached.
    pub fn last_words(&self) -> Option<&'static [u8]> {
        match (self.framing, self.state) {
            (_, State::Over) | (Framing::UntilClose, _) => Some(b""),
            (Framing::Chunked, SIZE) => Some(b"0\r\n\r\n"),
            _ => None,
        }
    }

    /// A comment of an event stream (WHATWG HTML, section 9.2.6), framed so that it can stand here; none inside a chunk, and in a
    /// body of a length that was announced.
    pub fn comment(&self) -> Option<&'static [u8]> {
        match (self.framing, self.state) {
            (Framing::Chunked, SIZE) => Some(b"3\r\n:\n\n\r\n"),
            (Framing::UntilClose, State::Content(_)) => Some(b":\n\n"),
            _ => None,
        }
    }

    /// Looks at the next bytes and tells of each piece of content among them, with the number of bytes up to its
    /// end. The result is how many of the bytes belong to the body: all, unless it ends in them.
    ///
    /// # Errors
    /// The framing is malformed.
    pub fn read(&mut self, bytes: &[u8], on: &mut impl FnMut(&[u8], usize)) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Over => break,
                State::Content(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                    at += length;
                    on(&bytes[at - length..at], at);
                    self.state = self.behind_content(left, length as u64);
                }
                _ => {
                    self.state = self.behind(bytes[at])?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    fn behind_content(&self, left: u64, length: u64) -> State {
        match (self.framing, left - length) {
            (Framing::UntilClose, _) => State::Content(u64::MAX),
            (Framing::Length(_), 0) => State::Over,
            (Framing::Chunked, 0) => State::ContentCr,
            (_, left) => State::Content(left),
        }
    }

    /// The state behind a byte of the framing.
    fn behind(&mut self, byte: u8) -> Result<State, Malformed> {
        self.skipped += 1;
        if self.skipped > SKIPPED_BYTES_MAX {
            return Err(Malformed);
        }
        let next = match (self.state, byte) {
            (State::Size { size, digits }, byte) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).map(u64::from);
                let size = size.checked_mul(16).zip(digit).map(|(size, digit)| size + digit);
                State::Size { size: size.ok_or(Malformed)?, digits: digits.saturating_add(1) }
            }
            (State::Size { digits: 0, .. }, _) => return Err(Malformed),
            (State::Size { size, .. } | State::Extension { size }, b'\n') => self.behind_chunk_head(size),
            (State::Size { size, .. }, b'\r' | b';' | b' ' | b'\t') => State::Extension { size },
            (State::Extension { size }, _) => State::Extension { size },
            (State::ContentCr, b'\r') => State::ContentLf,
            (State::ContentLf, b'\n') => {
                self.skipped = 0;
                SIZE
            }
            (State::Trailer { is_empty: true }, b'\n') => State::Over,
            (State::Trailer { is_empty }, b'\r') => State::Trailer { is_empty },
            (State::Trailer { .. }, byte) => State::Trailer { is_empty: byte == b'\n' },
            _ => return Err(Malformed),
        };
        Ok(next)
    }

    fn behind_chunk_head(&mut self, size: u64) -> State {
        self.skipped = 0;
        if size == 0 { State::Trailer { is_empty: true } } else { State::Content(size) }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// Content, bytes of the body, and whether it is over, of `wire` read in pieces of `piece` bytes.
    fn read(framing: Framing, wire: &[u8], piece: usize) -> Result<(Vec<u8>, usize, bool), Malformed> {
        let (mut body, mut content, mut taken) = (Body::new(framing), Vec::new(), 0);
        for bytes in wire.chunks(piece) {
            taken += body.read(bytes, &mut |part, end| {
                assert!(bytes[..end].ends_with(part));
                content.extend(part);
            })?;
        }
        Ok((content, taken, body.is_over()))
    }

    #[track_caller]
    fn check(framing: Framing, wire: &str, content: &str, taken: usize, is_over: bool) {
        for piece in [1, 2, 3, 7, wire.len().max(1)] {
            let expected = Ok((content.as_bytes().to_vec(), taken, is_over));
            assert_eq!(read(framing, wire.as_bytes(), piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn bodies() {
        check(Framing::Chunked, "3\r\nabc\r\n0\r\n\r\n", "abc", 13, true);
        check(Framing::Chunked, "3;a=\"b\"\r\nabc\r\n00A \r\n0123456789\r\n", "abc0123456789", 32, false);
        check(Framing::Chunked, "0\r\nX: y\r\nZ: \r\n\r\nmore", "", 16, true);
        check(Framing::Chunked, "1\na\r\n0\n\n", "a", 8, true);
        check(Framing::Length(3), "abcdef", "abc", 3, true);
        check(Framing::Length(9), "abcdef", "abcdef", 6, false);
        check(Framing::Length(0), "abc", "", 0, true);
        check(Framing::UntilClose, "abc", "abc", 3, false);
    }

    #[test]
    fn malformed_chunks() {
        let endless = format!("1;{}", "x".repeat(20_000));
        for wire in
            ["\r\n", "x\r\n", "-1\r\n", "3x\r\n", "1\r\nab", "1\r\na\n", "11111111111111111\r\n", &endless]
        {
            assert_eq!(read(Framing::Chunked, wire.as_bytes(), 5), Err(Malformed), "{wire:.20}");
        }
    }

    #[test]
    fn framing_of_answers() {
        let of = |lines: &[(&'static str, &'static str)]| {
            let pairs = lines.iter().map(|&(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            Framing::of_answer(&pairs.collect::<header::HeaderMap>())
        };
        assert_eq!(of(&[]), Ok(Framing::UntilClose));
        assert_eq!(of(&[("content-length", "12")]), Ok(Framing::Length(12)));
        assert_eq!(of(&[("content-length", "12"), ("content-length", "12")]), Ok(Framing::Length(12)));
        assert_eq!(of(&[("content-length", "12"), ("content-length", "13")]), Err(Malformed));
        assert_eq!(of(&[("content-length", "+1")]), Err(Malformed));
        assert_eq!(of(&[("transfer-encoding", "Chunked"), ("content-length", "x")]), Ok(Framing::Chunked));
        assert_eq!(of(&[("transfer-encoding", "gzip, chunked")]), Ok(Framing::Chunked));
        assert_eq!(of(&[("transfer-encoding", "gzip")]), Ok(Framing::UntilClose));
    }

    #[test]
    fn last_words() {
        let mut body = Body::new(Framing::Chunked);
        assert_eq!(body.last_words(), Some(&b"0\r\n\r\n"[..]));
        assert_eq!(body.read(b"2\r\na", &mut |_, _| {}), Ok(4));
        assert_eq!(body.last_words(), None);
        assert_eq!(body.read(b"b\r\n", &mut |_, _| {}), Ok(3));
        assert_eq!(body.last_words(), Some(&b"0\r\n\r\n"[..]));
        assert_eq!(Body::new(Framing::Length(2)).last_words(), None);
        assert_eq!(Body::new(Framing::UntilClose).last_words(), Some(&b""[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_read_alike(wire: Vec<u8>, piece in 1usize..9) {
            prop_assert_eq!(
                read(Framing::Chunked, &wire, piece).map(|(content, ..)| content),
                read(Framing::Chunked, &wire, wire.len().max(1)).map(|(content, ..)| content)
            );
        }

        #[test]
        fn what_was_chunked_comes_back(chunks: Vec<Vec<u8>>, piece in 1usize..40) {
            let full: Vec<&Vec<u8>> = chunks.iter().filter(|chunk| !chunk.is_empty()).collect();
            let mut wire = Vec::new();
            for chunk in &full {
                wire.extend(format!("{:x}\r\n", chunk.len()).bytes());
                wire.extend_from_slice(chunk);
                wire.extend(b"\r\n");
            }
            wire.extend(b"0\r\n\r\n");
            let content: Vec<u8> = full.into_iter().flatten().copied().collect();
            prop_assert_eq!(read(Framing::Chunked, &wire, piece), Ok((content, wire.len(), true)));
        }
    }
}
