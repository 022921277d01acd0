//! One direction of a stream that passes from one connection to another.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use model::Moment;

use super::outbound::Pushed;
use super::{Link, STREAM_WINDOW};

/// Looks at what passes. It is called under locks: it may not wait, and knows nothing of connections.
pub trait Passing: Send + Sync + fmt::Debug {
    /// Data was read. False when it is kept back, to go on by [`Strand::push`] later; then all that follows is, until
    /// that has.
    fn read(&self, data: &[u8], at: Moment) -> bool;

    /// So much of it, in the order in which it was read, was accepted by the receiver's kernel socket.
    fn delivered(&self, bytes: usize, now: Moment);

    /// So much has to wait for a window of the receiver.
    fn stalls(&self, bytes: usize);

    /// Nothing waits for a window any more.
    fn goes_on(&self);
}

/// See the module.
#[derive(Debug)]
pub struct Strand {
    /// Looks at it.
    pub passing: Box<dyn Passing>,
    from: Arc<Link>,
    from_stream: u32,
    to: Arc<Link>,
    to_stream: u32,
    credit: Credit,
    /// Its DATA does not go through h2, which has a window of its own.
    is_direct: AtomicBool,
    has_ended: AtomicBool,
}

impl Strand {
    /// From one stream to another.
    pub fn new(
        (from, from_stream): (&Arc<Link>, u32),
        (to, to_stream): (&Arc<Link>, u32),
        passing: Box<dyn Passing>,
    ) -> Arc<Strand> {
        Arc::new(Strand {
            passing,
            from: Arc::clone(from),
            from_stream,
            to: Arc::clone(to),
            to_stream,
            credit: Credit::new(STREAM_WINDOW[from.leg]),
            is_direct: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        })
    }

    /// DATA comes without h2 from now on.
    pub(super) fn go_direct(&self) {
        self.is_direct.store(true, Relaxed);
    }

    /// The sender has ended: its window needs no credit any more.
    pub(super) fn note_end(&self) {
        self.has_ended.store(true, Relaxed);
    }

    /// Takes so much of the stream's window; false when the sender was not allowed so much.
    pub(super) fn spend(&self, bytes: usize) -> bool {
        self.credit.spend(bytes)
    }

    /// Passes on data that was read; gives the connection whose writer is to be woken.
    pub fn pass(self: &Arc<Self>, data: &[u8], at: Moment) -> Option<&Arc<Link>> {
        if self.passing.read(data, at) { self.push(data) } else { None }
    }

    /// Sends on what was read; gives the connection whose writer is to be woken.
    pub fn push(self: &Arc<Self>, data: &[u8]) -> Option<&Arc<Link>> {
        match self.to.push(self.to_stream, data, Some(self)) {
            Pushed::Taken(is_to_wake) => is_to_wake.then_some(&self.to),
            Pushed::Gone => {
                self.lose(data.len());
                None
            }
        }
    }

    /// Data was accepted by the receiver's kernel socket: the sender may send as much again.
    pub(super) fn deliver(&self, bytes: usize, now: Moment) {
        self.passing.delivered(bytes, now);
        self.give_back(bytes);
        self.lose(bytes);
    }

    /// Gives back of the stream's window.
    pub(super) fn give_back(&self, bytes: usize) {
        if self.is_direct.load(Relaxed)
            && let Some(increment) = self.credit.give_back(bytes)
            && !self.has_ended.load(Relaxed)
        {
            self.from.announce(self.from_stream, increment);
        }
    }

    /// Data that waits no longer: the connection's window is for others too.
    pub fn lose(&self, bytes: usize) {
        if self.is_direct.load(Relaxed) && self.from.holds_what_waits() {
            self.from.give_back(bytes);
        }
    }
}

/// A window that was given to a peer.
#[derive(Debug)]
pub struct Credit {
    size: u32,
    /// What the peer has sent and may not yet send again.
    spent: AtomicU32,
    /// What of that it will be told of.
    free: AtomicU32,
}

impl Credit {
    /// A window of so many bytes.
    pub fn new(size: u32) -> Credit {
        Credit { size, spent: AtomicU32::new(0), free: AtomicU32::new(0) }
    }

    /// The peer has sent so much; false when it was not allowed to.
    pub fn spend(&self, bytes: usize) -> bool {
        let bytes = count(bytes);
        self.spent.fetch_add(bytes, Relaxed).saturating_add(bytes) <= self.size
    }

    /// So much is gone; gives by how much the window is to be widened, once that is half of it.
    pub fn give_back(&self, bytes: usize) -> Option<u32> {
        let bytes = count(bytes);
        if self.free.fetch_add(bytes, Relaxed).saturating_add(bytes) < self.size / 2 {
            return None;
        }
        let increment = self.free.swap(0, Relaxed);
        self.spent.fetch_sub(increment, Relaxed);
        (increment > 0).then_some(increment)
    }

    /// Somebody else accounts for so much.
    pub fn forget(&self, bytes: usize) {
        self.spent.fetch_sub(count(bytes), Relaxed);
    }
}

/// Bytes of no more than a window.
fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
