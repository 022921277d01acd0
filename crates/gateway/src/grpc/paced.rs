//! One half of a stream that may carry so much in a time. What comes too early is kept back, as it came, and looked at when
//! it goes on: so it counts as read then, as if it had waited in the sender's kernel. The window that the gateway gives
//! bounds it, and is not given again before it is delivered, so that the sender waits as well.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use model::{Direction, Moment};
use parking_lot::Mutex;

use super::half::Half;
use crate::bypass::{Passing, Strand};
use crate::clock;
use crate::delivery::WAITING_MAX;
use crate::entry::Entry;
use crate::pacing::Pacing;

/// See the module.
#[derive(Debug)]
pub struct PacedHalf {
    direction: Direction,
    half: Half,
    entry: Arc<Entry>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pacing: Pacing,
    held: Held,
    /// A piece is on its way from `held`: what comes meanwhile follows it.
    is_releasing: bool,
    /// Of the call's task, which lets go on what is held.
    waker: Option<Waker>,
}

/// What is kept back, in the pieces in which it came; of more than are remembered, the last stands for all.
#[derive(Debug, Default)]
struct Held {
    bytes: BytesMut,
    lengths: VecDeque<usize>,
}

impl PacedHalf {
    /// Nothing has come yet.
    pub fn new(direction: Direction, half: Half, entry: &Arc<Entry>, pacing: Pacing) -> Arc<PacedHalf> {
        let state = State { pacing, held: Held::default(), is_releasing: false, waker: None };
        Arc::new(PacedHalf { direction, half, entry: Arc::clone(entry), state: Mutex::new(state) })
    }

    /// Lets go on what may; the task of `cx`, which is the call's, is woken when more may, and when nothing is held any
    /// more.
    pub fn release(&self, strand: &Arc<Strand>, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(piece)) = self.poll_next(cx) {
            let now = clock::now();
            let messages = self.half.take(&piece, now);
            self.state.lock().pacing.take(&self.entry, messages, piece.len() as u64, now);
            if let Some(link) = strand.push(&piece) {
                link.wake_task();
            }
            let mut state = self.state.lock();
            state.is_releasing = false;
            if state.held.lengths.is_empty() {
                cx.waker().wake_by_ref();
            }
        }
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.state.lock();
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        if state.held.lengths.is_empty() {
            return Poll::Ready(None);
        }
        ready!(state.pacing.poll_allowed(&self.entry, self.direction, cx));
        let piece = state.held.next();
        state.is_releasing = piece.is_some();
        Poll::Ready(piece)
    }

    /// Whether something has come that has not gone on.
    pub fn is_holding(&self) -> bool {
        self.state.lock().is_holding()
    }

    /// Drops what is held; gives how many bytes that is.
    pub fn end(&self) -> usize {
        std::mem::take(&mut self.state.lock().held).bytes.len()
    }

    /// How long it is until there is a token again.
    pub fn wait(&self) -> Duration {
        self.state.lock().pacing.wait(clock::now())
    }
}

impl State {
    fn is_holding(&self) -> bool {
        self.is_releasing || !self.held.lengths.is_empty()
    }
}

impl Held {
    fn add(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        let is_full = self.lengths.len() >= WAITING_MAX;
        match self.lengths.back_mut().filter(|_| is_full) {
            Some(last) => *last += data.len(),
            None => self.lengths.push_back(data.len()),
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        let length = self.lengths.pop_front()?;
        let piece = self.bytes.split_to(length).freeze();
        if self.lengths.is_empty() {
            *self = Held::default();
        }
        Some(piece)
    }
}

impl Passing for Arc<PacedHalf> {
    fn read(&self, data: &[u8], at: Moment) -> bool {
        let mut state = self.state.lock();
        if state.is_holding() || state.pacing.is_to_wait(at) {
            state.held.add(data);
            state.waker.iter().for_each(Waker::wake_by_ref);
            return false;
        }
        let messages = self.half.take(data, at);
        state.pacing.take(&self.entry, messages, data.len() as u64, at);
        true
    }

    fn delivered(&self, bytes: usize, now: Moment) {
        self.half.delivered(bytes, now);
    }

    fn stalls(&self, bytes: usize) {
        self.half.stalls(bytes);
    }

    fn goes_on(&self) {
        self.half.goes_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_go_on_as_they_came_and_are_bounded() {
        let mut held = Held::default();
        held.add(b"one");
        held.add(b"three");
        assert_eq!(held.next().as_deref(), Some(&b"one"[..]));
        held.add(b"x");
        assert_eq!(held.next().as_deref(), Some(&b"three"[..]));
        assert_eq!(held.next().as_deref(), Some(&b"x"[..]));
        assert_eq!(held.next(), None);
        (0..5000).for_each(|_| held.add(b"ab"));
        assert_eq!(held.lengths.len(), WAITING_MAX);
        let lengths: Vec<usize> = std::iter::from_fn(|| held.next()).map(|piece| piece.len()).collect();
        assert_eq!((lengths[0], lengths.iter().sum::<usize>()), (2, 10_000));
    }
}
