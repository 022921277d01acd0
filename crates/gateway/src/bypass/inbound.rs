//! What comes in on a connection: frames for h2, and DATA that passes by it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Buf as _, BytesMut};
use model::{Leg, Moment};
use tokio::io::ReadBuf;

use super::Link;
use super::cut::{self, Cutter, HEADER_BYTES, Head, PAYLOAD_BYTES_MAX, Piece, flag, kind};
use super::outbound;
use super::strand::Strand;
use crate::clock;

/// Streams that are followed at a time, more than h2 lets be open. What is read together may begin more, for h2 to refuse.
const STREAMS_MAX: usize = 10_000;

/// The initial window, among settings (RFC 9113, section 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;

/// Widens any window further than one may be; twice, as one that is narrow enough would bear the first.
const TOO_WIDE: u32 = (1 << 31) - 1;

/// See the module.
#[derive(Debug)]
pub struct Inbound {
    leg: Leg,
    cutter: Cutter,
    /// Streams whose half of the peer is open.
    streams: BTreeMap<u32, Stream>,
    /// The highest that the client has opened.
    last_opened: u32,
    /// The highest that the gateway has not refused beforehand, by GOAWAY.
    last_allowed: u32,
    /// The initial windows that settings set which h2 has not acknowledged: a peer may hold us to the old one until then.
    settings: VecDeque<Option<u32>>,
    /// Only CONTINUATION frames may come now.
    is_in_head: bool,
    for_h2: BytesMut,
    /// The same, once the header block is complete.
    behind_head: BytesMut,
    end: Option<io::Result<()>>,
}

/// What is done with the DATA of a stream.
#[derive(Debug)]
enum Stream {
    /// No head has come: there may be none.
    Asked,
    /// It is not known yet, so it is held.
    Held(Held),
    /// h2 has it.
    Left,
    /// It passes to another connection.
    Direct(Arc<Strand>),
}

#[derive(Debug)]
struct Held {
    data: Vec<u8>,
    since: Moment,
    has_ended: bool,
}

impl Inbound {
    /// Nothing has come yet.
    pub fn new(leg: Leg) -> Inbound {
        Inbound {
            leg,
            cutter: match leg {
                Leg::Client => Cutter::behind_preface(),
                Leg::Upstream => Cutter::new(),
            },
            streams: BTreeMap::new(),
            last_opened: 0,
            last_allowed: u32::MAX,
            settings: VecDeque::new(),
            is_in_head: false,
            for_h2: BytesMut::new(),
            behind_head: BytesMut::new(),
            end: None,
        }
    }

    /// Takes bytes that were read from the peer of `link`.
    pub fn read(&mut self, link: &Link, bytes: &[u8], at: Moment, woken: &mut Vec<Arc<Link>>) {
        let before = self.for_h2.len();
        let mut cutter = std::mem::take(&mut self.cutter);
        cutter.cut(bytes, &mut |piece| match piece {
            Piece::Frame(head, frame) => self.frame(link, head, frame, at, woken),
            Piece::Other(bytes) => self.for_h2.extend_from_slice(bytes),
        });
        self.cutter = cutter;
        if self.for_h2.len() > before {
            link.frames().read(&self.for_h2[before..]);
        }
    }

    /// Nothing more comes.
    pub fn end(&mut self, end: io::Result<()>) {
        self.end.get_or_insert(end);
    }

    /// The connection is over.
    pub fn close(&mut self) {
        self.streams.clear();
        self.last_allowed = 0;
    }

    /// Bytes that h2 has not taken.
    pub fn length(&self) -> usize {
        self.for_h2.len()
    }

    /// Whether h2 has something to read.
    pub fn has_for_h2(&self) -> bool {
        !self.for_h2.is_empty() || self.end.is_some()
    }

