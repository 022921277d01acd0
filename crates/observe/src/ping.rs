//! Pings towards one peer of a WebSocket connection and the Pongs that answer them (RFC 6455, sections 5.5.2 and
//! 5.5.3).
//!
//! A Ping counts from the moment at which our kernel has accepted its last byte for the peer, so that the time to
//! its Pong is that of this leg and of the peer alone. Where the Ping came from, from the other side or from a
//! gateway, makes no difference here.
//!
//! A Pong answers the newest open Ping with the same payload. The open Pings before it are missed: the peer has
//! passed them over, as it may when it was late (5.5.3). So a peer that passes Pings over does not shift all later
//! round trips by an interval; the price is that of several open Pings with equal payloads, only the newest gives
//! a round trip. What answers no open Ping is ignored, as the RFC allows Pongs that nobody asked for.

use std::time::Duration;

use model::Moment;

/// Pings that are open at the same time and matched one by one; of more, the oldest are only counted.
pub const OPEN_MAX: usize = 4;

/// Gaps of which the interval is the median.
const GAPS: usize = 5;

/// Gaps before there is an interval.
const GAPS_MIN: u32 = 3;

/// The Pings towards one peer. A small value without allocations, whatever is sent.
#[derive(Clone, Debug, Default)]
pub struct Pings {
    /// Oldest first; the first `open_count` are in use.
    open: [Ping; OPEN_MAX],
    open_count: usize,
    /// Accepted Pings that are open beside those, older than all of them.
    forgotten: u32,
    gaps: [Duration; GAPS],
    gap_count: u32,
    last_ping: Option<Moment>,
    last_rtt: Option<Duration>,
    slowest_rtt: Option<Duration>,
    missed: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ping {
    tag: u64,
    /// Offset behind its last byte in the stream towards the peer.
    end: u64,
    accepted: Option<Moment>,
}

/// What a Pong tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// From the Ping accepted by our kernel to the Pong read; none when the Pong came before we knew of that.
    pub rtt: Option<Duration>,
    /// Pings before it that are missed now.
    pub missed: u32,
}

impl Pings {
    /// A Ping with this tag is on its way to the peer; it ends at offset `end` of the stream towards it. `at` is
    /// when it was read or made.
    pub fn sent(&mut self, tag: u64, end: u64, at: Moment) {
        if let Some(last) = self.last_ping.replace(at) {
            self.gaps[self.gap_count as usize % GAPS] = at.since(last);
            self.gap_count = self.gap_count.saturating_add(1);
        }
        if self.open_count == OPEN_MAX {
            self.forgotten = self.forgotten.saturating_add(u32::from(self.open[0].accepted.is_some()));
            self.close_until(1);
        }
        self.open[self.open_count] = Ping { tag, end, accepted: None };
        self.open_count += 1;
    }

    /// Our kernel has accepted the stream towards the peer up to offset `reached`; true when Pings wait behind it.
    pub fn accepted(&mut self, reached: u64, at: Moment) -> bool {
        let mut waits = false;
        for ping in &mut self.open[..self.open_count] {
            if ping.end > reached {
                waits = true;
            } else {
                ping.accepted.get_or_insert(at);
            }
        }
        waits
    }

    /// A Pong with this tag was read from the peer; none when it answers no open Ping.
    pub fn pong(&mut self, tag: u64, at: Moment) -> Option<Answer> {
        let open = &self.open[..self.open_count];
        let Some(place) = open.iter().rposition(|ping| ping.tag == tag) else {
            self.forgotten = self.forgotten.saturating_sub(1);
            return None;
        };
        let rtt = open[place].accepted.map(|accepted| at.since(accepted));
        let missed = self.forgotten.saturating_add(count(place));
        self.forgotten = 0;
        self.close_until(place + 1);
        self.last_rtt = rtt.or(self.last_rtt);
        self.slowest_rtt = self.slowest_rtt.max(rtt);
        self.missed = self.missed.saturating_add(missed);
        Some(Answer { rtt, missed })
    }

    /// The connection has ended: the Pings that are still open are missed, unless our kernel never took them. Tells
    /// how many these are.
    pub fn end(&mut self) -> u32 {
        let open = &self.open[..self.open_count];
        let accepted = open.iter().filter(|ping| ping.accepted.is_some()).count();
        let missed = self.forgotten.saturating_add(count(accepted));
        self.forgotten = 0;
        self.open_count = 0;
        self.missed = self.missed.saturating_add(missed);
        missed
    }

    /// Whether there has been a Ping.
    pub fn has_begun(&self) -> bool {
        self.last_ping.is_some()
    }

    /// The last round trip.
    pub fn rtt(&self) -> Option<Duration> {
        self.last_rtt
    }

    /// The greatest round trip.
    pub fn slowest_rtt(&self) -> Option<Duration> {
        self.slowest_rtt
    }

    /// Median of the last gaps between Pings; none before there were three.
    pub fn interval(&self) -> Option<Duration> {
        let mut gaps = self.gaps;
        let gaps = &mut gaps[..GAPS.min(self.gap_count as usize)];
        gaps.sort_unstable();
        (self.gap_count >= GAPS_MIN).then(|| gaps[gaps.len() / 2])
    }

    /// Pings that were missed so far.
    pub fn missed(&self) -> u32 {
        self.missed
    }

    fn close_until(&mut self, place: usize) {
        self.open.copy_within(place..self.open_count, 0);
        self.open_count -= place;
    }
}

fn count(places: usize) -> u32 {
    u32::try_from(places).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
