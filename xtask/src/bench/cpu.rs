//! CPU time of processes, as the scheduler counts it: to the nanosecond, not in ticks.

use std::fs;
use std::path::Path;

/// Kernel ticks of `/proc/stat`, per second (proc_stat(5), USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds that the threads of these processes have had. A thread that has ended counts no more.
pub fn seconds(processes: &[u32]) -> f64 {
    seconds_of(processes, "")
}

/// The same of those threads whose names begin so.
pub fn seconds_of(processes: &[u32], name: &str) -> f64 {
    let threads = processes.iter().filter_map(|id| fs::read_dir(format!("/proc/{id}/task")).ok()).flatten();
    let read = |thread: &Path, file: &str| fs::read_to_string(thread.join(file)).ok();
    let statistics = threads.flatten().filter_map(|thread| {
        let thread = thread.path();
        let is_of = name.is_empty() || read(&thread, "comm")?.starts_with(name);
        if is_of { read(&thread, "schedstat") } else { None }
    });
    let nanos: u64 = statistics.filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok()).sum();
    nanos as f64 / 1e9
}

/// CPU seconds of this process and of those that it has started and that have ended.
pub fn own_seconds() -> f64 {
    own_ticks(&fs::read_to_string("/proc/self/stat").unwrap_or_default()) as f64 / TICKS_PER_SECOND
}

/// Own user and system time and that of children; the second word, in brackets, may hold anything.
fn own_ticks(stat: &str) -> u64 {
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    behind_name.split_whitespace().skip(11).take(4).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// CPU seconds that all of this machine's cores have been busy.
pub fn busy_seconds() -> f64 {
    busy_ticks(&fs::read_to_string("/proc/stat").unwrap_or_default()) as f64 / TICKS_PER_SECOND
}

/// Cores of this machine.
pub fn cores() -> usize {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines().filter(|line| line.starts_with("cpu")).skip(1).count().max(1)
}

/// All but idle, waiting for disks, and guests, which are in user time already.
fn busy_ticks(stat: &str) -> u64 {
    let all = stat.lines().next().and_then(|line| line.strip_prefix("cpu "));
    let ticks = all.unwrap_or_default().split_whitespace().filter_map(|ticks| ticks.parse::<u64>().ok());
    ticks
        .enumerate()
        .filter(|(column, _)| ![3, 4].contains(column) && *column < 8)
        .map(|(_, ticks)| ticks)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_what_is_not_idle() {
        assert_eq!(busy_ticks("cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 9 9 9 9 9 9 9 9 9 9\n"), 63);
        assert_eq!(busy_ticks(""), 0);
    }

    #[test]
    fn own_time_is_that_of_four_columns() {
        assert_eq!(own_ticks("7 (a) b) S 1 1 1 0 -1 4 10 20 30 40 1 2 4 8 20 0\n"), 15);
    }

    #[test]
    fn work_is_seen() {
        let own = [std::process::id()];
        let before = seconds(&own);
        let mut number = 1_u64;
        while seconds(&own) < before + 0.01 {
            number = number.wrapping_mul(6_364_136_223_846_793_005);
        }
        assert_ne!(number, 1);
    }
}
