//! Senders before an engine that answers as it is told.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use model::outbox::OutboxFacts;
use parking_lot::Mutex;

use super::*;
use crate::wire::tests::received;

/// A queue without bound.
#[derive(Default)]
struct Waiting(Mutex<(i64, VecDeque<Parcel>)>);

impl Outbox for Waiting {
    fn put(&self, parcel: Parcel) {
        self.0.lock().1.push_back(parcel);
    }

    fn oldest(&self) -> Option<(i64, Parcel)> {
        let (removed, parcels) = &*self.0.lock();
        Some((*removed, parcels.front()?.clone()))
    }

    fn remove(&self, number: i64) -> bool {
        let (removed, parcels) = &mut *self.0.lock();
        let is_it = *removed == number;
        if is_it {
            parcels.pop_front();
            *removed += 1;
        }
        is_it
    }

    fn facts(&self) -> OutboxFacts {
        let samples = self.0.lock().1.iter().map(|parcel| parcel.samples).sum();
        OutboxFacts { samples, ..OutboxFacts::default() }
    }
}

/// A request: when it came, its head in small letters, and the values of its samples.
type Seen = (Instant, String, Vec<f64>);

/// Answers each request with the next of the script, and then with 204.
fn engine(script: &'static [&'static str]) -> (String, Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let (tell, seen) = channel();
    std::thread::spawn(move || {
        let mut script = script.iter().copied();
        for stream in listener.incoming() {
            serve(stream.expect("a connection"), &mut script, &tell);
        }
    });
    (origin, seen)
}

/// Serves one connection until its end, or that of the test.
fn serve(mut stream: TcpStream, script: &mut dyn Iterator<Item = &'static str>, tell: &Sender<Seen>) {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let head = String::from_utf8_lossy(&bytes).to_lowercase();
        let end = head.find("\r\n\r\n").map(|at| at + 4);
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let Some(total) = end.zip(length).map(|(end, length)| end + length).filter(|all| bytes.len() >= *all)
        else {
            match stream.read(&mut part) {
                Ok(0) | Err(_) => return,
                Ok(read) => bytes.extend_from_slice(&part[..read]),
            }
            continue;
        };
        let body: Vec<u8> = bytes.drain(..total).skip(end.unwrap_or(0)).collect();
        let values = received(&body).into_iter().map(|(_, sample)| sample.value).collect();
        if tell.send((Instant::now(), head, values)).is_err() {
            return;
        }
        let answer = script.next().unwrap_or("204 No Content");
        write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").expect("is written");
    }
}

fn start(origin: &str, outbox: &Arc<Waiting>) -> Remotes {
    let access = Access {
        url: format!("{origin}/api/v1/write?tenant=7").parse().expect("a URL"),
        credentials: Credentials::Token("t0ken".to_owned()),
        headers: [("x-scope-orgid".parse().expect("a name"), "me".parse().expect("a value"))]
            .into_iter()
            .collect(),
        ca_file: None,
        timeout: Duration::from_secs(10),
    };
    let destination = Destination { name: "engine".into(), access };
    Remotes::start(vec![(destination, Arc::clone(outbox) as _)]).expect("starts")
}

fn parcel(value: f64) -> Parcel {
    let sample = (Labels::new([("__name__", "m")]), Sample { timestamp_ms: 1, value });
    let mut packed = Vec::new();
    wire::pack(&[sample], |parcel| packed.push(parcel));
    packed.remove(0)
}

/// A queue with one request for each value.
fn waiting(values: &[f64]) -> Arc<Waiting> {
    let outbox = Arc::<Waiting>::default();
    values.iter().for_each(|value| outbox.put(parcel(*value)));
    outbox
}

#[track_caller]
fn check(remotes: &Remotes, outcome: &str, failures: &str) {
    let facts = &remotes.facts(0)[0];
    let shown = |counts: &[(&str, u64)]| {
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        counts.map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!((shown(&facts.samples), shown(&facts.failures)), (outcome.to_owned(), failures.to_owned()));
}

fn until_empty(outbox: &Waiting) {
    while outbox.facts().samples > 0 {
        std::thread::yield_now();
    }
}

/// The values of so many requests.
fn values(seen: &Receiver<Seen>, count: usize) -> Vec<f64> {
    seen.iter().take(count).flat_map(|(_, _, values)| values).collect()
}

#[test]
fn a_request_is_that_of_the_protocol() {
    let (origin, seen) = engine(&[]);
    let remotes = start(&origin, &Arc::default());
    remotes.give(vec![(Labels::new([("__name__", "m")]), Sample { timestamp_ms: 1, value: 4.5 })]);
    let (_, head, values) = seen.recv().expect("a request");
    assert_eq!(values, [4.5]);
    for line in [
        "post /api/v1/write?tenant=7 http/1.1\r\n",
        "content-encoding: snappy\r\n",
        "content-type: application/x-protobuf\r\n",
        "x-prometheus-remote-write-version: 0.1.0\r\n",
        "authorization: bearer t0ken\r\n",
        "x-scope-orgid: me\r\n",
        "user-agent: heartline/",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
}

#[test]
fn what_may_be_taken_later_is_sent_again_in_order() {
    let (origin, seen) = engine(&[
        "500 No",
        "401 Who",
        "429 Later\r\nretry-after: 0",
        "302 Found\r\nlocation: /x",
        "204 Yes",
        "403 You",
    ]);
    let outbox = waiting(&[1.0, 2.0, 3.0]);
    let remotes = start(&origin, &outbox);
    assert_eq!(values(&seen, 8), [1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0]);
    until_empty(&outbox);
    check(&remotes, "sent 3", "throttled 1, server 2, credentials 2");
}

#[test]
fn what_is_rejected_is_dropped_and_counted() {
    let (origin, seen) = engine(&["400 Bad", "204 Yes"]);
    let outbox = waiting(&[1.0, 2.0]);
    let remotes = start(&origin, &outbox);
    assert_eq!(values(&seen, 2), [1.0, 2.0]);
    until_empty(&outbox);
    check(&remotes, "sent 1, rejected 1", "");
}

#[test]
fn an_engine_is_given_the_time_it_asks_for() {
    let (origin, seen) = engine(&["503 Later\r\nretry-after: 1"]);
    let _remotes = start(&origin, &waiting(&[1.0]));
    let times: Vec<Instant> = seen.iter().take(2).map(|(at, ..)| at).collect();
    assert!(times[1] - times[0] >= Duration::from_secs(1));
}

#[test]
fn what_cannot_be_sent_waits_and_a_stop_does_not() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let outbox = waiting(&[1.0, 2.0]);
    let remotes = start(&origin, &outbox);
    while remotes.facts(0)[0].failures[0].1 < 2 {
        std::thread::yield_now();
    }
    remotes.give(vec![(Labels::new([("__name__", "m")]), Sample { timestamp_ms: 1, value: 3.0 })]);
    drop(remotes);
    assert_eq!(outbox.facts().samples, 3);
}
