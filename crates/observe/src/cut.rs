//! Cuts one direction into whole messages, for a queue in front of a slow receiver.
//!
//! The pieces, one behind the other, are the bytes that were read, but for what stands behind a Close frame. Control
//! frames between the fragments of a message come in front of it. A message that is longer than may be kept is passed in
//! parts.

mod events;
mod frames;

use std::borrow::Cow;

use model::Opcode;

pub use self::events::Events;
pub use self::frames::Frames;

/// What was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// What may go in front of messages: a control frame, a comment of an event stream, a block without event.
    Control {
        /// Stream offset behind a control frame; 0 in an event stream.
        end: u64,
    },
    /// A message of these.
    Message(Kind),
    /// What nothing may follow: a Close frame.
    End,
    /// Part of a message that is too long, and whether it is the last one.
    Part {
        /// It ends the message.
        is_last: bool,
    },
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A WebSocket message.
    WebSocket {
        /// `Text` or `Binary`.
        opcode: Opcode,
        /// Compressed by permessage-deflate.
        is_compressed: bool,
    },
    /// An event.
    Event {
        /// It has an `id`.
        has_id: bool,
    },
}

/// Cuts frames, or the content of an event stream.
#[derive(Debug)]
pub enum Cutter {
    /// WebSocket frames.
    Frames(Frames),
    /// An event stream.
    Events(Events),
}

impl Cutter {
    /// Cuts a prefix of `bytes` and tells `on` of each piece with its bytes. The result is its length: less than all when
    /// the last part of a long message ends there, so that its receiver may have it before more is cut.
    pub fn cut(&mut self, bytes: &[u8], on: &mut impl FnMut(Piece, Vec<u8>)) -> usize {
        match self {
            Cutter::Frames(frames) => frames.cut(bytes, on),
            Cutter::Events(events) => events.cut(bytes, on),
        }
    }

    /// Whether a long message has begun to be passed and not ended: nothing else may go to its receiver.
    pub fn is_passing(&self) -> bool {
        match self {
            Cutter::Frames(frames) => frames.is_passing(),
            Cutter::Events(events) => events.is_passing(),
        }
    }

    /// Bytes of the message at hand that are kept.
    pub fn held(&self) -> usize {
        match self {
            Cutter::Frames(frames) => frames.held(),
            Cutter::Events(events) => events.held(),
        }
    }

    /// What is kept of a message that does not end any more.
    pub fn take_held(&mut self) -> Vec<u8> {
        match self {
            Cutter::Frames(frames) => frames.take_held(),
            Cutter::Events(events) => events.take_held(),
        }
    }
}

/// The text of a message that was cut off: of a WebSocket text message without its frames, of an event its data.
pub fn text(kind: Kind, message: &[u8]) -> Option<Cow<'_, [u8]>> {
    match kind {
        Kind::WebSocket { opcode: Opcode::Text, is_compressed: false } => frames::payload(message),
        Kind::WebSocket { .. } => None,
        Kind::Event { .. } => Some(events::data(message)),
    }
}

/// The name of an event that was cut off, empty when it has none.
pub fn event_name(event: &[u8]) -> &[u8] {
    events::name(event)
}

#[cfg(test)]
mod tests;
