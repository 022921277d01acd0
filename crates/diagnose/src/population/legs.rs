//! What the kernel tells of the legs of many connections: loss, a reader that does not read, a queue on the way.

use std::net::{IpAddr, Ipv4Addr};

use model::Leg;
use model::record::CloseRecord;
use model::tcp::TcpSample;

use super::{Open, Population, network};

/// Bytes of a full segment, as good as it is known.
const SEGMENT: f64 = 1400.0;
/// Least unacknowledged bytes among which there is a large segment.
const LARGE: u32 = 1200;
/// Least time of Linux to the first retransmission, seconds (`TCP_RTO_MIN`); each further one takes twice as long.
const RTO_MIN: f64 = 0.2;
/// Below this part of what is on its way now the way stands empty most of the time.
const MOSTLY_EMPTY: f64 = 0.5;

/// What slows a leg down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// Segments are lost on the way.
    Loss,
    /// The peer's application does not read: its window is shut, and the way to it stands empty while bytes wait.
    Reader,
    /// A queue on the way is full of this stream's own data.
    Queue,
    /// The peer's window holds sending back, and nothing tells whether its application reads.
    Window,
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
    /// The client's network; unspecified towards an upstream.
    pub network: IpAddr,
    /// What looks like it is excluded: a reader's round trip is short, a queue's window open.
    pub is_clear: bool,
}

/// Whether the last acknowledgement of any kind is younger than the first retransmission of what is not acknowledged.
fn is_heard(sample: &TcpSample) -> bool {
    let since_sent = RTO_MIN * (f64::from(sample.unanswered).exp2() - 1.0);
    f64::from(sample.last_ack_seconds) < since_sent / 2.0
}

/// The part of what is on its way now that would be there by the mean rate (Little's law): near 1 when the way is always
/// full, as one is that is too narrow or too long for the window; far below when it stands empty most of the time. None
/// when nothing is on its way.
fn fullness(sample: &TcpSample) -> Option<f64> {
    let rate = sample.bytes_acked as f64 / f64::from(sample.busy_seconds);
    let is_known = sample.unacked_bytes > 0 && sample.busy_seconds > 0.0;
    Some(rate * f64::from(sample.rtt_seconds?) / f64::from(sample.unacked_bytes)).filter(|_| is_known)
}

impl SlowLeg {
    /// Why this leg is slow, by one look of the kernel; none when it is not. A closed window comes first: probes of it
    /// count as retransmissions. That a window limits is not yet the reader's fault: one that is small is full all the
    /// time on a narrow link, too, and there what is acknowledged leaves at once.
    pub fn of(sample: &TcpSample) -> Option<SlowLeg> {
        let busy = f64::from(sample.busy_seconds);
        let window_share = f64::from(sample.rwnd_limited_seconds) / busy.max(0.001);
        let segments = sample.bytes_acked as f64 / SEGMENT;
        let loss = f64::from(sample.retransmits) / (segments + f64::from(sample.retransmits)).max(1.0);
        let rtt = f64::from(sample.rtt_seconds.unwrap_or_default());
        let min_rtt = f64::from(sample.min_rtt_seconds.unwrap_or_default());
        let waiting = u64::from(sample.notsent_bytes) + u64::from(sample.unacked_bytes);
        let is_limited = busy > 2.0 && window_share > 0.7;
        let is_waiting = sample.notsent_bytes > 0;
        let is_shut = is_waiting && (sample.zero_window || sample.unacked_bytes == 0);
        let is_mostly_empty = is_waiting && fullness(sample).is_some_and(|part| part < MOSTLY_EMPTY);
        let has_grown = rtt > 0.2 && rtt > 5.0 * min_rtt;
        let is_stuck = sample.unanswered >= 2 && sample.unacked_bytes > 0 && !sample.zero_window;
        // Lost by chance, others would have been sent again before.
        let is_first = sample.retransmits <= 2 * u32::from(sample.unanswered) + 1;
        let why = if is_stuck && !is_heard(sample) {
            Slow::Dead
        } else if is_stuck && is_first && sample.unacked_bytes >= LARGE {
            Slow::Hole
        } else if is_limited && (is_shut || is_mostly_empty) {
            Slow::Reader
        } else if has_grown && is_waiting {
            // A queue that is full loses what comes further.
            Slow::Queue
        } else if sample.retransmits >= 5 && loss > 0.01 && window_share < 0.5 {
            Slow::Loss
        } else if is_limited && sample.notsent_bytes > 32 << 10 {
            Slow::Window
        } else if min_rtt > 0.15 && rtt < 2.0 * min_rtt {
            Slow::Distance
        } else {
            return None;
        };
        let is_clear = match why {
            Slow::Reader => !has_grown,
            Slow::Queue => !sample.zero_window && window_share < 0.5,
            _ => true,
        };
        let network = Ipv4Addr::UNSPECIFIED.into();
        Some(SlowLeg { why, loss, window_share, rtt, min_rtt, waiting, network, is_clear })
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
        let open = self.open.iter().filter_map(|open| Some((open.client.ip, newest(open, leg)?)));
        let ended = self.ends.iter().chain(&self.orderly).filter_map(|record| {
            let facts = record.tcp.as_ref()?.leg(leg).filter(|facts| !facts.shared)?;
            Some((record.client.ip, facts.close.or(facts.last)?))
        });
        let samples: Vec<(IpAddr, TcpSample)> = open.chain(ended).collect();
        let of = |(ip, sample): &(IpAddr, TcpSample)| {
            let slow = SlowLeg::of(sample)?;
            Some(if leg == Leg::Client { SlowLeg { network: network(*ip), ..slow } } else { slow })
        };
        (samples.iter().filter_map(of).collect(), samples.len())
    }
}

