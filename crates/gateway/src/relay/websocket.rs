//! WebSocket frames on a relay, both ways (RFC 6455).

use std::sync::Arc;

use bytes::Bytes;
use meter::RouteMeter;
use model::event::{CloseCode, WebSocketEvent};
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
        let (mut messages, mut has_ping) = (0, false);
        let own = &mut self.own;
        let mut cuts: Vec<Cut> = Vec::new();
        let mut cut = own.as_ref().map_or(0, |own| own.cut(direction));
        let is_well = self.scanners[direction].look(bytes, |scanner, bytes| {
            scanner.scan(bytes, &mut |event| match event {
                WebSocketEvent::Frame { opcode } => cells.frames[direction].inc(opcode),
                WebSocketEvent::Message { opcode, frames, bytes, compressed, end } => {
                    let frames = saturating(frames.into());
                    let what = Happening::Message { direction, opcode, bytes, frames, compressed };
                    session.entry.note(at, &what);
                    cells.messages[direction].inc();
                    cells.message_bytes[direction].add(bytes);
                    messages += 1;
                    push_end(ends, end - cut);
                }
                WebSocketEvent::Control { opcode: Opcode::Ping, bytes, tag, end, .. } => {
                    let what = Happening::Ping { direction, bytes: saturating(bytes), by_gateway: false };
                    session.entry.note(at, &what);
                    session.entry.heartbeats.ping(direction.receiver(), tag, end - cut, at);
                    has_ping = true;
                }
                WebSocketEvent::Control { bytes, tag, begin, end, .. } => {
                    let leg = direction.sender();
                    let to_gateway = own.as_mut().is_some_and(|own| own.is_answer(leg, tag));
                    let rtt_seconds = session.entry.heartbeats.pong(leg, tag, at, cells);
                    let what =
                        Happening::Pong { direction, bytes: saturating(bytes), rtt_seconds, to_gateway };
                    session.entry.note(at, &what);
                    if to_gateway {
                        cuts.push((begin, end));
                        cut += end - begin;
                        session.entry.answered(leg, at);
                    }
                }
                WebSocketEvent::Close { code, .. } => session.close_frame(direction.sender(), code, at),
                WebSocketEvent::Violation { violation, at: offset } => {
                    cells.errors.inc(ErrorType::Frame);
                    session.violations[direction].get_or_insert(violation);
                    session.entry.note(at, &Happening::Violation { direction, violation, offset });
                }
            });
        });
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

    fn has_said_farewell(&self, leg: Leg) -> bool {
        self.scanner(leg.inbound()).is_some_and(Scanner::close_seen)
    }

    fn end(&mut self, _: &mut Session) {}
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
