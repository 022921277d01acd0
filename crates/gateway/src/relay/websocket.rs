//! WebSocket frames on a relay, both ways (RFC 6455).

use std::sync::Arc;

use bytes::Bytes;
use meter::RouteMeter;
use model::event::{CloseCode, WebSocketEvent};
use model::record::What;
use model::recording::Happening;
use model::{Direction, ErrorType, Leg, Opcode, PerDirection};
use observe::ws::Scanner;

use super::MessageEnd;
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
}

impl Frames {
    /// From the first byte behind the handshake; `deflate` tells whether permessage-deflate was agreed.
    pub fn new(meter: &Arc<RouteMeter>, deflate: bool) -> Frames {
        Frames {
            meter: Arc::clone(meter),
            scanners: PerDirection::from_fn(|direction| Guarded::new(Scanner::new(direction, deflate))),
            has_ping_waiting: PerDirection::default(),
        }
    }

    fn scanner(&self, direction: Direction) -> Option<&Scanner> {
        self.scanners[direction].get()
    }
}

impl Wire for Frames {
    const IS_ONE_WAY: bool = false;

    fn observe(&mut self, session: &mut Session, read: &Read<'_>, ends: &mut Vec<MessageEnd>) -> Seen {
        let &Read { direction, bytes, at, .. } = read;
        let cells = &self.meter.shard(worker::index()).websocket;
        let (mut messages, mut has_ping) = (0, false);
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
                    push_end(ends, end);
                }
                WebSocketEvent::Control { opcode: Opcode::Ping, bytes, tag, end } => {
                    session.entry.note(at, &Happening::Ping { direction, bytes: saturating(bytes) });
                    session.entry.heartbeats.ping(direction.receiver(), tag, end, at);
                    has_ping = true;
                }
                WebSocketEvent::Control { bytes, tag, .. } => {
                    let rtt_seconds = session.entry.heartbeats.pong(direction.sender(), tag, at, cells);
                    let what = Happening::Pong { direction, bytes: saturating(bytes), rtt_seconds };
                    session.entry.note(at, &what);
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
        Seen { bytes: bytes.len() as u64, messages, carried: bytes.len(), end: None }
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

    fn farewell(&self, leg: Leg, code: CloseCode) -> Farewell {
        match self.scanner(leg.other().inbound()) {
            Some(scanner) if scanner.close_seen() => Farewell::Nothing,
            Some(scanner) if scanner.is_at_frame_boundary() => {
                Farewell::Say(close_frame(code, leg))
            }
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
