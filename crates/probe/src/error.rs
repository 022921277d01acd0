//! What goes wrong with a connection, as closed words.

use std::io;

use serde::{Deserialize, Serialize};

/// What went wrong. The words are those of the results.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Nobody listens there, or a firewall says so.
    #[error("refused")]
    Refused,
    /// No way leads there.
    #[error("unreachable")]
    Unreachable,
    /// Connecting or the handshake took longer than allowed.
    #[error("connect_timeout")]
    ConnectTimeout,
    /// This machine has no port left for the address.
    #[error("no_local_port")]
    NoLocalPort,
    /// This process may open no more files.
    #[error("no_open_files")]
    NoOpenFiles,
    /// TLS was not agreed, or the certificate is not trusted.
    #[error("tls")]
    Tls,
    /// The connection ended inside the handshake.
    #[error("handshake_closed")]
    HandshakeClosed,
    /// The answer has another status than one that opens a stream.
    #[error("http_status")]
    HttpStatus,
    /// The answer is none to what was asked: another content type, another key.
    #[error("bad_handshake")]
    BadHandshake,
    /// The peer ended an open connection in an orderly way.
    #[error("closed")]
    Closed,
    /// An open connection broke.
    #[error("reset")]
    Reset,
    /// An open connection carried what its protocol forbids.
    #[error("protocol")]
    Protocol,
    /// A gRPC call ended with a status that is not OK.
    #[error("grpc_status")]
    GrpcStatus,
    /// A message was sent, and no answer came in time.
    #[error("unanswered")]
    Unanswered,
    /// A message was due, and could not be sent in time.
    #[error("not_sent")]
    NotSent,
}

impl ErrorKind {
    /// What an error of connect(2) and its neighbours means.
    pub fn of_connect(error: &io::Error) -> ErrorKind {
        use rustix::io::Errno;
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::MFILE | Errno::NFILE) => ErrorKind::NoOpenFiles,
            Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE) => ErrorKind::NoLocalPort,
            Some(Errno::TIMEDOUT) => ErrorKind::ConnectTimeout,
            Some(Errno::NETUNREACH | Errno::HOSTUNREACH) => ErrorKind::Unreachable,
            Some(Errno::CONNRESET) => ErrorKind::HandshakeClosed,
            _ => ErrorKind::Refused,
        }
    }

    /// What an error on an open connection means.
    pub fn of_open(error: &io::Error) -> ErrorKind {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ErrorKind::Closed,
            io::ErrorKind::InvalidData => ErrorKind::Protocol,
            _ => ErrorKind::Reset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_shown_is_the_word_kept() {
        for kind in [ErrorKind::Refused, ErrorKind::NoLocalPort, ErrorKind::Closed, ErrorKind::GrpcStatus] {
            let kept = serde_json::to_string(&kind).expect("a word");
            assert_eq!(kept, format!("\"{kind}\""));
        }
    }
}
