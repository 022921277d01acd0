//! Acknowledgement timestamps: when the peer's kernel had what was sent, as told by TCP's own
//! acknowledgements.
//!
//! See `Documentation/networking/timestamping.rst` of the kernel.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::sys;

/// How many messages [`read_stamps`] takes from the error queue at most.
pub const STAMPS_PER_READ: usize = 64;

/// The peer's kernel acknowledged everything up to and including one byte.
///
/// It tells of the peer's kernel, not of its application: what is never read is acknowledged as well, until
/// the receive window is full.
///
/// **The time is an upper bound.** A receiver may delay an acknowledgement to send it along with data of its
/// own; Linux does so by 40 ms, others by up to 500 ms (RFC 1122 section 4.2.3.2). Take the least of several,
/// or drop those near 40 ms. A lost segment adds its retransmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckStamp {
    /// The last byte of a stamped send, counted from 0 at [`enable_stamps`] over all bytes sent since,
    /// stamped or not. Wraps to 0 after 4,294,967,295: compare by wrapping subtraction.
    pub offset: u32,
    /// When the acknowledgement arrived, on `CLOCK_REALTIME` since the Unix epoch, as [`realtime_now`]. The
    /// clock may be set between a send and its stamp: drop a stamp that is older than its send.
    pub at: Duration,
}

/// Lets a connected socket give acknowledgement timestamps for the sends that ask for one, and starts
/// counting offsets. Repeated, it changes nothing.
///
/// Stamps that wait to be read take room in the receive buffer and raise `EPOLLERR`, though the connection is
/// well: drain them with [`read_stamps`]. An event loop that takes `EPOLLERR` for the end of writing, as
/// tokio's does for as long as the socket is registered, then spins in the next write that would block;
/// register the socket anew after draining.
///
/// # Errors
/// `EINVAL` if the socket is listening or not connected; `ENOTSOCK` for what is no socket. `EAGAIN` before Linux
/// 6.2 while anything written is not acknowledged, from which it would count: try again later.
pub fn enable_stamps(fd: BorrowedFd<'_>) -> io::Result<()> {
    sys::enable_stamps(fd)
}

/// Sends the parts one after another (at most 1,024 of them) and asks that the acknowledgement of the last byte accepted be stamped. Never blocks and
/// raises no signal. Returns how many bytes were accepted.
///
/// Each send that was accepted whole gives one stamp, unless the kernel is short of memory or the receive
/// buffer is full. One that was accepted in part may give none. So never wait for a stamp without a limit.
///
/// # Errors
/// As send(2): `EAGAIN` when the send buffer is full, `EPIPE` and `ECONNRESET` when the connection has ended.
/// Nothing was sent then.
pub fn send_stamped(fd: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    sys::send_stamped(fd, parts)
}

/// Moves the stamps that wait on the socket's error queue to the end of `stamps`, oldest first, and returns
/// how many. Takes [`STAMPS_PER_READ`] at most: after that many there may be more.
///
/// # Errors
/// `ENOTSOCK` for what is no socket. Stamps that were read before an error stay in `stamps`.
pub fn read_stamps(fd: BorrowedFd<'_>, stamps: &mut Vec<AckStamp>) -> io::Result<usize> {
    sys::read_stamps(fd, stamps)
}

/// Now, on the clock of [`AckStamp::at`].
pub fn realtime_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
