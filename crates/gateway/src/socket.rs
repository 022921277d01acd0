//! The TCP socket of a leg. Who holds its [`Handle`] can read the kernel's account of it for as long as it is
//! open, without waking the task that owns it.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use kernel::{Account, Shown, TcpState};
use mio::event::Event;
use model::tcp::TcpSample;
use model::{Leg, Moment};
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::acks::{Acks, Instant};
use crate::edge::{EdgeSocket, Readiness};
use crate::reactor;
use crate::upstream::source::InUse;

/// For how long one look at a socket serves those who share it.
const SERVES_FOR: Duration = Duration::from_millis(100);

/// A connected socket, shown to others by its handle. It is with tokio up to the handshake, and may then go to a
/// reactor.
///
/// While its handle's acknowledgements are sampled, it asks the kernel for a stamp of each send. A stamp raises
/// `EPOLLERR`, which tokio keeps as "closed for writing" for as long as the socket is registered: the next send
/// that would block would spin. With tokio such a socket is registered anew at that moment.
#[derive(Debug)]
pub struct Socket {
    /// Before the socket, so that it is dropped first.
    owner: Owner,
    tcp: Tcp,
    /// Bytes accepted since stamps were enabled, once they are.
    counted: Option<u64>,
    /// Behind the socket, so that it counts until that is closed.
    _in_use: Option<InUse>,
}

#[derive(Debug)]
enum Tcp {
    Tokio(TcpStream),
    Edge(EdgeSocket),
    /// It could not be moved.
    Gone,
}

impl Tcp {
    fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Tcp::Tokio(tcp) => Ok(tcp.as_fd()),
            Tcp::Edge(tcp) => Ok(tcp.as_fd()),
            Tcp::Gone => Err(gone()),
        }
    }
}

impl Socket {
    /// Shows `tcp` until this is dropped.
    pub fn new(tcp: TcpStream) -> Socket {
        Socket::of(Tcp::Tokio(tcp))
    }

    /// Shows a socket that the task of a reactor has; nothing is told of it before it is registered.
    pub fn edge(tcp: mio::net::TcpStream) -> Socket {
        Socket::of(Tcp::Edge(EdgeSocket::new(tcp)))
    }

    fn of(tcp: Tcp) -> Socket {
        let owner = Owner::show(tcp.as_fd().expect("it is not gone"));
        Socket { owner, tcp, counted: None, _in_use: None }
    }

    /// Connects `tcp`, for which connect(2) was called, and which does not block; the connection counts as one of
    /// `in_use`, its source address. On a thread of a reactor the task has it as its upstream's leg.
    ///
    /// # Errors
    /// As connect(2).
    pub async fn connect(tcp: std::net::TcpStream, in_use: Option<InUse>) -> io::Result<Socket> {
        let mut socket = if reactor::is_here() {
            let mut socket = Socket::edge(mio::net::TcpStream::from_std(tcp));
            socket.register(Leg::Upstream)?;
            socket
        } else {
            Socket::new(TcpStream::from_std(tcp)?)
        };
        socket._in_use = in_use;
        poll_fn(|cx| socket.poll_connected(cx)).await?;
        Ok(socket)
    }

    fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.tcp {
            Tcp::Tokio(tcp) => {
                ready!(tcp.poll_write_ready(cx))?;
                Poll::Ready(tcp.take_error().and_then(|error| error.map_or(Ok(()), Err)))
            }
            Tcp::Edge(tcp) => tcp.poll_connected(&self.handle().readiness),
            Tcp::Gone => Poll::Ready(Err(gone())),
        }
    }

    /// What others see of it.
    pub fn handle(&self) -> &Arc<Handle> {
        self.owner.handle()
    }

    /// Makes closing it reset the connection, and so drop what it has not sent (`SO_LINGER` of 0: socket(7)).
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn reset_on_drop(&self) -> io::Result<()> {
        SockRef::from(&self.fd()?).set_linger(Some(Duration::ZERO))?;
        self.owner.note_reset();
        Ok(())
    }

    /// Lets the kernel hold only so many bytes that it has not sent (`TCP_NOTSENT_LOWAT`: tcp(7)).
    ///
    /// # Errors
    /// As setsockopt(2).
    pub fn limit_unsent(&self, bytes: u32) -> io::Result<()> {
        SockRef::from(&self.fd()?).set_tcp_notsent_lowat(bytes)
    }

    /// Whether nothing can be read before its reactor tells of another edge; false with tokio.
    pub fn is_drained(&self) -> bool {
        matches!(self.tcp, Tcp::Edge(_)) && !self.handle().readiness.is_readable()
    }

    /// Leaves tokio, for a reactor.
    ///
    /// # Errors
    /// As epoll_ctl(2); nothing can be done with it then.
    pub fn leave_tokio(&mut self) -> io::Result<()> {
        if let Tcp::Tokio(tcp) = mem::replace(&mut self.tcp, Tcp::Gone) {
            self.tcp = Tcp::Edge(EdgeSocket::new(mio::net::TcpStream::from_std(tcp.into_std()?)));
        }
        Ok(())
    }

    /// Leaves the reactor whose task calls this, for tokio.
    ///
    /// # Errors
    /// As epoll_ctl(2); nothing can be done with it then.
    pub fn leave_reactor(&mut self) -> io::Result<()> {
        match mem::replace(&mut self.tcp, Tcp::Gone) {
            Tcp::Edge(mut tcp) => {
                reactor::deregister(tcp.source())?;
                self.tcp = Tcp::Tokio(TcpStream::from_std(OwnedFd::from(tcp).into())?);
            }
            other => self.tcp = other,
        }
        Ok(())
    }

    /// Waits until it can be written to. hyper ends a connection without the answer to a request whose body is still
    /// to come when the answer cannot be written at once, which tokio does not know of a socket that it has just got.
    ///
    /// # Errors
    /// As epoll_wait(2).
    pub async fn writable(&self) -> io::Result<()> {
        match &self.tcp {
            Tcp::Tokio(tcp) => tcp.writable().await,
            Tcp::Edge(_) | Tcp::Gone => Err(gone()),
        }
    }

    /// Is told of edges by the reactor whose task calls this, as its socket of `leg`.
    ///
    /// # Errors
    /// As epoll_ctl(2), or it is still with tokio.
    pub fn register(&mut self, leg: Leg) -> io::Result<()> {
        match &mut self.tcp {
            Tcp::Edge(tcp) => reactor::register(tcp.source(), leg, self.owner.handle()),
            _ => Err(gone()),
        }
    }

    /// Sends small pieces at once (tcp(7)).
    pub fn set_nodelay(&self) {
        if let Err(error) = self.fd().and_then(|fd| SockRef::from(&fd).set_tcp_nodelay(true)) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    }

    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.tcp.as_fd()
    }

    /// Sends while acknowledgements are sampled, and with tokio also after that.
    fn poll_send(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let is_stamped = self.handle().acks.is_sampling() && self.enable_stamps();
        let asked = is_stamped.then(Instant::now);
        let sent = match &mut self.tcp {
            Tcp::Tokio(_) => self.poll_send_by_tokio(cx, parts, is_stamped),
            Tcp::Edge(tcp) if is_stamped => tcp.poll_send_stamped(&self.owner.handle().readiness, parts),
            Tcp::Edge(tcp) => tcp.poll_write_vectored(&self.owner.handle().readiness, parts),
            Tcp::Gone => Poll::Ready(Err(gone())),
        };
        let accepted = self.count(ready!(sent))?;
        if let Some(asked) = asked {
            let last = self.counted.unwrap_or_default().wrapping_sub(1);
            self.handle().acks.sent(last as u32, asked);
            self.handle().has_stamps.store(true, Relaxed);
        }
        Poll::Ready(Ok(accepted))
    }

    fn poll_send_by_tokio(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
        is_stamped: bool,
    ) -> Poll<io::Result<usize>> {
        while let Tcp::Tokio(tcp) = &self.tcp {
            ready!(tcp.poll_write_ready(cx))?;
            let sent = tcp.try_io(tokio::io::Interest::WRITABLE, || match is_stamped {
                true => kernel::send_stamped(tcp.as_fd(), parts),
                false => tcp.try_write_vectored(parts),
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.register_anew(cx)?,
                sent => return Poll::Ready(sent),
            }
        }
        Poll::Ready(Err(gone()))
    }

    fn count(&mut self, sent: io::Result<usize>) -> io::Result<usize> {
        if let (Some(counted), Ok(accepted)) = (&mut self.counted, &sent) {
            *counted += *accepted as u64;
        }
        sent
    }

    fn enable_stamps(&mut self) -> bool {
        if self.counted.is_none() {
            match self.fd().and_then(kernel::enable_stamps) {
                Ok(()) => self.counted = Some(0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::debug!(%error, "acknowledgements are not sampled");
                    self.handle().acks.give_up();
                }
            }
        }
        self.counted.is_some()
    }

    /// Wakes the task, for what it waited for on the old registration.
    fn register_anew(&mut self, cx: &Context<'_>) -> io::Result<()> {
        if self.handle().has_stamps()
            && let Tcp::Tokio(tcp) = mem::replace(&mut self.tcp, Tcp::Gone)
        {
            self.handle().collect_stamps();
            self.tcp = Tcp::Tokio(TcpStream::from_std(tcp.into_std()?)?);
            cx.waker().wake_by_ref();
        }
        Ok(())
    }
}

