//! WebSocket frames on a relay, both ways (RFC 6455).

use std::sync::Arc;

use bytes::Bytes;
use meter::RouteMeter;
use meter::cells::WebSocketCells;
use model::event::{CloseCode, FrameViolation, WebSocketEvent};
use model::record::What;
use model::recording::Happening;
use model::{Direction, ErrorType, Leg, Moment, Opcode, PerDirection};
use observe::ws::Scanner;

use super::MessageEnd;
use super::own_pings::{Cut, OwnPings, PAYLOAD_BYTES};
use super::wire::{Farewell, Read, Seen, Wire, push_end};
use crate::clock;
use crate::entry::Entry;
use crate::guarded::Guarded;
use crate::session::Session;
use crate::worker;

/// See the module.
#[derive(Debug)]
pub struct Frames {
    meter: Arc<RouteMeter>,
    scanners: PerDirection<Guarded<Scanner>>,
    /// The receiver's kernel socket has not yet accepted all Pings that were read.
    has_ping_waiting: PerDirection<bool>,
    /// The gateway's own Pings; none when the route has no heartbeat.
    own: Option<Box<OwnPings>>,
}

impl Frames {
    /// From the first byte behind the handshake; `deflate` tells whether permessage-deflate was agreed, `beats` whether the
    /// gateway sends Pings of its own.
    pub fn new(meter: &Arc<RouteMeter>, deflate: bool, beats: bool) -> Frames {
        Frames {
            meter: Arc::clone(meter),
            scanners: PerDirection::from_fn(|direction| Guarded::new(Scanner::new(direction, deflate))),
            has_ping_waiting: PerDirection::default(),
            own: beats.then(|| Box::new(OwnPings::new(rand::random()))),
        }
    }

    fn scanner(&self, direction: Direction) -> Option<&Scanner> {
        self.scanners[direction].get()
    }

    /// What goes to the receiver in place of `bytes`, less the Pongs that answer the gateway.
    fn weed(&mut self, direction: Direction, bytes: &[u8], cuts: &[Cut]) -> Option<Bytes> {
        let own = self.own.as_mut()?;
        let scanner = self.scanners[direction].get();
        let unfinished = scanner.filter(|scanner| !scanner.is_blind() && own.is_open(direction.sender()));
        let unfinished = unfinished.map_or(0, |scanner| scanner.unfinished_pong(PAYLOAD_BYTES));
        match scanner.map(Scanner::offset) {
            Some(end) => own.weed(direction, bytes, end, cuts, unfinished),
            // Of an observer that has failed nothing is believed: all goes on.
            None => own.weed(direction, bytes, u64::MAX, &[], 0),
        }
    }
}

impl Wire for Frames {
    const IS_ONE_WAY: bool = false;

    fn observe(&mut self, session: &mut Session, read: &Read<'_>, ends: &mut Vec<MessageEnd>) -> Seen {
        let &Read { direction, bytes, at, .. } = read;
        let cells = &self.meter.shard(worker::index()).websocket;
        let cut = self.own.as_ref().map_or(0, |own| own.cut(direction));
        let own = self.own.as_deref_mut();
        let (messages, has_ping, cuts) = (0, false, Vec::new());
        let mut look = Look { session, cells, own, ends, direction, at, messages, has_ping, cuts, cut };
        let is_well = self.scanners[direction]
            .look(bytes, |scanner, bytes| scanner.scan(bytes, &mut |event| look.note(event)));
        let Look { messages, has_ping, cuts, .. } = look;
        if !is_well {
            cells.errors.inc(ErrorType::Internal);
        }
        self.has_ping_waiting[direction] |= has_ping;
        let instead = self.weed(direction, bytes, &cuts);
        let carried = instead.as_ref().map_or(bytes.len(), Bytes::len);
        Seen { bytes: carried as u64, messages, carried, instead, end: None }
    }

    fn accepted(&mut self, entry: &Entry, direction: Direction, messages: u64, seconds: f64) {
        let cells = &entry.route.meter.shard(worker::index()).websocket;
        cells.latency_seconds[direction].observe_n(seconds, messages);
    }

    fn reached(&mut self, entry: &Entry, direction: Direction, reached: u64) {
        if self.has_ping_waiting[direction] {
            self.has_ping_waiting[direction] =
                entry.heartbeats.accepted(direction.receiver(), reached, clock::now());
        }
    }

    fn is_inside_message(&self, direction: Direction) -> bool {
        self.scanner(direction).is_some_and(Scanner::is_inside_message)
    }

    fn end_of_input(&self, _: Leg, what: What) -> What {
        what
    }

    fn count_broken(&self, entry: &Entry, leg: Leg, what: What) {
        let error = match (what, leg) {
            (What::Fin, _) => return,
            (What::TlsAlert, _) => ErrorType::Tls,
            (What::TcpTimeout, _) => ErrorType::Timeout,
            (_, Leg::Client) => ErrorType::IoClient,
            (_, Leg::Upstream) => ErrorType::IoUpstream,
        };
        entry.route.meter.shard(worker::index()).websocket.errors.inc(error);
    }

