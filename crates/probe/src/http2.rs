//! Connections of HTTP/2 (RFC 9113), each with a chosen number of streams.

use bytes::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Method, Request, Uri, Version};
use tokio::sync::Mutex;

use crate::dial::{Dialer, Stages};
use crate::failure::{Failure, Kind};
use crate::stream::Stream;
use crate::target::Target;

/// Bytes of one answer that may come before they are taken.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// Opens streams to one target. The streams of a connection are opened one after the other; when it has its
/// number, the next connection is made.
pub struct Lines {
    dialer: Dialer,
    streams_each: u32,
    current: Mutex<Option<Line>>,
}

struct Line {
    requests: SendRequest<Bytes>,
    streams_left: u32,
}

/// A stream whose request head is on its way.
pub struct OpenedStream {
    /// The answer's head to come.
    pub answer: ResponseFuture,
    /// For the request's body.
    pub body: SendStream<Bytes>,
    /// Of its connection, when it is the first one on it.
    pub stages: Option<Stages>,
}

impl Lines {
    /// So many streams on each connection.
    pub fn new(dialer: Dialer, streams_each: u32) -> Lines {
        Lines { dialer, streams_each: streams_each.max(1), current: Mutex::new(None) }
    }

    /// Opens a stream; on a new connection, `number` chooses its source address.
    ///
    /// # Errors
    /// The target was not reached, it does not speak HTTP/2, or its connection ended.
    pub async fn open(
        &self,
        number: u64,
        head: Request<()>,
        has_ended: bool,
    ) -> Result<OpenedStream, Failure> {
        let (requests, stages) = match self.streams_each {
            1 => {
                let (requests, stages) = self.connect(number).await?;
                (requests, Some(stages))
            }
            _ => self.shared(number).await?,
        };
        let opened = match requests.ready().await {
            Ok(mut requests) => requests.send_request(head, has_ended),
            Err(error) => Err(error),
        };
        match opened {
            Ok((answer, body)) => Ok(OpenedStream { answer, body, stages }),
            Err(error) => {
                // The next stream gets a connection that is not broken.
                *self.current.lock().await = None;
                Err(error.into())
            }
        }
    }

    async fn shared(&self, number: u64) -> Result<(SendRequest<Bytes>, Option<Stages>), Failure> {
        let mut current = self.current.lock().await;
        if let Some(line) = current.as_mut().filter(|line| line.streams_left > 0) {
            line.streams_left -= 1;
            return Ok((line.requests.clone(), None));
        }
        *current = None;
        let (requests, stages) = self.connect(number).await?;
        *current = Some(Line { requests: requests.clone(), streams_left: self.streams_each - 1 });
        Ok((requests, Some(stages)))
    }

    async fn connect(&self, number: u64) -> Result<(SendRequest<Bytes>, Stages), Failure> {
        let (stream, stages) = self.dialer.connect(number).await?;
        if matches!(&stream, Stream::Tls(tls) if tls.get_ref().1.alpn_protocol() != Some(b"h2")) {
            return Err(Failure::new(Kind::Tls, "HTTP/2 was not agreed on (ALPN h2)"));
        }
        let (requests, connection) = client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .enable_push(false)
            .handshake::<_, Bytes>(stream)
            .await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection of HTTP/2 ended with an error");
            }
        });
        Ok((requests, stages))
    }
}

/// A request's head for a target.
///
/// # Errors
/// It is no valid URL of HTTP.
pub fn request(target: &Target, method: Method) -> Result<Request<()>, String> {
    let scheme = if target.is_tls { "https" } else { "http" };
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(target.authority.as_str())
        .path_and_query(target.path.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let request = Request::builder().method(method).uri(uri).version(Version::HTTP_2).body(());
    request.map_err(|error| error.to_string())
}

/// Gives back the room that `bytes` took, so that more can come.
///
/// # Errors
/// The stream is over.
pub fn make_room(body: &mut RecvStream, bytes: usize) -> Result<(), Failure> {
    Ok(body.flow_control().release_capacity(bytes)?)
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Failure {
        let kind = match (error.get_io(), error.reason()) {
            (Some(io), _) => Failure::from(std::io::Error::from(io.kind())).kind,
            (None, Some(_)) if error.is_reset() && error.is_remote() => Kind::Reset,
            (None, Some(_)) if error.is_go_away() && error.is_remote() => Kind::Closed(None),
            (None, _) => Kind::Protocol,
        };
        Failure::new(kind, error.to_string())
    }
}
