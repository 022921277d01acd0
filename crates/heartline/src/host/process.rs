//! What the operating system says of a process (proc(5)).

use model::host::ProcessFacts;
use procfs::process::{LimitValue, Process};

/// Reads this process.
pub fn own() -> ProcessFacts {
    Process::myself().map(|process| of(&process)).unwrap_or_default()
}

/// Reads a process, as far as this one may see it.
pub fn of(process: &Process) -> ProcessFacts {
    let limit = process.limits().ok().map(|limits| limits.max_open_files.soft_limit);
    let mut facts = ProcessFacts {
        open_fds: process.fd_count().ok().map(|count| count as u64),
        max_fds: limit.and_then(|limit| match limit {
            LimitValue::Value(count) => Some(count),
            LimitValue::Unlimited => None,
        }),
        ..ProcessFacts::default()
    };
    if let Ok(stat) = process.stat() {
        let ticks = procfs::ticks_per_second() as f64;
        let since_boot = stat.starttime as f64 / ticks;
        facts.cpu_seconds = Some((stat.utime + stat.stime) as f64 / ticks);
        facts.resident_bytes = Some(stat.rss * procfs::page_size());
        facts.virtual_bytes = Some(stat.vsize);
        facts.start_time_seconds = procfs::boot_time_secs().ok().map(|boot| boot as f64 + since_boot);
    }
    facts
}
