//! What the kernel tells of the legs of many connections: loss, a reader that does not read, a queue on the way.

use model::Leg;
use model::record::CloseRecord;
use model::tcp::TcpSample;

use super::{Open, Population};

/// Bytes of a full segment, as good as it is known.
const SEGMENT: f64 = 1400.0;
/// Least unacknowledged bytes among which there is a large segment.
const LARGE: u32 = 1200;
/// Least time of Linux to the first retransmission, seconds (`TCP_RTO_MIN`); each further one takes twice as long.
const RTO_MIN: f64 = 0.2;

/// What slows a leg down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// Segments are lost on the way.
    Loss,
    /// The peer's application does not read.
    Reader,
    /// A queue on the way is full of this stream's own data.
    Queue,
    /// The way is long.
    Distance,
    /// Nothing is acknowledged any more, and nothing comes.
    Dead,
    /// The peer is heard, and does not acknowledge what is sent to it in large segments.
    Hole,
}

/// One leg of a connection that is slow.
#[derive(Clone, Copy, Debug)]
pub struct SlowLeg {
    /// What slows it.
    pub why: Slow,
    /// Part of the segments that were sent again.
    pub loss: f64,
    /// Part of the sending time in which the peer's window held it back.
    pub window_share: f64,
    /// Round trip now, and the least.
    pub rtt: f64,
    /// See above.
    pub min_rtt: f64,
    /// Bytes that wait.
    pub waiting: u64,
}

/// Whether the last acknowledgement of any kind is younger than the first retransmission of what is not acknowledged.
fn is_heard(sample: &TcpSample) -> bool {
    let since_sent = RTO_MIN * (f64::from(sample.unanswered).exp2() - 1.0);
    f64::from(sample.last_ack_seconds) < since_sent / 2.0
}

impl SlowLeg {
    /// Why this leg is slow, by one look of the kernel; none when it is not. A closed window comes first: probes of it
    /// count as retransmissions.
    pub fn of(sample: &TcpSample) -> Option<SlowLeg> {
        let busy = f64::from(sample.busy_seconds);
        let window_share = f64::from(sample.rwnd_limited_seconds) / busy.max(0.001);
        let segments = sample.bytes_acked as f64 / SEGMENT;
        let loss = f64::from(sample.retransmits) / (segments + f64::from(sample.retransmits)).max(1.0);
        let rtt = f64::from(sample.rtt_seconds.unwrap_or_default());
        let min_rtt = f64::from(sample.min_rtt_seconds.unwrap_or_default());
        let waiting = u64::from(sample.notsent_bytes) + u64::from(sample.unacked_bytes);
        let is_limited = busy > 2.0 && window_share > 0.7;
        let is_stuck = sample.unanswered >= 2 && sample.unacked_bytes > 0 && !sample.zero_window;
        // Lost by chance, others would have been sent again before.
        let is_first = sample.retransmits <= 2 * u32::from(sample.unanswered) + 1;
        let why = if is_stuck && !is_heard(sample) {
            Slow::Dead
        } else if is_stuck && is_first && sample.unacked_bytes >= LARGE {
            Slow::Hole
        } else if is_limited && (sample.zero_window || sample.notsent_bytes > 32 << 10) {
            Slow::Reader
        } else if sample.retransmits >= 5 && loss > 0.01 && window_share < 0.5 {
            Slow::Loss
        } else if rtt > 0.2 && rtt > 5.0 * min_rtt && sample.notsent_bytes > 0 {
            Slow::Queue
        } else if min_rtt > 0.15 && rtt < 2.0 * min_rtt {
            Slow::Distance
        } else {
            return None;
        };
        Some(SlowLeg { why, loss, window_share, rtt, min_rtt, waiting })
    }
}

impl<'a> Population<'a> {
    /// Ends of connections whose client's side acknowledged nothing any more.
    pub fn dead_paths(&self) -> Vec<&'a CloseRecord> {
        self.ended_by(Slow::Dead)
    }

    /// Ends of connections whose client's side was so at the end.
    pub fn ended_by(&self, why: Slow) -> Vec<&'a CloseRecord> {
        self.ends_where(|record| {
            let sample = record.tcp.as_ref().and_then(|tcp| tcp.client.as_ref()?.close);
            sample.as_ref().and_then(SlowLeg::of).is_some_and(|slow| slow.why == why)
        })
    }

    /// The slow legs of open and ended connections on this side, and how many were looked at.
    pub fn slow_legs(&self, leg: Leg) -> (Vec<SlowLeg>, usize) {
        let open = self.open.iter().filter_map(|open| newest(open, leg));
        let ended = self.ends.iter().chain(&self.orderly).filter_map(|record| {
            let facts = record.tcp.as_ref()?.leg(leg).filter(|facts| !facts.shared)?;
            facts.close.or(facts.last)
        });
        let samples: Vec<TcpSample> = open.chain(ended).collect();
        (samples.iter().filter_map(SlowLeg::of).collect(), samples.len())
    }
}

fn newest(open: &Open, leg: Leg) -> Option<TcpSample> {
    open.tcp.as_ref()?.leg(leg).filter(|facts| !facts.shared)?.last
}
