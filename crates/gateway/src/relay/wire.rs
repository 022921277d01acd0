//! What a relay carries: how its bytes are looked at and measured, and how the gateway takes its leave.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use model::event::CloseCode;
use model::record::What;
use model::{Direction, Leg, Moment};

use super::{MessageEnd, WAITING_ENDS_MAX};
use crate::entry::Entry;
use crate::session::Session;

/// One protocol as a relay sees it.
pub trait Wire: fmt::Debug + Send + Unpin + 'static {
    /// Bytes go from the upstream to the client alone; what the client still sends is dropped, and the end of one
    /// leg is the end of the other. Otherwise each direction ends by itself.
    const IS_ONE_WAY: bool;

    /// Looks at bytes as they are read.
    fn observe(&mut self, session: &mut Session, read: &Read<'_>, ends: &mut Vec<MessageEnd>) -> Seen;

    /// Ready when `direction` may be read; else the task is woken once it may.
    fn poll_read_allowed(&mut self, _: &Entry, _: Direction, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// `messages` of a direction were accepted by the receiver's kernel socket, `seconds` after they were read.
    fn accepted(&mut self, entry: &Entry, direction: Direction, messages: u64, seconds: f64);

    /// The receiver's kernel socket has accepted the stream up to offset `reached`.
    fn reached(&mut self, entry: &Entry, direction: Direction, reached: u64);

    /// Whether a message has begun and not ended with what was looked at.
    fn is_inside_message(&self, direction: Direction) -> bool;

    /// What the end of a leg means: a FIN, or an error of its socket.
    fn end_of_input(&self, leg: Leg, what: What) -> What;

    /// Counts a leg that has ended in another way than its protocol's.
    fn count_broken(&self, entry: &Entry, leg: Leg, what: What);

    /// A sign of life for `leg`, whose stream is at offset `offset`; none where nothing of ours may stand now.
    fn beat(&mut self, entry: &Entry, leg: Leg, offset: u64, at: Moment) -> Option<Bytes>;

    /// Bytes of a direction that were read and wait for the rest of what they begin.
    fn held(&self, _: Direction) -> usize {
        0
    }

    /// What to say to `leg` when the gateway ends the connection, with `code` where the protocol has codes.
    fn farewell(&self, leg: Leg, code: CloseCode) -> Farewell;

    /// The same, to a `leg` that has had whole messages alone: what was read for it and was dropped does not count.
    fn farewell_to_given_up(&self, leg: Leg, code: CloseCode) -> Farewell {
        self.farewell(leg, code)
    }

    /// Whether the peer of `leg` has said its own farewell.
    fn has_said_farewell(&self, leg: Leg) -> bool;

    /// The connection is over.
    fn end(&mut self, session: &mut Session);
}

/// Bytes of one direction that were read at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// Which way they go.
    pub direction: Direction,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Stream offset of the first one.
    pub offset: u64,
    /// When.
    pub at: Moment,
}

/// What was seen in bytes.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Bytes that count as the connection's.
    pub bytes: u64,
    /// Messages that end in them.
    pub messages: u64,
    /// How many bytes go to the receiver: of those that were read, from the first on, or `instead` of them.
    pub carried: usize,
    /// What goes to the receiver in their place, where the gateway takes out what answers itself.
    pub instead: Option<Bytes>,
    /// The direction has ended with them.
    pub end: Option<What>,
}

/// What the gateway says last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// These bytes, now.
    Say(Bytes),
    /// It cannot be said before more bytes have come.
    Later,
    /// Nothing more: the peer was told, or has said it first.
    Nothing,
}

/// Remembers that a message ends in front of stream offset `at`.
pub fn push_end(ends: &mut Vec<MessageEnd>, at: u64) {
    let is_full = ends.len() >= WAITING_ENDS_MAX;
    match ends.last_mut() {
        Some(last) if is_full => *last = MessageEnd { at, messages: last.messages + 1 },
        _ => ends.push(MessageEnd { at, messages: 1 }),
    }
}
