//! Why a connection was not made or did not last, in kinds that can be counted.

use std::fmt;
use std::io;

/// What happened, without what varies from one time to the next. Shown as the label it is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The name has no address.
    Name,
    /// Nobody listens there: RST instead of SYN-ACK.
    Refused,
    /// Nothing came in the time allowed.
    Timeout,
    /// The connection was reset.
    Reset,
    /// This machine could not: no file, port or route left.
    Local,
    /// TLS was not agreed on, or the certificate is not trusted.
    Tls,
    /// The answer has another HTTP status than the one that was hoped for.
    HttpStatus(u16),
    /// The bytes break the rules of the protocol.
    Protocol,
    /// The other side ended the connection early: with the code of its Close frame, or without one.
    Closed(Option<u16>),
    /// The call ended early, with this gRPC status.
    GrpcStatus(u32),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Name => f.write_str("name"),
            Kind::Refused => f.write_str("connect_refused"),
            Kind::Timeout => f.write_str("timeout"),
            Kind::Reset => f.write_str("reset"),
            Kind::Local => f.write_str("local"),
            Kind::Tls => f.write_str("tls"),
            Kind::HttpStatus(status) => write!(f, "http_status_{status}"),
            Kind::Protocol => f.write_str("protocol"),
            Kind::Closed(Some(code)) => write!(f, "closed_{code}"),
            Kind::Closed(None) => f.write_str("closed"),
            Kind::GrpcStatus(code) => write!(f, "grpc_status_{code}"),
        }
    }
}

/// A failure with its particulars.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Failure {
    /// What it is counted as.
    pub kind: Kind,
    /// What was said.
    pub detail: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Failure {
        Failure { kind, detail: detail.into() }
    }

    /// The other side ended the connection without a word.
    pub fn ended() -> Failure {
        Failure::new(Kind::Closed(None), "the connection ended")
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => Kind::Refused,
            io::ErrorKind::TimedOut => Kind::Timeout,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Kind::Reset,
            io::ErrorKind::UnexpectedEof => Kind::Closed(None),
            io::ErrorKind::InvalidData => Kind::Tls,
            _ => Kind::Local,
        };
        Failure::new(kind, error.to_string())
    }
}
