//! DATA of HTTP/2 on its way round h2 (`docs/decisions/grpc.md`).
//!
//! h2 speaks HTTP/2 on both legs: heads, the life of streams, settings, and what is to be done with peers who break the
//! rules. Only DATA, which is most of what is carried and needs none of that, takes a shorter way. Beneath h2 lies a
//! [`Link`] for each connection. It cuts what is read into frames and leaves them to h2, but for DATA of a stream that
//! passes to another connection: that is looked at and goes straight to the frames which that one is to write, with one
//! wake for all that was read at once. So no task, no allocation and no lock of h2 is needed for a message.
//!
//! Sending is the bypass' own, of all streams: h2 gets no credit for DATA and sends none. Receiving is shared: streams
//! that are left to h2 (bodies of plain requests) have their windows there, the others here. A stream's window opens again
//! when the receiver's kernel socket has accepted the data, so what waits in the gateway is bounded by the windows that it
//! gives. So does a client's window for its whole connection. That of an upstream, whose streams are of many clients, opens
//! as soon as data has come: a client that takes nothing holds up nobody else. Whoever breaks a rule is given to h2 to be
//! judged.
//!
//! Locks are taken in one order: a connection's `inbound`, then any `outbound`, then what a [`Passing`] needs.

mod cut;
mod drive;
mod inbound;
mod outbound;
mod pipe;
mod strand;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use model::record::Http2Facts;
use model::{Leg, Moment, PerLeg};
use parking_lot::{Mutex, MutexGuard};
use tokio::io::ReadBuf;

pub use self::drive::drive;
use self::inbound::Inbound;
use self::outbound::{Outbound, Pushed, Share};
pub use self::pipe::Pipe;
use self::strand::Credit;
pub use self::strand::{Passing, Strand};
use crate::clock;
use crate::frames::Frames;

/// Bytes of one stream that a peer may send before they are delivered. An upstream, which is near, does with less; its
/// streams add up.
pub const STREAM_WINDOW: PerLeg<u32> = PerLeg { client: 256 * 1024, upstream: 64 * 1024 };

/// The same for all streams of a connection.
pub const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes that wait to be written, from which on h2 may add no more.
const WRITING_MAX: usize = 64 * 1024;

/// Bytes that wait for h2, from which on nothing more is read.
const READING_MAX: usize = 64 * 1024;

/// One connection, as those reach it whose streams it carries.
#[derive(Debug)]
pub struct Link {
    leg: Leg,
    inbound: Mutex<Inbound>,
    outbound: Mutex<Outbound>,
    frames: Mutex<Frames>,
    /// The connection's window for DATA that does not go through h2.
    credit: Credit,
    /// Of the task that reads and writes.
    task: Mutex<Option<Waker>>,
    /// h2 is to be polled.
    is_due: AtomicBool,
    /// h2 waits until enough is written.
    is_held_up: AtomicBool,
    /// The kernel socket takes no more for now.
    is_blocked: AtomicBool,
    /// h2 writes nothing more.
    is_ending: AtomicBool,
    /// When something was last read.
    heard: Arc<AtomicU64>,
    /// Bytes that the kernel may hold unsent; the highest number for no limit.
    unsent_max: AtomicU32,
    /// The end was passed on to the peer.
    is_shut: AtomicBool,
}

