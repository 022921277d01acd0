//! What waits for a client when the route has a queue: what is read from the upstream is cut into whole messages, and the
//! queue says which goes next when the client takes more. One that has begun is finished first.
//!
//! Who serves the connection reads and writes: [`relay`](crate::relay) from socket to socket,
//! [`event_stream`](crate::event_stream) to a stream of HTTP/2.

mod sheds;

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use guard::queue::{Classifier, Dropped, Ids, Limits, Look, Message, Place, Queue, QueueConfig, Verdict};
use meter::RouteMeter;
use model::{Direction, Moment, Shed};
use observe::body::{Body, Framing};
use observe::cut::{self, Cutter, Events, Frames, Kind, Piece};

use self::sheds::Sheds;
use crate::clock;
use crate::entry::Entry;
use crate::queued::Queued;

const DIRECTION: Direction = Direction::ServerToClient;

/// What waits for a client, and how it is cut.
#[derive(Debug)]
pub struct Outbox {
    queue: Queue<Unit>,
    cutter: Cutter,
    /// Framing of an event stream's body; none for a WebSocket.
    body: Option<Body>,
    framing: Option<Framing>,
    classifier: Classifier,
    queued: Arc<Queued>,
    /// Parts of a message that is too long to wait whole, and when they were read.
    parts: VecDeque<(Bytes, Moment, bool)>,
    /// The long message has begun to go.
    is_passing: bool,
    /// What was read behind the last part of a long message.
    uncut: Vec<u8>,
    end: End,
    /// Class of the message that was given last and is not yet known to be accepted.
    going: Option<usize>,
    /// Its receiver was given up: what comes is dropped.
    is_given_up: bool,
    sheds: Sheds,
}

/// How far the upstream's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It has not ended.
    Open,
    /// It has, with a whole body or not.
    Read { is_whole: bool },
    /// That has been passed on.
    Passed,
}

#[derive(Debug)]
struct Unit {
    bytes: Bytes,
    /// Stream offset behind a control frame.
    end: Option<u64>,
}

/// What goes to the client next.
#[derive(Debug)]
pub struct Next {
    /// These bytes.
    pub bytes: Bytes,
    /// When they were read.
    pub at: Moment,
    /// Stream offset behind a control frame.
    pub end: Option<u64>,
    /// Messages that end with them.
    pub messages: u32,
}

/// What was offered to the client and is not accepted yet.
#[derive(Clone, Copy, Debug)]
pub struct Going {
    /// When it was read.
    pub since: Moment,
    /// Its bytes.
    pub bytes: usize,
    /// Its messages, whole or in part.
    pub messages: usize,
}

impl Outbox {
    /// For WebSocket frames.
    pub fn frames(config: &QueueConfig, classifier: Classifier, meter: &RouteMeter) -> Outbox {
        let longest = usize::try_from(config.max_bytes.0).unwrap_or(usize::MAX);
        Outbox::new(config, classifier, meter, Cutter::Frames(Frames::new(longest)), None)
    }

    /// For the body of an event stream.
    pub fn events(config: &QueueConfig, classifier: Classifier, meter: &RouteMeter, body: Body) -> Outbox {
        let longest = usize::try_from(config.max_bytes.0).unwrap_or(usize::MAX);
        Outbox::new(config, classifier, meter, Cutter::Events(Events::new(longest)), Some(body))
    }

    fn new(
        config: &QueueConfig,
        classifier: Classifier,
        meter: &RouteMeter,
        cutter: Cutter,
        body: Option<Body>,
    ) -> Outbox {
        let limits = Limits {
            bytes: config.max_bytes.0,
            messages: config.max_messages as usize,
            age: config.max_age,
            policy: config.policy,
        };
        let is_kept = |class: &&str| config.ids == Ids::Keep && *class == guard::queue::IDS;
        let classes = config.classes();
        Outbox {
            queue: Queue::new(limits, classes.iter().map(|class| !is_kept(class))),
            cutter,
            framing: body.as_ref().map(Body::framing),
            body,
            classifier,
            queued: Arc::new(Queued::new(config, meter)),
            parts: VecDeque::new(),
            is_passing: false,
            uncut: Vec::new(),
            end: End::Open,
            going: None,
            is_given_up: false,
            sheds: Sheds::default(),
        }
    }

