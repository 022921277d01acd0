//! What goes out on a connection: h2's frames, and DATA as the windows of the peer allow (RFC 9113, sections 5.2 and
//! 6.9).
//!
//! DATA of a stream that the windows do not let through waits in its lane, in order. So does what comes before the
//! stream's header block was written, which h2 does in its own time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, BytesMut};

use super::cut::{Head, PAYLOAD_BYTES_MAX, kind};
use super::strand::Strand;

/// Window of a connection, and of streams as long as the peer has announced no other (RFC 9113, section 6.9.2).
const WINDOW_INITIAL: i64 = 65_535;

/// Largest window (RFC 9113, section 6.9.1).
const WINDOW_MAX: i64 = (1 << 31) - 1;

/// See the module.
#[derive(Debug)]
pub struct Outbound {
    out: Out,
    /// What may be sent on the connection.
    window: i64,
    /// Initial window of streams.
    initial: i64,
    lanes: BTreeMap<u32, Lane>,
    /// Offset in all that was ever written up to which the kernel socket has accepted it.
    accepted: u64,
    /// Who waits until what was sent on a stream is accepted.
    awaited: BTreeMap<u32, Waker>,
    /// Lanes that wait for the connection's window or for the one who writes, each once.
    blocked: VecDeque<u32>,
    /// Who writes knows that there is something to write.
    is_signalled: bool,
    is_closed: bool,
}

/// Frames to be written.
#[derive(Debug, Default)]
struct Out {
    bytes: Vec<u8>,
    /// Offset in all that was ever written of the end of `bytes`.
    end: u64,
    /// Whose DATA is written or to be written, in order.
    handed: VecDeque<Handed>,
}

/// DATA of a strand.
#[derive(Debug)]
struct Handed {
    end: u64,
    bytes: usize,
    strand: Arc<Strand>,
}

/// A stream whose half towards the peer is open.
#[derive(Debug)]
struct Lane {
    /// Below 0 when the peer has made its initial window smaller.
    window: i64,
    /// Its header block is written.
    is_open: bool,
    is_blocked: bool,
    /// Offset in all that was ever written of the end of its last DATA.
    end: u64,
    waiting: Option<Box<Waiting>>,
}

/// DATA that waits.
#[derive(Debug, Default)]
struct Waiting {
    data: BytesMut,
    strand: Option<Arc<Strand>>,
    /// Is woken when nothing waits any more.
    waker: Option<Waker>,
    /// It waits for a window.
    is_stalled: bool,
}

/// What became of DATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is on its way, or waits; true when the one who writes is to be woken.
    Taken(bool),
    /// The stream is over.
    Gone,
}

/// DATA of a strand, and its number of bytes.
pub type Share = (Arc<Strand>, usize);

/// A window is larger than any may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl Default for Outbound {
    fn default() -> Outbound {
        Outbound {
            out: Out::default(),
            window: WINDOW_INITIAL,
            initial: WINDOW_INITIAL,
            lanes: BTreeMap::new(),
            accepted: 0,
            awaited: BTreeMap::new(),
            blocked: VecDeque::new(),
            is_signalled: false,
            is_closed: false,
        }
    }
}

impl Outbound {
    /// What may be sent on the connection, in bytes.
    pub fn window(&self) -> i64 {
        self.window
    }

    /// Bytes that are to be written.
    pub fn length(&self) -> usize {
        self.out.bytes.len()
    }

    /// A stream begins, whose header block is not written yet.
    pub fn begin(&mut self, stream: u32) {
        if !self.is_closed {
            let window = self.initial;
            let lane = || Lane { window, is_open: false, is_blocked: false, end: 0, waiting: None };
            self.lanes.entry(stream).or_insert_with(lane);
        }
    }

    /// The stream's header block is written: its DATA may follow.
    pub fn open(&mut self, stream: u32) {
        if let Some(lane) = self.lanes.get_mut(&stream)
            && !lane.is_open
        {
            lane.is_open = true;
            self.send_waiting(stream, usize::MAX);
        }
    }

    /// Takes frames of h2; true when the one who writes is to be woken.
    pub fn append(&mut self, frames: &[u8]) -> bool {
        if !self.is_closed {
            self.out.append(frames);
        }
        self.signal()
    }