/// The stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Link {
    /// A connection on which nothing was said yet.
    pub fn new(leg: Leg) -> Arc<Link> {
        Arc::new(Link {
            leg,
            inbound: Mutex::new(Inbound::new(leg)),
            outbound: Mutex::default(),
            frames: Mutex::new(Frames::new(leg)),
            credit: Credit::new(CONNECTION_WINDOW),
            task: Mutex::default(),
            is_due: AtomicBool::new(true),
            is_held_up: AtomicBool::new(false),
            is_blocked: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            heard: Arc::new(AtomicU64::new(clock::now().0)),
            unsent_max: AtomicU32::new(u32::MAX),
            is_shut: AtomicBool::new(false),
        })
    }

    /// What h2 reads and writes.
    pub fn pipe(self: &Arc<Self>) -> Pipe {
        Pipe::new(self)
    }

    /// Frames other than DATA, as observed.
    pub fn frames(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock()
    }

    /// What is known now, for the record of one of its streams.
    pub fn facts(&self, stream: u32) -> Http2Facts {
        let window = self.outbound.lock().window();
        Http2Facts { stream, connection_window: window, ..self.frames().facts() }
    }

    /// A stream that this side opens, with its head on its way to h2.
    pub fn expect(&self, stream: u32) {
        self.outbound.lock().begin(stream);
    }

    /// DATA of a stream of this connection passes by `strand` from now on. It does not when it has come to its end
    /// before: then h2 has it.
    pub fn pass(&self, stream: u32, strand: &Arc<Strand>) {
        let mut woken = Vec::new();
        let is_due = self.inbound.lock().pass(self, stream, strand, &mut woken);
        woken.iter().for_each(|link: &Arc<Link>| link.wake_task());
        if is_due {
            self.make_due();
        }
    }

    /// DATA of a stream of this connection is left to h2.
    pub fn leave(&self, stream: u32) {
        let left = self.inbound.lock().leave(stream);
        if let Some(bytes) = left {
            self.credit.forget(bytes);
            self.make_due();
        }
    }

    /// Sends DATA of a stream as its windows allow.
    ///
    /// # Errors
    /// The stream is over.
    pub fn send(&self, stream: u32, data: &[u8]) -> Result<(), Gone> {
        match self.push(stream, data, None) {
            Pushed::Gone => Err(Gone),
            Pushed::Taken(is_to_wake) => {
                if is_to_wake {
                    self.wake_task();
                }
                Ok(())
            }
        }
    }

    /// Ready when nothing that was sent on a stream waits for its windows.
    pub fn poll_drained(&self, stream: u32, cx: &mut Context<'_>) -> Poll<()> {
        self.outbound.lock().poll_drained(stream, cx)
    }

    /// Ready when the kernel socket has accepted all that was sent on a stream; never when the stream is over.
    pub fn poll_accepted(&self, stream: u32, cx: &mut Context<'_>) -> Poll<()> {
        self.outbound.lock().poll_accepted(stream, cx)
    }

    /// Bytes sent on a stream that wait for its windows.
    pub fn waiting(&self, stream: u32) -> usize {
        self.outbound.lock().waiting(stream)
    }

    /// The kernel is to hold no more than so many bytes of the connection that are not sent: the least that was ever
    /// asked for stands.
    pub fn limit_unsent(&self, bytes: u32) {
        self.unsent_max.fetch_min(bytes, Relaxed);
    }

    /// Nothing is to come of a stream any more, in either direction; what waits is not sent.
    pub fn forget(&self, stream: u32) {
        let held = self.inbound.lock().remove(stream);
        let waiting = self.outbound.lock().remove(stream);
        self.give_back(held);
        lose(waiting);
    }

    /// The call of a strand is over: what of it is to be written is counted as not sent when the peer takes nothing.
    pub fn disown(&self, strand: &Arc<Strand>) {
        let disowned = if self.is_blocked.load(Relaxed) { self.outbound.lock().disown(strand) } else { 0 };
        strand.lose(disowned);
    }

    /// When something was last read from the peer, whatever stream it is of.
    pub fn heard(&self) -> &Arc<AtomicU64> {
        &self.heard
    }

    /// Sends a PING (RFC 9113, section 6.7). Its answer is heard like all else, and h2, which did not ask, leaves it alone.
    pub fn ping(&self) {
        let payload = rand::random::<[u8; 8]>();
        let head = cut::Head { length: payload.len(), kind: cut::kind::PING, flags: 0, stream: 0 };
        let is_to_wake = self.outbound.lock().append(&[&head.to_bytes()[..], &payload].concat());
        if is_to_wake {
            self.wake_task();
        }
    }

    /// Wakes who reads and writes.
    pub fn wake_task(&self) {
        if let Some(waker) = &*self.task.lock() {
            waker.wake_by_ref();
        }
    }

    fn push(&self, stream: u32, data: &[u8], strand: Option<&Arc<Strand>>) -> Pushed {
        self.outbound.lock().push(stream, data, strand)
    }

    /// Widens a window that the peer has.
    fn announce(&self, stream: u32, increment: u32) {
        let frame = cut::of_number(cut::kind::WINDOW_UPDATE, stream, increment);
        let is_to_wake = self.outbound.lock().append(&frame);
        if is_to_wake {
            self.wake_task();
        }
    }

    /// DATA of so many bytes is gone.
    fn give_back(&self, bytes: usize) {
        if let Some(increment) = self.credit.give_back(bytes) {
            self.announce(0, increment);
        }
    }

    /// Whether data that waits for its receiver holds the connection's window too.
    fn holds_what_waits(&self) -> bool {
        self.leg == Leg::Client
    }

    fn make_due(&self) {
        self.is_due.store(true, Relaxed);
        self.wake_task();
    }

    fn listen(&self, waker: &Waker) {
        let mut task = self.task.lock();
        match &mut *task {
            Some(known) if known.will_wake(waker) => {}
            known => *known = Some(waker.clone()),
        }
    }

    /// Takes bytes that were read from the peer; `woken` are those who have something to write of it.
    fn read(&self, bytes: &[u8], at: Moment, woken: &mut Vec<Arc<Link>>) {
        self.heard.store(at.0, Relaxed);
        let mut inbound = self.inbound.lock();
        inbound.read(self, bytes, at, woken);
        if inbound.has_for_h2() {
            self.is_due.store(true, Relaxed);
        }
    }

    /// Nothing more can be read.
    fn end_read(&self, end: io::Result<()>) {
        self.inbound.lock().end(end);
        self.is_due.store(true, Relaxed);
    }

    /// No more is read before h2 has taken what it has.
    fn is_full(&self) -> bool {
        self.inbound.lock().length() > READING_MAX
    }

    fn take_due(&self) -> bool {
        self.is_due.swap(false, Relaxed)
    }

    /// What lies before the offset `accepted` was accepted by the kernel socket.
    fn settle(&self, accepted: u64, done: &mut Vec<Share>) {
        self.outbound.lock().settle(accepted, done);
        if done.is_empty() {
            return;
        }
        let now = clock::now();
        for (strand, bytes) in done.drain(..) {
            strand.deliver(bytes, now);
        }
    }

    /// The connection is over.
    fn close(&self) {
        self.inbound.lock().close();
        let unsent = self.outbound.lock().close();
        unsent.into_iter().for_each(|share| lose(Some(share)));
    }

    /// Gives h2 what is for it.
    fn poll_read(&self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inbound.lock().poll_read(buf)
    }

    /// Whether h2 has to wait before it writes more, or with `all`, until everything is written.
    fn holds_up(&self, all: bool) -> bool {
        let holds_up = if all {
            self.is_ending.store(true, Relaxed);
            !self.is_shut.load(Relaxed)
        } else {
            self.outbound.lock().length() > WRITING_MAX
        };
        if holds_up {
            self.is_held_up.store(true, Relaxed);
        }
        holds_up
    }
}

/// For h2: whoever wakes this has something for it.
impl Wake for Link {
    fn wake(self: Arc<Self>) {
        self.make_due();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.make_due();
    }
}

fn lose(share: Option<Share>) {
    if let Some((strand, bytes)) = share {
        strand.lose(bytes);
    }
}
