//! The machines beneath the connections. What is not known has no sample.

use model::Word as _;
use model::host::{HostFacts, MachineFacts, Pressure, UpstreamFacts};

use super::Sink;
use crate::families::{self as f, Family};

/// Gives `sink` the samples of one family.
pub fn visit(family: &'static Family, facts: &HostFacts, sink: &mut dyn Sink) {
    match family.labels {
        ["route", "upstream", ..] => {
            for facts in &facts.upstreams {
                let labels = vec![("route", &*facts.route), ("upstream", &*facts.upstream)];
                upstream(family, facts, &mut Labelled { sink, labels });
            }
        }
        ["listener"] => listeners(family, facts, sink),
        _ => own(family, facts, &mut Labelled { sink, labels: vec![] }),
    }
}

fn own(family: &'static Family, facts: &HostFacts, out: &mut Labelled<'_>) {
    machine(family, &facts.machine, out);
    let (accept, tcp) = (&facts.machine.accept, &facts.machine.tcp);
    match *family {
        f::HOST_SOMAXCONN => out.count(accept.somaxconn),
        f::HOST_EPHEMERAL_PORTS => out.count(tcp.ephemeral_ports),
        f::HOST_TCP_MEMORY_PRESSURE => out.count(tcp.memory_pressure_bytes),
        f::HOST_TCP_MEMORY_LIMIT => out.count(tcp.memory_limit_bytes),
        f::HOST_READ => out.value(Some(facts.as_of.as_secs_f64())),
        _ => {}
    }
    let Some(cgroup) = &facts.cgroup else { return };
    match *family {
        f::CGROUP_MEMORY => out.count(cgroup.memory_bytes),
        f::CGROUP_MEMORY_LIMIT => out.count(cgroup.memory_limit_bytes),
        f::CGROUP_CPU_LIMIT => out.value(cgroup.cpu_limit),
        f::CGROUP_CPU_THROTTLED => out.value(cgroup.cpu_throttled_seconds),
        f::CGROUP_PRESSURE => out.pressure(&cgroup.pressure),
        _ => {}
    }
}

fn listeners(family: &'static Family, facts: &HostFacts, sink: &mut dyn Sink) {
    for queue in &facts.listeners {
        let mut out = Labelled { sink, labels: vec![("listener", &*queue.listener)] };
        match *family {
            f::ACCEPT_QUEUE => out.count(Some(queue.waiting)),
            f::ACCEPT_QUEUE_LIMIT => out.count(Some(queue.limit)),
            _ => {}
        }
    }
}

fn upstream(family: &'static Family, facts: &UpstreamFacts, out: &mut Labelled<'_>) {
    if let Some(process) = &facts.process {
        match *family {
            f::UPSTREAM_PROCESSES => out.count(Some(process.pids.len() as u64)),
            f::UPSTREAM_CPU => out.value(process.usage.cpu_seconds),
            f::UPSTREAM_RESIDENT => out.count(process.usage.resident_bytes),
            f::UPSTREAM_OPEN_FDS => out.count(process.usage.open_fds),
            f::UPSTREAM_MAX_FDS => out.count(process.usage.max_fds),
            _ => {}
        }
    }
    let Some(exporter) = &facts.exporter else { return };
    if *family == f::UPSTREAM_HOST_UP {
        out.count(Some(u64::from(exporter.machine.is_some())));
    }
    if let Some(facts) = &exporter.machine {
        machine(family, facts, out);
    }
}

/// What is told of this machine and of an upstream's alike.
fn machine(family: &'static Family, facts: &MachineFacts, out: &mut Labelled<'_>) {
    match *family {
        f::HOST_CPU | f::UPSTREAM_HOST_CPU => {
            for (mode, seconds) in &facts.cpu.seconds {
                out.with(&[("mode", mode.as_str())], *seconds);
            }
        }
        f::HOST_CPUS | f::UPSTREAM_HOST_CPUS => out.count(facts.cpu.count),
        f::HOST_PRESSURE | f::UPSTREAM_HOST_PRESSURE => out.pressure(&facts.pressure),
        f::HOST_MEMORY | f::UPSTREAM_HOST_MEMORY => out.count(facts.memory.total_bytes),
        f::HOST_MEMORY_AVAILABLE | f::UPSTREAM_HOST_MEMORY_AVAILABLE => {
            out.count(facts.memory.available_bytes);
        }
        f::HOST_OPEN_FILES | f::UPSTREAM_HOST_OPEN_FILES => out.count(facts.files.open),
        f::HOST_MAX_FILES | f::UPSTREAM_HOST_MAX_FILES => out.count(facts.files.limit),
        f::HOST_LISTEN_OVERFLOWS | f::UPSTREAM_HOST_LISTEN_OVERFLOWS => out.count(facts.accept.overflows),
        f::HOST_LISTEN_DROPS | f::UPSTREAM_HOST_LISTEN_DROPS => out.count(facts.accept.drops),
        f::HOST_CONNTRACK_ENTRIES | f::UPSTREAM_HOST_CONNTRACK_ENTRIES => {
            out.count(facts.conntrack.entries);
        }
        f::HOST_CONNTRACK_LIMIT | f::UPSTREAM_HOST_CONNTRACK_LIMIT => out.count(facts.conntrack.limit),
        f::HOST_TCP_SOCKETS | f::UPSTREAM_HOST_TCP_SOCKETS => {
            for (state, count) in [("in_use", facts.tcp.in_use), ("time_wait", facts.tcp.time_wait)] {
                if let Some(count) = count {
                    out.with(&[("state", state)], count as f64);
                }
            }
        }
        f::HOST_TCP_MEMORY | f::UPSTREAM_HOST_TCP_MEMORY => out.count(facts.tcp.memory_bytes),
        _ => {}
    }
}

/// Adds the same labels to every sample.
struct Labelled<'a> {
    sink: &'a mut dyn Sink,
    labels: Vec<(&'a str, &'a str)>,
}

impl Labelled<'_> {
    fn with(&mut self, labels: &[(&str, &str)], value: f64) {
        let all: Vec<(&str, &str)> = self.labels.iter().chain(labels).copied().collect();
        self.sink.sample("", &all, value);
    }

    fn value(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.with(&[], value);
        }
    }

    fn count(&mut self, count: Option<u64>) {
        self.value(count.map(|count| count as f64));
    }

    fn pressure(&mut self, pressure: &Pressure) {
        for (resource, stalls) in pressure {
            for (stalled, stall) in [("some", stalls.some), ("full", stalls.full)] {
                if let Some(stall) = stall {
                    self.with(&[("resource", resource.as_str()), ("stalled", stalled)], stall.seconds);
                }
            }
        }
    }
}

#[cfg(test)]
pub mod tests;
