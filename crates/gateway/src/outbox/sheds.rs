//! What the queue of one connection has shed and the flight recorder was not told of: many messages become one entry.

use std::time::Duration;

use guard::queue::Dropped;
use model::recording::Happening;
use model::{Moment, Shed, Word as _};

/// Between two entries of one connection.
const INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sheds {
    /// Messages and bytes by policy.
    sums: [(u64, u64); Shed::ALL.len()],
    told_at: Option<Moment>,
}

impl Sheds {
    /// A message was dropped.
    pub(super) fn add(&mut self, dropped: Dropped) {
        let (messages, bytes) = &mut self.sums[dropped.why.index()];
        *messages += 1;
        *bytes += dropped.size;
    }

    /// Whether there is something to tell.
    pub(super) fn has_some(&self) -> bool {
        self.sums.iter().any(|&(messages, _)| messages > 0)
    }

    /// Tells `on` what has come together: the first at once, further ones once a second, and all before the end.
    pub(super) fn tell(&mut self, now: Moment, is_last: bool, on: &mut impl FnMut(&Happening)) {
        let is_due = self.told_at.is_none_or(|told| now.since(told) >= INTERVAL);
        if !self.has_some() || !(is_due || is_last) {
            return;
        }
        self.told_at = Some(now);
        for (&policy, sum) in Shed::ALL.iter().zip(&mut self.sums) {
            let (messages, bytes) = std::mem::take(sum);
            if messages > 0 {
                on(&Happening::Shed { policy, messages: u16::try_from(messages).unwrap_or(u16::MAX), bytes });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_are_few_entries() {
        let mut sheds = Sheds::default();
        let mut told = Vec::new();
        for millis in 0..3_000 {
            sheds.add(Dropped { class: 0, why: Shed::DropOldest, size: 10 });
            if millis == 2_500 {
                sheds.add(Dropped { class: 1, why: Shed::Coalesce, size: 7 });
            }
            sheds.tell(Moment(millis * 1_000_000), false, &mut |what| told.push(*what));
        }
        sheds.tell(Moment(3_000_000_000), true, &mut |what| told.push(*what));
        sheds.tell(Moment(9_000_000_000), true, &mut |what| told.push(*what));
        let shed = |policy, messages, bytes| Happening::Shed { policy, messages, bytes };
        let of = |messages: u16| shed(Shed::DropOldest, messages, u64::from(messages) * 10);
        assert_eq!(told, [of(1), of(1000), of(1000), of(999), shed(Shed::Coalesce, 1, 7)]);
    }
}
