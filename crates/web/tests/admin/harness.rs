//! A server to ask, and a client that sends exactly what a test says.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use web::Server;
use web::config::{AdminConfig, Secret};

use crate::fakes::Fake;

pub(crate) const TOKEN: &str = "correct-horse-battery-staple";
pub(crate) const BEARER: (&str, &str) = ("Authorization", "Bearer correct-horse-battery-staple");

/// A running server and what stands behind it.
pub(crate) struct Admin {
    pub(crate) server: Server,
    pub(crate) fake: Arc<Fake>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Admin {
    /// On loopback, without a token.
    pub(crate) async fn open() -> Admin {
        Admin::with(None).await
    }

    /// On loopback, with [`TOKEN`].
    pub(crate) async fn guarded() -> Admin {
        Admin::with(Some(Secret::new(TOKEN))).await
    }

    async fn with(token: Option<Secret>) -> Admin {
        let config = AdminConfig { listen: ([127, 0, 0, 1], 0).into(), token, ..AdminConfig::default() };
        let fake = Arc::new(Fake::default());
        let server = Server::start(&config, fake.ports()).await.expect("starts");
        Admin { server, fake }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, "").await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask("POST", path, headers, body).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let request = request(method, path, headers, body);
        raw(self.server.address(), &request).await
    }
}

/// Text of a request; its `Host` is localhost unless `headers` has one.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        text += "Host: localhost\r\n";
    }
    if !body.is_empty() {
        text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text + "\r\n" + body
}

/// Sends bytes and reads until the server closes.
pub(crate) async fn raw(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("reads to the end");
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

impl Answer {
    /// Value of a header; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.clone().find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Checks the status and the code of an error body.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.json()["error"]["code"], code);
        assert!(self.json()["error"]["message"].is_string() && self.json()["error"].get("hint").is_some());
        self
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}
