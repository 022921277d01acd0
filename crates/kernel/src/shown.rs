//! A socket that its owner shows to others, who may outlive it.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::tcp::TcpSample;

use crate::sys;
use crate::{AckStamp, TcpInfo};

/// Shows one socket until it is hidden: whoever holds a reference can ask the kernel about it, without its
/// owner's help.
///
/// The owner must call [`hide`](Shown::hide) before it closes the socket, else the answers are those of
/// whatever has the number then. Nothing can be done through this but to read them and to take stamps.
#[derive(Debug)]
pub struct Shown(Mutex<Option<RawFd>>);

/// What the kernel tells of a socket, read in one go but not at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its `TCP_INFO`.
    pub info: TcpInfo,
    /// See [`unread_bytes`](crate::unread_bytes).
    pub unread_bytes: u32,
    /// See [`queued_bytes`](crate::queued_bytes).
    pub queued_bytes: u32,
}

impl Account {
    /// Numbers of payload alone, of a moment that is the reader's to add: the FIN of a socket that was shut is the last
    /// byte of its queue.
    pub fn sample(&self, is_shut: bool) -> TcpSample {
        let Account { info, unread_bytes, queued_bytes } = self;
        let fin = u32::from(is_shut);
        let notsent = info.notsent_bytes.unwrap_or_default().saturating_sub(fin);
        let window = info.snd_wnd.unwrap_or(u32::MAX);
        let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f32();
        TcpSample {
            at_seconds: 0.0,
            rtt_seconds: (!info.rtt.is_zero()).then_some(info.rtt.as_secs_f32()),
            min_rtt_seconds: info.min_rtt.map(|time| time.as_secs_f32()),
            retransmits: info.retransmits,
            unanswered: info.timeouts.max(info.probes),
            unread_bytes: *unread_bytes,
            notsent_bytes: notsent,
            unacked_bytes: queued_bytes.saturating_sub(fin).saturating_sub(notsent),
            zero_window: window < notsent.min(info.snd_mss),
            bytes_acked: info.bytes_acked.unwrap_or_default(),
            busy_seconds: seconds(info.busy_time),
            rwnd_limited_seconds: seconds(info.rwnd_limited),
            sndbuf_limited_seconds: seconds(info.sndbuf_limited),
            last_ack_seconds: info.last_ack_recv.as_secs_f32(),
        }
    }
}

impl Shown {
    /// Shows the socket from now on.
    pub fn new(fd: BorrowedFd<'_>) -> Shown {
        Shown(Mutex::new(Some(fd.as_raw_fd())))
    }

    /// The kernel's account of the socket, in up to three system calls; `None` once it is hidden. One less is needed
    /// when nothing is unread and the owner knows it: it has read `read_bytes` since TCP opened, the peer's FIN counted
    /// as one byte.
    ///
    /// # Errors
    /// As [`tcp_info`](crate::tcp_info()) and [`unread_bytes`](crate::unread_bytes).
    #[inline]
    pub fn account(&self, read_bytes: Option<u64>) -> Option<io::Result<Account>> {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.map(|number| sys::account_of(number, read_bytes))
    }

    /// Takes the oldest acknowledgement stamp that waits (see [`enable_stamps`](crate::enable_stamps)), if one
    /// does; `None` once the socket is hidden.
    ///
    /// # Errors
    /// As [`read_stamps`](crate::read_stamps).
    pub fn take_stamp(&self) -> Option<io::Result<Option<AckStamp>>> {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.map(sys::stamp_of)
    }

    /// Shows the socket no longer. When this returns, nobody is reading it any more.
    pub fn hide(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
