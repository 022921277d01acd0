//! Requests of remote write 1.0 (`https://prometheus.io/docs/specs/prw/remote_write_spec/`), and HTTP to send them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Time allowed for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(120);

/// Bytes of a literal of snappy whose length takes two bytes.
const LITERAL_BYTES_MAX: usize = 1 << 16;

/// A request that grows.
#[derive(Default)]
pub struct Request {
    bytes: Vec<u8>,
    /// Samples in it.
    pub samples: usize,
}

impl Request {
    /// Adds samples of one series, each its milliseconds since 1970 and its value; `labels` as [`labels`] made them.
    pub fn push(&mut self, labels: &[u8], samples: impl IntoIterator<Item = (i64, f64)>) {
        let mut series = labels.to_vec();
        for (timestamp_ms, value) in samples {
            let mut sample = vec![field(1, 1)];
            sample.extend(value.to_le_bytes());
            sample.push(field(2, 0));
            varint(&mut sample, timestamp_ms.cast_unsigned());
            message(&mut series, 2, &sample);
            self.samples += 1;
        }
        message(&mut self.bytes, 1, &series);
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// In snappy's block format without any compression: a length, then literals.
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.bytes.len() + 64);
        varint(&mut body, self.bytes.len() as u64);
        for literal in self.bytes.chunks(LITERAL_BYTES_MAX) {
            body.push(61 << 2);
            body.extend(((literal.len() - 1) as u16).to_le_bytes());
            body.extend(literal);
        }
        body
    }
}

/// Labels of a series, which must be in order of their names.
pub fn labels(labels: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        message(&mut label, 1, name.as_bytes());
        message(&mut label, 2, value.as_bytes());
        message(&mut bytes, 1, &label);
    }
    bytes
}

/// Tag of a field and its wire type (Protocol Buffers, "Encoding").
fn field(number: u8, wire_type: u8) -> u8 {
    number << 3 | wire_type
}

fn message(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(field(number, 2));
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Status and body of a request in HTTP/1.0, whose answer ends with the connection.
///
/// # Errors
/// The connection broke, or what came is no answer.
pub fn ask(address: SocketAddr, line: &str, headers: &str, body: &[u8]) -> Result<(u16, Vec<u8>), String> {
    let exchange = || {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(ANSWER_TIME))?;
        let length = body.len();
        let head = format!("{line} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n");
        connection.write_all(&[head.as_bytes(), body].concat())?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|error: std::io::Error| format!("{line}: {error}"))?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match (status, end) {
        (Some(status), Some(end)) => Ok((status, answer[end + 4..].to_vec())),
        _ => Err(format!("{line}: no answer of HTTP")),
    }
}

/// Text for a query (RFC 3986, section 2.3).
pub fn escaped(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_the_protocol_has_it() {
        let mut request = Request::default();
        request.push(&labels(&[("a", "b")]), [(300, 1.0)]);
        let series = [
            &[0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b'][..],
            &[0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02],
        ]
        .concat();
        let whole = [&[0x0a, 22][..], &series].concat();
        assert_eq!(request.bytes, whole);
        assert_eq!(request.body(), [&[24, 61 << 2, 23, 0][..], &whole].concat());
    }
}
