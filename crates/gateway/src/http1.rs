//! HTTP/1.1 towards clients, by hyper.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use model::Refused;
use tokio::sync::{Notify, watch};

use crate::body::{BodyError, RequestBody};
use crate::clock;
use crate::exchange::{self, ClientConnection};
use crate::head::HEAD_BYTES_MAX;
use crate::leg::{Watch, Watched};
use crate::listener::KEEP_ALIVE;

/// Serves a client's connection to its end, or to its upgrade.
pub async fn serve(
    stream: Watched,
    client: ClientConnection,
    head_timeout: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let (watch, address) = (Arc::clone(&client.watch), client.peer.address);
    let registry = Arc::clone(&client.shared.registry);
    let in_service = Arc::new(AtomicUsize::new(0));
    let answered = Arc::new(Notify::new());
    let service = service_fn({
        let (in_service, answered) = (Arc::clone(&in_service), Arc::clone(&answered));
        move |request: http::Request<hyper::body::Incoming>| {
            in_service.fetch_add(1, Relaxed);
            let request = request.map(|body| RequestBody::new(body.map_err(BodyError::from)));
            let served = exchange::serve(client.clone(), request);
            let (in_service, answered) = (Arc::clone(&in_service), Arc::clone(&answered));
            // In a box, for hyper keeps its place as long as the connection lives, and it is large.
            Box::pin(async move {
                let answer = served.await;
                in_service.fetch_sub(1, Relaxed);
                answered.notify_one();
                Ok::<_, Infallible>(answer)
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
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let mut quiet = Quiet::new(head_timeout);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    if error.is_parse() {
                        registry.count_refused(Refused::Malformed);
                    }
                    tracing::debug!(%error, %address, "a client's connection ended with an error");
                }
                return;
            }
            () = stopped_and_answered(&mut stopping, &in_service, &answered), if !quiet.is_stopping => {
                quiet.is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(quiet.next_look) => match quiet.look(&watch, in_service.load(Relaxed)) {
                Verdict::Fine => {}
                Verdict::SlowHead => {
                    registry.count_refused(Refused::Timeout);
                    tracing::debug!(%address, "a request head did not arrive in time");
                    return;
                }
                Verdict::Idle => connection.as_mut().graceful_shutdown(),
            },
        }
    }
}

/// The gateway stops, and no request is without its answer's head: hyper would close the socket behind a 101.
async fn stopped_and_answered(
    stopping: &mut watch::Receiver<bool>,
    in_service: &AtomicUsize,
    answered: &Notify,
) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
    while in_service.load(Relaxed) > 0 {
        answered.notified().await;
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