    /// What others see of it.
    pub fn queued(&self) -> &Arc<Queued> {
        &self.queued
    }

    /// Whether nothing waits and nothing will.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.parts.is_empty() && self.uncut.is_empty()
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> u64 {
        let parts: usize = self.parts.iter().map(|(bytes, ..)| bytes.len()).sum();
        self.queue.bytes() + (parts + self.uncut.len() + self.cutter.held()) as u64
    }

    /// Whether the upstream may be read.
    pub fn takes_more(&self) -> bool {
        !self.queue.is_full() && self.parts.is_empty() && self.uncut.is_empty()
    }

    /// Takes what was read.
    pub fn take(&mut self, bytes: &[u8], at: Moment) -> Verdict {
        if self.is_given_up {
            return Verdict::GoesOn;
        }
        let Some(mut body) = self.body.take() else { return self.cut(bytes, at) };
        let mut verdict = Verdict::GoesOn;
        // What is malformed has ended the stream already.
        let _ = body.read(bytes, &mut |content, _| {
            if self.cut(content, at) == Verdict::Disconnect {
                verdict = Verdict::Disconnect;
            }
        });
        self.body = Some(body);
        verdict
    }

    fn cut(&mut self, bytes: &[u8], at: Moment) -> Verdict {
        if !self.uncut.is_empty() {
            self.uncut.extend_from_slice(bytes);
            return Verdict::GoesOn;
        }
        let Outbox { queue, cutter, classifier, queued, parts, sheds, .. } = self;
        let framing = self.framing;
        let mut verdict = Verdict::GoesOn;
        let taken = cutter.cut(bytes, &mut |piece, bytes| {
            if let Piece::Part { is_last } = piece {
                parts.push_back((framed(framing, bytes), at, is_last));
                return;
            }
            let (place, key, end) = match piece {
                Piece::Control { end } => (Place::First, None, Some(end)),
                Piece::Message(kind) => {
                    let (class, key) = classify(classifier, kind, &bytes);
                    (Place::Class(class), key, None)
                }
                Piece::End | Piece::Part { .. } => (Place::Last, None, None),
            };
            let bytes = framed(framing, bytes);
            let size = bytes.len() as u64;
            let message = Message { bytes: Unit { bytes, end }, size, key, at };
            let mut on = |dropped| {
                queued.dropped(dropped, at);
                sheds.add(dropped);
            };
            if queue.push(place, message, &mut on) == Verdict::Disconnect {
                verdict = Verdict::Disconnect;
            }
        });
        self.uncut.extend_from_slice(&bytes[taken..]);
        self.queued.reached(self.queue.bytes());
        verdict
    }

    /// Whether its receiver was given up.
    pub fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// Whether a message that is too long to wait has begun to go.
    pub fn is_passing(&self) -> bool {
        self.is_passing
    }

    /// Cuts what was read behind a long message, once that is gone; none when there is nothing to cut.
    pub fn resume(&mut self, at: Moment) -> Option<Verdict> {
        if self.uncut.is_empty() || !self.parts.is_empty() {
            return None;
        }
        let uncut = mem::take(&mut self.uncut);
        Some(self.cut(&uncut, at))
    }

    /// The upstream has ended, with a whole body or not.
    pub fn end(&mut self, is_whole: bool) {
        if self.end == End::Open {
            self.end = End::Read { is_whole };
        }
    }

