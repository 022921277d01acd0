//! Messages on their way through HTTP's buffers to the receiver's kernel socket: read, given to HTTP's writer, and
//! delivered by the flush behind that.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::recording::Happening;
use model::{Direction, Moment};
use parking_lot::Mutex;

use crate::acks::Sampling;
use crate::clock;
use crate::entry::Entry;
use crate::leg::{OnFlush, Watch};
use crate::session::Session;

/// Moments of reading that are remembered while their messages wait; of more, the last stands for all.
pub const WAITING_MAX: usize = 1024;

/// Residence from which a wait is noted in the flight recorder.
pub const WAIT_NOTED: Duration = Duration::from_millis(10);

/// One direction of a connection. It outlives the body up to the flush that delivers the last of it, or to the end
/// of the receiver's leg; only then is its session over.
pub struct Delivery {
    entry: Arc<Entry>,
    direction: Direction,
    session: Arc<Mutex<Session>>,
    measure: Box<dyn Fn(f64, Piece) + Send + Sync>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    pieces: Vec<Piece>,
    /// The first so many pieces are with HTTP's writer.
    given: usize,
    bytes: u64,
    messages: u64,
    /// Ends with the delivery of the last piece.
    sampling: Option<Sampling>,
}

/// What was read at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// When.
    pub at: Moment,
    /// How many bytes.
    pub bytes: u64,
    /// How many messages were complete with it.
    pub messages: u64,
}

impl Delivery {
    /// Follows what goes out on `receiver`; `measure` is given the residence of each piece, seconds.
    pub fn start(
        receiver: &Watch,
        direction: Direction,
        session: Arc<Mutex<Session>>,
        measure: impl Fn(f64, Piece) + Send + Sync + 'static,
    ) -> Arc<Delivery> {
        let entry = Arc::clone(&session.lock().entry);
        let (measure, waiting) = (Box::new(measure), Mutex::default());
        let delivery = Arc::new(Delivery { entry, direction, session, measure, waiting });
        receiver.on_flush(Arc::clone(&delivery) as Arc<dyn OnFlush>);
        delivery
    }

    /// Something was read.
    pub fn note_read(&self, piece: Piece) {
        let mut waiting = self.waiting.lock();
        waiting.bytes += piece.bytes;
        waiting.messages += piece.messages;
        if waiting.pieces.len() < WAITING_MAX {
            waiting.pieces.push(piece);
        } else {
            waiting.given = waiting.given.min(WAITING_MAX - 1);
            let last = waiting.pieces.last_mut().expect("it is full");
            last.bytes += piece.bytes;
            last.messages += piece.messages;
        }
        self.show(&waiting);
    }

    /// The acknowledgement of what was just read is timed.
    pub fn sample(&self, sampling: Option<Sampling>) {
        if sampling.is_some() {
            self.waiting.lock().sampling = sampling;
        }
    }

    /// HTTP's writer has all that was read so far.
    pub fn note_given(&self) {
        let mut waiting = self.waiting.lock();
        waiting.given = waiting.pieces.len();
    }

    fn show(&self, waiting: &Waiting) {
        let flow = self.entry.flow(self.direction);
        match waiting.pieces.first() {
            Some(oldest) => flow.note_waiting(count(waiting.bytes), count(waiting.messages), oldest.at),
            None => flow.note_drained(),
        }
    }
}

impl OnFlush for Delivery {
    fn flushed(&self) {
        let mut waiting = self.waiting.lock();
        let waiting = &mut *waiting;
        if waiting.given == 0 {
            return;
        }
        let now = clock::now();
        let waited = waiting.pieces.first().map_or(Duration::ZERO, |piece| now.since(piece.at));
        if waited >= WAIT_NOTED {
            let what = Happening::WaitEnded { direction: self.direction, seconds: waited.as_secs_f64() };
            self.session.lock().happened(now, &what);
        }
        for piece in waiting.pieces.drain(..std::mem::take(&mut waiting.given)) {
            waiting.bytes -= piece.bytes;
            waiting.messages -= piece.messages;
            if piece.messages > 0 {
                (self.measure)(now.since(piece.at).as_secs_f64(), piece);
            }
        }
        if waiting.pieces.is_empty()
            && let Some(sampling) = waiting.sampling.take()
        {
            sampling.complete();
        }
        self.show(waiting);
    }

    fn is_delivered(&self) -> bool {
        self.waiting.lock().given == 0
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.session.lock().unsent(self.direction, self.waiting.get_mut().bytes);
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("direction", &self.direction).finish_non_exhaustive()
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
