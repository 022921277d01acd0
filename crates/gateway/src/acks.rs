//! Acknowledgement latency, sampled: from a message's last byte accepted by our kernel socket to the
//! acknowledgement of that byte by the receiver's kernel, as the kernel stamps it.
//!
//! The owner of a message takes a [`Sampling`] before it hands the bytes on and completes it when they are
//! accepted; in between, [`crate::socket::Socket`] asks the kernel for a stamp of each send. The stamp bears
//! its own time, so it may be read late: at the next sampling, at a sample of `TCP_INFO`, or at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use kernel::{AckStamp, STAMPS_PER_READ, Shown};
use meter::RouteMeter;
use model::tcp::AckFacts;
use model::{Direction, Moment, Protocol};
use parking_lot::Mutex;

use crate::clock;
use crate::socket::Handle;
use crate::worker;

/// By how much the wall clock may run off the monotonic one between a send and its stamp. Beyond, it was set
/// meanwhile, and what it says of the time between is not known.
const CLOCK_STEP_MAX: Duration = Duration::from_millis(10);

/// Whether one of the next `messages` is to be sampled, after `before` others: the first of all, and then every
/// `one_in`-th. 0 samples none.
pub fn is_due(before: u64, messages: u64, one_in: u32) -> bool {
    one_in > 0 && before.next_multiple_of(one_in.into()) < before + messages
}

/// Whose messages are sampled.
#[derive(Debug)]
pub struct Whose {
    /// Where they are counted.
    pub meter: Arc<RouteMeter>,
    /// WebSocket or SSE.
    pub protocol: Protocol,
    /// Their direction.
    pub direction: Direction,
}

impl Whose {
    fn observe(&self, seconds: f64) {
        let shard = self.meter.shard(worker::index());
        match self.protocol {
            Protocol::WebSocket => shard.websocket.ack_seconds[self.direction].observe(seconds),
            Protocol::Sse => shard.sse.ack_seconds.observe(seconds),
            Protocol::Grpc => {}
        }
    }
}

/// A message of one socket is on its way into the kernel. Dropped, it is not sampled.
#[derive(Debug)]
pub struct Sampling(Arc<Handle>);

impl Sampling {
    /// Begins, unless the socket cannot or an earlier sample is not acknowledged yet.
    pub fn begin(socket: &Arc<Handle>, whose: Whose) -> Option<Sampling> {
        socket.acks.begin(whose, socket.shown()).then(|| Sampling(Arc::clone(socket)))
    }

    /// The kernel has accepted the whole message.
    pub fn complete(self) {
        self.0.acks.accepted();
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        self.0.acks.end();
    }
}

/// The samples of one socket, at most one at a time.
#[derive(Debug, Default)]
pub struct Acks {
    is_sampling: AtomicBool,
    /// Absent before the first sample.
    state: Mutex<Option<Box<State>>>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// The kernel gives no stamps of this socket.
    is_unavailable: bool,
    /// Offset of the last byte of the newest stamped send, while its stamp is not read.
    unread: Option<u32>,
    facts: Option<AckFacts>,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Idle,
    /// Being written; with the newest stamped send of it.
    Writing(Whose, Option<Sent>),
    /// Accepted, not acknowledged.
    Waiting(Whose, Sent),
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    offset: u32,
    asked: Instant,
    acknowledged: Option<Duration>,
}

/// One instant on two clocks: that of durations, and that of the stamps.
#[derive(Clone, Copy, Debug)]
pub struct Instant {
    moment: Moment,
    wall: Duration,
}

impl Instant {
    /// Now.
    pub fn now() -> Instant {
        Instant { moment: clock::now(), wall: kernel::realtime_now() }
    }
}

impl Acks {
    /// Whether sends are to be stamped now.
    pub fn is_sampling(&self) -> bool {
        self.is_sampling.load(Relaxed)
    }

    /// What was sampled; none before the first sample.
    pub fn facts(&self) -> Option<AckFacts> {
        self.state.lock().as_ref()?.facts
    }

    /// A send was stamped whose last byte is at `offset`; `asked` is just before it, so that no sample comes out
    /// shorter than the path.
    pub fn sent(&self, offset: u32, asked: Instant) {
        if let Some(state) = &mut *self.state.lock() {
            state.unread = Some(offset);
            if let Phase::Writing(_, newest) = &mut state.phase {
                *newest = Some(Sent { offset, asked, acknowledged: None });
            }
        }
    }

