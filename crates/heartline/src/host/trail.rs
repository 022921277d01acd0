//! What takes two readings of a machine: how busy it was between them, and what was added within a minute.

use std::collections::VecDeque;
use std::time::Duration;

use model::Moment;
use model::host::{CgroupFacts, CpuMinute, CpuMode, MachineFacts, Resource};

/// For how long readings are remembered.
const MINUTE: Duration = Duration::from_secs(60);

/// Readings that are so far apart show a minute: they come each few seconds.
const NEARLY_MINUTE: Duration = Duration::from_secs(50);

/// Readings that are remembered, whatever their pace.
const MARKS_MAX: usize = 64;

/// The last readings of one machine.
#[derive(Debug, Default)]
pub struct Trail(VecDeque<Mark>);

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Moment,
    cpu_seconds: Option<(f64, f64)>,
    steal_seconds: f64,
    /// At least one task waited for a CPU.
    waiting_seconds: Option<f64>,
    throttled_seconds: Option<f64>,
    overflows: Option<u64>,
    drops: Option<u64>,
}

impl Trail {
    /// Takes a reading, and adds to it what the ones before it tell. The minute is shorter after the start.
    pub fn follow(&mut self, now: Moment, facts: &mut MachineFacts, cgroup: Option<&mut CgroupFacts>) {
        while self.0.get(1).is_some_and(|second| now.since(second.at) >= MINUTE) || self.0.len() >= MARKS_MAX
        {
            self.0.pop_front();
        }
        let stalls = facts.pressure.get(&Resource::Cpu).and_then(|stalls| stalls.some);
        let (cpu, accept) = (&mut facts.cpu, &mut facts.accept);
        let mark = Mark {
            at: now,
            cpu_seconds: busy_and_all(&cpu.seconds),
            steal_seconds: cpu.seconds.get(&CpuMode::Steal).copied().unwrap_or_default(),
            waiting_seconds: stalls.map(|stall| stall.seconds),
            throttled_seconds: cgroup.as_ref().and_then(|cgroup| cgroup.cpu_throttled_seconds),
            overflows: accept.overflows,
            drops: accept.drops,
        };
        if let (Some(first), Some(last)) = (self.0.front(), self.0.back()) {
            cpu.busy_ratio = ratio(last.cpu_seconds, mark.cpu_seconds);
            accept.overflows_last_minute = added(first.overflows, mark.overflows);
            accept.drops_last_minute = added(first.drops, mark.drops);
            if now.since(first.at) >= NEARLY_MINUTE {
                cpu.last_minute = minute(first, &mark);
                if let Some(cgroup) = cgroup {
                    cgroup.cpu_throttled_last_minute_ratio =
                        share(first.throttled_seconds, mark.throttled_seconds, now.since(first.at));
                }
            }
        }
        self.0.push_back(mark);
    }
}

fn minute(first: &Mark, mark: &Mark) -> Option<CpuMinute> {
    let all = mark.cpu_seconds?.1 - first.cpu_seconds?.1;
    Some(CpuMinute {
        busy_ratio: ratio(first.cpu_seconds, mark.cpu_seconds)?,
        steal_ratio: ((mark.steal_seconds - first.steal_seconds) / all).clamp(0.0, 1.0),
        waiting_ratio: share(first.waiting_seconds, mark.waiting_seconds, mark.at.since(first.at)),
    })
}

/// What a time grew by, as a share of the time that passed.
fn share(before: Option<f64>, now: Option<f64>, passed: Duration) -> Option<f64> {
    Some(((now? - before?) / passed.as_secs_f64()).clamp(0.0, 1.0))
}

fn busy_and_all(seconds: &std::collections::BTreeMap<CpuMode, f64>) -> Option<(f64, f64)> {
    let all: f64 = seconds.values().sum();
    let waits = [CpuMode::Idle, CpuMode::Iowait].iter().filter_map(|mode| seconds.get(mode)).sum::<f64>();
    (all > 0.0).then_some((all - waits, all))
}

