//! When connections are opened and when messages are due. Pure: time is what has passed since the beginning.

use std::time::Duration;

/// How late a timer may fire. A message that is sent this soon after it was due counts from its sending.
pub const TIMER_GRAIN: Duration = Duration::from_millis(2);

/// Opens connections at a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// Connections a second, above 0.
    pub per_second: f64,
}

impl Ramp {
    /// When the connection of this number is opened.
    pub fn opens_at(self, number: usize) -> Duration {
        at(number as u64, self.per_second)
    }
}

/// What decides when messages are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Each connection sends when the answer before is there: the load yields to a slow service.
    Closed,
    /// Messages are due at a steady rate, whatever the service does.
    Open {
        /// Messages a second, of all connections together, above 0.
        per_second: f64,
    },
    /// Nothing is sent; the service does.
    Push,
}

/// The messages of one connection in an open loop. All connections together have one even row of them; they take
/// turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slots {
    next: u64,
    connections: u64,
    per_second: f64,
    until: Duration,
    messages: u64,
}

impl Slots {
    /// Slots of the connection of this number, among so many, before `until`, as many of all as `messages`.
    pub fn new(number: usize, connections: usize, per_second: f64, until: Duration, messages: u64) -> Slots {
        Slots { next: number as u64, connections: connections.max(1) as u64, per_second, until, messages }
    }

    /// When the next message is due; none when there is no further.
    pub fn due(&self) -> Option<Duration> {
        let due = at(self.next, self.per_second);
        (self.next < self.messages && due < self.until).then_some(due)
    }

    /// Goes on to the one after.
    pub fn advance(&mut self) {
        self.next = self.next.saturating_add(self.connections);
    }

    /// How many are due from here on.
    pub fn left(&self) -> u64 {
        let of_all = (self.until.as_secs_f64() * self.per_second).ceil() as u64;
        of_all.min(self.messages).saturating_sub(self.next).div_ceil(self.connections)
    }
}

/// From when the latency of a message counts: from when it was due, so that waiting behind slow answers is not left
/// out (coordinated omission); but not for what only the timer was late.
pub fn counts_from(due: Duration, sent: Duration) -> Duration {
    if sent.saturating_sub(due) <= TIMER_GRAIN { sent } else { due }
}

fn at(index: u64, per_second: f64) -> Duration {
    Duration::try_from_secs_f64(index as f64 / per_second).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(slots: Slots) -> Vec<u128> {
        let mut slots = slots;
        let mut all = Vec::new();
        while let Some(due) = slots.due() {
            assert_eq!(slots.left() as usize, milliseconds_left(slots), "{slots:?}");
            all.push(due.as_millis());
            slots.advance();
        }
        assert_eq!(slots.left(), 0);
        all
    }

    fn milliseconds_left(mut slots: Slots) -> usize {
        let mut count = 0;
        while slots.due().is_some() {
            slots.advance();
            count += 1;
        }
        count
    }

    #[test]
    fn a_ramp_is_even() {
        let ramp = Ramp { per_second: 4.0 };
        let times: Vec<_> = (0..5).map(|number| ramp.opens_at(number).as_millis()).collect();
        assert_eq!(times, [0, 250, 500, 750, 1000]);
    }

    #[test]
    fn connections_take_turns() {
        let second = Duration::from_secs(1);
        assert_eq!(milliseconds(Slots::new(0, 2, 10.0, second, u64::MAX)), [0, 200, 400, 600, 800]);
        assert_eq!(milliseconds(Slots::new(1, 2, 10.0, second, u64::MAX)), [100, 300, 500, 700, 900]);
        assert_eq!(milliseconds(Slots::new(1, 2, 10.0, second, 4)), [100, 300]);
        assert_eq!(milliseconds(Slots::new(2, 3, 2.0, second, u64::MAX)), Vec::<u128>::new());
    }

    #[test]
    fn all_connections_together_send_what_the_rate_says() {
        for connections in [1, 3, 7, 250] {
            let until = Duration::from_secs(2);
            let count = |number| milliseconds(Slots::new(number, connections, 100.0, until, u64::MAX)).len();
            assert_eq!((0..connections).map(count).sum::<usize>(), 200, "{connections}");
        }
    }

    #[test]
    fn latency_counts_from_when_a_message_was_due() {
        let ms = Duration::from_millis;
        assert_eq!(counts_from(ms(100), ms(100)), ms(100));
        assert_eq!(counts_from(ms(100), ms(102)), ms(102));
        assert_eq!(counts_from(ms(100), ms(103)), ms(100));
        assert_eq!(counts_from(ms(100), ms(1100)), ms(100));
    }

    #[test]
    fn a_rate_next_to_nothing_is_never() {
        assert_eq!(Ramp { per_second: 1e-300 }.opens_at(1), Duration::MAX);
    }
}
