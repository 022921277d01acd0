//! What a URL asks for.

use http::Uri;
use http::uri::{Authority, PathAndQuery};
use serde::{Deserialize, Serialize};

/// Protocol of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// WebSocket (RFC 6455) over HTTP/1.1.
    Websocket,
    /// Event stream (WHATWG HTML, section 9.2) over HTTP/1.1.
    Sse,
    /// gRPC over HTTP/2: with prior knowledge in clear text, by ALPN in TLS.
    Grpc,
}

/// Where to connect to, and what to ask for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Whether the connection is in TLS.
    pub is_tls: bool,
    /// Host and port as written, for the `Host` field.
    pub authority: Authority,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// Port, the scheme's own when none is written.
    pub port: u16,
    /// What to ask for; of gRPC, `/package.Service/Method`.
    pub path: PathAndQuery,
}

impl Target {
    /// Reads a URL: `ws:` and `wss:` for WebSocket, `http:` and `https:` for event streams, `grpc:` and `grpcs:`.
    /// `http:` and `https:` are taken for any protocol.
    ///
    /// # Errors
    /// A sentence that tells what is wrong and what to write instead.
    pub fn new(protocol: Protocol, url: &str) -> Result<Target, String> {
        let (plain, tls, example) = match protocol {
            Protocol::Websocket => ("ws", "wss", "ws://127.0.0.1:8000/chat"),
            Protocol::Sse => ("http", "https", "http://127.0.0.1:8000/events"),
            Protocol::Grpc => ("grpc", "grpcs", "grpc://127.0.0.1:8000/package.Service/Method"),
        };
        let wrong = |why: &str| format!("{why}; give a URL such as {example}");
        let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
        let is_tls = match uri.scheme_str() {
            Some(scheme) if scheme == plain || scheme == "http" => false,
            Some(scheme) if scheme == tls || scheme == "https" => true,
            _ => return Err(wrong(&format!("it must begin with {plain}:// or {tls}://"))),
        };
        let authority = uri.authority().cloned().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a user and password cannot be in it"));
        }
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        if protocol == Protocol::Grpc && observe::grpc::method(path.path()).is_none() {
            return Err(wrong("its path must name a service and a method"));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Target { protocol, is_tls, authority, host, port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(protocol: Protocol, url: &str, expected: Result<&str, &str>) {
        let shown = Target::new(protocol, url)
            .map(|t| format!("{} {} {} {}", if t.is_tls { "tls" } else { "tcp" }, t.host, t.port, t.path));
        match expected {
            Ok(text) => assert_eq!(shown.as_deref(), Ok(text)),
            Err(part) => assert!(shown.as_ref().is_err_and(|error| error.contains(part)), "{shown:?}"),
        }
    }

    #[test]
    fn urls() {
        check(Protocol::Websocket, "ws://localhost/chat?room=1", Ok("tcp localhost 80 /chat?room=1"));
        check(Protocol::Websocket, "wss://[::1]:8443", Ok("tls ::1 8443 /"));
        check(Protocol::Websocket, "https://example.com/", Ok("tls example.com 443 /"));
        check(Protocol::Sse, "http://127.0.0.1:9/events", Ok("tcp 127.0.0.1 9 /events"));
        check(Protocol::Grpc, "grpc://h:5/a.B/C", Ok("tcp h 5 /a.B/C"));
        check(Protocol::Sse, "ws://localhost/", Err("must begin with http:// or https://"));
        check(Protocol::Websocket, "localhost:80", Err("such as ws://"));
        check(Protocol::Websocket, "ws://me:secret@localhost/", Err("password"));
        check(Protocol::Grpc, "grpc://h:5/", Err("a service and a method"));
        check(Protocol::Websocket, "ws://a b", Err("no URL"));
    }
}
