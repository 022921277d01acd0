//! The control group that this process is in, and the limits that bind it (the kernel's
//! `Documentation/admin-guide/cgroup-v2.rst`). Groups of version 1 are not looked at.

use std::path::{Path, PathBuf};

use model::host::CgroupFacts;
use procfs::ProcessCGroups;
use procfs::prelude::*;
use procfs::process::MountInfos;

use super::machine::{Files, number, pressure};

/// Groups around the process's own that are looked at.
const LEVELS_MAX: usize = 32;

/// Reads the group; none when the process is in none but the root.
pub fn read(files: Files<'_>) -> Option<CgroupFacts> {
    let levels = levels(files)?;
    let own = levels.first()?;
    // Every group but the root has this file.
    text(files, own, "cgroup.type")?;
    let (memory_bytes, memory_limit_bytes) = memory(files, &levels);
    let (cpu_limit, cpu_throttled_seconds) = cpu(files, &levels);
    Some(CgroupFacts {
        memory_bytes,
        memory_limit_bytes,
        cpu_limit,
        cpu_throttled_seconds,
        cpu_throttled_last_minute_ratio: None,
        pressure: pressure(|resource| text(files, own, &format!("{resource}.pressure"))),
    })
}

/// Directories of the process's own group and of those around it, innermost first.
fn levels(files: Files<'_>) -> Option<Vec<PathBuf>> {
    let groups = ProcessCGroups::from_read(files("/proc/self/cgroup")?.as_bytes()).ok()?;
    let own = groups.into_iter().find(|group| group.hierarchy == 0)?.pathname;
    let mounts = MountInfos::from_read(files("/proc/self/mountinfo")?.as_bytes()).ok()?;
    let mount = mounts.into_iter().find(|mount| mount.fs_type == "cgroup2")?;
    let below = Path::new(&own).strip_prefix(&mount.root).ok()?;
    let own = mount.mount_point.join(below);
    let is_mounted = |level: &&Path| level.starts_with(&mount.mount_point);
    Some(own.ancestors().take_while(is_mounted).take(LEVELS_MAX).map(Path::to_owned).collect())
}

fn text(files: Files<'_>, level: &Path, name: &str) -> Option<String> {
    files(level.join(name).to_str()?)
}

/// Usage and limit where the least is left.
fn memory(files: Files<'_>, levels: &[PathBuf]) -> (Option<u64>, Option<u64>) {
    let at = |level: &PathBuf, name: &str| number(files, level.join(name).to_str()?);
    let limited = levels.iter().filter_map(|level| {
        let (current, max) = (at(level, "memory.current")?, at(level, "memory.max")?);
        Some((current, max))
    });
    match limited.min_by_key(|(current, max)| max.saturating_sub(*current)) {
        Some((current, max)) => (Some(current), Some(max)),
        None => (levels.iter().find_map(|level| at(level, "memory.current")), None),
    }
}

/// The smallest limit, and for how long it held the group back.
fn cpu(files: Files<'_>, levels: &[PathBuf]) -> (Option<f64>, Option<f64>) {
    let limited = levels.iter().filter_map(|level| {
        let (quota, period) = text(files, level, "cpu.max").and_then(|text| quota(&text))?;
        let throttled = text(files, level, "cpu.stat").and_then(|text| throttled_micros(&text));
        Some((quota / period, throttled.map(|micros| micros as f64 / 1e6)))
    });
    match limited.min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((limit, throttled)) => (Some(limit), throttled),
        None => (None, None),
    }
}

/// `cpu.max`: microseconds of CPU time in a period of so many; `max 100000` is no limit.
fn quota(text: &str) -> Option<(f64, f64)> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some((quota.parse::<u64>().ok()? as f64, period.parse::<u64>().ok().filter(|period| *period > 0)? as f64))
}

