//! Which openings are reconnects: the closes of the last minute that no opening has followed yet.
//!
//! A reconnect is a successful handshake within [`WITHIN`] after the close of a connection of the same client.
//! It takes that close with it, the latest one first, so there are never more reconnects than closes: whoever
//! loses one connection and opens three has reconnected once.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Moment;

/// An opening later than this after a close is a new visit.
pub const WITHIN: Duration = Duration::from_secs(60);

/// A client, as one number from which nobody can tell who it is: a hash with a salt that no one keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(pub u64);

/// See the module.
#[derive(Debug)]
pub struct Reconnects {
    /// Closes of each client, in the order in which they were noted.
    by_client: BTreeMap<(ClientKey, u64), Moment>,
    /// The same, whoever the client is.
    in_order: BTreeMap<u64, ClientKey>,
    next: u64,
    closes_max: usize,
    dropped: u64,
}

impl Reconnects {
    /// Remembers at most `closes_max` closes; the oldest one makes room.
    pub fn new(closes_max: usize) -> Reconnects {
        let (by_client, in_order) = (BTreeMap::new(), BTreeMap::new());
        Reconnects { by_client, in_order, next: 0, closes_max, dropped: 0 }
    }

    /// A connection of the client has closed.
    pub fn closed(&mut self, client: ClientKey, now: Moment) {
        self.forget_old(now);
        self.in_order.insert(self.next, client);
        self.by_client.insert((client, self.next), now);
        self.next += 1;
        if self.in_order.len() > self.closes_max {
            self.forget_first();
            self.dropped += 1;
        }
    }

    /// A handshake of the client has succeeded. Tells how long after the close, when it is a reconnect.
    pub fn opened(&mut self, client: ClientKey, now: Moment) -> Option<Duration> {
        let closes = self.by_client.range((client, 0)..=(client, u64::MAX));
        let (&(_, number), &at) = closes.last()?;
        self.by_client.remove(&(client, number));
        self.in_order.remove(&number);
        let interval = now.since(at);
        (interval <= WITHIN).then_some(interval)
    }

    /// Closes that were forgotten before their minute was over.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn forget_old(&mut self, now: Moment) {
        while let Some((&number, &client)) = self.in_order.first_key_value() {
            let is_old = self.by_client.get(&(client, number)).is_none_or(|&at| now.since(at) > WITHIN);
            if !is_old {
                break;
            }
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((number, client)) = self.in_order.pop_first() {
            self.by_client.remove(&(client, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Close,
        Open,
    }
    use Step::{Close, Open};

    fn at(milliseconds: u64) -> Moment {
        Moment(milliseconds * 1_000_000)
    }

    /// Steps of clients at milliseconds, and the intervals that their openings must tell.
    #[track_caller]
    fn check(closes_max: usize, steps: &[(u64, u64, Step)], expected: &[Option<u64>]) {
        let mut reconnects = Reconnects::new(closes_max);
        let mut intervals = Vec::new();
        for &(milliseconds, client, step) in steps {
            match step {
                Close => reconnects.closed(ClientKey(client), at(milliseconds)),
                Open => intervals.push(reconnects.opened(ClientKey(client), at(milliseconds))),
            }
        }
        let expected: Vec<_> = expected.iter().map(|interval| interval.map(Duration::from_millis)).collect();
        assert_eq!(intervals, expected);
    }

    #[test]
    fn an_opening_within_a_minute_after_a_close() {
        check(9, &[(0, 1, Open), (5_000, 1, Close), (6_500, 1, Open)], &[None, Some(1_500)]);
        check(9, &[(0, 1, Close), (60_000, 1, Open)], &[Some(60_000)]);
        check(9, &[(0, 1, Close), (60_001, 1, Open)], &[None]);
        check(9, &[(0, 1, Close), (0, 1, Open)], &[Some(0)]);
        check(9, &[(0, 1, Close), (1, 2, Open)], &[None]);
    }

    #[test]
    fn a_close_counts_once_and_the_latest_first() {
        check(9, &[(0, 1, Close), (1, 1, Open), (2, 1, Open)], &[Some(1), None]);
        check(
            9,
            &[(0, 1, Close), (10, 1, Close), (11, 1, Open), (12, 1, Open), (13, 1, Open)],
            &[Some(1), Some(12), None],
        );
        check(
            9,
            &[(0, 1, Close), (55_000, 1, Close), (61_000, 1, Open), (62_000, 1, Open)],
            &[Some(6_000), None],
        );
    }

    #[test]
    fn the_oldest_close_makes_room() {
        let steps = [(0, 1, Close), (1, 2, Close), (2, 3, Close)];
        let opens = [(3, 1, Open), (3, 2, Open), (3, 3, Open)];
        check(2, &[steps, opens].concat(), &[None, Some(2), Some(1)]);
        check(0, &[steps, opens].concat(), &[None, None, None]);
        let mut reconnects = Reconnects::new(2);
        (0..5).for_each(|client| reconnects.closed(ClientKey(client), at(0)));
        assert_eq!(reconnects.dropped(), 3);
        reconnects.closed(ClientKey(5), at(70_000));
        assert_eq!((reconnects.dropped(), reconnects.in_order.len()), (3, 1), "old closes are not dropped");
    }

    /// The definition, word by word: all closes in a list.
    #[derive(Default)]
    struct Naive(Vec<(u64, Moment)>);

    impl Naive {
        fn opened(&mut self, client: u64, now: Moment) -> Option<Duration> {
            let latest = self.0.iter().rposition(|&(of, _)| of == client)?;
            let (_, closed) = self.0.remove(latest);
            (now.since(closed) <= WITHIN).then(|| now.since(closed))
        }
    }

    proptest! {
        #[test]
        fn is_the_definition_within_its_bound(
            steps in prop::collection::vec((0u64..20_000, 0u64..4, any::<bool>()), 1..300),
        ) {
            let (mut reconnects, mut naive) = (Reconnects::new(1_000), Naive::default());
            let mut now = 0;
            for (wait, client, is_close) in steps {
                now += wait;
                if is_close {
                    reconnects.closed(ClientKey(client), at(now));
                    naive.0.push((client, at(now)));
                } else {
                    let told = reconnects.opened(ClientKey(client), at(now));
                    prop_assert_eq!(told, naive.opened(client, at(now)));
                }
                prop_assert_eq!(reconnects.by_client.len(), reconnects.in_order.len());
            }
            prop_assert_eq!(reconnects.dropped(), 0);
        }

        #[test]
        fn never_remembers_more_than_its_bound(
            closes_max in 0usize..8,
            clients in prop::collection::vec(0u64..100, 1..100),
        ) {
            let mut reconnects = Reconnects::new(closes_max);
            for client in clients {
                reconnects.closed(ClientKey(client), at(client));
                prop_assert!(reconnects.in_order.len() <= closes_max);
                prop_assert_eq!(reconnects.by_client.len(), reconnects.in_order.len());
            }
        }
    }
}
