//! HTTP/1.1 towards clients, by hyper, up to a request for a live stream.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use model::Refused;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::body::{BodyError, RequestBody};
use crate::clock;
use crate::exchange::{self, ClientConnection, Served};
use crate::head::HEAD_BYTES_MAX;
use crate::leg::{Watch, Watched};
use crate::listener::KEEP_ALIVE;
use crate::live::{Client, Live};

/// Serves a client's connection to its end, or to its live stream.
pub async fn serve(
    stream: Watched,
    client: ClientConnection,
    head_timeout: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let (watch, address) = (Arc::clone(&client.watch), client.peer.address);
    let registry = Arc::clone(&client.shared.registry);
    let under_way = Arc::new(UnderWay::default());
    let service = service_fn({
        let under_way = Arc::clone(&under_way);
        move |request: http::Request<hyper::body::Incoming>| {
            under_way.requests.fetch_add(1, Relaxed);
            let request = request.map(|body| RequestBody::new(body.map_err(BodyError::from)));
            let served = exchange::serve(client.clone(), request);
            let under_way = Arc::clone(&under_way);
            // In a box, for hyper keeps its place as long as the connection lives, and it is large.
            Box::pin(async move {
                match served.await {
                    Served::Answer(answer) => {
                        under_way.requests.fetch_sub(1, Relaxed);
                        Ok::<_, Infallible>(answer)
                    }
                    Served::Live(live) => {
                        *under_way.live.lock() = Some(live);
                        pending().await
                    }
                }
            })
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .preserve_header_case(true)
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .auto_date_header(false);
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut quiet = Quiet::new(head_timeout);
    let live = loop {
        tokio::select! {
            biased;
            ended = &mut connection => {
                if let Err(error) = ended {
                    if error.is_parse() {
                        registry.count_refused(Refused::Malformed);
                    }
                    tracing::debug!(%error, %address, "a client's connection ended with an error");
                }
                return;
            }
            live = under_way.live(&watch) => break live,
            () = under_way.stopped(&mut stopping), if !quiet.is_stopping => {
                quiet.is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = tokio::time::sleep(quiet.next_look) => {
                match quiet.look(&watch, under_way.requests.load(Relaxed)) {
                    Verdict::Fine => {}
                    Verdict::SlowHead => {
                        registry.count_refused(Refused::Timeout);
                        tracing::debug!(%address, "a request head did not arrive in time");
                        return;
                    }
                    Verdict::Idle => Pin::new(&mut connection).graceful_shutdown(),
                }
            },
        }
    };
    let parts = connection.into_parts();
    let (stream, unread) = parts.io.into_inner().into_parts();
    let mut early = BytesMut::from(parts.read_buf);
    early.extend_from_slice(&unread);
    drop(parts.service);
    live.serve(Client { stream, early }).await;
}

/// The requests of one connection that have no answer yet. They change while the connection is polled, and who waits
/// here is polled behind it, by the same task.
#[derive(Default)]
struct UnderWay {
    requests: AtomicUsize,
    /// It is for a live stream: hyper has nothing more to do on this connection.
    live: Mutex<Option<Box<Live>>>,
}

impl UnderWay {
    /// The request for a live stream, once all earlier answers are with the kernel.
    async fn live(&self, watch: &Watch) -> Box<Live> {
        let take = |_: &mut Context<'_>| {
            let live = if watch.is_flushed() { self.live.lock().take() } else { None };
            live.map_or(Poll::Pending, Poll::Ready)
        };
        poll_fn(take).await
    }

    /// The gateway stops, and no request is without its answer's head.
    async fn stopped(&self, stopping: &mut watch::Receiver<bool>) {
        let _ = stopping.wait_for(|stopping| *stopping).await;
        let are_answered = |_: &mut Context<'_>| match self.requests.load(Relaxed) {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        };
        poll_fn(are_answered).await;
    }
}

/// Looks whether a connection is slow with a head, or has nothing to do.
struct Quiet {
    head_timeout: Duration,
    next_look: Duration,
    served: u64,
    quiet_since: model::Moment,
    is_stopping: bool,
}

enum Verdict {
    Fine,
    SlowHead,
    Idle,
}

impl Quiet {
    fn new(head_timeout: Duration) -> Quiet {
        Quiet {
            head_timeout,
            next_look: head_timeout,
            served: 0,
            quiet_since: clock::now(),
            is_stopping: false,
        }
    }

    fn look(&mut self, watch: &Watch, in_service: usize) -> Verdict {
        let now = clock::now();
        let (begun, served, is_tapped) = {
            let head = watch.head();
            (head.begun(), head.served(), head.is_tapped())
        };
        self.next_look = self.head_timeout;
        if in_service > 0 || served != self.served || !is_tapped {
            self.served = served;
            self.quiet_since = now;
            return Verdict::Fine;
        }
        if let Some(begun) = begun {
            self.next_look =
                self.head_timeout.saturating_sub(now.since(begun)).max(Duration::from_millis(10));
            return if now.since(begun) >= self.head_timeout { Verdict::SlowHead } else { Verdict::Fine };
        }
        if served == 0 && now.since(self.quiet_since) >= self.head_timeout {
            return Verdict::SlowHead;
        }
        if now.since(self.quiet_since) >= KEEP_ALIVE { Verdict::Idle } else { Verdict::Fine }
    }
}
