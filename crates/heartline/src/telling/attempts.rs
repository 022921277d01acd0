//! The newest attempts to tell people.

use std::collections::VecDeque;

use alert::delivery::{ChannelState, Delivery, DeliveryList};
use meter::scrape::NotificationQueue;

/// Attempts that are kept; the oldest leave.
const KEPT: usize = 500;

/// Those of all channels, also of some that are no more.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    newest: VecDeque<Delivery>,
    /// Attempts since the start.
    count: u64,
}

impl Attempts {
    pub(super) fn add(&mut self, attempt: Delivery) {
        self.count += 1;
        self.newest.truncate(KEPT - 1);
        self.newest.push_front(Delivery { number: self.count, ..attempt });
    }

    /// One that is kept.
    pub(super) fn one(&self, number: u64) -> Option<&Delivery> {
        self.newest.iter().find(|attempt| attempt.number == number)
    }

    /// With what waits for the channels.
    pub(super) fn list(&self, queues: &[NotificationQueue]) -> DeliveryList {
        let state = |queue: &NotificationQueue| {
            let of = |wanted: &str| {
                let counts = queue.counts.iter().filter(|(result, _, _)| *result == wanted);
                counts.map(|(_, _, count)| count).sum()
            };
            ChannelState {
                channel: queue.channel.to_string(),
                kind: queue.kind.to_owned(),
                waiting: queue.waiting,
                delivered: of("delivered"),
                failed: of("failed"),
            }
        };
        DeliveryList {
            items: self.newest.iter().cloned().collect(),
            total: self.newest.len(),
            channels: queues.iter().map(state).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_and_the_oldest_leave() {
        let mut attempts = Attempts::default();
        for at_ms in 0..=KEPT as i64 {
            attempts.add(Delivery::of("team/slack/0", "slack", &[], at_ms));
        }
        let counts = vec![("delivered", "", 5), ("failed", "auth", 1), ("failed", "blocked", 2)];
        let queue = NotificationQueue { channel: "team/slack/0".into(), kind: "slack", counts, waiting: 4 };
        let list = attempts.list(&[queue]);
        assert_eq!((list.total, list.items[0].at_ms, list.items[KEPT - 1].at_ms), (KEPT, KEPT as i64, 1));
        let channel = &list.channels[0];
        assert_eq!((channel.waiting, channel.delivered, channel.failed), (4, 5, 3));
    }
}
