//! Connections that wait at a listening socket.

use std::io;
use std::os::fd::BorrowedFd;

use crate::sys;

/// The accept queue of a listening socket (listen(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptQueue {
    /// Connections that are established and not accepted.
    pub waiting: u32,
    /// What `waiting` may reach: the least of what was asked of listen(2) and `net.core.somaxconn`. The queue
    /// is full only beyond it, so one more fits.
    pub limit: u32,
}

/// Asks the kernel for the accept queue of a TCP socket: what `tcp_get_info` in `net/ipv4/tcp.c` tells of a
/// listening one in place of unacknowledged segments.
///
/// # Errors
/// `EINVAL` for a TCP socket that does not listen; for other files as [`tcp_info`](crate::tcp_info()).
pub fn accept_queue(fd: BorrowedFd<'_>) -> io::Result<AcceptQueue> {
    sys::accept_queue(fd)
}
