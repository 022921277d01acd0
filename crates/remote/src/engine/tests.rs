//! An engine that is asked, before one that answers as it is told.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use model::series::{MatchOp, Matcher, ReadError, SeriesSource as _, TimeRange};
use tokio::runtime::Runtime;

use super::*;
use crate::access::Credentials;

const OK: &str = "200 OK\r\ncontent-type: application/json; charset=utf-8";
const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

/// Answers every connection once, with the same; the count is that of connections.
fn engine(head: &'static str, body: String) -> (RemoteEngine, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            count.fetch_add(1, Relaxed);
            let _ = stream.read(&mut [0; 4096]);
            // Who has seen enough of a long answer goes.
            let _ = write!(stream, "HTTP/1.1 {head}\r\nconnection: close\r\n\r\n{body}");
        }
    });
    (RemoteEngine::new(access(&url)).expect("is set up"), asked)
}

fn access(url: &str) -> Access {
    Access {
        url: url.parse().expect("a URL"),
        credentials: Credentials::None,
        headers: http::HeaderMap::new(),
        ca_file: None,
        timeout: Duration::from_secs(10),
    }
}

fn question() -> Question {
    let parameters = vec![("query".to_owned(), "up".to_owned())];
    Question { path: "/api/v1/query".to_owned(), parameters, timeout: Duration::from_secs(10) }
}

fn counted(engine: &RemoteEngine) -> Vec<&'static str> {
    let requests = engine.facts().requests.into_iter();
    requests.filter(|(_, count)| *count > 0).map(|(word, _)| word).collect()
}

#[test]
fn answers_of_the_api_pass_and_others_are_none() {
    let runtime = Runtime::new().expect("starts");
    let check = |head: &'static str, body: &str, word: &str, expected: &str| {
        let (engine, _) = engine(head, body.to_owned());
        let answer = runtime.block_on(engine.answer(question()));
        let shown = match &answer {
            Ok(answer) => format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
            Err(EngineError::Unavailable(why) | EngineError::Timeout(why)) => why.clone(),
        };
        assert!(shown.contains(expected), "{shown}");
        assert_eq!((counted(&engine), engine.facts().is_up), (vec![word], word == "answered"));
    };
    check(OK, VECTOR, "answered", &format!("200 {VECTOR}"));
    check("422 No\r\ncontent-type: application/json", "{}", "answered", "422 {}");
    check("200 OK\r\ncontent-type: application/stream+json", VECTOR, "answered", "200 {");
    check("200 OK\r\ncontent-type: text/html", VECTOR, "unusable", "200 OK; it is not JSON");
    check(
        "401 Who\r\ncontent-type: application/json",
        "{}",
        "credentials",
        "look at the credentials of `query`",
    );
    check("404 None\r\ncontent-type: application/json", "{}", "unusable", "look at the path of `query_url`");
    check("302 Found\r\nlocation: /", "", "unusable", "302 Found");
    check(OK, &" ".repeat(ANSWER_BYTES_MAX + 1), "unusable", "it is longer than 32 MiB");
    check("nonsense", "", "network", "cannot be asked: ");
}

#[test]
fn a_pass_asks_an_engine_that_is_away_once() {
    let runtime = Runtime::new().expect("starts");
    let (engine, asked) = engine("500 No", String::new());
    let pass = || EngineSeries::new(engine.clone(), runtime.handle().clone(), Duration::from_secs(10));
    let first = pass();
    let why = first.instant("up", 1000).expect_err("no answer");
    assert!(why.contains("500 Internal Server Error"), "{why}");
    assert_eq!(first.instant("down", 1000), Err(why.clone()));
    let matcher = Matcher { name: "a".to_owned(), op: MatchOp::Equal, value: "b".to_owned() };
    let range = TimeRange { from_ms: 0, to_ms: 1 };
    assert_eq!(first.select(&[matcher], range, 10), Err(ReadError::Engine(why.clone())));
    assert_eq!(asked.load(Relaxed), 1);
    assert_eq!(pass().instant("up", 1000), Err(why));
    assert_eq!(asked.load(Relaxed), 2);
}

#[test]
fn a_query_that_the_engine_does_not_like_fails_alone() {
    let runtime = Runtime::new().expect("starts");
    let (engine, asked) = engine(
        "422 No\r\ncontent-type: application/json",
        r#"{"status":"error","error":"too much"}"#.to_owned(),
    );
    let series = EngineSeries::new(engine, runtime.handle().clone(), Duration::from_secs(10));
    for _ in 0..2 {
        let why = series.instant("up", 1000).expect_err("an error");
        assert!(why.ends_with(": too much"), "{why}");
    }
    assert_eq!(asked.load(Relaxed), 2);
}

#[test]
fn an_engine_that_does_not_answer_is_waited_for_so_long_and_no_longer_than_the_process() {
    let runtime = Runtime::new().expect("starts");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let engine = RemoteEngine::new(access(&url)).expect("is set up");
    let short = Question { timeout: Duration::from_millis(50), ..question() };
    let answer = runtime.block_on(engine.answer(short));
    assert!(
        matches!(&answer, Err(EngineError::Timeout(why)) if why.contains("no answer within 0.05 s")),
        "{answer:?}"
    );
    let asking = runtime.spawn({
        let engine = engine.clone();
        async move { engine.answer(question()).await }
    });
    engine.stop();
    let answer = runtime.block_on(asking).expect("no panic");
    assert_eq!(answer, Err(EngineError::Unavailable("Heartline is stopping".to_owned())));
    assert_eq!(counted(&engine), ["timeout"]);
}
