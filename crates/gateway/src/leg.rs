//! One of the two TCP connections that the gateway joins, plain or in TLS, with a thin seam that notes how it
//! ends.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use model::record::What;
use model::{Http2Error, Leg, Moment};
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::bypass::Link;
use crate::clock;
use crate::head::HeadTap;
use crate::socket::{Handle, Socket};

/// A connected stream.
#[derive(Debug)]
pub enum Stream {
    /// Bytes as they are on the socket.
    Plain(Socket),
    /// Bytes inside TLS.
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Bytes inside TLS.
    pub fn tls(stream: impl Into<TlsStream<Socket>>) -> Stream {
        Stream::Tls(Box::new(stream.into()))
    }

    fn socket(&self) -> &Socket {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Whether TLS is spoken, and this protocol was not agreed on in it (ALPN: RFC 7301).
    pub fn has_not_agreed_on(&self, protocol: &[u8]) -> bool {
        matches!(self, Stream::Tls(stream) if stream.get_ref().1.alpn_protocol() != Some(protocol))
    }

    /// The socket below, as others see it.
    pub fn handle(&self) -> &Arc<Handle> {
        self.socket().handle()
    }

    /// Whether nothing can be read before its reactor tells of another edge.
    pub fn is_drained(&self) -> bool {
        matches!(self, Stream::Plain(socket) if socket.is_drained())
    }

    /// See [`Socket::register`].
    ///
    /// # Errors
    /// As there.
    pub fn register(&mut self, leg: Leg) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.register(leg),
            Stream::Tls(stream) => stream.get_mut().0.register(leg),
        }
    }

    /// See [`Socket::writable`].
    ///
    /// # Errors
    /// As there.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket().writable().await
    }

    /// See [`Socket::leave_reactor`].
    ///
    /// # Errors
    /// As there.
    pub fn leave_reactor(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.leave_reactor(),
            Stream::Tls(stream) => stream.get_mut().0.leave_reactor(),
        }
    }

    /// See [`Socket::limit_unsent`].
    pub fn limit_unsent(&self, bytes: u32) {
        if let Err(error) = self.socket().limit_unsent(bytes) {
            tracing::debug!(%error, "TCP_NOTSENT_LOWAT could not be set: more waits in the kernel");
        }
    }

    /// Makes the drop of this stream send RST instead of FIN, to pass on a reset from the other leg.
    pub fn reset_on_drop(&self) {
        if let Err(error) = self.socket().reset_on_drop() {
            tracing::debug!(%error, "SO_LINGER could not be set: the peer sees FIN instead of RST");
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Bytes of a head that are read at once.
const READ_BYTES: usize = 2048;

/// Reads once, behind what was read before, so that no more memory is held than there are bytes. Tells how many came.
///
/// # Errors
/// As read(2).
pub async fn read_some(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        let mut room = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut room))?;
        read.extend_from_slice(room.filled());
        Poll::Ready(Ok(room.filled().len()))
    })
    .await
}

/// What an I/O error says of the end of a leg.
pub fn end_of(error: &io::Error) -> What {
    match error.kind() {
        io::ErrorKind::TimedOut => What::TcpTimeout,
        io::ErrorKind::InvalidData => What::TlsAlert,
        io::ErrorKind::UnexpectedEof => What::Fin,
        _ => What::Rst,
    }
}

/// Notes of a leg that outlive their owner: HTTP owns the stream while it is spoken, and those who serve the
/// request read here what happened to it. A stream of HTTP/2 has notes of its own above those of its connection.
#[derive(Debug, Default)]
pub struct Watch {
    end: Mutex<Option<LegEnd>>,
    head: Mutex<HeadTap>,
    link: Option<Arc<Link>>,
    flushes: Mutex<Vec<Arc<dyn OnFlush>>>,
    has_unflushed: AtomicBool,
    socket: Option<Arc<Handle>>,
    connection: Option<Arc<Watch>>,
    /// Number of the stream, of notes of one.
    stream: u32,
}

/// How a leg ended.
#[derive(Clone, Copy, Debug)]
pub struct LegEnd {
    /// What was seen.
    pub what: What,
    /// Code of an RST_STREAM frame.
    pub error: Option<Http2Error>,
    /// When.
    pub at: Moment,
}

impl LegEnd {
    /// It ends now.
    pub fn now(what: What, error: Option<Http2Error>) -> LegEnd {
        LegEnd { what, error, at: clock::now() }
    }
}

/// Told when everything handed to a leg has been accepted by its kernel socket.
pub trait OnFlush: Send + Sync + std::fmt::Debug {
    /// All of it has been accepted.
    fn flushed(&self);

    /// Whether nothing is left for another flush. Something is when it was handed over while this flush was told of.
    fn is_delivered(&self) -> bool;
}

impl Watch {
    /// Notes of the stream of that number of an HTTP/2 connection.
    pub fn of_stream(connection: &Arc<Watch>, stream: u32) -> Watch {
        let head = Mutex::new(HeadTap::closed());
        Watch { head, connection: Some(Arc::clone(connection)), stream, ..Watch::default() }
    }

