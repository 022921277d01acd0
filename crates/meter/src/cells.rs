//! Counters of the hot path.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use model::{
    Direction, ErrorType, EventTimeError, HandshakeResult, Leg, Opcode, PerDirection, PerLeg, RejectedCheck,
    Word,
};

use crate::families::{
    CLOSE_IDLE_BOUNDS, DURATION_BOUNDS, HANDSHAKE_BOUNDS, LATENCY_BOUNDS, RECONNECT_BOUNDS, RTT_BOUNDS,
};
use crate::smallest::Smallest;

const NANOS_PER_SECOND: f64 = 1e9;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One counter for each value of a closed enumeration.
#[derive(Debug)]
pub struct Counts<W> {
    counters: Box<[Counter]>,
    word: PhantomData<fn(W)>,
}

impl<W: Word> Default for Counts<W> {
    fn default() -> Self {
        Counts { counters: W::ALL.iter().map(|_| Counter::default()).collect(), word: PhantomData }
    }
}

impl<W: Word> Counts<W> {
    /// Adds one.
    pub fn inc(&self, word: W) {
        self.counters[word.index()].inc();
    }

    /// Adds `n`.
    pub fn add(&self, word: W, n: u64) {
        self.counters[word.index()].add(n);
    }

    /// The sum so far.
    pub fn get(&self, word: W) -> u64 {
        self.counters[word.index()].get()
    }

    /// The sum of all words so far.
    pub fn sum(&self) -> u64 {
        self.counters.iter().map(Counter::get).sum()
    }
}

/// Observations in buckets with fixed upper bounds, and their sum.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    cells: Box<[Counter]>,
    sum_nanos: Counter,
}

impl Histogram {
    /// An empty histogram; `bounds` are the upper bounds in ascending order, without +Inf.
    pub fn new(bounds: &'static [f64]) -> Histogram {
        let cells = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Histogram { bounds, cells, sum_nanos: Counter::default() }
    }

    /// Takes one observation in seconds.
    pub fn observe(&self, seconds: f64) {
        self.observe_n(seconds, 1);
    }

    /// Takes `n` observations of the same value in seconds.
    pub fn observe_n(&self, seconds: f64, n: u64) {
        let cell = self.bounds.partition_point(|&bound| bound < seconds);
        self.cells[cell].add(n);
        self.sum_nanos.add((seconds * NANOS_PER_SECOND) as u64 * n);
    }

    /// What was observed.
    pub fn observed(&self) -> Observed {
        let mut total = Observed::default();
        self.add_to(&mut total);
        total
    }

    /// Adds what was observed to `total`.
    pub fn add_to(&self, total: &mut Observed) {
        total.cells.resize(self.cells.len(), 0);
        for (sum, cell) in total.cells.iter_mut().zip(&self.cells) {
            *sum += cell.get();
        }
        total.sum_nanos += self.sum_nanos.get();
    }
}

/// What a histogram has observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Observations in each bucket alone; the last is beyond all bounds.
    pub cells: Vec<u64>,
    /// Sum of the observations in nanoseconds.
    pub sum_nanos: u64,
}

impl Observed {
    /// Number of observations.
    pub fn count(&self) -> u64 {
        self.cells.iter().sum()
    }

    /// Sum of the observations in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_nanos as f64 / NANOS_PER_SECOND
    }
}

/// What one worker thread counts of one route.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Shard {
    /// WebSocket connections.
    pub websocket: WebSocketCells,
    /// Event streams.
    pub sse: SseCells,
    /// Broken rules of the upgrade discipline.
    pub rejected: Counts<RejectedCheck>,
    /// Connections that a stop cut before both peers were told of the end.
    pub cut_untold: Counter,
}

/// See the families of the same names.
#[derive(Debug)]
pub struct WebSocketCells {
    /// Attempts by outcome; successful ones are counted where connections are.
    pub handshakes: Counts<HandshakeResult>,
    /// Time to the outcome of successful attempts.
    pub handshake_seconds: Histogram,
    /// Time from established to closed.
    pub duration_seconds: Histogram,
    /// Complete data messages.
    pub messages: PerDirection<Counter>,
    /// Their payload bytes on the wire.
    pub message_bytes: PerDirection<Counter>,
    /// Frames by opcode.
    pub frames: PerDirection<Counts<Opcode>>,
    /// Residence of messages.
    pub latency_seconds: PerDirection<Histogram>,
    /// Acknowledgement of sampled messages.
    pub ack_seconds: PerDirection<Histogram>,
    /// Errors by type.
    pub errors: Counts<ErrorType>,
    /// Silence before an end without Close handshake.
    pub close_idle_seconds: Histogram,
    /// Round-trip times on the client leg.
    pub client_rtt_seconds: Histogram,
    /// Round-trip times on the upstream leg.
    pub upstream_rtt_seconds: Histogram,
    /// Segments sent again.
    pub retransmits: Counts<Leg>,
    /// Time from a close to the reconnect.
    pub reconnect_seconds: Histogram,
    /// Round trips of Pings, by the peer that answered.
    pub heartbeat_rtt_seconds: PerLeg<Histogram>,
    /// Pings without an answer, by the peer that did not give it.
    pub heartbeats_missed: PerLeg<Counter>,
    /// Pings that the gateway itself sent, by the peer.
    pub heartbeats_sent: PerLeg<Counter>,
}

