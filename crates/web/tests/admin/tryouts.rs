//! Routes that are tried from a browser: who may, what goes on to the gateway and what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use model::{ConnectionId, TryoutRefused, Word as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fakes::HOSTILE;
use crate::harness::{Admin, BEARER, TOKEN, request};

const CSRF: (&str, &str) = ("X-Heartline-CSRF", "1");
const HANDSHAKE: [(&str, &str); 4] = [
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "chat, superchat"),
];
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\nSet-Cookie: own=1\r\n\
    Content-Security-Policy: none\r\n\r\n";

fn websocket() -> Value {
    json!({"protocol": "websocket", "host": "example.com", "path": "/chat?room=1", "origin": "https://example.com"})
}

fn events() -> Value {
    json!({"protocol": "sse", "host": "example.com:8443", "path": "/chat/events"})
}

async fn ask_for(admin: &Admin, asked: &Value, headers: &[(&str, &str)]) -> String {
    let answer = admin.post("/api/v1/tryouts", headers, &asked.to_string()).await;
    let id = answer.is(201).json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(id.len(), 32, "128 bits in hexadecimal");
    id
}

async fn view(admin: &Admin, id: &str) -> Value {
    admin.get(&format!("/api/v1/tryouts/{id}"), &[]).await.is(200).json()
}

/// Opens a connection of a tryout; the browser's end, the gateway's end, and what the gateway was asked.
async fn open(admin: &Admin, id: &str, headers: &[(&str, &str)]) -> (TcpStream, TcpStream, String) {
    let mut browser = TcpStream::connect(admin.server.address()).await.expect("connects");
    let head = request("GET", &format!("/api/v1/tryouts/{id}/connect"), headers, "");
    let head = if headers.iter().any(|(name, _)| *name == "Upgrade") {
        head.replace("Connection: close", "Connection: Upgrade")
    } else {
        head
    };
    browser.write_all(head.as_bytes()).await.expect("sends");
    let (inside, client, _) = entered(admin).await;
    assert_eq!(client, browser.local_addr().expect("an address"), "it is counted as the operator's");
    inside.set_nonblocking(true).expect("does not block");
    let mut gateway = TcpStream::from_std(inside).expect("a socket");
    let asked = head_of(&mut gateway).await;
    (browser, gateway, asked)
}

/// Connections that did not begin, by why.
fn refused(admin: &Admin) -> Vec<(&'static str, u64)> {
    let counts = &admin.fake.tryouts_refused;
    TryoutRefused::ALL.iter().map(|why| (why.as_str(), counts.get(*why))).collect()
}

async fn entered(admin: &Admin) -> (std::net::TcpStream, SocketAddr, ConnectionId) {
    loop {
        if let Some(entered) = admin.fake.entered.lock().expect("no panic").pop() {
            return entered;
        }
        tokio::task::yield_now().await;
    }
}

/// Bytes up to the end of a head, one by one.
async fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("more"));
    }
    String::from_utf8(head).expect("text").to_ascii_lowercase()
}

/// Looks at a connection before it counts as one that stays.
const LOOKS_MAX: u32 = 4_000;

