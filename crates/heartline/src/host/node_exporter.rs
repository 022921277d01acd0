//! What Prometheus' node_exporter says of a machine: a handful of its families, asked for over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::header::ACCEPT;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model::host::{CpuMode, MachineFacts, Resource, Stall};

use super::exposition::{Sample, samples};

/// Time for an answer as a whole.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a page; one of a large machine has less than a tenth of it.
const PAGE_MAX: usize = 4 * 1024 * 1024;

/// Asks exporters.
#[derive(Clone, Debug)]
pub struct Asker(Client<HttpConnector, Empty<Bytes>>);

impl Asker {
    /// Keeps one connection open to each.
    pub fn new() -> Asker {
        Asker(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build_http())
    }

    /// What the exporter at a URL says; what takes two answers is left out.
    ///
    /// # Errors
    /// In words: it did not answer in time, not with a page, or not with one of node_exporter.
    pub async fn ask(&self, url: &str) -> Result<MachineFacts, String> {
        let answer = tokio::time::timeout(TIMEOUT, self.page(url)).await;
        let page = answer.map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))??;
        read(&page).ok_or_else(|| "the page has none of node_exporter's families".to_owned())
    }

    async fn page(&self, url: &str) -> Result<String, String> {
        let request = Request::get(url)
            .header(ACCEPT, "text/plain;version=0.0.4")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = self.0.request(request).await.map_err(|error| innermost(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answered with status {}", response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), PAGE_MAX).collect().await.map_err(|error| {
            match error.downcast::<LengthLimitError>() {
                Ok(_) => format!("the page has more than {} MiB", PAGE_MAX >> 20),
                Err(error) => innermost(&*error),
            }
        })?;
        String::from_utf8(body.to_bytes().into()).map_err(|_| "the page is no UTF-8".to_owned())
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Reads a page; none when it has nothing of a machine in it.
fn read(page: &str) -> Option<MachineFacts> {
    let mut facts = MachineFacts::default();
    for sample in samples(page, |name| name.starts_with("node_")) {
        take(&mut facts, &sample);
    }
    (facts != MachineFacts::default()).then_some(facts)
}

fn take(facts: &mut MachineFacts, sample: &Sample<'_>) {
    let value = sample.value;
    let count = (value.is_finite() && value >= 0.0).then_some(value as u64);
    let mut stall = |resource, is_full: bool| {
        let stalls = facts.pressure.entry(resource).or_default();
        let place = if is_full { &mut stalls.full } else { &mut stalls.some };
        *place = Some(Stall { seconds: value, last_10s_ratio: None });
    };
    match sample.name {
        "node_cpu_seconds_total" => {
            let Some(mode) = sample.label("mode").and_then(|mode| mode.parse().ok()) else { return };
            *facts.cpu.seconds.entry(mode).or_default() += value;
            if mode == CpuMode::Idle {
                *facts.cpu.count.get_or_insert(0) += 1;
            }
        }
        "node_pressure_cpu_waiting_seconds_total" => stall(Resource::Cpu, false),
        "node_pressure_io_waiting_seconds_total" => stall(Resource::Io, false),
        "node_pressure_io_stalled_seconds_total" => stall(Resource::Io, true),
        "node_pressure_memory_waiting_seconds_total" => stall(Resource::Memory, false),
        "node_pressure_memory_stalled_seconds_total" => stall(Resource::Memory, true),
        "node_memory_MemTotal_bytes" => facts.memory.total_bytes = count,
        "node_memory_MemAvailable_bytes" => facts.memory.available_bytes = count,
        "node_filefd_allocated" => facts.files.open = count,
        "node_filefd_maximum" => facts.files.limit = count,
        "node_netstat_TcpExt_ListenOverflows" => facts.accept.overflows = count,
        "node_netstat_TcpExt_ListenDrops" => facts.accept.drops = count,
        "node_nf_conntrack_entries" => facts.conntrack.entries = count,
        "node_nf_conntrack_entries_limit" => facts.conntrack.limit = count,
        "node_sockstat_TCP_inuse" | "node_sockstat_TCP6_inuse" => {
            facts.tcp.in_use = [facts.tcp.in_use, count].into_iter().flatten().reduce(u64::saturating_add);
        }
        "node_sockstat_TCP_tw" => facts.tcp.time_wait = count,
        "node_sockstat_TCP_mem_bytes" => facts.tcp.memory_bytes = count,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use model::host::{AcceptFacts, ConntrackFacts, CpuFacts, FileFacts, MemoryFacts, Stalls, TcpSockets};

    use super::*;

    /// Lines of version 1.5.0 on Linux, two CPUs.
    const PAGE: &str = r#"
# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.
# TYPE node_cpu_seconds_total counter
node_cpu_guest_seconds_total{cpu="0",mode="user"} 5
node_cpu_seconds_total{cpu="0",mode="idle"} 18848.5
node_cpu_seconds_total{cpu="0",mode="user"} 2925.25
node_cpu_seconds_total{cpu="1",mode="idle"} 18730.25
node_cpu_seconds_total{cpu="1",mode="user"} 2991.5
node_filefd_allocated 1195
node_filefd_maximum 2.46617e+06
node_memory_MemAvailable_bytes 2.3922184192e+10
node_memory_MemTotal_bytes 2.5276502016e+10
node_netstat_TcpExt_ListenDrops 221
node_netstat_TcpExt_ListenOverflows 220
node_nf_conntrack_entries 7
node_nf_conntrack_entries_limit 262144
node_pressure_cpu_waiting_seconds_total 1842.522659
node_pressure_io_stalled_seconds_total 31.5
node_pressure_io_waiting_seconds_total 53.25
node_sockstat_TCP6_inuse 2
node_sockstat_TCP_inuse 16
node_sockstat_TCP_mem 3
node_sockstat_TCP_mem_bytes 12288
node_sockstat_TCP_tw 3714
"#;

    fn stall(seconds: f64) -> Option<Stall> {
        Some(Stall { seconds, last_10s_ratio: None })
    }

    #[test]
    fn a_page() {
        let expected = MachineFacts {
            cpu: CpuFacts {
                count: Some(2),
                seconds: [(CpuMode::User, 5916.75), (CpuMode::Idle, 37578.75)].into(),
                busy_ratio: None,
                last_minute: None,
            },
            pressure: [
                (Resource::Cpu, Stalls { some: stall(1842.522659), full: None }),
                (Resource::Io, Stalls { some: stall(53.25), full: stall(31.5) }),
            ]
            .into(),
            memory: MemoryFacts { total_bytes: Some(25_276_502_016), available_bytes: Some(23_922_184_192) },
            files: FileFacts { open: Some(1195), limit: Some(2_466_170) },
            accept: AcceptFacts { overflows: Some(220), drops: Some(221), ..AcceptFacts::default() },
            conntrack: ConntrackFacts { entries: Some(7), limit: Some(262_144) },
            tcp: TcpSockets {
                in_use: Some(18),
                time_wait: Some(3714),
                memory_bytes: Some(12288),
                ..TcpSockets::default()
            },
        };
        assert_eq!(read(PAGE), Some(expected));
    }

    #[test]
    fn other_pages() {
        assert_eq!(read(""), None);
        assert_eq!(read("<html>node_filefd_allocated 5</html>"), None);
        assert_eq!(read("go_goroutines 8\nnode_scrape_collector_success{collector=\"cpu\"} 1\n"), None);
        let odd = "node_filefd_allocated NaN\nnode_sockstat_TCP_inuse NaN\nnode_filefd_maximum -1\nnode_cpu_seconds_total{mode=\"nap\"} 1\n";
        assert_eq!(read(odd), None);
    }
}
