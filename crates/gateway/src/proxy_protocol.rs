//! The PROXY protocol, versions 1 and 2 (HAProxy, "The PROXY protocol"), at the start of a connection.
//!
//! The header is read to its last byte and not beyond, since what follows is TLS or HTTP.

use std::io;
use std::net::SocketAddr;

use ppp::v2::Command;
use ppp::{HeaderResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest header of version 1 (section 2.1).
const VERSION_1_BYTES_MAX: usize = 107;

/// Fixed part of version 2 (section 2.2).
const VERSION_2_FIXED_BYTES: usize = 16;

/// Longest variable part of version 2 that is read; addresses need 216 bytes at most, the rest is for
/// extensions.
const VERSION_2_REST_BYTES_MAX: usize = 4096;

/// Reads the header; the client's address, or none when the header tells of no client (`LOCAL`, `UNKNOWN`).
///
/// # Errors
/// The socket fails, or its first bytes are no valid header.
pub async fn read(socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![socket.read_u8().await?];
    if header[0] == b'P' {
        while header.last() != Some(&b'\n') && header.len() < VERSION_1_BYTES_MAX {
            header.push(socket.read_u8().await?);
        }
    } else {
        header.resize(VERSION_2_FIXED_BYTES, 0);
        socket.read_exact(&mut header[1..]).await?;
        if !header.starts_with(v2::PROTOCOL_PREFIX) {
            return Err(invalid("its signature"));
        }
        let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
        if rest > VERSION_2_REST_BYTES_MAX {
            return Err(invalid("its length"));
        }
        header.resize(VERSION_2_FIXED_BYTES + rest, 0);
        socket.read_exact(&mut header[VERSION_2_FIXED_BYTES..]).await?;
    }
    let parsed = parse(&header);
    if parsed.is_err() {
        socket.shutdown().await?;
    }
    parsed
}

fn parse(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(a) => Some(SocketAddr::from((a.source_address, a.source_port))),
            v1::Addresses::Tcp6(a) => Some(SocketAddr::from((a.source_address, a.source_port))),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) => Ok(match header.addresses {
            _ if header.command == Command::Local => None,
            v2::Addresses::IPv4(a) => Some(SocketAddr::from((a.source_address, a.source_port))),
            v2::Addresses::IPv6(a) => Some(SocketAddr::from((a.source_address, a.source_port))),
            v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
        }),
        HeaderResult::V1(Err(error)) => Err(invalid(&error.to_string())),
        HeaderResult::V2(Err(error)) => Err(invalid(&error.to_string())),
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no PROXY protocol header: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &[u8], expected: Option<&str>) {
        let source = parse(header).expect("a valid header").map(|address| address.to_string());
        assert_eq!(source.as_deref(), expected);
    }

    #[test]
    fn both_versions() {
        check(b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n", Some("203.0.113.9:4711"));
        check(b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n", Some("[2001:db8::7]:4711"));
        check(b"PROXY UNKNOWN\r\n", None);
        let signature = b"\r\n\r\n\0\r\nQUIT\n";
        let addresses = [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x67, 1, 187];
        let proxied = [&signature[..], &[0x21, 0x11, 0, 12], &addresses].concat();
        check(&proxied, Some("203.0.113.9:4711"));
        check(&[&signature[..], &[0x20, 0, 0, 0]].concat(), None);
        assert!(parse(b"GET / HTTP/1.1\r\n").is_err());
        assert!(parse(b"PROXY TCP4 nonsense\r\n").is_err());
    }
}