fn throttled_micros(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("throttled_usec "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use model::host::{Resource, Stall, Stalls};

    use super::*;

    const MOUNT: &str = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n";

    #[track_caller]
    fn check(recorded: &[(&str, &str)], expected: Option<&CgroupFacts>) {
        let find = |path: &str| {
            let found = recorded.iter().find(|(known, _)| *known == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        assert_eq!(read(&find).as_ref(), expected, "{recorded:?}");
    }

    #[test]
    fn the_limit_that_binds() {
        let stall = |seconds, ratio| Some(Stall { seconds, last_10s_ratio: Some(ratio) });
        let io = "some avg10=50.00 avg60=1.00 avg300=0.00 total=1500000\nfull avg10=25.00 avg60=0.00 avg300=0.00 total=500000\n";
        check(
            &[
                ("/proc/self/cgroup", "1:name=systemd:/x\n0::/kubepods/pod/app\n"),
                ("/proc/self/mountinfo", MOUNT),
                ("/sys/fs/cgroup/kubepods/pod/app/cgroup.type", "domain\n"),
                ("/sys/fs/cgroup/kubepods/pod/app/memory.current", "1000\n"),
                ("/sys/fs/cgroup/kubepods/pod/app/memory.max", "max\n"),
                ("/sys/fs/cgroup/kubepods/pod/memory.current", "3000\n"),
                ("/sys/fs/cgroup/kubepods/pod/memory.max", "4000\n"),
                ("/sys/fs/cgroup/kubepods/memory.current", "5000\n"),
                ("/sys/fs/cgroup/kubepods/memory.max", "90000\n"),
                ("/sys/fs/cgroup/kubepods/pod/app/cpu.max", "150000 100000\n"),
                (
                    "/sys/fs/cgroup/kubepods/pod/app/cpu.stat",
                    "usage_usec 9\nnr_throttled 2\nthrottled_usec 250000\n",
                ),
                ("/sys/fs/cgroup/kubepods/pod/cpu.max", "max 100000\n"),
                ("/sys/fs/cgroup/kubepods/cpu.max", "400000 100000\n"),
                ("/sys/fs/cgroup/kubepods/pod/app/io.pressure", io),
            ],
            Some(&CgroupFacts {
                memory_bytes: Some(3000),
                memory_limit_bytes: Some(4000),
                cpu_limit: Some(1.5),
                cpu_throttled_seconds: Some(0.25),
                cpu_throttled_last_minute_ratio: None,
                pressure: [(Resource::Io, Stalls { some: stall(1.5, 0.5), full: stall(0.5, 0.25) })].into(),
            }),
        );
    }

    #[test]
    fn within_a_container_the_root_is_a_group() {
        check(
            &[
                ("/proc/self/cgroup", "0::/\n"),
                ("/proc/self/mountinfo", MOUNT),
                ("/sys/fs/cgroup/cgroup.type", "domain\n"),
                ("/sys/fs/cgroup/memory.current", "1000\n"),
                ("/sys/fs/cgroup/memory.max", "max\n"),
                ("/sys/fs/cgroup/cpu.max", "max 100000\n"),
            ],
            Some(&CgroupFacts { memory_bytes: Some(1000), ..CgroupFacts::default() }),
        );
    }

    #[test]
    fn a_part_of_the_tree_may_be_mounted() {
        check(
            &[
                ("/proc/self/cgroup", "0::/docker/abc/app\n"),
                ("/proc/self/mountinfo", &MOUNT.replace(" / /", " /docker/abc /")),
                ("/sys/fs/cgroup/app/cgroup.type", "domain\n"),
                ("/sys/fs/cgroup/app/memory.current", "7\n"),
                ("/sys/fs/cgroup/memory.current", "8\n"),
                ("/sys/fs/cgroup/memory.max", "9\n"),
            ],
            Some(&CgroupFacts {
                memory_bytes: Some(8),
                memory_limit_bytes: Some(9),
                ..CgroupFacts::default()
            }),
        );
    }

    #[test]
    fn no_group() {
        check(&[], None);
        check(&[("/proc/self/cgroup", "4:memory:/app\n"), ("/proc/self/mountinfo", MOUNT)], None);
        check(&[("/proc/self/cgroup", "0::/\n"), ("/proc/self/mountinfo", MOUNT)], None);
        check(&[("/proc/self/cgroup", "0::/../other\n"), ("/proc/self/mountinfo", MOUNT)], None);
        check(&[("/proc/self/cgroup", "0::/app\n"), ("/proc/self/mountinfo", "no mounts\n")], None);
    }
}
