//! The kernel socket of a leg, as others than its owner see it: who holds its [`Handle`] can read the kernel's
//! account of it for as long as it is open, without waking the task that owns it.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use kernel::{Account, Shown, TcpState};
use model::tcp::TcpSample;
use parking_lot::Mutex;

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
            *handle.last.lock() = handle.shown.account().and_then(Result::ok).map(Box::new);
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
    /// While someone watches, a last look is taken before the socket is closed, and kept.
    pub fn watch(&self) {
        self.watchers.fetch_add(1, Relaxed);
    }

    /// Takes back one [`watch`](Handle::watch).
    pub fn unwatch(&self) {
        self.watchers.fetch_sub(1, Relaxed);
    }

    /// Looks at the socket; after its end, what was kept of it. `None` where the kernel tells nothing.
    pub fn read(&self) -> Option<Reading> {
        let account = match self.shown.account() {
            Some(account) => account.ok()?,
            None => self.last.lock().as_deref()?.clone(),
        };
        Some(Reading {
            sample: sample(&account, self.is_shut.load(Relaxed)),
            is_lost: account.info.state == TcpState::Close || self.will_reset.load(Relaxed),
        })
    }
}

/// Numbers of payload alone: the FIN of a socket that was shut is the last byte of its queue.
fn sample(account: &Account, is_shut: bool) -> TcpSample {
    let Account { info, unread_bytes, queued_bytes } = account;
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
