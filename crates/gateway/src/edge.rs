//! A socket whose readiness is told by a reactor: it is tried while it is believed ready, and waits for the next
//! edge after it would block (epoll(7), edge-triggered).

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::Poll;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use tokio::io::ReadBuf;

/// See the module.
#[derive(Debug)]
pub struct EdgeSocket {
    tcp: TcpStream,
    is_readable: bool,
    is_writable: bool,
    /// The peer has ended: there is no further edge to wait for.
    is_read_closed: bool,
}

impl EdgeSocket {
    /// The socket must not block. What it has to read is told by the first edge, which its registration brings.
    pub fn new(tcp: std::net::TcpStream) -> EdgeSocket {
        let tcp = TcpStream::from_std(tcp);
        EdgeSocket { tcp, is_readable: false, is_writable: true, is_read_closed: false }
    }

    /// Waits for edges from now on.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.tcp, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// An edge has come.
    pub fn note(&mut self, event: &Event) {
        self.is_read_closed |= event.is_read_closed();
        self.is_readable |= event.is_readable() || self.is_read_closed;
        self.is_writable |= event.is_writable() || event.is_write_closed();
    }

    /// Reads once. What fills less than the buffer has drained the socket.
    pub fn poll_read(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.is_readable {
            return Poll::Pending;
        }
        let room = buf.initialize_unfilled();
        let size = room.len();
        match self.tcp.read(room) {
            Ok(read) => {
                self.is_readable = self.is_read_closed || read == size;
                buf.advance(read);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_readable = false;
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Sends once.
    pub fn poll_write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(|mut tcp| tcp.write(bytes))
    }

    /// Sends the parts once.
    pub fn poll_write_vectored(&mut self, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll_send(|mut tcp| tcp.write_vectored(parts))
    }

    /// Sends the parts once, and asks for a stamp of their acknowledgement.
    pub fn poll_send_stamped(&mut self, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll_send(|tcp| kernel::send_stamped(tcp.as_fd(), parts))
    }

    fn poll_send(&mut self, send: impl FnOnce(&TcpStream) -> io::Result<usize>) -> Poll<io::Result<usize>> {
        if !self.is_writable {
            return Poll::Pending;
        }
        match send(&self.tcp) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_writable = false;
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
        self.tcp.shutdown(Shutdown::Write)
    }
}

impl AsFd for EdgeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }
}
