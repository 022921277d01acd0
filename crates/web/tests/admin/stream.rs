//! The live stream over a socket.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::harness::{Admin, request};

type Lines = tokio::io::Lines<BufReader<TcpStream>>;

/// Subscribes; the head of the answer in lower case, and the lines of its body with chunk sizes among them.
async fn subscribe(admin: &Admin, query: &str) -> (String, Lines) {
    let mut stream = TcpStream::connect(admin.server.address()).await.expect("connects");
    let request = request("GET", &format!("/api/v1/stream?{query}"), &[], "");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut lines = BufReader::new(stream).lines();
    let mut head = String::new();
    while let Some(line) = lines.next_line().await.expect("reads") {
        if line.is_empty() {
            break;
        }
        head += &(line.to_ascii_lowercase() + "\n");
    }
    (head, lines)
}

/// The next line that begins with `start`, without it.
async fn next(lines: &mut Lines, start: &str) -> String {
    loop {
        let line = lines.next_line().await.expect("reads").expect("the stream goes on");
        if let Some(rest) = line.strip_prefix(start) {
            return rest.to_owned();
        }
    }
}

#[tokio::test]
async fn frames_arrive() {
    let admin = Admin::open().await;
    let (head, mut lines) = subscribe(&admin, "topics=overview&window=60").await;
    for line in [
        "http/1.1 200 ok",
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.lines().any(|other| other == line), "{line} in {head}");
    }
    assert_eq!(next(&mut lines, "retry: ").await, "2000");
    assert_eq!(next(&mut lines, ":").await.len(), 2048);
    for id in 1..=2 {
        assert_eq!(next(&mut lines, "id: ").await, id.to_string());
        assert_eq!(next(&mut lines, "event: ").await, "overview");
        let data = next(&mut lines, "data: ").await;
        let overview: model::overview::Overview = serde_json::from_str(&data).expect("an overview");
        assert_eq!(overview.window_seconds, 60.0);
    }
}

#[tokio::test]
async fn what_the_stream_does_not_understand_is_an_error() {
    let admin = Admin::open().await;
    for query in ["topics=alerts", "topics=overview,alerts", "topics=", "window=5", "topic=overview"] {
        admin.get(&format!("/api/v1/stream?{query}"), &[]).await.is_error(400, "bad_query");
    }
}

#[tokio::test]
async fn subscribers_are_bounded() {
    let admin = Admin::open().await;
    let mut seated = Vec::new();
    for window in 0..64 {
        let (head, lines) = subscribe(&admin, &format!("window={}", 100 + window)).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        seated.push(lines);
    }
    let answer = admin.get("/api/v1/stream", &[]).await;
    assert_eq!((answer.status, &*answer.body), (204, ""));
    assert_eq!(admin.server.refusals().streams, 1);
}

#[tokio::test]
async fn a_stopping_server_ends_its_streams() {
    let admin = Admin::open().await;
    let (_, mut lines) = subscribe(&admin, "").await;
    next(&mut lines, "data: ").await;
    let mut rest = Vec::new();
    let (_, read) = tokio::join!(admin.server.stop(), lines.get_mut().read_to_end(&mut rest));
    read.expect("ends in order");
    assert!(rest.ends_with(b"0\r\n\r\n"), "the last chunk was sent");
}
