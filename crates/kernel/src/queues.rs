//! The depth of a socket's queues, at about half the price of [`tcp_info`](crate::tcp_info()).
//!
//! See tcp(7), ioctls, and `tcp_ioctl` in the kernel's `net/ipv4/tcp.c`.

use std::io;
use std::os::fd::BorrowedFd;

use crate::sys;

/// Bytes received in order that the application has not read yet (`SIOCINQ`).
///
/// # Errors
/// `EINVAL` for a listening socket, `ENOTTY` for what is no socket. Sockets of other protocols may answer, by
/// other rules.
pub fn unread_bytes(fd: BorrowedFd<'_>) -> io::Result<u32> {
    sys::unread_bytes(fd)
}

/// Bytes written that the peer has not acknowledged yet: in flight or unsent (`SIOCOUTQ`).
/// A FIN counts as one byte.
///
/// # Errors
/// As [`unread_bytes`].
pub fn queued_bytes(fd: BorrowedFd<'_>) -> io::Result<u32> {
    sys::queued_bytes(fd)
}

/// Bytes written that were not sent even once (`SIOCOUTQNSD`): held back by the peer's window, by congestion
/// or by Nagle. A FIN counts as one byte.
///
/// # Errors
/// As [`unread_bytes`].
pub fn unsent_bytes(fd: BorrowedFd<'_>) -> io::Result<u32> {
    sys::unsent_bytes(fd)
}
