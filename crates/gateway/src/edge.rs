//! A socket whose readiness is told by a reactor: it is tried while it is believed ready, and waits for the next
//! edge after it would block (epoll(7), edge-triggered).

use std::io::{self, IoSlice, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::task::Poll;

use mio::event::Event;
use mio::net::TcpStream;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::ReadBuf;

const READABLE: u8 = 1;
const WRITABLE: u8 = 2;
/// The peer has ended: there is no further edge to wait for.
const READ_CLOSED: u8 = 4;
/// The connection has failed, or failed to come about.
const FAILED: u8 = 8;

/// What the edges of a socket have told. One thread alone has to do with it.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// An edge has come.
    pub fn note(&self, event: &Event) {
        let mut fresh = 0;
        if event.is_readable() || event.is_read_closed() {
            fresh |= READABLE;
        }
        if event.is_read_closed() {
            fresh |= READ_CLOSED;
        }
        if event.is_writable() || event.is_write_closed() {
            fresh |= WRITABLE;
        }
        if event.is_error() || event.is_write_closed() {
            fresh |= FAILED;
        }
        self.set(fresh);
    }

    /// Whether something may be there to be read.
    pub fn is_readable(&self) -> bool {
        self.has(READABLE)
    }

    fn has(&self, flag: u8) -> bool {
        self.0.load(Relaxed) & flag != 0
    }

    fn set(&self, flags: u8) {
        self.0.store(self.0.load(Relaxed) | flags, Relaxed);
    }

    fn clear(&self, flag: u8) {
        self.0.store(self.0.load(Relaxed) & !flag, Relaxed);
    }
}

/// See the module.
#[derive(Debug)]
pub struct EdgeSocket(TcpStream);

impl EdgeSocket {
    /// The socket does not block. What it has to read, and that it can be written, is told by the first edge, which its
    /// registration brings.
    pub fn new(tcp: TcpStream) -> EdgeSocket {
        EdgeSocket(tcp)
    }

    /// For registration.
    pub fn source(&mut self) -> &mut TcpStream {
        &mut self.0
    }

    /// Reads once. What fills less than the buffer has drained the socket.
    pub fn poll_read(&mut self, ready: &Readiness, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !ready.has(READABLE) {
            return Poll::Pending;
        }
        let room = buf.initialize_unfilled();
        let size = room.len();
        match recv(&self.0, room, RecvFlags::empty()).map_err(io::Error::from) {
            Ok((read, _)) => {
                if read < size && !ready.has(READ_CLOSED) {
                    ready.clear(READABLE);
                }
                buf.advance(read);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready.clear(READABLE);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Waits until connect(2) is through. Where a peer is near, it often is before the first edge is told.
    pub fn poll_connected(&self, ready: &Readiness) -> Poll<io::Result<()>> {
        if !ready.has(WRITABLE) {
            if self.0.peer_addr().is_err() {
                return Poll::Pending;
            }
            ready.set(WRITABLE);
        }
        if !ready.has(FAILED) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.0.take_error().and_then(|error| error.map_or(Ok(()), Err)))
    }

    /// Sends once.
    pub fn poll_write(&mut self, ready: &Readiness, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(ready, |tcp| Ok(send(tcp, bytes, SendFlags::NOSIGNAL)?))
    }

    /// Sends the parts once.
    pub fn poll_write_vectored(
        &mut self,
        ready: &Readiness,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(ready, |mut tcp| tcp.write_vectored(parts))
    }

    /// Sends the parts once, and asks for a stamp of their acknowledgement.
    pub fn poll_send_stamped(&mut self, ready: &Readiness, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll_send(ready, |tcp| kernel::send_stamped(tcp.as_fd(), parts))
    }

    fn poll_send(
        &mut self,
        ready: &Readiness,
        send: impl FnOnce(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if !ready.has(WRITABLE) {
            return Poll::Pending;
        }
        match send(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready.clear(WRITABLE);
                Poll::Pending
            }
            sent => Poll::Ready(sent),
        }
    }

    /// Ends this direction: a FIN is queued.
    ///
    /// # Errors
    /// As shutdown(2).
    pub fn shut(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

impl AsFd for EdgeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<EdgeSocket> for OwnedFd {
    fn from(socket: EdgeSocket) -> OwnedFd {
        socket.0.into()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_near_peer_is_reached_before_an_edge_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens on loopback");
        let to = listener.local_addr().expect("is bound");
        let mut socket = EdgeSocket::new(TcpStream::connect(to).expect("begins to connect"));
        let ready = Readiness::default();
        let deadline = Instant::now() + Duration::from_secs(10);
        while socket.poll_connected(&ready).map(|connected| connected.expect("is accepted")).is_pending() {
            assert!(Instant::now() < deadline, "connect(2) is through in time");
            thread::yield_now();
        }
        assert!(matches!(socket.poll_write(&ready, b"1"), Poll::Ready(Ok(1))));
    }
}
