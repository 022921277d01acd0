//! When each open connection's sockets are looked at: about every interval, at an uneven pace so that no
//! rhythm of an application is met in step, and never more in a second than allowed. Those at rest ([`crate::rest`]) are
//! not looked at.

use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::Moment;
use tokio::sync::watch;

use crate::clock;
use crate::config::TcpSamplesConfig;
use crate::deadlines::Due;
use crate::entry::Entry;
use crate::registry::Registry;

const SECOND: Duration = Duration::from_secs(1);

/// The least and the longest time between two turns.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// Turns over which what is allowed in a second is spread at least, so that no turn is long.
const TURNS_PER_SECOND: u32 = 20;

/// Parts of the interval after which a connection is due again: random between these, with a rest for a turn
/// that is full.
const DUE_MIN: f64 = 0.75;
const DUE_MAX: f64 = 0.95;

/// Which of many things is due, the one that has waited longest first. Pure: time and chance come in.
///
/// While at most two thirds of what the pace allows in an interval are put in, each is looked at within the
/// interval. Beyond what it allows, each comes less often, all alike.
#[derive(Debug)]
pub struct Schedule<T> {
    pace: TcpSamplesConfig,
    queue: BinaryHeap<Due<T>>,
    /// How many were taken at each turn of the last second.
    taken: VecDeque<(Moment, u32)>,
}

impl<T> Schedule<T> {
    /// Nothing is due.
    pub fn new(pace: TcpSamplesConfig) -> Schedule<T> {
        Schedule { pace, queue: BinaryHeap::new(), taken: VecDeque::new() }
    }

    /// Takes over another pace; what was due stays due.
    pub fn set_pace(&mut self, pace: TcpSamplesConfig) {
        self.pace = pace;
    }

    /// Adds something that was looked at just now; `chance` is from 0 to 1.
    pub fn add(&mut self, what: T, now: Moment, chance: f64) {
        self.queue.push(Due { at: now + self.pace.interval.mul_f64(DUE_MAX * chance), what });
    }

    /// Takes what is due and allowed now. Each is due again later; what `get` does not get any more is dropped.
    pub fn take<U>(
        &mut self,
        now: Moment,
        mut chance: impl FnMut() -> f64,
        mut get: impl FnMut(&T) -> Option<U>,
    ) -> Vec<U> {
        let allowed = self.allowed(now);
        let mut taken = Vec::new();
        while taken.len() < allowed
            && self.queue.peek().is_some_and(|due| due.at <= now)
            && let Some(due) = self.queue.pop()
        {
            if let Some(got) = get(&due.what) {
                let part = DUE_MIN + (DUE_MAX - DUE_MIN) * chance();
                self.queue.push(Due { at: now + self.pace.interval.mul_f64(part), what: due.what });
                taken.push(got);
            }
        }
        if !taken.is_empty() {
            self.taken.push_back((now, u32::try_from(taken.len()).unwrap_or(u32::MAX)));
        }
        taken
    }

    /// Time to the next turn.
    pub fn pause(&self, now: Moment) -> Duration {
        let next = self.queue.peek().map_or(PAUSE_MAX, |due| due.at.since(now));
        next.clamp(PAUSE_MIN, PAUSE_MAX)
    }

    fn allowed(&mut self, now: Moment) -> usize {
        self.taken.retain(|(at, _)| now.since(*at) < SECOND);
        let taken: u32 = self.taken.iter().map(|(_, count)| count).sum();
        let turn = self.pace.max_per_second.div_ceil(TURNS_PER_SECOND);
        turn.min(self.pace.max_per_second.saturating_sub(taken)) as usize
    }
}

/// Looks at the sockets of open connections until the gateway stops.
pub async fn run(registry: Arc<Registry>, mut stopping: watch::Receiver<bool>) {
    let mut pause = PAUSE_MAX;
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            () = tokio::time::sleep(pause) => {}
        }
        let (due, next) = registry.due_samples(clock::now());
        due.iter().for_each(|entry| sample(entry));
        pause = next;
    }
}

