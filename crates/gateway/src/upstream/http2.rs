//! Connections to an upstream that speaks HTTP/2: few, each with many streams.

use std::sync::Arc;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{self, ResponseFuture, SendRequest};
use http::Request;
use meter::RouteMeter;
use model::Leg;
use tokio::sync::Mutex;

use super::{ConnectError, Connector, SendError};
use crate::bypass::{CONNECTION_WINDOW, Link, STREAM_WINDOW, drive};
use crate::gather::gathering;
use crate::head::HEAD_BYTES_MAX;
use crate::leg::Watch;

/// Connections to one upstream; beyond that, streams wait for their turn.
const LINES_MAX: usize = 16;

/// How often a stream is tried on another connection when one has just ended.
const TRIES_MAX: usize = 3;

/// What h2 may charge for small DATA frames that wait, 256 bytes less its length for each: a window full of frames
/// of 16 bytes. Beyond it h2 gives the connection up; with its own limit, one client that takes no small messages
/// would end the streams of all others.
const SMALL_FRAMES_BUDGET: usize = CONNECTION_WINDOW as usize / 16 * 256;

/// See the module.
#[derive(Debug, Default)]
pub struct Lines(Mutex<Vec<Line>>);

#[derive(Clone, Debug)]
struct Line {
    requests: SendRequest<Bytes>,
    watch: Arc<Watch>,
    link: Arc<Link>,
    use_count: Arc<()>,
}

/// A stream whose request head is on its way.
pub struct Opened {
    /// The answer's head to come.
    pub answer: ResponseFuture,
    /// For the request's body.
    pub body: SendStream<Bytes>,
    /// The leg.
    pub watch: Arc<Watch>,
    /// Its connection.
    pub link: Arc<Link>,
    /// The connection is in use for as long as this lives.
    pub in_use: Arc<()>,
}

impl Lines {
    /// Opens a stream, on a new connection when the known ones are full.
    ///
    /// # Errors
    /// The upstream was not reached, or its connections end as soon as they are used.
    pub(super) async fn open(
        &self,
        connector: &Connector,
        head: &Request<()>,
        route: &Arc<RouteMeter>,
    ) -> Result<Opened, SendError> {
        let mut last = String::new();
        for _ in 0..TRIES_MAX {
            let line = self.line(connector, route).await.map_err(SendError::Connect)?;
            let ready = tokio::time::timeout(connector.connect_timeout, line.requests.ready()).await;
            let sent = match ready {
                Ok(ready) => ready.and_then(|mut requests| requests.send_request(head.clone(), false)),
                Err(_) => return Err(SendError::NoAnswer("all its streams are in use".to_owned())),
            };
            match sent {
                Ok((answer, body)) => {
                    line.link.expect(body.stream_id().as_u32());
                    let Line { watch, link, use_count: in_use, .. } = line;
                    return Ok(Opened { answer, body, watch, link, in_use });
                }
                Err(error) => last = error.to_string(),
            }
            self.0.lock().await.retain(|known| !Arc::ptr_eq(&known.watch, &line.watch));
        }
        Err(SendError::NoAnswer(last))
    }

    async fn line(&self, connector: &Connector, route: &Arc<RouteMeter>) -> Result<Line, ConnectError> {
        let mut lines = self.0.lock().await;
        lines.retain(Line::is_open);
        let is_full = lines.len() >= LINES_MAX;
        let least = lines.iter().min_by_key(|line| line.streams());
        if let Some(line) = least.filter(|line| is_full || line.has_room()) {
            return Ok(line.clone());
        }
        let line = connect(connector, route).await?;
        lines.push(line.clone());
        Ok(line)
    }
}

impl Line {
    fn is_open(&self) -> bool {
        self.watch.end().is_none() && !self.link.frames().is_going_away()
    }

    /// Streams that are open on it, those about to be included.
    fn streams(&self) -> usize {
        Arc::strong_count(&self.use_count) - 1
    }

    fn has_room(&self) -> bool {
        self.streams() < self.requests.current_max_send_streams()
    }
}

async fn connect(connector: &Connector, route: &Arc<RouteMeter>) -> Result<Line, ConnectError> {
    let stream = connector.connect_http2().await?;
    let link = Link::new(Leg::Upstream);
    let watch = Watch::of_http2(&stream, &link);
    link.frames().carry(route);
    let handshake = client::Builder::new()
        .initial_window_size(STREAM_WINDOW.upstream)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(SMALL_FRAMES_BUDGET)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .enable_push(false)
        .handshake::<_, Bytes>(link.pipe());
    let (requests, connection) = handshake.await.map_err(|error| ConnectError::Http2(error.to_string()))?;
    let serving = async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an upstream's connection ended with an error");
        }
    };
    tokio::spawn(gathering(drive(stream, &[], &watch, &link, serving)));
    Ok(Line { requests, watch, link, use_count: Arc::default() })
}
