//! Flight recorders: one for each open connection on which something happens, and the tapes of closed ones, all
//! within a bound of memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use meter::Counter;
use model::ConnectionId;
use model::recording::Happening;
use observe::recorder::{FIRST, Recorder, SLOT_BYTES, Tape};
use parking_lot::Mutex;

use crate::config::RecorderConfig;

/// Memory of a recorder before its ring.
const RECORDER_BYTES: usize = size_of::<Recorder>();

/// Memory of a tape beside its words.
const TAPE_BYTES: usize = size_of::<(ConnectionId, Tape)>();

/// All recorders and tapes.
#[derive(Debug)]
pub struct Flights {
    /// Length of a recorder's ring; none when nothing is recorded.
    ring: Option<usize>,
    /// What open connections may take, and what closed ones may.
    half: usize,
    open_bytes: AtomicU64,
    closed: Mutex<Closed>,
    refused: Counter,
}

#[derive(Debug, Default)]
struct Closed {
    /// Oldest first.
    tapes: VecDeque<(ConnectionId, Tape)>,
    bytes: usize,
}

impl Flights {
    /// No recorder yet.
    pub fn new(config: &RecorderConfig) -> Flights {
        let ring = (config.events > 0).then(|| (config.events as usize).saturating_sub(FIRST));
        let half = usize::try_from(config.total_memory.0 / 2).unwrap_or(usize::MAX);
        Flights {
            ring,
            half,
            open_bytes: AtomicU64::new(0),
            closed: Mutex::default(),
            refused: Counter::default(),
        }
    }

    /// Memory that recorders and tapes take.
    pub fn bytes(&self) -> u64 {
        self.open_bytes.load(Relaxed) + self.closed.lock().bytes as u64
    }

    /// How often a connection was not, or no longer, recorded for want of memory.
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// The tape of a closed connection.
    pub fn tape(&self, id: ConnectionId) -> Option<Tape> {
        let closed = self.closed.lock();
        closed.tapes.iter().rev().find(|(of, _)| *of == id).map(|(_, tape)| tape.clone())
    }

    fn take(&self, bytes: usize) -> bool {
        let after = self.open_bytes.fetch_add(bytes as u64, Relaxed) + bytes as u64;
        let fits = after <= self.half as u64;
        if !fits {
            self.open_bytes.fetch_sub(bytes as u64, Relaxed);
            self.refused.inc();
        }
        fits
    }

    fn keep(&self, id: ConnectionId, tape: Tape) {
        let mut closed = self.closed.lock();
        closed.bytes += TAPE_BYTES + tape.bytes();
        closed.tapes.push_back((id, tape));
        while closed.bytes > self.half
            && let Some((_, oldest)) = closed.tapes.pop_front()
        {
            closed.bytes -= TAPE_BYTES + oldest.bytes();
        }
    }
}

/// The recorder of one connection; it takes no memory before something happens.
#[derive(Debug)]
pub struct Flight {
    flights: Arc<Flights>,
    /// What happened first, which is known without a recorder.
    pub handshake: Happening,
    /// None inside when there was no memory for it.
    recorder: OnceLock<Option<Box<Recorder>>>,
    taken: AtomicU64,
}

impl Flight {
    /// Nothing has happened since the handshake.
    pub fn new(flights: &Arc<Flights>, handshake: Happening) -> Flight {
        let (recorder, taken) = (OnceLock::new(), AtomicU64::new(0));
        Flight { flights: Arc::clone(flights), handshake, recorder, taken }
    }

    /// Notes what happened so long after the connection was established. Only one task may do so at a time.
    pub fn note(&self, after: Duration, what: &Happening) {
        let Some(ring) = self.flights.ring else { return };
        let recorder =
            self.recorder.get_or_init(|| self.take(RECORDER_BYTES).then(|| Box::new(Recorder::new())));
        if let Some(recorder) = recorder {
            recorder.note(after, what, || if self.take(ring * SLOT_BYTES) { ring } else { 0 });
        }
    }

    /// What is kept now; empty when nothing was recorded.
    pub fn tape(&self) -> Tape {
        self.recorder.get().and_then(Option::as_deref).map_or_else(Tape::default, Recorder::tape)
    }

    /// The connection has ended: keeps its tape while there is memory.
    pub fn end(&self, id: ConnectionId) {
        if self.recorder.get().is_some_and(Option::is_some) {
            self.flights.keep(id, self.tape());
        }
    }

    fn take(&self, bytes: usize) -> bool {
        let is_taken = self.flights.take(bytes);
        if is_taken {
            self.taken.fetch_add(bytes as u64, Relaxed);
        }
        is_taken
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.open_bytes.fetch_sub(*self.taken.get_mut(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ByteSize;

    const RING: usize = 64 - FIRST;

    /// Room for so many full recorders among the open ones.
    fn flights(full: usize) -> Arc<Flights> {
        let half = full * (RECORDER_BYTES + RING * SLOT_BYTES);
        Arc::new(Flights::new(&RecorderConfig { events: 64, total_memory: ByteSize(2 * half as u64) }))
    }

    fn busy(flights: &Arc<Flights>, things: u64) -> Flight {
        let flight = Flight::new(flights, Happening::Comment);
        (0..things).for_each(|_| flight.note(Duration::ZERO, &Happening::Comment));
        flight
    }

    #[test]
    fn what_does_not_happen_takes_nothing() {
        let flights = flights(1);
        let idle = busy(&flights, 0);
        assert_eq!((flights.bytes(), idle.tape().noted()), (0, 0));
        idle.end(ConnectionId(1));
        assert_eq!(flights.tape(ConnectionId(1)), None);
        assert_eq!(busy(&flights, 1).flights.bytes(), RECORDER_BYTES as u64);
        assert_eq!(flights.bytes(), 0);
    }

    #[test]
    fn nothing_is_recorded_where_it_is_switched_off() {
        let config = RecorderConfig { events: 0, ..RecorderConfig::default() };
        let flights = Arc::new(Flights::new(&config));
        let flight = busy(&flights, 100);
        assert_eq!((flights.bytes(), flights.refused(), flight.tape().noted()), (0, 0, 0));
    }

    #[test]
    fn above_the_bound_no_recorder_is_made() {
        let flights = flights(2);
        let first = busy(&flights, 100);
        let second = busy(&flights, 100);
        let full = flights.bytes();
        let third = busy(&flights, 100);
        assert_eq!((flights.bytes(), flights.refused(), third.tape().noted()), (full, 1, 0));
        drop(first);
        let fourth = busy(&flights, 100);
        assert_eq!((flights.bytes(), flights.refused(), fourth.tape().noted()), (full, 1, 100));
        assert_eq!(second.tape().iter().last().map(|(number, ..)| number), Some(99));
    }

    #[test]
    fn without_memory_for_the_ring_the_beginning_is_kept() {
        let flights = flights(2);
        let beginners: Vec<Flight> = (0..3).map(|_| busy(&flights, 1)).collect();
        (0..100).for_each(|_| beginners[0].note(Duration::ZERO, &Happening::Comment));
        let tape = beginners[0].tape();
        assert_eq!((tape.noted(), tape.iter().count(), flights.refused()), (101, FIRST, 1));
    }

    #[test]
    fn the_oldest_tapes_go_first() {
        let flights = flights(3);
        for number in 0..100 {
            busy(&flights, 200).end(ConnectionId(number));
            assert!(flights.bytes() <= flights.half as u64);
        }
        assert!(flights.tape(ConnectionId(0)).is_none());
        assert_eq!(flights.tape(ConnectionId(99)).map(|tape| tape.noted()), Some(200));
    }
}