/// Asks nothing of sockets on which nothing can have changed.
fn sample(entry: &Entry) {
    if !entry.tcp.is_settled(entry.last_byte()) {
        entry.tcp.sample(|news| entry.count_tcp(news));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashMap;

    use super::*;

    const PACE: TcpSamplesConfig =
        TcpSamplesConfig { interval: Duration::from_secs(10), max_per_second: 100, acks_one_in: 64 };

    /// The turns of some minutes of virtual time, with so many things put in at the start.
    struct Run {
        schedule: Schedule<u32>,
        now: Moment,
        seed: Cell<u64>,
        turns: Vec<(Moment, Vec<u32>)>,
    }

    impl Run {
        fn new(count: u32) -> Run {
            let mut run =
                Run { schedule: Schedule::new(PACE), now: Moment(0), seed: Cell::new(1), turns: Vec::new() };
            for number in 0..count {
                run.add(number);
            }
            run
        }

        fn add(&mut self, number: u32) {
            self.schedule.add(number, self.now, chance(&self.seed));
        }

        fn go(mut self, length: Duration, is_open: impl Fn(u32, Moment) -> bool) -> Run {
            let end = self.now + length;
            while self.now < end {
                let now = self.now;
                let get = |&number: &u32| is_open(number, now).then_some(number);
                let taken = self.schedule.take(now, || chance(&self.seed), get);
                self.turns.push((now, taken));
                self.now = now + self.schedule.pause(now);
            }
            self
        }

        fn most_in_a_second(&self) -> usize {
            let in_second = |start: usize| {
                let from = self.turns[start].0;
                let turns = self.turns[start..].iter().take_while(|(at, _)| at.since(from) < SECOND);
                turns.map(|(_, taken)| taken.len()).sum()
            };
            (0..self.turns.len()).map(in_second).max().unwrap_or_default()
        }

        /// For each thing, the longest time without a look, the start and the end included.
        fn longest_gaps(&self) -> HashMap<u32, Duration> {
            let mut last = HashMap::new();
            let mut gaps = HashMap::<u32, Duration>::new();
            for (at, taken) in &self.turns {
                for &number in taken {
                    let gap = at.since(last.insert(number, *at).unwrap_or(Moment(0)));
                    let longest = gaps.entry(number).or_default();
                    *longest = gap.max(*longest);
                }
            }
            for (number, at) in last {
                let longest = gaps.entry(number).or_default();
                *longest = self.now.since(at).max(*longest);
            }
            gaps
        }
    }

    /// A linear congruential generator (Knuth's constants), for runs that repeat.
    fn chance(seed: &Cell<u64>) -> f64 {
        seed.set(seed.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        (seed.get() >> 11) as f64 / (1u64 << 53) as f64
    }

    const MINUTES: Duration = Duration::from_secs(200);

    fn always(_: u32, _: Moment) -> bool {
        true
    }

    #[test]
    fn each_is_looked_at_within_the_interval_while_the_pace_allows() {
        for count in [1, 10, 100, 660] {
            let run = Run::new(count).go(MINUTES, always);
            assert!(run.most_in_a_second() <= 100);
            let gaps = run.longest_gaps();
            assert_eq!(gaps.len(), count as usize);
            let longest = gaps.values().max().expect("there are some");
            assert!(*longest <= PACE.interval, "{count}: {longest:?}");
            assert!(*longest > PACE.interval.mul_f64(DUE_MIN), "{count}: {longest:?}");
            let looks: usize = run.turns.iter().map(|(_, taken)| taken.len()).sum();
            let least = count as usize * 20;
            assert!((least..=least * 4 / 3 + count as usize).contains(&looks), "{count}: {looks} looks");
        }
    }

    #[test]
    fn beyond_the_pace_all_wait_alike() {
        for count in [1_100, 2_000, 5_000] {
            let run = Run::new(count).go(MINUTES, always);
            assert_eq!(run.most_in_a_second(), 100, "all that is allowed is used");
            let gaps = run.longest_gaps();
            assert_eq!(gaps.len(), count as usize);
            let round = Duration::from_secs_f64(f64::from(count) / 100.0);
            let longest = gaps.values().max().expect("there are some");
            assert!(
                *longest <= round + PACE.interval.mul_f64(0.3),
                "{count}: {longest:?} in rounds of {round:?}"
            );
        }
    }

    #[test]
    fn looks_at_one_thing_are_not_in_step() {
        let run = Run::new(1).go(MINUTES, always);
        let looks: Vec<Moment> =
            run.turns.iter().filter(|(_, taken)| !taken.is_empty()).map(|(at, _)| *at).collect();
        let gaps: Vec<Duration> = looks.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        assert!(gaps.iter().all(|gap| (7.5..=9.6).contains(&gap.as_secs_f64())), "{gaps:?}");
        let (least, longest) = (gaps.iter().min(), gaps.iter().max());
        assert!(longest.zip(least).is_some_and(|(a, b)| *a - *b > Duration::from_secs(1)), "{gaps:?}");
    }

    #[test]
    fn what_has_ended_costs_nothing_and_is_let_go() {
        let half = Moment(0) + MINUTES / 2;
        let run = Run::new(2_000).go(MINUTES, |number, now| now < half || number < 500);
        assert!(run.most_in_a_second() <= 100);
        assert_eq!(run.schedule.queue.len(), 500);
        let late = run.turns.iter().filter(|(at, _)| *at > half);
        assert!(late.flat_map(|(_, taken)| taken).all(|&number| number < 500));
    }

    #[test]
    fn a_slow_pace_still_goes_round() {
        let mut run = Run::new(3);
        run.schedule.set_pace(TcpSamplesConfig { max_per_second: 1, ..PACE });
        let run = run.go(MINUTES, always);
        assert_eq!(run.most_in_a_second(), 1);
        assert!(run.longest_gaps().values().all(|gap| *gap <= PACE.interval + SECOND * 3));
    }
}