    /// What goes next.
    pub fn next(&mut self, now: Moment) -> Option<Next> {
        let may_pass = self.is_passing || self.queue.is_empty();
        if may_pass && let Some((bytes, at, is_last)) = self.parts.pop_front() {
            self.is_passing = !is_last;
            self.going = is_last.then_some(usize::MAX);
            return Some(Next { bytes, at, end: None, messages: is_last.into() });
        }
        if self.is_passing && self.cutter.is_passing() {
            return self.last_words(now);
        }
        self.is_passing = false;
        let (queued, sheds) = (&self.queued, &mut self.sheds);
        let mut on = |dropped| {
            queued.dropped(dropped, now);
            sheds.add(dropped);
        };
        let Some((place, message)) = self.queue.pop(now, &mut on) else {
            return if self.is_empty() { self.last_words(now) } else { None };
        };
        let Message { bytes: Unit { bytes, end }, at, .. } = message;
        let class = if let Place::Class(class) = place { Some(class) } else { None };
        self.going = class;
        Some(Next { bytes, at, end, messages: class.is_some().into() })
    }

    /// What is left when the upstream has ended and all else is gone.
    fn last_words(&mut self, at: Moment) -> Option<Next> {
        let End::Read { is_whole } = self.end else { return None };
        self.end = End::Passed;
        let framing = self.framing;
        let held = self.cutter.take_held();
        let mut bytes = if held.is_empty() { Vec::new() } else { framed(framing, held).to_vec() };
        if is_whole && framing == Some(Framing::Chunked) {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        (!bytes.is_empty()).then(|| Next { bytes: bytes.into(), at, end: None, messages: 0 })
    }

    /// What was given last is accepted.
    pub fn arrived(&mut self) {
        if let Some(class) = self.going.take() {
            self.queued.delivered(class);
        }
    }

    /// Tells the flight recorder what was dropped, when that is due.
    pub fn tell(&mut self, entry: &Entry, now: Moment, is_last: bool) {
        self.sheds.tell(now, is_last, &mut |what| entry.note(now, what));
    }

    /// Shows what waits: what was offered to the client, and what is behind it.
    pub fn show(&mut self, entry: &Entry, going: Option<Going>) {
        if self.sheds.has_some() {
            self.tell(entry, clock::now(), false);
        }
        self.queued.waits(self.queue.messages(), self.bytes());
        let flow = entry.flow(DIRECTION);
        let since = going.map(|going| going.since).into_iter().chain(self.queue.waits_since()).min();
        let Some(since) = since else {
            return flow.note_drained();
        };
        let bytes = going.map_or(0, |going| going.bytes as u64) + self.bytes();
        let messages = going.map_or(0, |going| going.messages) + self.queue.messages();
        flow.note_waiting(usize::try_from(bytes).unwrap_or(usize::MAX), messages, since);
    }

    /// Drops all that waits; gives its bytes.
    pub fn give_up(&mut self, why: Option<Shed>, at: Moment) -> u64 {
        let bytes = self.bytes();
        let (queued, sheds) = (&self.queued, &mut self.sheds);
        self.queue.give_up(why.unwrap_or(Shed::Disconnect), &mut |dropped: Dropped| {
            if why.is_some() {
                queued.dropped(dropped, at);
                sheds.add(dropped);
            }
        });
        self.parts.clear();
        self.uncut = Vec::new();
        self.cutter.take_held();
        self.is_given_up = true;
        self.end = End::Passed;
        self.queued.waits(0, 0);
        bytes
    }
}

fn classify(classifier: &Classifier, kind: Kind, bytes: &[u8]) -> (usize, Option<Box<[u8]>>) {
    let text = if classifier.reads_text() { cut::text(kind, bytes) } else { None };
    let mut look = Look { size: bytes.len() as u64, text: text.as_deref(), ..Look::default() };
    match kind {
        Kind::WebSocket { opcode, .. } => look.opcode = Some(opcode),
        Kind::Event { has_id } => {
            look.event = Some(cut::event_name(bytes));
            look.has_id = has_id;
        }
    }
    classifier.classify(&look)
}

/// One chunk, where the body is chunked (RFC 9112, section 7.1).
fn framed(framing: Option<Framing>, bytes: Vec<u8>) -> Bytes {
    if framing != Some(Framing::Chunked) {
        // Without the room that it had to grow: what waits takes as much memory as is counted.
        return bytes.into_boxed_slice().into();
    }
    [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat().into()
}

#[cfg(test)]
mod tests {
    use guard::queue::Opening;
    use model::Opcode;

    use super::*;

    struct Plain;

    impl Opening for Plain {
        fn has_header(&self, _: &str, _: &str) -> bool {
            false
        }

        fn has_parameter(&self, _: &str, _: &str) -> bool {
            false
        }
    }

    fn outbox(config: &QueueConfig, is_events: bool) -> Outbox {
        let registry =
            meter::Registry::new(meter::Build { version: "0" }, 1, std::time::Duration::from_secs(60));
        let (meter, classifier) = (registry.route("r"), Classifier::new(config, &Plain));
        if is_events {
            Outbox::events(config, classifier, &meter, Body::new(Framing::Chunked))
        } else {
            Outbox::frames(config, classifier, &meter)
        }
    }

    fn all(outbox: &mut Outbox) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(next) = outbox.next(Moment(1)) {
            outbox.arrived();
            all.push(next.bytes.to_vec());
            outbox.resume(Moment(1));
        }
        all
    }

    #[test]
    fn control_frames_go_first_and_a_close_last() {
        let mut outbox = outbox(&QueueConfig::default(), false);
        outbox.take(b"\x81\x01a\x01\x01b\x89\x01p\x80\x01c\x88\x00\x81\x01z", Moment(0));
        let expected: [&[u8]; 4] = [b"\x89\x01p", b"\x81\x01a", b"\x01\x01b\x80\x01c", b"\x88\x00"];
        assert_eq!(all(&mut outbox), expected);
        assert_eq!(outbox.queued().facts().delivered(), 2);
    }

    #[test]
    fn a_long_message_waits_for_its_turn_and_is_not_interrupted() {
        let config = QueueConfig { max_bytes: model::ByteSize(200), ..QueueConfig::default() };
        let mut outbox = outbox(&config, false);
        let long = [&[0x82, 126, 1, 44][..], &[7; 300]].concat();
        let wire = [&b"\x81\x01a"[..], &long, b"\x81\x01b"].concat();
        outbox.take(&wire[..150], Moment(0));
        outbox.take(&wire[150..250], Moment(0));
        assert!(!outbox.takes_more(), "nothing is read behind a part");
        assert_eq!(all(&mut outbox).concat(), wire[..250]);
        assert!(outbox.is_passing && outbox.takes_more());
        outbox.take(&wire[250..], Moment(0));
        assert_eq!(all(&mut outbox), [wire[250..307].to_vec(), b"\x81\x01b".to_vec()]);
        assert!(!outbox.is_passing && outbox.is_empty());
    }

    #[test]
    fn events_are_chunks_and_the_body_ends() {
        let mut outbox = outbox(&QueueConfig::default(), true);
        outbox.take(b"9\r\ndata: 1\n\n\r\n3\r\n: c\r\n", Moment(0));
        outbox.take(b"6\r\n\ndata:\r\n0\r\n\r\n", Moment(0));
        outbox.end(true);
        let expected: [&[u8]; 3] = [b"4\r\n: c\n\r\n", b"9\r\ndata: 1\n\n\r\n", b"5\r\ndata:\r\n0\r\n\r\n"];
        assert_eq!(all(&mut outbox), expected);
    }

    #[test]
    fn a_text_is_known_by_its_opcode() {
        let entry = |class: &str, opcode| guard::queue::PriorityConfig {
            class: class.to_owned(),
            opcode: Some(opcode),
            ..guard::queue::PriorityConfig::default()
        };
        let priority =
            vec![entry("t", guard::queue::OpcodeMatch::Text), entry("b", guard::queue::OpcodeMatch::Binary)];
        let config = QueueConfig { priority, ids: Ids::Ignore, ..QueueConfig::default() };
        let class = |opcode| {
            let kind = Kind::WebSocket { opcode, is_compressed: false };
            classify(&Classifier::new(&config, &Plain), kind, b"\x81\x01a").0
        };
        assert_eq!((class(Opcode::Text), class(Opcode::Binary), class(Opcode::Reserved)), (0, 1, 2));
    }
}
