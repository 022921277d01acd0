//! What is asked for, from a URL.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::PathAndQuery;

/// What is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `ws:` and `wss:`.
    WebSocket,
    /// `http:` and `https:`.
    Sse,
    /// `grpc:` and `grpcs:`.
    Grpc,
}

impl Protocol {
    /// The word in records and results.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::WebSocket => "websocket",
            Protocol::Sse => "sse",
            Protocol::Grpc => "grpc",
        }
    }
}

impl From<Protocol> for model::Protocol {
    fn from(protocol: Protocol) -> model::Protocol {
        match protocol {
            Protocol::WebSocket => model::Protocol::WebSocket,
            Protocol::Sse => model::Protocol::Sse,
            Protocol::Grpc => model::Protocol::Grpc,
        }
    }
}

/// Where a service is and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether inside TLS.
    pub is_tls: bool,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path and query; for gRPC `/package.Service/Method`.
    pub path: PathAndQuery,
    /// `Host` or `:authority`: as it stands in the URL.
    pub authority: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let uri: Uri = text.parse().map_err(|error| format!("it is no URL: {error}"))?;
        let (protocol, is_tls) = match uri.scheme_str() {
            Some("ws") => (Protocol::WebSocket, false),
            Some("wss") => (Protocol::WebSocket, true),
            Some("http") => (Protocol::Sse, false),
            Some("https") => (Protocol::Sse, true),
            Some("grpc") => (Protocol::Grpc, false),
            Some("grpcs") => (Protocol::Grpc, true),
            _ => {
                return Err("it begins with ws:, wss:, http:, https:, grpc: or grpcs:, such as \
                            ws://127.0.0.1:8000/chat"
                    .to_owned());
            }
        };
        let authority = uri.authority().ok_or("a URL has a host")?;
        if authority.as_str().contains('@') {
            return Err("a URL with a user and password is not supported; send a header instead".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        if protocol == Protocol::Grpc && path.path().trim_matches('/').split('/').count() != 2 {
            return Err("a gRPC URL names a method: grpc://host:port/package.Service/Method".to_owned());
        }
        Ok(Target { protocol, is_tls, host, port, path, authority: authority.to_string() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.protocol, self.is_tls) {
            (Protocol::WebSocket, false) => "ws",
            (Protocol::WebSocket, true) => "wss",
            (Protocol::Sse, false) => "http",
            (Protocol::Sse, true) => "https",
            (Protocol::Grpc, false) => "grpc",
            (Protocol::Grpc, true) => "grpcs",
        };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |text: &str, expected: &str| {
            let told = match text.parse::<Target>() {
                Ok(t) => format!("{} {} {} {} {}", t.protocol.word(), t.is_tls, t.host, t.port, t.path),
                Err(error) => error,
            };
            assert!(told.starts_with(expected), "{text}: {told}");
        };
        check("ws://127.0.0.1:8000/chat?x=1", "websocket false 127.0.0.1 8000 /chat?x=1");
        check("wss://example.com", "websocket true example.com 443 /");
        check("http://[::1]:81/events", "sse false ::1 81 /events");
        check("grpcs://example.com/pkg.Echo/Chat", "grpc true example.com 443 /pkg.Echo/Chat");
        check("grpc://example.com/Chat", "a gRPC URL names a method");
        check("ftp://example.com", "it begins with ws:");
        check("ws://me:secret@example.com", "a URL with a user");
        check("ws://", "it is no URL");
    }
}
