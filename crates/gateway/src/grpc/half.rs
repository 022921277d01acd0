//! One half of a stream on its way through the gateway: its messages are looked at when they are read, and timed up to
//! the receiver's kernel socket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use meter::RouteMeter;
use meter::grpc::MethodCells;
use model::event::GrpcEvent;
use model::recording::Happening;
use model::{Direction, Moment};
use observe::grpc::Scanner;
use parking_lot::Mutex;

use crate::bypass::Passing;
use crate::clock;
use crate::delivery::{Piece, WAIT_NOTED, WAITING_MAX};
use crate::entry::Entry;
use crate::guarded::Guarded;
use crate::session::Session;

/// See the module. It outlives the call up to the delivery of the last of it, or to the end of the receiver's leg; only
/// then is its session over.
#[derive(Debug)]
pub struct Half {
    direction: Direction,
    /// When the call began.
    started: Moment,
    session: Arc<Mutex<Session>>,
    entry: Arc<Entry>,
    route: Arc<RouteMeter>,
    cells: MethodCells,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    scanner: Guarded<Scanner>,
    waiting: Waiting,
    stalled_since: Option<Moment>,
}

/// What is read and not delivered, in the order in which it came.
#[derive(Debug, Default)]
struct Waiting {
    pieces: VecDeque<Piece>,
    bytes: u64,
    messages: u64,
}

impl Half {
    /// Nothing has come yet.
    pub fn new(
        direction: Direction,
        started: Moment,
        session: &Arc<Mutex<Session>>,
        route: &Arc<RouteMeter>,
        cells: &MethodCells,
    ) -> Half {
        let entry = Arc::clone(&session.lock().entry);
        let scanner = Guarded::new(Scanner::new());
        Half {
            direction,
            started,
            session: Arc::clone(session),
            entry,
            route: Arc::clone(route),
            cells: cells.clone(),
            state: Mutex::new(State { scanner, waiting: Waiting::default(), stalled_since: None }),
        }
    }

    /// Looks at data; gives how many messages are complete with it.
    fn look(&self, scanner: &mut Guarded<Scanner>, data: &[u8], at: Moment) -> u64 {
        let (direction, cells) = (self.direction, &self.cells.service);
        let mut messages = 0;
        scanner.look(data, |scanner, data| {
            scanner.scan(data, &mut |event| match event {
                GrpcEvent::Message { bytes, compressed, .. } => {
                    let what = Happening::GrpcMessage { direction, bytes, compressed };
                    self.session.lock().happened(at, &what);
                    messages += 1;
                    cells.messages[direction].inc();
                    cells.message_bytes[direction].add(bytes);
                }
                GrpcEvent::Violation { flag, .. } => {
                    tracing::debug!(flag, "no gRPC message: a bad compressed flag");
                }
            });
        });
        messages
    }

    fn note_first_message(&self, at: Moment) {
        let seconds = at.since(self.started).as_secs_f64();
        self.cells.service.first_message_seconds.observe(seconds);
        if let Some(grpc) = &mut self.session.lock().grpc {
            grpc.first_message_seconds = Some(seconds);
        }
    }

    fn show(&self, waiting: &Waiting) {
        let flow = self.entry.flow(self.direction);
        match waiting.pieces.front() {
            Some(oldest) => flow.note_waiting(count(waiting.bytes), count(waiting.messages), oldest.at),
            None => flow.note_drained(),
        }
    }
}

impl Half {
    /// Takes data that was read; gives how many messages are complete with it.
    pub fn take(&self, data: &[u8], at: Moment) -> u64 {
        let mut state = self.state.lock();
        let messages = self.look(&mut state.scanner, data, at);
        let (flow, bytes) = (self.entry.flow(self.direction), data.len() as u64);
        if self.direction == Direction::ServerToClient && messages > 0 && flow.messages() == 0 {
            self.note_first_message(at);
        }
        self.entry.count(self.direction, bytes, messages, at);
        state.waiting.add(Piece { at, bytes, messages });
        self.show(&state.waiting);
        messages
    }
}

