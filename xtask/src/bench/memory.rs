//! Memory of processes: what they hold alone and their part of what they share (proc_pid_smaps(5)).

use std::fs;

/// Proportional set size of these processes, bytes.
pub fn pss_bytes(processes: &[u32]) -> u64 {
    let rollups =
        processes.iter().filter_map(|id| fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok());
    rollups.filter_map(|text| bytes(&text, "Pss:")).sum()
}

/// Resident set size of a process, bytes. Who else runs the same program does not change it.
pub fn rss_bytes(process: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    bytes(&rollup, "Rss:").unwrap_or_default()
}

fn bytes(rollup: &str, name: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_is_read() {
        let rollup =
            "55d0-7ffd ---p 00000000 00:00 0 [rollup]\nRss:  5000 kB\nPss:     1234 kB\nPss_Dirty: 9 kB\n";
        assert_eq!(bytes(rollup, "Pss:"), Some(1234 * 1024));
        assert_eq!(bytes(rollup, "Rss:"), Some(5000 * 1024));
        assert_eq!(bytes("Rss: 1 kB\n", "Pss:"), None);
    }
}
