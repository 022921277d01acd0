//! What is known is exposed, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use model::host::*;
use model::ports::MetricsFormat;

use crate::expose::to_text;
use crate::registry::{Build, Registry};
use crate::scrape::Scrape;

fn samples(facts: HostFacts) -> Vec<String> {
    let registry = Registry::new(Build { version: "0" }, 1, Duration::from_secs(60));
    let scrape = Scrape { host: Some(Arc::new(facts)), ..Scrape::default() };
    let text = to_text(&registry, &scrape, MetricsFormat::Text);
    let is_ours = |line: &&str| {
        ["heartline_host_", "heartline_upstream_", "heartline_cgroup_", "heartline_accept_"]
            .iter()
            .any(|prefix| line.starts_with(prefix))
    };
    text.lines().filter(is_ours).map(str::to_owned).collect()
}

fn machine() -> MachineFacts {
    let stall = Some(Stall { seconds: 1.5, last_10s_ratio: Some(0.25) });
    MachineFacts {
        cpu: CpuFacts {
            count: Some(2),
            seconds: [(CpuMode::Idle, 12.25)].into(),
            busy_ratio: Some(0.5),
            last_minute: None,
        },
        pressure: [(Resource::Io, Stalls { some: stall, full: None })].into(),
        memory: MemoryFacts { total_bytes: Some(8192), available_bytes: Some(4096) },
        files: FileFacts { open: Some(100), limit: Some(1000) },
        accept: AcceptFacts {
            overflows: Some(7),
            overflows_last_minute: Some(1),
            drops: Some(9),
            drops_last_minute: Some(2),
            somaxconn: Some(4096),
        },
        conntrack: ConntrackFacts { entries: Some(5), limit: Some(50) },
        tcp: TcpSockets {
            in_use: Some(3),
            time_wait: Some(4),
            ephemeral_ports: Some(28232),
            memory_bytes: Some(1),
            memory_pressure_bytes: Some(2),
            memory_limit_bytes: Some(3),
        },
    }
}

/// All that can be known.
pub fn everything() -> HostFacts {
    let usage = ProcessFacts {
        cpu_seconds: Some(1.5),
        cpu_ratio: Some(0.5),
        resident_bytes: Some(4096),
        virtual_bytes: Some(8192),
        open_fds: Some(12),
        max_fds: Some(1024),
        start_time_seconds: Some(1.0),
    };
    let exporter = ExporterFacts { machine: Some(machine()), ..ExporterFacts::default() };
    let upstream = UpstreamFacts {
        route: "chat".into(),
        upstream: "http://10.0.0.1:3000".into(),
        is_local: Some(true),
        process: Some(ListeningProcess { name: "app".to_owned(), pids: vec![7, 8], usage }),
        exporter: Some(exporter),
    };
    HostFacts {
        as_of: model::WallTime(1_500_000_000),
        process: usage,
        machine: machine(),
        cgroup: Some(CgroupFacts {
            memory_bytes: Some(10),
            memory_limit_bytes: Some(20),
            cpu_limit: Some(1.5),
            cpu_throttled_seconds: Some(0.25),
            cpu_throttled_last_minute_ratio: None,
            pressure: machine().pressure,
        }),
        listeners: vec![AcceptQueue { listener: "127.0.0.1:1".into(), waiting: 1, limit: 1024 }],
        upstreams: vec![upstream],
        upstreams_left_out: 0,
    }
}

const MACHINE: &[&str] = &[
    "cpu_seconds_total{mode=\"idle\"} 12.25",
    "cpus 2",
    "pressure_seconds_total{resource=\"io\",stalled=\"some\"} 1.5",
    "memory_bytes 8192",
    "memory_available_bytes 4096",
    "open_files 100",
    "max_files 1000",
    "listen_overflows_total 7",
    "listen_drops_total 9",
    "conntrack_entries 5",
    "conntrack_limit 50",
    "tcp_sockets{state=\"in_use\"} 3",
    "tcp_sockets{state=\"time_wait\"} 4",
    "tcp_memory_bytes 1",
];

fn of_machine(prefix: &str, labels: &str) -> Vec<String> {
    let sample = |line: &&str| match line.split_once('{') {
        Some((name, rest)) if labels.is_empty() => format!("{prefix}{name}{{{rest}"),
        Some((name, rest)) => format!("{prefix}{name}{{{labels},{rest}"),
        None => {
            let (name, value) = line.split_once(' ').expect("a value");
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            format!("{prefix}{name}{labels} {value}")
        }
    };
    MACHINE.iter().map(sample).collect()
}

#[track_caller]
fn check(facts: HostFacts, expected: &[String]) {
    assert_eq!(samples(facts), expected);
}

#[test]
fn nothing_known() {
    check(HostFacts::default(), &["heartline_host_read_timestamp_seconds 0".to_owned()]);
    let unseen = UpstreamFacts { is_local: Some(true), ..UpstreamFacts::default() };
    let facts =
        HostFacts { upstreams: vec![unseen], cgroup: Some(CgroupFacts::default()), ..HostFacts::default() };
    check(facts, &["heartline_host_read_timestamp_seconds 0".to_owned()]);
}

#[test]
fn all_of_this_machine() {
    let facts = HostFacts { upstreams: vec![], ..everything() };
    let mut expected = of_machine("heartline_host_", "");
    expected.extend(
        [
            "heartline_host_tcp_memory_pressure_bytes 2",
            "heartline_host_tcp_memory_limit_bytes 3",
            "heartline_host_ephemeral_ports 28232",
            "heartline_host_somaxconn 4096",
            "heartline_host_read_timestamp_seconds 1.5",
            "heartline_accept_queue_connections{listener=\"127.0.0.1:1\"} 1",
            "heartline_accept_queue_limit{listener=\"127.0.0.1:1\"} 1024",
            "heartline_cgroup_memory_bytes 10",
            "heartline_cgroup_memory_limit_bytes 20",
            "heartline_cgroup_cpu_limit 1.5",
            "heartline_cgroup_cpu_throttled_seconds_total 0.25",
            "heartline_cgroup_pressure_seconds_total{resource=\"io\",stalled=\"some\"} 1.5",
        ]
        .map(str::to_owned),
    );
    check(facts, &expected);
}

#[test]
fn all_of_an_upstream() {
    let silent = UpstreamFacts {
        route: "b".into(),
        exporter: Some(ExporterFacts { error: Some("refused".to_owned()), ..ExporterFacts::default() }),
        ..UpstreamFacts::default()
    };
    let labels = "route=\"chat\",upstream=\"http://10.0.0.1:3000\"";
    let mut expected = vec!["heartline_host_read_timestamp_seconds 0".to_owned()];
    let process = [
        ("processes", "2"),
        ("process_cpu_seconds_total", "1.5"),
        ("process_resident_memory_bytes", "4096"),
        ("process_open_fds", "12"),
        ("process_max_fds", "1024"),
        ("host_up", "1"),
    ];
    expected.extend(process.map(|(name, value)| format!("heartline_upstream_{name}{{{labels}}} {value}")));
    expected.push("heartline_upstream_host_up{route=\"b\",upstream=\"\"} 0".to_owned());
    expected.extend(of_machine("heartline_upstream_host_", labels));
    let [upstream] = everything().upstreams.try_into().expect("one upstream");
    check(HostFacts { upstreams: vec![upstream, silent], ..HostFacts::default() }, &expected);
}
