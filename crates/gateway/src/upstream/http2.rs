//! Connections to an upstream that speaks HTTP/2: few, each with many streams.

use std::sync::Arc;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{self, ResponseFuture, SendRequest};
use http::Request;
use meter::RouteMeter;
use tokio::sync::Mutex;

use super::{ConnectError, Connector, SendError};
use crate::gather::gathering;
use crate::head::HEAD_BYTES_MAX;
use crate::leg::{Watch, Watched};

/// Connections to one upstream; beyond that, streams wait for their turn.
const LINES_MAX: usize = 16;

/// How often a stream is tried on another connection when one has just ended.
const TRIES_MAX: usize = 3;

/// Bytes of one answer that the upstream may send before they are read.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

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
                    return Ok(Opened { answer, body, watch: line.watch, in_use: line.use_count });
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
        self.watch.end().is_none() && self.watch.frames().is_some_and(|frames| !frames.is_going_away())
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
    let stream = Watched::http2_upstream(connector.connect_http2().await?);
    let watch = Arc::clone(stream.watch());
    if let Some(mut frames) = watch.frames() {
        frames.carry(route);
    }
    let handshake = client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(SMALL_FRAMES_BUDGET)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .enable_push(false)
        .handshake::<_, Bytes>(stream);
    let (requests, connection) = handshake.await.map_err(|error| ConnectError::Http2(error.to_string()))?;
    tokio::spawn(async move {
        if let Err(error) = gathering(connection).await {
            tracing::debug!(%error, "an upstream's connection ended with an error");
        }
    });
    Ok(Line { requests, watch, use_count: Arc::default() })
}