fn newest(open: &Open, leg: Leg) -> Option<TcpSample> {
    open.tcp.as_ref()?.leg(leg).filter(|facts| !facts.shared)?.last
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leg that has been busy for 10 s with more to send: 75 kB/s over a way of 20 ms, nothing lost.
    fn busy() -> TcpSample {
        TcpSample {
            rtt_seconds: Some(0.02),
            min_rtt_seconds: Some(0.02),
            notsent_bytes: 300_000,
            unacked_bytes: 1_500,
            bytes_acked: 750_000,
            busy_seconds: 10.0,
            ..TcpSample::default()
        }
    }

    fn why(sample: &TcpSample) -> Option<(Slow, bool)> {
        SlowLeg::of(sample).map(|slow| (slow.why, slow.is_clear))
    }

    #[test]
    fn a_reader_that_does_not_read_shuts_its_window_and_leaves_the_way_empty() {
        let limited = TcpSample { rwnd_limited_seconds: 9.5, bytes_acked: 90_000, ..busy() };
        let shut = TcpSample { zero_window: true, unacked_bytes: 0, ..limited };
        assert_eq!(why(&shut), Some((Slow::Reader, true)));
        assert_eq!(
            why(&TcpSample { zero_window: false, ..shut }),
            Some((Slow::Reader, true)),
            "nothing on its way"
        );
        let reads_now = TcpSample { unacked_bytes: 40_000, ..limited };
        assert_eq!(why(&reads_now), Some((Slow::Reader, true)), "by the mean rate the way is empty mostly");
    }

    #[test]
    fn a_narrow_link_is_full_whatever_limits_the_sender() {
        let queued = TcpSample { rtt_seconds: Some(1.0), unacked_bytes: 75_000, ..busy() };
        assert_eq!(why(&queued), Some((Slow::Queue, true)));
        let drops = TcpSample { retransmits: 60, ..queued };
        assert_eq!(why(&drops), Some((Slow::Queue, true)), "a full queue loses what comes further");
        assert_eq!(why(&TcpSample { retransmits: 60, ..busy() }), Some((Slow::Loss, true)));
        let by_window = TcpSample { rwnd_limited_seconds: 9.8, ..queued };
        assert_eq!(why(&by_window), Some((Slow::Queue, false)), "a small window is full in the queue");
    }

    #[test]
    fn a_slow_reader_behind_a_narrow_link_is_no_clear_case() {
        let burst =
            TcpSample { rtt_seconds: Some(0.8), rwnd_limited_seconds: 9.0, bytes_acked: 200_000, ..busy() };
        let shut = TcpSample { zero_window: true, unacked_bytes: 0, ..burst };
        assert_eq!(why(&shut), Some((Slow::Reader, false)));
        let open = TcpSample { unacked_bytes: 60_000, ..burst };
        assert_eq!(why(&open), Some((Slow::Reader, false)), "the link could carry more than is read");
    }

    #[test]
    fn a_window_too_small_for_a_long_way_is_nobody_who_does_not_read() {
        let far = TcpSample { rtt_seconds: Some(0.12), min_rtt_seconds: Some(0.118), ..busy() };
        let limited = TcpSample { rwnd_limited_seconds: 9.9, unacked_bytes: 9_000, ..far };
        assert_eq!(why(&limited), Some((Slow::Window, true)));
    }
}