    /// The kernel gives no stamps of this socket.
    pub fn give_up(&self) {
        if let Some(state) = &mut *self.state.lock() {
            state.is_unavailable = true;
        }
    }

    /// Reads the stamps that wait. Tells whether one may still come.
    pub fn collect(&self, shown: &Shown) -> bool {
        self.state.lock().as_mut().is_some_and(|state| state.collect(shown))
    }

    /// All that was sent is acknowledged: a stamp that is not there was lost.
    pub fn forget_lost(&self) {
        if let Some(state) = &mut *self.state.lock() {
            state.unread = None;
            if matches!(state.phase, Phase::Waiting(..)) {
                state.phase = Phase::Idle;
            }
        }
    }

    fn begin(&self, whose: Whose, shown: &Shown) -> bool {
        let mut place = self.state.lock();
        let state = place.get_or_insert_default();
        state.collect(shown);
        let is_free = matches!(state.phase, Phase::Idle) && !state.is_unavailable;
        if is_free {
            state.phase = Phase::Writing(whose, None);
            self.is_sampling.store(true, Relaxed);
        }
        is_free
    }

    fn accepted(&self) {
        if let Some(state) = &mut *self.state.lock() {
            state.phase = match std::mem::take(&mut state.phase) {
                Phase::Writing(whose, Some(sent)) => Phase::Waiting(whose, sent),
                _ => Phase::Idle,
            };
            state.settle();
        }
    }

    fn end(&self) {
        self.is_sampling.store(false, Relaxed);
        if let Some(state) = &mut *self.state.lock()
            && matches!(state.phase, Phase::Writing(..))
        {
            state.phase = Phase::Idle;
        }
    }
}

impl State {
    fn collect(&mut self, shown: &Shown) -> bool {
        for _ in 0..STAMPS_PER_READ {
            if self.unread.is_none() {
                break;
            }
            match shown.take_stamp() {
                Some(Ok(Some(stamp))) => self.take(stamp),
                _ => break,
            }
        }
        self.settle();
        self.unread.is_some()
    }

    fn take(&mut self, AckStamp { offset, at }: AckStamp) {
        if self.unread == Some(offset) {
            self.unread = None;
        }
        if let Phase::Writing(_, Some(sent)) | Phase::Waiting(_, sent) = &mut self.phase
            && sent.offset == offset
        {
            sent.acknowledged = Some(at);
        }
    }

    /// Counts the sample that was waited for, when it has come.
    fn settle(&mut self) {
        let Phase::Waiting(whose, sent) = &self.phase else { return };
        let Some(acknowledged) = sent.acknowledged else { return };
        if let Some(seconds) = sent.seconds_to(acknowledged) {
            whose.observe(seconds);
            let facts = self.facts.unwrap_or(AckFacts::EMPTY);
            self.facts = Some(facts.with(seconds as f32));
        }
        self.phase = Phase::Idle;
    }
}

impl Sent {
    /// None when the wall clock was set since.
    fn seconds_to(&self, acknowledged: Duration) -> Option<f64> {
        let now = Instant::now();
        let by_clock = now.moment.since(self.asked.moment);
        let by_wall = now.wall.checked_sub(self.asked.wall)?;
        let is_steady = by_clock.abs_diff(by_wall) <= CLOCK_STEP_MAX;
        is_steady.then(|| acknowledged.saturating_sub(self.asked.wall).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_then_one_in_so_many_is_due() {
        let due = |one_in| (0..10).filter(|&before| is_due(before, 1, one_in)).collect::<Vec<_>>();
        assert_eq!(due(4), [0, 4, 8]);
        assert_eq!(due(1), (0..10).collect::<Vec<_>>());
        assert_eq!(due(0), [0; 0]);
        assert_eq!(due(100), [0]);
    }

    #[test]
    fn messages_that_come_together_are_due_when_one_of_them_is() {
        for (before, messages, expected) in [
            (0, 0, false),
            (0, 5, true),
            (1, 63, false),
            (1, 64, true),
            (63, 1, false),
            (63, 2, true),
            (64, 1, true),
        ] {
            assert_eq!(is_due(before, messages, 64), expected, "{messages} after {before}");
        }
    }
}