impl Passing for Half {
    fn read(&self, data: &[u8], at: Moment) -> bool {
        self.take(data, at);
        true
    }

    fn delivered(&self, bytes: usize, now: Moment) {
        let waiting = &mut self.state.lock().waiting;
        let waited = waiting.pieces.front().map_or(Duration::ZERO, |piece| now.since(piece.at));
        waiting.take(bytes as u64, |piece| {
            let seconds = now.since(piece.at).as_secs_f64();
            self.cells.service.latency_seconds[self.direction].observe_n(seconds, piece.messages);
        });
        if waited >= WAIT_NOTED {
            let what = Happening::WaitEnded { direction: self.direction, seconds: waited.as_secs_f64() };
            self.session.lock().happened(now, &what);
        }
        self.show(waiting);
    }

    fn stalls(&self, bytes: usize) {
        let now = clock::now();
        self.state.lock().stalled_since = Some(now);
        let what = Happening::WaitBegan { direction: self.direction, bytes: bytes as u64 };
        self.session.lock().happened(now, &what);
    }

    fn goes_on(&self) {
        let Some(since) = self.state.lock().stalled_since.take() else { return };
        let (now, direction) = (clock::now(), self.direction);
        let seconds = now.since(since).as_secs_f64();
        self.route.grpc.add_stalled(direction, seconds);
        let mut session = self.session.lock();
        session.happened(now, &Happening::WaitEnded { direction, seconds });
        if let Some(grpc) = &mut session.grpc {
            grpc.stalled_seconds[direction] += seconds;
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.session.lock().unsent(self.direction, self.state.get_mut().waiting.bytes);
    }
}

impl Waiting {
    /// Of more than are remembered, the last stands for all.
    fn add(&mut self, piece: Piece) {
        self.bytes += piece.bytes;
        self.messages += piece.messages;
        let is_full = self.pieces.len() >= WAITING_MAX;
        match self.pieces.back_mut().filter(|_| is_full) {
            Some(last) => {
                last.bytes += piece.bytes;
                last.messages += piece.messages;
            }
            None => self.pieces.push_back(piece),
        }
    }

    /// The first so many bytes are delivered; `done` is given each piece with messages that is complete with them.
    fn take(&mut self, bytes: u64, mut done: impl FnMut(Piece)) {
        let mut left = bytes;
        while let Some(piece) = self.pieces.front_mut() {
            let taken = piece.bytes.min(left);
            piece.bytes -= taken;
            self.bytes -= taken;
            left -= taken;
            if piece.bytes > 0 {
                break;
            }
            let piece = *piece;
            self.pieces.pop_front();
            self.messages -= piece.messages;
            if piece.messages > 0 {
                done(piece);
            }
        }
        if self.pieces.is_empty() && self.pieces.capacity() > KEPT {
            self.pieces = VecDeque::new();
        }
    }
}

/// Room for so many pieces is kept while nothing waits.
const KEPT: usize = 4;

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_done_when_their_last_byte_is() {
        let mut waiting = Waiting::default();
        for (at, bytes, messages) in [(1, 10, 1), (2, 10, 0), (3, 5, 2)] {
            waiting.add(Piece { at: Moment(at), bytes, messages });
        }
        let mut take = |bytes| {
            let mut done = Vec::new();
            waiting.take(bytes, |piece| done.push((piece.at.0, piece.messages)));
            (done, waiting.bytes, waiting.messages)
        };
        assert_eq!(take(9), (vec![], 16, 3));
        assert_eq!(take(2), (vec![(1, 1)], 14, 2));
        assert_eq!(take(14), (vec![(3, 2)], 0, 0));
    }

    #[test]
    fn remembered_pieces_are_bounded() {
        let mut waiting = Waiting::default();
        for at in 0..5000 {
            waiting.add(Piece { at: Moment(at), bytes: 2, messages: 1 });
        }
        assert_eq!(waiting.pieces.len(), WAITING_MAX);
        let mut messages = 0;
        waiting.take(10_000, |piece| messages += piece.messages);
        assert_eq!((messages, waiting.bytes, waiting.messages), (5000, 0, 0));
    }
}