impl WebSocketCells {
    /// Round-trip times on one leg.
    pub fn rtt_seconds(&self, leg: Leg) -> &Histogram {
        match leg {
            Leg::Client => &self.client_rtt_seconds,
            Leg::Upstream => &self.upstream_rtt_seconds,
        }
    }
}

impl Default for WebSocketCells {
    fn default() -> Self {
        WebSocketCells {
            handshakes: Counts::default(),
            handshake_seconds: Histogram::new(HANDSHAKE_BOUNDS),
            duration_seconds: Histogram::new(DURATION_BOUNDS),
            messages: PerDirection::default(),
            message_bytes: PerDirection::default(),
            frames: PerDirection::default(),
            latency_seconds: PerDirection::from_fn(|_: Direction| Histogram::new(LATENCY_BOUNDS)),
            ack_seconds: PerDirection::from_fn(|_: Direction| Histogram::new(LATENCY_BOUNDS)),
            errors: Counts::default(),
            close_idle_seconds: Histogram::new(CLOSE_IDLE_BOUNDS),
            client_rtt_seconds: Histogram::new(RTT_BOUNDS),
            upstream_rtt_seconds: Histogram::new(RTT_BOUNDS),
            retransmits: Counts::default(),
            reconnect_seconds: Histogram::new(RECONNECT_BOUNDS),
            heartbeat_rtt_seconds: PerLeg::from_fn(|_: Leg| Histogram::new(LATENCY_BOUNDS)),
            heartbeats_missed: PerLeg::default(),
            heartbeats_sent: PerLeg::default(),
        }
    }
}

/// See the families of the same names.
#[derive(Debug)]
pub struct SseCells {
    /// Attempts by outcome; successful ones are counted where connections are.
    pub connections: Counts<HandshakeResult>,
    /// Events.
    pub events: Counter,
    /// Bytes of their blocks.
    pub event_bytes: Counter,
    /// Comments.
    pub comments: Counter,
    /// Comments that the gateway itself sent.
    pub heartbeats_sent: Counter,
    /// From an event's last byte read to accepted by the client's kernel socket.
    pub delay_seconds: Histogram,
    /// Acknowledgement of sampled events.
    pub ack_seconds: Histogram,
    /// From an event's generation to accepted by the client's kernel socket; what is below 0 counts as 0.
    pub generation_delay_seconds: Histogram,
    /// The smallest of these, with its sign.
    pub generation_delay_min: Smallest,
    /// Events accepted before their generation.
    pub events_ahead: Counter,
    /// Events that do not tell their generation.
    pub event_time_errors: Counts<EventTimeError>,
    /// Time from established to closed.
    pub duration_seconds: Histogram,
    /// Errors by type.
    pub errors: Counts<ErrorType>,
    /// Reconnects whose request had no `Last-Event-ID`.
    pub reconnects_anew: Counter,
    /// Reconnects whose request had one.
    pub reconnects_resumed: Counter,
}

impl Default for SseCells {
    fn default() -> Self {
        SseCells {
            connections: Counts::default(),
            events: Counter::default(),
            event_bytes: Counter::default(),
            comments: Counter::default(),
            heartbeats_sent: Counter::default(),
            delay_seconds: Histogram::new(LATENCY_BOUNDS),
            ack_seconds: Histogram::new(LATENCY_BOUNDS),
            generation_delay_seconds: Histogram::new(LATENCY_BOUNDS),
            generation_delay_min: Smallest::default(),
            events_ahead: Counter::default(),
            event_time_errors: Counts::default(),
            duration_seconds: Histogram::new(DURATION_BOUNDS),
            errors: Counts::default(),
            reconnects_anew: Counter::default(),
            reconnects_resumed: Counter::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_at_a_bound_is_within_it() {
        let histogram = Histogram::new(&[0.1, 1.0]);
        for seconds in [0.0, 0.1, 0.100001, 1.0, 1.5] {
            histogram.observe(seconds);
        }
        histogram.observe_n(2.0, 3);
        let mut observed = Observed::default();
        histogram.add_to(&mut observed);
        assert_eq!(observed.cells, [2, 2, 4]);
        assert_eq!(observed.count(), 8);
        assert!((observed.sum_seconds() - 8.700001).abs() < 1e-9);
    }
}