/// The first of its connections, once none is open.
async fn until_closed(admin: &Admin, id: &str) -> Value {
    for _ in 0..LOOKS_MAX {
        let connections = view(admin, id).await["connections"].clone();
        let connections = connections.as_array().expect("a list");
        if connections.iter().all(|connection| connection["is_open"] == json!(false)) {
            return connections[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a tried connection stays open");
}

#[tokio::test]
async fn a_websocket_is_passed_on_without_what_is_the_dashboards() {
    let admin = Admin::open().await;
    let id = ask_for(&admin, &websocket(), &[]).await;
    let own = [
        ("Cookie", "heartline_session=00ff; theme=dark"),
        ("Authorization", "Bearer secret"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("Referer", "http://localhost/"),
        ("User-Agent", "browser"),
        ("Origin", "http://localhost"),
    ];
    let (mut browser, mut gateway, asked) = open(&admin, &id, &[&HANDSHAKE[..], &own].concat()).await;
    assert!(asked.starts_with("get /chat?room=1 http/1.1\r\n"), "{asked}");
    for line in [
        "host: example.com",
        "origin: https://example.com",
        "user-agent: browser",
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-protocol: chat, superchat",
        "sec-websocket-version: 13",
    ] {
        assert!(asked.contains(&format!("\r\n{line}\r\n")), "{line} is missing: {asked}");
    }
    for word in ["cookie", "authorization", "secret", "00ff", "192.0.2.1", "referer", "localhost"] {
        assert!(!asked.contains(word), "{word} was passed on: {asked}");
    }
    gateway.write_all(AGREED.as_bytes()).await.expect("sends");
    gateway.write_all(b"first").await.expect("sends");
    let answer = head_of(&mut browser).await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{answer}");
    assert!(answer.contains("content-security-policy: default-src 'self'"), "{answer}");
    assert!(!answer.contains("set-cookie"), "{answer}");
    let mut bytes = [0; 5];
    browser.read_exact(&mut bytes).await.expect("reads");
    assert_eq!(&bytes, b"first");
    browser.write_all(b"\0back").await.expect("sends");
    gateway.read_exact(&mut bytes).await.expect("reads");
    assert_eq!(&bytes, b"\0back");

    let connection = view(&admin, &id).await["connections"][0].clone();
    assert_eq!((&connection["status"], &connection["subprotocol"]), (&json!(101), &json!("chat")));
    assert_eq!(connection["is_open"], json!(true));
    let again = admin.get(&format!("/api/v1/tryouts/{id}/connect"), &HANDSHAKE).await;
    again.is_error(409, "open");
    drop(gateway);
    assert_eq!(browser.read(&mut bytes).await.expect("an orderly end"), 0);
    drop(browser);
    assert_eq!(until_closed(&admin, &id).await["is_cut"], json!(false));
}

#[tokio::test]
async fn an_event_stream_is_passed_on_and_reconnects() {
    let admin = Admin::open().await;
    let id = ask_for(&admin, &events(), &[]).await;
    let headers = [("Accept", "text/event-stream"), ("Last-Event-ID", "7"), ("Origin", "http://localhost")];
    let (mut browser, mut gateway, asked) = open(&admin, &id, &headers).await;
    assert!(
        asked.contains("\r\nlast-event-id: 7\r\n") && asked.contains("\r\nhost: example.com:8443\r\n"),
        "{asked}"
    );
    assert!(!asked.contains("\r\norigin:"), "{asked}");
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nSet-Cookie: own=1\r\n\r\n";
    gateway.write_all(format!("{head}data: one\n\n").as_bytes()).await.expect("sends");
    let answer = head_of(&mut browser).await;
    assert!(answer.starts_with("http/1.1 200 ") && !answer.contains("set-cookie"), "{answer}");
    let mut read = Vec::new();
    while !read.ends_with(b"data: one\n\n\r\n") {
        read.push(browser.read_u8().await.expect("more"));
    }
    drop(browser);
    until_closed(&admin, &id).await;
    let (_browser, _gateway, _) = open(&admin, &id, &headers).await;
    assert_eq!(view(&admin, &id).await["connections"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn an_answer_that_is_something_else_is_kept_and_not_shown_as_a_page() {
    let admin = Admin::open().await;
    let id = ask_for(&admin, &events(), &[]).await;
    let (mut browser, mut gateway, _) = open(&admin, &id, &[]).await;
    let long = format!("{HOSTILE}{}", "x".repeat(5000));
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", long.len());
    gateway.write_all(format!("{head}{long}").as_bytes()).await.expect("sends");
    let mut answer = String::new();
    browser.read_to_string(&mut answer).await.expect("reads to the end");
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("application/json"), "{answer}");
    assert!(!answer.contains("onerror"), "{answer}");
    let connection = until_closed(&admin, &id).await;
    assert_eq!((&connection["status"], &connection["content_type"]), (&json!(200), &json!("text/html")));
    assert_eq!(connection["body"].as_str(), Some(&long[..2048]));
}

#[tokio::test]
async fn only_who_may_change_something_may_try() {
    let admin = Admin::guarded().await;
    let body = websocket().to_string();
    admin.post("/api/v1/tryouts", &[], &body).await.is_error(401, "unauthorized");
    let signed_in = admin.post("/api/v1/login", &[], &json!({"token": TOKEN}).to_string()).await;
    let cookie = signed_in.header("set-cookie").split(';').next().expect("a pair").to_owned();
    let session = ("Cookie", &*cookie);
    admin.post("/api/v1/tryouts", &[session], &body).await.is_error(403, "csrf");
    let evil = ("Origin", "https://evil.example");
    admin.post("/api/v1/tryouts", &[session, CSRF, evil], &body).await.is_error(403, "cross_site");

    let id = ask_for(&admin, &websocket(), &[session, CSRF]).await;
    let path = format!("/api/v1/tryouts/{id}/connect");
    admin.get(&path, &HANDSHAKE).await.is_error(401, "unauthorized");
    for foreign in
        [evil, ("Origin", "null"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site")]
    {
        let headers = [&HANDSHAKE[..], &[session, foreign]].concat();
        admin.get(&path, &headers).await.is_error(403, "cross_site");
    }
    admin
        .get("/api/v1/tryouts/00ff/connect", &[&HANDSHAKE[..], &[BEARER]].concat())
        .await
        .is_error(404, "not_found");
    assert!(admin.fake.entered.lock().expect("no panic").is_empty(), "nobody came to the gateway");
    assert_eq!(refused(&admin), [("busy", 0), ("open", 0), ("over", 0), ("cross_site", 4)]);
}

#[tokio::test]
async fn only_configured_routes_can_be_reached() {
    let admin = Admin::open().await;
    let check = async |changes: Value, status: u16, code: &str| {
        let mut asked = websocket();
        for (key, value) in changes.as_object().expect("an object") {
            asked[key] = value.clone();
        }
        admin.post("/api/v1/tryouts", &[], &asked.to_string()).await.is_error(status, code);
    };
    check(json!({"host": "evil.example"}), 404, "not_found").await;
    check(json!({"path": "/admin"}), 404, "not_found").await;
    for path in ["", "chat", "//\r\nX: y", "http://evil.example/chat", "/chat#x", "/chat x"] {
        check(json!({ "path": path }), 400, "bad_query").await;
    }
    for host in ["", "a@example.com", "example.com/x", "example.com\r\nX: y"] {
        check(json!({ "host": host }), 400, "bad_query").await;
    }
    check(json!({"origin": "a\r\nX: y"}), 400, "bad_query").await;
    check(json!({"protocol": "grpc"}), 400, "bad_query").await;
    check(json!({"upstream": "http://evil.example"}), 400, "bad_query").await;

    let id = ask_for(&admin, &websocket(), &[]).await;
    admin.get(&format!("/api/v1/tryouts/{id}/connect"), &[]).await.is_error(400, "bad_query");
}

#[tokio::test]
async fn connections_and_tryouts_are_bounded() {
    let admin = Admin::open().await;
    let first = ask_for(&admin, &websocket(), &[]).await;
    let mut held = vec![open(&admin, &first, &HANDSHAKE).await];
    for _ in 1..16 {
        let id = ask_for(&admin, &websocket(), &[]).await;
        held.push(open(&admin, &id, &HANDSHAKE).await);
    }
    let id = ask_for(&admin, &websocket(), &[]).await;
    admin.get(&format!("/api/v1/tryouts/{id}/connect"), &HANDSHAKE).await.is_error(503, "busy");
    let list = admin.get("/api/v1/tryouts", &[]).await.is(200).json();
    assert_eq!((&list["open"], &list["limit"], &list["refused"]), (&json!(16), &json!(16), &json!(1)));
    assert_eq!(list["routes"][0], json!({"name": "chat", "host": null, "path": "/chat"}));
    for _ in 0..64 {
        ask_for(&admin, &websocket(), &[]).await;
    }
    admin.get(&format!("/api/v1/tryouts/{id}"), &[]).await.is_error(404, "not_found");
    admin.get(&format!("/api/v1/tryouts/{first}"), &[]).await.is(200);
}

#[tokio::test]
async fn a_tryout_has_one_connection_at_a_time_and_twenty_in_all() {
    let admin = Admin::open().await;
    let id = ask_for(&admin, &websocket(), &[]).await;
    let path = format!("/api/v1/tryouts/{id}/connect");
    for _ in 0..20 {
        let (browser, gateway, _) = open(&admin, &id, &HANDSHAKE).await;
        admin.get(&path, &HANDSHAKE).await.is_error(409, "open");
        drop((browser, gateway));
        until_closed(&admin, &id).await;
    }
    admin.get(&path, &HANDSHAKE).await.is_error(410, "over");
    assert_eq!(refused(&admin), [("busy", 0), ("open", 20), ("over", 1), ("cross_site", 0)]);
}
