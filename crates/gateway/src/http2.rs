//! HTTP/2 towards clients (RFC 9113), by h2: each stream is served as a request of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use model::Refused;
use model::record::What;
use tokio::sync::watch;

use crate::body::{AnswerBody, BodyError, RequestBody};
use crate::bypass::{CONNECTION_WINDOW, Gone, Pipe, STREAM_WINDOW, drive};
use crate::exchange::{self, ClientConnection, Served};
use crate::gather::gathering;
use crate::grpc;
use crate::head::HEAD_BYTES_MAX;
use crate::leg::{Stream, Watch};
use crate::listener::KEEP_ALIVE;

/// Streams that a client may have open at once.
const STREAMS_MAX: u32 = 256;

/// Serves a client's connection to its end; `early` are bytes that were read from it already.
pub async fn serve(
    stream: Stream,
    early: Bytes,
    client: ClientConnection,
    head_timeout: Duration,
    stopping: watch::Receiver<bool>,
) {
    let watch = Arc::clone(&client.watch);
    let link = watch.link().expect("the client speaks HTTP/2");
    let serving = serve_pipe(link.pipe(), client, head_timeout, stopping);
    gathering(drive(stream, &early, &watch, link, serving)).await;
}

async fn serve_pipe(
    pipe: Pipe,
    client: ClientConnection,
    head_timeout: Duration,
    stopping: watch::Receiver<bool>,
) {
    let address = client.peer.address;
    let handshake = server::Builder::new()
        .initial_window_size(STREAM_WINDOW.client)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .handshake::<_, Bytes>(pipe);
    let connection = match tokio::time::timeout(head_timeout, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            client.shared.registry.count_refused(Refused::Malformed);
            return tracing::debug!(%error, %address, "no valid start of HTTP/2");
        }
        Err(_) => {
            client.shared.registry.count_refused(Refused::Timeout);
            return tracing::debug!(%address, "HTTP/2 was not started in time");
        }
    };
    serve_streams(connection, client, head_timeout, stopping).await;
}

async fn serve_streams(
    mut connection: server::Connection<Pipe, Bytes>,
    client: ClientConnection,
    head_timeout: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let address = client.peer.address;
    let mut is_ending = false;
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping), if !is_ending => {
                is_ending = true;
                connection.graceful_shutdown();
            }
            accepted = connection.accept() => match accepted {
                None => return,
                Some(Err(error)) => {
                    if error.is_library() {
                        client.shared.registry.count_refused(Refused::Malformed);
                    }
                    return tracing::debug!(%error, %address, "a client's connection ended with an error");
                }
                Some(Ok((request, respond))) => {
                    let watch = Arc::new(Watch::of_stream(&client.watch, respond.stream_id().as_u32()));
                    let client = ClientConnection { watch, ..client.clone() };
                    tokio::spawn(serve_stream(client, request, respond));
                }
            },
            () = tokio::time::sleep(if is_ending { head_timeout } else { KEEP_ALIVE }) => {
                match (connection.has_streams(), is_ending) {
                    (true, _) => {}
                    (false, true) => return tracing::debug!(%address, "a client does not answer our goodbye"),
                    (false, false) => {
                        is_ending = true;
                        connection.graceful_shutdown();
                    }
                }
            }
        }
    }
}

async fn serve_stream(
    client: ClientConnection,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    if grpc::is_call(&request) {
        return grpc::serve(client, request, respond).await;
    }
    let watch = Arc::clone(&client.watch);
    leave(&watch, &respond);
    let request = request.map(|body| RequestBody::new(ReceivedBody(body)));
    let answer = tokio::select! {
        biased;
        served = exchange::serve(client, request) => match served {
            Served::Answer(answer) => answer,
            Served::Live(_) => return,
        },
        reset = poll_fn(|cx| respond.poll_reset(cx)) => {
            note_reset(reset, &watch);
            return;
        }
    };
    answer_with(answer, respond, &watch).await;
}

/// DATA of the request is left to h2.
pub fn leave(watch: &Watch, respond: &SendResponse<Bytes>) {
    if let Some(link) = watch.link() {
        link.leave(respond.stream_id().as_u32());
    }
}

/// Sends an answer to its end, or as far as the client takes it.
pub async fn answer_with(answer: Response<AnswerBody>, respond: SendResponse<Bytes>, watch: &Watch) {
    if let Err(error) = send(answer, respond, watch).await {
        tracing::debug!(%error, "an answer was not sent to its end");
    }
}

/// Sends an answer as the client's windows allow.
async fn send(
    answer: Response<AnswerBody>,
    mut respond: SendResponse<Bytes>,
    watch: &Watch,
) -> Result<(), BodyError> {
    let (mut parts, mut body) = answer.into_parts();
    parts.version = http::Version::HTTP_2;
    parts.headers.remove(header::CONNECTION);
    let has_no_body = body.is_end_stream();
    let mut stream = respond.send_response(Response::from_parts(parts, ()), has_no_body)?;
    if has_no_body {
        return Ok(());
    }
    loop {
        let frame = tokio::select! {
            biased;
            reset = poll_fn(|cx| stream.poll_reset(cx)) => return Err(note_reset(reset, watch)),
            frame = body.frame() => frame,
        };
        match frame {
            None => return Ok(stream.send_data(Bytes::new(), true)?),
            Some(Err(error)) => {
                stream.send_reset(reason_of(&error));
                return Err(error);
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => send_data(data, &mut stream, watch).await?,
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return Ok(stream.send_trailers(trailers)?);
                }
            },
        }
    }
}

/// What a client is told of a body that breaks off.
fn reason_of(error: &BodyError) -> Reason {
    let own = error.downcast_ref::<h2::Error>().and_then(h2::Error::reason);
    own.unwrap_or(Reason::INTERNAL_ERROR)
}

async fn send_data(data: Bytes, stream: &mut SendStream<Bytes>, watch: &Watch) -> Result<(), BodyError> {
    let (link, id) = (watch.link().ok_or("the client speaks no HTTP/2")?, stream.stream_id().as_u32());
    let is_gone = link.send(id, &data) == Err(Gone);
    poll_fn(|cx| {
        if let Poll::Ready(reset) = stream.poll_reset(cx) {
            return Poll::Ready(Err(note_reset(reset, watch)));
        }
        if is_gone { Poll::Pending } else { link.poll_drained(id, cx).map(Ok) }
    })
    .await
}

/// Notes that the client has reset its stream; without that, the connection's end tells more.
fn note_reset(reset: Result<Reason, h2::Error>, watch: &Watch) -> BodyError {
    match reset {
        Ok(reason) => {
            watch.note_end(What::RstStream, Some(u32::from(reason).into()));
            format!("reset by the client: {reason}").into()
        }
        Err(error) => error.into(),
    }
}

/// The body of a request, whose window opens as it is read.
struct ReceivedBody(RecvStream);

impl Body for ReceivedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match ready!(self.0.poll_data(cx)) {
            Some(Ok(data)) => {
                self.0.flow_control().release_capacity(data.len())?;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => {
                let trailers = ready!(self.0.poll_trailers(cx))?;
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
