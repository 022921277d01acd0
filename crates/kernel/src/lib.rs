//! What the Linux kernel tells of one TCP socket.
//!
//! - [`tcp_info`]: round trips, retransmissions, bytes, and what sending waited for
//! - [`accept_queue`]: connections that wait at a listening socket
//! - [`unread_bytes`], [`queued_bytes`], [`unsent_bytes`]: the depth of the socket's queues
//! - [`Shown`]: all of these together, of a socket that someone else owns and may close
//! - [`enable_stamps`], [`send_stamped`], [`read_stamps`]: when the peer's kernel acknowledged what was sent
//!
//! Every other call takes a borrowed file descriptor, makes system calls that never block, and keeps nothing.
//! Elsewhere than on Linux each answers [`Unsupported`](std::io::ErrorKind::Unsupported).
//!
//! All unsafe code of the project is in this crate's `linux.rs`.

mod accept_queue;
mod ack_stamps;
mod queues;
mod shown;
mod tcp_info;

#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod sys;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
#[expect(unsafe_code, reason = "system calls that no safe wrapper covers")]
mod sys;

pub use accept_queue::{AcceptQueue, accept_queue};
pub use ack_stamps::{AckStamp, STAMPS_PER_READ, enable_stamps, read_stamps, realtime_now, send_stamped};
pub use queues::{queued_bytes, unread_bytes, unsent_bytes};
pub use shown::{Account, Shown};
pub use tcp_info::{TcpInfo, TcpState, tcp_info};