fn ratio(before: Option<(f64, f64)>, now: Option<(f64, f64)>) -> Option<f64> {
    let ((busy_before, all_before), (busy, all)) = (before?, now?);
    // Time spent waiting for I/O may go back (proc(5)).
    (all > all_before).then(|| ((busy - busy_before) / (all - all_before)).clamp(0.0, 1.0))
}

/// What a counter grew by; one that fell began anew.
fn added(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    let (before, now) = (before?, now?);
    Some(now.checked_sub(before).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use model::host::{AcceptFacts, CpuFacts, Stall, Stalls};

    use super::*;

    /// Readings as second, busy and idle time, overflows; expected are the ratio and the overflows of a minute.
    #[track_caller]
    fn check(readings: &[(u64, f64, f64, u64)], ratio: Option<f64>, overflows: Option<u64>) {
        let mut trail = Trail::default();
        let mut facts = MachineFacts::default();
        for &(second, user, idle, overflows) in readings {
            facts = MachineFacts {
                cpu: CpuFacts {
                    seconds: [(CpuMode::User, user), (CpuMode::Idle, idle)].into(),
                    ..CpuFacts::default()
                },
                accept: AcceptFacts { overflows: Some(overflows), ..AcceptFacts::default() },
                ..MachineFacts::default()
            };
            trail.follow(Moment(second * 1_000_000_000), &mut facts, None);
        }
        assert_eq!(facts.cpu.busy_ratio, ratio, "{readings:?}");
        assert_eq!(facts.accept.overflows_last_minute, overflows, "{readings:?}");
        assert_eq!(facts.accept.drops_last_minute, None, "not read, not known");
    }

    #[test]
    fn readings_are_compared() {
        check(&[(0, 5.0, 5.0, 100)], None, None);
        check(&[(0, 5.0, 5.0, 100), (5, 6.0, 8.0, 103)], Some(0.25), Some(3));
        check(
            &[(0, 0.0, 1.0, 1), (30, 0.0, 2.0, 2), (60, 0.0, 3.0, 4), (90, 1.0, 3.0, 8)],
            Some(1.0),
            Some(6),
        );
        check(&[(0, 0.0, 1.0, 1), (5, 0.0, 1.0, 1)], None, Some(0));
        check(&[(0, 9.0, 9.0, 100), (5, 1.0, 1.0, 7)], None, Some(7));
        check(&[(0, 0.0, 9.0, 0), (5, 3.0, 8.5, 0)], Some(1.0), Some(0));
    }

    #[test]
    fn a_minute_is_told_once_it_is_over() {
        let mut trail = Trail::default();
        let mut read = |second: u64| {
            let at = 100.0 + second as f64;
            let seconds = [(CpuMode::User, at), (CpuMode::Steal, 0.2 * at), (CpuMode::Idle, 0.8 * at)];
            let stall = Stall { seconds: 0.3 * at, last_10s_ratio: None };
            let mut facts = MachineFacts {
                cpu: CpuFacts { seconds: seconds.into(), ..CpuFacts::default() },
                pressure: [(Resource::Cpu, Stalls { some: Some(stall), full: None })].into(),
                ..MachineFacts::default()
            };
            let mut cgroup = CgroupFacts { cpu_throttled_seconds: Some(0.1 * at), ..CgroupFacts::default() };
            trail.follow(Moment(second * 1_000_000_000), &mut facts, Some(&mut cgroup));
            let rounded = |ratio: f64| (ratio * 100.0).round() as u32;
            facts.cpu.last_minute.map(|minute| {
                let waiting = minute.waiting_ratio.map(rounded);
                let throttled = cgroup.cpu_throttled_last_minute_ratio.map(rounded);
                (rounded(minute.busy_ratio), rounded(minute.steal_ratio), waiting, throttled)
            })
        };
        assert_eq!((0..10).map(|step| read(5 * step)).find_map(|minute| minute), None);
        assert_eq!(read(60), Some((60, 10, Some(30), Some(10))));
    }

    #[test]
    fn it_is_bounded() {
        let mut trail = Trail::default();
        for nanos in 0..10_000 {
            trail.follow(Moment(nanos), &mut MachineFacts::default(), None);
        }
        assert_eq!(trail.0.len(), MARKS_MAX);
    }
}
