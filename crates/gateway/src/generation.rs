//! From the generation of an event to its acceptance by the client's kernel socket, over two clocks.

use std::collections::VecDeque;

use meter::cells::SseCells;
use model::WallTime;

/// Times that are remembered while their events wait; of more, the last stands for all.
const WAITING_MAX: usize = 1024;

/// When the events that wait were made, in their order.
#[derive(Debug, Default)]
pub struct Generated {
    times: VecDeque<(Option<WallTime>, u64)>,
}

impl Generated {
    /// One more event waits; `time` is none when it does not say when it was made.
    pub fn push(&mut self, time: Option<WallTime>) {
        let is_full = self.times.len() >= WAITING_MAX;
        match self.times.back_mut() {
            Some((_, events)) if is_full => *events += 1,
            _ => self.times.push_back((time, 1)),
        }
    }

    /// The first `events` were accepted `now`.
    pub fn accepted(&mut self, mut events: u64, now: impl FnOnce() -> WallTime, cells: &SseCells) {
        if self.times.is_empty() {
            return;
        }
        let now = now();
        while events > 0 {
            let Some((time, waiting)) = self.times.front_mut() else { return };
            let taken = events.min(*waiting);
            if let Some(time) = *time {
                measure(time, taken, now, cells);
            }
            events -= taken;
            *waiting -= taken;
            if *waiting == 0 {
                self.times.pop_front();
            }
        }
    }
}

fn measure(time: WallTime, events: u64, now: WallTime, cells: &SseCells) {
    let nanos = i64::try_from(i128::from(now.0) - i128::from(time.0)).unwrap_or(i64::MAX);
    cells.generation_delay_min.observe(nanos);
    cells.generation_delay_seconds.observe_n(nanos.max(0) as f64 / 1e9, events);
    if nanos < 0 {
        cells.events_ahead.add(events);
    }
}

#[cfg(test)]
mod tests {
    use meter::cells::Observed;

    use super::*;

    fn at(milliseconds: u64) -> WallTime {
        WallTime(1_785_585_600_000_000_000 + milliseconds * 1_000_000)
    }

    fn observed(cells: &SseCells) -> Observed {
        let mut observed = Observed::default();
        cells.generation_delay_seconds.add_to(&mut observed);
        observed
    }

    #[test]
    fn each_event_has_its_delay() {
        let (cells, mut generated) = (SseCells::default(), Generated::default());
        [100, 200, 400].iter().for_each(|&milliseconds| generated.push(Some(at(milliseconds))));
        generated.accepted(2, || at(300), &cells);
        assert_eq!((observed(&cells).count(), observed(&cells).sum_nanos), (2, 300_000_000));
        assert_eq!(cells.events_ahead.get(), 0);
        generated.accepted(5, || at(390), &cells);
        assert_eq!((observed(&cells).count(), observed(&cells).sum_nanos), (3, 300_000_000), "not below 0");
        assert_eq!(cells.events_ahead.get(), 1);
        assert_eq!(cells.generation_delay_min.get(), Some(-10_000_000));
    }

    #[test]
    fn an_event_without_time_keeps_its_place() {
        let (cells, mut generated) = (SseCells::default(), Generated::default());
        generated.push(None);
        generated.push(Some(at(100)));
        generated.accepted(1, || at(150), &cells);
        assert_eq!(observed(&cells).count(), 0);
        generated.accepted(1, || at(250), &cells);
        assert_eq!((observed(&cells).count(), observed(&cells).sum_nanos), (1, 150_000_000));
    }

    #[test]
    fn of_too_many_the_last_stands_for_all() {
        let (cells, mut generated) = (SseCells::default(), Generated::default());
        (0..5_000).for_each(|milliseconds| generated.push(Some(at(milliseconds))));
        assert_eq!(generated.times.len(), WAITING_MAX);
        generated.accepted(3_000, || at(5_000), &cells);
        generated.accepted(2_000, || at(5_000), &cells);
        assert_eq!(observed(&cells).count(), 5_000);
        assert!(generated.times.is_empty());
    }
}
