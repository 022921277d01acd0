//! When probes run: each in its own rhythm, never two runs of one at once, never too many in all. Pure: times come in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::Moment;
use model::probe::Refusal;

/// Runs under way at once, and how many of them may be deep, so that the long ones leave room for the rest.
const AT_ONCE: usize = 8;
const DEEP_AT_ONCE: usize = 2;
/// First runs are spread over an interval, but over no longer than this.
const SPREAD: Duration = Duration::from_secs(60);
const DEEP_SPREAD: Duration = Duration::from_secs(600);

/// The rhythm of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Between the beginnings of two runs; more than 0.
    pub every: Duration,
    /// Between those of two deep runs, which take the place of ordinary ones; none when there are only those that are
    /// asked for.
    pub deep_every: Option<Duration>,
}

/// A run that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Name of the probe.
    pub probe: Arc<str>,
    /// Long and hard experiments are part of it.
    pub is_deep: bool,
}

/// What is known of one probe.
#[derive(Debug)]
struct Entry {
    rhythm: Rhythm,
    /// When its next run is due.
    due: Moment,
    deep_due: Option<Moment>,
    /// The run under way, and whether it is deep.
    running: Option<bool>,
    /// Somebody asked for a run, deep or not.
    asked: Option<bool>,
    skipped: u64,
}

/// The machine.
#[derive(Debug, Default)]
pub struct Timetable {
    entries: BTreeMap<Arc<str>, Entry>,
}

impl Timetable {
    /// These are the probes from now on. One whose rhythm is the same keeps its place; the first runs of others are
    /// spread by a hash of their names.
    pub fn follow(&mut self, probes: impl IntoIterator<Item = (Arc<str>, Rhythm)>, now: Moment) {
        let mut before = std::mem::take(&mut self.entries);
        for (name, rhythm) in probes {
            let known = before.remove(&name);
            let entry = match known {
                Some(known) if known.rhythm == rhythm => known,
                known => Entry {
                    rhythm,
                    due: now + spread(&name, rhythm.every.min(SPREAD)),
                    deep_due: rhythm.deep_every.map(|every| now + spread(&name, every.min(DEEP_SPREAD))),
                    running: None,
                    asked: None,
                    skipped: known.map_or(0, |known| known.skipped),
                },
            };
            self.entries.insert(name, entry);
        }
    }

    /// Somebody asks for a run; it begins as soon as there is room.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn ask(&mut self, probe: &str, is_deep: bool) -> Result<(), Refusal> {
        let entry = self.entries.get_mut(probe).ok_or(Refusal::Unknown)?;
        if entry.running.is_some() || entry.asked.is_some() {
            return Err(Refusal::Running);
        }
        entry.asked = Some(is_deep);
        Ok(())
    }

    /// What begins now: what was asked for, then what has been due for longest. What finds no room stays due; what is
    /// still due, or under way, when its next run is due is skipped, and counted.
    pub fn begin(&mut self, now: Moment) -> Vec<Begin> {
        self.entries.values_mut().for_each(|entry| entry.skip(now));
        let running = || self.entries.values().filter_map(|entry| entry.running);
        let (mut room, mut deep_room) = (
            AT_ONCE.saturating_sub(running().count()),
            DEEP_AT_ONCE.saturating_sub(running().filter(|is_deep| *is_deep).count()),
        );
        let mut waiting: Vec<(&Arc<str>, &mut Entry)> = self.entries.iter_mut().collect();
        waiting.retain(|(_, entry)| entry.asked.is_some() || entry.due <= now);
        waiting.sort_by_key(|(_, entry)| (entry.asked.is_none(), entry.due));
        let mut begun = Vec::new();
        for (name, entry) in waiting {
            let is_asked_deep = entry.asked == Some(true);
            if room == 0 || (is_asked_deep && deep_room == 0) {
                continue;
            }
            let is_deep_due = entry.deep_due.is_some_and(|due| due <= now);
            let is_deep = is_asked_deep || (is_deep_due && deep_room > 0);
            room -= 1;
            deep_room -= usize::from(is_deep);
            entry.began(is_deep, now);
            begun.push(Begin { probe: Arc::clone(name), is_deep });
        }
        begun
    }

    /// A run is over.
    pub fn ended(&mut self, probe: &str) {
        if let Some(entry) = self.entries.get_mut(probe) {
            entry.running = None;
        }
    }

    /// When something is due next; none when nothing is until a run ends or somebody asks.
    pub fn next(&self, now: Moment) -> Option<Moment> {
        self.entries.values().map(|entry| entry.due).filter(|due| *due > now).min()
    }

    /// Whether a run is under way.
    pub fn is_running(&self, probe: &str) -> bool {
        self.entries.get(probe).is_some_and(|entry| entry.running.is_some())
    }

    /// Runs that were left out.
    pub fn skipped(&self, probe: &str) -> u64 {
        self.entries.get(probe).map_or(0, |entry| entry.skipped)
    }
}

