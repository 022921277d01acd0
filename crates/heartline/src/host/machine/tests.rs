//! Recorded files, and what they say.

use super::*;

const STAT: &str = "\
cpu  591763 60352 140204 3757852 4748 0 5170 1433 0 0
cpu0 292590 29936 68870 1884842 963 0 2373 708 0 0
cpu1 299172 30416 71334 1873010 3785 0 2797 725 0 0
intr 14165002 0 0
ctxt 70699697
btime 1785480000
processes 99467
procs_running 5
procs_blocked 0
";

const MEMINFO: &str = "\
MemTotal:       24684084 kB
MemFree:        17247340 kB
MemAvailable:   23361508 kB
";

const NETSTAT: &str = "\
TcpExt: SyncookiesSent TW ListenOverflows ListenDrops TCPHPHits
TcpExt: 0 647565 219 220 7640364
IpExt: InNoRoutes ListenDrops
IpExt: 0 9
";

const SOCKSTAT: &str = "\
sockets: used 45
TCP: inuse 13 orphan 0 tw 3715 alloc 15 mem 2
UDP: inuse 0 mem 0
";

/// A path, and what is in the file.
type Recorded<'a> = [(&'a str, &'a str)];

#[track_caller]
fn check(recorded: &Recorded<'_>, expected: &MachineFacts) {
    let find = |path: &str| {
        let found = recorded.iter().find(|(known, _)| *known == path);
        found.map(|(_, text)| (*text).to_owned())
    };
    assert_eq!(read(&find), *expected, "{recorded:?}");
}

#[test]
fn nothing_can_be_read() {
    check(&[], &MachineFacts::default());
}

#[test]
fn files_that_make_no_sense() {
    for text in
        ["", "\n", "\0\0", "TcpExt: a\nTcpExt: ", "some", "full avg10=", "max", "-1", "99999999999999999999"]
    {
        let paths = [
            "/proc/stat",
            "/proc/meminfo",
            "/proc/pressure/cpu",
            "/proc/pressure/io",
            "/proc/sys/fs/file-nr",
            "/proc/net/netstat",
            "/proc/net/sockstat",
            "/proc/sys/net/netfilter/nf_conntrack_count",
            "/proc/sys/net/ipv4/ip_local_port_range",
            "/proc/sys/net/ipv4/tcp_mem",
        ];
        let recorded: Vec<(&str, &str)> = paths.iter().map(|path| (*path, text)).collect();
        check(&recorded, &MachineFacts::default());
    }
}

#[test]
fn processors() {
    let ticks = procfs::ticks_per_second() as f64;
    let ticks_by_mode = [
        (CpuMode::User, 591_763.0),
        (CpuMode::Nice, 60_352.0),
        (CpuMode::System, 140_204.0),
        (CpuMode::Idle, 3_757_852.0),
        (CpuMode::Iowait, 4_748.0),
        (CpuMode::Irq, 0.0),
        (CpuMode::Softirq, 5_170.0),
        (CpuMode::Steal, 1_433.0),
    ];
    let seconds = ticks_by_mode.map(|(mode, count)| (mode, count / ticks)).into();
    let cpu = CpuFacts { count: Some(2), seconds, busy_ratio: None, last_minute: None };
    check(&[("/proc/stat", STAT)], &MachineFacts { cpu, ..MachineFacts::default() });
}

#[test]
fn memory_in_bytes() {
    let memory =
        MemoryFacts { total_bytes: Some(24_684_084 * 1024), available_bytes: Some(23_361_508 * 1024) };
    check(&[("/proc/meminfo", MEMINFO)], &MachineFacts { memory, ..MachineFacts::default() });
    let old_kernel = MEMINFO.replace("MemAvailable:   23361508 kB\n", "");
    let memory = MemoryFacts { available_bytes: None, ..memory };
    check(&[("/proc/meminfo", &old_kernel)], &MachineFacts { memory, ..MachineFacts::default() });
}

#[test]
fn pressure_of_a_machine() {
    let some = "some avg10=93.75 avg60=77.40 avg300=58.64 total=1842543060\n";
    let full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
    let stall = |seconds, ratio| Some(Stall { seconds, last_10s_ratio: Some(ratio) });
    let cpu = (Resource::Cpu, Stalls { some: stall(1842.54306, 0.9375), full: None });
    let io = (Resource::Io, Stalls { some: stall(1842.54306, 0.9375), full: stall(0.0, 0.0) });
    let both = format!("{some}{full}");
    check(
        &[("/proc/pressure/cpu", &both), ("/proc/pressure/io", &both)],
        &MachineFacts { pressure: [cpu, io].into(), ..MachineFacts::default() },
    );
    let before_linux_5_13 = [("/proc/pressure/cpu", some)];
    check(&before_linux_5_13, &MachineFacts { pressure: [cpu].into(), ..MachineFacts::default() });
}

#[test]
fn sockets_and_limits() {
    let page = procfs::page_size();
    check(
        &[
            ("/proc/net/netstat", NETSTAT),
            ("/proc/net/sockstat", SOCKSTAT),
            ("/proc/net/sockstat6", "TCP6: inuse 4\nUDP6: inuse 0\n"),
            ("/proc/sys/fs/file-nr", "1150\t0\t2466170\n"),
            ("/proc/sys/net/core/somaxconn", "4096\n"),
            ("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
            ("/proc/sys/net/ipv4/tcp_mem", "287898\t383867\t575796\n"),
            ("/proc/sys/net/netfilter/nf_conntrack_count", "17\n"),
            ("/proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
        ],
        &MachineFacts {
            files: FileFacts { open: Some(1150), limit: Some(2_466_170) },
            accept: AcceptFacts {
                overflows: Some(219),
                drops: Some(220),
                somaxconn: Some(4096),
                ..AcceptFacts::default()
            },
            conntrack: ConntrackFacts { entries: Some(17), limit: Some(262_144) },
            tcp: TcpSockets {
                in_use: Some(17),
                time_wait: Some(3715),
                ephemeral_ports: Some(28_232),
                memory_bytes: Some(2 * page),
                memory_pressure_bytes: Some(383_867 * page),
                memory_limit_bytes: Some(575_796 * page),
            },
            ..MachineFacts::default()
        },
    );
}

#[test]
fn this_machine_says_something() {
    let facts = read(&file);
    assert!(facts.cpu.count > Some(0) && facts.cpu.seconds.len() == CpuMode::ALL.len(), "{facts:?}");
    assert!(facts.memory.available_bytes <= facts.memory.total_bytes, "{facts:?}");
    assert!(facts.tcp.ephemeral_ports > Some(0) && facts.accept.overflows.is_some(), "{facts:?}");
}
