//! The files of `/proc` that tell what this machine is busy with and short of (proc(5)). What a file does not
//! hold, or a kernel does not have, is none.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use model::Word as _;
use model::host::{
    AcceptFacts, ConntrackFacts, CpuFacts, CpuMode, FileFacts, MachineFacts, MemoryFacts, Pressure, Resource,
    Stall, Stalls, TcpSockets,
};
use procfs::KernelStats;
use procfs::prelude::*;

/// Text of a file by its path; none when it cannot be read.
pub type Files<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Bytes of one file that are looked at.
const FILE_MAX: u64 = 1024 * 1024;

/// The machine's own files.
pub fn file(path: &str) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(FILE_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Reads a machine; what takes two readings is left out.
pub fn read(files: Files<'_>) -> MachineFacts {
    MachineFacts {
        cpu: files("/proc/stat").map(|text| cpu(&text)).unwrap_or_default(),
        pressure: machine_pressure(files),
        memory: files("/proc/meminfo").map(|text| memory(&text)).unwrap_or_default(),
        files: file_nr(files),
        accept: accept(files),
        conntrack: ConntrackFacts {
            entries: number(files, "/proc/sys/net/netfilter/nf_conntrack_count"),
            limit: number(files, "/proc/sys/net/netfilter/nf_conntrack_max"),
        },
        tcp: tcp(files),
    }
}

fn cpu(text: &str) -> CpuFacts {
    let Ok(stat) = KernelStats::from_read(text.as_bytes(), procfs::current_system_info()) else {
        return CpuFacts::default();
    };
    let seconds = |mode| {
        let millis = match mode {
            CpuMode::User => Some(stat.total.user_ms()),
            CpuMode::Nice => Some(stat.total.nice_ms()),
            CpuMode::System => Some(stat.total.system_ms()),
            CpuMode::Idle => Some(stat.total.idle_ms()),
            CpuMode::Iowait => stat.total.iowait_ms(),
            CpuMode::Irq => stat.total.irq_ms(),
            CpuMode::Softirq => stat.total.softirq_ms(),
            CpuMode::Steal => stat.total.steal_ms(),
        };
        Some((mode, millis? as f64 / 1e3))
    };
    CpuFacts {
        count: Some(stat.cpu_time.len() as u64).filter(|count| *count > 0),
        seconds: CpuMode::ALL.iter().copied().filter_map(seconds).collect(),
        busy_ratio: None,
        last_minute: None,
    }
}

/// By hand, since procfs takes no meminfo that lacks any of the lines that it knows.
fn memory(text: &str) -> MemoryFacts {
    let bytes = |name: &str| {
        let kilobytes = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))?;
        kilobytes.parse::<u64>().ok()?.checked_mul(1024)
    };
    MemoryFacts { total_bytes: bytes("MemTotal:"), available_bytes: bytes("MemAvailable:") }
}

fn machine_pressure(files: Files<'_>) -> Pressure {
    let mut all = pressure(|resource| files(&format!("/proc/pressure/{resource}")));
    // Of a whole machine the kernel says 0 here and means nothing by it (psi.rst).
    if let Some(cpu) = all.get_mut(&Resource::Cpu) {
        cpu.full = None;
    }
    all
}

/// Reads the pressure files of a machine or of a control group.
pub fn pressure(text_of: impl Fn(Resource) -> Option<String>) -> Pressure {
    let stalls = |&resource: &Resource| {
        let text = text_of(resource)?;
        let stall = |word: &str| {
            let line = text.lines().find(|line| line.starts_with(word) && line.len() > word.len())?;
            let record = procfs::parse_pressure_record(line).ok()?;
            let ratio = f64::from(record.avg10) / 100.0;
            Some(Stall { seconds: record.total as f64 / 1e6, last_10s_ratio: Some(ratio) })
        };
        let stalls = Stalls { some: stall("some"), full: stall("full") };
        (stalls != Stalls::default()).then_some((resource, stalls))
    };
    Resource::ALL.iter().filter_map(stalls).collect::<BTreeMap<_, _>>()
}

fn file_nr(files: Files<'_>) -> FileFacts {
    let numbers = numbers(files, "/proc/sys/fs/file-nr");
    FileFacts { open: numbers.first().copied(), limit: numbers.get(2).copied() }
}

fn accept(files: Files<'_>) -> AcceptFacts {
    let netstat = files("/proc/net/netstat");
    let counter = |name| tcp_ext(netstat.as_deref()?, name);
    AcceptFacts {
        overflows: counter("ListenOverflows"),
        drops: counter("ListenDrops"),
        somaxconn: number(files, "/proc/sys/net/core/somaxconn"),
        ..AcceptFacts::default()
    }
}

/// One counter of `/proc/net/netstat`, which has a line of names above a line of values.
fn tcp_ext(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split(' ').position(|known| known == name)?;
    values.split(' ').nth(place)?.parse().ok()
}

fn tcp(files: Files<'_>) -> TcpSockets {
    let (v4, v6) = (files("/proc/net/sockstat"), files("/proc/net/sockstat6"));
    let v4 = |name| socket_count(v4.as_deref()?, "TCP:", name);
    let v6 = |name| socket_count(v6.as_deref()?, "TCP6:", name);
    let ports = numbers(files, "/proc/sys/net/ipv4/ip_local_port_range");
    let limits = numbers(files, "/proc/sys/net/ipv4/tcp_mem");
    let bytes = |pages: &u64| pages.saturating_mul(procfs::page_size());
    TcpSockets {
        in_use: v4("inuse").map(|count| count + v6("inuse").unwrap_or(0)),
        time_wait: v4("tw"),
        ephemeral_ports: match ports.as_slice() {
            [first, last] => last.checked_sub(*first).map(|more| more + 1),
            _ => None,
        },
        memory_bytes: v4("mem").as_ref().map(bytes),
        memory_pressure_bytes: limits.get(1).map(bytes),
        memory_limit_bytes: limits.get(2).map(bytes),
    }
}

/// One number of `/proc/net/sockstat`: `TCP: inuse 13 orphan 0 tw 3715 alloc 13 mem 0`.
fn socket_count(text: &str, line: &str, name: &str) -> Option<u64> {
    let mut words = text.lines().find_map(|found| found.strip_prefix(line))?.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// A file with one number in it.
pub fn number(files: Files<'_>, path: &str) -> Option<u64> {
    numbers(files, path).first().copied()
}

/// A file with numbers in it; none of them when one is no number.
fn numbers(files: Files<'_>, path: &str) -> Vec<u64> {
    let text = files(path).unwrap_or_default();
    text.split_whitespace().map(str::parse).collect::<Result<_, _>>().unwrap_or_default()
}

#[cfg(test)]
mod tests;