    /// Gives h2 what is for it.
    pub fn poll_read(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.for_h2.is_empty() {
            let taken = self.for_h2.len().min(buf.remaining());
            buf.put_slice(&self.for_h2[..taken]);
            self.for_h2.advance(taken);
            if self.for_h2.is_empty() {
                self.for_h2 = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        match &self.end {
            None => Poll::Pending,
            Some(Ok(())) => Poll::Ready(Ok(())),
            Some(Err(error)) => Poll::Ready(Err(error.kind().into())),
        }
    }

    /// The gateway has opened a stream.
    pub fn ask(&mut self, stream: u32) {
        self.streams.insert(stream, Stream::Asked);
    }

    /// Settings are acknowledged; gives the initial window that they set.
    pub fn acknowledge(&mut self) -> Option<u32> {
        self.settings.pop_front().flatten()
    }

    /// The gateway refuses streams above this one.
    pub fn allow(&mut self, last: u32) {
        self.last_allowed = self.last_allowed.min(last);
    }

    /// Forgets a stream; gives how many bytes of it were held.
    pub fn remove(&mut self, stream: u32) -> usize {
        match self.streams.remove(&stream) {
            Some(Stream::Held(held)) => held.data.len(),
            _ => 0,
        }
    }

    /// DATA of a stream passes from now on; true when there is something for h2.
    pub fn pass(
        &mut self,
        link: &Link,
        stream: u32,
        strand: &Arc<Strand>,
        woken: &mut Vec<Arc<Link>>,
    ) -> bool {
        let Some(state) = self.streams.get_mut(&stream) else { return false };
        let Stream::Held(Held { data, since, has_ended }) = state else { return false };
        let (data, since, has_ended) = (std::mem::take(data), *since, *has_ended);
        strand.go_direct();
        // No more than a window is held.
        strand.spend(data.len());
        *state = Stream::Direct(Arc::clone(strand));
        if !data.is_empty() {
            woken.extend(strand.pass(&data, since).map(Arc::clone));
            if !link.holds_what_waits() {
                link.give_back(data.len());
            }
        }
        if has_ended {
            self.end_direct(stream);
        }
        has_ended
    }

    /// DATA of a stream is left to h2; gives how many bytes of it were held.
    pub fn leave(&mut self, stream: u32) -> Option<usize> {
        let state = self.streams.get_mut(&stream)?;
        let Stream::Held(_) = state else { return None };
        let Stream::Held(held) = std::mem::replace(state, Stream::Left) else { return None };
        if held.has_ended {
            self.streams.remove(&stream);
        }
        let mut parts = held.data.chunks(PAYLOAD_BYTES_MAX).peekable();
        if parts.peek().is_none() && held.has_ended {
            self.tell(&end_of(stream));
        }
        while let Some(part) = parts.next() {
            let is_last = held.has_ended && parts.peek().is_none();
            let flags = if is_last { flag::END_STREAM } else { 0 };
            let head = Head { length: part.len(), kind: kind::DATA, flags, stream };
            self.tell(&head.to_bytes());
            self.tell(part);
        }
        Some(held.data.len())
    }

    fn frame(&mut self, link: &Link, head: Head, frame: &[u8], at: Moment, woken: &mut Vec<Arc<Link>>) {
        if self.is_in_head {
            self.is_in_head = head.kind == kind::CONTINUATION && !head.has(flag::END_HEADERS);
            self.for_h2.extend_from_slice(frame);
            if !self.is_in_head {
                let behind = std::mem::take(&mut self.behind_head);
                self.for_h2.extend_from_slice(&behind);
            }
            return;
        }
        let is_for_h2 = match head.kind {
            kind::DATA => self.data(link, head, frame, at, woken),
            kind::HEADERS => {
                self.headers(link, head);
                true
            }
            kind::RST_STREAM => {
                if head.length == 4 {
                    link.give_back(self.remove(head.stream));
                    let waiting = link.outbound.lock().remove(head.stream);
                    super::lose(waiting);
                }
                true
            }
            kind::SETTINGS => {
                if head.stream == 0 && !head.has(flag::ACK) {
                    self.settings.push_back(initial_window(frame));
                }
                true
            }
            kind::WINDOW_UPDATE => self.widen(link, head, frame),
            _ => true,
        };
        if is_for_h2 {
            self.for_h2.extend_from_slice(frame);
        }
        self.is_in_head = head.kind == kind::HEADERS && !head.has(flag::END_HEADERS);
    }

    /// Whether the frame is for h2.
    fn data(
        &mut self,
        link: &Link,
        head: Head,
        frame: &[u8],
        at: Moment,
        woken: &mut Vec<Arc<Link>>,
    ) -> bool {
        let Some(data) = cut::unpadded(head, frame) else { return true };
        let (has_ended, padding) = (head.has(flag::END_STREAM), head.length - data.len());
        let mut gone = padding;
        let is_within = match self.streams.get_mut(&head.stream) {
            None | Some(Stream::Asked) => return true,
            Some(Stream::Left) => {
                if has_ended {
                    self.streams.remove(&head.stream);
                }
                return true;
            }
            Some(Stream::Held(held)) if held.has_ended => {
                self.leave_now(link, head.stream);
                return true;
            }
            Some(Stream::Held(held)) => {
                held.take(data, at);
                held.has_ended = has_ended;
                held.data.len() <= super::STREAM_WINDOW[link.leg] as usize
            }
            Some(Stream::Direct(strand)) => {
                let is_within = strand.spend(head.length);
                if !data.is_empty() {
                    woken.extend(strand.pass(data, at).map(Arc::clone));
                }
                if padding > 0 {
                    strand.give_back(padding);
                }
                if !link.holds_what_waits() {
                    gone = head.length;
                }
                is_within
            }
        };
        let is_within = link.credit.spend(head.length) && is_within;
        if gone > 0 {
            link.give_back(gone);
        }
        if has_ended && matches!(self.streams.get(&head.stream), Some(Stream::Direct(_))) {
            self.end_direct(head.stream);
        }
        if !is_within {
            let too_wide = cut::of_number(kind::WINDOW_UPDATE, 0, TOO_WIDE);
            self.tell(&too_wide);
            self.tell(&too_wide);
        }
        false
    }

    fn headers(&mut self, link: &Link, head: Head) {
        let Head { stream, .. } = head;
        let has_ended = head.has(flag::END_STREAM);
        match self.streams.get_mut(&stream) {
            Some(Stream::Held(_)) if has_ended => self.leave_now(link, stream),
            Some(Stream::Direct(strand)) if has_ended => strand.note_end(),
            Some(state @ Stream::Asked) => *state = Stream::Held(Held::since(clock::now())),
            Some(_) => {}
            None => return self.begin(link, stream, has_ended),
        }
        if has_ended {
            self.streams.remove(&stream);
        }
    }

    /// A stream of the client.
    fn begin(&mut self, link: &Link, stream: u32, has_ended: bool) {
        let is_new = stream % 2 == 1 && stream > self.last_opened && stream <= self.last_allowed;
        if self.leg == Leg::Upstream || !is_new || self.streams.len() >= STREAMS_MAX {
            return;
        }
        self.last_opened = stream;
        link.outbound.lock().begin(stream);
        if !has_ended {
            self.streams.insert(stream, Stream::Held(Held::since(clock::now())));
        }
    }

    /// Whether the frame is for h2.
    fn widen(&mut self, link: &Link, head: Head, frame: &[u8]) -> bool {
        let increment = cut::number(frame).filter(|increment| *increment > 0 && head.length == 4);
        let Some(increment) = increment else { return true };
        let mut outbound = link.outbound.lock();
        let widened = match head.stream {
            0 => outbound.widen(increment).map(|()| true),
            stream => outbound.widen_stream(stream, increment),
        };
        match widened {
            Ok(is_known) => !is_known,
            Err(outbound::Overflow) => {
                self.for_h2.extend_from_slice(&cut::of_number(kind::WINDOW_UPDATE, head.stream, TOO_WIDE));
                self.for_h2.extend_from_slice(&cut::of_number(kind::WINDOW_UPDATE, head.stream, TOO_WIDE));
                false
            }
        }
    }

    fn leave_now(&mut self, link: &Link, stream: u32) {
        if let Some(bytes) = self.leave(stream) {
            link.credit.forget(bytes);
        }
    }

    /// h2 is told the end of a stream that it has seen no DATA of.
    fn end_direct(&mut self, stream: u32) {
        if let Some(Stream::Direct(strand)) = self.streams.remove(&stream) {
            strand.note_end();
        }
        self.tell(&end_of(stream));
    }

    /// Tells h2 what the peer did not say so, where a frame may stand.
    fn tell(&mut self, frame: &[u8]) {
        let place = if self.is_in_head { &mut self.behind_head } else { &mut self.for_h2 };
        place.extend_from_slice(frame);
    }
}

impl Held {
    fn since(since: Moment) -> Held {
        Held { data: Vec::new(), since, has_ended: false }
    }

    fn take(&mut self, data: &[u8], at: Moment) {
        if self.data.is_empty() {
            self.since = at;
        }
        self.data.extend_from_slice(data);
    }
}

/// A DATA frame that is nothing but the end of its stream.
fn end_of(stream: u32) -> [u8; HEADER_BYTES] {
    Head { length: 0, kind: kind::DATA, flags: flag::END_STREAM, stream }.to_bytes()
}

/// The initial window that SETTINGS set.
fn initial_window(frame: &[u8]) -> Option<u32> {
    let (settings, _) = frame[HEADER_BYTES..].as_chunks::<6>();
    let mut sizes = settings.iter().filter_map(|&[high, low, a, b, c, d]| {
        let is_window = u16::from_be_bytes([high, low]) == INITIAL_WINDOW_SIZE;
        is_window.then_some(u32::from_be_bytes([a, b, c, d]))
    });
    sizes.next_back().filter(|size| *size <= TOO_WIDE)
}