fn gone() -> io::Error {
    io::Error::other("the socket could not be registered")
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        let (before, room) = (buf.filled().len(), buf.remaining());
        let read = match &mut socket.tcp {
            Tcp::Tokio(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Tcp::Edge(tcp) => tcp.poll_read(&socket.owner.handle().readiness, buf),
            Tcp::Gone => Poll::Ready(Err(gone())),
        };
        ready!(read)?;
        if room > 0 {
            socket.handle().note_read(buf.filled().len() - before);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let sent = match &mut socket.tcp {
            _ if socket.owner.handle().acks.is_sampling() => {
                return socket.poll_send(cx, &[IoSlice::new(buf)]);
            }
            Tcp::Tokio(_) if socket.owner.handle().has_stamps() => {
                return socket.poll_send(cx, &[IoSlice::new(buf)]);
            }
            Tcp::Tokio(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Tcp::Edge(tcp) => tcp.poll_write(&socket.owner.handle().readiness, buf),
            Tcp::Gone => Poll::Ready(Err(gone())),
        };
        sent.map(|sent| socket.count(sent))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let sent = match &mut socket.tcp {
            _ if socket.owner.handle().acks.is_sampling() => return socket.poll_send(cx, bufs),
            Tcp::Tokio(_) if socket.owner.handle().has_stamps() => return socket.poll_send(cx, bufs),
            Tcp::Tokio(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Tcp::Edge(tcp) => tcp.poll_write_vectored(&socket.owner.handle().readiness, bufs),
            Tcp::Gone => Poll::Ready(Err(gone())),
        };
        sent.map(|sent| socket.count(sent))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        match &mut socket.tcp {
            Tcp::Tokio(tcp) => ready!(Pin::new(tcp).poll_shutdown(cx))?,
            Tcp::Edge(tcp) => tcp.shut()?,
            Tcp::Gone => return Poll::Ready(Err(gone())),
        }
        socket.owner.note_shut();
        Poll::Ready(Ok(()))
    }
}

/// Held by the owner of a socket beside it, and dropped before it: hides the socket from those who look.
#[derive(Debug)]
pub struct Owner(Arc<Handle>);

impl Owner {
    /// Shows a socket until this is dropped.
    pub fn show(socket: BorrowedFd<'_>) -> Owner {
        Owner(Arc::new(Handle {
            shown: Shown::new(socket),
            is_shut: AtomicBool::new(false),
            will_reset: AtomicBool::new(false),
            watchers: AtomicU32::new(0),
            last: Mutex::new(None),
            recent: Mutex::new(None),
            acks: Acks::default(),
            has_stamps: AtomicBool::new(false),
            readiness: Readiness::default(),
            read_bytes: AtomicU64::new(0),
            is_at_end: AtomicBool::new(false),
        }))
    }

    /// What others see of the socket.
    pub fn handle(&self) -> &Arc<Handle> {
        &self.0
    }

    /// Notes that the owner has ended its direction: a FIN is queued, which the kernel counts as a byte.
    pub fn note_shut(&self) {
        self.0.is_shut.store(true, Relaxed);
    }

    /// Notes that closing the socket will reset the connection, and so drop what it has not sent.
    pub fn note_reset(&self) {
        self.0.will_reset.store(true, Relaxed);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let handle = &self.0;
        if handle.watchers.load(Relaxed) > 0 {
            handle.acks.collect(&handle.shown);
            *handle.last.lock() = handle.account().and_then(Result::ok).map(Box::new);
        }
        handle.shown.hide();
    }
}

/// See the module.
#[derive(Debug)]
pub struct Handle {
    shown: Shown,
    is_shut: AtomicBool,
    will_reset: AtomicBool,
    watchers: AtomicU32,
    last: Mutex<Option<Box<Account>>>,
    recent: Mutex<Option<Box<(Moment, Reading)>>>,
    /// When what is sent through it is acknowledged.
    pub acks: Acks,
    /// Stamps were asked for that may wait to be read.
    has_stamps: AtomicBool,
    /// With a reactor, what that has seen of it.
    readiness: Readiness,
    /// Payload that the owner has read.
    read_bytes: AtomicU64,
    /// The owner has read the peer's end.
    is_at_end: AtomicBool,
}

/// What a look at a socket tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The numbers; the moment is the reader's to add.
    pub sample: TcpSample,
    /// What is not sent will never be: the connection has ended, or its owner resets it.
    pub is_lost: bool,
}

impl Handle {
    /// Its reactor has seen an edge.
    pub fn note_ready(&self, event: &Event) {
        self.readiness.note(event);
        if self.has_stamps() {
            self.collect_stamps();
        }
    }

    /// The owner has read so many bytes; none for the end.
    fn note_read(&self, bytes: usize) {
        match bytes {
            0 => self.is_at_end.store(true, Relaxed),
            _ => self.read_bytes.store(self.read_bytes.load(Relaxed) + bytes as u64, Relaxed),
        }
    }

    fn account(&self) -> Option<io::Result<Account>> {
        let fin = u64::from(self.is_at_end.load(Relaxed));
        self.shown.account(Some(self.read_bytes.load(Relaxed) + fin))
    }

    fn has_stamps(&self) -> bool {
        self.has_stamps.load(Relaxed)
    }

    fn collect_stamps(&self) {
        self.has_stamps.store(self.acks.collect(&self.shown), Relaxed);
    }

    /// While someone watches, a last look is taken before the socket is closed, and kept.
    pub fn watch(&self) {
        self.watchers.fetch_add(1, Relaxed);
    }

    /// Takes back one [`watch`](Handle::watch).
    pub fn unwatch(&self) {
        self.watchers.fetch_sub(1, Relaxed);
    }

    /// As [`read`](Handle::read), but the newest look serves for a while; with the moment of the look.
    pub fn read_again(&self, now: Moment) -> Option<(Moment, Reading)> {
        let mut recent = self.recent.lock();
        match &*recent {
            Some(known) if now.since(known.0) < SERVES_FOR => Some(**known),
            _ => {
                let fresh = (now, self.read()?);
                *recent = Some(Box::new(fresh));
                Some(fresh)
            }
        }
    }

    /// The socket itself.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Looks at the socket; after its end, what was kept of it. `None` where the kernel tells nothing.
    pub fn read(&self) -> Option<Reading> {
        let account = match self.account() {
            Some(account) => {
                let account = account.ok()?;
                if self.acks.collect(&self.shown) && account.queued_bytes == 0 {
                    self.acks.forget_lost();
                }
                account
            }
            None => self.last.lock().as_deref()?.clone(),
        };
        Some(Reading {
            sample: account.sample(self.is_shut.load(Relaxed)),
            is_lost: account.info.state == TcpState::Close || self.will_reset.load(Relaxed),
        })
    }
}
