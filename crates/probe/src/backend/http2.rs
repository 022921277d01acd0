//! gRPC methods and event streams over HTTP/2 with prior knowledge.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::split_query;
use super::tick::Ticks;

/// More streams than a client opens.
const STREAMS_MAX: u32 = 1_000_000;

const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// Serves one connection of which `early` was read.
pub(super) async fn run(socket: TcpStream, early: Vec<u8>, ticks: Ticks) -> io::Result<()> {
    let mut connection = server::Builder::new()
        .max_concurrent_streams(STREAMS_MAX)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake::<_, Bytes>(Resumed { early, socket })
        .await
        .map_err(io::Error::other)?;
    while let Some(accepted) = connection.accept().await {
        let (request, answer) = accepted.map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = serve(request, answer, ticks).await {
                tracing::debug!(%error, "a stream ended");
            }
        });
    }
    Ok(())
}

async fn serve(
    request: Request<RecvStream>,
    mut answer: SendResponse<Bytes>,
    ticks: Ticks,
) -> Result<(), h2::Error> {
    let (path, query) = split_query(request.uri().path_and_query().map_or("", |path| path.as_str()));
    let (is_push, ticks) = (path.ends_with("/Push"), ticks.changed_by(query));
    let is_call = request.method() == Method::POST;
    let content_type = if is_call { "application/grpc" } else { "text/event-stream" };
    let head = Response::builder().header(http::header::CONTENT_TYPE, content_type).body(());
    let mut out = answer.send_response(head.expect("a valid head"), false)?;
    if is_call && !is_push {
        return echo(request.into_body(), out).await;
    }
    let mut message = if is_call {
        let message = ticks.message(b"", b"");
        let length = u32::try_from(message.len()).expect("sizes are bounded");
        message.within(&[&[0][..], &length.to_be_bytes()].concat(), b"")
    } else {
        ticks.message(b"data: ", b"\n\n")
    };
    let mut interval = ticks.interval();
    loop {
        interval.tick().await;
        send(&mut out, Bytes::copy_from_slice(message.now())).await?;
    }
}

async fn echo(mut body: RecvStream, mut out: SendStream<Bytes>) -> Result<(), h2::Error> {
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        let length = bytes.len();
        send(&mut out, bytes).await?;
        body.flow_control().release_capacity(length)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    out.send_trailers(trailers)
}

/// Sends as there is room in the windows.
async fn send(out: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        if out.capacity() == 0 {
            out.reserve_capacity(bytes.len());
            match poll_fn(|cx| out.poll_capacity(cx)).await {
                Some(room) => room?,
                None => return Ok(()),
            };
        }
        let length = out.capacity().min(bytes.len());
        out.send_data(bytes.split_to(length), false)?;
    }
    Ok(())
}

/// A socket of which some was read.
struct Resumed {
    early: Vec<u8>,
    socket: TcpStream,
}

impl AsyncRead for Resumed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, buf);
        }
        let taken = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early[..taken]);
        self.early.drain(..taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Resumed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