    /// The stream of HTTP/2 that the notes are of, and its connection.
    pub fn stream(&self) -> Option<(&Arc<Link>, u32)> {
        Some((self.connection.as_ref()?.link()?, self.stream))
    }

    /// Notes of a client's leg that speaks HTTP/1.1, and a tap on its request heads.
    pub fn of_http1_client(stream: &Stream) -> Arc<Watch> {
        Watch::of(stream, HeadTap::default())
    }

    /// Notes of a leg with this stream; `head` taps its request heads.
    fn of(stream: &Stream, head: HeadTap) -> Arc<Watch> {
        let socket = Some(Arc::clone(stream.handle()));
        Arc::new(Watch { head: Mutex::new(head), socket, ..Watch::default() })
    }

    /// The socket of the leg.
    pub fn socket(&self) -> Option<&Arc<Handle>> {
        let own = self.socket.as_ref();
        own.or_else(|| self.connection.as_ref().and_then(|connection| connection.socket()))
    }

    /// Whether the leg carries other streams too.
    pub fn is_shared(&self) -> bool {
        self.connection.is_some() || self.link.is_some()
    }

    /// Notes of a leg that speaks HTTP/2.
    pub fn of_http2(stream: &Stream, link: &Arc<Link>) -> Arc<Watch> {
        let (head, link) = (Mutex::new(HeadTap::closed()), Some(Arc::clone(link)));
        Arc::new(Watch { head, link, socket: Some(Arc::clone(stream.handle())), ..Watch::default() })
    }

    /// How the leg ended, when it has.
    pub fn end(&self) -> Option<LegEnd> {
        let own = *self.end.lock();
        own.or_else(|| self.connection.as_ref().and_then(|connection| connection.end()))
    }

    /// Notes the end of the leg; the first one stands.
    pub fn note_end(&self, what: What, error: Option<Http2Error>) {
        self.end.lock().get_or_insert_with(|| LegEnd::now(what, error));
    }

    /// Its connection, when that speaks HTTP/2.
    pub fn link(&self) -> Option<&Arc<Link>> {
        match &self.connection {
            Some(connection) => connection.link(),
            None => self.link.as_ref(),
        }
    }

    /// The tap on the request heads that are read from this leg.
    pub fn head(&self) -> MutexGuard<'_, HeadTap> {
        self.head.lock()
    }

    /// Tells `listener` of flushes, up to the first one after everyone else has let go of it.
    pub fn on_flush(&self, listener: Arc<dyn OnFlush>) {
        match &self.connection {
            Some(connection) => connection.on_flush(listener),
            None => self.flushes.lock().push(listener),
        }
    }

    /// Whether nothing that was offered to the leg is still to be accepted by its kernel socket.
    pub fn is_flushed(&self) -> bool {
        !self.has_unflushed.load(Relaxed)
    }

    /// Everything that was offered to the leg was accepted by its kernel socket.
    pub fn note_flush(&self) {
        self.has_unflushed.store(false, Relaxed);
        let let_go = {
            let mut flushes = self.flushes.lock();
            flushes.iter().for_each(|listener| listener.flushed());
            let is_over =
                |listener: &mut Arc<dyn OnFlush>| Arc::strong_count(listener) == 1 && listener.is_delivered();
            flushes.extract_if(.., is_over).collect::<Vec<_>>()
        };
        drop(let_go);
    }
}

/// A stream that speaks HTTP/1.1, watched.
#[derive(Debug)]
pub struct Watched {
    stream: Stream,
    early: Bytes,
    watch: Arc<Watch>,
}

impl Watched {
    /// Watches a client's stream. `early` are bytes that were read from it already.
    pub fn new(stream: Stream, early: Bytes, watch: &Arc<Watch>) -> Watched {
        Watched { stream, early, watch: Arc::clone(watch) }
    }

    /// Watches an upstream's stream that speaks HTTP/1.1.
    pub fn http1_upstream(stream: Stream) -> Watched {
        let watch = Watch::of(&stream, HeadTap::closed());
        Watched { stream, early: Bytes::new(), watch }
    }

    /// The notes.
    pub fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// The stream alone, once HTTP is over, and what of the early bytes nobody has read.
    pub fn into_parts(self) -> (Stream, Bytes) {
        (self.stream, self.early)
    }

    fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            self.watch.note_end(end_of(error), None);
        }
        result
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.early.is_empty() {
            let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
            self.noted(result)?;
        } else {
            let taken = self.early.len().min(buf.remaining());
            buf.put_slice(&self.early[..taken]);
            self.early.advance(taken);
            if self.early.is_empty() {
                self.early = Bytes::new();
            }
        }
        let fresh = &buf.filled()[before..];
        if fresh.is_empty() && buf.remaining() > 0 {
            self.watch.note_end(What::Fin, None);
        }
        self.watch.head.lock().read(fresh, clock::now());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.watch.has_unflushed.store(true, Relaxed);
        let result = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        Poll::Ready(self.noted(result))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch.has_unflushed.store(true, Relaxed);
        let result = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs));
        Poll::Ready(self.noted(result))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.noted(result)?;
        self.watch.note_flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
