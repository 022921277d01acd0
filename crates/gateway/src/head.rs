//! A tap on the request heads of an HTTP/1.1 connection, as they were on the wire.
//!
//! hyper parses heads and refuses most malformed ones, but it resolves `Content-Length` beside
//! `Transfer-Encoding` by itself and leaves no trace of it. A request that says both is a smuggling attempt or a
//! broken sender (RFC 9112, section 6.3), so the raw head is kept until its request is served. The tap also
//! knows whether a head has begun and not ended, and whether bytes follow a head.
//!
//! The tap follows the connection by lengths: after a head, as many bytes as its `Content-Length` says are its
//! body. The length of a chunked body is not known, so the tap is lost from there on and the connection must not
//! be used for another request.

use model::Moment;

/// Longest head that hyper is allowed to read; so the tap keeps no more.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub struct HeadTap {
    kept: Vec<u8>,
    begun: Option<Moment>,
    body_left: u64,
    served: u64,
    lost: bool,
}

/// What the raw head says of the request's framing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// It has both `Content-Length` and `Transfer-Encoding`, or several of one.
    pub is_ambiguous: bool,
    /// The connection must end with this request: where the next one begins is not known.
    pub is_last: bool,
    /// Bytes behind the head and body were read already.
    pub has_early_data: bool,
}

impl HeadTap {
    /// A tap on a connection whose heads are not to be tapped.
    pub fn closed() -> HeadTap {
        HeadTap { lost: true, ..HeadTap::default() }
    }

    /// Takes bytes as they were read from the client.
    pub fn read(&mut self, mut bytes: &[u8], at: Moment) {
        if self.lost {
            return;
        }
        let of_body = usize::try_from(self.body_left).unwrap_or(usize::MAX).min(bytes.len());
        self.body_left -= of_body as u64;
        bytes = &bytes[of_body..];
        if bytes.is_empty() {
            return;
        }
        self.begun.get_or_insert(at);
        if self.kept.len() + bytes.len() > 2 * HEAD_BYTES_MAX {
            self.lose();
        } else {
            self.kept.extend_from_slice(bytes);
        }
    }

    /// The next request is served: tells of its framing and moves on behind it. Its head is given away, too.
    pub fn serve(&mut self) -> (Framing, Vec<u8>) {
        self.served += 1;
        let end = head_end(&self.kept);
        let (false, Some(end)) = (self.lost, end) else {
            self.lose();
            return (Framing { is_last: true, ..Framing::default() }, Vec::new());
        };
        let (content_lengths, transfer_encodings) = count_framing(&self.kept[..end]);
        let is_chunked = transfer_encodings.count > 0;
        let behind_head = (self.kept.len() - end) as u64;
        let body = if is_chunked { 0 } else { content_lengths.value.unwrap_or(0) };
        let framing = Framing {
            is_ambiguous: content_lengths.count + transfer_encodings.count > 1,
            is_last: is_chunked,
            has_early_data: !is_chunked && behind_head > body,
        };
        if is_chunked {
            self.lose();
            return (framing, Vec::new());
        }
        let of_body = body.min(behind_head);
        self.body_left = body - of_body;
        let next = end + usize::try_from(of_body).expect("no more than what is kept");
        let behind = self.kept.split_off(next);
        let mut head = std::mem::replace(&mut self.kept, behind);
        head.truncate(end);
        if self.kept.is_empty() {
            self.begun = None;
        }
        (framing, head)
    }

    /// Since when a head has been arriving; none between requests.
    pub fn begun(&self) -> Option<Moment> {
        self.begun
    }

    /// Whether the tap still follows the connection.
    pub fn is_tapped(&self) -> bool {
        !self.lost
    }

    /// Requests served so far.
    pub fn served(&self) -> u64 {
        self.served
    }

    fn lose(&mut self) {
        self.lost = true;
        self.kept = Vec::new();
        self.begun = None;
    }
}

/// Length of the head that `bytes` begins with: up to and including the empty line, after empty lines in front
/// (RFC 9112, section 2.2). A bare LF ends a line as well, as hyper reads it.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let start = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
    let mut line_is_empty = false;
    for (index, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'\n' if line_is_empty => return Some(index + 1),
            b'\n' => line_is_empty = true,
            b'\r' => {}
            _ => line_is_empty = false,
        }
    }
    None
}

#[derive(Clone, Copy, Default)]
struct FieldCount {
    count: usize,
    value: Option<u64>,
}

fn count_framing(head: &[u8]) -> (FieldCount, FieldCount) {
    let mut content_lengths = FieldCount::default();
    let mut transfer_encodings = FieldCount::default();
    for line in head.split(|&b| b == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        let name = line[..colon].trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let text = std::str::from_utf8(line[colon + 1..].trim_ascii()).ok();
            content_lengths.value = text.and_then(|text| text.parse().ok());
            content_lengths.count += 1;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            transfer_encodings.count += 1;
        }
    }
    (content_lengths, transfer_encodings)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` in pieces of `piece` bytes and serves a request whenever a head is complete, as hyper does.
    fn serve_all(wire: &str, piece: usize) -> Vec<Framing> {
        let mut tap = HeadTap::default();
        let mut served = Vec::new();
        for bytes in wire.as_bytes().chunks(piece) {
            tap.read(bytes, Moment(1));
            while head_end(&tap.kept).is_some() {
                served.push(tap.serve().0);
            }
        }
        served
    }

    #[track_caller]
    fn check(wire: &str, ambiguous: &[bool]) {
        for piece in [1, 7, wire.len()] {
            let got: Vec<bool> = serve_all(wire, piece).iter().map(|framing| framing.is_ambiguous).collect();
            assert_eq!(got, ambiguous, "in pieces of {piece}");
        }
    }

    #[test]
    fn ambiguous_framing_is_seen_in_any_request_of_the_connection() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\n\n\n\n";
        let both = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-length : 4\r\n\r\n0\r\n\r\n";
        let twice = "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx";
        check(get, &[false]);
        check(&format!("{get}{post}{get}"), &[false, false, false]);
        check(&format!("{post}{both}{get}"), &[false, true]);
        check(&format!("\r\n{twice}{get}"), &[true, false]);
    }

    #[test]
    fn a_chunked_request_is_the_last_one() {
        let wire = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(serve_all(wire, 5), [Framing { is_last: true, ..Framing::default() }]);
        let mut tap = HeadTap::default();
        assert!(tap.serve().0.is_last, "a request whose head the tap never saw");
    }

    #[test]
    fn early_data_and_unfinished_heads_are_known() {
        let mut tap = HeadTap::default();
        assert_eq!(tap.begun(), None);
        tap.read(b"GET /a HTTP/1.1\r\n", Moment(5));
        tap.read(b"\r\nGET /admin", Moment(6));
        assert_eq!(tap.begun(), Some(Moment(5)));
        assert!(tap.serve().0.has_early_data);
        assert_eq!(tap.begun(), Some(Moment(5)), "the second head has begun");
        tap.read(b" HTTP/1.1\r\n\r\n", Moment(7));
        assert!(!tap.serve().0.has_early_data);
        assert_eq!(tap.begun(), None);
        assert!(tap.kept.capacity() == 0, "an idle connection keeps nothing");
    }

    #[test]
    fn an_endless_head_is_bounded() {
        let mut tap = HeadTap::default();
        for _ in 0..1000 {
            tap.read(&[b'a'; 1024], Moment(1));
        }
        assert!(tap.kept.len() <= 2 * HEAD_BYTES_MAX);
        assert!(tap.serve().0.is_last);
    }
}