    fn beat(&mut self, entry: &Entry, leg: Leg, offset: u64, at: Moment) -> Option<Bytes> {
        let direction = leg.other().inbound();
        let scanner = self.scanner(direction)?;
        if scanner.close_seen() || !scanner.is_at_frame_boundary() {
            return None;
        }
        let (ping, tag) = self.own.as_mut()?.ping(leg);
        let bytes = PAYLOAD_BYTES.into();
        entry.note(at, &Happening::Ping { direction, bytes, by_gateway: true });
        entry.heartbeats.ping(leg, tag, offset, at);
        self.has_ping_waiting[direction] = true;
        self.meter.shard(worker::index()).websocket.heartbeats_sent[leg].inc();
        Some(ping)
    }

    fn held(&self, direction: Direction) -> usize {
        self.own.as_ref().map_or(0, |own| own.held(direction))
    }

    fn farewell(&self, leg: Leg, code: CloseCode) -> Farewell {
        match self.scanner(leg.other().inbound()) {
            Some(scanner) if scanner.close_seen() => Farewell::Nothing,
            Some(scanner) if scanner.is_at_frame_boundary() => Farewell::Say(close_frame(code, leg)),
            _ => Farewell::Later,
        }
    }

    fn farewell_to_given_up(&self, leg: Leg, code: CloseCode) -> Farewell {
        Farewell::Say(close_frame(code, leg))
    }

    fn has_said_farewell(&self, leg: Leg) -> bool {
        self.scanner(leg.inbound()).is_some_and(Scanner::close_seen)
    }

    fn end(&mut self, _: &mut Session) {}
}

/// A look at bytes that were read at one moment.
struct Look<'a> {
    session: &'a mut Session,
    cells: &'a WebSocketCells,
    own: Option<&'a mut OwnPings>,
    ends: &'a mut Vec<MessageEnd>,
    direction: Direction,
    at: Moment,
    /// Complete messages.
    messages: u64,
    has_ping: bool,
    /// Where answers to the gateway's own Pings stand.
    cuts: Vec<Cut>,
    /// Bytes that were ever taken out of the direction.
    cut: u64,
}

impl Look<'_> {
    fn note(&mut self, event: WebSocketEvent) {
        let direction = self.direction;
        match event {
            WebSocketEvent::Frame { opcode } => self.cells.frames[direction].inc(opcode),
            WebSocketEvent::Message { opcode, frames, bytes, compressed, end } => {
                let frames = saturating(frames.into());
                let what = Happening::Message { direction, opcode, bytes, frames, compressed };
                self.session.entry.note(self.at, &what);
                self.cells.messages[direction].inc();
                self.cells.message_bytes[direction].add(bytes);
                self.messages += 1;
                push_end(self.ends, end - self.cut);
            }
            WebSocketEvent::Control { opcode: Opcode::Ping, bytes, tag, end, .. } => {
                self.note_ping(bytes, tag, end);
            }
            WebSocketEvent::Control { bytes, tag, begin, end, .. } => {
                self.note_pong(bytes, tag, (begin, end));
            }
            WebSocketEvent::Close { code, .. } => self.session.close_frame(direction.sender(), code, self.at),
            WebSocketEvent::Violation { violation, at } => self.note_violation(violation, at),
        }
    }

    #[cold]
    fn note_ping(&mut self, bytes: u64, tag: u64, end: u64) {
        let &mut Look { direction, at, .. } = self;
        let entry = &self.session.entry;
        entry.note(at, &Happening::Ping { direction, bytes: saturating(bytes), by_gateway: false });
        entry.heartbeats.ping(direction.receiver(), tag, end - self.cut, at);
        self.has_ping = true;
    }

    #[cold]
    fn note_pong(&mut self, bytes: u64, tag: u64, place: Cut) {
        let &mut Look { direction, at, cells, .. } = self;
        let entry = &self.session.entry;
        let leg = direction.sender();
        let to_gateway = self.own.as_mut().is_some_and(|own| own.is_answer(leg, tag));
        let rtt_seconds = entry.heartbeats.pong(leg, tag, at, cells);
        entry.note(at, &Happening::Pong { direction, bytes: saturating(bytes), rtt_seconds, to_gateway });
        if to_gateway {
            self.cuts.push(place);
            self.cut += place.1 - place.0;
            entry.answered(leg, at);
        }
    }

    #[cold]
    fn note_violation(&mut self, violation: FrameViolation, offset: u64) {
        let &mut Look { direction, at, .. } = self;
        self.cells.errors.inc(ErrorType::Frame);
        self.session.violations[direction].get_or_insert(violation);
        self.session.entry.note(at, &Happening::Violation { direction, violation, offset });
    }
}

fn saturating(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// A Close frame towards `leg`; the upstream takes us for a client, so its frame is masked (RFC 6455, section
/// 5.3), with a key of zeros: nothing in it is chosen by a stranger.
fn close_frame(code: CloseCode, leg: Leg) -> Bytes {
    let code = code.0.to_be_bytes();
    match leg {
        Leg::Client => [&[0x88, 2], code.as_slice()].concat().into(),
        Leg::Upstream => [&[0x88, 0x82, 0, 0, 0, 0], code.as_slice()].concat().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_frames_are_what_the_receiver_may_take() {
        for leg in [Leg::Client, Leg::Upstream] {
            let mut seen = Vec::new();
            let mut scanner = Scanner::new(leg.other().inbound(), false);
            scanner.scan(&close_frame(CloseCode::GOING_AWAY, leg), &mut |event| seen.push(event));
            let frame = WebSocketEvent::Frame { opcode: Opcode::Close };
            assert_eq!(seen[0], frame);
            assert!(matches!(seen[1..], [WebSocketEvent::Close { code: Some(CloseCode::GOING_AWAY), .. }]));
        }
    }
}
