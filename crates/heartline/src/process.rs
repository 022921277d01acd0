//! What the operating system says of this process (proc(5)).

use meter::scrape::Process;
use procfs::process::Process as Proc;

/// Reads it; what cannot be read stays 0.
pub fn read(max_fds: u64) -> Process {
    let Ok(this) = Proc::myself() else { return Process::default() };
    let mut process = Process { max_fds, ..Process::default() };
    process.open_fds = this.fd_count().map_or(0, |count| count as u64);
    if let Ok(stat) = this.stat() {
        let ticks = procfs::ticks_per_second() as f64;
        process.cpu_seconds = (stat.utime + stat.stime) as f64 / ticks;
        process.resident_bytes = stat.rss * procfs::page_size();
        process.virtual_bytes = stat.vsize;
        let boot = procfs::boot_time_secs().unwrap_or(0) as f64;
        process.start_time_seconds = boot + stat.starttime as f64 / ticks;
    }
    process
}