impl Entry {
    /// Leaves out runs that cannot begin in time.
    fn skip(&mut self, now: Moment) {
        let late = |due: Moment| u64::try_from(now.since(due).as_nanos() / self.rhythm.every.as_nanos());
        // A run under way takes the place of each that is due, also of the one that is due just now.
        let missed = match self.running {
            Some(_) if self.due <= now => late(self.due).unwrap_or(0) + 1,
            _ => late(self.due).unwrap_or(0),
        };
        self.skipped += missed;
        self.due = self.due + self.rhythm.every * u32::try_from(missed).unwrap_or(u32::MAX);
    }

    fn began(&mut self, is_deep: bool, now: Moment) {
        self.running = Some(is_deep);
        self.asked = None;
        while self.due <= now {
            self.due = self.due + self.rhythm.every;
        }
        if is_deep {
            self.deep_due = self.rhythm.deep_every.map(|every| now + every);
        }
    }
}

/// A part of the interval that the name alone decides, so that probes do not all run at once.
fn spread(name: &str, interval: Duration) -> Duration {
    // FNV-1a (draft-eastlake-fnv), 64 bits, whose last bytes reach the high bits only by one more multiplication.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    interval.mul_f64((mixed >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const ORDINARY: Rhythm = Rhythm { every: MINUTE, deep_every: None };

    /// A timetable, and how long a run takes of each kind; time goes by in seconds.
    struct Played {
        table: Timetable,
        now: u64,
        ends: Vec<(u64, Arc<str>)>,
    }

    impl Played {
        fn of(probes: &[(&str, Rhythm)]) -> Played {
            let mut table = Timetable::default();
            let probes = probes.iter().map(|(name, rhythm)| (Arc::from(*name), *rhythm));
            table.follow(probes, Moment(0));
            Played { table, now: 0, ends: Vec::new() }
        }

        /// What begins in so many seconds when each run takes so long: second, probe, depth.
        fn goes_on(&mut self, seconds: u64, takes: impl Fn(&Begin) -> u64) -> Vec<(u64, Arc<str>, bool)> {
            let mut begun = Vec::new();
            for now in self.now..self.now + seconds {
                let (over, on) = std::mem::take(&mut self.ends).into_iter().partition(|(end, _)| *end <= now);
                self.ends = on;
                let over: Vec<(u64, Arc<str>)> = over;
                over.iter().for_each(|(_, name)| self.table.ended(name));
                for begin in self.table.begin(Moment(now * 1_000_000_000)) {
                    let is_twice = self.ends.iter().any(|(_, name)| *name == begin.probe);
                    assert!(!is_twice, "two runs of one probe at once");
                    self.ends.push((now + takes(&begin), Arc::clone(&begin.probe)));
                    begun.push((now, begin.probe, begin.is_deep));
                }
                assert!(self.ends.len() <= AT_ONCE);
            }
            self.now += seconds;
            begun
        }
    }

    fn many(count: usize, rhythm: Rhythm) -> Vec<(String, Rhythm)> {
        (0..count).map(|number| (format!("probe-{number}"), rhythm)).collect()
    }

    fn borrowed(probes: &[(String, Rhythm)]) -> Vec<(&str, Rhythm)> {
        probes.iter().map(|(name, rhythm)| (name.as_str(), *rhythm)).collect()
    }

    #[test]
    fn each_runs_once_an_interval_and_not_all_at_once() {
        let probes = many(60, ORDINARY);
        let mut played = Played::of(&borrowed(&probes));
        let begun = played.goes_on(600, |_| 1);
        assert_eq!(begun.len(), 600);
        let busiest = (0..60).map(|second| begun.iter().filter(|(at, _, _)| at % 60 == second).count()).max();
        assert!(busiest <= Some(60), "at most 6 of 60 probes in one second: {busiest:?}");
        let of_one: Vec<u64> =
            begun.iter().filter(|(_, name, _)| **name == *"probe-7").map(|(at, _, _)| *at).collect();
        assert!(of_one.windows(2).all(|two| two[1] - two[0] == 60), "{of_one:?}");
        assert!(probes.iter().all(|(name, _)| played.table.skipped(name) == 0));
    }

    #[test]
    fn a_run_that_is_under_way_takes_the_place_of_the_next() {
        let mut played = Played::of(&[("slow", ORDINARY)]);
        let begun = played.goes_on(600, |_| 130);
        let at: Vec<u64> = begun.iter().map(|(at, _, _)| *at - begun[0].0).collect();
        assert_eq!(at, [0, 180, 360, 540]);
        assert_eq!(played.table.skipped("slow"), 6, "at 60, 120, 240, 300, 420 and 480");
    }

    #[test]
    fn what_finds_no_room_waits_and_is_skipped_at_last() {
        let probes = many(20, ORDINARY);
        let mut played = Played::of(&borrowed(&probes));
        let begun = played.goes_on(600, |_| 50);
        let skipped: u64 = probes.iter().map(|(name, _)| played.table.skipped(name)).sum();
        assert!(skipped > 0);
        for (name, _) in &probes {
            let count = begun.iter().filter(|(_, probe, _)| **probe == **name).count();
            assert!(count >= 2, "{name} is not starved: {count}");
        }
    }

    #[test]
    fn deep_runs_are_rare_and_leave_room() {
        let rhythm = Rhythm { deep_every: Some(MINUTE * 10), ..ORDINARY };
        let probes = many(6, rhythm);
        let mut played = Played::of(&borrowed(&probes));
        let begun = played.goes_on(1800, |begin| if begin.is_deep { 170 } else { 1 });
        let deep = begun.iter().filter(|(_, _, is_deep)| *is_deep);
        assert!((12..=18).contains(&deep.clone().count()), "three of each, some late: {}", deep.count());
        for (at, _, _) in deep.clone() {
            let beside = deep.clone().filter(|(other, _, _)| (*other..*other + 170).contains(at)).count();
            assert!(beside <= DEEP_AT_ONCE, "{beside} at once");
        }
    }

    #[test]
    fn who_asks_is_first() {
        let probes = many(20, ORDINARY);
        let mut table = Played::of(&borrowed(&probes)).table;
        assert_eq!(table.ask("nobody", false), Err(Refusal::Unknown));
        assert_eq!(table.ask("probe-3", true), Ok(()));
        assert_eq!(table.ask("probe-3", true), Err(Refusal::Running), "it waits already");
        let begun = table.begin(Moment(60 * 1_000_000_000));
        assert_eq!((begun.len(), &begun[0]), (8, &Begin { probe: "probe-3".into(), is_deep: true }));
        assert_eq!(table.ask("probe-3", false), Err(Refusal::Running));
        table.ended("probe-3");
        assert_eq!(table.ask("probe-3", false), Ok(()));
    }

    #[test]
    fn a_reload_keeps_the_place_of_what_stays() {
        let mut table = Timetable::default();
        let probe = |name: &str, every| (Arc::from(name), Rhythm { every, ..ORDINARY });
        table.follow([probe("stays", MINUTE), probe("changes", MINUTE), probe("goes", MINUTE)], Moment(0));
        let due = |table: &Timetable, name: &str| table.entries.get(name).map(|entry| entry.due);
        let before = due(&table, "stays");
        let later = Moment(1_000_000_000_000);
        table.follow([probe("stays", MINUTE), probe("changes", MINUTE * 2), probe("comes", MINUTE)], later);
        assert_eq!((due(&table, "stays"), due(&table, "goes")), (before, None));
        assert!(due(&table, "changes") >= Some(later) && due(&table, "comes") >= Some(later));
        assert_eq!((table.next(Moment(0)), table.next(Moment(u64::MAX))), (before, None));
    }
}