    /// Takes DATA of a stream.
    pub fn push(&mut self, stream: u32, data: &[u8], strand: Option<&Arc<Strand>>) -> Pushed {
        let Some(lane) = self.lanes.get_mut(&stream) else { return Pushed::Gone };
        let room = lane.window.min(self.out.room(self.window));
        let fits = data.len() <= PAYLOAD_BYTES_MAX && data.len() as i64 <= room;
        if lane.is_open && lane.waiting.is_none() && fits {
            lane.window -= data.len() as i64;
            self.window -= data.len() as i64;
            self.out.data(stream, data, strand);
            lane.end = self.out.end;
        } else {
            let waiting = lane.waiting.get_or_insert_default();
            waiting.data.extend_from_slice(data);
            waiting.strand = strand.cloned();
            self.send_waiting(stream, usize::MAX);
        }
        Pushed::Taken(self.signal())
    }

    /// Ready when nothing of a stream waits.
    pub fn poll_drained(&mut self, stream: u32, cx: &mut Context<'_>) -> Poll<()> {
        match self.lanes.get_mut(&stream).and_then(|lane| lane.waiting.as_mut()) {
            None => Poll::Ready(()),
            Some(waiting) => {
                waiting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ready when the kernel socket has accepted all that was sent on a stream; never when the stream is over.
    pub fn poll_accepted(&mut self, stream: u32, cx: &mut Context<'_>) -> Poll<()> {
        let Some(lane) = self.lanes.get(&stream) else { return Poll::Pending };
        if lane.is_accepted(self.accepted) {
            return Poll::Ready(());
        }
        self.awaited.entry(stream).or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        Poll::Pending
    }

    /// Bytes sent on a stream that wait for a window of the peer, or for the one who writes.
    pub fn waiting(&self, stream: u32) -> usize {
        let lane = self.lanes.get(&stream).filter(|lane| lane.is_open);
        lane.and_then(|lane| lane.waiting.as_ref()).map_or(0, |waiting| waiting.data.len())
    }

    /// The half towards the peer is over; gives what waited.
    pub fn remove(&mut self, stream: u32) -> Option<Share> {
        self.awaited.remove(&stream);
        let waiting = self.lanes.remove(&stream)?.waiting?;
        waiting.end()
    }

    /// The peer lets so much more be sent on the connection.
    ///
    /// # Errors
    /// That is too much.
    pub fn widen(&mut self, increment: u32) -> Result<(), Overflow> {
        self.window = widened(self.window, increment)?;
        self.go_round();
        Ok(())
    }

    /// The peer lets so much more be sent on a stream; false when that is not known here.
    ///
    /// # Errors
    /// That is too much.
    pub fn widen_stream(&mut self, stream: u32, increment: u32) -> Result<bool, Overflow> {
        let Some(lane) = self.lanes.get_mut(&stream) else { return Ok(false) };
        lane.window = widened(lane.window, increment)?;
        self.send_waiting(stream, usize::MAX);
        Ok(true)
    }

    /// The peer sets the initial window, which holds for open streams too (RFC 9113, section 6.9.2).
    pub fn set_initial(&mut self, size: u32) {
        let change = i64::from(size) - self.initial;
        self.initial += change;
        self.lanes.values_mut().for_each(|lane| lane.window += change);
        if change > 0 {
            let waiting = self.lanes.iter().filter(|(_, lane)| lane.waiting.is_some());
            let waiting: Vec<u32> = waiting.map(|(&stream, _)| stream).collect();
            waiting.into_iter().for_each(|stream| self.send_waiting(stream, usize::MAX));
        }
    }

    /// Takes the bytes to be written; who calls this writes them and calls again, until there are none.
    pub fn take(&mut self) -> Vec<u8> {
        self.is_signalled = false;
        let bytes = std::mem::take(&mut self.out.bytes);
        self.go_round();
        bytes
    }

    /// Moves whose DATA lies before the offset `accepted` to `done`.
    pub fn settle(&mut self, accepted: u64, done: &mut Vec<Share>) {
        while let Some(Handed { end, .. }) = self.out.handed.front()
            && *end <= accepted
            && let Some(Handed { strand, bytes, .. }) = self.out.handed.pop_front()
        {
            done.push((strand, bytes));
        }
        if self.out.handed.is_empty() && self.out.handed.capacity() > HANDED_KEPT {
            self.out.handed = VecDeque::new();
        }
        self.accepted = accepted;
        let lanes = &self.lanes;
        self.awaited.retain(|stream, waker| {
            let is_accepted = lanes.get(stream).is_some_and(|lane| lane.is_accepted(accepted));
            if is_accepted {
                waker.wake_by_ref();
            }
            !is_accepted
        });
    }

    /// Nobody waits for the delivery of a strand any more; gives how many bytes of it are on their way.
    pub fn disown(&mut self, strand: &Arc<Strand>) -> usize {
        let mut bytes = 0;
        self.out.handed.retain(|handed| {
            let is_other = !Arc::ptr_eq(&handed.strand, strand);
            bytes += if is_other { 0 } else { handed.bytes };
            is_other
        });
        bytes
    }

    /// Nothing is written any more; gives what was not.
    pub fn close(&mut self) -> Vec<Share> {
        self.is_closed = true;
        self.out.bytes = Vec::new();
        self.awaited.clear();
        let handed = std::mem::take(&mut self.out.handed).into_iter();
        let lanes = std::mem::take(&mut self.lanes).into_values();
        let waiting = lanes.filter_map(|lane| lane.waiting?.end());
        handed.map(|handed| (handed.strand, handed.bytes)).chain(waiting).collect()
    }

    fn signal(&mut self) -> bool {
        !self.out.bytes.is_empty() && !std::mem::replace(&mut self.is_signalled, true)
    }

    /// Lanes that wait for what they share send a frame in turn.
    fn go_round(&mut self) {
        while self.out.room(self.window) > 0
            && let Some(stream) = self.blocked.pop_front()
        {
            if let Some(lane) = self.lanes.get_mut(&stream) {
                lane.is_blocked = false;
                self.send_waiting(stream, 1);
            }
        }
    }

    /// Sends of what waits on a stream what the windows allow, in so many frames at most.
    fn send_waiting(&mut self, stream: u32, frames_max: usize) {
        let Some(lane) = self.lanes.get_mut(&stream).filter(|lane| lane.is_open) else { return };
        let Some(waiting) = &mut lane.waiting else { return };
        for _ in 0..frames_max {
            let room = usize::try_from(lane.window.min(self.out.room(self.window))).unwrap_or(0);
            let length = waiting.data.len().min(room).min(PAYLOAD_BYTES_MAX);
            if length == 0 {
                break;
            }
            lane.window -= length as i64;
            self.window -= length as i64;
            self.out.data(stream, &waiting.data[..length], waiting.strand.as_ref());
            lane.end = self.out.end;
            waiting.data.advance(length);
        }
        if waiting.data.is_empty() {
            if let Some(waiting) = lane.waiting.take() {
                waiting.end();
            }
            return;
        }
        if lane.window.min(self.window) <= 0 {
            waiting.stall();
        }
        if lane.window > 0 && !std::mem::replace(&mut lane.is_blocked, true) {
            self.blocked.push_back(stream);
        }
    }
}

/// Room that is made at once for bytes to be written.
const OUT_BYTES: usize = 2048;

/// Room for so many shares is kept while nothing is on its way.
const HANDED_KEPT: usize = 16;

fn widened(window: i64, increment: u32) -> Result<i64, Overflow> {
    let window = window + i64::from(increment);
    if window > WINDOW_MAX { Err(Overflow) } else { Ok(window) }
}

impl Out {
    /// What may be added, of a connection's window: nothing while enough is to be written, so that streams take turns.
    fn room(&self, window: i64) -> i64 {
        if self.bytes.len() < super::WRITING_MAX { window } else { 0 }
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.bytes.is_empty() {
            self.bytes.reserve(OUT_BYTES);
        }
        self.bytes.extend_from_slice(bytes);
        self.end += bytes.len() as u64;
    }

    fn data(&mut self, stream: u32, data: &[u8], strand: Option<&Arc<Strand>>) {
        let head = Head { length: data.len(), kind: kind::DATA, flags: 0, stream };
        self.append(&head.to_bytes());
        self.append(data);
        if let Some(strand) = strand {
            self.handed.push_back(Handed { end: self.end, bytes: data.len(), strand: Arc::clone(strand) });
        }
    }
}

impl Lane {
    /// Nothing of it waits, and what it has written lies before the offset `accepted`.
    fn is_accepted(&self, accepted: u64) -> bool {
        self.waiting.is_none() && self.end <= accepted
    }
}

impl Waiting {
    fn stall(&mut self) {
        if !std::mem::replace(&mut self.is_stalled, true)
            && let Some(strand) = &self.strand
        {
            strand.passing.stalls(self.data.len());
        }
    }

    /// It waits no longer; gives what is left of it.
    fn end(self) -> Option<Share> {
        let Waiting { data, strand, waker, is_stalled } = self;
        if let Some(waker) = waker {
            waker.wake();
        }
        let strand = strand?;
        if is_stalled {
            strand.passing.goes_on();
        }
        (!data.is_empty()).then_some((strand, data.len()))
    }
}
