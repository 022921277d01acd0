//! Parts of all processes and seconds, put together.

use std::time::Duration;

use super::report::Run;
use super::run::Part;
use super::tally::Tally;

/// See the module.
#[derive(Debug)]
pub struct Gathered {
    /// All that was seen so far.
    pub total: Tally,
    /// What was seen since it was looked at last.
    recent: Tally,
    latest: Vec<Latest>,
}

/// What each process said last.
#[derive(Clone, Copy, Debug, Default)]
struct Latest {
    open: u32,
    open_max: u32,
    since_start: Duration,
    measured: Duration,
}

/// How it stands.
#[derive(Clone, Debug)]
pub struct Glance {
    /// Sessions that are open.
    pub open: u32,
    /// Time since the run began.
    pub since_start: Duration,
    /// What was seen since the last glance.
    pub recent: Tally,
}

impl Gathered {
    /// Nothing yet of so many processes.
    pub fn new(processes: u32) -> Gathered {
        let latest = vec![Latest::default(); processes as usize];
        Gathered { total: Tally::default(), recent: Tally::default(), latest }
    }

    /// Takes a part of process number `process`. True when it is the turn of a glance: once a round.
    pub fn add(&mut self, process: usize, part: Part) -> bool {
        if let Some(latest) = self.latest.get_mut(process) {
            let Part { open, open_max, since_start, measured, .. } = part;
            *latest = Latest { open, open_max, since_start, measured };
        }
        self.total.merge(part.tally.clone());
        self.recent.merge(part.tally);
        process + 1 == self.latest.len()
    }

    /// How it stands now.
    pub fn glance(&mut self) -> Glance {
        Glance {
            open: self.latest.iter().map(|latest| latest.open).sum(),
            since_start: self.latest.iter().map(|latest| latest.since_start).max().unwrap_or_default(),
            recent: std::mem::take(&mut self.recent),
        }
    }

    /// What the report says of the run.
    pub fn run(&self) -> Run {
        Run {
            elapsed: self.latest.iter().map(|latest| latest.measured).max().unwrap_or_default(),
            open_max: self.latest.iter().map(|latest| latest.open_max).sum(),
            processes: u32::try_from(self.latest.len()).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(open: u32, received: u64, measured: u64) -> Part {
        Part {
            open,
            open_max: open + 1,
            tally: Tally { received, ..Tally::default() },
            since_start: Duration::from_secs(measured),
            measured: Duration::from_secs(measured),
        }
    }

    #[test]
    fn parts_of_two_processes() {
        let mut gathered = Gathered::new(2);
        assert!(!gathered.add(0, part(3, 10, 1)));
        assert!(gathered.add(1, part(4, 20, 1)));
        let glance = gathered.glance();
        assert_eq!((glance.open, glance.recent.received), (7, 30));
        gathered.add(0, part(0, 1, 2));
        gathered.add(1, part(5, 2, 3));
        let glance = gathered.glance();
        assert_eq!((glance.open, glance.recent.received), (5, 3));
        assert_eq!(gathered.total.received, 33);
        let run = gathered.run();
        assert_eq!((run.elapsed, run.open_max, run.processes), (Duration::from_secs(3), 7, 2));
    }
}
